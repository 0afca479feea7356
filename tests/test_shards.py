"""Work in shards: the same files here and on a cluster, whoever is killed meanwhile."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from tiny_predictor import RATE, voice_like

from aqp_utils.commands import predict as command
from aqp_utils.commands import predict_shards
from aqp_utils.core.files import sha256, write_npz
from aqp_utils.data import clips, in_shards
from aqp_utils.data.embedding import embeddings_of
from aqp_utils.data.extraction import features_of
from aqp_utils.encoders.wav2vec2 import load_encoder
from aqp_utils.runs import shards
from aqp_utils.runs.shards import Shard, is_whole, make_shards, part_of

PATIENCE_S = 120


def slow_noise(path, seed, seconds=0.0):
    """A task: some noise, slowly."""
    time.sleep(seconds)
    write_npz(path, noise=np.random.default_rng(seed).standard_normal(1000), pid=np.zeros(1))


def kill_once(path, flag):
    """A task whose process dies the first time."""
    if not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    slow_noise(path, 0)


def refuse(path):
    raise ValueError("no such sound")


def shards_in(folder, n=6, *more):
    return [Shard(Path(folder) / f"{i}.npz", (i, *more)) for i in range(n)]


def hashes(paths):
    return [sha256(path) for path in paths]


def test_shards_are_made_once_and_corrupt_ones_again(tmp_path, capsys):
    wanted = shards_in(tmp_path)
    made = make_shards(slow_noise, wanted, 2)
    before, times = hashes(made), [path.stat().st_mtime_ns for path in made]
    made[2].unlink()
    content = bytearray(made[4].read_bytes())
    content[200] ^= 1
    made[4].write_bytes(content)
    assert [is_whole(path) for path in made] == [True, True, False, True, False, True]
    assert hashes(make_shards(slow_noise, wanted, 1)) == before
    assert "resuming: 4 of 6" in capsys.readouterr().out
    assert [made[i].stat().st_mtime_ns == times[i] for i in (0, 1, 3, 5)] == [True] * 4


def test_a_killed_process_costs_nothing_but_its_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(shards.time, "sleep", lambda seconds: None)
    wanted = [Shard(tmp_path / f"{i}.npz", (str(tmp_path / "flag"),)) for i in range(3)]
    assert all(is_whole(path) for path in make_shards(kill_once, wanted, 2))


def test_an_error_of_a_task_is_told_at_once(tmp_path):
    with pytest.raises(ValueError, match="no such sound"):
        make_shards(refuse, [Shard(tmp_path / "0.npz", ())], 1)


def test_what_is_made_on_another_disk_is_told(tmp_path, monkeypatch):
    wanted = [Shard(tmp_path / "0.npz", (0,))]
    monkeypatch.setattr(shards, "_computed", lambda *_: iter([str(tmp_path / "0.npz")]))
    with pytest.raises(RuntimeError, match="0.npz was made but is not here.*share its folder"):
        make_shards(slow_noise, wanted, 1)


def test_who_always_dies_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(shards.time, "sleep", lambda seconds: None)
    wanted = [Shard(tmp_path / "0.npz", (str(tmp_path / "no" / "such"),))]
    monkeypatch.setattr(shards, "_computed", _lose)
    with pytest.raises(RuntimeError, match="1 shards are left.*same command"):
        make_shards(slow_noise, wanted, 1)


def _lose(*_):
    raise shards.LostWorkersError("a process was killed")
    yield


def test_parts_of_an_array_are_everything_once(tmp_path):
    wanted = shards_in(tmp_path, 7)
    parts = [part_of(wanted, part, 3) for part in range(3)]
    assert sorted(sum(parts, []), key=wanted.index) == wanted
    with pytest.raises(ValueError, match="no part 3 of 3"):
        part_of(wanted, 3, 3)


@pytest.fixture
def start():
    """Starts a part of a Dask cluster as a process of its own; all end with the test."""
    pytest.importorskip("distributed")
    running = []

    def begin(*arguments):
        here = str(Path(__file__).parent)
        path = os.pathsep.join([here, *sys.path])
        command = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]]
        process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()


def worker(start, address):
    quiet = ("--nthreads", "1", "--no-dashboard", "--no-nanny", "--death-timeout", "120")
    return start("dask_worker", address, *quiet)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def study_of(folder, checkpoints):
    """Clips, features and embedding, in shards of three: what all else hashes to, and the last."""
    clean = clips.make_clean(folder / "01_clean", 5, "tones", 1.0, 0, checkpoints)
    plan = clips.plan_degraded(clean, ["noise", "clip"], (1, 3))
    made = clips.make_degraded(folder / "02_degraded", plan, "pseudo_pesq", 0, True, checkpoints)
    files = [folder / "02_degraded" / file for file in made["file"]]
    features = features_of(files, "classic", checkpoints)
    _, layers = embeddings_of(files, load_encoder(verbose=False), checkpoints)
    tables = [table.to_csv(index=False) for table in (clean, made)]
    waves = hashes(sorted(folder.rglob("*.wav")))
    return [*tables, *waves, features.tobytes()], layers


def test_the_study_is_the_same_on_one_core_on_two_and_on_a_cluster(start, tmp_path, monkeypatch):
    monkeypatch.setattr(in_shards, "FEWEST", 3)
    port = free_port()
    start("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    worker(start, f"tcp://127.0.0.1:{port}")
    found = []
    for name, cores, address in (("1", 1, ""), ("2", 2, ""), ("3", 1, f"tcp://127.0.0.1:{port}")):
        monkeypatch.setattr(in_shards.os, "cpu_count", lambda n=cores: n)
        monkeypatch.setenv("AQP_DASK", address)
        found.append(study_of(tmp_path / name, tmp_path / name / "checkpoints"))
    (first, layers), *others = found
    assert all(other == first for other, _ in others) and len(first) == 18
    for _, other in others:  # a worker has one thread, which changes the last bits
        np.testing.assert_allclose(other, layers, rtol=1e-4, atol=1e-4)
    names = sorted(path.name for path in (tmp_path / "1" / "checkpoints").glob("*.npz"))
    assert len(names) == 2 + 4 + 4 + 4


def test_a_cluster_makes_the_same_files_whatever_is_killed(start, tmp_path):
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduling = ("dask_scheduler", "--host", "127.0.0.1", "--port", port)
    scheduler = start(*scheduling, "--no-dashboard")
    first, _ = worker(start, address), worker(start, address)
    local = hashes(make_shards(slow_noise, shards_in(tmp_path / "local", 12, 0.0), 1))
    wanted = shards_in(tmp_path / "cluster", 12, 0.5)
    made = []
    work = threading.Thread(target=lambda: made.extend(make_shards(slow_noise, wanted, 1, address)))
    work.start()
    _wait(lambda: sum(is_whole(shard.path) for shard in wanted) >= 2)
    first.kill()
    _wait(lambda: sum(is_whole(shard.path) for shard in wanted) >= 4)
    wanted[0].path.write_bytes(b"corrupt")
    scheduler.kill()
    scheduler.wait()
    start(*scheduling, "--no-dashboard")
    worker(start, address)
    work.join(PATIENCE_S)
    assert not work.is_alive()
    assert hashes(make_shards(slow_noise, wanted, 1, address)) == local


def _wait(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(5):
        sf.write(folder / f"{number}.wav", voice_like(0.4 + 0.1 * number, number), RATE)
    (folder / "no.wav").write_bytes(b"no audio")
    return folder


def predict(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def test_jobs_of_an_array_score_what_one_command_scores(recordings, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(predict_shards, "FILES_PER_SHARD", 2)
    monkeypatch.chdir(recordings.parent)
    alone, shared = tmp_path / "alone.csv", tmp_path / "shared.csv"
    assert predict("recordings", tmp_path / "missing", "--csv", alone) == 1
    job = ("recordings", tmp_path / "missing", "--csv", shared, "--of", 2)
    assert predict(*job, "--part", 1) == 0 and not shared.exists()
    assert "part 1 of 2 is scored; 2 shards of the others are missing" in capsys.readouterr().out
    assert predict(*job, "--part", 0) == 1
    assert shared.read_bytes() == alone.read_bytes()


def test_a_recording_that_has_changed_is_scored_again(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(predict_shards, "FILES_PER_SHARD", 2)
    before, _ = predict_shards.scored_in_shards([recordings], tmp_path / "a.csv")
    sf.write(recordings / "3.wav", voice_like(2.0, 9), RATE)
    scored = []
    score = predict_shards.score_shard
    monkeypatch.setattr(predict_shards, "make_shards", lambda task, shards, *_: [
        scored.append(shard) or score(shard.path, *shard.arguments)
        for shard in shards if not is_whole(shard.path)
    ])  # fmt: skip
    after, _ = predict_shards.scored_in_shards([recordings], tmp_path / "a.csv")
    assert len(scored) == 1 and (before["score"] != after["score"]).sum() == 2  # one is NaN


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--part", "0"], "--part and --of belong together"),
        (["--part", "0", "--of", "2"], "--part and --dask need --csv"),
        (["--part", "2", "--of", "2", "--csv", "x.csv"], "no part 2 of 2: parts are 0 to 1"),
    ],
)
def test_half_said_shares_are_refused(recordings, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        predict(recordings, *words)


def test_a_cluster_scores_what_this_process_scores(start, recordings, tmp_path):
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    start("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    worker(start, address)
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    predict(recordings, "--csv", here)
    predict(recordings, "--csv", there, "--dask", address)
    assert there.read_bytes() == here.read_bytes()
    assert not predict_shards.folder_of(there).exists()
