"""Neural speech: drawing needs no engine; what speaks is tested where the engine is installed."""

import numpy as np
import pytest
import soundfile as sf

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.sources.neural import bank, manner, speech
from aqp_utils.sources.neural.bank import (
    banked_engines,
    banked_speech,
    fill_bank,
    numbered_utterance,
    read_index,
)
from aqp_utils.sources.neural.manner import with_manner
from aqp_utils.sources.neural.phonemes import LANGUAGES, phonemes
from aqp_utils.sources.neural.speech import (
    ENGINE_LANGUAGES,
    ENGINES,
    Utterance,
    draw_sentences,
    draw_voice,
    missing,
    speak,
)

NOBODY = {f"{letter}{sex}_{n}": None for letter in "abefhijpz" for sex in "fm" for n in range(2)}
each_engine = pytest.mark.parametrize("engine", ENGINES)
each_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture
def voices(monkeypatch):
    """Kokoro's voices by name only."""
    monkeypatch.setattr(speech, "kokoro_voices", lambda: NOBODY)


@pytest.fixture
def humming(monkeypatch):
    """An engine that hums for 2 s in place of every sentence, at 24 kHz."""

    def hum(utterance):
        t_s = np.arange(48_000) / 24_000
        for _ in utterance.sentences:
            yield 0.1 * np.sin(2 * np.pi * 200 * t_s), 24_000

    for module in (speech, bank):
        monkeypatch.setattr(module, "missing", lambda engine: "")
    monkeypatch.setitem(speech.SPEAK, "hibari", hum)


def installed(engine):
    if reason := missing(engine):
        pytest.skip(reason)


def two_sentences(engine="hibari", pause_s=0.5):
    return Utterance(engine, "en-us", ("Yes.", "No."), (pause_s,), ((engine, 1.0),), 1.0, 1.0, 0)


def test_an_engine_that_is_missing_is_named_with_what_it_wants(monkeypatch):
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda name: None)
    assert speech.engines() == ()
    with pytest.raises(RuntimeError, match=r"^hibari: the Python package hibari is missing"):
        speak(two_sentences())


def test_engines_that_read_ipa_want_espeak_ng(monkeypatch):
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(speech.shutil, "which", lambda name: None)
    assert missing("kokoro") == "kokoro: the program espeak-ng is not installed."
    assert missing("hibari") == ""


@each_language
def test_longer_texts_for_longer_utterances_and_no_two_alike(language):
    rng = np.random.default_rng(0)
    short, long = (
        [" ".join(draw_sentences(language, duration_s, rng)) for _ in range(40)]
        for duration_s in (3, 9)
    )
    assert np.mean([len(text) for text in long]) > 2 * np.mean([len(text) for text in short])
    assert len(set(long)) >= 39
    assert not any("{" in text for text in short + long)


@pytest.mark.usefixtures("voices")
def test_voices_are_mostly_native_and_often_mixed():
    rng = np.random.default_rng(0)
    drawn = [draw_voice("it", rng) for _ in range(400)]
    assert 0.2 < np.mean([len(voice) == 2 for voice in drawn]) < 0.6
    assert 0.7 < np.mean([voice[0][0].startswith("i") for voice in drawn]) < 0.95
    assert all(sum(weight for _, weight in voice) == pytest.approx(1) for voice in drawn)
    assert {name for voice in drawn for name, _ in voice} == set(NOBODY)


@each_engine
@pytest.mark.usefixtures("voices")
def test_an_utterance_has_a_number_and_languages_take_turns(engine):
    first, again, other = (numbered_utterance(engine, i, seed=3) for i in (4, 4, 5))
    assert first == again != other
    spoken = ENGINE_LANGUAGES[engine]
    assert {numbered_utterance(engine, i, 0).language for i in range(len(spoken))} == set(spoken)
    assert len(first.pauses_s) == len(first.sentences) - 1


def test_a_mixture_is_written_in_words():
    assert two_sentences().speaker == "hibari"
    mixed = Utterance("kokoro", "fr", ("",), (), (("af_sky", 0.4), ("ff_siwis", 0.6)), 1, 1, 0)
    assert mixed.speaker == ".40 af_sky + .60 ff_siwis"


@each_language
def test_phonemes_are_kokoros_and_keep_the_marks(language):
    installed("kokoro")
    vocabulary = set(
        speech.json.loads(speech._kokoro_data("vocab.json").read_text("utf-8"))["vocab"]
    )
    text = " ".join(draw_sentences(language, 30, np.random.default_rng(2)))
    spoken = phonemes(text, language)
    known = [c in vocabulary for c in spoken]
    assert np.mean(known) > 0.99, {c for c in spoken if c not in vocabulary}
    assert "." in spoken and 0.4 < len(spoken) / len(text) < 3


def test_tones_of_mandarin_become_arrows():
    installed("kokoro")
    assert [phonemes(f"ma{tone}", "zh")[-1] for tone in "1234"] == ["→", "↗", "↓", "↘"]


