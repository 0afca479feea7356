"""Figures of what a predictor is worth."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from aqp_utils.core import scale
from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.scale import SCALE
from aqp_utils.degradations.catalogue import TRAINED_ON
from aqp_utils.evaluation.invariance import WORTH_A_WORD
from aqp_utils.evaluation.metrics import expected_calibration_error, reliability
from aqp_utils.views.plots.clips import spectrogram
from aqp_utils.views.plots.style import (
    CLASS_COLORS,
    KIND_COLORS,
    PALETTE,
    ax_or_new,
    kind_name,
    name_kinds,
)

N_BINS = 10  # of the reliability diagram; ECE is taken over the same
_ACCENT, _GREY = CLASS_COLORS["high"], "0.4"
KIND_MARKERS = dict(zip(KIND_COLORS, ("o", "s", "^", "D", "X"), strict=True))  # as the report's


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
    outlined = [withStroke(linewidth=5, foreground="black")]  # legible on bright sound, too
    if len(curve) > 1:
        middle_s = (curve["start_s"] + curve["end_s"]) / 2
        scores.plot(
            middle_s, curve["score"], "o-", color="white", mec="black", lw=2, path_effects=outlined
        )
    else:
        ends = (curve["start_s"], curve["end_s"])
        scores.hlines(curve["score"], *ends, color="white", lw=2, path_effects=outlined)
    _class_limits(scores)
    low, high = SCALE
    scores.set(
        ylim=(low - 0.2, high + 0.2), ylabel="score (1 to 4.5)", xlim=(0, len(audio) / SAMPLE_RATE)
    )
    width, height = inches
    fig.subplots_adjust(0.6 / width, 0.5 / height, 1 - 0.6 / width, 1 - 0.1 / height)
    return fig


def _class_limits(ax):
    """Scores between which a clip counts as low, medium and high, as lines and names."""
    outlined = [withStroke(linewidth=2.5, foreground="black")]
    for limit in scale.CLASS_THRESHOLDS:
        ax.axhline(limit, color="white", lw=1, ls="--", path_effects=outlined)
    edges = (scale.SCALE[0], *scale.CLASS_THRESHOLDS, scale.SCALE[1])
    for name, low, high in zip(scale.CLASSES, edges, edges[1:], strict=False):
        where = dict(x=0.995, y=(low + high) / 2, transform=ax.get_yaxis_transform())
        aligned = dict(ha="right", va="center", color="white", fontweight="bold", fontsize="small")
        ax.text(s=name, path_effects=outlined, **where, **aligned)


def confusion(matrix, classes=scale.CLASSES, ax=None):
    """Confusion matrix with counts; rows true, columns predicted, the best class first."""
    ax = ax_or_new(ax, figsize=(4, 3.4))
    matrix, classes = np.asarray(matrix)[::-1, ::-1], classes[::-1]
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
    kinds = [kind for kind in KIND_COLORS if kind in set(predictions["kind"])]
    ax.plot([1, 4.5], [1, 4.5], color="0.7", lw=1, zorder=0)
    sns.scatterplot(
        predictions,
        x="score",
        y="predicted_score",
        hue="kind",
        style="kind",
        hue_order=kinds,
        style_order=kinds,
        palette=KIND_COLORS,
        markers=KIND_MARKERS,
        s=48,
        linewidth=0.3,
        ax=ax,
    )
    ax.set(xlabel="true score", ylabel="predicted score", xlim=(0.9, 4.6), ylim=(0.9, 4.6))
    ax.set_aspect("equal")
    sns.move_legend(ax, "upper left", title="")
    name_kinds(ax.get_legend())
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


def intervals(table, columns, reference=None):
    """Values with intervals as horizontal dots, one panel per metric, two side by side.

    Parameters
    ----------
    table : dict
        Row label -> {metric -> {"value", "low", "high"}}; a row without ends is a point,
        one without a value says so.
    columns : dict
        Metric -> axis label.
    reference : str, optional
        Row drawn in the accent colour, with a line through its value.
    """
    rows, n_lines = list(table), -(-len(columns) // 2)
    fig, axes = plt.subplots(
        n_lines,
        min(2, len(columns)),
        figsize=(8.6, n_lines * (0.3 * len(rows) + 0.75)),
        sharey=True,
        squeeze=False,
    )
    for ax in axes.flat[len(columns) :]:
        ax.remove()
    for ax, (metric, label) in zip(axes.flat, columns.items(), strict=False):
        for y, row in enumerate(rows):
            entry = table[row].get(metric)
            if entry is None or entry["value"] is None:
                look = dict(va="center", color=_GREY, fontsize="small", style="italic")
                ax.text(0.02, y, "no value", transform=ax.get_yaxis_transform(), **look)
                continue
            color = PALETTE[0] if row == reference or reference is None else _GREY
            if entry["low"] is not None:
                ax.plot([entry["low"], entry["high"]], [y, y], color=color, lw=2, alpha=0.6)
            ax.plot(entry["value"], y, "o", color=color, ms=6)
        if reference is not None:
            ax.axvline(table[reference][metric]["value"], color=PALETTE[0], lw=0.8, ls=":")
        ax.set(xlabel=label, yticks=range(len(rows)), yticklabels=map(kind_name, rows))
        ax.grid(axis="x", color="0.92")
    axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
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


def paired_rises(series, label):
    """How much worse each row gets, with 95 % intervals; one colour per series, 0 is no change.

    Parameters
    ----------
    series : dict
        Name -> DataFrame with index row label and columns difference, low, high.
    label : str
        Of the axis.
    """
    names = list(next(iter(series.values())).index)
    fig, ax = plt.subplots(figsize=(6.4, 0.45 * len(names) + 1.2), layout="constrained")
    ax.axvline(0, color="0.5", lw=1)
    shifts = 0.22 * (np.arange(len(series)) - (len(series) - 1) / 2)
    for (name, table), shift, color in zip(series.items(), shifts, PALETTE, strict=False):
        table = table.loc[names]
        value = table["difference"].to_numpy()
        ends = np.abs(table[["low", "high"]].to_numpy().T - value)
        ax.errorbar(
            value, np.arange(len(names)) + shift, xerr=ends, fmt="o", color=color, label=name
        )
    ax.set(yticks=range(len(names)), yticklabels=map(kind_name, names), xlabel=label)
    ax.grid(axis="x", color="0.92")
    ax.invert_yaxis()
    if len(series) > 1:
        ax.legend(loc="best")
    return fig


def within_classes(predictions):
    """Predicted against true score inside each class, on the range of its labels (shaded).

    Parameters
    ----------
    predictions : DataFrame
        Columns quality, score, predicted_score.
    """
    fig, axes = plt.subplots(1, 3, figsize=(8.6, 3.1), sharey=True)
    for ax, name in zip(axes, scale.CLASSES[::-1], strict=True):  # as in tables: the best first
        part = predictions[predictions["quality"] == name]
        ax.plot(SCALE, SCALE, color="0.7", lw=1, zorder=0)
        ax.plot(part["score"], part["predicted_score"], "o", color=CLASS_COLORS[name], alpha=0.8)
        ends = part["score"].min() - 0.05, part["score"].max() + 0.05
        ax.set(xlim=ends if len(part) else SCALE, ylim=(0.9, 4.6), xlabel="true score")
        ax.axhspan(*ends, color=CLASS_COLORS[name], alpha=0.1, lw=0)
        ax.set_title(f"{name} ({len(part)} clips)")
    axes[0].set(ylabel="predicted score")
    return fig


def draws_histogram(draws, interval, value, label):
    """Histogram of a bootstrapped metric, its 95 % interval and the value on the sample itself."""
    fig, ax = plt.subplots(figsize=(6, 2.6))
    ax.hist(draws, "auto", color=_ACCENT, alpha=0.5)
    for end in interval:
        ax.axvline(end, color=_ACCENT, ls="--", lw=1.2)
    ax.axvline(value, color="black", lw=1.5)
    ax.set(xlabel=f"{label} (line: all sources once; dashed: 95 % interval)", ylabel="draws")
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
        lowest = np.nanmin(np.append(value - ends[0], 0))
        ax.set(xlabel=f"{label} (dotted: chance)", xlim=(lowest - 0.05 * (lowest < 0), 1.03))
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
    fig, ax = plt.subplots(figsize=(6.4, 0.4 * len(groups) + 1), layout="constrained")
    for row, (_, part) in enumerate(groups):
        ax.plot(part[metric], np.full(len(part), row), "o", color=_GREY, ms=4, alpha=0.6)
        ax.plot(part[metric].mean(), row, "|", color=_ACCENT, ms=16, mew=3)
    names = [f"{name} ({part['n'].iloc[0]} clips)" for name, part in groups]
    ax.set(yticks=range(len(groups)), yticklabels=names, xlabel=f"{label}: seeds, and their mean")
    ax.grid(axis="x", color="0.92")
    ax.margins(x=0.06, y=0.2)  # marks at the ends stay whole
    ax.invert_yaxis()
    return fig
