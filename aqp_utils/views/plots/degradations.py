"""Figures of damage side by side: the grid of all kinds, what changed, requested and measured."""

import matplotlib.pyplot as plt
import numpy as np

from aqp_utils.degradations.degrade import DEGRADATIONS, residual
from aqp_utils.views.plots.clips import difference, shared_labels, spectrogram, waveform
from aqp_utils.views.plots.damage import close_up, onset_s
from aqp_utils.views.plots.style import KIND_COLORS, KIND_NAMES, PALETTE, log_ticks

_HOW_TO_READ = (
    "Title: amount of damage\n→ score. Time stretch:\nthe same onset as on\nthe left, 0–4 kHz."
)
_ZOOM_KHZ = 4  # top of the close-up around an onset


def degradation_grid(clean, damaged):
    """Spectrograms of one clip: clean, then a row per kind with its severities side by side.

    Time stretch smears onsets, which the whole clip hides: its row is a close-up of one of them,
    and so is the second picture of the clean clip.

    Parameters
    ----------
    clean : ndarray, shape (n,)
    damaged : dict
        (kind, title) -> audio (n,), kinds one after the other and equally many of each.
    """
    kinds = list(dict.fromkeys(kind for kind, _ in damaged))
    rows = [[(t, x) for (k, t), x in damaged.items() if k == kind] for kind in kinds]
    n_columns = max(2, len(rows[0]))
    fig, axes = plt.subplots(
        len(kinds) + 1, n_columns, figsize=(9, 1.65 * (len(kinds) + 1)), squeeze=False
    )
    around_s = onset_s(clean)
    spectrogram(clean, axes[0, 0], colorbar=False).set(title="clean", xlabel="", ylabel="")
    _zoomed(clean, axes[0, 1], around_s, "clean, one onset")
    for ax in axes[0, 2:]:
        ax.axis("off")
    if n_columns > 2:
        axes[0, 2].text(0, 0.5, _HOW_TO_READ, transform=axes[0, 2].transAxes, va="center")
    for kind, row, panels in zip(kinds, rows, axes[1:], strict=True):
        for (title, audio), ax in zip(row, panels, strict=False):
            if kind == "compression":
                _zoomed(audio, ax, around_s, title)
            else:
                spectrogram(audio, ax, colorbar=False).set(title=title, xlabel="", ylabel="")
        panels[0].set_ylabel(KIND_NAMES[kind], fontweight="bold")
        for ax in panels[len(row) :]:
            ax.set_visible(False)
    shared_labels(fig, axes, "time (s)", "frequency (kHz)")
    return fig


def _zoomed(audio, ax, around_s, title):
    """Spectrogram around an onset, in milliseconds of the clip's own time."""
    spectrogram(close_up(audio, around_s), ax, colorbar=False)
    ax.set(title=title, xlabel="", ylabel="", ylim=(0, _ZOOM_KHZ))


def compare(clean, degraded, title=""):
    """Clean and degraded side by side (waveform, spectrogram), the residual and what changed."""
    fig, axes = plt.subplots(2, 3, figsize=(9, 3.9), sharex=True, height_ratios=(1, 1.5))
    limit = 1.1 * max(np.max(np.abs(clean)), np.max(np.abs(degraded)))
    extra = residual(clean, degraded)
    times = limit / 1.1 / np.max(np.abs(extra))
    waveform(clean, axes[0, 0], limit=limit).set(title="clean", xlabel="")
    waveform(degraded, axes[0, 1], color=PALETTE[3], limit=limit)
    axes[0, 1].set(title=title or "degraded", xlabel="", ylabel="")
    waveform(times * extra, axes[0, 2], color="0.4", limit=limit)
    axes[0, 2].set(title=f"residual, × {times:.1f}", xlabel="", ylabel="")
    spectrogram(clean, axes[1, 0], colorbar=False)
    spectrogram(degraded, axes[1, 1], colorbar=True).set(ylabel="")
    difference(clean, degraded, axes[1, 2]).set(ylabel="")
    return fig


def residuals(clean, damaged):
    """What each damage did to one clip: residual waveform (scaled) and change of the spectrogram.

    Parameters
    ----------
    clean : ndarray, shape (n,)
    damaged : dict
        title -> audio (n,).
    """
    fig, axes = plt.subplots(len(damaged), 2, figsize=(9, 1.6 * len(damaged) + 0.3), sharex=True)
    for row, (title, degraded) in zip(np.atleast_2d(axes), damaged.items(), strict=True):
        extra = residual(clean, degraded)
        times = np.max(np.abs(clean)) / np.max(np.abs(extra))
        waveform(times * extra, row[0], color="0.35", limit=1.1 * np.max(np.abs(clean)))
        row[0].set(title=f"{title}: residual × {times:.1f}", xlabel="")
        difference(clean, degraded, row[1], colorbar=False).set(xlabel="", ylabel="kHz")
        row[1].set_title("level after − before")
    for ax in np.atleast_2d(axes)[-1]:
        ax.set_xlabel("time (s)")
    picture = np.atleast_2d(axes)[0, 1].images[0]
    fig.colorbar(picture, ax=axes, label="change (dB)", pad=0.01, aspect=50, extend="both")
    return fig


def requested_against_measured(checks):
    """By how much the measured parameter of each checked clip misses the request, per kind.

    Parameters
    ----------
    checks : DataFrame
        Columns kind, quantity (axis label), requested, measured.
    """
    groups = list(checks.groupby("kind", sort=False))
    n_rows, n_columns = -(-len(groups) // 3), min(3, len(groups))
    fig, axes = plt.subplots(n_rows, n_columns, figsize=(9, 2.3 * n_rows), squeeze=False)
    for ax in axes.flat[len(groups) :]:
        ax.set_visible(False)
    for ax, (kind, rows) in zip(axes.flat, groups, strict=False):
        off_percent = 100 * (rows.measured / rows.requested - 1)
        ax.axhline(0, color="0.6", lw=1)
        ax.scatter(rows.requested, off_percent, s=16, color=KIND_COLORS[kind])
        limit = max(0.1, 1.15 * float(np.abs(off_percent).max()))
        ax.set(title=KIND_NAMES[kind], ylim=(-limit, limit))
        ax.set(xlabel=f"requested {rows.quantity.iloc[0]}")
        if DEGRADATIONS[kind].log_axis:
            log_ticks(ax, (1, 2, 5))
    for row in axes:
        row[0].set_ylabel("measured − requested (%)")
    return fig
