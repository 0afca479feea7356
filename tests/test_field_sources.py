"""The further clean sources: each keeps the promises of a clip and resembles its subject."""

import time
from functools import cache

import librosa
import numpy as np
import pytest
from scipy.signal import find_peaks
from speech_measures import (
    LTASS_TOLERANCE_DB,
    distance_from_average_db,
    modulation_index,
    octave_power,
)

from aqp_utils.core.audio import (
    ACTIVE_LEVEL_DBFS,
    SAMPLE_RATE,
    active_mask,
    rms_dbfs,
    set_level_dbfs,
)
from aqp_utils.sources.clean_clip import PEAK_LIMIT, finish_clip
from aqp_utils.sources.harmonic_voice import harmonic_speech_clip
from aqp_utils.sources.harmonics import RD_GRID, harmonic_sum, lf_pulse
from aqp_utils.sources.instruments import FAMILIES, Note, draw_timbre, instrument_clip
from aqp_utils.sources.percussion import STROKES, percussion_clip
from aqp_utils.sources.singing import singing_clip

SOURCES = (harmonic_speech_clip, singing_clip, instrument_clip, percussion_clip)
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)


@cache
def clips(source, count=20):
    """Clips of 3 s with their facts."""
    return [source(3.0, np.random.default_rng(seed)) for seed in range(count)]


@each_source
def test_shape_level_headroom_and_facts(source):
    for audio, facts in clips(source):
        assert audio.dtype == np.float32
        assert audio.shape == (3 * SAMPLE_RATE,)
        assert np.abs(audio).max() <= 1
        assert rms_dbfs(audio[active_mask(audio)]) == pytest.approx(ACTIVE_LEVEL_DBFS, abs=0.3)
        assert all(isinstance(value, float | int | str) for value in facts.values())


@each_source
def test_clips_are_dry_and_without_a_noise_floor(source):
    quietest_dbfs = [
        min(rms_dbfs(frame) for frame in audio.reshape(-1, 320)) for audio, _ in clips(source)
    ]
    assert np.mean(np.array(quietest_dbfs) < -90) >= 0.5


