"""Loudness and specific loudness after Zwicker, ISO 532-1:2017, free field.

The standard goes from 28 one-third-octave levels to core loudness in 21 critical bands and from
there, with upward slopes that model masking, to specific loudness in 240 steps of 0.1 Bark. Here
the levels come from short-time spectra instead of a filter bank; the rest, tables included, is the
standard's. At 16 kHz sampling the bands above 8 kHz are empty.
"""

from functools import cache

import numpy as np
from numba import njit
from scipy import fft
from scipy.signal import lfilter

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE

# Calibration: a clean clip at its standard level is heard at 73 dB SPL, the usual level of
# listening tests with headphones on both ears.
ACTIVE_LEVEL_SPL_DB = 73.0
FULL_SCALE_SPL_DB = ACTIVE_LEVEL_SPL_DB - ACTIVE_LEVEL_DBFS  # of an RMS of 1.0

BARK_STEP = 0.1
BARK = BARK_STEP * np.arange(1, 241)  # critical-band rate of the 240 steps
CENTERS_HZ = 1000 * 10 ** (np.arange(-16, 12) / 10)  # 25 Hz to 12.5 kHz, exact (IEC 61260-1)

STATIONARY_WINDOW = 16_000  # 1 s: resolves the 6 Hz wide band at 25 Hz
FRAME_WINDOW = 1024  # 64 ms
FRAME_HOP = 256  # 16 ms
FRAME_RATE_HZ = SAMPLE_RATE / FRAME_HOP
INTEGRATION_S = 0.07  # slow part of the temporal weighting

# ISO 532-1, annex A (Zwicker et al., J. Acoust. Soc. Jpn. (E) 12, 39, 1991).
# Level ranges (dB) and corrections (dB) of the bands 25-250 Hz for the equal-loudness contours:
LOW_RANGES_DB = np.array([45, 55, 65, 71, 80, 90, 100, 120])
LOW_CORRECTIONS_DB = np.array(
    [
        (-32, -24, -16, -10, -5, 0, -7, -3, 0, -2, 0),
        (-29, -22, -15, -10, -4, 0, -7, -2, 0, -2, 0),
        (-27, -19, -14, -9, -4, 0, -6, -2, 0, -2, 0),
        (-25, -17, -12, -9, -3, 0, -5, -2, 0, -2, 0),
        (-23, -16, -11, -7, -3, 0, -4, -1, 0, -1, 0),
        (-20, -14, -10, -6, -3, 0, -4, -1, 0, -1, 0),
        (-18, -12, -9, -6, -2, 0, -3, -1, 0, -1, 0),
        (-15, -10, -8, -4, -2, 0, -3, -1, 0, -1, 0),
    ]
)
LOW_GROUPS = (slice(0, 6), slice(6, 9), slice(9, 11))  # third octaves in the first critical bands
THRESHOLD_DB = np.array([30, 18, 12, 8, 7, 6, 5, 4] + 12 * [3])  # in quiet, per critical band
EAR_DB = np.array(10 * [0] + [-0.5, -1.6, -3.2, -5.4, -5.6, -4, -1.5, 2, 5, 12])  # outer, middle
BANDWIDTH_DB = np.array(  # from third-octave to critical-band level
    [-0.25, -0.6, -0.8, -0.8, -0.5, 0, 0.5, 1.1, 1.5, 1.7]
    + [1.8, 1.8, 1.7, 1.6, 1.4, 1.2, 0.8, 0.5, 0, -0.5]
)
UPPER_EDGES_BARK = np.array(
    [0.9, 1.8, 2.8, 3.5, 4.4, 5.4, 6.6, 7.9, 9.2, 10.6, 12.3, 13.8, 15.2, 16.7, 18.1, 19.3]
    + [20.6, 21.8, 22.7, 23.6, 24.0]
)
# Steepness (sone/Bark per Bark) of the upper slopes: a row per range of specific loudness, a
# column per critical band (the last holds for all bands above it).
SLOPE_RANGES = np.array(
    [21.5, 18, 15.1, 11.5, 9, 6.1, 4.4, 3.1, 2.13, 1.36]
    + [0.82, 0.42, 0.30, 0.22, 0.15, 0.10, 0.035, 0]
)
SLOPES = np.array(
    [
        (13, 8.2, 6.3, 5.5, 5.5, 5.5, 5.5, 5.5),
        (9, 7.5, 6, 5.1, 4.5, 4.5, 4.5, 4.5),
        (7.8, 6.7, 5.6, 4.9, 4.4, 3.9, 3.9, 3.9),
        (6.2, 5.4, 4.6, 4.0, 3.5, 3.2, 3.2, 3.2),
        (4.5, 3.8, 3.6, 3.2, 2.9, 2.7, 2.7, 2.7),
        (3.7, 3.0, 2.8, 2.35, 2.2, 2.2, 2.2, 2.2),
        (2.9, 2.3, 2.1, 1.9, 1.8, 1.7, 1.7, 1.7),
        (2.4, 1.7, 1.5, 1.35, 1.3, 1.3, 1.3, 1.3),
        (1.95, 1.45, 1.3, 1.15, 1.1, 1.1, 1.1, 1.1),
        (1.5, 1.2, 0.94, 0.86, 0.82, 0.82, 0.82, 0.82),
        (0.72, 0.67, 0.64, 0.63, 0.62, 0.62, 0.62, 0.62),
        (0.59, 0.53, 0.51, 0.50, 0.42, 0.42, 0.42, 0.42),
        (0.40, 0.33, 0.26, 0.24, 0.24, 0.22, 0.22, 0.22),
        (0.27, 0.21, 0.20, 0.18, 0.17, 0.17, 0.17, 0.17),
        (0.16, 0.15, 0.14, 0.12, 0.11, 0.11, 0.11, 0.11),
        (0.12, 0.11, 0.10, 0.08, 0.08, 0.08, 0.08, 0.08),
        (0.09, 0.08, 0.07, 0.06, 0.06, 0.06, 0.06, 0.05),
        (0.06, 0.05, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02),
    ]
)


