"""ipywidgets 7.7.1, as Colab has it, in the classic notebook in Chromium."""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from app_server import ARGUMENTS, TOKEN, served
from conftest import Visit
from explorer_page import (
    WAIT_MS,
    bad_file_then_good_file,
    keep_picture,
    move_a_slider,
    record,
    wait_for_players,
)
from tiny_predictor import save_predictor

CLASSIC = Path(sys.prefix) / "classic"  # made by make test
# What the classic notebook says of itself on every page, with or without a notebook of ours.
OF_ITS_OWN = (
    "jupyter-notebook:find-and-replace does not exist",
    "nbextensions/voila/extension",  # Voilà of the same environment has a button for notebook 6
    "nbextensions/widgets/notebook/js/extension",  # asks for the widgets of version 4 first
    "Please install widgetsnbextension or ipywidgets 4.0",
    "Failed to load resource",  # the two above, and MathJax from the network
    "Access to font at 'about:blank'",  # MathJax's blank font, wherever a formula stands
    "Control comm was closed too early",  # asks a kernel that has not yet imported ipywidgets
)
PICTURE = ".output_area img[alt^='Source ']"
LAST_CELL = """
import ipywidgets
from aqp_utils.predict import Predictor
from aqp_utils.views import explorers

print("ipywidgets", ipywidgets.__version__)
display(explorers.your_audio(Predictor.load({folder!r}, device="cpu")))
"""


@pytest.fixture(scope="module")
def folder(four_clips, tmp_path_factory):
    """Notebook 02 with a last cell that says its version and shows "your audio"."""
    folder = tmp_path_factory.mktemp("classic") / "series"
    shutil.copytree(four_clips, folder, symlinks=True)
    model = save_predictor(tmp_path_factory.mktemp("tiny"))
    path = folder / "notebooks" / "02_degrade.ipynb"
    book = nbformat.read(path, as_version=4)
    book.cells.append(nbformat.v4.new_code_cell(LAST_CELL.format(folder=str(model)).strip()))
    nbformat.write(book, path)
    return folder


@pytest.fixture(scope="module")
def address(browser, folder):
    if not CLASSIC.is_dir():
        pytest.skip(
            f"no classic notebook here: pip install --no-deps --target {CLASSIC} "
            "-r tests/browser/classic-requirements.txt"
        )
    where = f"api?token={TOKEN}"
    with served("nbclassic", folder, *ARGUMENTS, url=where, front=CLASSIC) as address:
        yield address


@pytest.fixture(scope="module")
def visited(browser, address):
    """The notebook with all its cells set to run; one page, and so one kernel, for all tests."""
    context = browser.new_context()
    visited = Visit(context.new_page()).watch()
    page = visited.page
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/notebooks/notebooks/02_degrade.ipynb?token={TOKEN}")
    page.wait_for_function("window.Jupyter?.notebook?._fully_loaded")
    page.wait_for_function("Jupyter.notebook.kernel?.info_reply?.status === 'ok'")
    page.locator("#celllink").click()
    page.locator("#run_all_cells").click()
    yield visited
    context.close()


def complaints(visited):
    return [p for p in visited.problems if not any(known in p for known in OF_ITS_OWN)]


def test_notebook_02_loads_its_widgets_without_errors(visited):
    page = visited.page
    move_a_slider(page, PICTURE)
    wait_for_players(page, ".output_area .widget-html audio", 1.0)
    page.get_by_role("heading", name="Summary").wait_for()
    page.locator(".output_area").get_by_text("ipywidgets 7.7.1").wait_for()
    assert page.locator(".output_error").count() == 0
    assert complaints(visited) == []
    keep_picture(page, PICTURE, "classic_notebook")


def test_your_audio_takes_files_and_the_microphone(visited):
    bad_file_then_good_file(visited.page)
    record(visited.page, 1.5)
    assert complaints(visited) == []
