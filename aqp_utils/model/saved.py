"""A trained network as an object to score with, through PyTorch: written, and read again."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from aqp_utils.core.files import atomic
from aqp_utils.core.scale import CLASSES, SCALE
from aqp_utils.core.sealed import write_sealed
from aqp_utils.model.files import DESCRIPTION, FORMAT, OWN, WEIGHTS, about_of, read_model
from aqp_utils.model.fusion import standardised
from aqp_utils.model.network import MultiTaskNet
from aqp_utils.model.prediction import from_logits


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
        inputs = torch.as_tensor(standardised(features, self.mean, self.scale), dtype=torch.float32)
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
    if taken := sorted(OWN & about.keys()):
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
    return read_model(folder, _quality_model)


def _quality_model(folder, description, content):
    try:
        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS} is not a safetensors file ({error}).") from None
    return QualityModel(
        network=assemble(folder, description["architecture"], tensors),
        mean=np.array(description["scaler"]["mean"]),
        scale=np.array(description["scaler"]["scale"]),
        about=about_of(description),
    )


def assemble(folder, architecture, tensors):
    """The network of an architecture with given weights, ready to answer.

    Raises
    ------
    ValueError
        If they do not fit together, naming `folder`.
    """
    try:
        # On the meta device no memory is taken until the shapes are known to agree.
        with torch.device("meta"):
            network = MultiTaskNet(**architecture)
        network.load_state_dict(tensors, assign=True)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(
            f"{folder}: the weights do not fit the architecture in {DESCRIPTION} ({reason})."
        ) from None
    return network.eval()
