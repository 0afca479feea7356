"""Figures of the labels: which score an amount of damage stands for, and how sure that is."""

import matplotlib.pyplot as plt
import numpy as np

from aqp_utils.core import scale
from aqp_utils.data import labels
from aqp_utils.degradations.degrade import DEGRADATIONS, KINDS
from aqp_utils.views.plots.style import (
    CLASS_COLORS,
    KIND_NAMES,
    PALETTE,
    SEVERITY_COLORS,
    ax_or_new,
    log_ticks,
    with_unit,
)

_MEASURED_ON = {  # source in the table -> name in the legend, colour, marker
    "tts": ("text-to-speech, mean of 36 clips", PALETTE[0], "o"),
    "voice": ("speech-like clips, mean of 36", PALETTE[2], "s"),
    "tones": ("tones (not used), mean ± sd", "0.55", "^"),
}


def label_axis(ax, kind):
    """Axes of a label curve: the physical parameter of `kind` against the score."""
    facts = DEGRADATIONS[kind]
    ax.set(title=KIND_NAMES[kind], xlabel=with_unit(facts.parameter, facts.unit), ylim=(0.9, 4.6))
    if facts.log_axis:
        log_ticks(ax, (1, 3))


def label_curve(kind, grid, mean, sd, ax=None):
    """One curve with its band, over the means that it was drawn through.

    Parameters
    ----------
    kind : str
    grid : ndarray, shape (g,)
        Values of the physical parameter.
    mean : dict
        source -> mean score (g,) of its clips.
    sd : ndarray, shape (g,)
        Standard deviation of single clips around the label.
    """
    ax = ax_or_new(ax, figsize=(8, 3.6))
    label_axis(ax, kind)
    score = labels.pseudo_pesq(kind, np.asarray(grid, dtype=float))
    band = dict(color="0.6", alpha=0.35, lw=0, label="single speech clips, ± sd")
    ax.fill_between(grid, score - sd, score + sd, **band)
    for source, values in mean.items():
        name, color, marker = _MEASURED_ON[source]
        ax.plot(grid, values, marker=marker, color=color, ms=5, lw=1, label=name)
    ax.plot(grid, score, color="black", lw=2.2, label="label")
    ax.set_ylabel("score (1.0–4.5)")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax.figure


def pseudo_pesq_curves(gaps=True):
    """The five label curves, the P.862.2 measurements they rest on and the severity ranges."""
    table = labels.pseudo_pesq_table()["kinds"]
    fig, axes = plt.subplots(2, 3, figsize=(9, 6), sharey=True)
    for ax, kind in zip(axes.flat, KINDS, strict=False):
        grid = table[kind]["knots"]["parameter"]
        label_axis(ax, kind)
        for severity, color in SEVERITY_COLORS.items():
            ends = sorted(labels.severity_range(kind, severity, gaps))
            name = f"severity {severity}: {scale.quality_class(severity)}"
            ax.axvspan(*ends, color=color, alpha=0.22, lw=0, label=name)
        for source, points in table[kind]["measured"].items():
            _measured_points(ax, source, grid, points)
        space = np.geomspace if DEGRADATIONS[kind].log_axis else np.linspace
        fine = space(min(grid), max(grid), 300)
        score, sd = labels.pseudo_pesq(kind, fine), labels.label_sd(kind, fine)
        band = dict(color="0.3", alpha=0.3, lw=0, label="single speech clips, ± sd")
        ax.fill_between(fine, score - sd, score + sd, **band)
        ax.plot(fine, score, color="black", lw=2, label="label")
    for row in axes:
        row[0].set_ylabel("score (1.0–4.5)")
    axes[1, 2].axis("off")
    handles, names = axes[0, 0].get_legend_handles_labels()
    axes[1, 2].legend(handles, names, loc="center left")
    return fig


def _measured_points(ax, source, grid, points):
    """Mean over clips of measured P.862.2, on the scale, at every value of the grid."""
    name, color, marker = _MEASURED_ON[source]
    mean = scale.to_scale(points["p862_2_mean"])
    style = dict(fmt=marker, ms=4, lw=0.9, color=color, label=name)
    per_unit = np.diff(scale.SCALE) / np.diff(scale.P862_2_RANGE)
    sd = per_unit * np.array(points["p862_2_sd"]) if source == "tones" else None
    ax.errorbar(grid, mean, sd, **style)


def score_strips(table, kinds=KINDS, column="score"):
    """Score of every clip by kind, coloured by class, with the label's own uncertainty beside.

    Clips are spread sideways by the golden ratio, which fills the width evenly and, unlike random
    jitter, draws the same picture every time. A whisker stands at the mean of its clips and reaches
    as far as single speech clips scatter around the label (± sd).
    """
    fig, ax = plt.subplots(figsize=(9, 3.6))
    for place, (name, color) in enumerate(CLASS_COLORS.items()):
        part = table[table["quality"] == name]
        aside = 0.4 * (np.arange(len(part)) * 0.618 % 1 - 0.5)
        x = part["kind"].map(list(kinds).index) + aside
        ax.scatter(x, part[column], s=14, color=color, label=name)
        for kind, clips in part.groupby("kind"):
            sd = np.mean(labels.label_sd(kind, clips["parameter"].to_numpy()))
            where = list(kinds).index(kind) + 0.28 + 0.05 * place
            ax.errorbar(where, clips[column].mean(), sd, color="0.25", capsize=4, lw=1.4)
    ax.errorbar(
        [], [], [], color="0.25", capsize=4, lw=1.4, label="speech clips\naround the\nlabel, ± sd"
    )
    ax.set_xticks(range(len(kinds)), [KIND_NAMES[kind] for kind in kinds])
    ax.set(ylabel="score (1.0–4.5)", ylim=(0.9, 4.6))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="class")
    return fig
