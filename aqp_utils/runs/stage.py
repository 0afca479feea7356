"""What a stage of the series read, did and wrote: the contract between two notebooks.

A stage owns one folder of the run. `Stage.begin` checks what it reads, `Stage.finish` writes
`manifest.json`; a folder without one is unfinished, whatever else it holds.
"""

import datetime
import hashlib
import json
import time
from pathlib import Path

from aqp_utils.core import journal
from aqp_utils.core.errors import RunError
from aqp_utils.core.files import ensure_writable, write_json
from aqp_utils.core.text import shown
from aqp_utils.runs import environment, ownership, parameters
from aqp_utils.runs.code import code_sha256
from aqp_utils.runs.hashes import FileHashes
from aqp_utils.runs.lock import RunLock, lent
from aqp_utils.runs.notebooks import NOTEBOOKS, find_root
from aqp_utils.runs.ownership import CHECKPOINTS, MANIFEST

NOT_MADE = "not made yet"  # the usual reason to make a stage
_FIELDS = {
    "stage": str,
    "parameters": dict,
    "reads": str | None,
    "inputs": dict,
    "outputs": dict,
    "code": str,
    "fingerprint": str,
}


class Stage:
    """One notebook's turn in a run folder.

    Attributes
    ----------
    folder : Path
        Where this stage writes; its earlier contents are gone, checkpoints excepted.
    checkpoints : Path
        Folder for what long work has finished; survives a killed run, gone after `finish`.
    source : Path or None
        Folder of the stage before.
    upstream : dict or None
        Manifest of the stage before.
    """

    def __init__(self, name, out, reads, values):
        self.name = name
        self.out = Path(out)
        self.folder = self.out / name
        self.checkpoints = self.folder / CHECKPOINTS
        self.reads = reads
        self.source = self.out / reads if reads else None
        self.upstream = None
        self.parameters = values
        self._code = code_sha256(name)
        self._lock = RunLock(out)
        self._hashes = FileHashes(out, handed_on=lent(out))
        self._began = time.monotonic()

    @classmethod
    def begin(cls, name, out, reads=None, parameters=None):
        """Check everything this stage depends on, then make its folder empty.

        Parameters
        ----------
        name : str
            Folder in the run, e.g. "02_degraded".
        out : str or Path
            The run folder.
        reads : str, optional
            Folder of the stage before; none for the first.
        parameters : dict
            The notebook's parameters by name.

        Raises
        ------
        ValueError
            If a parameter is unknown or out of range.
        RunError
            If another run works in `out`, or the stage before is missing, unfinished, changed
            since, or made with other settings; if `out` holds the repository, or the folder of
            this stage holds files that no run wrote.
        OSError
            If `out` cannot be written.
        """
        if name not in NOTEBOOKS:
            raise ValueError(f"{name}: a stage is one of {', '.join(NOTEBOOKS)}.")
        values = check_values(parameters or {})
        ownership.check_place(out, find_root())
        ensure_writable(out)
        stage = cls(name, out, reads, values)
        stage._lock.acquire(f"the notebook {NOTEBOOKS[name]}")
        try:
            if reads:
                with stage._hashes as hashes:
                    stage.upstream = verify(out, reads, hashes)
                check_agreement(out, reads, values, stage.upstream)
            check_foreign(out, name)
            stage._empty_folder()
        except BaseException:
            stage._lock.release()
            raise
        return stage

    def finish(self):
        """Record what was made in `manifest.json`, free the run folder and return the record."""
        with self._hashes as hashes:
            outputs = {
                name: hashes.sha256(self.folder / name)
                for name in ownership.outputs_in(self.folder)
            }
        record = {
            "stage": self.name,
            "notebook": f"{NOTEBOOKS[self.name]}.ipynb",
            "parameters": self.parameters,
            "seed": self.parameters.get("SEED"),
            "reads": self.reads,
            "inputs": inputs_from(self.reads, self.upstream),
            "outputs": outputs,
            "code": self._code,
        }
        record["fingerprint"] = fingerprint(record)
        record |= environment.describe()
        record["finished"] = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        record["wall_time_s"] = round(time.monotonic() - self._began, 3)
        record["peak_memory_mb"] = round(environment.peak_memory_mb())
        write_json(self.folder / MANIFEST, record)
        ownership.remove_checkpoints(self.folder)
        journal.close(self.folder)
        self._lock.release()
        return record

    def _empty_folder(self):
        """Remove the manifest first: from then on the folder counts as unfinished."""
        ours, aside = ownership.set_others_aside(self.folder)
        for path in aside:
            print(f"not written by this run, or changed since: set aside as {shown(path)}")
        journal.begin(self.folder, ours)
        (self.folder / MANIFEST).unlink(missing_ok=True)
        self.folder.mkdir(exist_ok=True)
        ownership.remove(self.folder, ours)


def check_foreign(out, name):
    """Check that the stage `name` can be made in `out` without removing what no run wrote.

    Raises
    ------
    RunError
        Naming the files in its folder that are in the way.
    """
    ownership.check_folders(out, [name])
    try:
        record = read_manifest(out, name)
    except RunError:
        return  # unfinished or damaged: what is not known is set aside
    ownership.check_stage(Path(out) / name, record["outputs"])


