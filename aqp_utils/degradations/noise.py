"""Noises that recordings carry: hiss, colours, hum, voices, music, clicks.

Every function takes (audio, strength, rng) and returns (audio, facts). The SNR is that of the
active part of the speech against the noise there; of sounds that come and go, against their mean.
"""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs, set_level_dbfs
from aqp_utils.degradations.degrade import add_noise
from aqp_utils.degradations.strength import linear
from aqp_utils.sources.clean_clip import SHORTEST_S
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.sources.tones import tone_clip

SNR_DB = (55.0, -2.0)  # mild, severe
SHAPED_FROM_HZ = 50.0  # below, the noise is flat: brown would be rumble that nobody hears


def white_noise(audio, strength, rng):
    """White Gaussian noise."""
    snr_db = linear(strength, *SNR_DB)
    return add_noise(audio, snr_db, rng), {"snr_db": snr_db}


def colour_noise(audio, strength, rng):
    """Noise whose power falls as 1/f^exponent, exponent −1 (blue) to 2 (brown)."""
    snr_db, exponent = linear(strength, *SNR_DB), rng.uniform(-1, 2)
    noisy = add_coloured_noise(audio, snr_db, rng, exponent)
    return noisy, {"snr_db": snr_db, "exponent": exponent}


def random_equaliser_db(n_bins, spread_db, rng):
    """Normal values at eight log-spaced frequencies, joined: a smooth response, shape (n_bins,)."""
    frequency_hz = np.linspace(0, SAMPLE_RATE / 2, n_bins)
    knots_hz = np.geomspace(60, SAMPLE_RATE / 2, 8)
    return np.interp(
        np.log(np.maximum(frequency_hz, 30)), np.log(knots_hz), spread_db * rng.standard_normal(8)
    )


def slow_gain_db(n, rate_hz, spread_db, rng):
    """A random gain that moves about `rate_hz` times a second, shape (n,)."""
    n_knots = max(2, int(n / SAMPLE_RATE * rate_hz * 2) + 2)
    knots_db = spread_db * rng.standard_normal(n_knots)
    return np.interp(np.linspace(0, n_knots - 1, n), np.arange(n_knots), knots_db)


def shaped_noise(audio, strength, rng):
    """Noise of a random smooth spectrum whose level wanders, as traffic and machines do."""
    snr_db, exponent = linear(strength, *SNR_DB), rng.uniform(-0.5, 1.5)
    rate_hz, swing_db = rng.uniform(0.3, 4), rng.uniform(0, 8)
    n = len(audio)
    spectrum = np.fft.rfft(coloured_noise(n, exponent, rng))
    spectrum *= 10 ** (random_equaliser_db(len(spectrum), 10.0, rng) / 20)
    noise = np.fft.irfft(spectrum, n) * 10 ** (slow_gain_db(n, rate_hz, swing_db, rng) / 20)
    mask = active_mask(audio)
    noisy = audio + set_level_dbfs(noise, rms_dbfs(audio[mask]) - snr_db, mask)
    return noisy, {
        "snr_db": snr_db, "exponent": exponent, "rate_hz": rate_hz, "swing_db": swing_db,
    }  # fmt: skip


def hum_and_hiss(audio, strength, rng):
    """Mains hum of 50 or 60 Hz with harmonics, and hiss under or over it."""
    snr_db, mains_hz = linear(strength, *SNR_DB), float(rng.choice([50, 60]))
    hiss_db, fall_db = rng.uniform(-25, 5), rng.uniform(1, 8)
    time_s = np.arange(len(audio)) / SAMPLE_RATE
    hum = np.zeros(len(audio))
    for harmonic in range(1, 13):
        level = 10 ** (-(fall_db * (harmonic - 1) + rng.uniform(0, 10)) / 20)
        hum += level * np.sin(2 * np.pi * (harmonic * mains_hz * time_s + rng.uniform()))
    hiss = coloured_noise(len(audio), rng.uniform(0, 1), rng)
    noise = set_level_dbfs(hum, 0.0) + 10 ** (hiss_db / 20) * hiss
    mask = active_mask(audio)
    noisy = audio + set_level_dbfs(noise, rms_dbfs(audio[mask]) - snr_db, mask)
    return noisy, {"snr_db": snr_db, "mains_hz": mains_hz, "hiss_to_hum_db": hiss_db}


