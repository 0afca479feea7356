"""Scores for recordings: `from aqp_utils.predict import Predictor`."""


def __getattr__(name):
    # PEP 562: imports take their time, and only those who want a predictor shall wait.
    if name == "Predictor":
        from aqp_utils.predict.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
