"""Each kind of damage in its own picture: spectrum, transfer curve, |H(f)|, decay, onset."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import welch

from aqp_utils.core.audio import SAMPLE_RATE, active_mask
from aqp_utils.views.plots.clips import spectrogram
from aqp_utils.views.plots.style import CLASS_COLORS, PALETTE, ax_or_new

_CLEAN, _DAMAGED = PALETTE[0], PALETTE[3]
ONSET_S = (-0.08, 0.17)  # close-up around an onset
WELCH = dict(fs=SAMPLE_RATE, nperseg=1024, scaling="density")


def power_spectrum_db(audio):
    """Frequency (kHz) and power density (dB re full scale, per Hz), each shape (513,)."""
    frequency_hz, density = welch(audio, **WELCH)
    return frequency_hz / 1000, 10 * np.log10(density + 1e-20)


def noise_spectra(clean, noise, snr_db):
    """Power spectra of the active part of a clip and of the noise on it, and their distance."""
    ax = ax_or_new(None, figsize=(8, 3.2))
    mask = active_mask(clean)
    for audio, label, color in ((clean, "clean clip", _CLEAN), (noise, "added noise", _DAMAGED)):
        ax.plot(*power_spectrum_db(audio[mask]), color=color, lw=1.2, label=label)
    ax.set(xlabel="frequency (kHz)", ylabel="power (dB re FS/Hz)", xlim=(0, SAMPLE_RATE / 2000))
    ax.set_title(f"SNR {snr_db:.1f} dB: noise under the partials, over nearly everything else")
    ax.legend(loc="upper right")
    return ax.figure


def loudest_time_s(audio):
    """Time (s) of the highest peak: where clipping is easiest to see."""
    return int(np.argmax(np.abs(audio))) / SAMPLE_RATE


def clipping(clean, clipped, periods_s=0.009):
    """Transfer curve of a clipper, and some milliseconds around the highest peak."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(1, 1.8))
    limit = 1.08 * np.max(np.abs(clean))
    left.plot([-limit, limit], [-limit, limit], color="0.75", lw=1)
    order = np.argsort(clean)
    left.plot(clean[order], clipped[order], color=_DAMAGED, lw=2)
    left.set(xlabel="amplitude in", ylabel="amplitude out", title="transfer curve")
    left.set(xlim=(-limit, limit), ylim=(-limit, limit))
    middle, half = int(loudest_time_s(clean) * SAMPLE_RATE), int(periods_s / 2 * SAMPLE_RATE)
    part = slice(max(0, middle - half), middle + half)
    time_ms = 1000 * np.arange(part.start, part.start + len(clean[part])) / SAMPLE_RATE
    right.plot(time_ms, clean[part], color=_CLEAN, lw=1.2, label="in")
    right.plot(time_ms, clipped[part], color=_DAMAGED, lw=2, label="out")
    right.fill_between(time_ms, clean[part], clipped[part], color=_DAMAGED, alpha=0.25, lw=0)
    right.set(
        xlabel="time (ms)", ylabel="amplitude", title="what is cut off", xlim=time_ms[[0, -1]]
    )
    right.legend(loc="lower right", ncols=2)
    return fig


def frequency_response(curves, cutoff_hz):
    """|H(f)| in dB of several filters: label -> (frequency (Hz), gain (dB))."""
    ax = ax_or_new(None, figsize=(8, 3.2))
    styles = (dict(color=_CLEAN, lw=3, alpha=0.5), dict(color=_DAMAGED, lw=1.5, ls="--"))
    for (label, (frequency_hz, gain_db)), style in zip(curves.items(), styles, strict=False):
        ax.plot(frequency_hz, gain_db, label=label, **style)
    ax.axvline(cutoff_hz, color="0.6", lw=1)
    ax.plot(cutoff_hz, -6.02, "o", color="black", label=f"−6 dB at {cutoff_hz:g} Hz")
    ax.set(xscale="log", xlim=(50, SAMPLE_RATE / 2), ylim=(-100, 5))
    ax.set(xlabel="frequency (Hz)", ylabel="|H(f)| (dB)")
    ax.set_xticks([100, 1000], ["100", "1000"])
    ax.legend(loc="lower left")
    return ax.figure


