"""Every figure of the series: each function takes data and an axis (or makes one) and returns it.

Levels are in dB relative to full scale, on one range wherever clips are compared.
"""

import re
from pathlib import Path

import librosa
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython.display import display
from matplotlib.ticker import LogLocator, NullFormatter

from aqp_utils.core import scale
from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.data import labels
from aqp_utils.degradations.degrade import DEGRADATIONS, KINDS, SEVERITY_RANGES

N_FFT = 512  # samples (32 ms)
HOP = 128  # samples (8 ms)
DB_RANGE = (-110.0, -40.0)  # per-bin level shown in every spectrogram, dB re full scale
DIFFERENCE_DB = 30.0  # range of difference plots, ± dB

_PALETTE = sns.color_palette("colorblind")
CLASS_COLORS = {"high": _PALETTE[0], "medium": _PALETTE[1], "low": _PALETTE[3]}
SEVERITY_COLORS = {s: CLASS_COLORS[scale.quality_class(s)] for s in (1, 2, 3)}
KIND_COLORS = dict(
    zip(KINDS, (_PALETTE[0], _PALETTE[1], _PALETTE[2], _PALETTE[4], _PALETTE[5]), strict=True)
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


def _axis(ax, figsize=(7, 2.4)):
    return ax if ax is not None else plt.subplots(figsize=figsize)[1]


# --- one clip ------------------------------------------------------------------------------------


def stft_db(audio):
    """STFT level (dB re a full-scale sine), shape (1 + N_FFT/2, frames)."""
    spectrum = np.abs(
        librosa.stft(np.asarray(audio, dtype=np.float64), n_fft=N_FFT, hop_length=HOP)
    )
    return 20 * np.log10(spectrum / (N_FFT / 4) + 1e-10)


def waveform(audio, ax=None, color=_PALETTE[0], limit=None):
    """Amplitude against time."""
    ax = _axis(ax)
    ax.plot(np.arange(len(audio)) / SAMPLE_RATE, audio, lw=0.5, color=color)
    limit = limit or 1.1 * np.max(np.abs(audio))
    ax.set(xlim=(0, len(audio) / SAMPLE_RATE), ylim=(-limit, limit))
    ax.set(xlabel="time (s)", ylabel="amplitude")
    return ax


def _image(ax, picture, top_khz, duration_s, **style):
    return ax.imshow(
        picture,
        origin="lower",
        aspect="auto",
        extent=(0, duration_s, 0, top_khz),
        interpolation="nearest",
        **style,
    )


def spectrogram(audio, ax=None, colorbar=True):
    """STFT level against time and frequency."""
    ax = _axis(ax)
    low, high = DB_RANGE
    image = _image(ax, stft_db(audio), SAMPLE_RATE / 2000, len(audio) / SAMPLE_RATE)
    image.set_clim(low, high)
    ax.set(xlabel="time (s)", ylabel="frequency (kHz)")
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="level (dBFS)", pad=0.01)
    return ax


def mel_spectrogram(audio, ax=None, colorbar=True, n_mels=64):
    """Mel-band level against time; the axis is even in mel, labelled in kHz."""
    ax = _axis(ax)
    mel = librosa.feature.melspectrogram(
        y=np.asarray(audio, dtype=np.float32),
        sr=SAMPLE_RATE,
        n_fft=N_FFT,
        hop_length=HOP,
        n_mels=n_mels,
        norm=None,
    )
    level_db = 10 * np.log10(mel / (N_FFT / 4) ** 2 + 1e-12)
    image = _image(ax, level_db, n_mels, len(audio) / SAMPLE_RATE)
    image.set_clim(*DB_RANGE)
    ticks_khz = np.array([0.25, 0.5, 1, 2, 4, 7])
    ticks_mel = librosa.hz_to_mel(1000 * ticks_khz) / librosa.hz_to_mel(SAMPLE_RATE / 2) * n_mels
    ax.set(xlabel="time (s)", ylabel="frequency (kHz, mel scale)")
    ax.set_yticks(ticks_mel, [f"{t:g}" for t in ticks_khz])
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="level (dBFS)", pad=0.01)
    return ax


def difference(clean, degraded, ax=None, colorbar=True):
    """Level change in every time-frequency bin, both clips floored at the range of the plots."""
    ax = _axis(ax)
    floor = DB_RANGE[0]
    change = np.maximum(stft_db(degraded), floor) - np.maximum(stft_db(clean), floor)
    image = _image(
        ax,
        change,
        SAMPLE_RATE / 2000,
        len(clean) / SAMPLE_RATE,
        cmap=sns.color_palette("vlag", as_cmap=True),
    )
    image.set_clim(-DIFFERENCE_DB, DIFFERENCE_DB)
    ax.set(xlabel="time (s)", ylabel="frequency (kHz)")
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="change (dB)", pad=0.01)
    return ax