def add_changing(audio, noise, snr_db):
    """Add a sound that comes and goes: its mean level counts, pauses included."""
    level_dbfs = rms_dbfs(audio[active_mask(audio)]) - snr_db
    return audio + set_level_dbfs(noise, level_dbfs)


def babble(audio, strength, rng):
    """Three to eight synthetic voices at random levels."""
    snr_db, n_voices = linear(strength, 45.0, -4.0), int(rng.integers(3, 9))
    duration_s = max(len(audio) / SAMPLE_RATE, SHORTEST_S)
    # Rolled copies of three voices at most pass for more: they are what costs time.
    voices = [speech_clip(duration_s, rng)[0][: len(audio)] for _ in range(min(n_voices, 3))]
    noise = np.zeros(len(audio))
    for position in range(n_voices):
        voice = np.roll(voices[position % len(voices)], rng.integers(len(audio)))
        noise += voice * 10 ** (rng.uniform(-9, 0) / 20)
    return add_changing(audio, noise, snr_db), {"snr_db": snr_db, "n_voices": n_voices}


def music(audio, strength, rng):
    """One to three phrases of tones at once."""
    snr_db, n_parts = linear(strength, 50.0, -5.0), int(rng.integers(1, 4))
    duration_s = max(len(audio) / SAMPLE_RATE, 1.0)
    noise = np.zeros(len(audio))
    for _ in range(n_parts):
        noise += tone_clip(duration_s, rng)[0][: len(audio)] * 10 ** (rng.uniform(-9, 0) / 20)
    return add_changing(audio, noise, snr_db), {"snr_db": snr_db, "n_parts": n_parts}


def clicks(audio, strength, rng):
    """Impulses with a short ring: single clicks of a bad contact, or the crackle of a record."""
    snr_db, per_second = linear(strength, 50.0, -8.0), float(np.exp(rng.uniform(0.7, 6.0)))
    n = len(audio)
    count = max(1, round(per_second * n / SAMPLE_RATE))
    impulses = np.zeros(n)
    np.add.at(impulses, rng.integers(0, n, count), rng.laplace(size=count))
    time_s = np.arange(160) / SAMPLE_RATE
    ring_hz, ring_s = rng.uniform(300, 7000), float(np.exp(rng.uniform(-9.5, -6.0)))
    ring = np.exp(-time_s / ring_s) * np.cos(2 * np.pi * ring_hz * time_s)
    noise = np.convolve(impulses, ring)[:n]
    facts = {"snr_db": snr_db, "clicks_per_s": per_second, "ring_s": ring_s}
    return add_changing(audio, noise, snr_db), facts


def coloured_noise(n, exponent, rng):
    """Gaussian noise whose power falls with frequency as 1/f^`exponent`, by shaping its FFT.

    Parameters
    ----------
    n : int
        Samples.
    exponent : float
        0 white, 1 pink, 2 brown, −1 blue. Flat below 50 Hz.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
        Unit RMS.
    """
    frequency_hz = np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE), SHAPED_FROM_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(n)) * frequency_hz ** (-exponent / 2)
    noise = np.fft.irfft(spectrum, n)
    return noise / np.sqrt(np.mean(noise**2))


def add_coloured_noise(audio, snr_db, rng, exponent):
    """Add coloured noise at `snr_db`, both powers taken over the active part of `audio`."""
    mask = active_mask(audio)
    noise = coloured_noise(len(audio), exponent, rng)
    return audio + set_level_dbfs(noise, rms_dbfs(audio[mask]) - snr_db, mask)
