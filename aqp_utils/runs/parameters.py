"""Every parameter of the series, declared once: default, unit, what is allowed, what it means."""

import ast
import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEGRADATIONS = ("noise", "clip", "lowpass", "reverb", "compression")
SEVERITIES = (1, 2, 3)
ENCODER_WORDS = ("auto", "embedded", "random")


@dataclass(frozen=True)
class Parameter:
    """One parameter of the notebooks.

    Attributes
    ----------
    name : str
        As written in the notebooks' parameters cells and after `-p`.
    default : object
        Its literal there.
    unit : str
        "" where it has none.
    meaning, allowed : str
        For tables and error messages; `allowed` completes "allowed is/are …".
    accepts : callable
        Value -> bool.
    scope : {"study", "stage", "session"}
        "study": results depend on it and every notebook of a run must agree on it. "stage": a
        change remakes the notebooks that declare it, but they need not agree. "session": results
        do not depend on it.
    """

    name: str
    default: Any
    unit: str
    meaning: str
    allowed: str
    accepts: Callable[[Any], bool]
    scope: str = "study"


def _integer(low, high):
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def _number(low, high, open_low=False):
    def accepts(v):
        if isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v):
            return False
        return low <= v <= high and not (open_low and v == low)

    return accepts


def _one_of(*choices):
    return lambda v: isinstance(v, str) and v in choices


def _some_of(*choices):
    def accepts(v):
        if not isinstance(v, list | tuple) or not v or any(isinstance(i, bool) for i in v):
            return False
        return all(item in choices for item in v) and len(set(v)) == len(v)

    return accepts


def _hidden(v):
    width = _integer(1, 8192)
    return isinstance(v, list | tuple) and 1 <= len(v) <= 6 and all(width(w) for w in v)


def _path(v):
    return isinstance(v, str) and v.strip() != "" and "\0" not in v


def _file_or_nothing(v):
    return isinstance(v, str) and (v == "" or Path(v).is_file())


def _encoder(v):
    if not _path(v):
        return False
    if v in ENCODER_WORDS or (Path(v).expanduser() / "config.json").is_file():
        return True
    return re.fullmatch(r"[\w.-]+/[\w.-]+", v) is not None and not v.startswith(".")


def _layer(v):
    return v == "default" or _integer(-100, 99)(v)


def _device(v):
    return isinstance(v, str) and re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", v) is not None


def _words(choices):
    *first, last = (str(c) for c in choices)
    return f"{', '.join(first)} and {last}"


PARAMETERS = {
    p.name: p
    for p in (
        Parameter(
            "OUT",
            "outputs/run",
            "",
            "folder of this run, relative to the repository",
            "a path",
            _path,
            scope="session",
        ),
        Parameter(
            "SEED",
            0,
            "",
            "seed of every random stream",
            "an integer from 0 to 4294967295",
            _integer(0, 2**32 - 1),
        ),
        Parameter(
            "N_PER_CONDITION",
            20,
            "clips",
            "clean sources per kind of degradation",
            "an integer from 2 to 20000",
            _integer(2, 20_000),
        ),
        Parameter(
            "DEGRADATIONS",
            list(DEGRADATIONS),
            "",
            "kinds of degradation",
            f"a list of {_words(DEGRADATIONS)}, each once",
            _some_of(*DEGRADATIONS),
        ),
        Parameter(
            "SOURCES",
            "tones",
            "",
            "family of the clean clips",
            "tones and speech",
            _one_of("tones", "speech"),
        ),
        Parameter(
            "DURATION_S",
            3.0,
            "s",
            "length of a clip",
            "a number from 1 to 30",
            _number(1, 30),
        ),
        Parameter(
            "SEVERITIES",
            list(SEVERITIES),
            "",
            "severities of each degradation, 1 mild to 3 strong",
            _words(SEVERITIES),
            _some_of(*SEVERITIES),
        ),
        Parameter(
            "LABEL",
            "pseudo_pesq",
            "",
            "where the quality score comes from",
            "pseudo_pesq and measured",
            _one_of("pseudo_pesq", "measured"),
        ),
        Parameter(
            "FEATURES",
            "psychoacoustic",
            "",
            "which 19 features are fused with the embedding",
            "psychoacoustic and classic",
            _one_of("psychoacoustic", "classic"),
        ),
        Parameter(
            "ENCODER",
            "auto",
            "",
            "Wav2Vec2 encoder",
            "auto, embedded, random, a Hugging Face name such as facebook/wav2vec2-base "
            "and a local folder with a config.json",
            _encoder,
        ),
        Parameter(
            "LAYER",
            "default",
            "",
            "hidden state that is pooled: 0 is the input of the first layer, -1 the top",
            "default (what suits the encoder) and integers from -100 to 99",
            _layer,
        ),
        Parameter(
            "POOLING",
            "mean",
            "",
            "how frames become one vector per clip",
            "mean and mean+std",
            _one_of("mean", "mean+std"),
        ),
        Parameter(
            "EMBED_BATCH",
            8,
            "clips",
            "clips embedded at a time",
            "an integer from 1 to 1024",
            _integer(1, 1024),
            scope="stage",
        ),
        Parameter(
            "DEVICE",
            "auto",
            "",
            "where PyTorch computes",
            "auto, cpu, cuda, cuda:N and mps",
            _device,
            scope="stage",
        ),
        Parameter(
            "TEST_SHARE",
            0.2,
            "",
            "share of the sources kept for testing",
            "a number from 0.05 to 0.5",
            _number(0.05, 0.5),
        ),
        Parameter(
            "HIDDEN",
            [512, 256],
            "units",
            "widths of the hidden layers",
            "a list of 1 to 6 integers from 1 to 8192",
            _hidden,
        ),
        Parameter(
            "DROPOUT",
            0.3,
            "",
            "share of units dropped in training",
            "a number from 0 to 0.95",
            _number(0, 0.95),
        ),
        Parameter(
            "SCORE_WEIGHT",
            0.5,
            "",
            "weight λ of the squared score error beside the cross-entropy",
            "a number from 0 to 1000",
            _number(0, 1000),
        ),
        Parameter(
            "LEARNING_RATE",
            1e-4,
            "",
            "step size of Adam",
            "a number above 0, at most 1",
            _number(0, 1, open_low=True),
        ),
        Parameter(
            "EPOCHS",
            40,
            "",
            "passes over the training part",
            "an integer from 1 to 100000",
            _integer(1, 100_000),
        ),
        Parameter(
            "BATCH_SIZE",
            16,
            "clips",
            "clips per training step",
            "an integer from 1 to 65536",
            _integer(1, 65_536),
        ),
        Parameter(
            "BOOTSTRAP",
            1000,
            "",
            "resamplings behind each confidence interval",
            "an integer from 10 to 1000000",
            _integer(10, 1_000_000),
        ),
        Parameter(
            "SEEDS",
            5,
            "",
            "splits and initialisations behind every comparison in 05",
            "an integer from 1 to 100",
            _integer(1, 100),
        ),
        Parameter(
            "REAL_AUDIO",
            "",
            "",
            "table (CSV) of recordings with scores, for the section outside the lab",
            "the path of a CSV file and nothing",
            _file_or_nothing,
            scope="stage",
        ),
        Parameter(
            "REAL_SCORE",
            "",
            "",
            "column of that table that holds the scores; nothing: found by name",
            "a column name and nothing",
            lambda v: isinstance(v, str),
            scope="stage",
        ),
        Parameter(
            "N_SOURCES",
            60,
            "clips",
            "clean sources of the field predictor, each with four damaged versions",
            "an integer from 50 to 1000000",
            _integer(50, 1_000_000),
        ),
        Parameter(
            "FIELD_EPOCHS",
            2,
            "",
            "passes over the training part of the field predictor",
            "an integer from 1 to 1000",
            _integer(1, 1000),
        ),
        Parameter(
            "PROCESSES",
            0,
            "",
            "processes that make clips at a time; 0: one per processor core",
            "an integer from 0 to 1024",
            _integer(0, 1024),
            scope="session",
        ),
        Parameter(
            "INTERACTIVE",
            True,
            "",
            "show the widgets; batch runs set it to False",
            "True and False",
            lambda v: isinstance(v, bool),
            scope="session",
        ),
    )
}