def clip_views(audio, title=""):
    """Waveform, STFT and mel spectrogram of one clip, one above the other."""
    fig, axes = plt.subplots(3, 1, figsize=(8, 6.4), sharex=True, height_ratios=(1, 2, 2))
    waveform(audio, axes[0]).set(title=title, xlabel="")
    spectrogram(audio, axes[1]).set(title="STFT", xlabel="")
    mel_spectrogram(audio, axes[2]).set(title="Mel spectrogram")
    return fig


def gallery(clips, n_columns=3, height=1.7):
    """Spectrograms of several clips (caption -> audio) in a grid with one dB range."""
    n_rows = -(-len(clips) // n_columns)
    fig, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(3.6 * n_columns, height * n_rows),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for ax in axes.flat[len(clips) :]:
        ax.set_visible(False)
    for ax, (caption, audio) in zip(axes.flat, clips.items(), strict=False):
        spectrogram(audio, ax, colorbar=False).set(title=caption, xlabel="", ylabel="")
    _shared_labels(fig, axes, "time (s)", "frequency (kHz)")
    return fig


def _shared_labels(fig, axes, xlabel, ylabel):
    fig.supxlabel(xlabel, fontsize="medium")
    fig.supylabel(ylabel, fontsize="medium")
    image = axes.flat[0].images[0]
    fig.colorbar(image, ax=axes, label="level (dBFS)", pad=0.01, aspect=40)


def facts_histograms(table, columns):
    """Distribution of what was drawn: one small histogram per (column -> axis label)."""
    fig, axes = plt.subplots(2, -(-len(columns) // 2), figsize=(10, 3.8))
    for ax, (column, label) in zip(axes.flat, columns.items(), strict=False):
        ax.hist(table[column], bins=12, color=_PALETTE[0], edgecolor="white")
        ax.set(xlabel=label)
    for ax in axes[:, 0]:
        ax.set(ylabel="clips")
    return fig


# --- degradations and labels ---------------------------------------------------------------------


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
    _shared_labels(fig, axes, "time (s)", "frequency (kHz)")
    return fig


def compare(clean, degraded, title=""):
    """Clean and degraded side by side (waveform, spectrogram) and their difference."""
    fig, axes = plt.subplots(2, 3, figsize=(11, 4), sharex=True, height_ratios=(1, 1.7))
    limit = 1.1 * max(np.max(np.abs(clean)), np.max(np.abs(degraded)))
    waveform(clean, axes[0, 0], limit=limit).set(title="clean", xlabel="")
    waveform(degraded, axes[0, 1], color=_PALETTE[3], limit=limit)
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


_MEASURED_ON = {  # source in the table -> name in the legend, colour, marker
    "tts": ("text-to-speech", "0.15", "o"),
    "voice": ("speech-like clips", "0.5", "s"),
    "tones": ("tones (not used)", "0.75", "^"),
}


def _measured_points(ax, source, grid, points):
    """Mean ± sd over clips of measured P.862.2, on the scale, at every value of the grid."""
    name, color, marker = _MEASURED_ON[source]
    per_unit = np.diff(scale.SCALE) / np.diff(scale.P862_2_RANGE)
    mean, sd = scale.to_scale(points["p862_2_mean"]), per_unit * np.array(points["p862_2_sd"])
    label = f"{name}, {points['n_clips']} clips, mean ± sd"
    ax.errorbar(grid, mean, sd, fmt=marker, ms=3.5, lw=0.8, color=color, label=label)


def score_strips(table, kinds=KINDS, column="score"):
    """Score of every clip by kind, coloured by quality class; spread sideways by the golden ratio,
    which fills the width evenly and, unlike random jitter, draws the same picture every time."""
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


# --- features and embeddings ---------------------------------------------------------------------


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
        for encoder, color in (("embedded", _PALETTE[0]), ("random", "0.5")):
            for pooling, style in (("", "o-"), (" mean+std", "s--")):
                name = rf"{encoder} layer [0-9]+" + re.escape(pooling)
                rows = part[part.index.str.fullmatch(name)]
                layers = range(len(rows))
                mean, sd = rows["class_accuracy"], rows["class_accuracy_sd"]
                label = f"{encoder}, {pooling.strip() or 'mean'}"
                ax.errorbar(layers, mean, sd, fmt=style, color=color, ms=4, lw=1.2, label=label)
        ax.axhline(part.loc["19", "class_accuracy"], color=_PALETTE[2], label="19 features")
        ax.set(title=f"{family}", xlabel="layer (0 = input of the first)", xticks=layers)
    np.atleast_1d(axes)[0].set_ylabel("class accuracy, linear probe")
    np.atleast_1d(axes)[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def gain_response(gains_db, loudness_sone, cosine):
    """What a change of level does to loudness and to the embedding."""
    fig, axes = plt.subplots(1, 2, figsize=(8, 2.8))
    axes[0].plot(gains_db, loudness_sone, "o-", color=_PALETTE[0])
    axes[0].set(
        title="psychoacoustic", xlabel="gain (dB)", ylabel="loudness (sone)", ylim=(0, None)
    )
    axes[1].plot(gains_db, cosine, "o-", color=_PALETTE[1])
    axes[1].set(title="embedding", xlabel="gain (dB)", ylabel="cosine with the 0 dB clip")
    axes[1].set_ylim(min(0.9, min(cosine)) - 0.02, 1.02)
    return fig


# --- training and evaluation ---------------------------------------------------------------------


def training_curves(history):
    """Loss of both tasks and accuracy on the training and the test part, by epoch."""
    fig, axes = plt.subplots(1, 3, figsize=(11, 3))
    panels = {"ce": "cross-entropy (nat)", "mse": "squared error (score²)", "accuracy": "accuracy"}
    for ax, (column, label) in zip(axes, panels.items(), strict=True):
        for part, color in (("train", _PALETTE[0]), ("test", _PALETTE[1])):
            ax.plot(history.epoch, history[f"{part}_{column}"], color=color, label=part)
        ax.set(xlabel="epoch", ylabel=label)
    axes[0].set_title("class")
    axes[1].set_title("score")
    axes[1].set_yscale("log")
    axes[2].set(title="class", ylim=(0, 1.02))
    axes[0].legend()
    return fig


def confusion(matrix, classes=scale.CLASSES, ax=None):
    """Confusion matrix with counts; rows true, columns predicted."""
    ax = _axis(ax, figsize=(4, 3.4))
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
    ax = _axis(ax, figsize=(4.6, 4.2))
    ax.plot([1, 4.5], [1, 4.5], color="0.7", lw=1, zorder=0)
    sns.scatterplot(
        predictions,
        x="score",
        y="predicted_score",
        hue="kind",
        style="kind",
        palette=KIND_COLORS,
        s=36,
        linewidth=0.3,
        ax=ax,
    )
    ax.set(xlabel="true score", ylabel="predicted score", xlim=(0.9, 4.6), ylim=(0.9, 4.6))
    ax.set_aspect("equal")
    sns.move_legend(ax, "upper left", title="")
    return ax


def density_against_true(predictions, ax=None):
    """Predicted against true score of thousands of clips: how many fall where."""
    ax = _axis(ax, figsize=(5.2, 4.2))
    edges = np.linspace(1, 4.5, 36)
    counts = ax.hist2d(
        predictions["score"], predictions["predicted_score"], edges, norm="log", cmap="Blues"
    )
    ax.plot([1, 4.5], [1, 4.5], color="0.4", lw=1)
    ax.figure.colorbar(counts[-1], ax=ax, label="clips")
    ax.set(xlabel="true score", ylabel="predicted score")
    ax.set_aspect("equal")
    return ax


def intervals(table, columns, n_columns=None, reference=None):
    """Values with intervals as horizontal dots, one panel per metric.

    Parameters
    ----------
    table : dict
        Row label -> {metric -> {"value", "low", "high"}}.
    columns : dict
        Metric -> axis label.
    reference : str, optional
        Row drawn in the accent colour, with a line through its value.
    """
    rows = list(table)
    fig, axes = plt.subplots(
        1, len(columns), figsize=(3.2 * len(columns), 0.34 * len(rows) + 1.1), sharey=True
    )
    for ax, (metric, label) in zip(np.atleast_1d(axes), columns.items(), strict=True):
        for y, row in enumerate(rows):
            entry = table[row].get(metric)
            if entry is None or entry["value"] is None:
                continue
            color = _PALETTE[0] if row == reference or reference is None else "0.4"
            if entry["low"] is not None:
                ax.plot([entry["low"], entry["high"]], [y, y], color=color, lw=2, alpha=0.6)
            ax.plot(entry["value"], y, "o", color=color, ms=6)
        if reference is not None:
            ax.axvline(table[reference][metric]["value"], color=_PALETTE[0], lw=0.8, ls=":")
        ax.set(xlabel=label, yticks=range(len(rows)), yticklabels=rows)
        ax.grid(axis="x", color="0.92")
    np.atleast_1d(axes)[0].invert_yaxis()
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


def unseen(rows, better_high, better_low):
    """Heat map of what happens without a kind or a severity in training; dark is good.

    Parameters
    ----------
    rows : DataFrame
        Index: what was left out; one column per metric, numbers.
    better_high, better_low : dict
        Column of `rows` -> label, for metrics that should be high (0 to 1) and low.
    """
    groups = ((better_high, "Blues", {"vmin": 0, "vmax": 1}), (better_low, "Blues_r", {}))
    widths = [len(columns) for columns, *_ in groups]
    fig, axes = plt.subplots(
        1,
        2,
        figsize=(1.5 * sum(widths) + 2, 0.4 * len(rows) + 1.2),
        width_ratios=widths,
        sharey=True,
    )
    for ax, (columns, cmap, limits) in zip(axes, groups, strict=True):
        shown = rows[list(columns)].rename(columns=columns)
        sns.heatmap(shown, cmap=cmap, annot=True, fmt=".2f", ax=ax, cbar=False, **limits)
        ax.set(xlabel="", ylabel="")
        ax.tick_params(length=0, axis="both")
    return fig
