"""The clips of the `field` training: recorded sources, damaged versions, measured labels.

Each source is kept clean and in damaged versions of it. What a version is worth is measured:
P.862.2 against its own source. The clips are made in shards, on all cores or on a cluster; a shard
that is there is kept, so an interrupted run goes on.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from aqp_utils.core.files import write_npz
from aqp_utils.core.scale import class_of_score, to_scale
from aqp_utils.degradations.catalogue import ALL_DAMAGES, DAMAGES
from aqp_utils.model.conformal import FEWEST_CLIPS
from aqp_utils.runs.code import code_behind
from aqp_utils.runs.shards import Shard, make_shards
from aqp_utils.training.field.recipe import PARTS, make_source
from aqp_utils.training.field.sources import shares

SOURCES_PER_SHARD = 60  # several hundred clips, a minute or two: lost in a stop
HELD_OUT_SHARE = 0.1  # of the speakers, for validation and for the test, each


@dataclass
class FieldClips:
    """Clips in memory.

    Attributes
    ----------
    audio : ndarray of int16, shape (n, samples)
        Each scaled to the same peak; the encoder normalises its input.
    features : ndarray, shape (n, 19)
        At the level of training.
    table : DataFrame, n rows
        source, version, family, speaker, history (JSON list of damages), kind ("clean", the family
        of the one damage, or "several"), p862_2, score, quality, part, and the recording conditions
        of the source.
    left_out : int
        Clips without a label: P.862.2 found no utterance in them.
    """

    audio: np.ndarray
    features: np.ndarray
    table: pd.DataFrame
    left_out: int


def _audio(shards, kept):
    """The clips that are `kept` of each shard, int16 (n, samples): gigabytes, so never twice."""
    audio, filled = None, 0
    for path, mask in zip(shards, kept, strict=True):
        with np.load(path) as shard:
            clips = shard["audio"][mask]
        if audio is None:
            audio = np.empty((sum(map(np.sum, kept)), clips.shape[1]), dtype=np.int16)
        audio[filled : filled + len(clips)] = clips
        filled += len(clips)
    return audio


_FAMILY = {damage.name: damage.family for damage in ALL_DAMAGES}


def make_shard(path, seed, sources, duration_s):
    """Make the clips of some `sources` and keep them in one compressed file, whole or absent."""
    made = [make_source(seed, source, duration_s) for source in sources]
    audio, features, rows = zip(*made, strict=True)
    table = json.dumps([row for part in rows for row in part])
    write_npz(path, audio=np.concatenate(audio), features=np.concatenate(features), table=table)


def shards_of(folder, n_sources, duration_s, seed):
    """What has to be made for `n_sources` sources, as a list of `Shard`."""
    shards = []
    for first in range(0, n_sources, SOURCES_PER_SHARD):
        sources = range(first, min(first + SOURCES_PER_SHARD, n_sources))
        path = Path(folder) / f"sources_{first:06d}_to_{sources[-1]:06d}.npz"
        shards.append(Shard(path, (seed, sources, duration_s)))
    return shards


def make_clips(folder, n_sources, duration_s, seed, processes):
    """Make all clips in `folder`, those of finished shards excepted.

    The workers of a Dask cluster make them if the variable `AQP_DASK` names its scheduler; `folder`
    has to be one that they share.

    Parameters
    ----------
    folder : Path
    n_sources : int
        What each gives: see `recipe.make_source`.
    duration_s : float
    seed : int
    processes : int

    Returns
    -------
    list of Path
        The shards, in order.

    Raises
    ------
    ModuleNotFoundError
        If the package pesq is not installed: the labels are measured with it.
    """
    shards = shards_of(folder.resolve(), n_sources, duration_s, seed)
    made = make_shards(make_shard, shards, processes, os.environ.get("AQP_DASK"))
    return [folder / path.name for path in made]


def load_clips(shards, seed):
    """Read shards, leave out clips without a label, and split by speaker.

    Parameters
    ----------
    shards : list of Path
    seed : int
        Of the split.

    Returns
    -------
    FieldClips
    """
    features, tables = [], []
    for path in shards:
        with np.load(path) as shard:
            features.append(shard["features"])
            tables.append(pd.DataFrame(json.loads(str(shard["table"]))))
    table = pd.concat(tables, ignore_index=True)
    labelled = table["p862_2"].notna().to_numpy()
    table = table[labelled].reset_index(drop=True)
    audio = _audio(shards, [one["p862_2"].notna().to_numpy() for one in tables])
    table["score"] = to_scale(table["p862_2"])
    table["quality"] = class_of_score(table["score"])
    table["kind"] = [kind_of(json.loads(history)) for history in table["history"]]
    sizes = table["part"].value_counts().reindex(PARTS, fill_value=0)
    if sizes.min() < FEWEST_CLIPS:  # a few sources: too little would be held out to measure on
        table["part"] = split_by_speaker(table, seed)
    return FieldClips(
        audio=audio,
        features=np.concatenate(features)[labelled],
        table=table,
        left_out=int(np.sum(~labelled)),
    )


def kind_of(history):
    """Name for what happened to a clip: "clean", the family of the only damage, or "several"."""
    if len(history) == 1:
        return _FAMILY[history[0]["name"]]
    return "several" if history else "clean"


def split_by_speaker(table, seed):
    """Part of each clip: a voice is learned from, or stopped by, or tested on, never two of them.

    Returns
    -------
    ndarray of str, shape (n,)
    """
    part = np.full(len(table), PARTS[0], dtype=object)
    left = np.arange(len(table))
    for number, name in enumerate(PARTS[1:]):
        share = HELD_OUT_SHARE / (1 - number * HELD_OUT_SHARE)
        split = GroupShuffleSplit(1, test_size=share, random_state=seed + number)
        kept, held_out = next(split.split(left, groups=table["speaker"].to_numpy()[left]))
        part[left[held_out]] = name
        left = left[kept]
    return part


def key_of(seed, duration_s):
    """Short name of a set of clips: settings, what can speak and code here, and the code itself.

    Clips of an interrupted run are only taken up again if all of this is as it was.
    """
    about = [seed, duration_s, shares(), sorted(DAMAGES), code_behind("training.field.recipe")]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]