@each_engine
def test_engines_speak_dry_and_the_same_again(engine):
    installed(engine)
    utterance = numbered_utterance(engine, 0, seed=0)
    audio, again = speak(utterance), speak(utterance)
    np.testing.assert_array_equal(audio, again)
    assert audio.dtype == np.float32 and 2.5 < len(audio) / SAMPLE_RATE < 12
    assert 0.02 < np.abs(audio).max() <= 0.9001
    assert 0.4 < active_mask(audio).mean() < 1
    quietest = min(rms_dbfs(frame) for frame in audio[: len(audio) // 320 * 320].reshape(-1, 320))
    assert quietest < -60
    power = np.abs(np.fft.rfft(audio)) ** 2
    f_hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    assert power[(f_hz > 80) & (f_hz < 4000)].sum() > 0.8 * power.sum()
    assert power[f_hz > 5000].sum() > 1e-5 * power.sum()


@pytest.mark.usefixtures("humming")
def test_sentences_are_trimmed_and_joined_by_pauses():
    audio = speak(two_sentences(pause_s=0.5))
    assert len(audio) / SAMPLE_RATE == pytest.approx(2 + 0.5 + 2, abs=0.03)
    silent = audio[int(2.1 * SAMPLE_RATE) : int(2.4 * SAMPLE_RATE)]
    assert not silent.any()


@pytest.mark.usefixtures("humming")
def test_silence_and_endless_speech_are_refused(monkeypatch):
    def silence(utterance):
        yield np.zeros(48_000), 24_000
        yield np.zeros(48_000), 24_000

    with pytest.raises(RuntimeError, match=r"hibari \(hibari\): 12\.1 s of sound\."):
        speak(two_sentences(pause_s=8.1))
    monkeypatch.setitem(speech.SPEAK, "hibari", silence)
    with pytest.raises(RuntimeError, match=r"hibari \(hibari\): 0\.5 s of sound\."):
        speak(two_sentences())


@pytest.mark.usefixtures("humming")
def test_a_bank_is_filled_resumed_and_shared_out(tmp_path):
    assert fill_bank(tmp_path, "hibari", 2) == 2
    assert fill_bank(tmp_path, "hibari", 5, part=(1, 2)) == 1
    assert fill_bank(tmp_path, "hibari", 5) == 2
    rows = read_index(tmp_path)
    assert len({row["file"] for row in rows}) == 5
    assert set(rows[0]) == set(bank.COLUMNS)
    for row in rows:
        info = sf.info(tmp_path / row["file"])
        assert (info.samplerate, info.channels, info.subtype) == (SAMPLE_RATE, 1, "PCM_16")
        assert float(row["seconds"]) == pytest.approx(info.duration, abs=0.01)


@pytest.mark.usefixtures("humming")
def test_speech_is_drawn_from_the_bank_at_the_level_and_length_asked_for(tmp_path):
    fill_bank(tmp_path, "hibari", 3)
    audio, facts = banked_speech(tmp_path, "hibari", 3.0, np.random.default_rng(0))
    again, _ = banked_speech(tmp_path, "hibari", 3.0, np.random.default_rng(0))
    np.testing.assert_array_equal(audio, again)
    assert audio.shape == (3 * SAMPLE_RATE,) and audio.dtype == np.float32
    assert rms_dbfs(audio[active_mask(audio)]) == pytest.approx(ACTIVE_LEVEL_DBFS, abs=0.5)
    assert facts["program"] == facts["voice"] == "hibari"
    assert banked_engines(tmp_path) == ("hibari",) and banked_engines(tmp_path / "none") == ()
    with pytest.raises(RuntimeError, match=r"^openjtalk: the bank in .* holds no utterance"):
        banked_speech(tmp_path, "openjtalk", 3.0, np.random.default_rng(0))


def bursts(gap_s=0.4):
    """Three bursts of noise, 1 s each, with digital silence between."""
    burst = np.random.default_rng(0).standard_normal(SAMPLE_RATE) * 0.05
    gap = np.zeros(round(gap_s * SAMPLE_RATE))
    return np.concatenate([burst, gap, burst, gap, burst])


def test_breath_and_clicks_fall_into_pauses_and_leave_speech_alone():
    rng = np.random.default_rng(1)
    drawn = [with_manner(bursts(), rng) for _ in range(120)]
    for audio, facts in drawn:
        assert np.isfinite(audio).all()
        assert (len(audio) > len(bursts())) == (facts["n_breaths"] + facts["n_clicks"] > 0)
        assert facts["n_breaths"] <= 2 and facts["n_clicks"] <= 2
    assert 0.2 < np.mean([facts["n_breaths"] > 0 for _, facts in drawn]) < 0.5
    assert 0.2 < np.mean([facts["n_clicks"] > 0 for _, facts in drawn]) < 0.5
    no_pause, facts = with_manner(bursts()[:SAMPLE_RATE], rng)
    assert len(no_pause) == SAMPLE_RATE and facts["n_breaths"] == facts["n_clicks"] == 0


def test_effort_tilts_the_spectrum_by_what_the_facts_say():
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    tilted = manner._tilted(noise, 2.0)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(tilted)) / np.abs(np.fft.rfft(noise)))
    assert gain_db[[500, 1000, 4000]] == pytest.approx([0, 2, 6], abs=1e-6)


@pytest.mark.parametrize("level_dbfs", [-50, -20])
def test_breath_is_quieter_than_speech_whatever_its_level(level_dbfs, monkeypatch):
    monkeypatch.setattr(manner, "BREATH_SHARE", 1)
    monkeypatch.setattr(manner, "CLICK_SHARE", 0)
    spoken = bursts() * 10 ** (level_dbfs / 20)
    audio, _ = with_manner(spoken, np.random.default_rng(4))
    n = round(1.2 * SAMPLE_RATE)
    assert rms_dbfs(audio[n : n + 2000]) < rms_dbfs(spoken[:SAMPLE_RATE]) - 12
