"""Figures of the evaluation beyond the first look: calibration, invariance, unseen damage.

As in `plots`: data in, figure out.
"""

import matplotlib.pyplot as plt
import numpy as np

from aqp_utils.core import scale
from aqp_utils.evaluation.invariance import WORTH_A_WORD
from aqp_utils.evaluation.metrics import expected_calibration_error, reliability
from aqp_utils.evaluation.unseen_damage import TRAINED_ON
from aqp_utils.plots import CLASS_COLORS

N_BINS = 10  # of the reliability diagram; ECE is taken over the same
_ACCENT, _GREY = CLASS_COLORS["high"], "0.4"


def reliability_diagram(predictions):
    """How often the predicted class is right against how sure the model was, and how often it was.

    Parameters
    ----------
    predictions : DataFrame
        Columns quality, p_low, p_medium, p_high.
    """
    probabilities = predictions[[f"p_{name}" for name in scale.CLASSES]].to_numpy()
    bins = reliability(predictions["quality"], probabilities, N_BINS)
    ece = expected_calibration_error(predictions["quality"], probabilities, N_BINS)
    fig, (above, below) = plt.subplots(
        2, 1, figsize=(4.4, 4.6), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    middle, width = (bins["low"] + bins["high"]) / 2, 1 / N_BINS
    above.plot([0, 1], [0, 1], color="0.7", lw=1, zorder=0)
    above.vlines(bins["confidence"], bins["confidence"], bins["accuracy"], color=_GREY, lw=1)
    above.plot(bins["confidence"], bins["accuracy"], "o", color=_ACCENT)
    above.set(ylabel="share right", xlim=(0, 1), ylim=(-0.03, 1.03))
    above.set_title(f"calibration error (ECE) {ece:.2f}")
    below.bar(middle, bins["n"], width=0.9 * width, color=_ACCENT)
    below.set(xlabel="confidence in the predicted class", ylabel="clips")
    return fig


def score_histograms(predictions):
    """Predicted scores of the clips of each true class, and the thresholds between the classes.

    Parameters
    ----------
    predictions : DataFrame
        Columns quality, predicted_score.
    """
    edges = np.linspace(*scale.SCALE, 29)  # bins of 0.125
    fig, axes = plt.subplots(
        len(scale.CLASSES), 1, figsize=(6, 4.2), sharex=True, sharey=True, layout="constrained"
    )
    for ax, name in zip(axes, reversed(scale.CLASSES), strict=True):
        scores = predictions.loc[predictions["quality"] == name, "predicted_score"]
        ax.hist(scores, edges, color=CLASS_COLORS[name])
        for threshold in scale.CLASS_THRESHOLDS:
            ax.axvline(threshold, color="0.5", lw=0.8, ls=":")
        ax.set(title=f"{name} ({len(scores)} clips)", ylabel="clips")
    axes[-1].set(xlabel="predicted score (dotted: class limits of the labels)", xlim=scale.SCALE)
    return fig


def invariance_dots(table):
    """Mean change of the score ± sd for every change that should leave it; band: ±0.1.

    Parameters
    ----------
    table : DataFrame
        From `invariance.invariance_table`.
    """
    fig, ax = plt.subplots(figsize=(6.4, 0.27 * len(table) + 1), layout="constrained")
    rows = np.arange(len(table))
    moves = (table["mean_abs_change"] > WORTH_A_WORD).to_numpy()
    ax.axvspan(-WORTH_A_WORD, WORTH_A_WORD, color="0.93", lw=0)
    ax.axvline(0, color="0.7", lw=1)
    for chosen, color in ((~moves, _GREY), (moves, CLASS_COLORS["low"])):
        part = table[chosen]
        ax.errorbar(
            part["mean_change"], rows[chosen], xerr=part["sd"].fillna(0), fmt="o", color=color, lw=2
        )
    labels = (table["group"] + ": " + table["change"]).tolist()
    ax.set(yticks=rows, yticklabels=labels, xlabel="change of the score (mean ± sd over clips)")
    ax.invert_yaxis()
    return fig


def unseen_order_bars(table):
    """How well the scores follow damage that was not trained on, with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        From `unseen_damage.unseen_order`.
    """
    panels = {
        "spearman": ("Spearman ρ per source", 0.0),
        "pairs_in_order": ("pairs of steps in order", 0.5),
    }
    fig, axes = plt.subplots(
        1, 2, figsize=(9, 0.38 * len(table) + 1.1), sharey=True, layout="constrained"
    )
    rows = np.arange(len(table))
    colors = np.where(table["damage"] == TRAINED_ON, _GREY, "C0")
    for ax, (column, (label, chance)) in zip(axes, panels.items(), strict=True):
        value = table[column].to_numpy()
        ends = np.abs(table[[f"{column}_low", f"{column}_high"]].to_numpy().T - value)
        ax.barh(rows, value, color=colors, height=0.6)
        ax.errorbar(value, rows, xerr=ends, fmt="none", color="black", lw=1)
        ax.axvline(chance, color="0.5", lw=0.8, ls=":")
        ax.set(xlabel=f"{label} (dotted: chance)", xlim=(min(0, np.min(value) - 0.1), 1.03))
    axes[0].set(yticks=rows, yticklabels=table["damage"])
    axes[0].invert_yaxis()
    return fig


def family_transfer(per_seed, metric="pcc", label="PCC (score)"):
    """One metric for every pair of families trained on and tested on: each seed, and the mean.

    Parameters
    ----------
    per_seed : DataFrame
        From `comparison.per_seed` of an `unseen_damage.cross_family` study.
    metric, label : str
    """
    groups = list(per_seed.groupby("condition", sort=False))
    fig, ax = plt.subplots(figsize=(5.6, 0.4 * len(groups) + 1), layout="constrained")
    for row, (_, part) in enumerate(groups):
        ax.plot(part[metric], np.full(len(part), row), "o", color=_GREY, ms=4, alpha=0.6)
        ax.plot(part[metric].mean(), row, "|", color=_ACCENT, ms=16, mew=3)
    names = [f"{name} ({part['n'].iloc[0]} clips)" for name, part in groups]
    ax.set(yticks=range(len(groups)), yticklabels=names, xlabel=f"{label}: seeds, and their mean")
    ax.grid(axis="x", color="0.92")
    ax.invert_yaxis()
    return fig
