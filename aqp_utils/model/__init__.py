"""The network, what it says, and what is kept of it: all that a user of models imports."""

from importlib import import_module

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


# Each is looked up in its module when it is asked for (PEP 562): these import PyTorch, and the
# network that ships does without.
_OF_PYTORCH = {
    "network": ("Examples", "MultiTaskNet", "fit", "train"),
    "saved": ("QualityModel", "load_model", "save_model"),
}


def __getattr__(name):
    for module, names in _OF_PYTORCH.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
