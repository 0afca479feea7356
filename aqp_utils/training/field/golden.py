"""Ten short clips whose scores are known: the proof that an installation scores as it should.

The clips are synthesized on the spot, so nothing is stored but their scores, beside the weights
they belong to. A change of the model changes its version and its golden scores.
"""

import json

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.files import write_json
from aqp_utils.core.randomness import rng_for
from aqp_utils.degradations.degrade import degrade
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.sources.singing import singing_clip
from aqp_utils.sources.tones import tone_clip

GOLDEN = "golden.json"
SAME_MACHINE, ELSEWHERE = 0.005, 0.02  # how far a score may be off
DURATION_S = 3.0
SEED = 2026
ON_VOICE = (  # kind and parameter
    None,
    ("noise", 40.0),
    ("noise", 20.0),
    ("clip", 15.0),
    ("lowpass", 1500.0),
    ("reverb", 0.3),
    ("compression", 0.5),
)


def golden_clips():
    """The clips, each (n,) at 16 kHz: seven of a voice, one sung, two of tones.

    Returns
    -------
    dict
        Name -> audio.
    """
    voice = speech_clip(DURATION_S, rng_for(SEED, "clean", 0))[0]
    clips = {}
    for number, damage in enumerate(ON_VOICE):
        name = "voice, clean" if damage is None else f"voice, {damage[0]} {damage[1]:g}"
        rng = rng_for(SEED, "degrade", number)
        clips[name] = voice if damage is None else degrade(voice, *damage, rng)
    clips["singing, clean"] = singing_clip(DURATION_S, rng_for(SEED, "clean", 1))[0]
    tones = tone_clip(DURATION_S, rng_for(SEED, "clean", 2))[0]
    clips["tones, clean"] = tones
    clips["tones, noise 20"] = degrade(tones, "noise", 20.0, rng_for(SEED, "degrade", 20))
    return clips


def golden_scores(predictor):
    """Score of each golden clip, by name."""
    return {name: predictor(clip, SAMPLE_RATE).score for name, clip in golden_clips().items()}


def write_golden(predictor, version):
    """Write golden.json beside the predictor's weights and return what it holds."""
    scores = {name: round(score, 5) for name, score in golden_scores(predictor).items()}
    record = {"version": version, "weights_sha256": weights_of(predictor), "scores": scores}
    write_json(predictor.folder / GOLDEN, record)
    return record


def read_golden(predictor):
    """What golden.json beside the predictor holds.

    Raises
    ------
    ValueError
        If the weights are others than those whose scores it holds.
    """
    record = json.loads((predictor.folder / GOLDEN).read_text("utf-8"))
    if record["weights_sha256"] != weights_of(predictor):
        raise ValueError(
            f"{predictor.folder / GOLDEN} belongs to other weights: give the new model a new "
            "version with scripts/ship_predictor.py."
        )
    return record


def weights_of(predictor):
    """sha256 of the weights of the network and of its encoders, by name."""
    description = json.loads((predictor.folder / "model.json").read_text("utf-8"))
    weights = {
        "network": description["weights"]["sha256"],
        "encoder": predictor.encoder.weights_sha256,
    }
    if "spectrogram" in description:
        weights["spectrogram"] = description["spectrogram"]["sha256"]
    return weights
