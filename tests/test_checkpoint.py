import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from aqp_utils.runs import checkpoint

KEYS = [f"clip{i}" for i in range(10)]


def values(indices):
    return np.random.default_rng(indices[0]).standard_normal((len(indices), 3))


def chunks(folder):
    return sorted(folder.glob("*.npz"))


def test_equals_the_direct_computation_and_is_not_computed_twice(tmp_path):
    calls = []

    def compute(indices):
        calls.append(list(indices))
        return np.array([[i, i**2] for i in indices], dtype=np.float32)

    first = checkpoint.map_chunks(tmp_path, KEYS, compute, chunk=4)
    again = checkpoint.map_chunks(tmp_path, KEYS, compute, chunk=4)
    np.testing.assert_array_equal(first, [[i, i**2] for i in range(10)])
    assert first.dtype == again.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert calls == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_changed_key_recomputes_its_chunk_only(tmp_path):
    calls = []

    def compute(indices):
        calls.append(indices[0])
        return values(indices)

    checkpoint.map_chunks(tmp_path, KEYS, compute, chunk=4)
    checkpoint.map_chunks(tmp_path, [*KEYS[:5], "other", *KEYS[6:]], compute, chunk=4)
    assert calls == [0, 4, 8, 4]


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_a_damaged_chunk_is_noticed_and_made_again(tmp_path, capsys, damage):
    before = checkpoint.map_chunks(tmp_path, KEYS, values, chunk=4)
    path = chunks(tmp_path)[1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    cut = {"flip": len(content), "truncate": len(content) - 7, "empty": 0}[damage]
    path.write_bytes(content[:cut])
    after = checkpoint.map_chunks(tmp_path, KEYS, values, chunk=4, label="loudness")
    assert "checksum mismatch" not in capsys.readouterr().out  # another label, another file
    after = checkpoint.map_chunks(tmp_path, KEYS, values, chunk=4)
    assert "checksum mismatch, recomputing" in capsys.readouterr().out
    np.testing.assert_array_equal(before, after)


def test_wrong_results_are_refused_and_not_kept(tmp_path):
    with pytest.raises(ValueError, match="computed for 4 clips"):
        checkpoint.map_chunks(tmp_path, KEYS, lambda indices: np.zeros((3, 2)), chunk=4)
    with pytest.raises(ValueError, match="no clips"):
        checkpoint.map_chunks(tmp_path, [], values)
    assert chunks(tmp_path) == []


SLOW = """
import sys, time
import numpy as np
from pathlib import Path
from aqp_utils.runs import checkpoint

def compute(indices):
    time.sleep(0.1)
    return np.random.default_rng(indices[0]).standard_normal((len(indices), 3))

keys = [f"clip{i}" for i in range(40)]
result = checkpoint.map_chunks(Path(sys.argv[1]), keys, compute, chunk=2)
np.save(sys.argv[2], result)
"""


def test_kill_at_any_point_and_rerun_gives_the_uninterrupted_result(tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def start(folder, result):
        command = [sys.executable, script, tmp_path / folder, tmp_path / result]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    whole = start("whole", "whole.npy")
    seen = -1
    for _ in range(2):
        process = start("killed", "killed.npy")
        while len(chunks(tmp_path / "killed")) < seen + 4:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "killed.npy").exists()
        seen = len(chunks(tmp_path / "killed"))
    output, _ = start("killed", "killed.npy").communicate()
    assert f"resuming: {2 * seen} of 40" in output
    assert whole.wait() == 0
    assert (tmp_path / "killed.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
