"""Every parameter of the series, declared once: default, unit, what is allowed, what it means."""

import ast
import difflib
import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqp_utils.runs import places

DEGRADATIONS = ("noise", "clip", "lowpass", "reverb", "compression")
SEVERITIES = (1, 2, 3)
ENCODER_WORDS = ("embedded", "auto", "random")


@dataclass(frozen=True)
class Parameter:
    """One parameter of the notebooks.

    Attributes
    ----------
    name : str
        As written in the notebooks' parameters cells and after `-p`.
    default : object
        Its literal there.
    allowed : str
        For error messages; completes "allowed is/are …".
    accepts : callable
        Value -> bool, the same as `allowed` says.
    meaning : str
        For tables and help.
    unit : str
        "" where it has none.
    scope : {"study", "stage", "session"}
        "study": results depend on it and every notebook of a run must agree on it. "stage": a
        change remakes the notebooks that declare it, but they need not agree. "session": results
        do not depend on it.
    """

    name: str
    default: Any
    allowed: str
    accepts: Callable[[Any], bool]
    meaning: str
    unit: str = ""
    scope: str = "study"


def _words(choices):
    *first, last = (str(c) for c in choices)
    return f"{', '.join(first)} and {last}"


# What a value may be, first in words, then as a check.


def _integer(low, high):
    return f"an integer from {low} to {high}", functools.partial(_is_integer, low, high)


def _is_integer(low, high, v):
    return isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def _number(low, high, open_low=False):
    def accepts(v):
        if isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v):
            return False
        return low <= v <= high and not (open_low and v == low)

    limits = f"above {low}, at most {high}" if open_low else f"from {low} to {high}"
    return f"a number {limits}", accepts


def _one_of(*choices):
    return _words(choices), lambda v: isinstance(v, str) and v in choices


def _some_of(words, choices, at_least=1):
    def accepts(v):
        if not isinstance(v, list | tuple) or any(isinstance(i, bool) for i in v):
            return False
        return len(v) >= at_least and all(item in choices for item in v) and len(set(v)) == len(v)

    return words, accepts


def _is_hidden(v):
    if not isinstance(v, list | tuple) or not 1 <= len(v) <= 6:
        return False
    return all(_is_integer(1, 8192, width) for width in v)


def _is_path(v):
    return isinstance(v, str) and v.strip() != "" and "\0" not in v


def _is_file_or_nothing(v):
    return isinstance(v, str) and (v == "" or Path(v).is_file())


def _is_place_or_nothing(v):
    return isinstance(v, str) and (v == "" or Path(v).exists())


def _is_encoder(v):
    if not _is_path(v):
        return False
    if v in ENCODER_WORDS or (Path(v).expanduser() / "config.json").is_file():
        return True
    return re.fullmatch(r"[\w.-]+/[\w.-]+", v) is not None and not v.startswith(".")


def _is_layer(v):
    return v == "default" or _is_integer(-100, 99, v)


def _is_device(v):
    return isinstance(v, str) and re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", v) is not None


_PATH = "a path", _is_path
_FILE = "the path of a CSV file and nothing", _is_file_or_nothing
_PLACE = "a path that exists and nothing", _is_place_or_nothing
_COLUMN = "a column name and nothing", lambda v: isinstance(v, str)
_SWITCH = "True and False", lambda v: isinstance(v, bool)
_HIDDEN = "a list of 1 to 6 integers from 1 to 8192", _is_hidden
_LAYER = "default (what suits the encoder) and integers from -100 to 99", _is_layer
_DEVICE = "auto, cpu, cuda, cuda:N and mps", _is_device
_SEVERITIES = _some_of(f"two or more of {_words(SEVERITIES)}", SEVERITIES, at_least=2)
_KINDS = _some_of(f"a list of {_words(DEGRADATIONS)}, each once", DEGRADATIONS)
_ENCODER = (
    f"{', '.join(ENCODER_WORDS)}, a Hugging Face name such as facebook/wav2vec2-base "
    "and a local folder with a config.json",
    _is_encoder,
)

