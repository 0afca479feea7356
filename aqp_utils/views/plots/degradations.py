"""Figures of damage: how it looks, and which score its amount stands for."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from aqp_utils.core import scale
from aqp_utils.data import labels
from aqp_utils.degradations.degrade import DEGRADATIONS, KINDS, SEVERITY_RANGES
from aqp_utils.views.plots.clips import difference, shared_labels, spectrogram, waveform
from aqp_utils.views.plots.style import (
    CLASS_COLORS,
    KIND_COLORS,
    PALETTE,
    SEVERITY_COLORS,
    with_unit,
)

_MEASURED_ON = {  # source in the table -> name in the legend, colour, marker
    "tts": ("text-to-speech", "0.15", "o"),
    "voice": ("speech-like clips", "0.5", "s"),
    "tones": ("tones (not used)", "0.75", "^"),
}


def degradation_grid(clips):
    """Spectrograms of one source: a row per kind, clean and the three severities as columns.

    Parameters
    ----------
    clips : dict
        (kind, severity) -> audio (n,); severity 0 is the clean clip.
    """
    kinds = list(dict.fromkeys(kind for kind, _ in clips))
    severities = sorted({severity for _, severity in clips})
    fig, axes = plt.subplots(
        len(kinds),
        len(severities),
        figsize=(2.6 * len(severities), 1.55 * len(kinds)),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for row, kind in zip(axes, kinds, strict=True):
        for ax, severity in zip(row, severities, strict=True):
            spectrogram(clips[kind, severity], ax, colorbar=False).set(xlabel="", ylabel="")
        row[0].set_ylabel(kind, fontweight="bold")
    for ax, severity in zip(axes[0], severities, strict=True):
        ax.set_title("clean" if severity == 0 else f"severity {severity}")
    shared_labels(fig, axes, "time (s)", "frequency (kHz)")
    return fig


def compare(clean, degraded, title=""):
    """Clean and degraded side by side (waveform, spectrogram) and their difference."""
    fig, axes = plt.subplots(2, 3, figsize=(11, 4), sharex=True, height_ratios=(1, 1.7))
    limit = 1.1 * max(np.max(np.abs(clean)), np.max(np.abs(degraded)))
    waveform(clean, axes[0, 0], limit=limit).set(title="clean", xlabel="")
    waveform(degraded, axes[0, 1], color=PALETTE[3], limit=limit)
    axes[0, 1].set(title=title or "degraded", xlabel="", ylabel="")
    waveform(degraded - clean, axes[0, 2], color="0.4", limit=limit)
    axes[0, 2].set(title="difference", xlabel="", ylabel="")
    spectrogram(clean, axes[1, 0], colorbar=False)
    spectrogram(degraded, axes[1, 1], colorbar=True).set(ylabel="")
    difference(clean, degraded, axes[1, 2]).set(ylabel="")
    return fig


def pseudo_pesq_curves():
    """The five label curves, the P.862.2 measurements they rest on and the severity ranges."""
    table = labels.pseudo_pesq_table()["kinds"]
    fig, axes = plt.subplots(1, len(KINDS), figsize=(13, 3.3), sharey=True)
    for ax, kind in zip(axes, KINDS, strict=True):
        facts, grid = DEGRADATIONS[kind], table[kind]["knots"]["parameter"]
        for severity, ends in SEVERITY_RANGES[kind].items():
            ax.axvspan(*sorted(ends), color=SEVERITY_COLORS[severity], alpha=0.25, lw=0)
        for source, points in table[kind]["measured"].items():
            _measured_points(ax, source, grid, points)
        space = np.geomspace if facts.log_axis else np.linspace
        fine = space(min(grid), max(grid), 300)
        ax.plot(fine, labels.pseudo_pesq(kind, fine), color="black", lw=1.5, label="label curve")
        ax.set(title=kind, xlabel=with_unit(facts.parameter, facts.unit), ylim=(0.9, 4.6))
        if facts.log_axis:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("score (1.0–4.5)")
    handles, names = axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=len(names))
    return fig


def _measured_points(ax, source, grid, points):
    """Mean ± sd over clips of measured P.862.2, on the scale, at every value of the grid."""
    name, color, marker = _MEASURED_ON[source]
    per_unit = np.diff(scale.SCALE) / np.diff(scale.P862_2_RANGE)
    mean, sd = scale.to_scale(points["p862_2_mean"]), per_unit * np.array(points["p862_2_sd"])
    label = f"{name}, {points['n_clips']} clips, mean ± sd"
    ax.errorbar(grid, mean, sd, fmt=marker, ms=3.5, lw=0.8, color=color, label=label)


def score_strips(table, kinds=KINDS, column="score"):
    """Score of every clip by kind, coloured by quality class.

    Dots are spread sideways by the golden ratio, which fills the width evenly and, unlike random
    jitter, draws the same picture every time.
    """
    fig, ax = plt.subplots(figsize=(8, 3.2))
    for name, color in CLASS_COLORS.items():
        part = table[table["quality"] == name]
        aside = 0.5 * (np.arange(len(part)) * 0.618 % 1 - 0.5)
        x = part["kind"].map(list(kinds).index) + aside
        ax.scatter(x, part[column], s=12, color=color, label=name)
    ax.set_xticks(range(len(kinds)), kinds)
    ax.set(ylabel="score (1.0–4.5)", ylim=(0.9, 4.6))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="class")
    return fig


def requested_against_measured(checks):
    """Requested and measured parameter of each checked clip, one panel per kind.

    Parameters
    ----------
    checks : DataFrame
        Columns kind, quantity (axis label), requested, measured.
    """
    groups = list(checks.groupby("kind", sort=False))
    fig, axes = plt.subplots(1, len(groups), figsize=(3.1 * len(groups), 3))
    for ax, (kind, rows) in zip(np.atleast_1d(axes), groups, strict=True):
        ends = rows[["requested", "measured"]].to_numpy()
        ax.plot([ends.min(), ends.max()], [ends.min(), ends.max()], color="0.7", lw=1, zorder=0)
        ax.scatter(rows.requested, rows.measured, s=14, color=KIND_COLORS[kind])
        quantity = rows.quantity.iloc[0]
        ax.set(title=kind, xlabel=f"requested {quantity}", ylabel=f"measured {quantity}")
    return fig
