"""The 19 psychoacoustic features: what a listener's ear, not a spectrum analyser, would report.

Reaction to level and to padding, stated here and tested:

- Loudness features (1-4, 10-15) follow gain: +10 dB doubles N above 40 phon and adds 10 LUFS.
- Harmonics-to-noise ratio (9) and modulation ratio (19) do not depend on gain at all; sharpness,
  roughness, fluctuation and the shape of specific loudness (5-8, 16-18) do a little, as hearing
  does.
- Zeros before or after the sound change nothing: they are cut (see `feature.checked_signal`).
- Padding with faint noise counts as sound: the long-term level falls by the share of time it takes
  (1-3, 5, 6, 10-18) and the change from sound to hush counts as modulation (7, 8, 19). Only gated
  loudness (4) and the harmonics-to-noise ratio (9) leave faint frames out.
- Below the threshold of hearing N is 0, and so are all features made from specific loudness.
"""

from functools import cache

import numpy as np
from numpy import fft

from aqp_utils.core.audio import SAMPLE_RATE, hann
from aqp_utils.features.feature import Feature, checked_signal
from aqp_utils.features.loudness import (
    BARK,
    BARK_STEP,
    FRAME_RATE_HZ,
    loudness_over_time,
    stationary_loudness,
)
from aqp_utils.features.programme_loudness import integrated_loudness_lufs
from aqp_utils.features.roughness import HALF_BARK_HZ, roughness_asper

_HNR_FFT = 1024
HNR_LIMIT_DB = 40.0  # what the windowed autocorrelation can resolve (Boersma 1993)

_ISO_532 = "ISO 532-1:2017"
FEATURES = (
    Feature("loudness", "sone", _ISO_532, "perceived loudness of the long-term spectrum"),
    Feature("loudness_n5", "sone", _ISO_532, "loudness exceeded 5 % of the time: the peaks"),
    Feature("loudness_n95", "sone", _ISO_532, "loudness exceeded 95 % of the time: the floor"),
    Feature("loudness_lufs", "LUFS", "ITU-R BS.1770-4", "gated programme loudness"),
    Feature("sharpness_din", "acum", "DIN 45692:2009", "weight of high frequencies"),
    Feature("sharpness_aures", "acum", "Aures 1985", "same, growing with loudness"),
    Feature("roughness", "asper", "Daniel & Weber 1997", "fast modulation, about 20-300 Hz"),
    Feature("fluctuation", "1", "Fastl & Zwicker 2007", "2-9 Hz modulation depth of loudness"),
    Feature("hnr", "dB", "Boersma 1993", "harmonics-to-noise ratio: tonality"),
    *(
        Feature(
            f"loudness_{low}_{low + 4}_bark",
            "sone",
            _ISO_532,
            f"specific loudness summed from {low} to {low + 4} Bark",
        )
        for low in range(0, 24, 4)
    ),
    Feature("bark_centroid", "Bark", _ISO_532, "centre of gravity of specific loudness"),
    Feature("bark_spread", "Bark", _ISO_532, "standard deviation around the centroid"),
    Feature("bark_entropy", "bit", "Shannon 1948", "evenness of specific loudness, at most 7.9"),
    Feature("modulation_ratio", "dB", "Falk et al. 2010", "2-16 Hz against 20-90 Hz envelopes"),
)


def psychoacoustic_features(audio):
    """The 19 numbers of `FEATURES`, in that order.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        Mono clip at 16 kHz, full scale 1.0, at least 0.25 s.

    Returns
    -------
    ndarray of float64, shape (19,)
        All finite.

    Raises
    ------
    ValueError
        See `feature.checked_signal`: too short, not finite, or "no signal".
    """
    signal = checked_signal(audio)
    loudness, specific = stationary_loudness(signal)
    course = loudness_over_time(signal)
    return np.array(
        [
            loudness,
            *np.percentile(course, (95, 5)),
            integrated_loudness_lufs(signal),
            sharpness_din_acum(loudness, specific),
            sharpness_aures_acum(loudness, specific),
            roughness_asper(signal),
            fluctuation_depth(course),
            harmonics_to_noise_db(signal),
            *specific.reshape(6, 40).sum(axis=1) * BARK_STEP,
            *bark_shape(specific),
            modulation_ratio_db(signal),
        ]
    )


def sharpness_din_acum(loudness_sone, specific):
    """Sharpness (acum), DIN 45692, equations 1 and 2, of specific loudness, shape (240,)."""
    if loudness_sone == 0:
        return 0.0
    weight = np.where(BARK > 15.8, 0.15 * np.exp(0.42 * (BARK - 15.8)) + 0.85, 1.0)
    return 0.11 * np.sum(specific * weight * BARK) * BARK_STEP / loudness_sone


def sharpness_aures_acum(loudness_sone, specific):
    """Sharpness (acum) after Aures, DIN 45692, annex B: louder sounds are sharper."""
    if loudness_sone == 0:
        return 0.0
    weight = 0.078 * np.exp(0.171 * BARK) / np.log(0.05 * loudness_sone + 1)
    return 0.11 * np.sum(specific * weight) * BARK_STEP


def bark_shape(specific):
    """Centroid (Bark), spread (Bark) and entropy (bit) of specific loudness, shape (240,)."""
    total = specific.sum()
    if total == 0:
        return 0.0, 0.0, 0.0
    share = specific / total
    centroid = share @ BARK
    spread = np.sqrt(share @ (BARK - centroid) ** 2)
    audible = share[share > 0]
    return centroid, spread, -np.sum(audible * np.log2(audible))


