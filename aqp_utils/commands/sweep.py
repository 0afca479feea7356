"""The command `aqp sweep`: a grid of runs that share what they have in common.

A run of the grid takes over the stages that an earlier one has made with the same values, so a
sweep of a training parameter makes clips and features once. Stopped, the same command goes on.
"""

import itertools
import os
import shutil
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from aqp_utils.commands import compare, series
from aqp_utils.runs import executed as executed_notebooks
from aqp_utils.runs import parameters
from aqp_utils.runs.notebooks import STUDY, find_root
from aqp_utils.runs.stage import check_values

ENTRIES = ("preset", "out", "fixed", "grid")
MOST_RUNS = 1000


@dataclass
class Point:
    """One run of the grid: its name, parameters, folder, and the run that it takes stages from."""

    name: str
    given: dict
    out: Path
    stages: list = field(default_factory=list)  # values of each stage that results depend on
    parent: "Point | None" = None
    shared: int = 0  # first stages that the parent makes with the same values


def add_arguments(parser):
    """Command-line arguments of `aqp sweep`."""
    parser.add_argument("sweep", metavar="SWEEP.yaml", help="what to run")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="runs at a time (1); each uses every core"
    )
    parser.epilog = (
        "SWEEP.yaml, for example:\n"
        "  preset: smoke              # default: default\n"
        "  out: outputs/sweep         # default: outputs/ and the name of the file\n"
        "  fixed: {EPOCHS: 20}\n"
        "  grid:                      # every combination is a run\n"
        "    HIDDEN: [[64], [512, 256]]\n"
        "    SEED: [0, 1]"
    )


def run(arguments):
    """Make all runs of a sweep, then compare them.

    Returns
    -------
    int
        0, or 1 if a run stopped; the others are made and compared all the same.
    """
    if arguments.jobs < 1:
        raise ValueError(f"--jobs is {arguments.jobs}; at least 1 run at a time is needed.")
    preset, points = read_sweep(arguments.sweep)
    root = find_root()
    plan(root, preset, points)
    print(f"{len(points)} runs in {points[0].out.parent}", flush=True)
    failed = _run_all(root, preset, points, arguments.jobs)
    made = {point.name: point.out for point in points if point.name not in failed}
    if len(made) > 1:
        table = compare.compared(made)
        print(compare.as_text(table, compare.settings_of(made)))
        for kind, path in compare.keep(table, points[0].out.parent).items():
            print(f"{kind:7} {path}")
    return 1 if failed else 0


def read_sweep(path):
    """Read SWEEP.yaml.

    Returns
    -------
    preset : str
    points : list of Point
        Every combination of the grid's values, the first named entry varying slowest.

    Raises
    ------
    ValueError
        In one sentence, naming the entry that is wrong and what is allowed.
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    try:
        asked = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: this is no YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("grid"), dict) or not asked["grid"]:
        raise ValueError(f"{path}: a sweep has an entry grid: parameters with lists of values.")
    for name in asked:
        if name not in ENTRIES:
            raise ValueError(f"{path}: {name}: allowed are {', '.join(ENTRIES)}.")
    fixed = asked.get("fixed") or {}
    if not isinstance(fixed, dict):
        raise ValueError(f"{path}: fixed is {fixed!r}; allowed are parameters with one value each.")
    preset = asked.get("preset", "default")
    if preset not in parameters.PRESETS or preset == "field":
        allowed = ", ".join(name for name in parameters.PRESETS if name != "field")
        raise ValueError(f"{path}: preset is {preset!r}; allowed are {allowed}.")
    for name, values in asked["grid"].items():
        parameters.lookup(name)
        if name == "OUT" or name in fixed:
            raise ValueError(f"{path}: {name} cannot vary here; name it once, outside the grid.")
        if not isinstance(values, list) or not values:
            raise ValueError(f"{path}: {name} is {values!r}; allowed is a list of values.")
    combinations = list(itertools.product(*asked["grid"].values()))
    if len(combinations) > MOST_RUNS:
        raise ValueError(f"{path}: {len(combinations)} runs; allowed are {MOST_RUNS} at most.")
    out = Path(asked.get("out") or Path("outputs", path.stem)).expanduser().resolve()
    points = []
    for values in combinations:
        drawn = dict(zip(asked["grid"], values, strict=True))
        name = "_".join(f"{key}={_short(value)}" for key, value in drawn.items())
        points.append(Point(name, fixed | drawn, out / name))
    if len({point.name for point in points}) < len(points):
        raise ValueError(f"{path}: the grid names a value twice; name each once.")
    return preset, points


def _short(value):
    """A value as part of a folder's name: [512, 256] is 512-256."""
    text = "-".join(map(str, value)) if isinstance(value, list) else str(value)
    return "".join(c if c.isalnum() or c in ".-+" else "-" for c in text)


