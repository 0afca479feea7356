"""Players keep samples and levels, and nothing in a caption can break the page."""

import base64
import importlib.util
import io
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile as sf

from aqp_utils.core.audio import SAMPLE_RATE, rms_dbfs
from aqp_utils.degradations.degrade import degrade
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.views.players import FORMATS, audio_data_uri, player_table


class Parts(HTMLParser):
    """Start tags with their attributes, and the visible text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def decode(uri):
    return sf.read(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


@pytest.fixture
def tone():
    return 0.1 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)


@pytest.mark.parametrize("audio_format", ["flac", "wav"])
def test_lossless_formats_keep_every_sample_of_16_bits(tone, audio_format):
    stored = np.round(tone * 2**15) / 2**15
    audio, sample_rate = decode(audio_data_uri(stored, audio_format))
    assert sample_rate == SAMPLE_RATE
    np.testing.assert_array_equal(audio, stored)


@pytest.mark.parametrize("audio_format", FORMATS)
@pytest.mark.parametrize("gain_db", [0, -40])
def test_no_format_changes_length_or_level(tone, audio_format, gain_db):
    quiet = tone * 10 ** (gain_db / 20)
    audio, _ = decode(audio_data_uri(quiet, audio_format))
    assert len(audio) == len(quiet)
    assert rms_dbfs(audio) == pytest.approx(rms_dbfs(quiet), abs=0.1)


@pytest.mark.skipif(importlib.util.find_spec("pesq") is None, reason="package pesq not installed")
@pytest.mark.parametrize(("kind", "parameter"), [("noise", 40), ("clip", 30), ("reverb", 0.15)])
def test_opus_is_heard_through(kind, parameter):
    from aqp_utils.data.labels import measured_pesq

    rng = np.random.default_rng(0)
    clean, _ = speech_clip(3.0, rng)
    degraded = degrade(clean, kind, parameter, rng)
    through, _ = decode(audio_data_uri(degraded, "opus"))
    difference = measured_pesq(clean, through) - measured_pesq(clean, degraded)
    assert abs(difference) < 0.05


def test_lossless_is_smaller_than_wav_and_opus_smaller_still():
    clip, _ = speech_clip(3.0, np.random.default_rng(0))
    size = {name: len(audio_data_uri(clip, name)) for name in FORMATS}
    assert size["opus"] < 0.6 * size["flac"]
    assert size["flac"] < 0.8 * size["wav"]


@pytest.mark.parametrize(
    "audio", [np.array([0.0, 1.2]), np.array([0.0, np.nan]), np.zeros((2, 2)), np.zeros(0)]
)
def test_what_cannot_be_stored_is_refused_by_name(audio):
    with pytest.raises(ValueError, match="bad clip: a player needs mono audio within ±1"):
        player_table({"bad clip": audio})


def test_unknown_format_names_the_allowed_ones(tone):
    with pytest.raises(ValueError, match="'mp3': allowed are flac, opus, wav"):
        audio_data_uri(tone, "mp3")


def test_one_row_of_players_under_their_captions(tone):
    page = Parts(player_table({"clean": tone, "noise": tone}).data)
    assert [len(page.all(tag)) for tag in ("tr", "th", "td", "audio")] == [2, 2, 2, 2]
    assert [a["aria-label"] for a in page.all("audio")] == ["Player: clean", "Player: noise"]
    assert not page.all("script")
    assert page.text.count("1.0 s at -23.0 dBFS") == 2


def test_several_rows_with_text_and_a_missing_clip(tone):
    table = player_table(
        {"noise": {"mild": tone, "strong": tone}, "clip": {"mild": tone}},
        text={"unit": ["dB SNR", "dB SDR"]},
    )
    page = Parts(table.data)
    assert [len(page.all(tag)) for tag in ("tr", "th", "td", "audio")] == [3, 4, 8, 3]
    assert page.all("audio")[1]["aria-label"] == "Player: noise strong"
    assert "dB SDR" in page.text


def test_captions_are_text_never_markup(tone):
    hostile = '"><script>alert(1)</script>&'
    page = Parts(player_table({hostile: tone}, text={hostile: hostile}).data)
    assert not page.all("script")
    assert page.all("audio")[0]["aria-label"] == f"Player: {hostile}"
    assert "".join(page.text).count(hostile) == 3
