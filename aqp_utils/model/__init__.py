"""The network, what it says, and what is kept of it: all that a user of models imports."""

from aqp_utils.model.fusion import fused
from aqp_utils.model.prediction import Prediction, prediction_table

__all__ = [
    "Examples",
    "MultiTaskNet",
    "Prediction",
    "QualityModel",
    "fit",
    "fused",
    "load_model",
    "prediction_table",
    "save_model",
    "train",
]


def __getattr__(name):
    # PEP 562: PyTorch is imported when a network is wanted; the one that ships does without.
    # Imports are spelled out: the hash of a stage's code follows what it can read (`runs/code`).
    if name in ("Examples", "MultiTaskNet", "fit", "train"):
        from aqp_utils.model.network import Examples, MultiTaskNet, fit, train

        found = {"Examples": Examples, "MultiTaskNet": MultiTaskNet, "fit": fit, "train": train}
        return found[name]
    if name in ("QualityModel", "load_model", "save_model"):
        from aqp_utils.model.saved import QualityModel, load_model, save_model

        found = {"QualityModel": QualityModel, "load_model": load_model, "save_model": save_model}
        return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
