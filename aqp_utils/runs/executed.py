"""Which executed notebooks a run holds: their hashes, and those of what they made, in one file.

OUT/notebooks.json names every copy under OUT/notebooks with its SHA-256 and that of the manifest
that its stage got; it is sealed (`core.sealed`).
"""

import json
from pathlib import Path

from aqp_utils.core.errors import RunError
from aqp_utils.core.files import sha256
from aqp_utils.core.sealed import SEAL, is_whole, write_sealed
from aqp_utils.runs.ownership import MANIFEST, is_executed, set_aside

FILE = "notebooks.json"


def read(out):
    """What is recorded of the executed notebooks of the run `out`.

    Returns
    -------
    dict
        File name -> {"sha256", "stage", "manifest_sha256"}; empty if there is no record.

    Raises
    ------
    RunError
        If the record is not what a run wrote.
    """
    path = Path(out) / FILE
    if not path.exists():
        return {}
    try:
        data = path.read_bytes()
        content = json.loads(data)
        if is_whole(data, content[SEAL]):
            return content["notebooks"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise RunError(
        f"{path} was changed since a run wrote it", "the executed notebooks are unknown."
    )


def record(out, copy, folder):
    """Record the executed `copy` of the notebook that made the stage `folder`."""
    entries = read(out)
    entries[copy.name] = {
        "sha256": sha256(copy),
        "stage": folder,
        "manifest_sha256": sha256(Path(out) / folder / MANIFEST),
    }
    write_sealed(Path(out) / FILE, {"notebooks": dict(sorted(entries.items()))})


def is_changed(out, copy):
    """Whether the file `copy` is another than the one that was recorded under its name."""
    entry = read(out).get(copy.name)
    return entry is not None and entry["sha256"] != sha256(copy)


def make_room(out, copy):
    """Remove an executed copy that is as a run left it; any other file there is set aside.

    Returns
    -------
    Path or None
        Where the file is now.
    """
    if not copy.exists() and not copy.is_symlink():
        return None
    known = copy.name in read(out)
    if not copy.is_symlink() and (not is_changed(out, copy) if known else is_executed(copy)):
        copy.unlink()
        return None
    return set_aside(copy, out)
