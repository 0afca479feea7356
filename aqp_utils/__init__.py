"""Helpers behind the aqp notebooks: no-reference audio quality prediction taught by synthesis."""

__version__ = "0.1.0"


def __getattr__(name):
    # PEP 562: imports take their time, and only those who want a predictor shall wait.
    if name == "Predictor":
        from aqp_utils.predict.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
