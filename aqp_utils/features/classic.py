"""The 19 classic features: what most audio classifiers start from, as a yardstick for the ear's.

Reaction to level and to padding, stated here and tested: gain moves only `mfcc_1` and `rms`; zeros
before or after the sound change nothing (see `feature.checked_signal`).
"""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
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
    import librosa  # part of the study alone: what ships has the other set

    signal = checked_signal(audio)
    frames = {"frame_length": N_FFT, "hop_length": HOP}
    magnitude = np.abs(librosa.stft(signal, n_fft=N_FFT, hop_length=HOP))
    rates = {"S": magnitude, "sr": SAMPLE_RATE}
    courses = [
        *_mfcc(magnitude),
        librosa.feature.spectral_centroid(**rates),
        librosa.feature.spectral_bandwidth(**rates),
        librosa.feature.spectral_rolloff(**rates),
        librosa.feature.spectral_flatness(S=magnitude, amin=1e-20),
        librosa.feature.zero_crossing_rate(signal, **frames),
        _to_db(librosa.feature.rms(y=signal, **frames) ** 2),
    ]
    return np.array([np.mean(course) for course in courses])


def _mfcc(magnitude):
    """Cepstral coefficients, shape (13, n_frames), of the mel spectrum in dB."""
    import librosa

    mel = librosa.feature.melspectrogram(S=magnitude**2, sr=SAMPLE_RATE, n_mels=N_MELS)
    return librosa.feature.mfcc(S=_to_db(mel), n_mfcc=N_MFCC)


def _to_db(power):
    """Power in dB, at most 80 dB below its largest value: silent frames stay finite, and the floor
    moves with the gain."""
    import librosa

    return librosa.power_to_db(power, amin=1e-20, top_db=80.0)
