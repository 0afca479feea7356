"""The figure that says why a clip got its score."""

import numpy as np
from matplotlib.figure import Figure

from aqp_utils.views.plots.clips import spectrogram
from aqp_utils.views.plots.style import CLASS_COLORS
from aqp_utils.views.text import feature_label

STRONGEST = 6  # inputs shown one by one
UP, DOWN = CLASS_COLORS["high"], CLASS_COLORS["low"]


def explanation(found, audio):
    """Figure: spectrogram with the influence of its regions, contributions of the inputs.

    Parameters
    ----------
    found : Explanation
        Of `attribution.explain`.
    audio : ndarray, shape (n,)
        What was explained.

    Returns
    -------
    Figure
    """
    fig = Figure(figsize=(10, 4.8), layout="none")
    grid = fig.add_gridspec(2, 2, width_ratios=(1.7, 1), height_ratios=(1, 2.2))
    bars = fig.add_subplot(grid[0, 0])
    _draw_regions(found.regions, bars, fig.add_subplot(grid[1, 0], sharex=bars), audio)
    _draw_inputs(found.inputs, fig.add_subplot(grid[:, 1]))
    bars.set_title(
        f"score {found.score:.2f}: each moment lifts it by", loc="left", fontweight="bold"
    )
    fig.axes[-1].set_title(
        f"which inputs, from {found.average_score:.2f} of the average training clip?",
        loc="right",
        fontweight="bold",
    )
    fig.subplots_adjust(0.1, 0.11, 0.985, 0.93, 0.5, 0.12)
    return fig


def _colors(values):
    return [UP if value >= 0 else DOWN for value in values]


def _draw_regions(regions, bars, picture, audio):
    """Influence as bars, and as a tint of the spectrogram below."""
    width_s = regions["end_s"] - regions["start_s"]
    influence = regions["influence"]
    bars.bar(
        regions["start_s"], influence, width_s, align="edge", color=_colors(influence), ec="white"
    )
    bars.axhline(0, color="black", lw=0.8)
    bars.tick_params(labelbottom=False)
    spectrogram(audio, picture, colorbar=False)
    picture.images[0].set_cmap("gray")
    strongest = max(np.abs(influence).max(), 1e-12)
    for row, color in zip(regions.itertuples(), _colors(influence), strict=True):
        alpha = 0.6 * abs(row.influence) / strongest
        picture.axvspan(row.start_s, row.end_s, color=color, alpha=alpha, lw=0)


def _draw_inputs(inputs, ax):
    """The strongest contributions as bars, the largest on top; below them the sum of the rest."""
    ordered = inputs.reindex(inputs.abs().sort_values(ascending=False).index)
    shown = ordered[:STRONGEST].rename(feature_label)
    rest = ordered[STRONGEST:]
    if len(rest):
        shown[f"the other {len(rest)} together"] = rest.sum()
    shown = shown[::-1]
    bars = ax.barh(list(shown.index), shown, color=_colors(shown))
    # A bar may be too short to see beside the longest: its number is not.
    ax.bar_label(bars, [f"{value:+.2f}" for value in shown], padding=3, fontsize="small")
    ax.axvline(0, color="black", lw=0.8)
    ax.margins(x=0.3)  # room for the numbers
    ax.set(xlabel="lifts the score by")
