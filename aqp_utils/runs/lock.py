"""One writer per run folder."""

import contextlib
import datetime
import json
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from aqp_utils.core.errors import RunError
from aqp_utils.core.files import write_json

# Set by the series for its notebooks: the run folder that it has locked on their behalf.
HELD_FOR = "AQP_LOCK_HELD_FOR"
_LOCK = ".aqp-lock"  # a name that nobody else gives: the lock is opened for writing


def lent(out):
    """Whether this process works for a run of the series that holds the lock on `out`."""
    return os.environ.get(HELD_FOR) == str(Path(out).resolve())


class RunLock:
    """Lock on the run folder `out`, freed by the operating system if its holder is killed.

    Taking it twice in one process is fine (a notebook cell run again).
    """

    def __init__(self, out):
        self.out = Path(out).resolve()
        self._lock = FileLock(self.out / _LOCK, timeout=0, is_singleton=True)
        self._holder = self.out / f"{_LOCK}.json"
        self._taken = False

    def acquire(self, what):
        """Take the lock for `what` (a few words), or raise `RunError` naming who has it."""
        if lent(self.out):
            return
        try:
            self._lock.acquire()
        except Timeout:
            raise RunError(f"{self.out} is in use by {self._describe_holder()}.") from None
        self._taken = True
        write_json(
            self._holder,
            {
                "what": what,
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            },
        )

    def release(self):
        """Give the lock back; nothing happens if this object did not take it.

        A folder that holds nothing but the lock goes with it: a run refused before it began leaves
        no trace.
        """
        if self._taken:
            self._taken = False
            self._holder.unlink(missing_ok=True)
            if [path.name for path in self.out.iterdir()] == [_LOCK]:
                (self.out / _LOCK).unlink()
            self._lock.release(force=True)
            with contextlib.suppress(OSError):  # it is not empty
                self.out.rmdir()

    def _describe_holder(self):
        try:
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            return "{what} (process {pid} on {host}, since {since})".format(**holder)
        except (OSError, ValueError, KeyError, TypeError):
            return "another run that has just begun"
