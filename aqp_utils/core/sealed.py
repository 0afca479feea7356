"""A JSON file that carries the SHA-256 of its own bytes, and those of the files beside it.

A hash finds what a disk, a copy or a hand has changed. It is no signature: who writes such a file
anew on purpose can write its hash anew, too.
"""

import hashlib
from pathlib import Path

from aqp_utils.core.files import json_text, sha256, write_text

SEAL = "sha256"  # the entry that holds the hash of the file
_OPEN = "0" * 64  # what stands in its place while the hash is computed


class NotSealed(UserWarning):
    """A file of an earlier version, which has no hash of itself, was read."""


def write_sealed(path, content):
    """Write the dict `content` as JSON; its first entry is the hash of the file without that hash.

    Parameters
    ----------
    path : path
    content : dict
        What `write_json` takes; an entry `SEAL` is replaced.
    """
    rest = {key: value for key, value in content.items() if key != SEAL}
    text = json_text(path, {SEAL: _OPEN} | rest)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    write_text(path, text.replace(_OPEN, digest, 1))


def is_whole(data, seal):
    """Whether `data`, the bytes of a file that `write_sealed` wrote, belong to its entry `SEAL`."""
    if not isinstance(seal, str) or len(seal) != len(_OPEN):
        return False
    blank = data.replace(seal.encode("utf-8"), _OPEN.encode("ascii"), 1)
    return hashlib.sha256(blank).hexdigest() == seal


def hashes(folder, names):
    """SHA-256 of those of the files `names` that are in `folder`, by name."""
    return {name: sha256(Path(folder) / name) for name in names if (Path(folder) / name).is_file()}


def changed_file(folder, expected):
    """What is wrong with the first of the files in `folder` that is not as expected.

    Parameters
    ----------
    folder : path
    expected : dict
        Name -> SHA-256.

    Returns
    -------
    str or None
        A sentence without end, such as "…/proof.json is missing".
    """
    for name, digest in expected.items():
        path = Path(folder) / name
        if not is_plain(name):
            return f"{name!r} is no plain file name inside {folder}"
        if not path.is_file():
            return f"{path} is missing"
        if sha256(path) != digest:
            return f"{path} was changed or damaged"
    return None


def read_part(folder, about):
    """A file that model.json beside it names: its path and its bytes.

    Parameters
    ----------
    folder : Path
    about : dict
        The entry there: file and sha256.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If it is not the one that was named.
    """
    if not is_plain(about["file"]):
        raise ValueError(f"{about['file']!r} is no plain file name inside {folder}.")
    path = folder / about["file"]
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; model.json beside it needs it.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != about["sha256"]:
        raise ValueError(f"{path} was changed or damaged: its sha256 is not that of model.json.")
    return path, content


def is_plain(name):
    """Whether `name` is the bare name of a file: no folder, no drive, nothing that leads out."""
    return name not in ("", ".", "..") and not set(name) & set("/\\:\0")
