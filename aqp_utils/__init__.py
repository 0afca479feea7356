"""Helpers behind the aqp notebooks: no-reference audio quality prediction taught by synthesis."""

__version__ = "0.1.0"


def __getattr__(name):
    # PEP 562: PyTorch is imported when a predictor is wanted, not when the package is looked at.
    if name == "Predictor":
        from aqp_utils.predict.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