# A preset is only a set of values; what it does not name keeps its default.
PRESETS = {
    "smoke": {
        "N_PER_CONDITION": 4,
        "DURATION_S": 1.5,
        "TEST_SHARE": 0.5,
        "EPOCHS": 5,
        "BOOTSTRAP": 50,
        "SEEDS": 2,
    },
    "default": {},
    "field": {"N_SOURCES": 10_000, "FIELD_EPOCHS": 12},  # notebook 06 instead of 01 to 05
}


def lookup(name):
    """`Parameter` called `name`, or ValueError naming the closest one there is."""
    if name in PARAMETERS:
        return PARAMETERS[name]
    close = difflib.get_close_matches(str(name).upper(), PARAMETERS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {_words(PARAMETERS)}."
    raise ValueError(f"{name}: there is no such parameter; {hint}")


def check(name, value):
    """Raise ValueError with one sentence if `value` is not allowed for parameter `name`."""
    parameter = lookup(name)
    if not parameter.accepts(value):
        verb = "is" if parameter.allowed.startswith(("a ", "an ")) else "are"
        raise ValueError(f"{name} = {value!r}: allowed {verb} {parameter.allowed}.")


def check_together(values):
    """Raise ValueError if `values` (name -> value), each allowed, do not fit each other.

    Intervals draw whole sources, so each kind of degradation needs two of them in the test part.
    """
    n, share = (values.get(k, PARAMETERS[k].default) for k in ("N_PER_CONDITION", "TEST_SHARE"))
    if min(round(share * n), n - 1) < 2:
        raise ValueError(
            f"N_PER_CONDITION = {n} with TEST_SHARE = {share} leaves fewer than 2 sources of each "
            "kind for testing, too few for intervals: raise one of them."
        )


def parse(name, text):
    """Value of parameter `name` from the command line's `text`, checked.

    Lists may be written as `[1, 3]`, `1,3` or `noise,clip`; words need no quotes.
    """
    default = lookup(name).default
    if isinstance(default, bool):
        value = {"true": True, "false": False}.get(text.lower(), text)
    elif isinstance(default, str) and name != "LAYER":  # a word or a number
        value = text
    elif isinstance(default, list):
        value = [_literal(item) for item in text.strip().strip("[]()").split(",") if item.strip()]
    else:
        value = _literal(text)
    check(name, value)
    return value


def _literal(text):
    text = text.strip()
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def resolve(preset="default", given=None):
    """Values of `preset` with those `given` (name -> value) on top, all checked.

    What neither names is left to the notebook's own default.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset {preset!r}: there are {_words(PRESETS)}.")
    values = {**PRESETS[preset], **(given or {})}
    for name, value in values.items():
        check(name, value)
    return values
