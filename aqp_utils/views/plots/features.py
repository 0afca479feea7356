"""Figures of features and embeddings."""

import re

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from aqp_utils.views.plots.style import KIND_COLORS, PALETTE, SEVERITY_COLORS


def feature_response(correlations):
    """Spearman ρ of each feature (rows) with severity, per kind (columns)."""
    fig, ax = plt.subplots(figsize=(7, 0.32 * len(correlations) + 1))
    sns.heatmap(
        correlations,
        vmin=-1,
        vmax=1,
        cmap="vlag",
        annot=True,
        fmt="+.2f",
        ax=ax,
        annot_kws={"size": 8},
        cbar_kws={"label": "Spearman ρ with severity"},
    )
    ax.set(xlabel="", ylabel="")
    ax.tick_params(length=0)
    return fig


def feature_strips(table, features):
    """Value against severity (0 = clean) for a few features, one line per kind (mean ± sd).

    Parameters
    ----------
    table : DataFrame
        Columns kind, severity and one per feature.
    features : dict
        Column -> axis label with unit.
    """
    fig, axes = plt.subplots(1, len(features), figsize=(3.4 * len(features), 3))
    for ax, (column, label) in zip(np.atleast_1d(axes), features.items(), strict=True):
        sns.pointplot(
            table,
            x="severity",
            y=column,
            hue="kind",
            palette=KIND_COLORS,
            dodge=0.4,
            errorbar="sd",
            ax=ax,
            legend=ax is axes[-1],
            markersize=4,
            linewidth=1.3,
        )
        ax.set(xlabel="severity (0 = clean)", ylabel=label)
    sns.move_legend(axes[-1], "center left", bbox_to_anchor=(1, 0.5), title="")
    return fig


def projection(points, table, explained):
    """First two principal components of the embeddings, coloured by kind and by severity.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
    table : DataFrame, n rows with kind and severity
    explained : sequence of 2 floats
        Share of variance of the two components.
    """
    fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharex=True, sharey=True)
    for ax, (column, palette) in zip(
        axes, {"kind": KIND_COLORS, "severity": SEVERITY_COLORS}.items(), strict=True
    ):
        sns.scatterplot(
            x=points[:, 0],
            y=points[:, 1],
            hue=table[column].to_numpy(),
            palette=palette,
            s=18,
            linewidth=0,
            alpha=0.8,
            ax=ax,
        )
        ax.set(title=f"by {column}", xlabel=f"component 1 ({explained[0]:.0%} of variance)")
        ax.set_ylabel(f"component 2 ({explained[1]:.0%})")
        sns.move_legend(ax, "best", title="", markerscale=1.5)
    return fig


def proof_by_layer(results):
    """Linear probes on each layer of the embedded and of a random encoder, mean ± sd over folds.

    Parameters
    ----------
    results : DataFrame
        Columns family, inputs ("embedded layer 1", "random layer 1 mean+std", "19", …),
        class_accuracy and class_accuracy_sd.
    """
    families = list(dict.fromkeys(results["family"]))
    fig, axes = plt.subplots(1, len(families), figsize=(4.2 * len(families), 3), sharey=True)
    for ax, family in zip(np.atleast_1d(axes), families, strict=True):
        part = results[results["family"] == family].set_index("inputs")
        for encoder, color in (("embedded", PALETTE[0]), ("random", "0.5")):
            for pooling, style in (("", "o-"), (" mean+std", "s--")):
                name = rf"{encoder} layer [0-9]+" + re.escape(pooling)
                rows = part[part.index.str.fullmatch(name)]
                layers = range(len(rows))
                mean, sd = rows["class_accuracy"], rows["class_accuracy_sd"]
                label = f"{encoder}, {pooling.strip() or 'mean'}"
                ax.errorbar(layers, mean, sd, fmt=style, color=color, ms=4, lw=1.2, label=label)
        ax.axhline(part.loc["19", "class_accuracy"], color=PALETTE[2], label="19 features")
        ax.set(title=f"{family}", xlabel="layer (0 = input of the first)", xticks=layers)
    np.atleast_1d(axes)[0].set_ylabel("class accuracy, linear probe")
    np.atleast_1d(axes)[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def gain_response(gains_db, loudness_sone, cosine):
    """What a change of level does to loudness and to the embedding."""
    fig, axes = plt.subplots(1, 2, figsize=(8, 2.8))
    axes[0].plot(gains_db, loudness_sone, "o-", color=PALETTE[0])
    axes[0].set(
        title="psychoacoustic", xlabel="gain (dB)", ylabel="loudness (sone)", ylim=(0, None)
    )
    axes[1].plot(gains_db, cosine, "o-", color=PALETTE[1])
    axes[1].set(title="embedding", xlabel="gain (dB)", ylabel="cosine with the 0 dB clip")
    axes[1].set_ylim(min(0.9, min(cosine)) - 0.02, 1.02)
    return fig
