import numpy as np
import pytest

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.core.randomness import rng_for
from aqp_utils.sources.tones import (
    HIGHEST_PARTIAL_HZ,
    harmonics,
    noise_floor,
    note_envelope,
    tone_clip,
    tremolo,
    vibrato_phase,
)


def spectrum_peak_hz(audio):
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) ** 2
    return np.argmax(power) * SAMPLE_RATE / len(audio)


def test_vibrato_keeps_the_mean_pitch_and_swings_by_the_asked_cents():
    phase = vibrato_phase(440, SAMPLE_RATE, rate_hz=5, depth_cents=50)
    pitch_hz = np.diff(phase) * SAMPLE_RATE / (2 * np.pi)
    assert 1200 * np.log2(pitch_hz.max() / 440) == pytest.approx(50, abs=0.1)
    assert 1200 * np.log2(pitch_hz.min() / 440) == pytest.approx(-50, abs=0.1)


def test_partials_sit_at_multiples_and_fall_by_the_tilt():
    phase = vibrato_phase(500, SAMPLE_RATE, rate_hz=5, depth_cents=0)
    level = np.abs(np.fft.rfft(harmonics(phase, 500, 4, tilt_db_per_octave=6)))
    assert 20 * np.log10(level[1000] / level[500]) == pytest.approx(-6, abs=0.05)
    assert 20 * np.log10(level[2000] / level[500]) == pytest.approx(-12, abs=0.05)


def test_no_partial_aliases():
    audio = harmonics(vibrato_phase(1000, SAMPLE_RATE, 5, 0), 1000, 50, 3)
    power = np.abs(np.fft.rfft(audio * np.blackman(len(audio)))) ** 2
    above = power[int(HIGHEST_PARTIAL_HZ) + 50 :].sum() / power.sum()
    assert 10 * np.log10(above) < -100


def test_tremolo_spans_one_to_one_minus_depth():
    gain = tremolo(SAMPLE_RATE, rate_hz=4, depth=0.3)
    assert gain.max() == pytest.approx(1.0, abs=1e-6)
    assert gain.min() == pytest.approx(0.7, abs=1e-6)


def test_note_starts_and_ends_in_silence():
    envelope = note_envelope(4000, attack_s=0.02, release_s=0.06)
    assert envelope[0] == 0 and envelope[-1] < 1e-3 and envelope.max() == 1


def test_noise_floor_has_the_asked_level():
    assert rms_dbfs(noise_floor(16000, -60, np.random.default_rng(0))) == pytest.approx(-60)


def test_clip_level_length_and_gaps():
    audio, facts = tone_clip(3.0, rng_for(0, "clean", 7))
    mask = active_mask(audio)
    assert len(audio) == 3 * SAMPLE_RATE
    assert rms_dbfs(audio[mask]) == pytest.approx(-26, abs=0.3)
    assert 0.05 < 1 - mask.mean() < 0.6, "a phrase has pauses, and is not mostly pause"
    assert facts["n_notes"] >= 3


def test_same_seed_same_bits_and_other_clips_do_not_matter():
    again = tone_clip(1.0, rng_for(3, "clean", 5))[0]
    assert np.array_equal(tone_clip(1.0, rng_for(3, "clean", 5))[0], again)
    assert not np.array_equal(tone_clip(1.0, rng_for(3, "clean", 6))[0], again)
    assert not np.array_equal(tone_clip(1.0, rng_for(4, "clean", 5))[0], again)
