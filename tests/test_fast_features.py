"""The features' fast paths against the plain formulas and libraries that they stand for."""

import librosa
import numpy as np
import pyloudnorm
import pytest
from scipy.signal import get_window

from aqp_utils.core.audio import SAMPLE_RATE, set_level_dbfs
from aqp_utils.features import classic, roughness
from aqp_utils.features.feature import checked_signal
from aqp_utils.features.programme_loudness import integrated_loudness_lufs
from aqp_utils.features.psychoacoustics import harmonics_to_noise_db

T = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE  # s
NOISE = np.random.default_rng(0).standard_normal(len(T))


def gated(hz=180.0, noise=1e-3):
    """A harmonic sound that comes and goes three times a second, over a noise."""
    sound = sum(np.sin(2 * np.pi * hz * k * T) / k for k in range(1, 30))
    return set_level_dbfs(np.clip(3 * np.sin(6 * np.pi * T), 0, 1) * sound + noise * NOISE, -26)


CLIPS = {
    "gated": gated(),
    "noisy": gated(110.0, 0.3),
    "white": set_level_dbfs(NOISE, -30),
    "gap": np.concatenate([gated()[:16000], np.zeros(8000), gated()[:9999]]),
    "short": gated()[:4321],
}


def plain_gains(magnitude):
    """Masking slopes, in double precision and one channel after another."""
    half_bark = np.arange(len(roughness.HALF_BARK_HZ)) / 2
    hz = np.maximum(np.arange(len(magnitude)) * 5.0, 1.0)
    bark = np.interp(hz, roughness.HALF_BARK_HZ, half_bark)
    level_db = 20 * np.log10(magnitude + 1e-12) + roughness.FULL_SCALE_SPL_DB
    upper_db = np.minimum(-24 - 230 / hz + 0.2 * level_db, 0)
    audible = level_db > np.interp(bark, roughness.QUIET_BARK, roughness.QUIET_DB)
    gains = []
    for channel in range(roughness.N_CHANNELS):
        below, above = channel / 2, (channel + 2) / 2  # edges of the channel, Bark
        is_below, is_above = channel > np.ceil(2 * bark) - 1, channel < np.floor(2 * bark) - 1
        slope_db = np.where(is_below, upper_db * (below - bark), 0)
        slope_db = np.where(is_above, -roughness.LOWER_SLOPE_DB * (bark - above), slope_db)
        edge = np.where(is_above, above, below)
        quiet_db = np.interp(edge, roughness.QUIET_BARK, roughness.QUIET_DB)
        excited = audible & (~(is_below | is_above) | (level_db + slope_db > quiet_db))
        gains.append(10 ** (slope_db / 20) * excited)
    return np.array(gains)


def plain_roughness(window):
    """Roughness of a window by the formulas of the paper, in double precision."""
    ear = roughness.channel_tables()
    spectrum = np.fft.rfft(window * ear.taper) * ear.ear_gain
    excitation = np.abs(np.fft.irfft(plain_gains(np.abs(spectrum)) * spectrum))
    mean = excitation.mean(axis=1)
    swing = np.fft.rfft(excitation)[:, roughness.MODULATION_BINS] * ear.modulation_gain
    energy = np.sum(np.abs(swing) ** 2, axis=1)
    depth = np.minimum(np.sqrt(2 * energy) / roughness.WINDOW / np.maximum(mean, 1e-20), 1)
    product = np.sum((swing[:-2] * swing[2:].conj()).real, axis=1)
    alike = product / np.sqrt(np.maximum(energy[:-2] * energy[2:], 1e-60))
    around = np.r_[1, 1, alike] * np.r_[alike, 1, 1]
    return roughness.CALIBRATION * np.sum(ear.weight * (depth * around) ** 2)


@pytest.mark.parametrize("name", CLIPS)
def test_roughness_is_the_one_of_the_plain_formula(name):
    for start in range(0, len(CLIPS[name]) - roughness.WINDOW, 3 * roughness.WINDOW):
        window = CLIPS[name][start : start + roughness.WINDOW]
        ours = roughness.window_roughness(window)
        assert ours == pytest.approx(plain_roughness(window), rel=1e-3, abs=1e-4)


def test_gains_of_masking_are_those_of_the_plain_formula():
    magnitude = np.abs(np.fft.rfft(CLIPS["noisy"][:3200])) / 3200
    plain, ours = plain_gains(magnitude), roughness.excitation_gains(magnitude)
    np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-7)
    assert ((ours > 0) == (plain > 0)).all()


@pytest.mark.parametrize("name", CLIPS)
def test_harmonics_to_noise_ratio_is_the_one_of_the_plain_formula(name):
    audio = CLIPS[name]
    frames = np.lib.stride_tricks.sliding_window_view(audio, 640)[::320]
    frames = frames - frames.mean(axis=1, keepdims=True)
    taper = get_window("hann", 640)
    power = np.abs(np.fft.rfft(np.vstack([frames * taper, taper]), 1024)) ** 2
    correlation = np.fft.irfft(power, 4096)[:, : 16000 * 4 // 75 + 1]
    ours = correlation[:-1][correlation[:-1, 0] > correlation[:-1, 0].max() * 1e-4]
    ratio = (ours / ours[:, :1]) / (correlation[-1] / correlation[-1, 0])
    periodic = np.clip(ratio[:, 16000 * 4 // 500 :].max(axis=1), 1e-4, 1 - 1e-4)
    plain = np.mean(10 * np.log10(periodic / (1 - periodic)))
    assert harmonics_to_noise_db(audio) == pytest.approx(plain, abs=2e-3)


@pytest.mark.parametrize("name", CLIPS)
def test_gated_loudness_is_that_of_pyloudnorm(name):
    audio = CLIPS[name]
    meter = pyloudnorm.Meter(SAMPLE_RATE, block_size=min(0.4, len(audio) / SAMPLE_RATE))
    plain = max(meter.integrated_loudness(audio), -70)
    assert integrated_loudness_lufs(audio) == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize("name", CLIPS)
def test_classic_features_are_those_of_librosa(name):
    signal = checked_signal(CLIPS[name])
    size = {"n_fft": classic.N_FFT, "hop_length": classic.HOP}
    frames = {"frame_length": classic.N_FFT, "hop_length": classic.HOP}
    mel = librosa.feature.melspectrogram(y=signal, sr=SAMPLE_RATE, n_mels=classic.N_MELS, **size)
    mel_db = librosa.power_to_db(mel, amin=1e-20)
    level = librosa.feature.rms(y=signal, dtype=np.float64, **frames) ** 2
    spectral = {"y": signal, "sr": SAMPLE_RATE, **size}
    courses = [
        *librosa.feature.mfcc(S=mel_db, n_mfcc=classic.N_MFCC),
        librosa.feature.spectral_centroid(**spectral),
        librosa.feature.spectral_bandwidth(**spectral),
        librosa.feature.spectral_rolloff(**spectral),
        librosa.feature.spectral_flatness(y=signal, amin=1e-20, **size),
        librosa.feature.zero_crossing_rate(signal, **frames),
        librosa.power_to_db(level, amin=1e-20),
    ]
    plain = [np.mean(course) for course in courses]
    np.testing.assert_allclose(classic.classic_features(CLIPS[name]), plain, rtol=1e-6, atol=1e-8)
