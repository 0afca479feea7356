"""Figures of clips: waveforms, spectrograms, and what is in a set of them."""

import librosa
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.views.plots.style import PALETTE, ax_or_new

N_FFT = 512  # samples (32 ms)
HOP = 128  # samples (8 ms)
DB_RANGE = (-110.0, -40.0)  # per-bin level shown in every spectrogram, dB re full scale
MEL_DB_RANGE = (-95.0, -25.0)  # a mel band sums several bins, so it reads higher
DIFFERENCE_DB = 30.0  # range of difference plots, ± dB


def stft_db(audio):
    """STFT level (dB re a full-scale sine), shape (1 + N_FFT/2, frames)."""
    spectrum = np.abs(
        librosa.stft(np.asarray(audio, dtype=np.float64), n_fft=N_FFT, hop_length=HOP)
    )
    return 20 * np.log10(spectrum / (N_FFT / 4) + 1e-10)


def waveform(audio, ax=None, color=PALETTE[0], limit=None):
    """Amplitude against time."""
    ax = ax_or_new(ax)
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
    ax = ax_or_new(ax)
    low, high = DB_RANGE
    image = _image(ax, stft_db(audio), SAMPLE_RATE / 2000, len(audio) / SAMPLE_RATE)
    image.set_clim(low, high)
    ax.set(xlabel="time (s)", ylabel="frequency (kHz)")
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="level (dBFS)", pad=0.01)
    return ax


def mel_spectrogram(audio, ax=None, colorbar=True, n_mels=64):
    """Mel-band level against time; the axis is even in mel, labelled in kHz."""
    ax = ax_or_new(ax)
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
    image.set_clim(*MEL_DB_RANGE)
    ticks_khz = np.array([0.25, 0.5, 1, 2, 4, 7])
    ticks_mel = librosa.hz_to_mel(1000 * ticks_khz) / librosa.hz_to_mel(SAMPLE_RATE / 2) * n_mels
    ax.set(xlabel="time (s)", ylabel="frequency (kHz, mel scale)")
    ax.set_yticks(ticks_mel, [f"{t:g}" for t in ticks_khz])
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="level (dBFS)", pad=0.01)
    return ax


def difference(clean, degraded, ax=None, colorbar=True):
    """Level change in every time-frequency bin, both clips floored at the range of the plots."""
    ax = ax_or_new(ax)
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
        ax.figure.colorbar(image, ax=ax, label="change (dB)", pad=0.01, extend="both")
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
        figsize=(3 * n_columns, height * n_rows),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for ax in axes.flat[len(clips) :]:
        ax.set_visible(False)
    for ax, (caption, audio) in zip(axes.flat, clips.items(), strict=False):
        spectrogram(audio, ax, colorbar=False).set(title=caption, xlabel="", ylabel="")
    shared_labels(fig, axes, "time (s)", "frequency (kHz)")
    return fig


def shared_labels(fig, axes, xlabel, ylabel):
    """Label all `axes` of spectrograms once, with one colour bar in dBFS."""
    fig.supxlabel(xlabel, fontsize="medium")
    fig.supylabel(ylabel, fontsize="medium")
    image = axes.flat[0].images[0]
    fig.colorbar(image, ax=axes, label="level (dBFS)", pad=0.01, aspect=40)


def ingredients(steps, pitches, f0_hz, top_khz=4):
    """How a note grows: one row per step with its waveform, spectrogram and measured pitch.

    Parameters
    ----------
    steps : dict
        caption -> audio (n,).
    pitches : dict
        caption -> (time (s), pitch (Hz)) as measured, each shape (frames,).
    f0_hz : float
        Pitch that the third column is drawn relative to.
    top_khz : float
        Highest frequency shown.
    """
    fig, axes = plt.subplots(len(steps), 3, figsize=(9, 1.5 * len(steps) + 0.4), sharex=True)
    limit = 1.1 * max(np.max(np.abs(audio)) for audio in steps.values())
    for row, (caption, audio) in zip(axes, steps.items(), strict=True):
        waveform(audio, row[0], limit=limit).set(title=caption, xlabel="")
        spectrogram(audio, row[1], colorbar=False).set(xlabel="", ylabel="kHz", ylim=(0, top_khz))
        time_s, pitch_hz = pitches[caption]
        row[2].plot(time_s, 1200 * np.log2(pitch_hz / f0_hz), color=PALETTE[3], lw=1.5)
        row[2].set(ylabel="cent", ylim=(-90, 90), yticks=(-60, 0, 60))
        row[2].grid(axis="y", color="0.9")
    axes[0, 1].set_title("spectrogram")
    axes[0, 2].set_title(f"measured pitch re {f0_hz:g} Hz")
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    return fig


_UNITS = {  # ending of a fact's name -> unit
    "_db_per_octave": "dB/octave",
    "_dbfs": "dBFS",
    "_cents": "cent",
    "_hz": "Hz",
    "_db": "dB",
    "_st": "semitones",
    "_s": "s",
}


def fact_label(name):
    """A drawn quantity as an axis label, e.g. "vibrato rate (Hz)" for vibrato_rate_hz."""
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return f"{fact_label(name.removesuffix(ending))} ({unit})"
    return name.replace("f0", "pitch").replace("n_", "number of ", 1).replace("_", " ")


def facts_histograms(table, columns, n_columns=5):
    """Distribution of what was drawn: one small histogram per column of `table`."""
    n_rows = -(-len(columns) // n_columns)
    fig, axes = plt.subplots(n_rows, n_columns, figsize=(9, 2.0 * n_rows), squeeze=False)
    for ax in axes.flat[len(columns) :]:
        ax.set_visible(False)
    for ax, column in zip(axes.flat, columns, strict=False):
        values, bins = table[column], 10
        if np.issubdtype(values.dtype, np.integer):  # whole numbers: bins around whole numbers
            step = max(1, int(np.ceil((values.max() - values.min() + 1) / 10)))
            bins = np.arange(values.min(), values.max() + step + 1, step) - 0.5
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.hist(values, bins=bins, color=PALETTE[0], edgecolor="white")
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.set(xlabel=fact_label(column))
    for ax in axes[:, 0]:
        ax.set(ylabel="clips")
    return fig
