"""Recordings scored in shards: by the jobs of an array, by a cluster, and again after a stop.

A shard is a few hundred recordings, named by their paths, sizes and dates and by the model, so what
has changed is scored again. The table is put together when all shards are there, by whoever
finishes last.
"""

import hashlib
import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np

from aqp_utils.core.files import write_npz
from aqp_utils.core.text import shown
from aqp_utils.predict.predictor import Predictor, rows_of_problems, table_of
from aqp_utils.recordings.folders import find_recordings
from aqp_utils.runs.shards import Shard, is_whole, make_shards, part_of

FILES_PER_SHARD = 500


def folder_of(csv):
    """Where the shards of the table `csv` are kept until it is whole."""
    return Path(f"{csv}.shards")


def scored_in_shards(paths, csv, model=None, device="auto", part=0, of=1, dask=None, curve=False):
    """Score this job's share of some recordings, and put the table together if all are scored.

    Parameters
    ----------
    paths : list of path
        Files and folders; every job names the same ones.
    csv : path
        The table; shards wait in `folder_of` it, which all machines have to share.
    model : str, optional
        Absolute path, for workers may stand elsewhere.
    device : str
        These two as in `Predictor.load`.
    part, of : int
        Which share, from 0, and how many there are.
    dask : str, optional
        Address of a Dask scheduler; its workers score instead of this process.
    curve : bool
        As in `Predictor.files`.

    Returns
    -------
    table : DataFrame or None
        As `Predictor.files` gives it; None while shards of other jobs are missing.
    missing : int
        How many are.

    Raises
    ------
    ValueError
        If there is no such part.
    RuntimeError
        As `make_shards` does.
    """
    found = find_recordings(paths)
    shards = _shards(found.files, folder_of(csv).resolve(), model, device, curve)
    make_shards(score_shard, part_of(shards, part, of), 1, dask)
    missing = sum(not is_whole(shard.path) for shard in shards)
    return (None if missing else _joined(found, shards, curve)), missing


def remove_shards(csv):
    """Remove the shards of `csv`, once its table is written."""
    shutil.rmtree(folder_of(csv), ignore_errors=True)


def score_shard(path, files, model, device, curve):
    """Score `files`, absolute paths, and keep their rows in `path`."""
    table = loaded(model, device).files(files, progress=False, curve=curve)
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    write_npz(path, rows=np.array(json.dumps(rows)))


@cache
def loaded(model, device):
    """The predictor of this process: of `Predictor.load`, or the one that is here already."""
    return Predictor.load(model, device)


def _shards(files, folder, model, device, curve):
    absolute = [str(path.absolute()) for path in files]
    shards = []
    for first in range(0, len(files), FILES_PER_SHARD):
        some = absolute[first : first + FILES_PER_SHARD]
        about = json.dumps([[_state(path) for path in some], _model_state(model, device), curve])
        name = hashlib.sha256(about.encode()).hexdigest()[:16]
        shards.append(Shard(folder / f"{name}.npz", (some, model, device, curve)))
    return shards


def _state(path):
    try:
        found = Path(path).stat()
    except OSError:
        return [path]
    return [path, found.st_size, found.st_mtime_ns]


@cache
def _model_state(model, device):
    """Hash of a model's description, which names the hashes of all its parts."""
    about = loaded(model, device).model.about
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()


def _joined(found, shards, curve):
    rows = []
    for shard in shards:
        with np.load(shard.path) as content:
            rows += json.loads(str(content["rows"]))
    for row, path in zip(rows, found.files, strict=True):
        row["error"] = row["error"].replace(row["file"], shown(path), 1)
        row["file"] = shown(path)
    return table_of([*rows, *rows_of_problems(found)], found, curve)