def room_decay(response, rt60_s, drr_db):
    """Impulse response of a room in dB, its backward integral (Schroeder) and the line of RT60."""
    ax = ax_or_new(None, figsize=(8, 3.4))
    time_s = np.arange(len(response)) / SAMPLE_RATE
    ax.plot(time_s, 20 * np.log10(np.abs(response) + 1e-9), color="0.75", lw=0.6)
    ax.plot(0, 0, "o", color="black", clip_on=False, zorder=3)
    tail = response[int(0.002 * SAMPLE_RATE) :]
    remaining = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] + 1e-12)
    shifted_s = time_s[: len(tail)] + 0.002
    ax.plot(shifted_s, remaining, color=_CLEAN, lw=2, label="energy still to come (Schroeder)")
    line = remaining[0] - 60 * shifted_s / rt60_s
    ax.plot(shifted_s, line, color=_DAMAGED, ls="--", lw=1.5, label=f"−60 dB in {rt60_s:g} s")
    ax.text(0.006, -1, f"direct sound, {drr_db:.0f} dB over all that follows (DRR)", va="center")
    ax.set(xlabel="time after the direct sound (s)", ylabel="level (dB re direct)")
    ax.set(xlim=(-0.003, rt60_s), ylim=(-drr_db - 75, 4))
    ax.legend(loc="upper right", bbox_to_anchor=(1, 0.93))
    return ax.figure


def onset_s(audio):
    """Time (s) of the steepest onset: the first sound where the level rises most within 20 ms."""
    frame = SAMPLE_RATE // 100
    power = np.mean(audio[: len(audio) // frame * frame].reshape(-1, frame) ** 2, axis=1)
    level_db = 10 * np.log10(power + 1e-8)
    rise_db = level_db[2:-2] - level_db[:-4]
    rise_db[: int(-ONSET_S[0] * 100)] = -np.inf  # the close-up starts before it
    start = int(np.argmax(rise_db)) * frame
    sound = np.abs(audio[start : start + 5 * frame])
    return (start + int(np.argmax(sound > 0.05 * sound.max()))) / SAMPLE_RATE


def close_up(audio, around_s):
    """The part of a clip (n,) that a close-up around `around_s` shows."""
    first, last = (int((around_s + edge) * SAMPLE_RATE) for edge in ONSET_S)
    return audio[max(first, 0) : last]


def smeared_onset(clean, degraded, around_s):
    """A close-up of one onset: waveform and spectrogram, clean above degraded."""
    fig, axes = plt.subplots(2, 2, figsize=(9, 4), sharex=True, width_ratios=(1, 1.2))
    parts = {"clean": close_up(clean, around_s), "damaged": close_up(degraded, around_s)}
    limit = 1.1 * max(np.max(np.abs(part)) for part in parts.values())
    for row, (name, part), color in zip(axes, parts.items(), (_CLEAN, _DAMAGED), strict=True):
        time_s = np.arange(len(part)) / SAMPLE_RATE
        row[0].plot(time_s, part, color=color, lw=0.7)
        row[0].set(title=name, ylabel="amplitude", ylim=(-limit, limit))
        row[0].axvline(-ONSET_S[0], color="0.5", lw=1)
        spectrogram(part, row[1], colorbar=False).set(xlabel="", ylabel="kHz", ylim=(0, 4))
        row[1].axvline(-ONSET_S[0], color="white", lw=1)
        row[0].set_xlim(0, len(part) / SAMPLE_RATE)
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    return fig


_BOXES = (  # of the PESQ diagram: column, row, text
    (0, 1, "clean\nclip"),
    (0, 0, "damaged\nclip"),
    (1, 0.5, "same level,\nspeech filter,\ntime alignment"),
    (2, 1, "Bark spectrum,\nloudness in sone"),
    (2, 0, "Bark spectrum,\nloudness in sone"),
    (3, 0.5, "difference,\nless what the\near masks"),
    (4, 0.5, "mean over\ntime → score\n1.02 … 4.64"),
)
_ARROWS = ((0, 2), (1, 2), (2, 3), (2, 4), (3, 5), (4, 5), (5, 6))


def pesq_diagram():
    """What P.862 and P.862.2 do, in seven boxes: two clips, one ear model, one number."""
    fig, ax = plt.subplots(figsize=(9, 2.3))
    frame = dict(boxstyle="round,pad=0.45", fc="white", ec=CLASS_COLORS["high"], lw=1.5)
    boxes = [
        ax.annotate(text, (x, y), ha="center", va="center", bbox=frame, fontsize=10)
        for x, y, text in _BOXES
    ]
    for start, end in _ARROWS:
        (x0, y0, _), (x1, y1, _) = _BOXES[start], _BOXES[end]
        arrow = dict(
            arrowstyle="-|>", color="0.3", lw=1.2,
            patchA=boxes[start].get_bbox_patch(), patchB=boxes[end].get_bbox_patch(),
        )  # fmt: skip
        ax.annotate("", (x1, y1), (x0, y0), arrowprops=arrow, zorder=0)
    ax.set(xlim=(-0.45, 4.55), ylim=(-0.45, 1.45))
    ax.axis("off")
    return fig
