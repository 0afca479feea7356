"""Files that are whole or absent: write beside, flush to disk, rename."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from aqp_utils.core import journal

FULL = {  # why there is no room, in words
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "the file would be larger than this process may write (ulimit -f)",
}


@contextlib.contextmanager
def atomic(path):
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block succeeds.

    Whatever happens, a reader sees the old file or the new one, never a part of it.

    Raises
    ------
    OSError
        If the disk is full, naming the file, what is free and what had been written; if the file
        would be larger than the process may write.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        journal.enter(path)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in FULL:
            raise _no_room(path, temporary, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


_RUNS = ("=", "+", "-", "@", "\t", "\r")  # how a formula begins


def _no_room(path, temporary, error):
    written = temporary.stat().st_size if temporary.exists() else 0
    free = shutil.disk_usage(path.parent).free
    room = f"the file needs more than {written / 1e6:.1f} MB, {free / 1e6:.1f} MB are free"
    return OSError(error.errno, f"{FULL[error.errno]}: {room}", str(path))


def write_text(path, text):
    """Write `text` as UTF-8 with the line ends it has."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path, value):
    """Write `value` as JSON; NumPy scalars and arrays become numbers and lists.

    Raises
    ------
    ValueError
        If a number is NaN or infinite, which JSON cannot hold.
    """
    write_text(path, json_text(path, value))


def json_text(path, value):
    """The text that `write_json` writes to `path`."""
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError as error:
        raise ValueError(f"{path}: a number is NaN or infinite, which JSON cannot hold.") from error
    return text + "\n"


def _plain(value):
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def write_csv(path, frame):
    """Write a pandas `frame` without its index; same frame, same bytes on every platform."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def write_table(path, frame):
    """`write_csv` for a table that people open: a cell that a spreadsheet would run stays text."""
    write_csv(path, for_people(frame))


def for_people(frame):
    """The pandas `frame` with cells that a spreadsheet would run as text.

    Cells of text that begin with = + - @, a tab or a carriage return get an apostrophe in front
    (OWASP, CSV injection), as a spreadsheet itself writes them.
    """

    def as_text(cell):
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(_RUNS) else cell

    return frame.map(as_text)


class GrowingTable:
    """Rows written as they come, into PATH.part beside the table that they will be.

    What a killed process leaves is then all rows but the one it was at.

    Parameters
    ----------
    path : Path
        Of the table that will be there in the end.
    columns : sequence of str
    """

    def __init__(self, path, columns):
        self.path, self._columns = path.with_name(f"{path.name}.part"), list(columns)
        self.n_rows = 0
        self._append(",".join(self._columns) + "\n", "w")

    def add(self, row):
        """Write one row, a dict, down to the operating system; what it lacks stays empty."""
        import pandas as pd

        line = for_people(pd.DataFrame([row], columns=self._columns))
        self._append(line.to_csv(index=False, header=False, lineterminator="\n"), "a")
        self.n_rows += 1

    def _append(self, text, mode):
        """Write whole rows, or none of them, if there is no room."""
        size = self.path.stat().st_size if mode == "a" else 0
        try:
            with open(self.path, mode, encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            if error.errno not in FULL:
                raise
            full = _no_room(self.path, self.path, error)
            os.truncate(self.path, size)
            if not size:
                self.path.unlink()
            raise full from error

    def end(self):
        """Take it away: the table itself is written."""
        self.path.unlink(missing_ok=True)


def write_npz(path, **arrays):
    """Write `arrays` as npz: each member carries a CRC, and none is ever a pickle.

    Raises
    ------
    ValueError
        If an array holds Python objects.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{path}: {name} holds Python objects; only plain arrays are stored.")
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def sha256(path):
    """SHA-256 of a file's bytes as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(files):
    """sha256 (hex) of one file, or of the digests of several in name order."""
    digests = []
    for path in files:
        with open(path, "rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def ensure_writable(out):
    """Make the folder `out` and try to write in it.

    Raises
    ------
    OSError
        Naming the folder.
    """
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OSError(
            error.errno, f"this folder cannot be written ({error.strerror})", str(out)
        ) from None
