import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from aqp_utils.core.scale import CLASSES
from aqp_utils.views import plots


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def predictions():
    """Forty clips, of which the class with 0.8 is right for the first 30."""
    quality = np.resize(list(CLASSES), 40)
    claimed = np.where(np.arange(40) < 30, quality, np.roll(CLASSES, 1)[np.arange(40) % 3])
    table = pd.DataFrame({"quality": quality, "predicted_score": np.linspace(1, 4.5, 40)})
    for name in CLASSES:
        table[f"p_{name}"] = np.where(claimed == name, 0.8, 0.1)
    return table


def test_reliability_shows_the_gap_and_names_it(predictions):
    above, below = plots.reliability_diagram(predictions).axes
    confidence, accuracy = above.lines[-1].get_data()
    shown = ~np.isnan(confidence)
    assert confidence[shown] == pytest.approx([0.8]) and accuracy[shown] == pytest.approx([0.75])
    assert above.get_title(loc="left") + above.get_title() == "calibration error (ECE) 0.05"
    assert sum(bar.get_height() for bar in below.patches) == 40


def test_invariance_marks_what_moves():
    table = pd.DataFrame(
        {
            "group": ["gain", "gain", "channels"],
            "change": ["+20 dB", "-6 dB", "two equal"],
            "mean_change": [-0.5, 0.05, 0.0],
            "mean_abs_change": [0.5, 0.05, 0.0],
            "sd": [0.1, 0.02, np.nan],
        }
    )
    ax = plots.invariance_dots(table).axes[0]
    still, moving = (line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "o")
    assert still == [0.05, 0.0] and moving == [-0.5]
    assert ax.get_yticklabels()[0].get_text() == "gain: +20 dB"


def test_bars_are_as_long_as_the_values_also_below_zero():
    table = pd.DataFrame({"damage": ["MP3", "Opus"], "spearman": [0.9, -0.4]})
    table["pairs_in_order"] = [0.95, 0.3]
    for name in ("spearman", "pairs_in_order"):
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - 0.05, table[name] + 0.05
    axes = plots.unseen_order_bars(table).axes
    assert [bar.get_width() for bar in axes[0].patches] == [0.9, -0.4]
    assert axes[0].get_xlim()[0] < -0.4 and axes[1].get_xlim()[0] == 0


def test_family_transfer_draws_seeds_and_mean():
    table = pd.DataFrame(
        {"condition": ["tones → tones"] * 2 + ["tones → speech"], "pcc": [0.9, 0.7, 0.2], "n": 12}
    )
    ax = plots.family_transfer(table).axes[0]
    assert [list(line.get_xdata()) for line in ax.lines[:2]] == [[0.9, 0.7], [pytest.approx(0.8)]]
    assert ax.get_yticklabels()[1].get_text() == "tones → speech (12 clips)"


def test_kinds_have_their_readable_names_and_one_order():
    table = pd.DataFrame({"kind": ["reverb", "clip", "noise"], "score": [2.0, 3.0, 4.0]})
    ax = plots.predicted_against_true(table.assign(predicted_score=table["score"]))
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["noise", "clipping", "reverberation"]
    rises = pd.DataFrame({"difference": 0.1, "low": 0.0, "high": 0.2}, index=["lowpass", "total"])
    ax = plots.paired_rises({"one": rises}, "rise").axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["low-pass", "total"]


def test_a_row_without_a_value_says_so():
    rows = {
        "a": {"pcc": {"value": 0.5, "low": 0.4, "high": 0.6}},
        "b": {"pcc": {"value": None, "low": None, "high": None}},
    }
    ax = plots.intervals(rows, {"pcc": "PCC"}).axes[0]
    assert [(text.get_text(), text.get_position()[1]) for text in ax.texts] == [("no value", 1)]
