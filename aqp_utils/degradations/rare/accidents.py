"""What goes wrong in files, buffers, converters and amplifiers.

Every damage takes (audio, strength, rng) and returns (audio, facts).
"""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.randomness import log_uniform
from aqp_utils.degradations.strength import geometric, linear

FULL_SCALE = 30_000  # of 16-bit words, for the peak
HIGHEST_ORDER = 8  # of a bent characteristic


def bit_errors(audio, strength, rng):
    """One to 3,000 in 100,000 words of 16 bits have one bit flipped, of the highest 4 to 12."""
    rate, n_bits = geometric(strength, 1e-5, 0.03), int(rng.integers(4, 13))
    scale, n = FULL_SCALE / np.max(np.abs(audio)), len(audio)
    words = np.round(audio * scale).astype(np.int16).view(np.uint16)
    wrong = rng.integers(0, n, max(1, rng.poisson(rate * n)))
    words[wrong] ^= (1 << rng.integers(16 - n_bits, 16, len(wrong))).astype(np.uint16)
    return words.view(np.int16) / scale, {"rate": rate, "bits": float(n_bits)}


def repeats(audio, strength, rng):
    """Blocks of 3 to 150 ms are played again, up to four times, in place of what follows."""
    share, block_s = geometric(strength, 0.003, 0.6), log_uniform(rng, 0.003, 0.15)
    n = len(audio)
    block = min(int(block_s * SAMPLE_RATE), n // 3)
    result, filled = audio.copy(), 0
    while filled < share * n:
        times = int(rng.integers(1, 5))
        start = int(rng.integers(0, n - 2 * block))
        again = np.tile(result[start : start + block], times)[: n - start - block]
        result[start + block : start + block + len(again)] = again
        filled += len(again)
    return result, {"share": share, "block_s": block_s}


def shuffled_grains(audio, strength, rng):
    """Grains of 10 to 80 ms, faded into each other, each from 0.1 to 40 ms away at random."""
    away_s, grain_s = geometric(strength, 1e-4, 0.04), log_uniform(rng, 0.01, 0.08)
    half, n = int(grain_s * SAMPLE_RATE / 2), len(audio)
    window = np.sin(np.pi * (np.arange(2 * half) + 0.5) / (2 * half)) ** 2  # sums to 1
    reach = int(4 * away_s * SAMPLE_RATE) + half
    padded, result = np.pad(audio, reach + 2 * half), np.zeros(n + 4 * half)
    for start in range(0, n + half, half):
        away = int(np.clip(rng.normal(0, away_s * SAMPLE_RATE), -reach, reach))
        first = reach + half + start + away
        result[start : start + 2 * half] += window * padded[first : first + 2 * half]
    return result[half : half + n], {"away_s": away_s, "grain_s": grain_s}


def wrapped(audio, strength, rng):
    """Integer overflow: the peak is 0.1 to 12 dB over full scale and comes back from below."""
    over_db = linear(strength, 0.1, 12.0)
    gained = audio * 10 ** (over_db / 20) / np.max(np.abs(audio))
    return (gained + 1) % 2 - 1, {"over_db": over_db}


def dead_zone(audio, strength, rng):
    """Crossover distortion: samples under the quantile of 5 to 90 % are lost, others shrink."""
    lost_share = linear(strength, 0.05, 0.9)
    threshold = np.quantile(np.abs(audio), lost_share)
    return np.sign(audio) * np.maximum(np.abs(audio) - threshold, 0), {"lost_share": lost_share}


def bent(audio, strength, rng):
    """A random characteristic: Chebyshev polynomials of orders 2 to 8, 1 to 100 % of the peak."""
    share, fall = geometric(strength, 0.01, 1.0), rng.uniform(0, 2)
    orders = np.arange(2, HIGHEST_ORDER + 1)
    weights = np.zeros(HIGHEST_ORDER + 1)
    weights[2:] = rng.standard_normal(len(orders)) / orders**fall
    weights *= share / np.abs(weights).sum()
    peak = np.max(np.abs(audio))
    result = audio + peak * np.polynomial.chebyshev.chebval(audio / peak, weights)
    return result - np.mean(result), {"share": share, "fall": fall}


def slew_limited(audio, strength, rng):
    """A slow amplifier: steps between samples over the quantile of 99.9 to 30 % take longer."""
    kept_share = linear(strength, 0.999, 0.3)
    most = float(np.quantile(np.abs(np.diff(audio)), kept_share)) + 1e-12
    followed, level = [], float(audio[0])
    for sample in audio.tolist():
        level += min(max(sample - level, -most), most)
        followed.append(level)
    return np.array(followed), {"kept_share": kept_share}
