"""The 19 features of a folder of clips: in shards, and resumed where a run was cut off."""

from functools import cache
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController

from aqp_utils.core.audio import read_clip
from aqp_utils.core.files import sha256, write_npz
from aqp_utils.data.in_shards import in_shards
from aqp_utils.features.sets import lookup


def features_of(files, feature_set, checkpoints, label=None):
    """The 19 features of each file.

    Parameters
    ----------
    files : list of Path
    feature_set : str
        "psychoacoustic" or "classic".
    checkpoints : Path
        `Stage.checkpoints`, or None to keep nothing of a run that is stopped.
    label : str, optional
        Shown in the progress bar; default: the name of the set.

    Returns
    -------
    ndarray of float64, shape (n, 19)
    """
    paths = [str(Path(file).resolve()) for file in files]
    keys = [sha256(path) for path in paths]
    label, given = label or f"{feature_set} features", (feature_set,)
    return np.concatenate(in_shards(_shard, paths, keys, given, checkpoints, label, _values))


def _shard(path, files, feature_set):
    write_npz(path, values=np.array([extract_one(file, feature_set) for file in files]))


def _values(path):
    with np.load(path) as shard:
        return shard["values"]


def extract_one(path, feature_set):
    """Features of one WAV file, shape (19,).

    Raises
    ------
    ValueError
        If the file is no clip, or its audio cannot be described; names the file.
    """
    audio = read_clip(path)
    try:
        return describe(audio, feature_set)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def describe(audio, feature_set):
    """Features of a clip, float32 of shape (n,), as float64 of shape (19,)."""
    # One thread: the number of threads can change the last bits of a matrix product.
    with _threads().limit(limits=1):
        return lookup(feature_set)[1](audio)


@cache
def _threads():
    return ThreadpoolController()  # finding the libraries takes longer than some features
