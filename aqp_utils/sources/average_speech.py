"""The long-term average spectrum of speech, and an equaliser that brings a voice nearer to it."""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE

# One-third octave levels of speech, 12 languages, men and women together, dB SPL at 70 dB overall
# (Byrne et al. 1994, J. Acoust. Soc. Am. 96, table II, "combined").
LTASS_DB = {
    100: 54.4, 125: 57.7, 160: 56.8, 200: 60.2, 250: 60.3, 315: 59.0, 400: 62.1, 500: 62.1,
    630: 60.5, 800: 56.8, 1000: 53.7, 1250: 53.0, 1600: 52.0, 2000: 48.7, 2500: 48.1, 3150: 46.8,
    4000: 45.6, 5000: 44.5, 6300: 44.3,
}  # fmt: skip
MOST_DB = 15.0  # of lift or cut in a band


def equalised(audio, share):
    """Bring the spectrum of a voice nearer to the published average.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        Speech at 16 kHz, 0.5 s or more.
    share : float
        0 (as it is) to 1 (as near as 15 dB per band allow).

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    centres_hz = np.array(list(LTASS_DB))
    spectrum = np.fft.rfft(audio)
    hz, power = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE), np.abs(spectrum) ** 2
    found = [power[(hz >= c / 2 ** (1 / 6)) & (hz < c * 2 ** (1 / 6))].sum() for c in centres_hz]
    wanted_db = np.array(list(LTASS_DB.values())) - 10 * np.log10(np.array(found) + 1e-20)
    gain_db = np.clip(wanted_db - np.median(wanted_db), -MOST_DB, MOST_DB)
    shape_db = np.interp(np.log(np.maximum(hz, 1.0)), np.log(centres_hz), gain_db)
    return np.fft.irfft(spectrum * 10 ** (share * shape_db / 20), len(audio))