@each_source
def test_same_stream_same_bits_and_other_streams_differ(source):
    first, second = (source(1.0, np.random.default_rng(7))[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = source(1.0, np.random.default_rng(8))[0]
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.3


@each_source
def test_short_clips_hold_sound_and_shorter_ones_are_refused(source):
    for seed in range(25):
        audio, _ = source(0.5, np.random.default_rng(seed))
        assert audio.shape == (SAMPLE_RATE // 2,)
        assert np.abs(audio).max() > 0.05
    for wrong in (0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"duration_s is .* takes 0\.5 s or more\."):
            source(wrong, np.random.default_rng(0))


@each_source
def test_fifty_times_faster_than_real_time(source):
    source(1.0, np.random.default_rng(0))  # compiles
    start = time.process_time()
    for seed in range(8):
        source(3.0, np.random.default_rng(seed))
    assert time.process_time() - start < 24 / 35  # loose: the machine may be busy


def test_a_single_spike_is_brought_within_full_scale():
    audio = 1e-3 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    audio[8000] = 1.0
    assert np.abs(finish_clip(audio)).max() <= PEAK_LIMIT * 1.001
    with pytest.raises(ValueError, match="silent"):
        finish_clip(np.zeros(SAMPLE_RATE))


def test_speech_is_modulated_most_at_the_rate_of_syllables():
    # Ranges and sources as in test_voice.py.
    centres_hz = 2.0 ** np.arange(-1, 5.01, 1 / 3)
    long_clips = [harmonic_speech_clip(20.0, np.random.default_rng(seed))[0] for seed in range(8)]
    index = np.mean([modulation_index(audio, centres_hz) for audio in long_clips], axis=0)
    assert 3 <= centres_hz[np.argmax(index)] <= 6
    assert index[centres_hz > 15].max() < 0.6 * index.max()


def test_speech_spectrum_follows_the_published_average():
    power = np.mean([octave_power(audio) for audio, _ in clips(harmonic_speech_clip, 30)], axis=0)
    assert distance_from_average_db(power) < LTASS_TOLERANCE_DB


def test_speech_is_voiced_as_running_speech_is_and_spans_men_women_and_children():
    facts = [facts for _, facts in clips(harmonic_speech_clip, 30)]
    spoken = [f["voiced_share"] for f in facts if f["whisper_share"] < 1]
    assert 0.65 < np.mean(spoken) < 0.85
    f0_hz = [f["f0_hz"] for f in facts]
    assert 75 <= min(f0_hz) < 110
    assert 250 < max(f0_hz) <= 330


def test_speech_has_the_pitch_of_its_facts_and_it_moves():
    for audio, facts in clips(harmonic_speech_clip)[:8]:
        if facts["whisper_share"] == 1:
            continue
        frames = dict(frame_length=1024, hop_length=256)
        f0_hz = librosa.yin(audio, fmin=60, fmax=420, sr=SAMPLE_RATE, **frames)
        loud = librosa.feature.rms(y=audio, **frames)[0] > 10 ** (-26 / 20)
        semitones = 12 * np.log2(f0_hz[loud] / facts["f0_hz"])
        assert abs(np.median(semitones)) < 3
        assert 0.5 < np.percentile(semitones, 84) - np.percentile(semitones, 16) < 14


def test_wideband_pesq_reads_speech_as_speech():
    pesq = pytest.importorskip("pesq").pesq
    for seed in range(2):
        audio = harmonic_speech_clip(4.0, np.random.default_rng(seed))[0]
        white = np.random.default_rng(100 + seed).standard_normal(len(audio))
        noisy = audio + set_level_dbfs(white, ACTIVE_LEVEL_DBFS - 20)
        assert pesq(SAMPLE_RATE, audio, audio, "wb") == pytest.approx(4.64, abs=0.01)
        assert pesq(SAMPLE_RATE, audio, noisy, "wb") < 2.5


@pytest.mark.parametrize("rd", RD_GRID[::3])
def test_lf_pulse_closes_sharply_and_has_no_offset(rd):
    pulse = lf_pulse(rd, 4096)
    assert pulse.min() == pytest.approx(-1, abs=0.02)  # E_e, the strength of the closure
    assert abs(pulse.mean()) < 1e-4
    power_db = 20 * np.log10(np.abs(np.fft.rfft(pulse)[[2, 32]]))
    assert 12 < power_db[0] - power_db[1] < 60  # four octaves: 6 dB each when tense, more when lax


def test_harmonic_sum_is_a_sum_of_sinusoids():
    phase = 2 * np.pi * 200 * np.arange(800) / SAMPLE_RATE
    amplitudes = np.tile([1.0, 0.5j, -0.25], (12, 1)).astype(complex)
    expected = np.cos(phase) - 0.5 * np.sin(2 * phase) - 0.25 * np.cos(3 * phase)
    np.testing.assert_allclose(harmonic_sum(phase, amplitudes, np.full(12, 3)), expected, atol=1e-9)


def _long_stretch_s(audio):
    """Longest stretch of active frames in seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active_mask(audio), [0]]).astype(int)))
    return np.max(edges[1::2] - edges[::2]) / SAMPLE_RATE


def test_singing_holds_long_voiced_notes():
    sung = [audio for audio, _ in clips(singing_clip)]
    assert np.median([_long_stretch_s(audio) for audio in sung]) > 1.2
    # Voiced sound crosses zero far less often than noise (0.5 per sample).
    rate = [np.mean(np.diff(np.sign(audio[active_mask(audio)])) != 0) for audio in sung]
    assert np.median(rate) < 0.15


# The modes of what is struck need no common pitch.
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"struck"}))
def test_instruments_play_in_tune(family):
    rng = np.random.default_rng(3)
    timbre = draw_timbre(family, rng) | {"vibrato_cents": 0.0, "fm_ratio": 1.0}
    for f0_hz in (220.0, 523.25):
        sound = FAMILIES[family][0](timbre, Note(0, SAMPLE_RATE, f0_hz, 0.8), rng)[3000:14000]
        power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**17)) ** 2
        peaks_hz = find_peaks(power, power.max() * 0.01)[0] * SAMPLE_RATE / 2**17
        number = np.maximum(np.round(peaks_hz / f0_hz), 1)
        assert np.median(np.abs(1200 * np.log2(peaks_hz / number / f0_hz))) < 25


def test_percussion_is_peaky_and_strokes_die_away():
    crest_db = [
        20 * np.log10(np.abs(audio).max() / np.std(audio[active_mask(audio)]))
        for audio, facts in clips(percussion_clip)
        if not set(facts["sounds"].split("+")) & {"rain", "wind", "surf"}
    ]
    assert np.median(crest_db) > 15
    for name, stroke in STROKES.items():
        sound = stroke(np.random.default_rng(1))
        assert np.isfinite(sound).all(), name
        fifth = len(sound) // 5
        assert np.sum(sound[-fifth:] ** 2) < 0.12 * np.sum(sound**2), name
