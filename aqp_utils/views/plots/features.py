"""Figures of the ear, of the encoder and of what their features say about damage."""

import re

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from aqp_utils.views.plots.style import KIND_COLORS, KIND_NAMES, PALETTE, kind_name, name_kinds
from aqp_utils.views.text import feature_label

SEVERITY_SHADES = dict(zip((1, 2, 3), sns.color_palette("flare", 3), strict=True))
LAST_BARK = 21.3  # 8 kHz, where sound at 16 kHz sampling ends


def specific_loudness(bark, curves, core=None, edges_bark=None):
    """Specific loudness N′(z) of one or two sounds, the first filled.

    Parameters
    ----------
    bark : ndarray, shape (n,)
        Critical-band rate (Bark).
    curves : dict
        Name -> specific loudness (sone/Bark), shape (n,).
    core : ndarray, shape (21,), optional
        Core loudness of the last sound, drawn as steps under its masking slopes.
    edges_bark : ndarray, shape (21,), optional
        Upper edges of the critical bands of `core`.
    """
    fig, ax = plt.subplots(figsize=(8, 3.2))
    for number, (name, curve) in enumerate(curves.items()):
        ax.plot(bark, curve, color=PALETTE[number], lw=1.6, label=name)
        if number == 0:
            ax.fill_between(bark, curve, color=PALETTE[number], alpha=0.15, lw=0)
    if core is not None:
        color = PALETTE[len(curves) - 1]
        edges = np.concatenate([[0], edges_bark])
        ax.stairs(core, edges, color=color, lw=1, ls=":", label="its cores, without masking")
    ax.axvspan(LAST_BARK, 24, color="0.94", lw=0, zorder=0)
    ax.text(22.65, ax.get_ylim()[1], "above\n8 kHz", ha="center", va="top", color="0.3")
    ax.set(xlabel="critical-band rate z (Bark)", ylabel="N′ (sone/Bark)", xlim=(0, 24))
    ax.set(ylim=(0, None), xticks=range(0, 25, 4))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.15), ncols=3)
    return fig


def roughness_curve(rates_hz, roughness_asper):
    """Roughness (asper) against the rate of amplitude modulation (Hz)."""
    fig, ax = plt.subplots(figsize=(7, 2.8))
    ax.plot(rates_hz, roughness_asper, "o-", color=PALETTE[0])
    ax.axhline(1, color="0.6", lw=0.8, ls=":")
    ax.set(xscale="log", xlabel="modulation rate (Hz)", ylabel="roughness (asper)", ylim=(0, None))
    ticks = [rate for rate in (5, 10, 20, 40, 70, 150, 300) if rate <= max(rates_hz)]
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
    return fig


def hidden_states(states, frame_s):
    """Hidden states over time as images, and beside each its mean, the embedding.

    Parameters
    ----------
    states : dict
        Title -> ndarray, shape (frames, n).
    frame_s : float
        Time from frame to frame (s).
    """
    size = len(states)
    fig, axes = plt.subplots(
        1, 2 * size, figsize=(8, 3), sharey=True, width_ratios=size * [9, 0.8], squeeze=False
    )
    for (title, frames), ax, mean in zip(states.items(), axes[0, ::2], axes[0, 1::2], strict=True):
        n_frames, width = frames.shape
        look = dict(aspect="auto", cmap="vlag", vmin=-2, vmax=2, interpolation="nearest")
        extent = (0, n_frames * frame_s, width, 0)
        image = ax.imshow(frames.T, extent=extent, **look)
        mean.imshow(frames.mean(axis=0)[:, np.newaxis], extent=(0, 1, width, 0), **look)
        ax.set(title=title, xlabel="time (s)")
        mean.set(xticks=[])
        mean.set_title("mean", loc="center", weight="normal")
        mean.tick_params(left=False)
    axes[0, 0].set_ylabel("unit of the hidden state")
    fig.colorbar(image, ax=axes, label="value", extend="both")
    return fig