def stationary_loudness(audio):
    """Loudness of the whole clip, as if its long-term spectrum sounded steadily.

    Parameters
    ----------
    audio : ndarray, shape (n,)

    Returns
    -------
    loudness_sone : float
    specific : ndarray, shape (240,)
        Specific loudness (sone/Bark) at `BARK`.
    """
    total, specific = loudness_from_levels(long_term_levels_db(audio)[np.newaxis])
    return float(total[0]), specific[0]


def long_term_levels_db(audio):
    """Third-octave levels (dB SPL) at `CENTERS_HZ`, shape (28,), of audio, shape (n,)."""
    half = STATIONARY_WINDOW // 2
    # Half a window of zeros on both sides: squared sine windows then add up to one everywhere.
    n_frames = -(-len(audio) // half) + 1
    padded = np.zeros((n_frames + 1) * half)
    padded[half : half + len(audio)] = audio
    power = _frame_power(padded, STATIONARY_WINDOW, half).sum(axis=0) * half / len(audio)
    return _third_octave_levels_db(power[np.newaxis], STATIONARY_WINDOW)[0]


def loudness_over_time(audio):
    """Loudness (sone) every 16 ms, from 64 ms frames, as it builds up and fades in hearing.

    The frames stand in for the standard's 2 ms levels and nonlinear decay, so modulation faster
    than about 10 Hz is averaged; the temporal weighting follows, its fast part
    (3.5 ms) being instant at this rate. The sound before the clip is taken to be like its start.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        At least 64 ms.

    Returns
    -------
    ndarray, shape (n_frames,)
    """
    power = _frame_power(audio, FRAME_WINDOW, FRAME_HOP)
    instant = _loudness(_third_octave_levels_db(power, FRAME_WINDOW), n_steps=0)[0]
    keep = np.exp(-1 / (FRAME_RATE_HZ * INTEGRATION_S))
    slow, _ = lfilter([1 - keep], [1, -keep], instant, zi=keep * instant[:1])
    return 0.47 * instant + 0.53 * slow


def _frame_power(audio, window, hop):
    """Power per bin, shape (n_frames, window // 2 + 1); a frame sums up to its mean square."""
    frames = np.lib.stride_tricks.sliding_window_view(audio.astype(np.float32), window)[::hop]
    spectrum = fft.rfft(frames * _taper(window), axis=1)
    power = spectrum.real**2
    power += spectrum.imag**2
    power[:, 1:-1] *= 2  # negative frequencies
    power /= window * window / 2
    return power


@cache
def _taper(window):
    return np.sin(np.pi * (np.arange(window, dtype=np.float32) + 0.5) / window)


def _third_octave_levels_db(power, window):
    bands = power @ _third_octave_weights(window)
    return 10 * np.log10(bands.astype(np.float64) + 1e-20) + FULL_SCALE_SPL_DB


@cache
def _third_octave_weights(window):
    """Power gain of each bin in each band, shape (window // 2 + 1, 28).

    Third-order Butterworth bands with their design quality (ANSI S1.1-1986), averaged over the
    width of the bin, so that bands narrower than a bin still get the right share of a noise.
    """
    across = (np.arange(8) + 0.5) / 8 - 0.5
    frequency = np.abs(np.arange(window // 2 + 1)[:, np.newaxis] + across) * SAMPLE_RATE / window
    quality = np.pi / 6 / np.sin(np.pi / 6) / (2 ** (1 / 6) - 2 ** (-1 / 6))
    weights = [
        np.mean(1 / (1 + (quality * (frequency / fc - fc / frequency)) ** 6), axis=1)
        for fc in CENTERS_HZ
    ]
    return np.array(weights, dtype=np.float32).T


def loudness_from_levels(levels_db):
    """Loudness (sone), shape (m,), and specific loudness, (m, 240), from levels (m, 28)."""
    return _loudness(levels_db, n_steps=len(BARK))


def _loudness(levels_db, n_steps):
    """The same with the first `n_steps` of specific loudness."""
    return _attach_slopes(core_loudness(levels_db), UPPER_EDGES_BARK, SLOPE_RANGES, SLOPES, n_steps)


def core_loudness(levels_db):
    """Core loudness (sone/Bark) of 21 critical bands, ISO 532-1, annex A."""
    low_db = levels_db[:, :11]
    limits_db = LOW_RANGES_DB[:-1, np.newaxis] - LOW_CORRECTIONS_DB[:-1]
    ranges = np.sum(low_db[:, np.newaxis] > limits_db, axis=1)
    intensity = 10 ** (0.1 * (low_db + LOW_CORRECTIONS_DB[ranges, np.arange(11)]))
    grouped = [10 * np.log10(intensity[:, group].sum(axis=1)) for group in LOW_GROUPS]
    excitation_db = np.column_stack([*grouped, levels_db[:, 11:]]) - EAR_DB
    audible = excitation_db > THRESHOLD_DB
    above_db = excitation_db - BANDWIDTH_DB - THRESHOLD_DB
    growth = (0.75 + 0.25 * 10 ** (0.1 * above_db)) ** 0.25 - 1
    core = np.where(audible, np.maximum(0.0635 * 10 ** (0.025 * THRESHOLD_DB) * growth, 0), 0)
    core[:, 0] *= np.minimum(0.4 + 0.32 * core[:, 0] ** 0.2, 1)  # threshold within the first band
    return np.column_stack([core, np.zeros(len(core))])


@njit(cache=True)
def _attach_slopes(core, edges, ranges, slopes, n_steps):
    """Spread core loudness towards higher critical-band rates, ISO 532-1, annex A."""
    loudness = np.zeros(len(core))
    specific = np.zeros((len(core), n_steps))
    for frame in range(len(core)):
        z1, n1, step, row = 0.0, 0.0, 0, 17
        for band in range(21):
            main, edge = core[frame, band], edges[band] + 1e-4
            while z1 < edge:
                if n1 <= main:  # the band's own core hides the slope of the band below
                    row = 0
                    while row < 17 and ranges[row] > main:
                        row += 1
                    start, slope, z2, n2 = main, 0.0, edge, main
                else:
                    slope = slopes[row, min(band - 1, 7)]
                    start, n2 = n1, max(ranges[row], main)
                    z2 = z1 + (n1 - n2) / slope
                    if z2 > edge:
                        z2, n2 = edge, n1 - (edge - z1) * slope
                loudness[frame] += (z2 - z1) * (start + n2) / 2
                while step < n_steps and (step + 1) * 0.1 <= z2:
                    specific[frame, step] = start - ((step + 1) * 0.1 - z1) * slope
                    step += 1
                while row < 17 and n2 <= ranges[row]:
                    row += 1
                z1, n1 = z2, n2
    return loudness, specific
