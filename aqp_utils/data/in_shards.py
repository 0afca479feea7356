"""One result for each of many items, computed in shards: on all cores, or by a Dask cluster.

The variable AQP_DASK names the scheduler of a cluster, whose workers have to see the same folders.
"""

import hashlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from aqp_utils.runs.code import code_behind
from aqp_utils.runs.shards import Shard, make_shards

SHARDS = 8  # at least, where there is enough to do: all cores have work, and the bar moves
FEWEST, MOST = 25, 500  # items of one shard; a run that is killed loses what was in hand


def shards_of(task, items, keys, arguments, folder, label):
    """Shards of some items, each named by all that its content depends on.

    Parameters
    ----------
    task : callable
        ``task(path, items, *arguments)``, a function of a module of this package.
    items : list
        What can be sent: numbers, texts, paths, mappings of them.
    keys : list of str
        One for each item: all that its result depends on, the arguments and the code excepted.
    arguments : tuple
        For all items alike.
    folder : Path
    label : str
        What is made; the beginning of the names.

    Returns
    -------
    list of Shard
    """
    size = min(MOST, max(FEWEST, -(-len(items) // SHARDS)))
    code = code_behind(task.__module__.partition(".")[2])
    shards = []
    for first in range(0, len(items), size):
        about = json.dumps([keys[first : first + size], [str(one) for one in arguments], code])
        digest = hashlib.sha256(about.encode()).hexdigest()[:20]
        path = Path(folder).resolve() / f"{label.replace(' ', '_')}_{first:06d}_{digest}.npz"
        shards.append(Shard(path, (items[first : first + size], *arguments)))
    return shards


def in_shards(task, items, keys, arguments, folder, label, read, processes=None):
    """Compute results for some items and read them back, one shard in memory at a time.

    Parameters
    ----------
    task : callable
    items : list
    keys : list of str
    arguments : tuple
        These four as in `shards_of`.
    folder : Path or None
        Where finished shards lie until the run is over, so that a killed one goes on from there;
        None: nowhere, and then nothing is computed on a cluster.
    label : str
        As in `shards_of`, and for the bar.
    read : callable
        The path of a shard -> what is kept of it.
    processes : int, optional
        On this machine; 1: this one, with all its threads. Default: one per core, of one thread.

    Returns
    -------
    list
        What `read` gave, in order.

    Raises
    ------
    ValueError
        If there are no items.
    """
    if not items:
        raise ValueError(f"{label}: there are no clips to compute.")
    with TemporaryDirectory() as passing:
        shards = shards_of(task, items, keys, arguments, folder or passing, label)
        address = os.environ.get("AQP_DASK") if folder else None  # others do not see `passing`
        threads = None if processes == 1 else 1
        processes = processes or min(os.cpu_count(), len(shards))
        paths = make_shards(task, shards, processes, address, label, threads)
        return [read(path) for path in paths]
