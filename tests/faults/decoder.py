"""Stop or kill the decoder at drawn moments: one file gets a reason, all others are read.

    python tests/faults/decoder.py [--n 60] [--seed 0] [--csv decoder.csv]

A stopped process still exists but gives no sign of life, as one in an endless loop.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile as sf
from results import Results

from aqp_utils.recordings import second_process
from aqp_utils.recordings.reading import RecordingError

N_FILES, DURATION_S, RATE_HZ = 8, 20.0, 48_000
PATIENCE_S = 15.0  # of the reader; a busy machine needs seconds to start a process
HOW = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}
REASONS = ("the decoder crashed on this file", "the decoder gave no sign of life")


def recordings(folder, rng):
    """Files that take a moment to read."""
    paths = [Path(folder) / f"{i}.flac" for i in range(N_FILES)]
    for path in paths:
        sf.write(path, 0.1 * rng.standard_normal(int(DURATION_S * RATE_HZ)), RATE_HZ)
    return paths


class Decoders:
    """The processes that `read_all` starts: the first one is sent a signal at a drawn moment."""

    def __init__(self, how, after_s):
        self.how, self.after_s, self.sent, self._first = how, after_s, False, True

    def start(self, *words, **settings):
        """As `subprocess.Popen`."""
        process = subprocess.Popen(*words, **settings)
        if self._first:
            threading.Thread(target=self._send, args=[process], daemon=True).start()
        self._first = False
        return process

    def _send(self, process):
        time.sleep(self.after_s)
        if process.poll() is None:
            os.kill(process.pid, self.how)
            self.sent = True


class _Module:
    """`subprocess` with another Popen."""

    PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL

    def __init__(self, decoders):
        self.Popen = decoders.start


def trial(paths, how, after_s):
    """What `read_all` gives when its decoder is sent a signal; whether the signal was sent."""
    decoders = Decoders(how, after_s)
    second_process.subprocess = _Module(decoders)
    try:
        return list(second_process.read_all(paths, PATIENCE_S)), decoders.sent
    finally:
        second_process.subprocess = subprocess


def judge(found, expected):
    """Files without audio and why; whether at most one has none and all others are as they were."""
    failed = [one for one in found if isinstance(one, RecordingError)]
    same = all(
        np.array_equal(one.audio, wanted.audio)
        for one, wanted in zip(found, expected, strict=True)
        if not isinstance(one, RecordingError)
    )
    known = all(any(reason in str(one) for reason in REASONS) for one in failed)
    return [str(one) for one in failed], same and known and len(failed) <= 1


def main():
    """Try all, count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv")
    arguments = parser.parse_args()
    print(f"decoder: seed {arguments.seed}, {arguments.n} signals", flush=True)
    rng = np.random.default_rng(arguments.seed)
    results = Results(arguments.csv, ["what", "after_s", "said"])
    with tempfile.TemporaryDirectory() as folder:
        paths = recordings(folder, rng)
        began = time.monotonic()
        expected = list(second_process.read_all(paths, PATIENCE_S))
        usual_s = time.monotonic() - began
        while len(results.rows) < arguments.n:
            what = list(HOW)[len(results.rows) % len(HOW)]
            after_s = float(rng.uniform(0, 1)) * usual_s
            found, sent = trial(paths, HOW[what], after_s)
            if sent:  # else it was already done
                failed, held = judge(found, expected)
                said = "; ".join(Path(one).name for one in failed)
                results.add(what, round(after_s, 2), said, held=held)
    results.finish("decoder stopped or killed")


if __name__ == "__main__":
    main()
