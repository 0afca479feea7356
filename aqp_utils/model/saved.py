"""A trained network as an object to score with, and as two files.

`model.safetensors` holds the weights (numbers only), `model.json` everything needed to use them:
the hashes of all other parts, and one of itself. So no part can change without being noticed.
Pickled checkpoints are never opened, because opening one can execute code.
"""

import hashlib
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from aqp_utils.core.files import atomic, sha256
from aqp_utils.core.scale import CLASSES, SCALE
from aqp_utils.core.sealed import SEAL, NotSealed, changed_file, hashes, is_whole, write_sealed
from aqp_utils.model.description import parse_description
from aqp_utils.model.network import MultiTaskNet
from aqp_utils.model.prediction import from_logits

FORMAT = 2  # of model.json; 1 had no hash of itself
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
MANIFEST = "manifest.json"  # of the stage that trained it, where it lies in a run
_FIXED = ("format", "architecture", "scaler", "classes", "label_scale", "weights")
_OWN = {*_FIXED, "documents", SEAL}  # entries that are no part of `QualityModel.about`


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
    if taken := sorted(_OWN & about.keys()):
        raise ValueError(f"about may not hold {', '.join(taken)}: save_model writes these itself.")
    folder = Path(folder)
    with atomic(folder / WEIGHTS) as part:
        part.write_bytes(weights)
        write_sealed(folder / DESCRIPTION, fixed | about)
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
        If the weights are a pickle, are not those that `model.json` was written with, the two
        files do not describe one network, or `model.json` or a document that it names was changed.
    """
    folder = Path(folder)
    _refuse_pickles(folder)
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name} is missing: a model is a folder with {DESCRIPTION} and {WEIGHTS}."
            )
    data = (folder / DESCRIPTION).read_bytes()
    description = parse_description(folder / DESCRIPTION, data)
    tensors = _read_weights(folder / WEIGHTS, description["weights"]["sha256"])
    network = _assemble(description, tensors, folder)
    # Last, for what a part says of itself is the better sentence; this finds all the rest.
    _check_whole(folder, description, data)
    return QualityModel(
        network=network,
        mean=np.array(description["scaler"]["mean"]),
        scale=np.array(description["scaler"]["scale"]),
        about={key: value for key, value in description.items() if key not in _OWN},
    )


def add_documents(folder, names):
    """Write into `model.json` the hashes of documents beside it, so that their change is noticed.

    Parameters
    ----------
    folder : path
        Of a model that loads.
    names : sequence of str
        Of files in `folder` such as a card; those that are not there are left out.
    """
    path = Path(folder) / DESCRIPTION
    description = parse_description(path, path.read_bytes())
    description |= {"format": FORMAT, "documents": hashes(folder, names)}
    write_sealed(path, description)


def _check_whole(folder, description, data):
    """Check `model.json`, whose bytes are `data`, and the documents beside it against its hashes.

    A model of format 1 has no hash of itself. It is loaded all the same, for training it again can
    take hours: in a run folder its manifest has one, elsewhere a warning says so.
    """
    path = folder / DESCRIPTION
    again = "restore the model's files or train the model again."
    if description["format"] == 1 and SEAL not in description:
        _check_by_manifest(path, again)
    elif not is_whole(data, description.get(SEAL)):
        raise ValueError(f"{path} was changed or damaged: its sha256 is not the one in it; {again}")
    elif problem := changed_file(folder, description.get("documents", {})):
        raise ValueError(f"{problem}, and {DESCRIPTION} beside it holds its sha256; {again}")


def _check_by_manifest(path, again):
    try:
        outputs = json.loads(path.with_name(MANIFEST).read_bytes())["outputs"]
        expected = outputs[path.name]
    except (OSError, ValueError, LookupError, TypeError):
        warnings.warn(
            f"{path} was written by an earlier version and holds no sha256 of itself: damage to it "
            "cannot be noticed; train the model again to have one.",
            NotSealed,
            stacklevel=3,
        )
        return
    if sha256(path) != expected:
        raise ValueError(
            f"{path} was changed or damaged: its sha256 is not that of {MANIFEST}; {again}"
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
