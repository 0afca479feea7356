import numpy as np
import pytest

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.sources import text_to_speech
from aqp_utils.sources.text_to_speech import random_text, synthesized_speech, synthesizers
from aqp_utils.training.field import sources

PROGRAMS = tuple(text_to_speech.COMMANDS)


def installed(program):
    if program not in synthesizers():
        pytest.skip(f"{program} is not installed")


def test_text_has_words_and_numbers_or_numbers_only():
    rng = np.random.default_rng(0)
    assert len(random_text(rng, 12).split()) == 12
    assert any(word.strip(",.").isdigit() for word in random_text(rng, 60).split())
    assert all(word.strip(",.").isdigit() for word in random_text(rng, 9, True).split())


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_speak_at_the_rate_level_and_length_asked_for(program):
    installed(program)
    audio, facts = synthesized_speech(program, 2.0, np.random.default_rng(1))
    assert audio.shape == (2 * SAMPLE_RATE,) and audio.dtype == np.float32
    assert rms_dbfs(audio[active_mask(audio)]) == pytest.approx(ACTIVE_LEVEL_DBFS, abs=0.5)
    assert facts["program"] == program
    assert facts["voice"].partition("+")[0] in synthesizers()[program]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_same_stream_gives_the_same_speech_and_another_one_other_speech(program):
    installed(program)
    first, again, other = (
        synthesized_speech(program, 1.0, np.random.default_rng(seed))[0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_program_that_fails_is_named(monkeypatch):
    monkeypatch.setattr(text_to_speech, "synthesizers", lambda: {"flite": ("nobody",)})
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=r"flite \(nobody\)"):
        synthesized_speech("flite", 1.0, np.random.default_rng(0))


def test_without_any_program_our_own_voices_take_its_share(monkeypatch):
    monkeypatch.setattr(sources, "synthesizers", dict)
    shares = sources.shares()
    assert set(shares) == set(sources.OWN)
    assert sum(shares.values()) == pytest.approx(1)
    audio, facts = sources.draw_source(1.0, np.random.default_rng(0))
    assert audio.shape == (SAMPLE_RATE,) and facts["family"] in sources.OWN


def test_a_short_utterance_is_followed_by_silence_and_a_long_one_is_cut():
    rng = np.random.default_rng(0)
    assert text_to_speech._fit(np.ones(5), 8, rng).tolist() == [1] * 5 + [0] * 3
    assert len(text_to_speech._fit(np.ones(50), 8, rng)) == 8