def feature_response(panels):
    """Spearman ρ of each feature (rows) with severity per kind (columns), one panel per reading.

    Parameters
    ----------
    panels : dict
        Title -> DataFrame of correlations, index: feature names.
    """
    rows = len(next(iter(panels.values())))
    size = (1 + 3.6 * len(panels), 0.3 * rows + 1.2)
    fig, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (title, correlations) in zip(axes.flat, panels.items(), strict=True):
        sns.heatmap(
            correlations.rename(index=feature_label, columns=KIND_NAMES),
            vmin=-1,
            vmax=1,
            cmap="vlag",
            annot=True,
            fmt="+.2f",
            ax=ax,
            annot_kws={"size": 8.5},
            cbar=False,
        )
        ax.set(title=title, xlabel="", ylabel="")
        ax.tick_params(length=0)
        ax.tick_params(axis="x", rotation=30)
    look = axes.flat[0].collections[0]
    fig.colorbar(look, ax=axes, label="Spearman ρ with severity", shrink=0.6, pad=0.02)
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
    fig, axes = plt.subplots(1, len(features), figsize=(8, 3.4))
    for ax, (column, label) in zip(np.atleast_1d(axes), features.items(), strict=True):
        sns.pointplot(
            table,
            x="severity",
            y=column,
            hue="kind",
            palette=KIND_COLORS,
            dodge=0.5,
            errorbar="sd",
            ax=ax,
            markersize=4,
            linewidth=1.6,
            err_kws={"linewidth": 0.9, "alpha": 0.7},
        )
        ax.set(xlabel="severity (0 = clean)", ylabel=label)
        handles, labels = ax.get_legend_handles_labels()
        ax.get_legend().remove()
    labels = [kind_name(kind) for kind in labels]
    fig.legend(handles, labels, loc="outside upper center", ncols=len(labels))
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
    fig, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
    for ax, (column, palette) in zip(
        axes, {"kind": KIND_COLORS, "severity": SEVERITY_SHADES}.items(), strict=True
    ):
        sns.scatterplot(
            x=points[:, 0],
            y=points[:, 1],
            hue=table[column].to_numpy(),
            palette=palette,
            s=20,
            linewidth=0,
            alpha=0.85,
            ax=ax,
        )
        ax.set(title=f"by {column}", xlabel=f"component 1 ({explained[0]:.0%} of variance)")
        ax.set_ylabel(f"component 2 ({explained[1]:.0%} of variance)")
        sns.move_legend(ax, "best", title="", markerscale=1.5)
        name_kinds(ax.get_legend())
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
    fig, axes = plt.subplots(1, len(families), figsize=(8, 3.4), sharey=True)
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
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3)
    return fig


def gain_response(gains_db, loudness_sone, moved, moved_by_damage):
    """What a change of level does to loudness and to the embedding.

    Parameters
    ----------
    gains_db, loudness_sone, moved : ndarray, shape (n,)
        Gain (dB); loudness (sone) and cosine distance of the embedding from that at 0 dB.
    moved_by_damage : float
        Cosine distance that the mildest damage makes, for comparison.
    """
    fig, axes = plt.subplots(1, 2, figsize=(8, 3))
    axes[0].plot(gains_db, loudness_sone, "o-", color=PALETTE[0])
    axes[0].set(title="ear", ylabel="loudness (sone)", ylim=(0, None))
    axes[1].plot(gains_db, moved, "o-", color=PALETTE[1], label="gain")
    axes[1].axhline(moved_by_damage, color="0.4", ls=":", label="mildest damage")
    axes[1].set(title="embedding", ylabel="cosine distance from 0 dB")
    axes[1].set_yscale("symlog", linthresh=1e-8)  # nothing at all is a value, too
    axes[1].set_ylim(-2e-9, 10 * max(moved_by_damage, 1e-3))
    axes[1].set_yticks([0, 1e-8, 1e-6, 1e-4, 1e-2])
    axes[1].minorticks_off()
    axes[1].legend(loc="center left")
    for ax in axes:
        ax.set(xlabel="gain (dB)", xticks=gains_db[::2])
        ax.xaxis.set_major_formatter(lambda gain, _: f"{gain:+.0f}" if gain else "0")
    return fig
