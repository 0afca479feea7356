"""The 19 psychoacoustic features against reference sounds, mosqito 1.2.1 and plain physics."""

import numpy as np
import pytest

from aqp_utils.core.audio import SAMPLE_RATE, set_level_dbfs, write_wav
from aqp_utils.data.extraction import extract_one
from aqp_utils.features.loudness import FULL_SCALE_SPL_DB, loudness_over_time, stationary_loudness
from aqp_utils.features.psychoacoustics import (
    FEATURES,
    fluctuation_depth,
    harmonics_to_noise_db,
    integrated_loudness_lufs,
    modulation_ratio_db,
    psychoacoustic_features,
    sharpness_din_acum,
)
from aqp_utils.features.roughness import N_CHANNELS, _roughness_from_envelopes, roughness_asper
from aqp_utils.features.sets import FEATURE_SETS, feature_names

NAMES = [feature.name for feature in FEATURES]
T = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE  # s
NOISE = np.random.default_rng(0).standard_normal(len(T))
# Of one clip, by mosqito 1.2.1 at 48 kHz (benchmarks/psychoacoustics_mosqito.py): loudness (sone),
# sharpness after DIN and Aures (acum), roughness (asper), the six bands of 4 Bark (sone).
MOSQITO_NAMES = ["loudness", "sharpness_din", "sharpness_aures", "roughness", *NAMES[9:15]]
MOSQITO = {
    "tone_250": [3.414, 0.368, 0.336, 0.001, 2.535, 0.791, 0.022, 0, 0, 0],
    "tone_4000": [6.145, 2.828, 4.533, 0, 0, 0, 0, 0.536, 4.758, 0.766],
    "am_30": [4.075, 1.010, 0.953, 0.390, 0, 0.708, 3.039, 0.267, 0, 0],
    "am_150": [4.777, 1.005, 0.969, 0.383, 0, 1.283, 3.066, 0.370, 0.003, 0],
    "white": [13.187, 2.235, 3.544, 0.020, 1.035, 1.660, 1.988, 2.815, 3.762, 1.886],
    "harmonic": [22.79, 1.228, 2.173, 2.207, 5.699, 4.957, 3.858, 3.867, 3.590, 0.693],
}


def sine(frequency_hz):
    return np.sin(2 * np.pi * frequency_hz * T)


def at_spl(audio, level_db):
    return set_level_dbfs(audio, level_db - FULL_SCALE_SPL_DB)


def reference_clip(name):
    kind, _, hz = name.partition("_")
    if kind == "tone":
        return at_spl(sine(float(hz)), 60)
    if kind == "am":
        return at_spl((1 + sine(float(hz))) * sine(1000), 60)
    if kind == "white":
        return at_spl(NOISE, 60)
    return at_spl(harmonic(), 73)


def harmonic(f0_hz=180.0):
    return sum(sine(f0_hz * k) / k for k in range(1, 30))


def phrased():
    """A harmonic sound gated at 3 Hz over a faint noise: onsets, gaps, pitch, at 73 dB SPL."""
    gate = np.clip(3 * sine(3.0), 0, 1)
    return at_spl(gate * harmonic() + 1e-3 * NOISE, 73)


def described(audio):
    return dict(zip(NAMES, psychoacoustic_features(audio), strict=True))


def narrow_noise(low_hz, high_hz):
    frequency_hz = np.fft.rfftfreq(len(T), 1 / SAMPLE_RATE)
    passed = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    return np.fft.irfft(np.fft.rfft(NOISE) * passed)


@pytest.mark.parametrize(("spl_db", "sone"), [(40, 1), (50, 2), (60, 4), (70, 8), (80, 16)])
def test_1_khz_tone_has_the_loudness_that_defines_the_sone(spl_db, sone):
    tone = at_spl(sine(1000), spl_db)
    # Zwicker's procedure itself gives 16.7 sone at 80 dB.
    assert stationary_loudness(tone)[0] == pytest.approx(sone, rel=0.05 if spl_db < 80 else 0.07)
    assert np.median(loudness_over_time(tone)) == pytest.approx(sone, rel=0.05)


def test_narrow_noise_at_1_khz_has_the_sharpness_that_defines_the_acum():
    loudness, specific = stationary_loudness(at_spl(narrow_noise(920, 1080), 60))
    assert sharpness_din_acum(loudness, specific) == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("size", [1e-20, 1e-16, 1e-14, 1e-13, 1e-12, 1e-10])
