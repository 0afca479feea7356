"""What all figures share: style, colours, saving and showing.

Levels are in dB relative to full scale, on one range wherever clips are compared.
"""

import base64
import io
from pathlib import Path

import matplotlib.pyplot as plt
import PIL.Image
import seaborn as sns
from IPython.display import display
from matplotlib.ticker import LogLocator, NullFormatter

from aqp_utils.core import scale
from aqp_utils.core.files import atomic
from aqp_utils.degradations.degrade import KINDS

PALETTE = sns.color_palette("colorblind")
CLASS_COLORS = {"high": PALETTE[0], "medium": PALETTE[1], "low": PALETTE[3]}
SEVERITY_COLORS = {s: CLASS_COLORS[scale.quality_class(s)] for s in (1, 2, 3)}
KIND_COLORS = dict(
    zip(KINDS, (PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[4], PALETTE[5]), strict=True)
)

KIND_NAMES = {
    "noise": "noise",
    "clip": "clipping",
    "lowpass": "low-pass",
    "reverb": "reverberation",
    "compression": "time stretch",
}


def kind_name(kind):
    """A kind of damage as readers know it; any other text stays as it is."""
    return KIND_NAMES.get(kind, kind)


def name_kinds(legend):
    """Write the kinds of a legend as readers know them."""
    for text in legend.get_texts():
        text.set_text(kind_name(text.get_text()))


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
    with atomic(path) as temporary:
        fig.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def show(fig, folder, name):
    """Save a figure and display it here, above whatever the cell says next about it.

    On the page it has 256 colours: a notebook full of spectrograms is then half as large, and no
    eye tells the difference.
    """
    save(fig, folder, name)
    picture, small = io.BytesIO(), io.BytesIO()
    fig.savefig(picture, dpi=fig.dpi, metadata={"Software": None})
    PIL.Image.open(picture).convert("RGB").quantize(256).save(small, "PNG", optimize=True)
    content = base64.b64encode(small.getvalue()).decode()
    display({"image/png": content, "text/plain": name.replace("_", " ")}, raw=True)
    plt.close(fig)


def with_unit(name, unit):
    """Axis label; a pure number has no unit to show."""
    return name if unit == "1" else f"{name} ({unit})"


def log_ticks(ax, subs):
    """A log axis in plain numbers, with ticks at `subs` times the powers of ten."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())


def ax_or_new(ax, figsize=(7, 2.4)):
    """`ax`, or the axes of a new figure where it is None."""
    return ax if ax is not None else plt.subplots(figsize=figsize)[1]
