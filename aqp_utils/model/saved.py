"""A trained network as an object to score with, and as two files.

`model.safetensors` holds the weights (numbers only), `model.json` everything needed to use them.
Pickled checkpoints are never opened, because opening one can execute code.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from aqp_utils.core.files import atomic, write_json
from aqp_utils.core.scale import CLASSES, SCALE
from aqp_utils.model.network import MultiTaskNet
from aqp_utils.model.prediction import from_logits

FORMAT = 1  # of model.json
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


@dataclass
class QualityModel:
    """A trained network with all it needs to score features: one object from file to answer.

    Attributes
    ----------
    network : MultiTaskNet
    mean, scale : ndarray, shape (n_inputs,)
        Of the training part: `mean_` and `scale_` of a fitted scikit-learn `StandardScaler`.
    about : dict
        Where the features come from (encoder, feature set and names, parameters).
    """

    network: MultiTaskNet
    mean: np.ndarray
    scale: np.ndarray
    about: dict = field(default_factory=dict)

    def predict(self, features):
        """Class probabilities, class and score of each clip.

        Parameters
        ----------
        features : array_like, shape (n, n_inputs)
            Not standardised, columns in training order.

        Returns
        -------
        Prediction
            Scores clipped to [1.0, 4.5].

        Raises
        ------
        ValueError
            If the shape is not the network's or a value is not finite.
        """
        features = np.asarray(features, dtype=np.float64)
        n_inputs = self.network.architecture["n_inputs"]
        if features.ndim != 2 or features.shape[1] != n_inputs:
            raise ValueError(
                f"features have shape {features.shape}; this model takes (n, {n_inputs})."
            )
        bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(bad):
            raise ValueError(
                f"features of {len(bad)} of {len(features)} clips are not finite numbers, "
                f"first at row {bad[0]}; no score is given."
            )
        inputs = torch.as_tensor((features - self.mean) / self.scale, dtype=torch.float32)
        self.network.eval()
        with torch.no_grad():
            logits, score = self.network(inputs)
        return from_logits(logits, score)


def save_model(folder, model, scaler, about):
    """Write `model.safetensors` and `model.json`; a full disk leaves the old pair as it was.

    Parameters
    ----------
    folder : path
        Exists.
    model : MultiTaskNet
    scaler : object with `mean_` and `scale_`, each (n_inputs,)
        A scikit-learn `StandardScaler` fitted on the training part.
    about : dict
        What JSON can hold; stored beside the fixed keys and given back by `load_model`.

    Returns
    -------
    list of Path
        The two files.
    """
    weights = safetensors.torch.save(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    )
    fixed = {
        "format": FORMAT,
        "architecture": model.architecture,
        "scaler": {"mean": scaler.mean_, "scale": scaler.scale_},
        "classes": list(CLASSES),
        "label_scale": list(SCALE),
        "weights": {"file": WEIGHTS, "sha256": hashlib.sha256(weights).hexdigest()},
    }
    if taken := sorted(fixed.keys() & about.keys()):
        raise ValueError(f"about may not hold {', '.join(taken)}: save_model writes these itself.")
    folder = Path(folder)
    with atomic(folder / WEIGHTS) as part:
        part.write_bytes(weights)
        write_json(folder / DESCRIPTION, fixed | about)
    return [folder / WEIGHTS, folder / DESCRIPTION]


def load_model(folder):
    """Read what `save_model` wrote; nothing in the files is ever executed.

    Parameters
    ----------
    folder : path
        Holds `model.json` and `model.safetensors`.

    Returns
    -------
    QualityModel

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If the weights are a pickle, are not those that `model.json` was written with, or the
        two files do not describe one network.
    """
    folder = Path(folder)
    _refuse_pickles(folder)
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name} is missing: a model is a folder with {DESCRIPTION} and {WEIGHTS}."
            )
    description = _read_description(folder / DESCRIPTION)
    tensors = _read_weights(folder / WEIGHTS, description["weights"]["sha256"])
    network = _assemble(description, tensors, folder)
    known = {"format", "architecture", "scaler", "classes", "label_scale", "weights"}
    return QualityModel(
        network=network,
        mean=np.array(description["scaler"]["mean"]),
        scale=np.array(description["scaler"]["scale"]),
        about={key: value for key, value in description.items() if key not in known},
    )


def _refuse_pickles(path):
    suffixes = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"}
    pickled = [path] if path.is_file() and path.suffix in suffixes else []
    if path.is_dir() and not (path / WEIGHTS).exists():
        pickled = [file for file in sorted(path.iterdir()) if file.suffix in suffixes]
    if pickled:
        raise ValueError(_pickle_sentence(pickled[0]))
    if path.is_file():
        raise ValueError(f"{path} is a file: a model is a folder with {DESCRIPTION} and {WEIGHTS}.")


def _pickle_sentence(path):
    return (
        f"{path} is a pickled checkpoint, which can execute code when opened, and was not "
        f"opened: only {WEIGHTS} with {DESCRIPTION} is read."
    )


def _read_description(path):
    try:
        description = json.loads(path.read_bytes())
        if description["format"] != FORMAT:
            raise ValueError(
                f"{path} has format {description['format']!r}; this version reads {FORMAT}."
            )
        # Named here, so that a missing entry is reported as such and not where it is first used.
        _ = description["weights"]["sha256"], description["label_scale"]
        n_inputs = description["architecture"]["n_inputs"]
        mean = np.asarray(description["scaler"]["mean"], dtype=float)
        scale = np.asarray(description["scaler"]["scale"], dtype=float)
        classes = tuple(description["classes"])
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON ({error}): train the model again.") from None
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} lacks an entry ({error}): train the model again.") from None
    if classes != tuple(CLASSES) or tuple(description["label_scale"]) != SCALE:
        raise ValueError(f"{path}: classes must be {list(CLASSES)} on the scale {SCALE}.")
    if mean.shape != (n_inputs,) or scale.shape != (n_inputs,) or not np.all(scale > 0):
        raise ValueError(f"{path}: the scaler must hold {n_inputs} means and positive scales.")
    return description


def _read_weights(path, sha256):
    content = path.read_bytes()
    # A safetensors file starts with a header length of 8 bytes, the upper ones zero; a pickle
    # starts with 0x80 and its protocol followed by an opcode, a torch.save file is a zip.
    if content[:4] == b"PK\x03\x04" or (content[:1] == b"\x80" and content[2:8] != bytes(6)):
        raise ValueError(_pickle_sentence(path))
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(
            f"{path} was changed: its sha256 is not the one in {DESCRIPTION}; train the model "
            "again or restore both files."
        )
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file ({error}).") from None


def _assemble(description, tensors, folder):
    try:
        # On the meta device no memory is taken until the shapes are known to agree.
        with torch.device("meta"):
            network = MultiTaskNet(**description["architecture"])
        network.load_state_dict(tensors, assign=True)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(
            f"{folder}: the weights do not fit the architecture in {DESCRIPTION} ({reason})."
        ) from None
    return network.eval()