def test_roughness_stays_finite_where_envelopes_are_mere_rounding(size):
    """A single component that is just audible has a constant envelope, but for float32."""
    rng = np.random.default_rng(0)
    parts = size * rng.standard_normal((2, N_CHANNELS, 40))
    envelope = (parts[0] + 1j * parts[1]).astype(np.complex64)
    mean = np.full(N_CHANNELS, 1e-5, np.float32)
    assert 0 <= _roughness_from_envelopes(envelope, mean) < 0.01


def test_tone_modulated_at_70_hz_has_the_roughness_that_defines_the_asper():
    tones = {hz: at_spl((1 + sine(hz)) * sine(1000), 60) for hz in (10, 30, 70, 200)}
    roughness = {hz: roughness_asper(tone) for hz, tone in tones.items()}
    assert roughness[70] == pytest.approx(1, rel=0.05)
    assert roughness[10] < roughness[30] < roughness[70] > roughness[200]
    assert roughness_asper(at_spl(sine(1000), 60)) < 0.01


@pytest.mark.parametrize("name", MOSQITO)
def test_agrees_with_mosqito(name):
    ours = described(reference_clip(name))
    np.testing.assert_allclose(
        [ours[key] for key in MOSQITO_NAMES], MOSQITO[name], rtol=0.05, atol=0.07
    )
    assert ours["loudness"] == pytest.approx(MOSQITO[name][0], rel=0.02)


@pytest.mark.parametrize(
    ("name", "n5_sone"),
    [
        ("tone_4000", 6.105),
        ("am_4", 4.671),
        ("am_70", 4.244),
        ("white", 13.281),
        ("tone_250", 3.404),
    ],
)
def test_loudness_peaks_agree_with_the_standard_for_time_varying_sounds(name, n5_sone):
    # mosqito 1.2.1, loudness_zwtv (benchmarks/psychoacoustics_mosqito.py --time-varying)
    assert described(reference_clip(name))["loudness_n5"] == pytest.approx(n5_sone, rel=0.05)


def test_specific_loudness_adds_up_to_loudness():
    ours = described(phrased())
    assert sum(ours[name] for name in NAMES[9:15]) == pytest.approx(ours["loudness"], rel=0.02)


def test_bs1770_reference_tone():
    # ITU-R BS.1770-4: a full-scale sine near 1 kHz in one channel reads -3.01 LKFS.
    assert integrated_loudness_lufs(sine(997)) == pytest.approx(-3.01, abs=0.15)


@pytest.mark.parametrize("duration_s", [0.25, 0.4, 0.513, 3.0])
def test_bs1770_is_that_of_pyloudnorm(duration_s):
    pyloudnorm = pytest.importorskip("pyloudnorm")
    noise = np.random.default_rng(0).standard_normal(round(duration_s * 16_000))
    swells = noise * np.geomspace(1e-5, 0.1, len(noise))  # both gates have something to do
    for audio in (swells, 0.1 * noise, swells[::-1].copy()):
        meter = pyloudnorm.Meter(16_000, block_size=min(0.4, duration_s))
        expected = meter.integrated_loudness(audio)
        assert integrated_loudness_lufs(audio) == pytest.approx(expected, abs=1e-6)
    assert integrated_loudness_lufs(1e-6 * noise) == -70


def test_loudness_of_modulated_tone_fluctuates():
    depth = {
        hz: fluctuation_depth(loudness_over_time(reference_clip(f"am_{hz}"))) for hz in (4, 30)
    }
    assert depth[4] > 0.4
    assert depth[30] < 0.05


@pytest.mark.parametrize("snr_db", [0, 10, 20])
def test_harmonics_to_noise_ratio_is_the_snr_of_a_harmonic_sound(snr_db):
    clip = set_level_dbfs(harmonic(), -26) + set_level_dbfs(NOISE, -26 - snr_db)
    assert harmonics_to_noise_db(clip) == pytest.approx(snr_db, abs=1.5)


def test_noise_is_not_tonal_and_tones_of_any_pitch_are():
    assert harmonics_to_noise_db(NOISE) < -5
    assert all(harmonics_to_noise_db(sine(hz)) > 35 for hz in (100, 440, 3300))


def test_modulation_ratio_tells_slow_from_fast_modulation():
    slow, fast = ((1 + 0.8 * sine(hz)) * NOISE for hz in (4, 50))
    assert modulation_ratio_db(slow) > modulation_ratio_db(NOISE) + 3
    assert modulation_ratio_db(fast) < modulation_ratio_db(NOISE) - 3


def test_high_frequencies_raise_sharpness_and_centroid():
    low, high = (described(at_spl(narrow_noise(*band), 60)) for band in ((300, 600), (3000, 6000)))
    for name in ("sharpness_din", "sharpness_aures", "bark_centroid"):
        assert high[name] > 1.5 * low[name]
    white = described(at_spl(NOISE, 60))
    assert white["bark_entropy"] > low["bark_entropy"]
    assert white["bark_spread"] > low["bark_spread"]


