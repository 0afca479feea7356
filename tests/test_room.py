"""No room on the disk, and what killed runs leave in the folder for temporary files."""

import errno
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from aqp_utils.commands import execution, series, space
from aqp_utils.core.audio import write_wav
from aqp_utils.core.errors import NotebookError
from aqp_utils.core.files import write_text
from aqp_utils.runs.parameters import PARAMETERS

VALUES = {name: parameter.default for name, parameter in PARAMETERS.items()}
# Of the default run: clips and features by their size, all else as it lies in outputs/showcase.
MEASURED_MB = {
    "01_clean": 11.3,
    "02_degraded": 35.2,
    "03_features": 27.5,  # with checkpoints
    "04_model": 3.1,
    "05_report": 2.7,
    "07_recordings": 7.8,
}


@pytest.fixture
def task(tmp_path):
    return series.Task("02_degraded", "01_clean", tmp_path / "02_degrade.ipynb", {}, {})


@pytest.mark.parametrize("folder", MEASURED_MB)
def test_the_estimate_of_a_stage_is_enough_and_not_far_off(folder):
    estimate_mb = space.needed(folder, VALUES) / 1e6
    assert MEASURED_MB[folder] <= estimate_mb <= 2 * MEASURED_MB[folder] + 15


@pytest.mark.parametrize(
    "text",
    [
        "02_degrade stopped in cell In [3] (x): OSError: [Errno 28] No space left on device",
        "02_degrade stopped in cell In [3] (x): OSError: [Errno 28] the disk is full: '/a/b.wav'",
        OSError(errno.ENOSPC, "No space left on device"),  # of this process, without a path
    ],
)
def test_a_disk_full_midway_is_one_sentence_with_place_and_need(tmp_path, task, text):
    error = text if isinstance(text, OSError) else NotebookError(text)
    said = str(series._explained(error, tmp_path, task, {}))
    assert said.startswith("02_degrade stopped: the disk is full. It needs about 39 MB in /")
    assert "MB are free" in said and "goes on from there" in said and "Errno" not in said


def test_other_errors_stay_as_they_are(tmp_path, task):
    error = NotebookError("02_degrade stopped in cell In [3] (x): ValueError: 28")
    assert series._explained(error, tmp_path, task, {}) is error


def test_room_is_looked_for_before_each_stage(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")(20_000_000)
    monkeypatch.setattr(series.shutil, "disk_usage", lambda _: usage)
    series.ensure_space(tmp_path, ["01_clean"], VALUES, "01_synthesize")
    with pytest.raises(OSError, match="02_degrade needs about 39 MB, 20 MB are free") as error:
        series.ensure_space(tmp_path, ["02_degraded"], {"N_PER_CONDITION": 20}, "02_degrade")
    assert error.value.filename == str(tmp_path)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
import numpy as np
from aqp_utils.core.audio import write_wav
from aqp_utils.core.files import write_text
for write in (lambda p: write_text(p, "x" * 20_000), lambda p: write_wav(p, np.zeros(20_000))):
    try:
        write(sys.argv[1])
    except OSError as error:
        print(error.filename, error.strerror)
"""


def test_a_file_larger_than_allowed_is_named_and_nothing_is_left(tmp_path):
    pytest.importorskip("resource")
    search = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "x")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": search},
    )
    assert done.stdout.count(f"{tmp_path / 'x'} the file would be larger than this process") == 2
    assert list(tmp_path.iterdir()) == []


LIMITED_TABLE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
from pathlib import Path
from aqp_utils.core.files import GrowingTable
try:
    table = GrowingTable(Path(sys.argv[1]), ["file", "score"])
    for i in range(100):
        table.add({"file": f"{i:04d}.wav", "score": 3})
except OSError as error:
    print(error.filename, error.strerror)
"""


@pytest.mark.parametrize(("n_bytes", "n_lines"), [(5, None), (11, 1), (100, 9)])
def test_a_growing_table_ends_with_a_whole_row(tmp_path, n_bytes, n_lines):
    pytest.importorskip("resource")
    search = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED_TABLE, str(tmp_path / "t.csv"), str(n_bytes)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": search},
    )
    part = tmp_path / "t.csv.part"
    assert done.stdout.startswith(f"{part} the file would be larger than this process")
    if n_lines is None:
        assert not part.exists()
    else:
        text = part.read_text()
        assert text.count("\n") == n_lines and text.endswith("\n")


NO_KERNEL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
from aqp_utils.commands.execution import private_kernel
try:
    with private_kernel(sys.argv[1]):
        pass
except OSError as error:
    print(error.filename, error.strerror)
"""


def test_no_room_among_the_temporary_files_is_named_too(tmp_path):
    pytest.importorskip("resource")
    search = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", NO_KERNEL, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": search, "TMPDIR": str(tmp_path)},
    )
    assert done.stdout.startswith(str(tmp_path / "aqp-jupyter-"))
    assert "kernel.json the file would be larger than this process" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_clips_and_texts_are_whole_or_absent(tmp_path):
    write_text(tmp_path / "x", "old")
    with pytest.raises(ValueError, match="x: peak 2 cannot be stored"):
        write_wav(tmp_path / "x", [2.0])
    assert (tmp_path / "x").read_text() == "old"


def test_folders_of_killed_runs_go_at_the_next_start_and_those_in_use_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(execution.tempfile, "tempdir", str(tmp_path))
    killed, old, fresh = (tmp_path / f"aqp-jupyter-{name}" for name in ("killed", "old", "fresh"))
    for folder in (killed, old, fresh):
        (folder / "kernels").mkdir(parents=True)
    (killed / "in_use").write_text("")
    os.utime(old, (0, 0))
    with execution.private_kernel(tmp_path / "run") as log:
        assert not killed.exists() and not old.exists() and fresh.exists()
        with execution.private_kernel(tmp_path / "other"):
            assert log.parent.is_dir() and len(list(tmp_path.iterdir())) == 3
    assert [path.name for path in Path(tmp_path).iterdir()] == ["aqp-jupyter-fresh"]
