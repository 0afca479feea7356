import errno
import json

import numpy as np
import pandas as pd
import pytest

from aqp_utils.core import files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_named_with_the_file_and_the_need(tmp_path):
    with pytest.raises(OSError) as error, files.atomic(tmp_path / "a.npz") as temporary:
        temporary.write_bytes(bytes(2_000_000))
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "more than 2.0 MB" in str(error.value) and "a.npz" in str(error.value)
    assert names(tmp_path) == []


def test_json_takes_numpy_and_refuses_nan(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"x": np.float32(0.5), "n": np.int64(3), "v": np.arange(2), "p": path})
    assert json.loads(path.read_text()) == {"x": 0.5, "n": 3, "v": [0, 1], "p": str(path)}
    with pytest.raises(ValueError, match="NaN"):
        files.write_json(path, {"x": np.nan})
    assert json.loads(path.read_text())["n"] == 3


def test_same_content_same_bytes(tmp_path):
    frame = pd.DataFrame({"clip": ["a", "ü"], "x": [0.1, 1 / 3]})
    for name in ("1", "2"):
        files.write_npz(tmp_path / f"{name}.npz", clip=np.array(["a", "ü"]), x=np.arange(3.0))
        files.write_csv(tmp_path / f"{name}.csv", frame)
    for kind in ("npz", "csv"):
        assert files.sha256(tmp_path / f"1.{kind}") == files.sha256(tmp_path / f"2.{kind}")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "1.csv"), frame)


def test_npz_refuses_objects(tmp_path):
    with pytest.raises(ValueError, match="Python objects"):
        files.write_npz(tmp_path / "a.npz", x=np.array([{}]))
    assert names(tmp_path) == []
