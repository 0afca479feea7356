"""Figures of what a predictor is worth."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from aqp_utils.core import scale
from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.scale import SCALE
from aqp_utils.degradations.catalogue import TRAINED_ON
from aqp_utils.evaluation.invariance import WORTH_A_WORD
from aqp_utils.evaluation.metrics import expected_calibration_error, reliability
from aqp_utils.views.plots.clips import spectrogram
from aqp_utils.views.plots.style import CLASS_COLORS, KIND_COLORS, PALETTE, ax_or_new

N_BINS = 10  # of the reliability diagram; ECE is taken over the same
_ACCENT, _GREY = CLASS_COLORS["high"], "0.4"


def score_curve(audio, curve, inches=(12, 3.4)):
    """Score of each window over the spectrogram.

    Parameters
    ----------
    audio : ndarray, shape (n,)
    curve : DataFrame
        Of a `QualityScore`.
    inches : (float, float)
        Width and height.

    Returns
    -------
    Figure
    """
    fig = Figure(figsize=inches, layout="none")
    ax = fig.subplots()
    spectrogram(audio, ax, colorbar=False)
    scores = ax.twinx()
    if len(curve) > 1:
        middle_s = (curve["start_s"] + curve["end_s"]) / 2
        scores.plot(middle_s, curve["score"], "o-", color="white", mec="black", lw=2)
    else:
        scores.hlines(curve["score"], curve["start_s"], curve["end_s"], color="white", lw=2)
    low, high = SCALE
    scores.set(
        ylim=(low - 0.2, high + 0.2), ylabel="score (1 to 4.5)", xlim=(0, len(audio) / SAMPLE_RATE)
    )
    width, height = inches
    fig.subplots_adjust(0.6 / width, 0.5 / height, 1 - 0.6 / width, 1 - 0.1 / height)
    return fig


def training_curves(history):
    """Loss of both tasks and accuracy on the training and the test part, by epoch."""
    fig, axes = plt.subplots(1, 3, figsize=(11, 3))
    panels = {"ce": "cross-entropy (nat)", "mse": "squared error (score²)", "accuracy": "accuracy"}
    for ax, (column, label) in zip(axes, panels.items(), strict=True):
        for part, color in (("train", PALETTE[0]), ("test", PALETTE[1])):
            ax.plot(history.epoch, history[f"{part}_{column}"], color=color, label=part)
        ax.set(xlabel="epoch", ylabel=label)
    axes[0].set_title("class")
    axes[1].set_title("score")
    axes[1].set_yscale("log")
    axes[2].set(title="class", ylim=(0, 1.02))
    axes[0].legend()
    return fig


def confusion(matrix, classes=scale.CLASSES, ax=None):
    """Confusion matrix with counts; rows true, columns predicted."""
    ax = ax_or_new(ax, figsize=(4, 3.4))
    shares = matrix / np.maximum(np.sum(matrix, axis=1, keepdims=True), 1)
    sns.heatmap(
        shares,
        annot=matrix,
        fmt="d",
        cmap="Blues",
        vmin=0,
        vmax=1,
        cbar=False,
        square=True,
        ax=ax,
        xticklabels=classes,
        yticklabels=classes,
        annot_kws={"size": 12},
    )
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.tick_params(length=0)
    return ax


def predicted_against_true(predictions, ax=None):
    """Predicted against true score of every clip."""
    ax = ax_or_new(ax, figsize=(4.6, 4.2))
    ax.plot([1, 4.5], [1, 4.5], color="0.7", lw=1, zorder=0)
    sns.scatterplot(
        predictions,
        x="score",
        y="predicted_score",
        hue="kind",
        style="kind",
        palette=KIND_COLORS,
        s=36,
        linewidth=0.3,
        ax=ax,
    )
    ax.set(xlabel="true score", ylabel="predicted score", xlim=(0.9, 4.6), ylim=(0.9, 4.6))
    ax.set_aspect("equal")
    sns.move_legend(ax, "upper left", title="")
    return ax


def density_against_true(predictions, ax=None):
    """Predicted against true score of thousands of clips: how many fall where."""
    ax = ax_or_new(ax, figsize=(5.2, 4.2))
    edges = np.linspace(1, 4.5, 36)
    counts = ax.hist2d(
        predictions["score"], predictions["predicted_score"], edges, norm="log", cmap="Blues"
    )
    ax.plot([1, 4.5], [1, 4.5], color="0.4", lw=1)
    ax.figure.colorbar(counts[-1], ax=ax, label="clips")
    ax.set(xlabel="true score", ylabel="predicted score")
    ax.set_aspect("equal")
    return ax


def intervals(table, columns, n_columns=None, reference=None):
    """Values with intervals as horizontal dots, one panel per metric.

    Parameters
    ----------
    table : dict
        Row label -> {metric -> {"value", "low", "high"}}.
    columns : dict
        Metric -> axis label.
    reference : str, optional
        Row drawn in the accent colour, with a line through its value.
    """
    rows = list(table)
    fig, axes = plt.subplots(
        1, len(columns), figsize=(3.2 * len(columns), 0.34 * len(rows) + 1.1), sharey=True
    )
    for ax, (metric, label) in zip(np.atleast_1d(axes), columns.items(), strict=True):
        for y, row in enumerate(rows):
            entry = table[row].get(metric)
            if entry is None or entry["value"] is None:
                continue
            color = PALETTE[0] if row == reference or reference is None else "0.4"
            if entry["low"] is not None:
                ax.plot([entry["low"], entry["high"]], [y, y], color=color, lw=2, alpha=0.6)
            ax.plot(entry["value"], y, "o", color=color, ms=6)
        if reference is not None:
            ax.axvline(table[reference][metric]["value"], color=PALETTE[0], lw=0.8, ls=":")
        ax.set(xlabel=label, yticks=range(len(rows)), yticklabels=rows)
        ax.grid(axis="x", color="0.92")
    np.atleast_1d(axes)[0].invert_yaxis()
    return fig


def by_layer(rows, columns):
    """One metric per panel against the layer of the encoder, with 95 % bands.

    Parameters
    ----------
    rows : dict
        "layer 0", "layer 1", … -> {metric -> {"value", "low", "high"}}.
    columns : dict
        Metric -> axis label.
    """
    fig, axes = plt.subplots(1, len(columns), figsize=(3.6 * len(columns), 2.8))
    layers = range(len(rows))
    for ax, (metric, label) in zip(np.atleast_1d(axes), columns.items(), strict=True):
        ends = {
            key: [row[metric][key] for row in rows.values()] for key in ("value", "low", "high")
        }
        ax.fill_between(layers, ends["low"], ends["high"], alpha=0.2, lw=0)
        ax.plot(layers, ends["value"], "o-")
        ax.set(xlabel="layer (0 = input of the first)", ylabel=label, xticks=layers)
    return fig


def unseen(rows, better_high, better_low):
    """Heat map of what happens without a kind or a severity in training; dark is good.

    Parameters
    ----------
    rows : DataFrame
        Index: what was left out; one column per metric, numbers.
    better_high, better_low : dict
        Column of `rows` -> label, for metrics that should be high (0 to 1) and low.
    """
    groups = ((better_high, "Blues", {"vmin": 0, "vmax": 1}), (better_low, "Blues_r", {}))
    widths = [len(columns) for columns, *_ in groups]
    fig, axes = plt.subplots(
        1,
        2,
        figsize=(1.5 * sum(widths) + 2, 0.4 * len(rows) + 1.2),
        width_ratios=widths,
        sharey=True,
    )
    for ax, (columns, cmap, limits) in zip(axes, groups, strict=True):
        shown = rows[list(columns)].rename(columns=columns)
        sns.heatmap(shown, cmap=cmap, annot=True, fmt=".2f", ax=ax, cbar=False, **limits)
        ax.set(xlabel="", ylabel="")
        ax.tick_params(length=0, axis="both")
    return fig


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
