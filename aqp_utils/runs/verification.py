"""What is wrong in a run folder: every file read again and compared with what was recorded."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from aqp_utils.core.errors import RunError
from aqp_utils.core.files import sha256
from aqp_utils.core.text import shown
from aqp_utils.runs import executed, ownership
from aqp_utils.runs.notebooks import NOTEBOOKS
from aqp_utils.runs.stage import inputs_from, read_manifest


@dataclass
class Findings:
    """What a check of one part of a run folder found.

    Attributes
    ----------
    checked : int
        Files that were read and compared.
    problems : list of str
        One sentence each; none if all is right.
    notes : list of str
        What could not be checked, and why.
    """

    checked: int = 0
    problems: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def stages_of(out):
    """Folders of `out` that are stages, made or begun, in the order of the series."""
    return [name for name in NOTEBOOKS if (Path(out) / name).is_dir()]


def check(out):
    """Check every file that the run folder `out` has a record of.

    Yields
    ------
    name : str
        Of a stage, in the order of the series, or "notebooks", the last.
    record : dict or None
        The stage's manifest, if it can be read.
    findings : Findings
    """
    upstream = None
    for name in stages_of(out):
        upstream, findings = check_stage(out, name, upstream)
        yield name, upstream, findings
    yield "notebooks", None, check_notebooks(out, stages_of(out))


def check_stage(out, name, upstream=None):
    """Compare every file of the stage `name` with its manifest, and that with the stage before.

    Parameters
    ----------
    out : Path
    name : str
    upstream : dict, optional
        Manifest of the stage before.

    Returns
    -------
    record : dict or None
        The manifest, if it can be read.
    findings : Findings
    """
    findings, folder = Findings(), Path(out) / name
    try:
        record = read_manifest(out, name)
    except RunError as error:
        findings.problems.append(f"{error.problem}: {error.remedy}")
        return None, findings
    missing = []
    for file, digest in record["outputs"].items():
        path = folder / file
        if path.is_symlink() or not path.is_file():
            missing.append(path)
            continue
        findings.checked += 1
        if sha256(path) != digest:
            findings.problems.append(f"{name}/{shown(file)} was changed since it was made")
    elsewhere = _left_out_by_git(folder, missing)
    findings.problems += [f"{shown(p)} is gone" for p in missing if p not in elsewhere]
    if elsewhere:
        findings.notes.append(f"{len(elsewhere)} files of {name} are not kept in git: not checked")
    if record["reads"] and record["inputs"] != inputs_from(record["reads"], upstream):
        findings.problems.append(f"{name} was made from another {record['reads']} than this one")
    extra = [file for file in ownership.outputs_in(folder) if file not in record["outputs"]]
    if extra:
        findings.notes.append(f"{name} holds files of no run: {ownership.some(extra)}")
    return record, findings


def check_notebooks(out, stages):
    """Compare the executed notebooks, and the manifests of what they made, with their record."""
    findings = Findings()
    try:
        entries = executed.read(out)
    except RunError as error:
        findings.problems.append(error.problem)
        return findings
    if entries:
        findings.checked += 1
    for file, entry in entries.items():
        for path, digest in (
            (Path(out) / "notebooks" / file, entry["sha256"]),
            (Path(out) / entry["stage"] / ownership.MANIFEST, entry["manifest_sha256"]),
        ):
            if not path.is_file():
                findings.problems.append(f"{shown(path)} is gone")
            elif sha256(path) != digest:
                findings.problems.append(
                    f"{path.relative_to(out)} is another than when {file} was executed"
                )
            findings.checked += 1
    recorded = {entry["stage"] for entry in entries.values()}
    unknown = [name for name in stages if name not in recorded]
    if unknown:
        findings.notes.append(
            f"no hash of the executed notebooks of {', '.join(unknown)} was recorded "
            "(an earlier version, or made by hand): not checked"
        )
    return findings


def _left_out_by_git(folder, missing):
    """Those of the `missing` files that git ignores, if it keeps the manifest of their stage."""
    if not missing:
        return set()
    git = ["git", "-C", str(folder)]
    try:
        kept = subprocess.run([*git, "ls-files", "--error-unmatch", ownership.MANIFEST], **_QUIET)
        if kept.returncode:
            return set()
        names = "\0".join(str(path.resolve()) for path in missing)
        ignored = subprocess.run([*git, "check-ignore", "-z", "--stdin"], input=names, **_QUIET)
    except OSError:  # there is no git
        return set()
    found = set(ignored.stdout.split("\0"))
    return {path for path in missing if str(path.resolve()) in found}


_QUIET = {"capture_output": True, "text": True}
