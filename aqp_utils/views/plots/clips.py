"""Figures of clips: waveforms, spectrograms, and what is in a set of them."""

import librosa
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.views.plots.style import PALETTE, ax_or_new

N_FFT = 512  # samples (32 ms)
HOP = 128  # samples (8 ms)
DB_RANGE = (-110.0, -40.0)  # per-bin level shown in every spectrogram, dB re full scale
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
    shared_labels(fig, axes, "time (s)", "frequency (kHz)")
    return fig


def shared_labels(fig, axes, xlabel, ylabel):
    """Label all `axes` of spectrograms once, with one colour bar in dBFS."""
    fig.supxlabel(xlabel, fontsize="medium")
    fig.supylabel(ylabel, fontsize="medium")
    image = axes.flat[0].images[0]
    fig.colorbar(image, ax=axes, label="level (dBFS)", pad=0.01, aspect=40)


def facts_histograms(table, columns):
    """Distribution of what was drawn: one small histogram per (column -> axis label)."""
    fig, axes = plt.subplots(2, -(-len(columns) // 2), figsize=(10, 3.8))
    for ax, (column, label) in zip(axes.flat, columns.items(), strict=False):
        ax.hist(table[column], bins=12, color=PALETTE[0], edgecolor="white")
        ax.set(xlabel=label)
    for ax in axes[:, 0]:
        ax.set(ylabel="clips")
    return fig
