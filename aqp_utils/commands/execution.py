"""Execute one notebook as a batch: same interpreter, private kernel, tidy copy."""

import contextlib
import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

from aqp_utils.commands.copies import first_line, last_state, publish
from aqp_utils.core.errors import NotebookError
from aqp_utils.core.files import write_json
from aqp_utils.core.package import PACKAGE
from aqp_utils.runs import executed
from aqp_utils.runs.lock import HELD_FOR

KERNEL = "aqp-batch"
_START_TIMEOUT_S = 180
_PREFIX = "aqp-jupyter-"  # of temporary folders
_IN_USE = "in_use"  # lock in such a folder
_LONG_AGO_S = 86_400.0

# What the kernel's process writes besides its cells' output (warnings of its own, tracebacks when
# it is interrupted) goes to a log and not between the lines of the run.
_LAUNCHER = """
import os, runpy
os.dup2(os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
"""


@contextlib.contextmanager
def private_kernel(out):
    """Register a kernel that is this very interpreter, for the time of the block.

    Neither the kernels nor the IPython profile that a user may have installed play a part.

    Parameters
    ----------
    out : Path
        The run folder, whose lock the caller holds for the notebooks.

    Yields
    ------
    Path
        Log of what the kernels' processes say of themselves.
    """
    _remove_leftovers()
    with _own_folder() as folder:
        spec = Path(folder) / "kernels" / KERNEL
        spec.mkdir(parents=True)
        write_json(spec / "kernel.json", _kernel_spec(folder, out))
        ours = {"JUPYTER_PATH": folder, "JUPYTER_RUNTIME_DIR": str(Path(folder) / "runtime")}
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield Path(folder) / "kernel.log"
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextlib.contextmanager
def _own_folder():
    """A temporary folder that other runs can tell to be in use: its lock is held."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        lock = FileLock(Path(folder) / f"{_IN_USE}.new", timeout=0)
        lock.acquire()
        os.rename(lock.lock_file, Path(folder) / _IN_USE)  # never there without being held
        try:
            yield folder
        finally:
            lock.release()


def _remove_leftovers():
    """Remove the folders of runs that were killed: those that nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, Timeout):
            if folder.is_symlink() or not os.access(folder, os.W_OK):
                continue
            if (folder / _IN_USE).is_file():
                with FileLock(folder / _IN_USE, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
            elif time.time() - folder.stat().st_mtime > _LONG_AGO_S:  # of an earlier version
                shutil.rmtree(folder, ignore_errors=True)


def _kernel_spec(folder, out):
    search_path = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        HELD_FOR: str(Path(out).resolve()),
        "IPYTHONDIR": str(Path(folder) / "ipython"),
        # Named, so that an Agg in the user's shell does not cost the pictures.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(search_path),
        "TQDM_MININTERVAL": "0.5",
    }
    return {
        "argv": [
            *(sys.executable, "-c", _LAUNCHER.format(log=str(Path(folder) / "kernel.log"))),
            *("-f", "{connection_file}"),
        ],
        "display_name": "aqp",
        "language": "python",
        # Jupyter would put variables of its own environment where a name says $HOME.
        "env": {name: value.replace("$", "$$") for name, value in environment.items()},
    }


def execute(notebook, copy, values, root, stream, log):
    """Run `notebook` in `root` with `values` injected; leave the executed `copy`.

    Parameters
    ----------
    notebook, copy : Path
        Source, and where the executed copy goes if every cell succeeds. If one fails,
        `NAME.failed.ipynb` beside it holds what was reached, and there is no `copy`.
    values : dict
        Parameters to inject.
    stream : text file
        Where what the cells print is shown.
    log : Path
        Where the kernel speaks of itself; see `private_kernel`.

    Raises
    ------
    NotebookError
        At the first failing cell, or if the kernel dies.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    failed = copy.with_suffix(".failed.ipynb")
    partial = log.with_name(copy.name)  # in a folder of our own
    for path in (copy, failed):
        aside = executed.make_room(copy.parents[1], path)
        if aside:
            print(f"changed since a run wrote it: set aside as {aside}", file=stream, flush=True)
    copy.parent.mkdir(exist_ok=True)
    logging.getLogger("papermill").addHandler(logging.NullHandler())  # errors are raised, below
    stdout, stderr = Relay(stream), Relay(stream)
    try:
        papermill.execute_notebook(
            _literally(notebook),
            _literally(partial),
            parameters=values,
            kernel_name=KERNEL,
            language="python",
            cwd=root,
            progress_bar=False,
            stdout_file=stdout,
            stderr_file=stderr,
            start_timeout=_START_TIMEOUT_S,
        )
        publish(partial, copy, notebook, root)
    except papermill.PapermillExecutionError as error:
        publish(partial, failed, notebook, root)
        where = f"cell In [{error.exec_count}] ({first_line(error.source)})"
        what = f"{error.ename}: {error.evalue}".strip()
        raise NotebookError(_stopped(notebook, where, what, failed)) from None
    except (DeadKernelError, RuntimeError) as error:
        where = publish(partial, failed, notebook, root) if partial.is_file() else "its first cell"
        what = f"{str(error).rstrip('.')}; {_last_words(log)}"
        if isinstance(error, DeadKernelError):
            what = "the kernel died; most often the memory was not enough"
        raise NotebookError(_stopped(notebook, where, what, failed)) from None
    finally:
        stderr.finish()
        stdout.finish()
        partial.unlink(missing_ok=True)


def _literally(path):
    """A path that papermill, which fills in {NAME} of its parameters, leaves as it is."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _stopped(notebook, where, what, failed):
    message = f"{notebook.stem} stopped in {where}: {what}"
    return f"{message}\n  partial copy: {failed}" if failed.is_file() else message


def _last_words(log):
    lines = log.read_text(errors="replace").split("\n") if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


class Relay:
    """Text file that shows what a notebook prints, indented.

    On a terminal a progress bar moves in place; in a log only its last state is written.
    """

    INDENT = "      "

    def __init__(self, stream):
        self._stream = stream
        self._live = stream.isatty()
        self._line = ""

    def write(self, text):
        """Take the next piece of output."""
        *complete, self._line = (self._line + text).split("\n")
        for line in complete:
            self._show(line, "\n")
        if self._live and "\r" in self._line:
            self._show(self._line, "")
            self._line = "\r" + last_state(self._line)

    def _show(self, line, end):
        state = last_state(line)
        if state:
            start = "\r\x1b[K" if self._live else ""  # over a bar that is in the way
            self._stream.write(f"{start}{self.INDENT}{state}{end}")
            self._stream.flush()

    def flush(self):
        """Nothing waits here but a line without its end."""

    def finish(self):
        """Show a last line without end."""
        self._show(self._line, "\n")
        self._line = ""
