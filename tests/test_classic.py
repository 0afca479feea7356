"""The 19 classic features on sounds whose values can be worked out."""

import numpy as np
import pytest

from aqp_utils.core.audio import SAMPLE_RATE, set_level_dbfs
from aqp_utils.features.classic import FEATURES, classic_features

NAMES = [feature.name for feature in FEATURES]
T = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE  # s
NOISE = set_level_dbfs(np.random.default_rng(0).standard_normal(len(T)), -26)


def described(audio):
    return dict(zip(NAMES, classic_features(audio), strict=True))


def test_tone_sits_at_its_frequency():
    tone = described(0.1 * np.sin(2 * np.pi * 1000 * T))
    assert tone["spectral_centroid"] == pytest.approx(1000, rel=0.02)
    assert tone["spectral_rolloff"] == pytest.approx(1000, rel=0.03)
    assert tone["zero_crossing_rate"] == pytest.approx(2 * 1000 / SAMPLE_RATE, rel=0.03)
    assert tone["rms"] == pytest.approx(-23.0, abs=0.3)  # the end frames are half empty
    assert tone["spectral_flatness"] < 0.01


def test_white_noise_is_flat():
    noise = described(NOISE)
    assert noise["spectral_flatness"] == pytest.approx(np.exp(-np.euler_gamma), abs=0.02)
    assert noise["spectral_centroid"] == pytest.approx(SAMPLE_RATE / 4, rel=0.02)
    assert noise["zero_crossing_rate"] == pytest.approx(0.5, abs=0.01)
    assert np.abs([noise[f"mfcc_{i}"] for i in range(4, 14)]).max() < 8


@pytest.mark.parametrize("gain_db", [-40, 12])
def test_gain_moves_only_the_first_coefficient_and_the_level(gain_db):
    change = classic_features(NOISE * 10 ** (gain_db / 20)) - classic_features(NOISE)
    level = [NAMES.index("mfcc_1"), NAMES.index("rms")]
    # mfcc_1 is the sum of 64 mel bands in dB over sqrt(64).
    np.testing.assert_allclose(change[level], [8 * gain_db, gain_db], atol=1e-4)
    np.testing.assert_allclose(np.delete(change, level), 0, atol=1e-6)


def test_zero_padding_changes_nothing():
    padded = np.concatenate([np.zeros(321), NOISE, np.zeros(SAMPLE_RATE)])
    np.testing.assert_array_equal(classic_features(padded), classic_features(NOISE))


def test_shortest_clip_and_silent_gap_give_finite_values():
    assert np.all(np.isfinite(classic_features(NOISE[:4000])))
    gap = np.concatenate([NOISE, np.zeros(SAMPLE_RATE), NOISE])
    assert np.all(np.isfinite(classic_features(gap)))