def plan(root, preset, points):
    """Check the parameters of every run, and find the earlier run that each shares most with.

    Raises
    ------
    ValueError
        If a value is not allowed; nothing has been touched then.
    """
    for number, point in enumerate(points):
        tasks = series.plan(root, point.out, parameters.resolve(preset, point.given))
        series.check_possible(tasks)
        point.stages = [check_values(task.values) for task in tasks]
        for earlier in points[:number]:
            shared = _shared(point.stages, earlier.stages)
            if shared > point.shared:
                point.parent, point.shared = earlier, shared


def _shared(first, second):
    """How many stages from the beginning have the same values in both."""
    same = [one == other for one, other in zip(first, second, strict=True)]
    return same.index(False) if False in same else len(same)


def take_over(point):
    """Copy the stages that the parent of a point has made for both, unless they are there."""
    if point.parent is None:
        return
    for name, notebook in list(STUDY.items())[: point.shared]:
        source, copy = point.parent.out / name, point.out / name
        if copy.exists() or not (source / "manifest.json").is_file():
            continue
        executed = Path(series.COPIES, f"{notebook}.ipynb")
        (point.out / series.COPIES).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(point.parent.out / executed, point.out / executed)
        temporary = point.out / f".{name}.part"
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(source, temporary)
        temporary.rename(copy)
        executed_notebooks.record(point.out, point.out / executed, name)


def make(root, preset, point):
    """One run, in a process of its own; None, or the sentence that says why it stopped."""
    take_over(point)
    point.out.mkdir(parents=True, exist_ok=True)
    with open(point.out / "log.txt", "a", encoding="utf-8") as log:
        try:
            series.run(preset, point.given, point.out, root=root, stream=log)
        except (Exception, KeyboardInterrupt) as error:
            return str(error) or type(error).__name__
    return None


def _run_all(root, preset, points, jobs):
    """Make runs whose parents are made, `jobs` at a time; name -> reason of those that stopped."""
    waiting, running, reasons = list(points), {}, {}
    began = time.monotonic()
    with ProcessPoolExecutor(min(jobs, os.cpu_count() or 1)) as pool:
        while waiting or running:
            for point in [p for p in waiting if p.parent is None or p.parent.name in reasons]:
                waiting.remove(point)
                running[pool.submit(make, root, preset, point)] = point
            for job in wait(running, return_when=FIRST_COMPLETED).done:
                point = running.pop(job)
                reasons[point.name] = job.result()
                _say(point, reasons[point.name], len(reasons), len(points), began)
    return {name: reason for name, reason in reasons.items() if reason}


def _say(point, reason, done, count, began):
    spent = time.monotonic() - began
    left = f", about {spent / done * (count - done):.0f} s left" if done < count else ""
    kept = f", {point.shared} stages shared" if point.shared else ""
    what = f"made{kept}" if reason is None else f"stopped: {reason}"
    print(f"[{done}/{count}] {point.name}: {what}, {spent:.0f} s{left}", flush=True)
