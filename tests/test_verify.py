"""`aqp verify`: nothing that was changed in a run folder goes unnoticed."""

import json
import re
import shutil
import sys
from pathlib import Path

import fake_series
import numpy as np
import pandas as pd
import pytest
from nbformat import v4, write

from aqp_utils.commands import cli
from aqp_utils.core.audio import read_clip, write_wav
from aqp_utils.core.files import write_csv, write_npz
from aqp_utils.data import clips, extraction, remade
from aqp_utils.runs import code, executed, verification
from aqp_utils.runs.notebooks import STUDY
from aqp_utils.runs.stage import Stage

sys.path.insert(0, str(Path(__file__).parent / "faults"))
import flips  # noqa: E402

KINDS, SEVERITIES, SEED, N = ["noise", "clip"], [1, 3], 5, 4
VALUES = {
    "01_clean": dict(SEED=SEED, SOURCES="tones", DURATION_S=1.0, N_PER_CONDITION=2),
    "02_degraded": dict(SEED=SEED, DEGRADATIONS=KINDS, SEVERITIES=SEVERITIES, GAPS=True),
    "03_features": dict(SEED=SEED, ENCODER="random", LAYER=-1, POOLING="mean"),
}


def make_clean(folder):
    write_csv(folder / "clips.csv", clips.make_clean(folder, N, "tones", 1.0, SEED))


def make_degraded(folder):
    clean = pd.read_csv(folder.parent / "01_clean" / "clips.csv")
    plan = clips.plan_degraded(clean, KINDS, SEVERITIES)
    write_csv(folder / "clips.csv", clips.make_degraded(folder, plan, "pseudo_pesq", SEED))


def make_features(folder):
    table = pd.read_csv(folder.parent / "02_degraded" / "clips.csv")
    files = [folder.parent / "02_degraded" / file for file in table["file"]]
    sets = {s: extraction.features_of(files, s, None) for s in ("psychoacoustic", "classic")}
    write_npz(
        folder / "features.npz",
        clip=table["clip"].to_numpy(dtype=str),
        embedding=np.zeros((len(table), 8)),
        **sets,
    )


