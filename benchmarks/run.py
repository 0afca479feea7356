"""Measure every stage beside the plain way of doing the same; write a table.

    make bench                                        # everything, minutes
    python benchmarks/run.py --only features          # one group
    pip install mosqito speechmos distillmos          # what comparisons use where it is there

Each group runs in a process of its own, on 1, 2 and all processors; on 1 only where one clip is
computed on one, and more of them take more clips. Rows that were not measured again stay in
outputs/showcase/benchmarks.csv, each with its date and commit. `python scripts/fill_readme.py`
shows the table in docs/speed.md and reckons with it in docs/scaling.md.
"""

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
TABLE = ROOT / "outputs" / "showcase" / "benchmarks.csv"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def measure(group, cores):
    """Rows of one group on `cores` processors, as dicts; runs in a process of its own."""
    import torch
    from cases import ON_ALL, ON_ONE
    from measuring import (
        bandwidth_gb_s,
        forget_peak,
        matrix_peak_gflops,
        of_children,
        on_one_core,
        on_the_wall,
        peak_mb,
        take_turns,
    )

    torch.set_num_threads(cores)
    peak, bandwidth, rows = matrix_peak_gflops(cores), bandwidth_gb_s(cores), []
    for case in (ON_ONE | ON_ALL)[group]():
        fresh = case.stage == "start"
        forget_peak()
        clock = of_children if fresh else on_one_core if cores == 1 else on_the_wall
        ours_s, plain_s, ratio = take_turns(case.ours, case.plain, clock)
        share = case.operations and case.operations / ours_s / 1e9 / peak
        rows.append(
            {
                "stage": case.stage,
                "what": case.what,
                "cores": cores,
                "ms_per_clip": 1e3 * ours_s / case.clips,
                "plain_way": case.plain_way,
                "plain_ms_per_clip": plain_s and 1e3 * plain_s / case.clips,
                "ratio": ratio,
                "share_of_matrix_peak": share,
                "matrix_peak_gflops": peak,
                "bandwidth_gb_s": bandwidth,
                "peak_mb": None if fresh else peak_mb(),
            }
        )
    return rows


def in_own_process(group, cores):
    """The same from outside: with as many threads, on as many processors."""
    command = [sys.executable, str(Path(__file__)), "--measure", group, "--cores", str(cores)]
    environment = os.environ | dict.fromkeys(THREADS, str(cores))
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def table(group):
    """All rows of one group, with the machine, the commit and the date."""
    import pandas as pd
    from cases import ON_ONE
    from measuring import machine

    rows, processors = [], len(os.sched_getaffinity(0))
    for cores in (1,) if group in ON_ONE else sorted({1, min(2, processors), processors}):
        if cores > 1 and os.getloadavg()[0] > processors:
            print(f"{group}: no time on the clock is measured while others keep the machine busy")
            continue
        print(f"{group}, {cores} of {processors} processors …", flush=True)
        rows += in_own_process(group, cores)
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    date = datetime.now(UTC).date().isoformat()
    load = round(os.getloadavg()[0], 1)
    return pd.DataFrame(rows).assign(machine=machine(), load=load, commit=commit, date=date)


def main():
    """Measure, print, and write, group by group."""
    from cases import ON_ALL, ON_ONE

    groups = [*ON_ONE, *ON_ALL]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=groups, metavar="GROUP", help=", ".join(groups)
    )
    parser.add_argument("--out", type=Path, default=TABLE)
    parser.add_argument("--measure", choices=groups, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
        print(json.dumps(measure(arguments.measure, arguments.cores)))
        return
    for group in arguments.only or groups:
        if len(rows := table(group)):
            print(rows.iloc[:, :8].to_string(index=False))
            write(rows, arguments.out)  # now: whoever stops here keeps what was measured


def write(rows, path):
    """Put `rows` into the table, in the place of earlier ones of their stages."""
    import pandas as pd

    if path.is_file():
        before = pd.read_csv(path, dtype={"commit": str})
        rows = pd.concat([before[~before["stage"].isin(rows["stage"])], rows])
    rows.to_csv(path, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
