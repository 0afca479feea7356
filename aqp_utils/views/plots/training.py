"""Figures of a training: how both losses fell, and whether both heads say the same."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from aqp_utils.core import scale
from aqp_utils.views.plots.style import CLASS_COLORS, PALETTE

_PARTS = {"train": PALETTE[0], "test": PALETTE[1]}


def training_curves(history):
    """Total loss, cross-entropy and squared error on one scale, and accuracy, by epoch.

    Parameters
    ----------
    history : DataFrame
        From `model.train`.
    """
    fig, axes = plt.subplots(2, 2, figsize=(8, 5), sharex=True)
    panels = {"loss": "total loss", "ce": "cross-entropy", "mse": "squared error"}
    *losses, last = axes.flat
    shown = history[[f"{part}_{column}" for part in _PARTS for column in panels]].to_numpy()
    one_scale = (0.8 * shown[shown > 0].min(initial=1.0), 1.25 * shown.max())
    for ax, (column, title) in zip(losses, panels.items(), strict=True):
        _both_parts(ax, history, column)
        ax.set(title=title, yscale="log", ylim=one_scale)
        ax.grid(axis="y", color="0.92")
    _both_parts(last, history, "accuracy")
    last.set(title="accuracy of the class", ylim=(0, 1.03), xlabel="epoch", ylabel="share right")
    axes[1, 0].set(xlabel="epoch")
    for ax, unit in zip(losses, ("", "nat", "score²"), strict=True):
        ax.set_ylabel(f"loss ({unit})" if unit else "loss")
    losses[0].legend()
    return fig


def _both_parts(ax, history, column):
    for part, color in _PARTS.items():
        ax.plot(history["epoch"], history[f"{part}_{column}"], color=color, label=part)


def heads_together(predictions):
    """Predicted against true score, coloured by the class head's word; rings where heads differ.

    Parameters
    ----------
    predictions : DataFrame
        Columns score, predicted_score and predicted_quality.
    """
    fig, ax = plt.subplots(figsize=(7, 4.2))
    sns.scatterplot(
        predictions,
        x="score",
        y="predicted_score",
        hue="predicted_quality",
        style="predicted_quality",
        hue_order=scale.CLASSES[::-1],
        style_order=scale.CLASSES[::-1],
        palette=CLASS_COLORS,
        s=45,
        linewidth=0,
        ax=ax,
    )
    by_score = scale.class_of_score(predictions["predicted_score"])
    apart = predictions[by_score != predictions["predicted_quality"].to_numpy()]
    rings = dict(s=170, facecolors="none", edgecolors="0.2", lw=1.2)
    ax.scatter(apart["score"], apart["predicted_score"], label="heads disagree", **rings)
    for limit in scale.CLASS_THRESHOLDS:
        ax.axhline(limit, color="0.5", lw=0.8, ls=":")
    ax.set(xlabel="true score", ylabel="score head (dotted: class limits)")
    ax.set(xlim=np.add(scale.SCALE, (-0.1, 0.1)), ylim=np.add(scale.SCALE, (-0.1, 0.1)))
    ax.legend(title="class head", loc="center left", bbox_to_anchor=(1, 0.5))
    return fig