def make(run, name, body):
    """One stage and its executed copy, as `aqp run` leaves them."""
    reads = {"02_degraded": "01_clean", "03_features": "02_degraded"}.get(name)
    stage = Stage.begin(name, run, reads, VALUES[name])
    body(stage.folder)
    stage.finish()
    copy = run / "notebooks" / f"{STUDY[name]}.ipynb"
    copy.parent.mkdir(exist_ok=True)
    about = {"input_path": f"notebooks/{copy.name}", "output_path": copy.name}
    write(v4.new_notebook(metadata={"papermill": about}), copy)
    executed.record(run, copy, name)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run folder with real clips and features of 01 to 03."""
    folder = tmp_path_factory.mktemp("verify")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(fake_series.write(folder))
        patch.setattr(code, "files_behind", lambda modules: set())
        for name, body in zip(VALUES, (make_clean, make_degraded, make_features), strict=True):
            make(folder / "run", name, body)
    return folder / "run"


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def verify(run, capsys, *arguments):
    """Exit code of `aqp verify` and what it printed."""
    return cli.main(["verify", str(run), *arguments]), capsys.readouterr().out


def test_a_run_as_it_was_made_passes_and_is_made_again_to_the_bit(run, capsys):
    exit_code, text = verify(run, capsys)
    assert exit_code == 0 and "passed" in text and "note:" not in text and "wrong" not in text
    assert re.search(r"clips +(\d) made again from the seed, \1 to the bit", text)
    assert re.search(r"features +8 made again from the seed, 8 to the bit", text)


def test_a_hundred_flipped_bits_are_found(run):
    found = list(flips.trials(run, 100, seed=16))
    assert [(file, bit) for file, bit, said, _ in found if not said] == []
    records = [run / executed.FILE, run / "02_degraded" / "manifest.json"]
    found = list(flips.trials(run, 40, seed=17, files=records))
    assert [(file, bit) for file, bit, said, _ in found if not said] == []
    assert flips.problems(run) == []


def test_a_flip_in_an_executed_notebook_is_named(run, capsys):
    flips.flip(run / "notebooks" / "02_degrade.ipynb", 100)
    exit_code, text = verify(run, capsys)
    assert exit_code == 1 and "failed, 1 wrong" in text
    assert "wrong: notebooks/02_degrade.ipynb is another than when 02_degrade.ipynb" in text


@pytest.mark.parametrize("file", ["02_degraded/clips.csv", "notebooks/02_degrade.ipynb"])
def test_what_is_gone_is_wrong(run, capsys, file):
    (run / file).unlink()
    exit_code, text = verify(run, capsys)
    assert exit_code == 1 and f"{file} is gone" in text


def test_a_spoilt_record_of_the_notebooks_is_wrong(run, capsys):
    path = run / executed.FILE
    path.write_text(path.read_text() + " ")
    exit_code, text = verify(run, capsys)
    assert exit_code == 1 and "notebooks.json was changed since a run wrote it" in text


def test_a_run_of_an_earlier_version_is_checked_as_far_as_it_goes(run, capsys):
    (run / executed.FILE).unlink()
    (run / "03_features" / "notes.txt").write_text("mine")
    exit_code, text = verify(run, capsys)
    assert exit_code == 0 and text.count("note:") == 2
    assert "no hash of the executed notebooks of 01_clean, 02_degraded, 03_features was" in text
    assert "03_features holds files of no run: notes.txt" in text


def test_another_clip_with_a_proper_manifest_is_found_by_making_it_again(run, capsys, monkeypatch):
    monkeypatch.chdir(run.parent)
    monkeypatch.setattr(code, "files_behind", lambda modules: set())
    fake_series.write(run.parent)

    def forged(folder):
        make_degraded(folder)
        for path in (folder / "clips").iterdir():
            write_wav(path, np.roll(read_clip(path), 1))

    make(run, "02_degraded", forged)
    make(run, "03_features", make_features)
    exit_code, text = verify(run, capsys)
    assert exit_code == 1 and "made again differs by" in text and "steps" in text
    assert verify(run, capsys, "--sample", "0")[0] == 0  # the hashes alone cannot know


def test_a_changed_number_among_the_features_is_found(run, tmp_path):
    path = run / "03_features" / "features.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    content["classic"][1] += 0.1 * content["classic"].std(axis=0)
    write_npz(tmp_path / "forged.npz", **content)
    table = pd.read_csv(run / "02_degraded" / "clips.csv")
    heard = {1: read_clip(run / "02_degraded" / table["file"][1])}
    right, wrong = (remade.remade_features(p, heard) for p in (path, tmp_path / "forged.npz"))
    assert all(result.agrees for result in right)
    assert [result.name for result in wrong if not result.agrees] == [
        f"classic of {table['clip'][1]}"
    ]


@pytest.mark.parametrize("arguments", [["nowhere"], [".", "--sample", "-1"]])
def test_what_is_no_run_folder_is_one_sentence(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["verify", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("aqp: ") and error.count("\n") == 1


def test_a_changed_copy_is_set_aside_and_its_notebook_made_again(run):
    copy = run / "notebooks" / "02_degrade.ipynb"
    assert not executed.is_changed(run, copy)
    text = copy.read_text()
    copy.write_text(json.dumps(json.loads(text) | {"mine": 1}))
    assert executed.is_changed(run, copy)
    aside = executed.make_room(run, copy)
    assert json.loads(aside.read_text())["mine"] == 1 and not copy.exists()
    copy.write_text(text)
    assert executed.make_room(run, copy) is None and not copy.exists()


def test_the_checks_read_every_file_that_a_run_recorded(run):
    checked = sum(found.checked for _, _, found in verification.check(run))
    manifests, copies, record = 3, 3, 1
    outputs = [p for n in VALUES for p in (run / n).rglob("*") if p.is_file()]
    assert checked == len(outputs) - manifests + manifests + copies + record
