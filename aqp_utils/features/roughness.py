"""Roughness after Daniel & Weber (1997).

"Psychoacoustical roughness: implementation of an optimized model", Acustica 83, 113-123.

Each 0.2 s window is split into 47 overlapping channels, 1 Bark wide; the envelope of each channel
is weighted by the ear's sensitivity to its modulation frequency; correlated modulation of
neighbouring channels adds up to roughness.
"""

from functools import cache
from math import ceil
from types import SimpleNamespace

import numpy as np
from numpy import fft

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.features.loudness import FULL_SCALE_SPL_DB

WINDOW = SAMPLE_RATE // 5  # 0.2 s, so 5 Hz per bin
N_CHANNELS = 47
CALIBRATION = 0.25  # 1 kHz, 60 dB SPL, fully modulated at 70 Hz: 1 asper
UNMODULATED = 1e-5  # depth: some roundings
LOWER_SLOPE_DB = 27.0  # per Bark (Terhardt 1979)
MODULATION_BINS = slice(2, 645 * WINDOW // SAMPLE_RATE + 1)  # below: the window's own spectrum

# Zwicker & Fastl, Psychoacoustics (1990), table 6.1: critical-band edges and centres, every half
# Bark from 0 (Hz).
HALF_BARK_HZ = np.array(
    [0, 50, 100, 150, 200, 250, 300, 350, 400, 450, 510, 570, 630, 700, 770, 840, 920, 1000]
    + [1080, 1170, 1270, 1370, 1480, 1600, 1720, 1850, 2000, 2150, 2320, 2500, 2700, 2900]
    + [3150, 3400, 3700, 4000, 4400, 4800, 5300, 5800, 6400, 7000, 7700, 8500, 9500, 10500]
    + [12000, 13500, 15500, 20000]
)
# Same, figure 8.18: transmission to the inner ear (dB) against Bark.
EAR_BARK = [0, 10, 12, 13, 14, 15, 16, 16.5, 17, 18, 18.5, 19, 20, 21, 21.5, 22, 22.5, 23, 23.5, 24]
EAR_DB = [0, 0, 1.15, 2.31, 3.85, 5.62, 6.92, 7.38, 6.92, 4.23, 2.31, 0, -1.43, -2.59, -3.57]
EAR_DB += [-5.19, -7.41, -11.3, -20, -40]
# Same, figure 2.1: threshold in quiet behind that transmission (dB SPL) against Bark.
QUIET_BARK = [0, 0.01, 0.17, 0.8, 1, 1.5, 2, 3.3, 4, 5, 6, 8, 10, 12, 13.3, 15, 16, 17, 18, 19]
QUIET_BARK += [20, 21, 22, 23, 24]
QUIET_DB = [130, 70, 60, 30, 25, 20, 15, 10, 8.1, 6.3, 5, 3.5, 2.5, 1.7, 0, -2.5, -4, -3.7, -1.5]
QUIET_DB += [1.4, 3.8, 5, 7.5, 15, 48]
# Aures' weight of each channel's modulation, at every Bark from 0 (figure 3 of the paper).
CHANNEL_WEIGHTS = [0.15, 0.26, 0.38, 0.47, 0.54, 0.65, 0.76, 0.83, 0.90, 0.98, 0.98, 0.90, 0.80]
CHANNEL_WEIGHTS += [0.70, 0.62, 0.54, 0.49, 0.43, 0.39, 0.35, 0.30, 0.30, 0.30, 0.30, 0.30]
# Weight of modulation frequencies (figure 2): first channel it holds for, Hz, weight.
MODULATION_WEIGHTS = (
    (
        0,
        [0, 17, 23, 25, 32, 37, 48, 67, 90, 114, 171, 206, 247, 294, 358],
        [0, 0.8, 0.95, 0.975, 1, 0.975, 0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0],
    ),
    (
        4,
        [0, 32, 43, 56, 69, 92, 120, 142, 165, 231, 277, 331, 397, 502],
        [0, 0.8, 0.95, 1, 0.975, 0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0],
    ),
    (
        15,
        [0, 23.5, 34, 47, 56, 63, 79, 100, 115, 135, 159, 172, 194, 215, 244, 290, 348, 415, 500]
        + [645],
        [0, 0.4, 0.6, 0.8, 0.9, 0.95, 1, 0.975, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
        + [0.2, 0.1, 0],
    ),
    (
        20,
        [0, 19, 44, 52.5, 58, 75, 101.5, 114.5, 132.5, 143.5, 165.5, 197.5, 241, 290, 348, 415]
        + [500, 645],
        [0, 0.4, 0.8, 0.9, 0.95, 1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0],
    ),
    (
        41,
        [0, 15, 41, 49, 53, 64, 71, 88, 94, 106, 115, 137, 180, 238, 290, 348, 415, 500, 645],
        [0, 0.4, 0.8, 0.9, 0.965, 0.99, 1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
        + [0.1, 0],
    ),
)


def roughness_asper(audio):
    """Roughness of a clip, mean over 0.2 s windows spread evenly from its start to its end.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        At least 0.2 s.

    Returns
    -------
    float
        Roughness (asper).
    """
    starts = np.linspace(0, len(audio) - WINDOW, ceil(len(audio) / WINDOW)).round().astype(int)
    return float(np.mean([window_roughness(audio[start : start + WINDOW]) for start in starts]))


def window_roughness(window):
    """Roughness (asper) of `WINDOW` samples."""
    channels = channel_tables()
    spectrum = fft.rfft((window * channels.taper).astype(np.float32)) * channels.ear_gain
    gains = excitation_gains(np.abs(spectrum))
    heard = gains.any(axis=1)  # a silent channel has no envelope
    mean = np.zeros(N_CHANNELS, np.float32)
    envelope = np.zeros(channels.modulation_gain.shape, np.complex64)
    if heard.any():
        excitation = np.abs(fft.irfft(gains[heard] * spectrum, axis=1))
        mean[heard] = excitation.mean(axis=1)
        excitation -= mean[heard, np.newaxis]
        envelope[heard] = fft.rfft(excitation, axis=1)[:, MODULATION_BINS]
    return _roughness_from_envelopes(envelope * channels.modulation_gain, mean)


def excitation_gains(magnitude):
    """Gain of every component in every channel, shape (47, n_bins), from masking slopes.

    Parameters
    ----------
    magnitude : ndarray, shape (n_bins,)
        RMS of each component behind the outer ear, full scale 1.0.
    """
    channels = channel_tables()
    level_db = 20 * np.log10(magnitude + 1e-12) + FULL_SCALE_SPL_DB
    upper_slope_db = np.minimum(-24 - 230 / channels.frequency_hz + 0.2 * level_db, 0)
    slope_db = channels.lower_drop_db + upper_slope_db * channels.bark_above
    audible = level_db > channels.threshold_db
    excited = audible & (level_db + slope_db > channels.channel_threshold_db)
    return np.exp(slope_db * np.float32(np.log(10) / 20)) * excited


def _roughness_from_envelopes(envelope, mean):
    """Roughness (asper) from weighted envelope spectra (47, m) and mean excitations (47,)."""
    energy = np.sum(envelope.real**2 + envelope.imag**2, axis=1)
    depth = np.minimum(np.sqrt(2 * energy) / WINDOW / np.maximum(mean, 1e-20), 1)
    # What single precision leaves of a steady channel is no modulation to be correlated with.
    envelope = np.where((depth > UNMODULATED)[:, np.newaxis], envelope, 0)
    product = envelope[:-2].real * envelope[2:].real + envelope[:-2].imag * envelope[2:].imag
    # Roots before the product: in channels that are nearly silent the product of the energies
    # falls out of float32. A correlation of what is left of them may still round to above 1.
    scale = np.sqrt(energy[:-2]) * np.sqrt(energy[2:])
    correlation = np.clip(np.sum(product, axis=1) / np.maximum(scale, 1e-30), -1, 1)
    below = np.concatenate([[1, 1], correlation])  # no channel 1 Bark below the lowest two
    above = np.concatenate([correlation, [1, 1]])
    return CALIBRATION * np.sum(channel_tables().weight * (depth * below * above) ** 2)


@cache
def channel_tables():
    """Everything about the 47 channels that does not depend on the signal (float32 tables)."""
    half_bark = np.arange(len(HALF_BARK_HZ)) / 2
    frequency_hz = np.maximum(np.arange(WINDOW // 2 + 1) * SAMPLE_RATE / WINDOW, 1.0)
    bark = np.interp(frequency_hz, HALF_BARK_HZ, half_bark)
    channel = np.arange(N_CHANNELS)[:, np.newaxis]
    lowest, highest = np.floor(2 * bark) - 1, np.ceil(2 * bark) - 1  # channels that hold the bin
    is_above, is_below = channel < lowest, channel > highest  # the bin, seen from the channel
    # A component outside a channel counts with its excitation at the channel's near edge.
    edge_bark = np.where(is_above, (channel + 2) / 2, channel / 2)
    quiet_db = np.interp(edge_bark, QUIET_BARK, QUIET_DB)
    taper = np.blackman(WINDOW)
    tables = {
        "frequency_hz": frequency_hz,
        "taper": taper * np.sqrt(2) / taper.sum(),  # a bin then holds its component's RMS
        "ear_gain": 10 ** (np.interp(bark, EAR_BARK, EAR_DB) / 20) * (frequency_hz > 1),
        "threshold_db": np.interp(bark, QUIET_BARK, QUIET_DB),
        "lower_drop_db": np.where(is_above, -LOWER_SLOPE_DB * (bark - edge_bark), 0),
        "bark_above": np.where(is_below, edge_bark - bark, 0),
        "channel_threshold_db": np.where(is_above | is_below, quiet_db, -np.inf),
        "modulation_gain": _modulation_gain(),
        "weight": np.interp((np.arange(N_CHANNELS) + 1) / 2, np.arange(25), CHANNEL_WEIGHTS),
    }
    return SimpleNamespace(**{name: table.astype(np.float32) for name, table in tables.items()})


def _modulation_gain():
    """Weight of each modulation frequency in each channel, shape (47, n_modulation_bins)."""
    modulation_hz = np.arange(WINDOW)[MODULATION_BINS] * SAMPLE_RATE / WINDOW
    gain = np.empty((N_CHANNELS, len(modulation_hz)))
    for first, hz, weight in MODULATION_WEIGHTS:
        gain[first:] = np.interp(modulation_hz, hz, weight)
    return gain
