"""Parameters, features and computed sentences as a reader sees them."""

import math
import re

from IPython.display import Markdown, display

from aqp_utils.core.text import MISSING, number
from aqp_utils.degradations.degrade import DEGRADATIONS

WRITTEN = {
    "n5": "N5",
    "n95": "N95",
    "lufs": "LUFS",
    "din": "(DIN)",
    "aures": "(Aures)",
    "hnr": "HNR",
    "bark": "Bark",
    "mfcc": "MFCC",
    "rms": "RMS",
}


def say(sentence):
    """Show Markdown under a cell: how a notebook says a sentence that quotes computed numbers."""
    display(Markdown(sentence))


def parameter_text(kind, value):
    """The physical parameter of a clip in words, e.g. "SNR 38.4 dB"."""
    facts = DEGRADATIONS.get(kind)
    if value is None or not math.isfinite(value):
        return MISSING
    if facts is None:
        return number(value)
    unit = "" if facts.unit == "1" else f" {facts.unit}"
    return f"{facts.parameter} {number(value, {'Hz': 0, 'dB': 1}.get(facts.unit, 2))}{unit}"


def feature_label(name):
    """A feature's name as people write it, e.g. "loudness 0–4 Bark" for loudness_0_4_bark."""
    spans = re.sub(r"_(\d+)_(\d+)_", r"_\1–\2_", name)
    return " ".join(WRITTEN.get(word, word) for word in spans.split("_"))
