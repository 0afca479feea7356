"""The predictor that ships with this package: where it lies, how it came about, what it reached."""

import json

from aqp_utils.core.package import ASSETS

FOLDER = ASSETS / "predictor"
CARD, MEASURED = "card.json", "measured.json"
DOCUMENTS = (CARD, MEASURED, "golden.json")  # beside model.json, which holds their hashes


def card():
    """Its model card as a dict, or None if the files are missing."""
    path = FOLDER / CARD
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def measured():
    """What it was measured at on recordings: list of dict, empty if nothing was.

    Each has recordings, labels, version, date, git_commit, n, interval, clip (metrics with
    intervals, clip level) and groups (metrics of each kind of damage).
    """
    path = FOLDER / MEASURED
    return json.loads(path.read_text("utf-8")) if path.is_file() else []
