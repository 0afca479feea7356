"""Level and suppression: gain steps, pumping, gates, over-subtracted noise, quiet recordings.

The damages take (audio, strength, rng) and return (audio, facts); `compressed` and `limited` are
what recordings go through without harm.
"""

import numba
import numpy as np
from scipy.ndimage import minimum_filter1d
from scipy.signal import istft, stft

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.degradations.noise import random_equaliser_db
from aqp_utils.degradations.strength import blurred, geometric, linear

FFT = 512  # samples, 32 ms


def _smooth(track, seconds):
    """Moving average over `seconds`, the ends held; shape kept."""
    length = max(1, int(seconds * SAMPLE_RATE))
    padded = np.pad(track, (length // 2, length - 1 - length // 2), mode="edge")
    total = np.cumsum(np.concatenate(([0.0], padded)))
    return (total[length:] - total[:-length]) / length


def gain_steps(audio, strength, rng):
    """Sudden changes of level, 3 to 60 dB, one to six a second."""
    spread_db, per_second = geometric(strength, 3.0, 60.0), rng.uniform(1, 6)
    count = max(2, int(len(audio) / SAMPLE_RATE * per_second) + 1)
    borders = np.sort(rng.integers(0, len(audio), count - 1))
    levels_db = spread_db * rng.uniform(-1, 0, count)
    gain_db = levels_db[np.searchsorted(borders, np.arange(len(audio)), side="right")]
    gain_db = _smooth(gain_db, rng.uniform(0.0005, 0.01))
    return audio * 10 ** (gain_db / 20), {"spread_db": spread_db, "steps_per_s": per_second}


@numba.njit(cache=True)
def _follow(power, attack, release):
    """One-pole follower that rises with `attack` and falls with `release` (coefficients)."""
    state, result = power[0], np.empty(len(power))
    for n in range(len(power)):
        state += (attack if power[n] > state else release) * (power[n] - state)
        result[n] = state
    return result


def _level_dbfs(audio, attack_s, release_s):
    attack, release = (1 - np.exp(-1 / (s * SAMPLE_RATE)) for s in (attack_s, release_s))
    return 10 * np.log10(_follow(audio**2, attack, release) + 1e-12 * np.max(audio**2) + 1e-20)


def compressed(audio, below_db, ratio, attack_s, release_s):
    """Feed-forward compressor, shape (n,).

    Parameters
    ----------
    audio : ndarray, shape (n,)
    below_db : float
        Threshold, dB under the active level.
    ratio : float
        Of input to output level over the threshold, dB.
    attack_s, release_s : float
        Time constants of the level.
    """
    threshold_dbfs = rms_dbfs(audio[active_mask(audio)]) - below_db
    over_db = np.maximum(_level_dbfs(audio, attack_s, release_s) - threshold_dbfs, 0)
    gain_db = (1 / ratio - 1) * over_db
    return audio * 10 ** ((gain_db - np.mean(gain_db)) / 20)


def limited(audio, peak, ahead_s):
    """Look-ahead limiter, shape (n,): no sample over `peak`, the gain smooth over `ahead_s` (s)."""
    wanted = np.minimum(1.0, peak / np.maximum(np.abs(audio), 1e-12))
    lowest = minimum_filter1d(wanted, 2 * max(1, int(ahead_s * SAMPLE_RATE)) + 1, mode="nearest")
    return audio * _smooth(lowest, ahead_s)


def pumping(audio, strength, rng):
    """A compressor that lifts the pauses: threshold 3 dB over to 50 dB under the active level.

    Ratio 1.3 to 30. With the strength, attack (20 to 0.1 ms) and release (400 to 1 ms) grow shorter
    until the waveform itself is bent, as in a limiter driven hard.
    """
    below_db, ratio = linear(strength, -3.0, 50.0), geometric(blurred(strength, rng), 1.3, 30)
    attack_s = geometric(blurred(strength, rng, 0.2), 0.02, 0.0001)
    release_s = geometric(blurred(strength, rng, 0.2), 0.4, 0.001)
    facts = {
        "threshold_below_db": below_db, "ratio": ratio, "attack_s": attack_s,
        "release_s": release_s,
    }  # fmt: skip
    return compressed(audio, below_db, ratio, attack_s, release_s), facts


def noise_gate(audio, strength, rng):
    """A gate that closes 45 dB under the active level, up to 8 dB over it: soft sounds vanish."""
    threshold_db = linear(strength, -45.0, 8.0)
    floor_db, hold_s = rng.uniform(-80, -15), rng.uniform(0.005, 0.08)
    level_dbfs = _level_dbfs(audio, 0.002, hold_s)
    is_open = level_dbfs > rms_dbfs(audio[active_mask(audio)]) + threshold_db
    gain = _smooth(np.where(is_open, 1.0, 10 ** (floor_db / 20)), rng.uniform(0.001, 0.01))
    facts = {"threshold_db": threshold_db, "floor_db": floor_db, "hold_s": hold_s}
    return audio * gain, facts


def musical_noise(audio, strength, rng):
    """Over-subtraction of a crude noise estimate, which leaves tones that come and go.

    Spectral subtraction (Boll 1979; Berouti et al. 1979). The estimate is a random smooth spectrum,
    45 dB under to 15 dB over the mean spectrum of the speech; its error per bin and frame is what
    makes isolated peaks survive. In half of the cases true noise of that spectrum is there before.
    """
    estimate_db, floor_db = linear(strength, -45.0, 15.0), linear(blurred(strength, rng), -12, -45)
    with_noise = str(rng.choice(["yes", "no"]))
    _, _, spectrum = stft(audio, nperseg=FFT)
    shape_db = random_equaliser_db(len(spectrum), 6.0, rng)[:, None]
    level = np.sqrt(np.mean(np.abs(spectrum) ** 2, axis=1, keepdims=True))
    level = np.sqrt(level * np.mean(level))  # between white and the speech's own spectrum
    noise = level * 10 ** ((estimate_db + shape_db) / 20)
    if with_noise == "yes":
        real, imaginary = rng.standard_normal((2, *spectrum.shape)) / np.sqrt(2)
        spectrum = spectrum + 0.3 * noise * (real + 1j * imaginary)
    error = np.sqrt(rng.exponential(size=spectrum.shape))
    magnitude = np.abs(spectrum) + 1e-20
    gain = np.maximum(1 - noise * error / magnitude, 10 ** (floor_db / 20))
    _, result = istft(spectrum * gain, nperseg=FFT)
    facts = {"estimate_db": estimate_db, "floor_db": floor_db, "noise_present": with_noise}
    return result[: len(audio)], facts


def quiet_16_bit(audio, strength, rng):
    """Stored in 16 bits at an active level of −40 to −96 dBFS; half of the time amplified after."""
    level_dbfs = linear(strength, -40.0, -96.0)
    gain = 10 ** ((level_dbfs - rms_dbfs(audio[active_mask(audio)])) / 20)
    stored = np.round(gain * audio * 32_768) / 32_768
    amplified = str(rng.choice(["yes", "no"]))
    return (stored / gain if amplified == "yes" else stored), {
        "level_dbfs": level_dbfs, "amplified": amplified,
    }  # fmt: skip
