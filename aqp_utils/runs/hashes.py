"""SHA-256 of the files of a run folder, each file read once while a run holds the folder."""

import json
import os
import time
from pathlib import Path

from aqp_utils.core.files import sha256, write_json

# A file written so short a time ago (s) may be written again without its time telling, since some
# disks keep times to two seconds only. Its hash is not kept.
SETTLED_S = 2.0


class FileHashes:
    """Hashes of files under the run folder `out`; a file is read again if its time or size changed.

    Parameters
    ----------
    out : path
        The run folder.
    handed_on : bool
        Whether this process is part of a run of the series, whose processes hand on what they have
        read in a file of the run folder; the run removes it at its end (`forget`). A notebook run
        by hand, and the next run, read every file.
    """

    def __init__(self, out, handed_on=False):
        self._out = Path(out)
        self._file = self._out / ".aqp-hashes.json"
        self._handed_on = handed_on
        self._known = {}

    def __enter__(self):
        if self._handed_on and self._file.is_file():
            self._known = json.loads(self._file.read_text(encoding="utf-8"))
        return self

    def __exit__(self, kind, *_):
        if self._handed_on and kind is None:
            write_json(self._file, self._known)

    def sha256(self, path):
        """SHA-256 of the file at `path` as 64 hex digits."""
        status = os.stat(path)
        name, state = os.path.relpath(path, self._out), [status.st_mtime_ns, status.st_size]
        *was, digest = self._known.get(name, [None])
        if was != state:
            digest = sha256(path)
            if time.time() - status.st_mtime > SETTLED_S:
                self._known[name] = [*state, digest]
        return digest

    def forget(self):
        """Remove what the processes of a run have handed on."""
        self._file.unlink(missing_ok=True)
