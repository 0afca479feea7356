"""One source of the `field` training: how it sounds, what happens to it, what that is worth."""

import json

import numpy as np

from aqp_utils.core.audio import level_of_training
from aqp_utils.core.randomness import rng_for
from aqp_utils.data.labels import measured_pesq
from aqp_utils.degradations.catalogue import damaged
from aqp_utils.features.psychoacoustics import psychoacoustic_features
from aqp_utils.training.field.sources import draw_source

VERSIONS = 5  # version 0 is the clean source, 1 to 4 are damaged
FEATURE_SET = "psychoacoustic"
PEAK = 32_000  # of the stored clips; the encoder normalises its input


def make_source(seed, source, duration_s):
    """Clean source number `source` and its damaged versions, from their own random streams.

    Returns
    -------
    audio : ndarray of int16, shape (VERSIONS, n)
    features : ndarray, shape (VERSIONS, 19)
    rows : list of dict
        What the table of `FieldClips` starts from; p862_2 is NaN where P.862.2 found no
        utterance.
    """
    clean, facts = draw_source(duration_s, rng_for(seed, "field", source))
    clips, features, rows = [], [], []
    for version in range(VERSIONS):
        heard, history = clean, []
        if version:
            heard, history = damaged(clean, rng_for(seed, "field", source, version))
        try:
            p862_2 = measured_pesq(clean, heard)
        except ValueError:
            p862_2 = np.nan
        heard = level_of_training(heard)
        clips.append(np.round(heard * (PEAK / np.max(np.abs(heard)))).astype(np.int16))
        features.append(psychoacoustic_features(heard))
        row = dict(source=source, version=version, history=json.dumps(history), p862_2=p862_2)
        rows.append(row | facts)
    return np.stack(clips), np.stack(features), rows
