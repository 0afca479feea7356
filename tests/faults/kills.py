"""Kill runs and predictions at drawn moments: does the same command end with the same files?

    python tests/faults/kills.py [--n 50] [--seed 0] [--csv kills.csv] [--preset tiny]

Every trial starts on a copy of a finished run from which the stages from a drawn one on were
taken away, kills the whole process group after a drawn share of the time that this stage takes,
looks for what is half-written, starts again, and compares every file with those of the run that
nobody killed. Every tenth trial kills `aqp predict` instead. Two runs in one folder come last.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from results import Results

from aqp_utils.core.files import sha256
from aqp_utils.runs.notebooks import STUDY, find_root
from aqp_utils.runs.verification import check

PRESETS = {
    # As small as the parameters allow; every kind and stage is there.
    "tiny": [
        "--preset",
        "smoke",
        "-p",
        "DURATION_S",
        "1",
        "-p",
        "BOOTSTRAP",
        "10",
        "-p",
        "EPOCHS",
        "2",
    ],
    "smoke": ["--preset", "smoke"],
    "default": [],
}
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
    )


def finished(arguments, limit_s=7200):
    """Exit code, output and seconds of an `aqp` command that runs to its end."""
    began = time.monotonic()
    process = start(arguments)
    text, _ = process.communicate(timeout=limit_s)
    return process.returncode, text, time.monotonic() - began


def kill_after(arguments, seconds, how):
    """Start `aqp`, kill its whole group after some seconds; whether it still ran."""
    process = start(arguments)
    try:
        process.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        if how == signal.SIGKILL:
            os.killpg(process.pid, how)  # as the system does when memory is short, only harder
        else:
            process.send_signal(how)
        process.communicate(timeout=120)
        return True


def state(run):
    """SHA-256 of every output of every stage, by its name in the run folder."""
    files = [p for folder in STUDY for p in (Path(run) / folder).rglob("*") if p.is_file()]
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
    """One trial: columns of the table, and whether the promise was kept."""
    run = shutil.copytree(whole, folder / "run")
    stage = str(rng.choice(list(STUDY)))
    how = signal.Signals(
        int(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
    )
    take_away(run, stage)
    # Its own time, and that of starting and of looking at the stages before it.
    seconds = float(rng.uniform(0.02, 1.0)) * (stage_seconds(whole)[stage] + 10)
    command = ["run", *PRESETS[preset], "--out", str(run)]
    killed = kill_after(command, seconds, how)
    wrong = half_written(run)
    code, text, again_s = finished(command)
    differing = [name for name, digest in state(run).items() if expected.get(name) != digest]
    differing += sorted(set(expected) - set(state(run)))
    what = "; ".join([*wrong, *differing][:3]) or lost(text)
    held = code == 0 and not wrong and not differing
    return [stage, how.name, round(seconds, 1), killed, round(again_s, 1), what], held


def whole_scores(recordings, table):
    """Lines of the table of scores that nobody killed."""
    code, text, _ = finished(["predict", str(recordings), "--csv", str(table)])
    assert code == 0, text
    return table.read_text("utf-8").splitlines()


def kill_predict(recordings, expected, rng, folder):
    """One trial with `aqp predict`: its table is whole rows or not there, and the same again."""
    table = folder / "scores.csv"
    seconds = float(rng.uniform(0.2, 15.0))
    command = ["predict", str(recordings), "--csv", str(table)]
    killed = kill_after(command, seconds, signal.SIGKILL)
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
    take_away(run, "05_report")
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
        scores = whole_scores(recordings, folder / "whole.csv") if arguments.n >= 10 else []
        for trial in range(arguments.n):
            rng = np.random.default_rng([arguments.seed, trial])
            with tempfile.TemporaryDirectory(dir=folder) as own:
                if trial % 10 == 9:
                    row, held = kill_predict(recordings, scores, rng, Path(own))
                else:
                    row, held = kill_run(whole, expected, arguments.preset, rng, Path(own))
            results.add(*row, held=held)
        with tempfile.TemporaryDirectory(dir=folder) as own:
            row, held = two_at_once(whole, expected, arguments.preset, Path(own))
        results.add(*row, held=held)
    results.finish("kills")


if __name__ == "__main__":
    main()
