"""No room and no right to write, for every command: one sentence, and nothing half-written.

    python tests/faults/disk.py RUN [--seed 0] [--csv disk.csv]

RUN is a finished run folder of the preset tiny of kills.py; copies of it are worked on. A full
disk is a limit on the size of files (ulimit -f) at drawn sizes and, where this user may mount one,
a small disk in memory.
"""

import argparse
import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from kills import PRESETS, STUDY, take_away
from results import Results

from aqp_utils.runs.notebooks import find_root

KEPT = "scores.csv.part"  # whole rows
WORDS = {
    "full": ("disk is full", "larger than", "MB are free", "No space left"),
    "readonly": ("cannot be written", "read-only", "Read-only", "denied"),
}


def commands(run, out):
    """Every command that writes, as arguments that write to `out`; name -> arguments."""
    clips = run / "02_degraded" / "clips"
    labels = run / "02_degraded" / "clips.csv"
    return {
        "run": ["run", *PRESETS["tiny"], "--out", str(out / "run")],
        "predict": ["predict", str(clips), "--csv", str(out / "scores.csv")],
        "evaluate": ["evaluate", str(labels), "--out", str(out / "agreement")],
    }


def limited(n_bytes):
    """What a process does first so that no file of it grows beyond `n_bytes`; None: nothing."""
    if n_bytes is None:
        return None
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def said(arguments, n_bytes=None):
    """Exit code and error output of `aqp`."""
    done = subprocess.run(
        [sys.executable, "-m", "aqp_utils", *arguments],
        cwd=find_root(),
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(find_root())},
        capture_output=True,
        text=True,
        preexec_fn=limited(n_bytes),
        timeout=7200,
    )
    return done.returncode, done.stderr


def judge(code, text, words):
    """Whether a refusal is one sentence of ours that says what is wrong; else what it was."""
    ours = [line for line in text.splitlines() if re.match(r"aqp: (?!stopped; \d+ rows)", line)]
    good = code in (1, 2) and len(ours) == 1 and "Traceback" not in text
    return good and any(word in text for word in words), (ours or text.splitlines() or [""])[-1]


def parts_in(folder):
    """Half-written files below `folder`; what was scored before there was no room may stay."""
    parts = list(Path(folder).rglob("*.part"))
    return [path.name for path in parts if path.name != KEPT or path.read_bytes()[-1:] != b"\n"]


def small_disk(folder, megabytes):
    """A disk in memory of that size at `folder`, or None if this user may mount none."""
    folder.mkdir()
    size = f"size={megabytes}m"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True
    )
    return None if done.returncode else folder


def try_limits(run, rng, results, n):
    """Each command under drawn limits of file size: refused with a sentence, or done."""
    for name in commands(run, run):
        for _ in range(n):
            n_bytes = int(10 ** rng.uniform(2.5, 6.0))
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder)
                if name == "run":
                    shutil.copytree(run, out / "run")
                    take_away(out / "run", str(rng.choice(list(STUDY))))
                code, text = said(commands(run, out)[name], n_bytes)
                good, line = judge(code, text, WORDS["full"])
                left = parts_in(out)
            results.add(name, "limit", n_bytes, code, line, held=(code == 0 or good) and not left)


def try_small_disks(run, rng, results, n):
    """Each command on small disks."""
    for name in commands(run, run):
        for _ in range(n):
            megabytes = int(rng.integers(1, 12))
            with tempfile.TemporaryDirectory() as folder:
                out = small_disk(Path(folder) / "small", megabytes)
                if out is None:
                    print("no small disk: this user may mount none")
                    return
                try:
                    code, text = said(commands(run, out)[name])
                    left = parts_in(out)
                finally:
                    subprocess.run(["umount", str(out)], check=True)
                good, line = judge(code, text, WORDS["full"])
            results.add(name, "disk", megabytes, code, line, held=(code == 0 or good) and not left)


def try_read_only(run, results):
    """Each command where nothing may be written; `verify`, which only reads, still works there."""
    with tempfile.TemporaryDirectory() as folder, locked_place(Path(folder)) as out:
        for name, arguments in commands(run, out).items():
            code, text = said(arguments)
            good, line = judge(code, text, WORDS["readonly"])
            results.add(name, "read-only", 0, code, line, held=good)
    with tempfile.TemporaryDirectory() as folder:
        out = small_disk(Path(folder) / "small", 200)
        if out is not None:
            try:
                shutil.copytree(run, out / "run")
                subprocess.run(["mount", "-o", "remount,ro", str(out)], check=True)
                code, text = said(["verify", str(out / "run")])
            finally:
                subprocess.run(["umount", str(out)], check=True)
            results.add("verify", "read-only", 0, code, text[-80:].strip(), held=code == 0)


@contextlib.contextmanager
def locked_place(folder):
    """A folder that this user may not write in; for root, whom no mode stops, one of /proc."""
    if os.getuid() == 0:
        yield Path("/proc/aqp")
        return
    os.chmod(folder, 0o555)
    yield folder
    os.chmod(folder, 0o755)


def main():
    """Try all, count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--n", type=int, default=5, help="trials of each command and kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv")
    arguments = parser.parse_args()
    print(f"disk: seed {arguments.seed}")
    rng, run = np.random.default_rng(arguments.seed), Path(arguments.run).resolve()
    results = Results(arguments.csv, ["command", "kind", "size", "exit_code", "said"])
    try_read_only(run, results)
    try_limits(run, rng, results, arguments.n)
    try_small_disks(run, rng, results, arguments.n)
    results.finish("disk")


if __name__ == "__main__":
    main()
