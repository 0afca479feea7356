"""The speech-like source has the physics of speech; the published ranges are cited below."""

import time
from functools import cache

import librosa
import numpy as np
import pytest
from speech_measures import (
    LTASS_TOLERANCE_DB,
    distance_from_average_db,
    modulation_index,
    octave_power,
)

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.sources.formant_voice import speech_clip


@cache
def speakers():
    """Thirty clips of 3 s with their facts."""
    return [speech_clip(3.0, np.random.default_rng(seed)) for seed in range(30)]


def test_envelope_is_modulated_most_at_the_rate_of_syllables():
    # Peak at 3-4 Hz (Houtgast & Steeneken 1985, J. Acoust. Soc. Am. 77), around 5 Hz (Ding et al.
    # 2017, Neurosci. Biobehav. Rev. 81, nine languages).
    centres_hz = 2.0 ** np.arange(-1, 5.01, 1 / 3)
    clips = [speech_clip(20.0, np.random.default_rng(seed))[0] for seed in range(8)]
    index = np.mean([modulation_index(audio, centres_hz) for audio in clips], axis=0)
    assert 3 <= centres_hz[np.argmax(index)] <= 6
    assert index[centres_hz > 15].max() < 0.6 * index.max()


def test_long_term_spectrum_follows_the_published_average():
    power = np.mean([octave_power(audio) for audio, _ in speakers()], axis=0)
    assert distance_from_average_db(power) < LTASS_TOLERANCE_DB


def test_voices_span_men_women_and_children():
    # Men average 120 Hz, women 210 Hz (Traunmüller & Eriksson 1995).
    f0_hz = [facts["f0_hz"] for _, facts in speakers()]
    assert 80 <= min(f0_hz) < 110
    assert 230 < max(f0_hz) <= 300
    scale = [facts["vocal_tract_scale"] for _, facts in speakers()]
    assert np.corrcoef(np.log(f0_hz), scale)[0, 1] > 0.5  # small speakers have short tracts


def test_measured_pitch_is_that_of_the_facts_and_it_moves():
    for audio, facts in speakers()[:6]:
        frames = dict(frame_length=1024, hop_length=256)
        f0_hz = librosa.yin(audio, fmin=60, fmax=420, sr=SAMPLE_RATE, **frames)
        loud = librosa.feature.rms(y=audio, **frames)[0] > 10 ** (-26 / 20)
        semitones = 12 * np.log2(f0_hz[loud] / facts["f0_hz"])
        assert abs(np.median(semitones)) < 3
        assert 0.5 < np.percentile(semitones, 84) - np.percentile(semitones, 16) < 14


def test_voiced_share_is_that_of_running_speech():
    # About 70 % in Czech, Polish and English, 75 % in Hungarian (Malucha & Sigmund 2022,
    # J. Electr. Eng. 73); single clips scatter.
    share = [facts["voiced_share"] for _, facts in speakers()]
    assert 0.65 < np.mean(share) < 0.8
    assert 0.5 < min(share) < max(share) < 0.97


def test_level_pauses_and_headroom():
    for audio, _ in speakers():
        active = active_mask(audio)
        assert rms_dbfs(audio[active]) == pytest.approx(ACTIVE_LEVEL_DBFS, abs=0.05)
        assert np.abs(audio).max() < 0.9
        frames_db = [rms_dbfs(frame) for frame in audio[: len(audio) // 320 * 320].reshape(-1, 320)]
        assert -100 < min(frames_db) < -65  # pauses are quiet, never digital zero
    pauses = np.mean([np.mean(~active_mask(audio)) for audio, _ in speakers()])
    assert 0.1 < pauses < 0.35


def test_same_stream_same_bits_and_voices_differ():
    first, second = (speech_clip(1.0, np.random.default_rng(7))[0] for _ in range(2))
    assert first.dtype == np.float32
    assert first.shape == (SAMPLE_RATE,)
    np.testing.assert_array_equal(first, second)
    other = speech_clip(1.0, np.random.default_rng(8))[0]
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.2


def test_fifty_times_faster_than_real_time():
    speech_clip(1.0, np.random.default_rng(0))  # compiles
    start = time.process_time()
    for seed in range(5):
        speech_clip(3.0, np.random.default_rng(seed))
    assert time.process_time() - start < 15 / 50


def test_short_clips_hold_speech_and_shorter_ones_are_refused():
    for seed in range(40):
        audio, _ = speech_clip(0.5, np.random.default_rng(seed))
        assert np.isfinite(audio).all()
        assert np.abs(audio).max() > 0.05
    with pytest.raises(ValueError, match=r"0\.5 s"):
        speech_clip(0.1, np.random.default_rng(0))
