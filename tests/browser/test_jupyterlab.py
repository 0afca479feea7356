"""JupyterLab in Chromium: notebook 02 runs, its explorer answers and has sound."""

import pytest
from app_server import ARGUMENTS, TOKEN, served
from explorer_page import WAIT_MS, keep_picture, move_a_slider, wait_for_players

PICTURE = ".jp-OutputArea img[alt^='Source ']"


@pytest.fixture
def address(browser, notebook_folder):
    arguments = (*ARGUMENTS, "--LabApp.app_settings_dir={settings}")
    with served("jupyterlab", notebook_folder, *arguments, url=f"api?token={TOKEN}") as address:
        yield address


def test_notebook_02_runs_and_its_slider_moves_the_picture(visit, address):
    page = visit(f"{address}/doc/tree/notebooks/02_degrade.ipynb?token={TOKEN}").page
    page.set_default_timeout(WAIT_MS)
    page.get_by_text("(ipykernel) | Idle").wait_for()  # what is run before is lost
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    move_a_slider(page, PICTURE)
    wait_for_players(page, ".jp-OutputArea .widget-html audio", 1.0)
    page.get_by_role("heading", name="Summary").wait_for()  # the last cell has run as well
    assert page.get_by_text("Error displaying widget").count() == 0
    assert page.locator(".jp-OutputArea [data-mime-type$='.error']").count() == 0
    keep_picture(page, PICTURE, "jupyterlab")
