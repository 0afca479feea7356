"""One odd file costs one row: links in circles, names that are no text, cells that would run."""

import argparse
import os

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from tiny_predictor import RATE, save_predictor, voice_like

from aqp_utils.commands import predict
from aqp_utils.core.files import write_table
from aqp_utils.core.text import shown
from aqp_utils.predict.predictor import TABLE_COLUMNS, Predictor
from aqp_utils.recordings.folders import find_recordings


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return Predictor.load(save_predictor(tmp_path_factory.mktemp("model")), device="cpu")


def typed(*words):
    """What the command line makes of `aqp predict` and these words."""
    parser = argparse.ArgumentParser()
    predict.add_arguments(parser)
    return parser.parse_args(words)


def test_a_link_to_itself_is_a_row_with_a_reason(predictor, tmp_path):
    (tmp_path / "a.wav").symlink_to(tmp_path / "a.wav")
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    sf.write(tmp_path / "b.wav", voice_like(1.0), RATE)
    table = predictor.files([tmp_path], progress=False).set_index("file")
    assert np.isfinite(table.loc[str(tmp_path / "b.wav"), "score"])
    for name in ("a.wav", "gone.wav"):
        assert "leads in a circle or nowhere" in table.loc[str(tmp_path / name), "error"]
    assert find_recordings(tmp_path / "a.wav").files == []


def test_a_name_that_is_not_utf_8_is_escaped_and_scored(predictor, tmp_path):
    good = tmp_path / "b.wav"
    sf.write(good, voice_like(1.0), RATE)
    os.rename(good, os.path.join(os.fsencode(tmp_path), b"caf\xe9\n.wav"))
    table = predictor.files([tmp_path], progress=False)
    assert table["file"].tolist() == [f"{tmp_path}/caf\\udce9\\n.wav"]
    assert np.isfinite(table["score"]).all()
    write_table(tmp_path / "scores.csv", table)
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 1


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "\tx"])
def test_a_cell_that_a_spreadsheet_would_run_stays_text(tmp_path, name):
    write_table(tmp_path / "t.csv", pd.DataFrame({"file": [name, "plain"], "score": [-1.0, 2.0]}))
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["file"].tolist() == [f"'{name}", "plain"]
    assert table["score"].tolist() == [-1.0, 2.0]


def test_the_table_grows_row_by_row_and_a_stop_leaves_what_was_scored(
    predictor, tmp_path, monkeypatch, capsys
):
    for name in ("a.wav", "=b.wav", "c.wav"):
        sf.write(tmp_path / name, voice_like(1.0), RATE)
    seen, score = [], Predictor._score
    part = tmp_path / "out" / "t.csv.part"

    def stopped(self, recording, curve=False):
        seen.append(pd.read_csv(part)["file"].tolist())
        if len(seen) == 3:
            raise KeyboardInterrupt
        return score(self, recording, curve)

    monkeypatch.setattr(Predictor, "_score", stopped)
    monkeypatch.setattr(Predictor, "load", lambda *_: predictor)
    arguments = typed(str(tmp_path), "--csv", str(tmp_path / "out" / "t.csv"))
    with pytest.raises(KeyboardInterrupt):
        predict.run(arguments)
    # Several are scored at a time: a row is never there too early, and none of those done is lost.
    assert all(len(files) <= before for before, files in enumerate(seen))
    table = pd.read_csv(part)
    assert len(table) == 2
    assert list(table) == TABLE_COLUMNS and np.isfinite(table["score"]).all()
    assert f"2 rows are in {part}" in capsys.readouterr().err
    assert not (tmp_path / "out" / "t.csv").exists()
    monkeypatch.setattr(Predictor, "_score", score)
    assert predict.run(arguments) == 0
    assert os.listdir(tmp_path / "out") == ["t.csv"]


def test_a_stop_before_the_first_row_leaves_no_file(predictor, tmp_path, monkeypatch, capsys):
    def stopped(self, recording, curve=False):
        raise KeyboardInterrupt

    sf.write(tmp_path / "a.wav", voice_like(1.0), RATE)
    monkeypatch.setattr(Predictor, "_score", stopped)
    monkeypatch.setattr(Predictor, "load", lambda *_: predictor)
    arguments = typed(str(tmp_path), "--csv", str(tmp_path / "out" / "t.csv"))
    with pytest.raises(KeyboardInterrupt):
        predict.run(arguments)
    assert os.listdir(tmp_path / "out") == [] and "rows are in" not in capsys.readouterr().err


def test_a_file_that_the_model_fails_on_is_one_row(predictor, tmp_path, monkeypatch):
    for name in ("a.wav", "b.wav"):
        sf.write(tmp_path / name, voice_like(1.0), RATE)
    score, failed = Predictor._score, []

    def once(self, recording, curve=False):
        if not failed:
            failed.append(recording)
            raise RuntimeError("not enough memory")
        return score(self, recording, curve)

    monkeypatch.setattr(Predictor, "_score", once)
    table = predictor.files([tmp_path], progress=False)
    assert "it cannot be scored (RuntimeError: not enough memory)" in table["error"][0]
    assert np.isfinite(table["score"][1])


def test_ordinary_names_are_shown_as_they_are():
    assert shown("a folder/ü 日本 – x.wav") == "a folder/ü 日本 – x.wav"