# fmt: off
# Two lines each: name, default, what is allowed; meaning, unit, scope.
_TABLE = (
    Parameter("OUT", "outputs/run", *_PATH,
              "folder of this run, relative to the repository", scope="session"),
    Parameter("SEED", 0, *_integer(0, 2**32 - 1),
              "seed of every random stream"),
    Parameter("N_PER_CONDITION", 20, *_integer(2, 20_000),
              "clean sources per kind of degradation", "clips"),
    Parameter("DEGRADATIONS", list(DEGRADATIONS), *_KINDS,
              "kinds of degradation"),
    Parameter("SOURCES", "tones", *_one_of("tones", "speech"),
              "family of the clean clips"),
    Parameter("DURATION_S", 3.0, *_number(1, 30),
              "length of a clip", "s"),
    Parameter("AUDIO_FORMAT", "wav", *_one_of("wav", "flac"),
              "how clips are stored, with the same samples", scope="stage"),
    Parameter("SEVERITIES", list(SEVERITIES), *_SEVERITIES,
              "severities of each degradation, 1 mild to 3 strong; one would be one class"),
    Parameter("GAPS", True, *_SWITCH,
              "leave gaps between the severities; without, every score can occur"),
    Parameter("LABEL", "pseudo_pesq", *_one_of("pseudo_pesq", "measured"),
              "where the quality score comes from"),
    Parameter("FEATURES", "psychoacoustic", *_one_of("psychoacoustic", "classic"),
              "which 19 features are fused with the embedding"),
    Parameter("ENCODER", "embedded", *_ENCODER,
              "Wav2Vec2 encoder"),
    Parameter("LAYER", "default", *_LAYER,
              "hidden state that is pooled: 0 is the input of the first layer, -1 the top"),
    Parameter("POOLING", "mean", *_one_of("mean", "mean+std"),
              "how frames become one vector per clip"),
    Parameter("EMBED_BATCH", 8, *_integer(1, 1024),
              "clips embedded at a time", "clips", scope="stage"),
    Parameter("DEVICE", "auto", *_DEVICE,
              "where PyTorch computes", scope="stage"),
    Parameter("TEST_SHARE", 0.2, *_number(0.05, 0.5),
              "share of the sources kept for testing"),
    Parameter("HIDDEN", [512, 256], *_HIDDEN,
              "widths of the hidden layers", "units"),
    Parameter("DROPOUT", 0.3, *_number(0, 0.95),
              "share of units dropped in training"),
    Parameter("SCORE_WEIGHT", 0.5, *_number(0, 1000),
              "weight λ of the squared score error beside the cross-entropy"),
    Parameter("LEARNING_RATE", 1e-4, *_number(0, 1, open_low=True),
              "step size of Adam"),
    Parameter("EPOCHS", 40, *_integer(1, 100_000),
              "passes over the training part"),
    Parameter("BATCH_SIZE", 16, *_integer(1, 65_536),
              "clips per training step", "clips"),
    Parameter("BOOTSTRAP", 1000, *_integer(10, 1_000_000),
              "resamplings behind each confidence interval"),
    Parameter("SEEDS", 5, *_integer(1, 100),
              "splits and initialisations behind every comparison in 06"),
    Parameter("RECORDINGS", "", *_PLACE,
              "recordings to score in 07, a file or a folder; nothing: a demo is made",
              scope="stage"),
    Parameter("REAL_AUDIO", "", *_FILE,
              "table (CSV) of recordings with scores, for the section outside the lab",
              scope="stage"),
    Parameter("REAL_SCORE", "", *_COLUMN,
              "column of that table that holds the scores; nothing: found by name", scope="stage"),
    Parameter("N_SOURCES", 60, *_integer(50, 1_000_000),
              "clean sources of the field predictor, each with damaged versions", "clips"),
    Parameter("FIELD_EPOCHS", 2, *_integer(1, 1000),
              "passes over the training part of the field predictor"),
    Parameter("FIELD_START", "nothing", *_one_of("nothing", "shipped"),
              "where the field predictor starts: random weights, or those of the one that ships"),
    Parameter("FIELD_HELD_OUT", True, *_SWITCH,
              "keep whole mechanisms of damage from the training, to choose by; False: learn from "
              "all, last of all"),
    Parameter("PROCESSES", 0, *_integer(0, 1024),
              "processes that make clips at a time; 0: one per processor core", scope="session"),
    Parameter("INTERACTIVE", True, *_SWITCH,
              "show the widgets; batch runs set it to False", scope="session"),
)
# fmt: on
PARAMETERS = {parameter.name: parameter for parameter in _TABLE}

PLACES = ("RECORDINGS", "REAL_AUDIO")  # what the reader brings: found from where the reader stands

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
    "field": {
        "SEED": 3,
        "N_SOURCES": 2_640,
        "FIELD_EPOCHS": 1,
        "FIELD_START": "shipped",
        "FIELD_HELD_OUT": False,
    },  # making/train_predictor instead of the series
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
    if name in PLACES:
        value = places.found(name, text)
    elif isinstance(default, bool):
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
    for name in PLACES:
        if isinstance(values.get(name), str):
            values[name] = places.found(name, values[name])
    for name, value in values.items():
        check(name, value)
    return values
