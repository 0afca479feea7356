"""White, pink, brown and blue noise: Gaussian, its power falling with frequency."""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs, set_level_dbfs

SHAPED_FROM_HZ = 50.0  # below, the noise is flat: brown would be rumble that nobody hears


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
