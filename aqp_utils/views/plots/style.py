"""What all figures share: style, colours, saving and showing.

Levels are in dB relative to full scale, on one range wherever clips are compared.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from IPython.display import display

from aqp_utils.core import scale
from aqp_utils.degradations.degrade import KINDS

PALETTE = sns.color_palette("colorblind")
CLASS_COLORS = {"high": PALETTE[0], "medium": PALETTE[1], "low": PALETTE[3]}
SEVERITY_COLORS = {s: CLASS_COLORS[scale.quality_class(s)] for s in (1, 2, 3)}
KIND_COLORS = dict(
    zip(KINDS, (PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[4], PALETTE[5]), strict=True)
)


def set_style():
    """House style for all figures of a notebook: call once after the imports."""
    sns.set_theme(
        context="notebook",
        style="ticks",
        palette="colorblind",
        font_scale=0.85,
        rc={
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "legend.frameon": False,
            "image.cmap": "magma",
        },
    )


def save(fig, folder, name):
    """Save a figure as `folder`/figures/`name`.png at 150 dpi."""
    path = Path(folder) / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=150, metadata={"Software": None})


def show(fig, folder, name):
    """Save a figure and display it here, above whatever the cell says next about it."""
    save(fig, folder, name)
    display(fig)
    plt.close(fig)


def with_unit(name, unit):
    """Axis label; a pure number has no unit to show."""
    return name if unit == "1" else f"{name} ({unit})"


def ax_or_new(ax, figsize=(7, 2.4)):
    """`ax`, or the axes of a new figure where it is None."""
    return ax if ax is not None else plt.subplots(figsize=figsize)[1]


# --- one clip ------------------------------------------------------------------------------------


# --- degradations and labels ---------------------------------------------------------------------


# --- features and embeddings ---------------------------------------------------------------------


# --- training and evaluation ---------------------------------------------------------------------
