"""What microphones, distances and mixing desks do to a spectrum: smooth, never twice the same."""

import numpy as np

from aqp_utils.audio import SAMPLE_RATE

N_BUMPS = 3
OCTAVES_FROM_1KHZ = (-3.5, 3.0)  # where bumps have their middle
WIDTH_OCTAVES = (0.4, 1.5)


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
        middle, width = rng.uniform(*OCTAVES_FROM_1KHZ), rng.uniform(*WIDTH_OCTAVES)
        gain_db += rng.normal(0, bump_db) * np.exp(-0.5 * ((octaves - middle) / width) ** 2)
    return 10 ** (gain_db / 20)
