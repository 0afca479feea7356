"""Scores for recordings: `from aqp_utils.predict import Predictor`."""


def __getattr__(name):
    # PEP 562: PyTorch is imported when a predictor is wanted, not when the package is looked at.
    if name == "Predictor":
        from aqp_utils.predict.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
