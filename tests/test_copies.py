"""Executed copies: where they are written, whatever the folder is called, and what they tell."""

import io
import json
import os

import fake_series
import nbformat
import pytest
from nbformat import v4

from aqp_utils.commands import cli, copies, series
from aqp_utils.runs import notebooks

ODD = "a{b} {SEED} {{c}} $HOME $$ 'q\" \\ ü"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository of tiny notebooks, in a folder with braces; the first prints its folder."""
    body = (
        "(stage.folder / 'clip.wav').write_text('1')\nprint(stage.folder.resolve())\nstage.folder"
    )
    return fake_series.repository(tmp_path / "the {repository}", monkeypatch, {"01_clean": body})


def test_any_printable_name_of_a_run_folder_is_taken_as_it_is(root, monkeypatch):
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    few = {folder: notebooks.STUDY[folder] for folder in ("01_clean", "02_degraded")}
    monkeypatch.setattr(series, "STUDY", few)
    series.run(root=root, out=ODD, stream=io.StringIO())
    assert [path.name for path in elsewhere.iterdir()] == [ODD]
    out = elsewhere / ODD
    assert len(list((out / "notebooks").iterdir())) == 2
    assert (out / "02_degraded" / "clip.wav").is_file()
    for path in (out / "notebooks").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "elsewhere" not in text and str(root.parent) not in text, path.name
    book = nbformat.read(out / "notebooks" / "01_synthesize.ipynb", as_version=4)
    injected = next(c for c in book.cells if "injected-parameters" in c.metadata.get("tags", []))
    assert 'OUT = "OUT"' in injected.source
    assert book.cells[4].outputs[0].text == "OUT/01_clean\n"


@pytest.mark.parametrize("name", ["two\nlines", "bell\a", os.fsdecode(b"not\xffutf8")])
def test_names_that_are_no_text_are_refused_in_one_line(root, monkeypatch, capsys, name):
    monkeypatch.chdir(root)
    for arguments in (["--out", name], ["-p", "OUT", name]):
        assert cli.main(["run", *arguments]) == 2
        error = capsys.readouterr().err
        assert "may hold no control characters" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("folder", "shown"),
    [("outputs/run", "outputs/run"), ("../runs/one", "OUT"), ("{x}\\y/'z'", "{x}\\y/'z'")],
)
def test_a_copy_names_the_run_folder_as_the_repository_sees_it(tmp_path, folder, shown):
    root = tmp_path / "repository"
    out = (root / folder).resolve()
    target = out / "notebooks" / "01_synthesize.ipynb"
    target.parent.mkdir(parents=True)
    root.mkdir(exist_ok=True)
    says = f"in {out}/01_clean, {out}: {root}/notebooks/x and {out}s stay\n"
    cell = v4.new_code_cell(
        f"OUT = {json.dumps(str(out))}",
        outputs=[
            v4.new_output("stream", text=says),
            v4.new_output("execute_result", data={"text/plain": repr(str(out / "a"))}),
        ],
    )
    book = v4.new_notebook(cells=[cell], metadata={"papermill": {"parameters": {"OUT": str(out)}}})
    partial = tmp_path / "partial.ipynb"
    nbformat.write(book, partial)
    copies.publish(partial, target, root / "notebooks" / "01_synthesize.ipynb", root)
    made = nbformat.read(target, as_version=4)
    first, second = made.cells[0].outputs
    assert first.text.startswith(f"in {shown}/01_clean, {shown}: ./notebooks/x and ")
    assert f"{shown}/a" in second.data["text/plain"]
    assert str(out) not in json.dumps(made.metadata)
    assert shown == made.metadata.papermill.parameters.OUT
    assert made.cells[0].source == f'OUT = "{shown}"'
