"""A small transform codec: what low bit rates sound like, without any one standard's bit stream.

MDCT, bands of about equal width on the Bark scale, one random coarse step per band, holes where a
band gets no bits, and a band limit. The damage takes (audio, strength, rng).
"""

from functools import cache

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.strength import blurred, geometric, linear

N_BANDS = 20


@cache
def _mdct_matrix(n_coefficients):
    """Windowed MDCT basis, shape (2 · n, n); its transpose reconstructs by overlap-add.

    Sine window, Princen & Bradley (1986).
    """
    n = np.arange(2 * n_coefficients)[:, None]
    k = np.arange(n_coefficients)[None, :]
    phase = np.pi / n_coefficients * (n + 0.5 + n_coefficients / 2) * (k + 0.5)
    window = np.sin(np.pi / (2 * n_coefficients) * (n + 0.5))
    return np.sqrt(2 / n_coefficients) * window * np.cos(phase)


def mdct(audio, n_coefficients):
    """Coefficients, shape (n_frames, n_coefficients), of `audio`, shape (n,)."""
    n_frames = -(-len(audio) // n_coefficients) + 1
    padded = np.zeros((n_frames + 1) * n_coefficients)
    padded[n_coefficients : n_coefficients + len(audio)] = audio
    blocks = padded.reshape(n_frames + 1, n_coefficients)
    return np.hstack((blocks[:-1], blocks[1:])) @ _mdct_matrix(n_coefficients)


def inverse_mdct(coefficients, n):
    """The first `n` samples of what `mdct` took apart."""
    n_frames, size = coefficients.shape
    frames = coefficients @ _mdct_matrix(size).T
    blocks = np.zeros((n_frames + 1, size))
    blocks[:-1] += frames[:, :size]
    blocks[1:] += frames[:, size:]
    return blocks.ravel()[size : size + n]


def _band_of(n_coefficients):
    """Band of every coefficient, by Traunmüller's (1990) Bark scale."""
    frequency_hz = (np.arange(n_coefficients) + 0.5) * SAMPLE_RATE / 2 / n_coefficients
    bark = 26.81 * frequency_hz / (1960 + frequency_hz) - 0.53
    return np.clip((bark - bark[0]) / (bark[-1] - bark[0]) * N_BANDS, 0, N_BANDS - 1).astype(int)


def transform_codec(audio, strength, rng):
    """Frames of 16 to 64 ms, steps −34 to 10 dB of the level, up to 60 % of the bands dropped."""
    n_coefficients = int(rng.choice([128, 256, 320, 512]))
    step_db, hole_share = linear(strength, -34.0, 10.0), 0.6 * rng.uniform() * strength**2
    band_limit_hz = geometric(blurred(strength, rng, 0.2), 8000, 2000)
    coefficients, band = mdct(audio, n_coefficients), _band_of(n_coefficients)
    n_frames = len(coefficients)
    sums = np.zeros((n_frames, N_BANDS))
    np.add.at(sums.T, band, coefficients.T**2)
    level = np.sqrt(sums / np.maximum(np.bincount(band, minlength=N_BANDS), 1))
    offset_db = rng.normal(0, 4, N_BANDS) + rng.normal(0, 3, (n_frames, N_BANDS))
    # The loudest band of a frame sets half of the step: weak bands fall into holes, as in codecs.
    reference = np.sqrt(level * level.max(axis=1, keepdims=True)) + 1e-20
    step = reference * 10 ** ((step_db + offset_db) / 20)
    kept = rng.uniform(size=(n_frames, N_BANDS)) >= hole_share
    quantised = np.round(coefficients / step[:, band]) * (step * kept)[:, band]
    frequency_hz = (np.arange(n_coefficients) + 0.5) * SAMPLE_RATE / 2 / n_coefficients
    quantised[:, frequency_hz > band_limit_hz] = 0
    facts = {
        "frame_ms": 2000 * n_coefficients / SAMPLE_RATE, "step_db": step_db,
        "hole_share": hole_share, "band_limit_hz": band_limit_hz,
    }  # fmt: skip
    return inverse_mdct(quantised, len(audio)), facts
