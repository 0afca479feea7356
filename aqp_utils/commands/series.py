"""The series as a batch: order, parameters, what is kept, what is made again."""

import errno
import importlib.util
import json
import shutil
import sys
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from aqp_utils.commands import execution, space
from aqp_utils.core import journal
from aqp_utils.core.errors import RunError
from aqp_utils.core.files import ensure_writable
from aqp_utils.core.text import interval_text, shown
from aqp_utils.encoders import catalog
from aqp_utils.runs import executed, ownership, parameters
from aqp_utils.runs.hashes import FileHashes
from aqp_utils.runs.lock import RunLock
from aqp_utils.runs.notebooks import FIELD, STUDY, declared_parameters, find_root, notebook_path
from aqp_utils.runs.stage import (
    NOT_MADE,
    check_foreign,
    check_values,
    differences,
    read_manifest,
    reason_to_make,
    verify,
)

COPIES = "notebooks"  # folder of the executed copies in a run


@dataclass(frozen=True)
class Task:
    """One notebook of a run: where it is, what it writes, the parameters it will have."""

    folder: str
    reads: str | None
    notebook: Path
    values: dict  # of every parameter it declares
    injected: dict  # those of them that are not left to the notebook

    @property
    def name(self):
        """Name of the notebook, "01_synthesize"."""
        return self.notebook.stem


def run(preset="default", given=None, out=None, start=None, root=None, stream=None):
    """Run the notebooks in order, keeping what is already made with these settings and intact.

    Parameters
    ----------
    preset : str
        A key of `parameters.PRESETS`.
    given : dict, optional
        Parameters on top of the preset.
    out : str or Path, optional
        The run folder; by default the parameter OUT, relative to the repository.
    start : str, optional
        Number or name of a notebook ("03"): it and those after it are made again in any case,
        those before it have to be there.
    root : Path, optional
        The repository; found by default.
    stream : text file, optional
        Where progress goes; standard output by default.

    Returns
    -------
    Path
        The run folder.

    Raises
    ------
    ValueError
        If a parameter is unknown or not allowed, or `out` is empty; nothing has been touched then.
    OSError
        If the run folder cannot be written or the disk is too small.
    RunError
        If another run works there, what `start` needs is not there, or the run folder is, holds
        or lies in the repository's code, or holds what no run wrote.
    execution.NotebookError
        If a notebook stops.
    """
    stream = stream or sys.stdout
    root = Path(root).resolve() if root else find_root()
    values = _absolute_encoder(parameters.resolve(preset, given))
    out = _run_folder(root, out, values)
    tasks = plan(root, out, values, FIELD if preset == "field" else STUDY)
    first = _start_index(tasks, start)
    check_possible(tasks)
    ownership.check_place(out, root)
    ownership.check_folders(out, [task.folder for task in tasks])
    copies = [out / COPIES / task.notebook.name for task in tasks]
    ownership.check_copies(copies, _recorded_copies(out, stream))
    ensure_writable(out)
    ensure_space(out, [task.folder for task in tasks], _all_values(tasks))
    lock = RunLock(out)
    lock.acquire("a run of the series")
    hashes = FileHashes(out)
    try:
        hashes.forget()  # a run that was killed may have left some
        _require_earlier(out, tasks[:first], start)
        _run_tasks(root, out, tasks, None if start is None else first, stream)
    finally:
        hashes.forget()
        lock.release()
    return out


def plan(root, out, values, notebooks=STUDY):
    """The `Task`s of a series with every parameter checked.

    Parameters
    ----------
    root, out : Path
        The repository and the run folder.
    values : dict
        Parameters by name.
    notebooks : dict
        Folder -> notebook: `notebooks.STUDY` or `notebooks.FIELD`.

    Raises
    ------
    ValueError
        If a value is not allowed, or no notebook declares a parameter that was given.
    """
    place = out.relative_to(root) if out.is_relative_to(root) else out
    batch = {**values, "OUT": place.as_posix(), "INTERACTIVE": False}
    tasks, reads = [], None
    for folder in notebooks:
        notebook = notebook_path(folder, root)
        declared = declared_parameters(notebook)
        injected = {name: batch[name] for name in declared if name in batch}
        tasks.append(Task(folder, reads, notebook, declared | injected, injected))
        check_values(tasks[-1].values)
        reads = folder
    parameters.check_together(_all_values(tasks))
    nowhere = [n for n in values if n != "OUT" and not any(n in task.values for task in tasks)]
    if nowhere:
        raise ValueError(f"{nowhere[0]}: no notebook has this parameter.")
    return tasks


def check_possible(tasks):
    """Check what parameters ask for but this machine may lack.

    Raises
    ------
    ValueError
        Naming the parameter and what is missing.
    """
    values = _all_values(tasks)
    if values.get("ENCODER", "auto") != "auto":
        catalog.resolve(values["ENCODER"])
    measured = values.get("LABEL") == "measured" or "N_SOURCES" in values
    if measured and importlib.util.find_spec("pesq") is None:
        what = "LABEL = 'measured'" if "LABEL" in values else "the preset field"
        raise ValueError(f"{what} needs the package pesq: pip install pesq (it compiles C code).")


