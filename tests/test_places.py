"""A reader's own recordings are found from where the reader stands."""

import subprocess
import sys

import pytest

from aqp_utils.runs import parameters, places
from aqp_utils.runs.notebooks import find_root

ROOT = find_root()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Current folder: one outside the repository that holds mine/."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_stays_nothing():
    assert places.found("RECORDINGS", "") == ""


@pytest.mark.parametrize("start", [".", "notebooks", "tests"])
def test_from_the_repository_its_notebooks_and_any_folder_in_it(start, monkeypatch):
    monkeypatch.chdir(ROOT / start)
    assert places.found("RECORDINGS", "tests/browser") == "tests/browser"
    assert places.found("RECORDINGS", "making") == "notebooks/making"
    assert places.found("RECORDINGS", str(ROOT / "tests")) == "tests"


def test_from_the_current_folder_and_from_where_the_notebook_was_opened(elsewhere, monkeypatch):
    assert places.found("RECORDINGS", "mine") == str(elsewhere / "mine")
    monkeypatch.chdir(ROOT)  # as every notebook does in its second cell
    assert places.found("RECORDINGS", "mine", elsewhere) == str(elsewhere / "mine")
    assert places.found("RECORDINGS", "../mine", elsewhere / "mine") == str(elsewhere / "mine")


def test_where_the_reader_stands_comes_first(elsewhere):
    (elsewhere / "notebooks").mkdir()
    assert places.found("RECORDINGS", "notebooks") == str(elsewhere / "notebooks")


def test_one_sentence_names_where_was_looked(elsewhere):
    with pytest.raises(ValueError) as error:
        places.found("RECORDINGS", "not/there", elsewhere / "mine")
    sentence = str(error.value)
    assert sentence.startswith("RECORDINGS = 'not/there': there is no such file or folder in ")
    for folder in (elsewhere / "mine", elsewhere, ROOT, ROOT / "notebooks"):
        assert f"{folder}," in sentence or f"{folder};" in sentence
    assert "\n" not in sentence and "allowed are a path that exists and nothing" in sentence


def test_the_command_hands_on_what_the_notebook_finds(elsewhere, monkeypatch):
    given = parameters.resolve("smoke", {"RECORDINGS": parameters.parse("RECORDINGS", "mine")})
    assert given["RECORDINGS"] == str(elsewhere / "mine")
    monkeypatch.chdir(ROOT)
    assert places.found("RECORDINGS", given["RECORDINGS"], ROOT) == given["RECORDINGS"]


def test_the_command_line_says_so_and_touches_nothing(elsewhere):
    command = [sys.executable, "-m", "aqp_utils", "run", "-p", "RECORDINGS", "gone", "--out", "run"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": ""}
    )
    assert done.returncode == 2
    assert "RECORDINGS = 'gone': there is no such file or folder in " in done.stderr
    assert not (elsewhere / "run").exists()
