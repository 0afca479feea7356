"""Time two ways of doing the same, side by side, and what the machine could do at most.

pytest-benchmark times one function after another. On a machine that others use too, its speed has
changed by then; here both ways take turns, and the ratio is the median over turns.
"""

import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np

MIB = 2**20


ENOUGH_S = 2.0  # of one way: no further turn is begun
on_one_core, on_the_wall = time.process_time, time.perf_counter


def of_children():
    """Processor time (s) of the processes that this one has started and that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def take_turns(ours, plain=None, clock=on_one_core, turns=7):
    """Seconds per call of `ours`, of `plain` (or None), and the median ratio plain / ours.

    On one core, `clock` is processor time, which others on the machine disturb least; on several
    it has to be time on the wall.
    """
    ways = [ours] if plain is None else [ours, plain]
    seconds = {way: [] for way in ways}
    for way in ways:
        way()  # compile, fill caches
    for _ in range(turns):
        for way in ways:
            began = clock()
            way()
            seconds[way].append(clock() - began)
        if max(map(sum, seconds.values())) > ENOUGH_S:
            break
    ours_s = statistics.median(seconds[ours])
    if plain is None:
        return ours_s, None, None
    pairs = zip(seconds[plain], seconds[ours], strict=True)
    return ours_s, statistics.median(seconds[plain]), statistics.median(p / o for p, o in pairs)


def forget_peak():
    """Begin a new peak of memory; nothing happens where the system is not Linux."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def peak_mb():
    """Largest resident memory (MB) of this process since `forget_peak`, or None."""
    if sys.platform != "linux":
        return None
    status = Path("/proc/self/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def matrix_peak_gflops(cores):
    """Most that a product of two float32 matrices reaches here: 10^9 operations a second."""
    import torch

    n = 2048
    a, b = torch.rand(n, n), torch.rand(n, n)
    return 2 * n**3 / _best_s(lambda: torch.mm(a, b), cores) / 1e9


def bandwidth_gb_s(cores):
    """Most that copying an array larger than any cache reaches here: GB/s, read and written."""
    import torch

    a, b = torch.zeros(2, 32 * MIB)
    return 2 * a.nbytes / _best_s(lambda: b.copy_(a), cores) / 1e9


def _best_s(work, cores, turns=7):
    clock = on_one_core if cores == 1 else on_the_wall
    work()
    seconds = []
    for _ in range(turns):
        began = clock()
        work()
        seconds.append(clock() - began)
    return min(seconds)


def machine():
    """Processor, its number, memory and versions, in one line."""
    name = platform.processor() or platform.machine()
    if (about := Path("/proc/cpuinfo")).is_file():
        lines = about.read_text("utf-8", errors="replace").splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{name}, {os.cpu_count()} processors, {memory_gb:.0f} GB, Python "
        f"{platform.python_version()}, numpy {np.__version__}"
    )
