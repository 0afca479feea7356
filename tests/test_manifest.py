import json
import os
import subprocess
import sys

import fake_series
import pytest

from aqp_utils.core.errors import RunError
from aqp_utils.core.files import sha256, write_json
from aqp_utils.runs import code
from aqp_utils.runs.hashes import FileHashes
from aqp_utils.runs.stage import Stage, verify


@pytest.fixture
def out(tmp_path, monkeypatch):
    """A run folder with 01_clean and 02_degraded made by hand, seed 0."""
    monkeypatch.chdir(fake_series.write(tmp_path))
    # Not the real sources: someone may be editing them while this test runs.
    monkeypatch.setattr(code, "files_behind", lambda modules: set())
    out = tmp_path / "outputs"
    make(out, "01_clean")
    make(out, "02_degraded", reads="01_clean")
    return out


def make(out, name, reads=None, **values):
    stage = Stage.begin(name, out, reads, {"SEED": 0, **values})
    (stage.folder / "clips").mkdir()
    (stage.folder / "clips" / "a.wav").write_text(name)
    return stage.finish()


def begin(out, **values):
    return Stage.begin("03_features", out, "02_degraded", {"SEED": 0, **values})


def edit(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_the_record_is_complete(out):
    record = make(out, "03_features", "02_degraded", OUT="x", INTERACTIVE=False, LAYER=3)
    assert record == json.loads((out / "03_features/manifest.json").read_text())
    assert record["parameters"] == {"SEED": 0, "LAYER": 3} and record["seed"] == 0
    assert set(record["inputs"]) == {"01_clean/clips/a.wav", "02_degraded/clips/a.wav"}
    assert set(record["outputs"]) == {"clips/a.wav"}
    assert record["versions"]["numpy"] and record["device"] and record["wall_time_s"] >= 0
    assert record["peak_memory_mb"] > 10


def test_begin_empties_the_folder_but_keeps_checkpoints_and_finish_removes_them(out):
    stage = Stage.begin("02_degraded", out, "01_clean", {"SEED": 0})
    assert list(stage.folder.iterdir()) == []
    stage.checkpoints.mkdir()
    stage = Stage.begin("02_degraded", out, "01_clean", {"SEED": 0})
    assert [path.name for path in stage.folder.iterdir()] == ["checkpoints"]
    assert stage.source == out / "01_clean" and stage.upstream["stage"] == "01_clean"
    stage.finish()
    assert [path.name for path in stage.folder.iterdir()] == ["manifest.json"]


def test_unfinished_counts_as_missing(out):
    Stage.begin("02_degraded", out, "01_clean", {"SEED": 0})._lock.release()
    with pytest.raises(RunError, match="run 02_degrade first: .*manifest.json is missing"):
        begin(out)


def test_other_settings_are_named_wherever_they_were_made(out):
    with pytest.raises(RunError, match=r"02_degraded was made with other .*SEED 0, here 1"):
        begin(out, SEED=1)
    make(out, "01_clean", DURATION_S=2.0)
    make(out, "02_degraded", "01_clean")
    with pytest.raises(RunError, match=r"01_clean was made with other .*DURATION_S 2.0, here 3.0"):
        begin(out, DURATION_S=3.0)


def test_where_it_computes_need_not_agree(out):
    make(out, "03_features", "02_degraded", DEVICE="cpu")
    Stage.begin("04_model", out, "03_features", {"SEED": 0, "DEVICE": "cuda"}).finish()


@pytest.mark.parametrize("folder", ["01_clean", "02_degraded"])
def test_a_changed_or_missing_file_is_named(out, folder):
    path = out / folder / "clips" / "a.wav"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(RunError, match=f"changed since it was made, {path}: run 0"):
        begin(out)
    path.unlink()
    with pytest.raises(RunError, match=f"gone since it was made, {path}"):
        begin(out)


def test_a_stage_made_again_makes_what_read_it_stale(out):
    stage = Stage.begin("01_clean", out, None, {"SEED": 0})
    (stage.folder / "new.wav").write_text("new")
    stage.finish()
    with pytest.raises(RunError, match="02_degraded was made from another 01_clean"):
        begin(out)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"stage": 1}', "\ud800", "\x00" * 10, '{"stage": "02_degraded"}'],
)
def test_any_other_text_is_no_manifest(out, text):
    (out / "02_degraded/manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RunError, match="manifest.json .*: run 02_degrade again"):
        begin(out)


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "a/../../b", "C:\\x", "..\\x", ""])
def test_paths_that_escape_are_refused(out, name):
    edit(out / "02_degraded/manifest.json", lambda record: record["outputs"].update({name: "0"}))
    with pytest.raises(RunError, match="no file of a run"):
        begin(out)