def check_values(values):
    """Check parameters by name; return those that results may depend on, as JSON holds them."""
    for name, value in values.items():
        parameters.check(name, value)
    kept = {n: v for n, v in values.items() if parameters.lookup(n).scope != "session"}
    return json.loads(json.dumps(kept))


def inputs_from(reads, upstream):
    """SHA-256 of every file behind a stage that reads `reads`, those of earlier stages included."""
    if upstream is None:
        return {}
    made = {f"{reads}/{name}": digest for name, digest in upstream["outputs"].items()}
    return upstream["inputs"] | made


def fingerprint(record):
    """SHA-256 over what defines a stage's result: parameters, inputs, code and outputs."""
    defining = {k: record[k] for k in ("stage", "parameters", "reads", "inputs", "outputs", "code")}
    return hashlib.sha256(json.dumps(defining, sort_keys=True).encode()).hexdigest()


def read_manifest(out, name):
    """Read and check the form of `out/name/manifest.json`.

    Raises
    ------
    RunError
        If it is missing, unreadable, edited, or names files outside its folder.
    """
    path = Path(out) / name / MANIFEST
    if not path.is_file():
        raise RunError(f"run {NOTEBOOKS[name]} first", f"{path} is missing.")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error})", _again(name)) from error
    problem = _problem_of(record, name)
    if problem:
        raise RunError(f"{path} {problem}", _again(name))
    return record


def _again(name):
    return f"run {NOTEBOOKS[name]} again."


def _problem_of(record, name):
    """What is wrong with the form of a manifest, None if nothing is."""
    if not isinstance(record, dict):
        return "holds no JSON object"
    for field, kind in _FIELDS.items():
        if field not in record or not isinstance(record[field], kind):
            return f"has no proper {field!r}"
    for file, digest in (record["inputs"] | record["outputs"]).items():
        parts = file.replace("\\", "/").split("/")
        if parts[0] == "" or ":" in parts[0] or ".." in parts or not isinstance(digest, str):
            return f"names {file!r}, which is no file of a run"
    if record["stage"] != name or record["fingerprint"] != fingerprint(record):
        return "was edited or belongs elsewhere"
    return None


def reason_to_make(out, name, reads, values, root=None):
    """Why a run of the series has to make `name`, None if it is there, intact and as asked for.

    Parameters
    ----------
    out : Path
        The run folder.
    name, reads : str
        Folder of the stage, and of the stage before; None for the first.
    values : dict
        Parameters by name, as asked for now.
    root : Path, optional
        The repository; found by default.
    """
    if not (Path(out) / name / MANIFEST).is_file():
        return NOT_MADE
    try:
        with FileHashes(out, handed_on=True) as hashes:
            record = verify(out, name, hashes)
    except RunError as error:
        return error.problem.replace(f"{out}/", "")
    if record["reads"] != reads:
        return f"it read {record['reads']}"
    differing = differences(record, values)
    if differing:
        return differing
    return "code changed" if record["code"] != code_sha256(name, root) else None


def differences(record, values):
    """What differs between the parameters in a manifest and those asked for, "" if nothing does."""
    was = record["parameters"]
    return "; ".join(
        f"{name} {was.get(name)!r}, now {value!r}"
        for name, value in check_values(values).items()
        if name not in was or was[name] != value
    )


def verify(out, name, hashes=None):
    """Check that the stage `name` and all before it are finished, intact and fit together.

    Parameters
    ----------
    out : path
        The run folder.
    name : str
        Folder of the stage.
    hashes : FileHashes, optional
        What is known of the files in `out`; by default every one is read.

    Returns
    -------
    dict
        The manifest of `name`.

    Raises
    ------
    RunError
        Saying which notebook to run, and why.
    """
    hashes = hashes or FileHashes(out)
    record = read_manifest(out, name)
    upstream = verify(out, record["reads"], hashes) if record["reads"] in NOTEBOOKS else None
    if record["inputs"] != inputs_from(record["reads"], upstream):
        raise RunError(
            f"{Path(out) / name} was made from another {record['reads']} than the present one",
            _again(name),
        )
    _check_outputs(Path(out) / name, record, hashes)
    return record


def _check_outputs(folder, record, hashes):
    again = _again(record["stage"])
    for name, digest in record["outputs"].items():
        path = folder / name
        if not path.is_file():
            raise RunError(f"this file is gone since it was made, {path}", again)
        if not path.resolve().is_relative_to(folder.resolve()):
            raise RunError(f"this file leads outside its folder, {path}", again)
        if hashes.sha256(path) != digest:
            raise RunError(f"this file was changed since it was made, {path}", again)


def check_agreement(out, name, values, record):
    """Check that `values` agree with those of stage `name` (manifest `record`) and all before it.

    Raises
    ------
    RunError
        Such as "… was made with other settings: SEED 1, here 0 …".
    """
    differing = [
        f"{n} {theirs!r}, here {values[n]!r}"
        for n, theirs in record["parameters"].items()
        if n in values and values[n] != theirs and parameters.lookup(n).scope == "study"
    ]
    if differing:
        raise RunError(
            f"{Path(out) / name} was made with other settings ({'; '.join(differing)})",
            f"run {NOTEBOOKS[name]} with these settings, or set them here as they were there.",
        )
    if record["reads"] in NOTEBOOKS:
        check_agreement(out, record["reads"], values, read_manifest(out, record["reads"]))
