"""The 19 classic features: what most audio classifiers start from, as a yardstick for the ear's.

Reaction to level and to padding, stated here and tested: gain moves only `mfcc_1` and `rms`; zeros
before or after the sound change nothing (see `feature.checked_signal`).

All of them come from one transform. That they are `librosa`'s is tested.
"""

from functools import cache

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE, hann
from aqp_utils.features.feature import Feature, checked_signal

N_FFT = 1024  # 64 ms
HOP = 256  # 16 ms
N_MELS = 64
N_MFCC = 13

_MFCC = "Davis & Mermelstein 1980"
FEATURES = (
    *(
        Feature(f"mfcc_{i}", "dB", _MFCC, f"mel cepstral coefficient {i}, mean over time")
        for i in range(1, N_MFCC + 1)
    ),
    Feature("spectral_centroid", "Hz", "librosa", "centre of gravity of the magnitude spectrum"),
    Feature("spectral_bandwidth", "Hz", "librosa", "standard deviation around the centroid"),
    Feature("spectral_rolloff", "Hz", "librosa", "frequency below which 85 % of magnitude lies"),
    Feature("spectral_flatness", "1", "librosa", "geometric over arithmetic mean of power"),
    Feature("zero_crossing_rate", "1", "librosa", "share of samples where the sign changes"),
    Feature("rms", "dBFS", "librosa", "level, mean of the frames' dB"),
)


def classic_features(audio):
    """The 19 numbers of `FEATURES`, in that order, each a mean over the clip's frames.

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
    from scipy.fft import dct  # with librosa part of the study alone: what ships has the other set

    signal = checked_signal(audio)
    power = _frame_power(signal)
    magnitude = np.sqrt(power)
    total, *moments = (magnitude @ _FREQUENCY_POWERS).T
    some = np.where(total > 0, total, 1.0)  # a silent frame has its centroid at 0
    centroid, square = (moment / some for moment in moments)
    loud_enough = np.cumsum(magnitude, axis=1) >= 0.85 * total[:, np.newaxis]
    audible = np.maximum(power, 1e-20)
    courses = [
        centroid,
        np.sqrt(np.maximum(square - centroid**2, 0)),
        _FREQUENCY_HZ[loud_enough.argmax(axis=1)],
        np.exp(np.log(audible).mean(axis=1)) / audible.mean(axis=1),
        _crossings(signal) / N_FFT,
        _to_db(_mean_square(signal)),
    ]
    mel_db = _to_db(power @ _mel_bands()).mean(axis=0)
    cepstrum = dct(mel_db, norm="ortho")[:N_MFCC]  # of the mean, which is the mean of them all
    return np.concatenate([cepstrum, [course.mean() for course in courses]])


_FREQUENCY_HZ = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
_FREQUENCY_POWERS = _FREQUENCY_HZ[:, np.newaxis] ** np.arange(3)


def _frame_power(signal):
    """Power spectra of frames around every 16 ms, shape (n_frames, 513); beyond the ends is 0."""
    padded = np.pad(signal, N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    spectrum = np.fft.rfft(frames * hann(N_FFT), axis=1)
    power = spectrum.real**2
    power += spectrum.imag**2
    return power


def _crossings(signal):
    """How often the sign changes within each frame, shape (n_frames,)."""
    negative = signal < -1e-10  # librosa's threshold: what is smaller counts as 0, so as positive
    changes = np.concatenate([[0], np.cumsum(negative[1:] != negative[:-1])])
    starts = np.arange(0, len(signal) + 1, HOP) - N_FFT // 2
    last = len(signal) - 1
    return changes[(starts + N_FFT - 1).clip(max=last)] - changes[starts.clip(min=0)]


def _mean_square(signal):
    """Mean square of each frame, shape (n_frames,)."""
    n_frames, overlap = len(signal) // HOP + 1, N_FFT // HOP
    squares = np.zeros((n_frames + overlap - 1) * HOP)
    inside = squares[N_FFT // 2 :][: len(signal)]
    inside[:] = signal[: len(inside)] ** 2
    blocks = squares.reshape(-1, HOP).sum(axis=1)
    return np.lib.stride_tricks.sliding_window_view(blocks, overlap).sum(axis=1) / N_FFT


def _to_db(power):
    """Power in dB, at most 80 dB below its largest value: silent frames stay finite, and the floor
    moves with the gain."""
    level_db = 10 * np.log10(np.maximum(power, 1e-20))
    return np.maximum(level_db, level_db.max() - 80)


@cache
def _mel_bands():
    """Slaney's mel bands as `librosa` weights them, shape (513, 64)."""
    import librosa

    return librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS).T.astype(float)
