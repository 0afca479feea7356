"""A run folder: what a run wrote is removed again, and nothing else, whatever is asked for."""

import os
from pathlib import Path

import fake_series
import pytest

from aqp_utils.commands import cli
from aqp_utils.core import journal
from aqp_utils.core.errors import RunError
from aqp_utils.core.files import atomic
from aqp_utils.runs.stage import Stage, verify


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository of tiny notebooks and a copy of the package; we stand in it."""
    root = fake_series.repository(tmp_path / "repository", monkeypatch)
    (root / ".git").mkdir()
    monkeypatch.chdir(root)
    return root


def files_in(folder):
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def refused(arguments, capsys):
    """The sentence with which `aqp run` refuses, having changed no file above the repository."""
    before = files_in("..")
    assert cli.main(["run", *arguments]) == 2
    assert files_in("..") == before
    error = capsys.readouterr().err
    assert error.startswith("aqp: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize("out", [".", "..", "/", "../repository", "link", "aqp_utils/.."])
def test_a_run_folder_that_is_or_holds_the_repository_is_refused(root, capsys, out):
    os.symlink("../repository", "link")
    assert "is the repository or holds it" in refused(["--out", out], capsys)
    assert "is the repository or holds it" in refused(["-p", "OUT", out], capsys)


@pytest.mark.parametrize(
    "out", ["notebooks", "notebooks/run", ".git", str(fake_series.PACKAGE / "assets")]
)
def test_a_run_folder_in_the_code_is_refused(root, capsys, out):
    assert "lies in the program's own folder" in refused(["--out", out], capsys)


@pytest.mark.parametrize("out", ["", " "])
def test_no_name_is_no_run_folder(root, capsys, out):
    assert "--out is empty" in refused(["--out", out], capsys)


def test_a_notebook_by_hand_does_not_write_into_the_repository_either(root):
    with pytest.raises(RunError, match="is the repository or holds it"):
        Stage.begin("01_clean", ".", None, {"SEED": 0})


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("01_clean/thesis.txt", "01_clean was not made by a run: it holds thesis.txt;"),
        ("01_clean/deep/er/a.wav", "it holds deep/er/a.wav"),
        ("05_report/manifest.json", "05_report was not made by a run"),
        ("07_recordings", "07_recordings is no folder"),
        ("notebooks/01_synthesize.ipynb", "01_synthesize.ipynb is no executed notebook of a run"),
        ("notebooks/05_evaluate.ipynb", "05_evaluate.ipynb is no executed notebook of a run"),
    ],
)
def test_a_folder_of_the_users_own_is_left_alone(root, capsys, file, sentence):
    path = root.parent / "mine" / file
    path.parent.mkdir(parents=True)
    path.write_text('{"cells": [], "metadata": {}}')
    error = refused(["--out", "../mine"], capsys)
    assert sentence.rstrip(";") in error and "or move this away" in error


def test_many_files_in_the_way_are_counted_and_odd_names_escaped(root, capsys):
    folder = root.parent / "mine" / "02_degraded"
    folder.mkdir(parents=True)
    for name in (b"a\n.txt", b"b\xff.txt", b"c.txt", b"d.txt", b"e.txt"):
        (folder / os.fsdecode(name)).write_text("")
    error = refused(["--out", "../mine"], capsys)
    assert r"a\n.txt, b\udcff.txt, c.txt and 2 more" in error


def test_a_users_file_in_a_finished_stage_stops_only_what_would_remove_it(root, capsys):
    run = root / "outputs" / "run"
    assert cli.main(["run"]) == 0
    (run / "04_model" / "my notes.txt").write_text("dear diary")
    (run / "04_model" / ".DS_Store").write_text("")  # the file manager's, no reason to stop
    assert cli.main(["run"]) == 0
    capsys.readouterr()
    error = refused(["-p", "EPOCHS", "7"], capsys)
    assert (
        "04_model is made again, which would remove files that no run wrote, my notes.txt" in error
    )
    (run / "04_model" / "my notes.txt").unlink()
    assert cli.main(["run", "-p", "EPOCHS", "7"]) == 0
    assert "05_evaluate: done" in capsys.readouterr().out
    assert ".DS_Store" not in verify(run, "04_model")["outputs"]
    assert not list(run.glob(".*.written"))


def test_what_lies_in_an_unfinished_stage_is_set_aside_unless_a_run_wrote_it(root, capsys):
    run = root / "outputs" / "run"
    body = """
