"""The network, what it says, and what is kept of it: all that a user of models imports."""

from aqp_utils.model.fusion import fused
from aqp_utils.model.network import Examples, MultiTaskNet, fit, train
from aqp_utils.model.prediction import Prediction, prediction_table
from aqp_utils.model.saved import QualityModel, load_model, save_model

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