def test_a_link_out_of_the_folder_is_refused(out, tmp_path):
    path = out / "02_degraded/clips/a.wav"
    (tmp_path / "elsewhere").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="leads outside"):
        begin(out)


def test_an_edited_manifest_is_noticed(out):
    edit(out / "02_degraded/manifest.json", lambda r: r["parameters"].update(SEED=7))
    with pytest.raises(RunError, match="was edited"):
        begin(out, SEED=7)


def test_parameters_are_checked_before_anything_is_touched(out):
    before = (out / "02_degraded/manifest.json").read_text()
    with pytest.raises(ValueError, match="SEVERITIES"):
        Stage.begin("02_degraded", out, "01_clean", {"SEVERITIES": [4]})
    with pytest.raises(ValueError, match="a stage is one of"):
        Stage.begin("02_degrade", out, "01_clean", {})
    assert (out / "02_degraded/manifest.json").read_text() == before


def test_a_folder_that_cannot_be_written_is_named(out, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written") as error:
        Stage.begin("01_clean", tmp_path / "file", None, {})
    assert error.value.filename == str(tmp_path / "file")


def test_hashes_follow_the_file_and_trust_only_what_has_settled(tmp_path):
    path = tmp_path / "a"
    path.write_text("1")
    with FileHashes(tmp_path, handed_on=True) as hashes:
        fresh = hashes.sha256(path)
    path.write_text("2")  # as long, perhaps within the same tick of the disk's clock
    with FileHashes(tmp_path, handed_on=True) as hashes:
        assert hashes.sha256(path) == sha256(path) != fresh
        os.utime(path, (0, 0))
        settled = hashes.sha256(path)
    with FileHashes(tmp_path, handed_on=True) as hashes:
        path.write_text("3")
        os.utime(path, (0, 0))
        assert hashes.sha256(path) == settled  # taken from the process before
    with FileHashes(tmp_path) as alone:
        assert alone.sha256(path) == sha256(path)
    hashes.forget()
    assert list(tmp_path.iterdir()) == [path]


def test_verify_follows_the_chain(out):
    assert verify(out, "02_degraded")["reads"] == "01_clean"


HOLD = """
import sys
from aqp_utils.runs.stage import Stage
stage = Stage.begin("01_clean", sys.argv[1], None, {"SEED": 0})
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_stops_naming_the_holder_and_a_dead_one_holds_nothing(out):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RunError, match=rf"01_synthesize \(process {holder.pid} on .*, since 2"):
        begin(out)
    holder.kill()
    holder.communicate()
    make(out, "01_clean")


def test_the_pipeline_lends_its_lock_to_its_notebooks(out, monkeypatch):
    from aqp_utils.runs.lock import HELD_FOR, RunLock

    lock = RunLock(out)
    lock.acquire("a run")
    monkeypatch.setenv(HELD_FOR, str(out.resolve()))
    make(out, "01_clean")
    assert lock._lock.is_locked
    lock.release()


def test_manifests_are_not_outputs_of_their_stage(out):
    write_json(out / "01_clean" / "extra.json", {})
    assert "manifest.json" not in verify(out, "01_clean")["outputs"]


def test_a_refused_run_leaves_no_folder_behind(out, tmp_path):
    with pytest.raises(RunError, match="run 02_degrade first"):
        begin(tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
