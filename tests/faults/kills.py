"""Kill runs and predictions at drawn moments: does the same command end with the same files?

    python tests/faults/kills.py [--n 50] [--seed 0] [--csv kills.csv] [--preset tiny]

A run is killed twice in every stage from a drawn one on: in its first attempt and while it goes on,
each time at a drawn moment of the stage, the whole process group at once. After each kill what is
half-written is looked for, and the files of every finished stage are held against those of the run
that nobody killed. So on, run after run, until `n` kills are done; every tenth is one of
`aqp predict` instead. Two runs in one folder come last.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from results import Results

from aqp_utils.core.files import sha256
from aqp_utils.runs.notebooks import STUDY, find_root
from aqp_utils.runs.verification import check

# As small as the parameters allow; every stage and all that it does is there.
TINY = {"DURATION_S": "1", "BOOTSTRAP": "10", "EPOCHS": "2"}
TINY = [word for name, value in TINY.items() for word in ("-p", name, value)]
PRESETS = {"tiny": ["--preset", "smoke", *TINY], "smoke": ["--preset", "smoke"], "default": []}
TIMES = 2  # kills of one run in one stage
AQP = [sys.executable, "-m", "aqp_utils"]
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)  # the hardest most
# Text in which the time of day or of computing stands; its numbers differ from run to run.
TIMED = (".html", "manifest.json", "model.json")


def start(arguments):
    """`aqp` in a process group of its own, in the repository."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(find_root())}
    return subprocess.Popen(
        [*AQP, *arguments],
        cwd=find_root(),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # What was started in the background ignores Ctrl-C, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finished(arguments, limit_s=7200):
    """Exit code, output and seconds of an `aqp` command that runs to its end."""
    began = time.monotonic()
    process = start(arguments)
    text, _ = process.communicate(timeout=limit_s)
    return process.returncode, text, time.monotonic() - began


class Watched:
    """An `aqp` command whose words are heard while it runs."""

    def __init__(self, arguments):
        self.process, self._lines = start(arguments), []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self):
        for line in self.process.stdout:
            self._lines.append(line)

    @property
    def text(self):
        """What it has said."""
        return "".join(self._lines)

    def stage(self, wanted):
        """Wait for a stage for which `wanted` is true; its folder, or None if none came."""
        while True:
            alive = self.process.poll() is None
            if not alive:
                self._listener.join(10)
            for name in re.findall(r"^\[\d+/\d+\] (\w+): running", self.text, re.MULTILINE):
                (folder,) = (folder for folder, notebook in STUDY.items() if notebook == name)
                if wanted(folder):
                    return folder
            if not alive:
                return None
            time.sleep(0.02)

    def kill_after(self, seconds, how):
        """Kill it after some seconds, the hard way with its whole group; whether it still ran."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            if how == signal.SIGKILL:
                os.killpg(self.process.pid, how)  # as the system when memory is short, only harder
            else:
                self.process.send_signal(how)
            self.process.wait(120)
            return True
        return False


def state(run, stages=STUDY):
    """SHA-256 of every output of the stages, by its name in the run folder."""
    files = [p for folder in stages for p in (Path(run) / folder).rglob("*") if p.is_file()]
    return {p.relative_to(run).as_posix(): sha256(p) for p in files if not p.name.endswith(TIMED)}


def stage_seconds(run):
    """How long each stage took, from its manifest."""
    return {
        folder: json.loads((run / folder / "manifest.json").read_text("utf-8"))["wall_time_s"]
        for folder in STUDY
    }


def take_away(run, first):
    """Remove the stages from `first` on, as before they were made."""
    for folder in list(STUDY)[list(STUDY).index(first) :]:
        shutil.rmtree(run / folder)
        (run / "notebooks" / f"{STUDY[folder]}.ipynb").unlink()


def differing(run, expected):
    """Files of finished stages that are not those of the run that nobody killed."""
    stages = [folder for folder in STUDY if (run / folder / "manifest.json").is_file()]
    wanted = {name: one for name, one in expected.items() if name.partition("/")[0] in stages}
    found = state(run, stages)
    return sorted(name for name in wanted | found if wanted.get(name) != found.get(name))


def half_written(run):
    """What a stopped run must not leave: damaged files of finished stages, copies cut off."""
    wrong = []
    for path in (run / "notebooks").glob("[!.]*.ipynb"):
        try:
            json.loads(path.read_text("utf-8"))
        except ValueError:
            wrong.append(path.name)
    for name, record, found in check(run):
        if record is not None:
            wrong += [f"{name}: {problem}" for problem in found.problems]
    return wrong


def lost(text):
    """What the second run says that it takes over, for the table."""
    said = re.findall(r"([\w ]+): resuming: (\d+ of \d+)", text)
    return "; ".join(f"{what.strip()} {share}" for what, share in said)


def kill_run(whole, expected, preset, rng, folder):
    """A run from a drawn stage to its end, killed in every stage.

    Yields
    ------
    row : list
        Columns of the table, of one kill.
    held : bool
        Nothing was half-written, and what the next attempt finished was right.
    """
    run, times, last = shutil.copytree(whole, folder / "run"), Counter(), None
    take_away(run, str(rng.choice(list(STUDY))))
    command, usual_s = ["run", *PRESETS[preset], "--out", str(run)], stage_seconds(whole)
    while True:
        running, began = Watched(command), time.monotonic()
        stage = running.stage(lambda folder: times[folder] < TIMES)
        how = signal.Signals(int(rng.choice(SIGNALS)))
        seconds = float(rng.uniform(0, 1)) * usual_s.get(stage, 0)
        killed = stage is not None and running.kill_after(seconds, how)
        wrong = differing(run, expected)
        if not killed and running.process.returncode:
            wrong.append(f"exit code {running.process.returncode}: {running.text[-200:]}")
        if last:
            last[1] += wrong
            what = "; ".join(last[1][:3]) or lost(running.text)
            again_s = round(time.monotonic() - began - (seconds if killed else 0), 1)
            yield [*last[0], again_s, what], not last[1]
        if not killed:
            return
        times[stage] += 1
        last = [[stage, how.name, round(seconds, 1), killed], half_written(run)]


def whole_scores(recordings, table):
    """Lines of the table of scores that nobody killed, and the seconds that it took."""
    code, text, seconds = finished(["predict", str(recordings), "--csv", str(table)])
    assert code == 0, text
    return table.read_text("utf-8").splitlines(), seconds


def kill_predict(recordings, expected, usual_s, rng, folder):
    """One trial with `aqp predict`: its table is whole rows or not there, and the same again."""
    table = folder / "scores.csv"
    seconds = float(rng.uniform(0.05, 1.0)) * usual_s
    command = ["predict", str(recordings), "--csv", str(table)]
    killed = Watched(command).kill_after(seconds, signal.SIGKILL)
    cut = table.read_text("utf-8").splitlines() if table.exists() else []
    whole_rows = all(row in expected for row in cut)
    code, _, again_s = finished(command)
    same = table.exists() and table.read_text("utf-8").splitlines() == expected
    held = code == 0 and whole_rows and same
    what = f"{len(cut)} of {len(expected)} lines after the kill"
    return ["predict", "SIGKILL", round(seconds, 1), killed, round(again_s, 1), what], held


def two_at_once(whole, expected, preset, folder):
    """Two runs in one folder: one works, the other is refused in one line, nothing is spoilt."""
    run = shutil.copytree(whole, folder / "run")
    take_away(run, "07_recordings")
    command = ["run", *PRESETS[preset], "--out", str(run)]
    both = [start(command), start(command)]
    texts = [process.communicate(timeout=7200)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    refused = [text for text in texts if "is in use by a run of the series" in text]
    held = codes == [0, 2] and len(refused) == 1 and state(run) == expected
    return ["two runs", "", 0, False, 0, f"exit codes {codes}"], held


def main():
    """Make a run, then kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preset", choices=PRESETS, default="tiny")
    parser.add_argument("--whole", help="a finished run of that preset; made if not given")
    parser.add_argument("--csv")
    arguments = parser.parse_args()
    print(
        f"kills: seed {arguments.seed}, {arguments.n} kills, preset {arguments.preset}", flush=True
    )
    columns = ["stage", "signal", "after_s", "still_ran", "again_s", "what"]
    results = Results(arguments.csv, columns)
    with tempfile.TemporaryDirectory(prefix="aqp-kills-") as folder:
        folder = Path(folder)
        whole = Path(arguments.whole) if arguments.whole else folder / "whole"
        code, text, _ = finished(["run", *PRESETS[arguments.preset], "--out", str(whole)])
        assert code == 0, text
        expected = state(whole)
        recordings = whole / "02_degraded" / "clips"
        n_predict = arguments.n // 10
        if n_predict:
            scores = whole_scores(recordings, folder / "whole.csv")
        for trial in itertools.count():
            if len(results.rows) == n_predict:
                break
            rng = np.random.default_rng([arguments.seed, trial])
            with tempfile.TemporaryDirectory(dir=folder) as own:
                row, held = kill_predict(recordings, *scores, rng, Path(own))
            if row[3]:  # else it was already done
                results.add(*row, held=held)
        rng = np.random.default_rng([arguments.seed, 10_000])
        while len(results.rows) < arguments.n:
            with tempfile.TemporaryDirectory(dir=folder) as own:
                for row, held in kill_run(whole, expected, arguments.preset, rng, Path(own)):
                    results.add(*row, held=held)
        with tempfile.TemporaryDirectory(dir=folder) as own:
            row, held = two_at_once(whole, expected, arguments.preset, Path(own))
        results.add(*row, held=held)
    results.finish("kills")


if __name__ == "__main__":
    main()
