"""A trained network in NumPy: what `saved.QualityModel` answers, without PyTorch."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from aqp_utils.core.scale import CLASSES, SCALE
from aqp_utils.model.files import WEIGHTS, about_of, read_model
from aqp_utils.model.fusion import standardised
from aqp_utils.model.prediction import from_probabilities

DEFAULTS = {"hidden": [512, 256], "n_classes": len(CLASSES)}  # those of `MultiTaskNet`


@dataclass(frozen=True)
class LightModel:
    """Two heads on a body of linear layers with a ReLU after each; see `network.MultiTaskNet`.

    Attributes
    ----------
    folder : Path
        Named in sentences.
    architecture : dict
        As of `MultiTaskNet`.
    tensors : dict
        Name -> ndarray of float32, as PyTorch names them.
    mean, scale : ndarray, shape (n_inputs,)
        Of the training part.
    about : dict
        Where the features come from (encoder, feature set and names, parameters).
    """

    folder: Path
    architecture: dict
    tensors: dict
    mean: np.ndarray
    scale: np.ndarray
    about: dict

    def predict(self, features):
        """What `saved.QualityModel.predict` says of the same features, to rounding."""
        hidden = standardised(features, self.mean, self.scale).astype(np.float32)
        for number in range(len(self.architecture["hidden"])):
            hidden = np.maximum(self._linear(hidden, f"body.{2 * number}"), 0)
        logits = self._linear(hidden, "class_head").astype(np.float64)
        centred = self._linear(hidden, "score_head")[:, 0].astype(np.float64)
        low, high = SCALE
        score = (low + high) / 2 + (high - low) / 2 * centred
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return from_probabilities(likely / likely.sum(axis=1, keepdims=True), score)

    def _linear(self, x, name):
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    @cached_property
    def network(self):
        """The same network in PyTorch, for those who want its gradients."""
        import torch

        from aqp_utils.model.saved import assemble

        tensors = {name: torch.from_numpy(array) for name, array in self.tensors.items()}
        return assemble(self.folder, self.architecture, tensors)


def load_light_model(folder):
    """Read what `saved.save_model` wrote; see `files.read_model`.

    Parameters
    ----------
    folder : path

    Returns
    -------
    LightModel
    """
    return read_model(folder, _light_model)


def _light_model(folder, description, content):
    try:
        tensors = safetensors.numpy.load(content)
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS} is not a safetensors file ({error}).") from None
    architecture = DEFAULTS | description["architecture"]
    if problem := _misfit(architecture, tensors):
        raise ValueError(f"{folder}: the weights do not fit the architecture ({problem}).")
    return LightModel(
        folder=folder,
        architecture=architecture,
        tensors=tensors,
        mean=np.array(description["scaler"]["mean"]),
        scale=np.array(description["scaler"]["scale"]),
        about=about_of(description),
    )


def _misfit(architecture, tensors):
    """The first tensor that is not as the architecture says; None if all are."""
    widths = [architecture["n_inputs"], *architecture["hidden"]]
    sizes = {f"body.{2 * n}": widths[n : n + 2] for n in range(len(widths) - 1)}
    sizes |= {"class_head": [widths[-1], architecture["n_classes"]], "score_head": [widths[-1], 1]}
    expected = {}
    for name, (n_in, n_out) in sizes.items():
        expected |= {f"{name}.weight": (n_out, n_in), f"{name}.bias": (n_out,)}
    if tensors.keys() != expected.keys():
        return f"their names are not {', '.join(expected)}"
    wrong = (name for name, shape in expected.items() if tensors[name].shape != shape)
    return next((f"{name} has shape {tensors[name].shape}" for name in wrong), None)