def fluctuation_depth(course):
    """Depth of the 2-9 Hz modulation of loudness: 1 if N(t) swings between 0 and twice its mean.

    A proxy for fluctuation strength, whose peak at 4 Hz lies in this range (Fastl & Zwicker,
    Psychoacoustics, 2007, chapter 10).

    Parameters
    ----------
    course : ndarray, shape (n_frames,)
        Loudness (sone) at `FRAME_RATE_HZ`.
    """
    mean = course.mean()
    if mean == 0:
        return 0.0
    spectrum = np.abs(np.fft.rfft(course / mean - 1)) / len(course)
    frequency_hz = np.fft.rfftfreq(len(course), 1 / FRAME_RATE_HZ)
    band = (frequency_hz >= 2) & (frequency_hz <= 9)
    return 2 * np.sqrt(np.sum(spectrum[band] ** 2))


def harmonics_to_noise_db(audio):
    """Harmonics-to-noise ratio (dB), mean over the active 40 ms frames, between -40 and 40.

    The largest normalised autocorrelation r at lags of 2-13.3 ms is the periodic share of the
    power, HNR = 10 log10(r / (1 - r)). Dividing by the window's own autocorrelation undoes its
    taper (Boersma, Proc. Inst. Phonetic Sciences 17, 97, 1993). Higher pitches repeat at multiples
    of their period, so they are found too.
    """
    length, hop = 640, 320
    frames = np.lib.stride_tricks.sliding_window_view(audio.astype(np.float32), length)[::hop]
    frames = frames - frames.mean(axis=1, keepdims=True)
    taper = hann(length).astype(np.float32)
    frames *= taper
    power = _power(fft.rfft(frames, _HNR_FFT, axis=1))
    energy = power[:, 0] + 2 * power[:, 1:].sum(axis=1)
    active = energy > energy.max() * 1e-4  # within 40 dB of the loudest frame
    if not active.any():  # a click at the very end, where no frame reaches
        return -HNR_LIMIT_DB
    window = _power(fft.rfft(taper, _HNR_FFT))[np.newaxis]
    periodic = np.maximum.reduce(
        [
            (ours / taper_s).max(axis=1)
            for ours, taper_s in zip(
                _correlations(power[active]), _correlations(window), strict=True
            )
        ]
    )
    periodic *= (window[0, 0] + 2 * window[0, 1:].sum()) / energy[active]
    least = 10 ** (-HNR_LIMIT_DB / 10)
    periodic = np.clip(periodic.astype(float), least, 1 - least)
    return np.mean(10 * np.log10(periodic / (1 - periodic)))


def _correlations(power):
    """Autocorrelation at the lags of 2-13.3 ms, every quarter of a sample, in four arrays.

    A shift by a quarter of a sample is a turn of the spectrum; the correlation is even, so a
    quarter too late is, read backwards, a quarter too early.

    Parameters
    ----------
    power : ndarray of float32, shape (n_frames, 513)
    """
    first, last = SAMPLE_RATE // 500, SAMPLE_RATE // 75
    bins = np.arange(power.shape[1])
    weight = np.where(bins == _HNR_FFT // 2, 2, 1)  # both ends of what is twice as long
    whole, quarter, half = (
        fft.irfft(
            power * (weight * np.exp(0.5j * np.pi * bins * q / _HNR_FFT)).astype(np.complex64)
        )
        for q in (0, 1, 2)
    )
    late = quarter[:, ::-1]
    return [part[:, first:last] for part in (quarter, half, late)] + [whole[:, first : last + 1]]


def modulation_ratio_db(audio):
    """Slow over fast modulation (dB) of the Bark-band envelopes: 2-16 Hz against 20-90 Hz.

    Speech and music modulate slowly; noise, clipping and echoes fill the fast range, the idea of
    Falk, Zheng & Chan, IEEE Trans. Audio Speech Lang. Process. 18, 1766 (2010). Envelopes are
    compressed like loudness (fourth root of power), so loud bands count most but not alone.
    """
    length, hop = 128, 32  # 8 ms: a bin (125 Hz) is about a Bark; 2 ms: pitch does not alias
    frames = np.lib.stride_tricks.sliding_window_view(audio.astype(np.float32), length)[::hop]
    power = _power(fft.rfft(frames * hann(length).astype(np.float32), axis=1))
    envelopes = np.sqrt(np.sqrt(power @ _bark_bands(length)))
    modulation = _power(fft.rfft(envelopes - envelopes.mean(axis=0), axis=0))
    frequency_hz = np.fft.rfftfreq(len(envelopes), hop / SAMPLE_RATE)
    slow = modulation[(frequency_hz >= 2) & (frequency_hz <= 16)].sum(dtype=float)
    fast = modulation[(frequency_hz >= 20) & (frequency_hz <= 90)].sum(dtype=float)
    steady = 1e-8 * np.sum(envelopes.sum(axis=0, dtype=float) ** 2)  # weaker modulation is none
    return 10 * np.log10((slow + steady) / (fast + steady))


def _power(spectrum):
    power = spectrum.real**2
    power += spectrum.imag**2
    return power


@cache
def _bark_bands(length):
    """Which bin of a transform is in which band of 1 Bark, float32, shape (n_bins, n_bands)."""
    bin_hz = np.arange(length // 2 + 1) * SAMPLE_RATE / length
    _, band = np.unique(np.searchsorted(HALF_BARK_HZ[::2], bin_hz), return_inverse=True)
    return np.eye(band.max() + 1, dtype=np.float32)[band][:, 1:]  # bin 0 is no Bark band