from aqp_utils.core.files import write_text
write_text(stage.folder / 'half.csv', 'half')
stage.checkpoints.mkdir()
write_text(stage.checkpoints / 'x.npz', 'kept')
raise SystemExit('stopped')
"""
    fake_series.write(root, {"02_degraded": body})
    assert cli.main(["run"]) == 1
    folder = run / "02_degraded"
    assert (folder / "half.csv").is_file() and not (folder / "manifest.json").exists()
    (folder / "thesis.txt").write_text("mine")
    (folder / "checkpoints" / "notes.txt").write_text("mine, too")
    (folder / ".half.csv.4711.part").write_text("of a killed write")
    fake_series.write(root)
    capsys.readouterr()
    assert cli.main(["run"]) == 0
    text = capsys.readouterr().out
    assert "02_degrade: running (resuming: 1 of 7 done, this one was stopped)" in text
    assert "set aside as outputs/run/set_aside/02_degraded/thesis.txt" in text
    assert {
        p.relative_to(run / "set_aside").as_posix(): p.read_text()
        for p in files_in(run / "set_aside")
    } == {
        "02_degraded/thesis.txt": "mine",
        "02_degraded/checkpoints/notes.txt": "mine, too",
    }
    assert sorted(p.name for p in folder.iterdir()) == ["clip.wav", "manifest.json"]


def make(out, name="04_model", text="40"):
    """One stage by hand, as a notebook makes it."""
    stage = Stage.begin(name, out, None, {"SEED": 0})
    (stage.folder / "history.csv").write_text(text)
    stage.finish()
    return stage.folder


def test_clips_of_a_small_study_in_the_checkpoints_are_known_to_be_of_the_run(tmp_path):
    stage = tmp_path / "06_stress"
    stage.mkdir()
    journal.begin(stage, [])
    passing = stage / "checkpoints" / "passing" / "02_degraded" / "clips"
    passing.mkdir(parents=True)
    with atomic(passing / "one.wav") as temporary:
        temporary.write_bytes(b"sound")
    assert "checkpoints/passing/02_degraded/clips/one.wav" in journal.names_in(stage)


def test_what_was_changed_by_hand_is_set_aside_not_overwritten(root, capsys):
    folder = make("run")
    for text in ("mine", "mine again"):
        (folder / "history.csv").write_text(text)
        make("run")
        assert (folder / "history.csv").read_text() == "40"
    assert "set aside as run/set_aside/04_model/history (2).csv" in capsys.readouterr().out
    assert Path("run/set_aside/04_model/history.csv").read_text() == "mine"
    assert Path("run/set_aside/04_model/history (2).csv").read_text() == "mine again"
    make("run", text="41")
    make("run", text="42")
    assert len(files_in("run/set_aside")) == 2  # what runs wrote is not kept for ever


def test_a_damaged_manifest_costs_no_file(root):
    folder = make("run")
    (folder / "notes.txt").write_text("mine")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text()[:-10])
    make("run")
    assert Path("run/set_aside/04_model/notes.txt").read_text() == "mine"
    verify("run", "04_model")


def test_a_linked_file_is_neither_followed_nor_removed(root):
    mine = root.parent / "mine"
    (mine / "sub").mkdir(parents=True)
    (mine / "sub" / "a.txt").write_text("mine")
    os.symlink(mine / "sub", make("run") / "sub")
    with pytest.raises(RunError, match="would remove files that no run wrote, sub"):
        make("run")
    assert (mine / "sub" / "a.txt").read_text() == "mine"


def test_a_stage_killed_at_any_point_is_made_again_and_keeps_what_is_not_its(root, monkeypatch):
    """Whichever file operation of `begin` and `finish` is the last, the next begin goes on."""
    for last in range(1, 8):
        done, real = [], {name: getattr(os, name) for name in ("unlink", "replace", "rename")}

        def stopping(name, last=last, done=done, real=real):
            def operation(*arguments, **named):
                if len(done) == last:
                    raise KeyboardInterrupt
                done.append(name)
                return real[name](*arguments, **named)

            return operation

        folder = make("run")
        (folder / "history.csv").write_text(f"mine {last}")
        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, stopping(name))
            with pytest.raises(KeyboardInterrupt):
                make("run")
                make("run")
        make("run")
        aside = [path.read_text() for path in Path("run/set_aside/04_model").iterdir()]
        assert aside.count(f"mine {last}") == 1


def test_the_lock_is_no_file_that_others_name_so(root):
    run = root.parent / "mine"
    run.mkdir()
    for name in (".lock", ".lock.json", ".hashes.json", "manifest.json"):
        (run / name).write_text("mine")
    assert cli.main(["run", "--out", str(run)]) == 0
    assert {(run / n).read_text() for n in (".lock", ".lock.json", ".hashes.json")} == {"mine"}