def test_gain_moves_level_features_as_hearing_does():
    before, after = described(phrased()), described(phrased() * 10 ** (-10 / 20))
    for name in ("loudness", "loudness_n5"):
        assert before[name] / after[name] == pytest.approx(2, rel=0.1)
    assert before["loudness_lufs"] - after["loudness_lufs"] == pytest.approx(10, abs=1e-6)
    assert before["sharpness_aures"] > after["sharpness_aures"]


@pytest.mark.parametrize("gain_db", [-20, 6])
def test_gain_leaves_scale_free_features_alone(gain_db):
    before, after = described(phrased()), described(phrased() * 10 ** (gain_db / 20))
    assert after["hnr"] == pytest.approx(before["hnr"], abs=1e-3)
    assert after["modulation_ratio"] == pytest.approx(before["modulation_ratio"], abs=1e-3)
    for name in ("sharpness_din", "bark_centroid", "bark_entropy", "bark_spread"):
        assert after[name] == pytest.approx(before[name], rel=0.1)


def test_zero_padding_changes_nothing():
    clip = phrased()
    padded = np.concatenate([np.zeros(4321), clip, np.zeros(SAMPLE_RATE)])
    np.testing.assert_array_equal(psychoacoustic_features(padded), psychoacoustic_features(clip))


def test_padding_with_faint_noise_counts_as_sound():
    tone = at_spl(harmonic(), 73)
    faint = set_level_dbfs(np.random.default_rng(1).standard_normal(SAMPLE_RATE), -90)
    before, after = described(tone), described(np.concatenate([tone, faint]))
    # 3 s of 4 s: 1.25 dB less on average, so about 8 % less loudness.
    assert after["loudness"] / before["loudness"] == pytest.approx(2 ** (-1.25 / 10), rel=0.02)
    assert after["loudness_n95"] < 0.1 * before["loudness_n95"]
    assert after["loudness_n5"] == pytest.approx(before["loudness_n5"], rel=0.02)
    assert after["loudness_lufs"] == pytest.approx(before["loudness_lufs"], abs=0.3)
    assert after["hnr"] == pytest.approx(before["hnr"], abs=1)
    assert after["modulation_ratio"] > before["modulation_ratio"]


def test_short_and_inaudible_clips_give_finite_values():
    assert np.all(np.isfinite(psychoacoustic_features(phrased()[:4000])))
    faint = described(set_level_dbfs(NOISE, -110))
    assert np.all(np.isfinite(list(faint.values())))
    inaudible = ("loudness", "sharpness_din", "sharpness_aures", "roughness", "fluctuation")
    assert [faint[name] for name in inaudible] == [0, 0, 0, 0, 0]
    assert faint["loudness_lufs"] == -70


@pytest.mark.parametrize("position", [0, 8000, SAMPLE_RATE - 1])
def test_a_click_in_silence_is_described_and_not_refused(position):
    click = np.zeros(SAMPLE_RATE)
    click[position] = 0.5
    assert np.all(np.isfinite(psychoacoustic_features(click)))


@pytest.mark.parametrize("function", [function for _, function in FEATURE_SETS.values()])
@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros(SAMPLE_RATE), "no signal"),
        (np.full(SAMPLE_RATE, 0.3), "no signal"),
        (np.zeros(0), "too short: 0.000 s"),
        (NOISE[:3999], "too short"),
        (np.where(np.arange(len(T)) == 7, np.nan, NOISE), "1 samples are NaN.*first at 7"),
        (np.where(np.arange(len(T)) == 7, np.inf, NOISE), "infinite"),
        (NOISE.reshape(-1, 2), "shape"),
    ],
)
def test_unusable_audio_is_refused_with_a_reason(function, audio, message):
    with pytest.raises(ValueError, match=message):
        function(audio)


def test_feature_tables_are_complete():
    for features, function in FEATURE_SETS.values():
        assert len({feature.name for feature in features}) == 19
        assert all(f.unit and f.source and f.meaning for f in features)
        values = function(phrased().astype(np.float32))
        assert values.shape == (19,)
        assert values.dtype == np.float64


def test_extract_names_the_file_and_the_allowed_sets(tmp_path):
    write_wav(tmp_path / "hush.wav", np.zeros(SAMPLE_RATE))
    with pytest.raises(ValueError, match="hush.wav: no signal"):
        extract_one(tmp_path / "hush.wav", "psychoacoustic")
    with pytest.raises(ValueError, match="no feature set 'mfcc'.*psychoacoustic, classic"):
        feature_names("mfcc")
