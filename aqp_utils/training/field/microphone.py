"""What microphones, distances and mixing desks do to a spectrum: smooth, never twice the same."""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.randomness import log_uniform

N_BUMPS = 3
OCTAVES_FROM_1KHZ = (-3.5, 3.0)  # where bumps have their middle
WIDTH_OCTAVES = (0.4, 1.5)
CLOSENESS_DB, CLOSENESS_HZ = 9.0, (120.0, 500.0)
LONGEST_DELAY_S = 0.005  # of one bump


def _random_bump(octaves, rng):
    """A bump of height 1 somewhere on the axis `octaves`."""
    middle, width = rng.uniform(*OCTAVES_FROM_1KHZ), rng.uniform(*WIDTH_OCTAVES)
    return np.exp(-0.5 * ((octaves - middle) / width) ** 2)


def random_response(n, rng, tilt_db=1.5, bump_db=3.0):
    """Draw a frequency response: a tilt about 1 kHz and three broad bumps.

    Parameters
    ----------
    n : int
        Samples of the clip whose FFT it multiplies.
    rng : numpy.random.Generator
    tilt_db : float
        Standard deviation of the tilt, dB per octave.
    bump_db : float
        Standard deviation of the height of the bumps, dB.

    Returns
    -------
    ndarray, shape (n // 2 + 1,)
        Linear gain.
    """
    octaves = np.log2(np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE), 30.0) / 1000)
    gain_db = rng.normal(0, tilt_db) * octaves
    for _ in range(N_BUMPS):
        gain_db += _random_bump(octaves, rng) * rng.normal(0, bump_db)
    return 10 ** (gain_db / 20)


def random_closeness(n, rng):
    """Draw how much a near microphone lifts the low end: 0 to 9 dB below 120 to 500 Hz.

    Arguments and result as for `random_response`. The proximity effect of pressure-gradient
    microphones.
    """
    below = (np.fft.rfftfreq(n, 1 / SAMPLE_RATE) / log_uniform(rng, *CLOSENESS_HZ)) ** 2
    lift = 10 ** (rng.uniform(0, CLOSENESS_DB) / 20)
    return np.sqrt((lift**2 + below) / (1 + below))


def random_dispersion(n, rng):
    """Draw an all-pass of any polarity: three broad bumps of up to 5 ms of delay.

    Arguments as for `random_response`; complex, shape (n // 2 + 1,), magnitude 1. Nobody hears it,
    but it decides how peaky a voice is: synthesizers line up all harmonics in one pulse, throats,
    rooms and the phase rotators of broadcasters do not.
    """
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    octaves, delay_s = np.log2(np.maximum(hz, 30.0) / 1000), np.zeros(len(hz))
    for _ in range(N_BUMPS):
        delay_s += _random_bump(octaves, rng) * rng.uniform(0, LONGEST_DELAY_S)
    phase = -2 * np.pi * np.cumsum(delay_s) * (hz[1] - hz[0])
    phase -= (phase[-1] % np.pi) * hz / hz[-1]  # real at the highest frequency, or it would ring
    return rng.choice((-1.0, 1.0)) * np.exp(1j * phase)
