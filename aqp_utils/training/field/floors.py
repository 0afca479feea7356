"""Noise floors of innocent recordings: hiss, rooms and streets, fans, mains hum; and mouth noises.

A loud floor is never white: what is loud in a room or a street is low in frequency, and hiss that
loud is a damage, not a recording condition. Undamaged and damaged clips would else be the same.
"""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE, rms_dbfs, set_level_dbfs
from aqp_utils.degradations.noise import coloured_noise, random_equaliser_db, slow_gain_db

WHITE_BELOW_DB = -50.0  # relative to the active level; louder floors fall with frequency
EXPONENTS, LOUD_EXPONENTS = (0.0, 2.2), (0.8, 2.6)  # of the power spectrum's fall


def floor_noise(n, floor_db, rng):
    """Noise of one recording place, shape (n,), at 0 dBFS, and what it is.

    Parameters
    ----------
    n : int
        Samples.
    floor_db : float
        Level it will have relative to the active level of the speech.
    rng : numpy.random.Generator

    Returns
    -------
    noise : ndarray, shape (n,)
    kind : str
        "steady", "street" (its level wanders), "fan" or "hum" (lines in the noise).
    """
    kind = str(rng.choice(["steady", "street", "fan", "hum"], p=[0.5, 0.2, 0.15, 0.15]))
    exponents = EXPONENTS if floor_db < WHITE_BELOW_DB else LOUD_EXPONENTS
    noise = coloured_noise(n, rng.uniform(*exponents), rng)
    if kind != "steady":
        spectrum = np.fft.rfft(noise)
        shape_db = random_equaliser_db(len(spectrum), 6.0, rng)
        noise = np.fft.irfft(spectrum * 10 ** (shape_db / 20), n)
    if kind == "street":
        noise = noise * 10 ** (slow_gain_db(n, rng.uniform(0.2, 2), rng.uniform(1, 5), rng) / 20)
    if kind in ("fan", "hum"):
        base_hz = rng.uniform(80, 400) if kind == "fan" else float(rng.choice([50, 60]))
        lines = _lines(n, base_hz, rng)
        lines_db = rng.uniform(-15, 3)
        noise = set_level_dbfs(noise, 0.0) + set_level_dbfs(lines, lines_db)
    return set_level_dbfs(noise, 0.0), kind


def _lines(n, base_hz, rng):
    """Harmonics that fall by 2 to 9 dB each, with a slight flutter of the speed."""
    time_s, total = np.arange(n) / SAMPLE_RATE, np.zeros(n)
    fall_db = rng.uniform(2, 9)
    sway = rng.uniform(0, 0.002) * np.sin(2 * np.pi * rng.uniform(0.1, 1) * time_s)
    for harmonic in range(1, 9):
        level = 10 ** (-(fall_db * (harmonic - 1) + rng.uniform(0, 8)) / 20)
        angle = 2 * np.pi * (harmonic * base_hz * (time_s + sway) + rng.uniform())
        total += level * np.sin(angle)
    return total


def mouth_noises(audio, rng):
    """Add one to eight soft clicks of lips and tongue and, at times, plosive pops, shape (n,)."""
    result, peak = np.array(audio), np.max(np.abs(audio))
    for _ in range(int(rng.integers(1, 9))):
        length = round(rng.uniform(0.001, 0.006) * SAMPLE_RATE)
        burst = rng.standard_normal(length) * np.hanning(length + 2)[1:-1]
        _put(result, burst * peak * 10 ** (rng.uniform(-50, -28) / 20), rng)
    for _ in range(int(rng.poisson(0.5))):
        length = round(rng.uniform(0.02, 0.08) * SAMPLE_RATE)
        time_s = np.arange(length) / SAMPLE_RATE
        thump = np.sin(2 * np.pi * rng.uniform(15, 60) * time_s) * np.hanning(length)
        _put(result, thump * peak * 10 ** (rng.uniform(-20, 0) / 20), rng)
    return result


def _put(audio, sound, rng):
    """Add a sound at a random place, in place."""
    start = int(rng.integers(max(1, len(audio) - len(sound))))
    part = sound[: len(audio) - start]
    audio[start : start + len(part)] += part


def breath(n, rng):
    """One breath of 0.2 to 0.6 s at a random place, shape (n,), peak level about 0 dBFS RMS."""
    result = np.zeros(n)
    length = min(n, round(rng.uniform(0.2, 0.6) * SAMPLE_RATE))
    noise = coloured_noise(length, rng.uniform(0, 1), rng)
    spectrum = np.fft.rfft(noise)
    spectrum *= 10 ** (random_equaliser_db(len(spectrum), 6.0, rng) / 20)
    noise = np.fft.irfft(spectrum, length) * np.hanning(length)
    _put(result, noise / 10 ** (rms_dbfs(noise) / 20), rng)
    return result
