"""ipywidgets 7.7.1, as Colab has it, in the classic notebook in Chromium."""

import sys
from pathlib import Path

import nbformat
import pytest
from app_server import TOKEN, served
from explorer_page import WAIT_MS, move_a_slider, wait_for_players

CLASSIC = Path(sys.prefix) / "classic"  # made by make test
# What the classic notebook says of itself on every page, with or without a notebook of ours.
OF_ITS_OWN = (
    "jupyter-notebook:find-and-replace does not exist",
    "nbextensions/voila/extension",  # Voilà of the same environment has a button for notebook 6
    "nbextensions/widgets/notebook/js/extension",  # asks for the widgets of version 4 first
    "Please install widgetsnbextension or ipywidgets 4.0",
    "Failed to load resource",  # the two above, and MathJax from the network
    "Control comm was closed too early",  # asks a kernel that has not yet imported ipywidgets
)


@pytest.fixture
def address(browser, notebook_folder):
    if not CLASSIC.is_dir():
        pytest.skip(
            f"no classic notebook here: pip install --no-deps --target {CLASSIC} "
            "-r tests/browser/classic-requirements.txt"
        )
    arguments = (
        "--no-browser",
        "--allow-root",
        "--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token={token}",
    )
    with served(
        "nbclassic", notebook_folder, *arguments, url=f"api?token={TOKEN}", front=CLASSIC
    ) as address:
        yield address


def ask_for_the_version(folder):
    """Let the notebook say which ipywidgets its kernel has."""
    path = folder / "notebooks" / "02_degrade.ipynb"
    book = nbformat.read(path, as_version=4)
    source = "import ipywidgets\nprint('ipywidgets', ipywidgets.__version__)"
    book.cells.append(nbformat.v4.new_code_cell(source))
    nbformat.write(book, path)


def test_notebook_02_loads_its_widgets_without_errors(visit, notebook_folder, address):
    ask_for_the_version(notebook_folder)
    visited = visit(f"{address}/notebooks/notebooks/02_degrade.ipynb?token={TOKEN}")
    page = visited.page
    page.set_default_timeout(WAIT_MS)
    page.wait_for_function("window.Jupyter?.notebook?._fully_loaded")
    page.wait_for_function("Jupyter.notebook.kernel?.info_reply?.status === 'ok'")
    page.locator("#celllink").click()
    page.locator("#run_all_cells").click()
    move_a_slider(page, ".output_area img[alt^='Source ']")
    wait_for_players(page, ".output_area .widget-html audio", 1.0)
    page.get_by_role("heading", name="Summary").wait_for()
    page.locator(".output_area").get_by_text("ipywidgets 7.7.1").wait_for()
    assert page.locator(".output_error").count() == 0
    assert [p for p in visited.problems if not any(known in p for known in OF_ITS_OWN)] == []
