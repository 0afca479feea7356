"""What a feature is, and what audio every feature accepts."""

from dataclasses import dataclass

import numpy as np

from aqp_utils.core.audio import MINIMUM_DURATION_S, SAMPLE_RATE

SILENCE_PEAK = 1e-6  # of full scale (-120 dBFS): nothing an ear or a 16-bit file could hold


@dataclass(frozen=True)
class Feature:
    """One number that describes a clip.

    Attributes
    ----------
    name : str
        Identifier, usable as a column name.
    unit : str
        Physical or perceptual unit; "1" if the feature is a pure number.
    source : str
        Standard or paper that defines it.
    meaning : str
        What it says about the sound, in one line.
    """

    name: str
    unit: str
    source: str
    meaning: str


def checked_signal(audio):
    """The part of `audio` that carries signal, ready for feature extraction.

    Digital silence (exact zeros) at either end belongs to the file and not to the sound: it is
    cut, down to `MINIMUM_DURATION_S`, so zero padding never changes a feature. Then DC is removed.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        Mono, full scale 1.0, at `SAMPLE_RATE`.

    Returns
    -------
    ndarray of float64, shape (m,), m <= n

    Raises
    ------
    ValueError
        If `audio` is not one-dimensional, is shorter than 0.25 s, holds NaN or infinity, or holds
        no signal (silence or DC alone).
    """
    audio = np.asarray(audio, dtype=np.float64)
    if audio.ndim != 1:
        raise ValueError(f"audio has shape {audio.shape}; features want mono audio, shape (n,).")
    minimum = int(MINIMUM_DURATION_S * SAMPLE_RATE)
    if len(audio) < minimum:
        duration_s = len(audio) / SAMPLE_RATE
        raise ValueError(f"too short: {duration_s:.3f} s, features need {MINIMUM_DURATION_S} s.")
    bad = np.flatnonzero(~np.isfinite(audio))
    if len(bad):
        raise ValueError(
            f"{len(bad)} samples are NaN or infinite, the first at {bad[0]}; all must be finite."
        )
    signal = _without_silent_ends(audio, minimum)
    signal = signal - signal.mean()
    if np.abs(signal).max() < SILENCE_PEAK:
        raise ValueError("no signal: the clip holds only digital silence or DC.")
    return signal


def _without_silent_ends(audio, minimum):
    sounding = np.flatnonzero(audio)
    if not len(sounding):
        return audio
    start = min(sounding[0], len(audio) - minimum)
    return audio[start : max(sounding[-1] + 1, start + minimum)]
