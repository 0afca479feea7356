"""One source of the `field` training: how it sounds, what happens to it, what that is worth."""

import hashlib
import json
from functools import partial

import numpy as np

from aqp_utils.core.audio import level_of_training
from aqp_utils.core.randomness import rng_for
from aqp_utils.data.labels import measured_pesq
from aqp_utils.degradations.catalogue import RARE
from aqp_utils.degradations.draws import damaged, draw_damages, draw_hard, draw_rare
from aqp_utils.features.psychoacoustics import psychoacoustic_features
from aqp_utils.training.field.sources import draw_source

PARTS = ("train", "validation", "test")
TENTHS = (0, 0, 0, 0, 0, 0, 0, 0, 1, 2)  # of the speakers, by part
VERSIONS = 5  # version 0 is the clean source, 1 to 4 are damaged
HARD_VERSIONS = 4  # more of those that are learned from, with what a predictor mistook most
STRETCHED_VERSIONS = 2  # and more from time stretchers, which nothing but splices gives away
OTHER_VERSIONS = 1  # and one of the mechanisms held out, which only a last training learns from
RARE_VERSIONS = 2  # and two from each shelf of what is rare; one of other sources
FIRST_STRETCHED = VERSIONS + HARD_VERSIONS
FIRST_OTHER = FIRST_STRETCHED + STRETCHED_VERSIONS
FIRST_RARE = FIRST_OTHER + OTHER_VERSIONS
ALL_VERSIONS = FIRST_RARE + RARE_VERSIONS * len(RARE)  # of a source that is learned from
TEST_VERSIONS = VERSIONS + len(RARE)  # of a source that is not
UNTOUCHED = 4.644  # P.862.2 of a clip against itself; measuring it again and again takes long
FEATURE_SET = "psychoacoustic"
PEAK = 32_000  # of the stored clips; the encoder normalises its input


def part_of(speaker):
    """Part of a speaker: a voice is learned from, or stopped by, or tested on, never two of them.

    Half of the damaged versions in validation and test are of mechanisms that only a last training
    learns from.
    """
    digest = hashlib.sha256(speaker.encode()).digest()
    return PARTS[TENTHS[int.from_bytes(digest[:4], "big") % len(TENTHS)]]


def make_source(seed, source, duration_s):
    """Clean source number `source` and its damaged versions, from their own random streams.

    Returns
    -------
    audio : ndarray of int16, shape (versions, n)
        TEST_VERSIONS of them, or ALL_VERSIONS if the source is learned from.
    features : ndarray, shape (versions, 19)
    rows : list of dict
        What the table of `FieldClips` starts from; p862_2 is NaN where P.862.2 found no
        utterance.
    """
    clean, facts = draw_source(duration_s, rng_for(seed, "field", source))
    facts["part"] = part_of(facts["speaker"])
    clips, features, rows = [], [], []
    learned = facts["part"] == PARTS[0]
    for version in range(ALL_VERSIONS if learned else TEST_VERSIONS):
        heard, history, p862_2 = clean, [], UNTOUCHED
        if version:
            rng = rng_for(seed, "field", source, version)
            heard, history = damaged(clean, rng, _draw_of(version, learned))
            p862_2 = _label(clean, heard)
        heard = level_of_training(heard)
        clips.append(np.round(heard * (PEAK / np.max(np.abs(heard)))).astype(np.int16))
        features.append(psychoacoustic_features(heard))
        row = dict(source=source, version=version, history=json.dumps(history), p862_2=p862_2)
        rows.append(row | facts)
    if all(np.isnan(row["p862_2"]) for row in rows[1:]):  # then there is none in the clean one
        rows[0]["p862_2"] = np.nan
    return np.stack(clips), np.stack(features), rows


def _draw_of(version, learned):
    """What draws the damages of a version from 1 on."""
    if version < VERSIONS:
        return partial(draw_damages, held_out=not learned and version % 2 == 0)
    if not learned:
        return partial(draw_rare, shelf=version - VERSIONS)
    if version < FIRST_STRETCHED:
        return draw_hard
    if version < FIRST_OTHER:
        return partial(draw_hard, families=("tempo",))
    if version < FIRST_RARE:
        return partial(draw_damages, held_out=True)
    return partial(draw_rare, shelf=(version - FIRST_RARE) // RARE_VERSIONS)


def _label(clean, heard):
    try:
        return measured_pesq(clean, heard)
    except ValueError:
        return np.nan
