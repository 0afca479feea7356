"""Codecs cost what they should, stay in time, and refuse what they cannot do."""

import numpy as np
import pytest

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.codecs import libsndfile
from aqp_utils.degradations.degrade import si_sdr_db
from aqp_utils.sources.formant_voice import speech_clip


@pytest.fixture(scope="module")
def speech():
    return speech_clip(3.0, np.random.default_rng(0))[0]


@pytest.mark.parametrize("kbps", [16, 32, 64, 160])
def test_mp3_has_the_constant_bit_rate_asked_for(speech, kbps):
    kilobits = 8 * len(libsndfile.encode(speech, "mp3", kbps)) / 1000
    assert kilobits / (len(speech) / SAMPLE_RATE) == pytest.approx(kbps, rel=0.08)


def test_opus_spends_more_where_more_is_allowed(speech):
    sizes = [len(libsndfile.encode(speech, "opus", kbps)) for kbps in (6, 12, 24, 64, 128)]
    assert sizes == sorted(sizes) and sizes[-1] > 5 * sizes[0]


@pytest.mark.parametrize("codec", libsndfile.CODECS)
@pytest.mark.parametrize("kbps", [8, 24, 40, 96])
def test_round_trip_is_in_time_and_as_long(speech, codec, kbps):
    audio = speech[:40_001]
    decoded = libsndfile.through_codec(audio, codec, kbps)
    assert decoded.shape == audio.shape
    lags = np.arange(-40, 41)
    match = [np.dot(np.roll(decoded, -lag), audio) for lag in lags]
    assert abs(lags[np.argmax(match)]) <= 1


def test_mp3_damage_falls_with_the_bit_rate(speech):
    sdr_db = [
        si_sdr_db(speech, libsndfile.through_codec(speech, "mp3", k)) for k in (16, 24, 32, 64, 160)
    ]
    assert np.all(np.diff(sdr_db) > 0) and sdr_db[-1] > 30


@pytest.mark.parametrize("codec", libsndfile.CODECS)
def test_same_clip_same_bits(speech, codec):
    first, second = (libsndfile.through_codec(speech, codec, 24) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("codec", "kbps", "gain", "sentence"),
    [
        ("aac", 32, 1, "no codec 'aac'; the codecs are mp3, opus"),
        ("mp3", 320, 1, "mp3: 320 kbit/s is out of range; allowed is 8 to 160"),
        ("opus", float("nan"), 1, "out of range"),
        ("opus", 32, 100, "takes ±1"),
        ("mp3", 32, np.nan, "takes ±1"),
    ],
)
def test_refuses_in_a_sentence(speech, codec, kbps, gain, sentence):
    with pytest.raises(ValueError, match=sentence):
        libsndfile.through_codec(gain * speech, codec, kbps)


def test_says_when_libsndfile_is_too_old(speech, monkeypatch):
    monkeypatch.setattr(libsndfile.sf, "available_subtypes", lambda container: {})
    with pytest.raises(RuntimeError, match="cannot write mp3; update it"):
        libsndfile.encode(speech, "mp3", 32)
