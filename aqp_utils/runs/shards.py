"""Much work in shards: one task makes one checked file, here or on many machines.

A shard is a path and a few small arguments. Its task writes one ``.npz`` file, whole or absent, and
may be run twice: nothing but the file is kept, so whoever was killed loses what was in hand and no
more. Paths go out and a path comes back, never arrays. A file is checked by the checksums that the
format keeps; one that does not hold is made again.
"""

import time
import zipfile
from concurrent.futures import CancelledError, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from aqp_utils.core.package import PACKAGE
from aqp_utils.runs.code import code_behind

TRIES = 5  # in a row, without one more shard
PATIENCE_S = 30  # until a scheduler answers


@dataclass(frozen=True)
class Shard:
    """What one task makes.

    Attributes
    ----------
    path : Path
        The file; on a cluster, in a folder that all machines share.
    arguments : tuple
        What `task` gets after the path. Small: they travel.
    """

    path: Path
    arguments: tuple


class LostWorkersError(Exception):
    """Those who computed are gone; what they had finished is on disk."""


def is_whole(path):
    """Whether the ``.npz`` file `path` is there and all its checksums hold."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError):
        return False


def part_of(shards, part, of):
    """Every `of`-th shard, from number `part` (from 0) on: the share of one job of an array."""
    if not 0 <= part < of:
        raise ValueError(f"there is no part {part} of {of}: parts are 0 to {of - 1}.")
    return shards[part::of]


def make_shards(task, shards, processes=1, address=None, label="shards", threads=1):
    """Make the shards that are not there yet, and those that do not hold.

    Parameters
    ----------
    task : callable
        ``task(path, *arguments)``, a function of a module of this package.
    shards : list of Shard
    processes : int
        On this machine; 1: in this process.
    address : str, optional
        Of a Dask scheduler; its workers compute instead, with the same version of this package.
    label : str
        What is made, for the bar.
    threads : int or None
        Of a process on this machine; None: as many as it likes. Workers have one each.

    Returns
    -------
    list of Path
        The files, in order.

    Raises
    ------
    RuntimeError
        If those who compute are lost again and again, or have other code.
    """
    left = [shard for shard in shards if not is_whole(shard.path)]
    if len(left) < len(shards):
        print(f"{label}: resuming: {len(shards) - len(left)} of {len(shards)} shards", flush=True)
    tries = 0
    with tqdm(total=len(left), desc=label, unit="shard", mininterval=2) as progress:
        while left:
            try:
                for _ in _computed(task, left, processes, address, threads):
                    progress.update()
            except LostWorkersError as lost:
                before = len(left)
                left = [shard for shard in left if not is_whole(shard.path)]
                tries = 1 if len(left) < before else tries + 1
                if tries == TRIES:
                    raise RuntimeError(
                        f"{len(left)} shards are left and nobody makes them: {lost}. Start again "
                        "with the same command, what is finished is kept."
                    ) from lost
                print(f"{lost}; going on with {len(left)} shards", flush=True)
                time.sleep(2**tries)
            else:
                before = len(left)
                left = [shard for shard in left if not is_whole(shard.path)]
                if len(left) == before:
                    raise RuntimeError(
                        f"{left[0].path} was made but is not here: those who compute have to share "
                        "its folder with this machine."
                    )
    return [shard.path for shard in shards]


def _computed(task, shards, processes, address, threads):
    """Paths, one after the other, as they are made."""
    version, threads = _version(task.__module__), 1 if address else threads
    jobs = [(task, str(shard.path), shard.arguments, version, threads) for shard in shards]
    return _on_cluster(jobs, address) if address else _here(jobs, processes)


def _here(jobs, processes):
    if processes == 1:
        yield from (_make(*job) for job in jobs)
        return
    with ProcessPoolExecutor(processes) as pool:
        try:
            for done in as_completed([pool.submit(_make, *job) for job in jobs]):
                yield done.result()
        except BrokenProcessPool as error:
            raise LostWorkersError("a process was killed") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _on_cluster(jobs, address):
    try:
        import distributed
    except ImportError as error:
        raise RuntimeError("Dask is not installed: pip install 'aqp-utils[cluster]'.") from error
    lost = CancelledError, OSError, TimeoutError, distributed.scheduler.KilledWorker
    failure = None
    try:
        with distributed.Client(address, timeout=PATIENCE_S) as client:
            # Not pure: a result that the scheduler remembers may be of a file that is gone.
            submitted = [client.submit(_make, *job, pure=False) for job in jobs]
            for done in distributed.as_completed(submitted):
                if done.status == "error" and not isinstance(done.exception(), lost[-1]):
                    failure = done.exception()  # of the task, not of the cluster
                    break
                yield done.result()
    except lost as error:
        raise LostWorkersError(f"the cluster at {address} is lost ({error})") from error
    if failure is not None:
        raise failure


@cache
def _version(module):
    """Hash of the code behind a task, as far as it is of this package."""
    name = f"{PACKAGE.name}."
    return code_behind(module.removeprefix(name)) if module.startswith(name) else None


def _make(task, path, arguments, version, threads):
    """Run in a worker: make one file, if nobody has made it meanwhile, and check it."""
    if _version(task.__module__) != version:
        raise RuntimeError("this worker has another version of aqp_utils: install the same.")
    if not is_whole(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with threadpool_limits(threads):
            task(Path(path), *arguments)
        if not is_whole(path):
            raise RuntimeError(f"{path}: what was written cannot be read again.")
    return path
