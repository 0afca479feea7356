"""Damages for measuring alone: whole, as stated, and none of the catalogue."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import damage_unlike

from aqp_utils.degradations.catalogue import DAMAGES
from aqp_utils.sources.formant_voice import speech_clip

SPEECH = speech_clip(2.0, np.random.default_rng(1))[0].astype(float)


@pytest.mark.parametrize("way", damage_unlike.WAYS)
def test_a_clip_stays_as_long_and_changes_the_more_the_severer(way):
    changes = []
    for strength in (0.1, 1.0):
        heard = way(SPEECH, strength, np.random.default_rng(3))
        assert heard.shape == SPEECH.shape and np.isfinite(heard).all()
        gain = np.dot(heard, SPEECH) / np.dot(heard, heard)
        changes.append(np.std(gain * heard - SPEECH))
    assert 0 < changes[0] < changes[1]


def test_none_is_in_the_catalogue():
    assert not {way.__name__ for way in damage_unlike.WAYS} & set(DAMAGES)
