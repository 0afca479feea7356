"""Clean sources of the `field` training: many voices, built in unlike ways, and other sounds.

A model raised on one synthesizer learns that this synthesizer is what clean sounds like, and takes
every other voice for damaged. So no source has a majority, text-to-speech speaks where a program
for it is installed, and each source is recorded under its own conditions (`recording`).
"""

import os

import numpy as np
import soxr

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.randomness import log_uniform
from aqp_utils.sources.average_speech import equalised
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.sources.harmonic_voice import harmonic_speech_clip
from aqp_utils.sources.instruments import instrument_clip
from aqp_utils.sources.neural.bank import banked_engines, banked_speech
from aqp_utils.sources.percussion import percussion_clip
from aqp_utils.sources.singing import singing_clip
from aqp_utils.sources.text_to_speech import synthesized_speech, synthesizers
from aqp_utils.sources.tones import tone_clip
from aqp_utils.training.field.recording import as_recorded

OWN = {
    "formant voice": (speech_clip, 0.08),
    "harmonic voice": (harmonic_speech_clip, 0.08),
    "singing": (singing_clip, 0.04),
    "instruments": (instrument_clip, 0.03),
    "percussion": (percussion_clip, 0.01),
    "tones": (tone_clip, 0.02),
}
# A program that is missing leaves its share to the others in proportion.
TEXT_TO_SPEECH = {"espeak-ng": 0.16, "pico": 0.14, "festival": 0.12, "flite": 0.06}
# Beside those: neural voices of a bank, where this environment variable names its folder.
BANK = "AQP_SPEECH_BANK"
BANKED_SHARE = 0.6
BANKED = {"kokoro": 0.7, "hibari": 0.1, "openjtalk": 0.1}  # by number of voices
OTHER_THAN_SPEECH = ("singing", "instruments", "percussion", "tones")
EQUALISED_SHARE = 0.6  # of speech: synthesizers are duller or thinner than people on average
OWN_SCALES = (0.95, 1.35)  # our own voices speak at a measured pace; people hurry as well
ATTEMPTS = 5  # of a text-to-speech program: now and then a language falls silent


def banked():
    """Engines of the bank that `BANK` names; none where it names none."""
    folder = os.environ.get(BANK)
    return [name for name in banked_engines(folder) if name in BANKED] if folder else []


def shares():
    """Family -> share of the sources on this machine; they add up to 1."""
    weights = {name: share for name, (_, share) in OWN.items()}
    weights |= {name: TEXT_TO_SPEECH[name] for name in synthesizers()}
    bank = sum(BANKED[name] for name in banked())
    weights |= {name: BANKED_SHARE * BANKED[name] / bank for name in banked()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def draw_source(duration_s, rng):
    """Draw a family, let it sound, record it.

    Parameters
    ----------
    duration_s : float
        At least 0.5.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float64, shape (n,)
        The clean reference: 16 kHz, active level -26 dBFS.
    facts : dict
        family, speaker (a voice of a program; a speaker of our own speaks once), then those of
        `recording.as_recorded`.
    """
    table = shares()
    family = str(rng.choice(list(table), p=list(table.values())))
    if family in OWN:
        dry, speaker = _play(family, duration_s, rng), f"{family} {rng.integers(1 << 40)}"
    elif family in BANKED:
        dry, said = banked_speech(os.environ[BANK], family, duration_s, rng)
        speaker = f"{family} {said['voice']}"
    else:
        dry, speaker = _speak(family, duration_s, rng)
    if family not in OTHER_THAN_SPEECH and rng.random() < EQUALISED_SHARE:
        dry = equalised(dry, rng.uniform(0.5, 1.0))
    audio, facts = as_recorded(dry, rng)
    return audio, {"family": family, "speaker": speaker, **facts}


def _play(family, duration_s, rng):
    """A sound of our own, played faster or slower: another speaker, another pace, shape (n,)."""
    scale = log_uniform(rng, *OWN_SCALES)
    audio = OWN[family][0](duration_s * scale, rng)[0]
    n = round(duration_s * SAMPLE_RATE)
    played = soxr.resample(audio.astype(np.float64), SAMPLE_RATE * scale, SAMPLE_RATE)[:n]
    return np.pad(played, (0, n - len(played)))


def _speak(program, duration_s, rng):
    for attempt in range(ATTEMPTS):
        try:
            audio, facts = synthesized_speech(program, duration_s, rng)
            return audio, f"{program} {facts['voice']}"
        except RuntimeError:
            if attempt == ATTEMPTS - 1:
                raise
