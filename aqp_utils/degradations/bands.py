"""Lost bandwidth: low-pass and high-pass of several slopes, telephone band, resampling.

Every function takes (audio, strength, rng) and returns (audio, facts).
"""

from math import gcd

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt, sosfiltfilt

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.strength import blurred, geometric

COMMON_RATES_HZ = np.array([4000, 6000, 8000, 11025, 12000])


def _butterworth(audio, order, cutoff_hz, kind):
    return sosfilt(butter(order, cutoff_hz, kind, fs=SAMPLE_RATE, output="sos"), audio)


def lowpass_first_order(audio, strength, rng):
    """Butterworth low-pass of order 1, −3 dB at 7500 to 40 Hz."""
    cutoff_hz = geometric(strength, 7500, 40)
    return _butterworth(audio, 1, cutoff_hz, "lowpass"), {"cutoff_hz": cutoff_hz, "order": 1}


def lowpass_second_order(audio, strength, rng):
    """Butterworth low-pass of order 2, as the usual audio tools filter; −3 dB at 7500 to 80 Hz."""
    cutoff_hz = geometric(strength, 7500, 80)
    return _butterworth(audio, 2, cutoff_hz, "lowpass"), {"cutoff_hz": cutoff_hz, "order": 2}


def lowpass_steep(audio, strength, rng):
    """Butterworth low-pass of order 4 or 8, or order 4 forwards and backwards; 7500 to 220 Hz."""
    cutoff_hz, order = geometric(strength, 7500, 220), int(rng.choice([4, 8]))
    phase = str(rng.choice(["causal", "causal", "zero"]))
    if phase == "causal":
        filtered = _butterworth(audio, order, cutoff_hz, "lowpass")
    else:  # twice through order 4 is order 8 in slope, with −6 dB at the cutoff
        order = 4
        filtered = sosfiltfilt(butter(4, cutoff_hz, fs=SAMPLE_RATE, output="sos"), audio)
    return filtered, {"cutoff_hz": cutoff_hz, "order": order, "phase": phase}


def highpass(audio, strength, rng):
    """Butterworth high-pass of order 1, 2 or 4, −3 dB at 80 to 6000 Hz."""
    order, cutoff_hz = int(rng.choice([1, 2, 4])), geometric(strength, 80, 6000)
    filtered = _butterworth(audio, order, cutoff_hz, "highpass")
    return filtered, {"cutoff_hz": cutoff_hz, "order": order}


def telephone_band(audio, strength, rng):
    """Band-pass from 60–7600 Hz over the telephone's 300–3400 Hz to a narrow 1200–1500 Hz."""
    low_hz = geometric(blurred(strength, rng, 0.1), 60, 1200)
    high_hz = geometric(blurred(strength, rng, 0.1), 7600, 1500)
    order = int(rng.choice([2, 4]))
    filtered = _butterworth(audio, order, low_hz, "highpass")
    filtered = _butterworth(filtered, order, high_hz, "lowpass")
    return filtered, {"low_hz": low_hz, "high_hz": high_hz, "order": order}


def at_rate(audio, rate_hz, process):
    """Resample to `rate_hz` (int), apply `process`, resample back to the old length, shape (n,)."""
    common = gcd(SAMPLE_RATE, rate_hz)
    up, down = rate_hz // common, SAMPLE_RATE // common
    low = audio if up == down else resample_poly(audio, up, down)
    result = process(low)
    return result if up == down else resample_poly(result, down, up)[: len(audio)]


def resampled(audio, strength, rng):
    """Down to 15 to 0.8 kHz and back with good filters; half of the time at a common rate."""
    rate_hz = int(round(geometric(strength, 15_000, 800), -2))
    if rng.uniform() < 0.5 and 3_500 < rate_hz < 13_000:
        rate_hz = int(COMMON_RATES_HZ[np.argmin(np.abs(COMMON_RATES_HZ - rate_hz))])
    return at_rate(audio, rate_hz, lambda low: low), {"rate_hz": rate_hz}


def resampled_badly(audio, strength, rng):
    """Down to 15.9 to 2 kHz without a filter, and back by holding or by straight lines."""
    rate_hz, method = geometric(strength**2, 15_900, 2_000), str(rng.choice(["hold", "linear"]))
    time_s = np.arange(len(audio)) / SAMPLE_RATE
    coarse_s = np.arange(int(time_s[-1] * rate_hz) + 2) / rate_hz
    coarse = np.interp(coarse_s, time_s, audio)
    if method == "hold":
        back = coarse[np.minimum(np.round(time_s * rate_hz).astype(int), len(coarse) - 1)]
    else:
        back = np.interp(time_s, coarse_s, coarse)
    return back, {"rate_hz": rate_hz, "method": method}
