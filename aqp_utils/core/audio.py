"""Levels, activity and WAV files: what every other module agrees on about a clip.

A clip is a mono float array, shape (n,), full scale 1.0, at `SAMPLE_RATE`.
"""

import io
from pathlib import Path

import numpy as np
import soundfile as sf

from aqp_utils.core.files import atomic

SAMPLE_RATE = 16_000  # Hz; what Wav2Vec2 and P.862.2 expect
ACTIVE_LEVEL_DBFS = -26.0  # level of the active part of a clean clip (ITU-T P.56 practice)
FRAME_S = 0.02  # frame of the activity detector
FRAME = int(FRAME_S * SAMPLE_RATE)
ACTIVE_RANGE_DB = 40.0  # frames this far under the loudest one count as pause
MINIMUM_DURATION_S = 0.25


def rms_dbfs(audio):
    """Level of `audio` (any shape) in dB relative to a full-scale RMS of 1.0."""
    return 10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-20)


def active_mask(audio):
    """Mark the samples that carry signal, frame by frame (a light stand-in for ITU-T P.56).

    Parameters
    ----------
    audio : ndarray, shape (n,)

    Returns
    -------
    ndarray of bool, shape (n,)
        True where the 20 ms frame is within 40 dB of the loudest frame.
    """
    return np.repeat(active_frames(frame_powers(audio)), FRAME)[: len(audio)]


def frame_powers(audio):
    """Mean square of every 20 ms frame, the last one filled up with zeros.

    Parameters
    ----------
    audio : array_like that gives slices, shape (n,)
        Read stretch by stretch, so it may be longer than memory.

    Returns
    -------
    ndarray, shape (ceil(n / 320),)
    """
    stretch = 4096 * FRAME
    powers = [_powers(audio[start : start + stretch]) for start in range(0, len(audio), stretch)]
    return np.concatenate(powers) if powers else np.empty(0)


def _powers(audio):
    n_frames = -(-len(audio) // FRAME)
    padded = np.zeros(n_frames * FRAME)
    padded[: len(audio)] = audio
    return np.mean(padded.reshape(n_frames, FRAME) ** 2, axis=1)


def active_frames(powers):
    """Which frames carry signal: within 40 dB of the loudest; `powers` as of `frame_powers`."""
    return powers > powers.max() * 10 ** (-ACTIVE_RANGE_DB / 10)


def hann(length):
    """A periodic Hann window, shape (length,)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def set_level_dbfs(audio, level_dbfs, mask=None):
    """Scale `audio` so that its masked part (default: all of it) has an RMS of `level_dbfs`."""
    part = audio if mask is None else audio[mask]
    return audio * 10 ** ((level_dbfs - rms_dbfs(part)) / 20)


def level_of_training(audio):
    """Bring the active part to the level of every training clip: volume is no quality."""
    audio = np.asarray(audio)
    return set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio))


def clip_bytes(audio, audio_format="wav"):
    """A clip as the bytes of a file of 16-bit samples; a format changes the size, not a sample.

    Parameters
    ----------
    audio : ndarray, shape (n,)
    audio_format : str
        "wav" or "flac".

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If a sample is not finite or lies outside full scale: clipping is a degradation here,
        never an accident of storage.
    """
    peak = np.max(np.abs(audio), initial=0.0)
    if not peak <= 1.0:
        raise ValueError(f"peak {peak:.3g} cannot be stored; 16-bit PCM holds ±1.")
    content = _file_of(audio, "wav")
    if audio_format != "wav":  # from its samples: libsndfile rounds others for other formats
        content = _file_of(sf.read(content, dtype="int16")[0], audio_format)
    return content.getvalue()


def _file_of(audio, audio_format):
    content = io.BytesIO()
    sf.write(content, audio, SAMPLE_RATE, subtype="PCM_16", format=audio_format)
    content.seek(0)
    return content


def format_of(file):
    """How a clip is stored, "wav" or "flac", from the name of its file."""
    return str(file).rpartition(".")[2]


def write_wav(path, audio):
    """Write a clip as 16-bit PCM WAV, whole or not at all.

    Raises
    ------
    ValueError
        See `clip_bytes`; names the file.
    """
    path = Path(path)
    try:
        content = clip_bytes(audio)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    with atomic(path) as temporary:  # libsndfile itself would not say that the disk is full
        temporary.write_bytes(content)


def read_clip(path):
    """Read a stored clip, a path or a file, as float32, shape (n,).

    Raises
    ------
    ValueError
        If the file is not mono at `SAMPLE_RATE`.
    """
    audio, sample_rate = sf.read(path, dtype="float32")
    if sample_rate != SAMPLE_RATE or audio.ndim != 1:
        raise ValueError(
            f"{path}: {sample_rate} Hz, {audio.ndim} axis/axes; a clip is mono at {SAMPLE_RATE} Hz."
        )
    return audio


def without_silent_ends(audio):
    """From the first to the last active sample: how long someone waits before is no quality."""
    active = np.flatnonzero(active_mask(audio))
    heard = audio[active[0] : active[-1] + 1]
    return heard if len(heard) >= MINIMUM_DURATION_S * SAMPLE_RATE else audio
