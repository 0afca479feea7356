"""Gated programme loudness, ITU-R BS.1770-4, of mono clips at 16 kHz.

Filters and blocks are those of the package pyloudnorm, whose numbers these are (a test compares
them); it would bring SciPy with it, which scoring recordings can do without.
"""

from functools import lru_cache

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE

LUFS_FLOOR = -70.0  # absolute gate of BS.1770: nothing quieter is measured
BLOCK_S, STEP = 0.4, 0.25  # length of a block, and from one to the next in lengths
RELATIVE_GATE_DB = 10.0
OFFSET_DB = -0.691  # a full-scale sine of 997 Hz is -3.01 LUFS
SHELF_HZ, SHELF_DB, SHELF_QUALITY = 1500.0, 4.0, 2**-0.5  # the head
HIGHPASS_HZ, HIGHPASS_QUALITY = 38.0, 0.5
SETTLED = 4096  # samples after which the filters have rung out to 1e-12


def integrated_loudness_lufs(audio):
    """Gated loudness (LUFS) of `audio`, shape (n,); -70 where all is gated.

    Clips shorter than the standard's 0.4 s block are measured as one block.
    """
    block = min(BLOCK_S, len(audio) / SAMPLE_RATE) * SAMPLE_RATE
    n_fft = 2 ** int(np.ceil(np.log2(len(audio) + SETTLED)))
    weighted = np.fft.irfft(np.fft.rfft(audio, n_fft) * _k_weighting(n_fft), n_fft)[: len(audio)]
    n_blocks = int(np.round((len(audio) - block) / (block * STEP)) + 1)
    starts = np.arange(n_blocks) * STEP
    powers = [weighted[int(block * s) : int(block * (s + 1))] for s in starts]
    powers = np.array([np.sum(np.square(power)) / block for power in powers])
    loud = powers[powers >= _power(LUFS_FLOOR)]
    if not len(loud):
        return LUFS_FLOOR
    gate = max(_power(LUFS_FLOOR), loud.mean() * 10 ** (-RELATIVE_GATE_DB / 10))
    return max(LUFS_FLOOR, OFFSET_DB + 10 * np.log10(np.mean(loud[loud > gate])))


def _power(lufs):
    return 10 ** ((lufs - OFFSET_DB) / 10)


@lru_cache(maxsize=8)
def _k_weighting(n_fft):
    """Response of both filters at the bins of a transform, shape (n_fft // 2 + 1,).

    Biquads after R. Bristow-Johnson, Cookbook formulae for audio equalizer biquad filters.
    """
    delay = np.exp(-2j * np.pi * np.arange(n_fft // 2 + 1) / n_fft)  # of one sample
    w, alpha = _angle(HIGHPASS_HZ, HIGHPASS_QUALITY)
    rise = (1 + np.cos(w)) / 2 * np.array([1, -2, 1])
    response = _biquad(rise, [1 + alpha, -2 * np.cos(w), 1 - alpha], delay)
    w, alpha = _angle(SHELF_HZ, SHELF_QUALITY)
    gain = 10 ** (SHELF_DB / 40)
    more, less, edge = gain + 1, (gain - 1) * np.cos(w), 2 * np.sqrt(gain) * alpha
    turned, middle = more * np.cos(w), gain - 1
    above = [more + less + edge, -2 * (middle + turned), more + less - edge]
    below = [more - less + edge, 2 * (middle - turned), more - less - edge]
    return response * gain * _biquad(above, below, delay)


def _angle(hz, quality):
    w = 2 * np.pi * hz / SAMPLE_RATE
    return w, np.sin(w) / (2 * quality)


def _biquad(above, below, delay):
    return np.polyval(above[::-1], delay) / np.polyval(below[::-1], delay)
