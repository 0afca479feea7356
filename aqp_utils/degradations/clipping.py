"""Amplitude distortion: clipping of five sorts, coarse quantisation, modulated noise.

Every function takes (audio, strength, rng) and returns (audio, facts).
"""

import numpy as np

from aqp_utils.degradations.degrade import hard_clip
from aqp_utils.degradations.strength import geometric, linear


def clip_at_quantile(audio, strength, rng):
    """Hard clipping of a share of all samples, 0.05 % to 70 %."""
    clipped_share = geometric(strength, 0.0005, 0.7)
    threshold = np.quantile(np.abs(audio), 1 - clipped_share)
    return np.clip(audio, -threshold, threshold), {"clipped_share": clipped_share}


def clip_at_si_sdr(audio, strength, rng):
    """Hard clipping to an SI-SDR of 40 to 2 dB."""
    si_sdr_db = linear(strength, 40.0, 2.0)
    return hard_clip(audio, si_sdr_db), {"si_sdr_db": si_sdr_db}


def clip_softly(audio, strength, rng):
    """Saturation by tanh, its unit slope kept for small signals; drive −10 to 25 dB at the peak."""
    drive_db = linear(strength, -10.0, 25.0)
    knee = np.max(np.abs(audio)) / 10 ** (drive_db / 20)
    return knee * np.tanh(audio / knee), {"drive_db": drive_db}


def clip_asymmetrically(audio, strength, rng):
    """Hard clipping of one polarity early and of the other late, then the offset is removed."""
    early_share = geometric(strength, 0.0005, 0.6)
    late_share = early_share * rng.uniform(0.02, 0.5)
    sign = float(rng.choice([-1, 1]))
    low, high = np.quantile(np.abs(audio), [1 - early_share, 1 - late_share])
    clipped = sign * np.clip(sign * audio, -low, high)
    facts = {"early_share": early_share, "late_share": late_share, "sign": sign}
    return clipped - np.mean(clipped), facts


def overshoot(audio, strength, rng):
    """Recording gain too high: the peak rises over full scale by 0.2 to 24 dB and is cut there."""
    over_db = linear(strength, 0.2, 24.0)
    gain = 10 ** (over_db / 20) / np.max(np.abs(audio))
    return np.clip(gain * audio, -1.0, 1.0), {"over_db": over_db}


def few_bits(audio, strength, rng):
    """Uniform quantisation to 13 to 2 bits of the peak, plain or with triangular dither."""
    bits, dither = linear(strength, 13.0, 2.0), str(rng.choice(["none", "triangular"]))
    step = np.max(np.abs(audio)) / 2 ** (bits - 1)
    offset = 0.0
    if dither == "triangular":
        offset = rng.uniform(-0.5, 0.5, len(audio)) + rng.uniform(-0.5, 0.5, len(audio))
    return step * np.round(audio / step + offset), {"bits": bits, "dither": dither}


def modulated_noise(audio, strength, rng):
    """Speech-modulated noise of the MNRU (ITU-T P.810), Q of 45 to −2 dB."""
    q_db = linear(strength, 45.0, -2.0)
    noise = rng.standard_normal(len(audio))
    return audio * (1 + 10 ** (-q_db / 20) * noise), {"q_db": q_db}