def ensure_space(out, folders, values, what="this run"):
    """Raise OSError if the disk of `out` cannot hold what stages write, by a rough estimate.

    Parameters
    ----------
    out : Path
    folders : sequence of str
        The stages.
    values : dict
        Parameters by name; what is not named has its default.
    what : str
        Begins the sentence.
    """
    values = {name: p.default for name, p in parameters.PARAMETERS.items()} | values
    bytes_needed = sum(space.needed(folder, values) for folder in folders)
    free = shutil.disk_usage(out).free
    if free < bytes_needed:
        sentence = f"{what} needs about {bytes_needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free"
        raise OSError(errno.ENOSPC, sentence, str(out))


def headline(path):
    """The main numbers in the metrics.json at `path` as one line; what is absent is left out."""
    metrics = json.loads(path.read_text(encoding="utf-8"))
    parts = []
    for group, key in (
        ("classification", "accuracy"),
        ("score", "pcc"),
        ("score", "srcc"),
        ("score", "rmse"),
    ):
        number = metrics.get(group, {}).get(key)
        if isinstance(number, dict) and "value" in number:
            label = key if key == "accuracy" else key.upper()
            parts.append(f"{label} {interval_text(number, 3)}")
    encoder = metrics.get("encoder", {}).get("name")
    return " · ".join(parts + ([f"encoder {encoder}"] if encoder else []))


def _run_folder(root, out, values):
    """`out` is relative to where the user is, the parameter OUT to the repository."""
    given = values.get("OUT", parameters.PARAMETERS["OUT"].default) if out is None else str(out)
    if not given.strip():
        raise ValueError("--out is empty: name a folder for the run.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in given):
        raise ValueError(
            f"{shown(given)}: the name of a run folder may hold no control characters."
        )
    return (root / given if out is None else Path(given).expanduser()).resolve()


def _recorded_copies(out, stream):
    """Names of the executed copies that a run recorded; a damaged record is set aside."""
    try:
        return executed.read(out)
    except RunError as error:
        aside = ownership.set_aside(out / executed.FILE, out)
        print(f"{error.problem}: set aside as {aside}", file=stream, flush=True)
        return {}


def _absolute_encoder(values):
    """A folder is given relative to where the user is; the notebooks run elsewhere."""
    folder = Path(values.get("ENCODER", "")).expanduser()
    if "ENCODER" in values and folder.is_dir():
        return {**values, "ENCODER": str(folder.resolve())}
    return values


def _all_values(tasks):
    return {name: value for task in tasks for name, value in task.values.items()}


def _start_index(tasks, start):
    if start is None:
        return 0
    for index, task in enumerate(tasks):
        if str(start).zfill(2) in (task.name[:2], task.name, task.folder):
            return index
    raise ValueError(f"--from {start}: allowed are {', '.join(task.name[:2] for task in tasks)}.")


def _require_earlier(out, tasks, start):
    """Check that what comes before `--from` is there; that its code was edited since is allowed."""
    with FileHashes(out, handed_on=True) as hashes:
        for task in tasks:
            differing = differences(verify(out, task.folder, hashes), task.values)
            if differing:
                raise RunError(
                    f"{out / task.folder} was made with other settings ({differing})",
                    f"--from {start} needs it as asked for now, run without --from.",
                )


def _run_tasks(root, out, tasks, forced_from, stream):
    """Make or keep one after the other; from index `forced_from` on, if given, make them all."""
    with execution.private_kernel(out) as log:
        for index, task in enumerate(tasks):
            tally = f"[{index + 1}/{len(tasks)}] {task.name}:"
            if forced_from is None:
                reason = _reason_to_make(root, out, task)
            else:
                reason = "--from" if index >= forced_from else None
            if reason is None:
                print(tally, "unchanged, kept", file=stream, flush=True)
                continue
            check_foreign(out, task.folder)
            ensure_space(out, [task.folder], _all_values(tasks), task.name)
            if reason == NOT_MADE and journal.path_of(out / task.folder).is_file():
                reason = f"resuming: {index} of {len(tasks)} done, this one was stopped"
            print(tally, f"running ({reason})", file=stream, flush=True)
            began = time.monotonic()
            try:
                _make(root, out, task, stream, log)
            except (OSError, execution.NotebookError) as error:
                raise _explained(error, out, task, _all_values(tasks)) from error
            print(tally, f"done in {time.monotonic() - began:.1f} s", file=stream, flush=True)


def _make(root, out, task, stream, log):
    """Execute one notebook and record its copy."""
    copy = out / COPIES / task.notebook.name
    execution.execute(task.notebook, copy, task.injected, root, stream, log)
    _check_recorded(out, task)
    executed.record(out, copy, task.folder)


def _explained(error, out, task, values):
    """An error that a full disk caused says where and what for; any other is as it was."""
    why = space.why_full(error)
    if why is None:
        return error
    values = {name: p.default for name, p in parameters.PARAMETERS.items()} | values
    text = space.sentence(task.name, why, out, space.needed(task.folder, values))
    return execution.NotebookError(text)


def _reason_to_make(root, out, task):
    """Why the notebook has to run, None if all is right and its executed copy is there."""
    reason = reason_to_make(out, task.folder, task.reads, task.values, root)
    copy = out / COPIES / task.notebook.name
    if reason is None and not copy.is_file():
        return "no executed copy"
    if reason is None and executed.is_changed(out, copy):
        return "its executed copy was changed since it was made"
    return reason


def _check_recorded(out, task):
    """A notebook that runs but does not record its parameters would be made again for ever."""
    differing = differences(read_manifest(out, task.folder), task.values)
    if differing:
        raise RunError(
            f"{task.name} ran, but did not record its parameters ({differing})",
            "hand every one of them to Stage.begin.",
        )
