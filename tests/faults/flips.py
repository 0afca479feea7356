"""Flip single bits of a run folder, one at a time: does `aqp verify` find each?

    python tests/faults/flips.py RUN [--n 100] [--seed 0] [--csv flips.csv]

Works on a copy. Every second flip falls on a file drawn evenly, the others on a byte drawn evenly.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from results import Results

from aqp_utils.runs import verification


def recorded_files(run):
    """All files of the run folder, sorted, without the empty lock."""
    return sorted(p for p in Path(run).rglob("*") if p.is_file() and p.stat().st_size)


def draw(files, rng, by_size):
    """A file and one of its bits."""
    sizes = np.array([path.stat().st_size for path in files], dtype=float)
    weights = sizes / sizes.sum() if by_size else None
    path = files[rng.choice(len(files), p=weights)]
    return path, int(rng.integers(path.stat().st_size * 8))


def flip(path, bit):
    """Flip one bit of a file in place."""
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def problems(run):
    """What `aqp verify` says is wrong with the files."""
    return [text for _, _, found in verification.check(run) for text in found.problems]


def trials(run, n, seed, files=None):
    """Flip `n` bits of `run` (of some `files` of it), one after the other, each turned back.

    Yields
    ------
    file, bit : str, int
    said : list of str
        What was found wrong.
    seconds : float
    """
    rng, files = np.random.default_rng(seed), files or recorded_files(run)
    for trial in range(n):
        path, bit = draw(files, rng, by_size=trial % 2)
        flip(path, bit)
        began = time.monotonic()
        said = problems(run)
        yield path.relative_to(run).as_posix(), bit, said, time.monotonic() - began
        flip(path, bit)


def main():
    """Flip, tell, count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv")
    arguments = parser.parse_args()
    print(f"flips: seed {arguments.seed}, {arguments.n} flips of {arguments.run}")
    results = Results(arguments.csv, ["file", "bit", "seconds", "said"])
    with tempfile.TemporaryDirectory() as folder:
        run = shutil.copytree(arguments.run, Path(folder) / "run")
        assert not problems(run), "the run is damaged before any flip"
        for file, bit, said, seconds in trials(run, arguments.n, arguments.seed):
            results.add(file, bit, round(seconds, 2), said[0] if said else "", held=said)
        assert not problems(run)
    results.finish("flips found")


if __name__ == "__main__":
    main()
