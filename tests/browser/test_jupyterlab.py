"""JupyterLab in Chromium: notebook 02 runs, its explorer answers and has sound."""

from pathlib import Path

import nbformat
import pytest
from app_server import TOKEN, served

from aqp_utils.dataset import make_clean
from aqp_utils.manifest import Stage
from aqp_utils.storage import write_csv

ROOT = Path(__file__).resolve().parents[2]
KINDS = ["noise", "lowpass"]
RUN_MS = 70_000
PICTURE = ".jp-OutputArea img[alt^='Source ']"
LENGTHS = "[...document.querySelectorAll('.jp-OutputArea .widget-html audio')].map(a => a.duration)"

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder like the repository with notebook 02, and four clips for it to degrade."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "aqp_utils").symlink_to(ROOT / "aqp_utils")
    (folder / "notebooks").mkdir()
    path = "notebooks/02_degrade.ipynb"
    book = nbformat.read(ROOT / path, as_version=4)
    given = f"OUT = {str(folder / 'run')!r}\nDEGRADATIONS = {KINDS!r}"
    (cell,) = (c for c in book.cells if "parameters" in c.metadata.get("tags", []))
    cell.source += f"\n{given}"
    nbformat.write(book, folder / path)
    values = dict(SEED=0, N_PER_CONDITION=2, DEGRADATIONS=KINDS, SOURCES="tones", DURATION_S=1.0)
    stage = Stage.begin("01_clean", out=folder / "run", parameters=values)
    write_csv(stage.folder / "clips.csv", make_clean(stage.folder, 4, "tones", 1.0, 0))
    stage.finish()
    return folder


@pytest.fixture(scope="module")
def address(browser, folder):
    arguments = (
        "--no-browser",
        "--allow-root",
        "--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token={token}",
        "--LabApp.app_settings_dir={settings}",
    )
    with served("jupyterlab", folder, *arguments, url=f"api?token={TOKEN}") as address:
        yield address


def test_notebook_02_runs_and_its_slider_moves_the_picture(visit, address):
    page = visit(f"{address}/doc/tree/notebooks/02_degrade.ipynb?token={TOKEN}").page
    page.set_default_timeout(RUN_MS)
    page.get_by_text("(ipykernel) | Idle").wait_for()  # what is run before is lost
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    picture = page.locator(PICTURE).first
    picture.wait_for()
    before = picture.get_attribute("src")
    handle = page.locator(".widget-slider .noUi-handle").first
    handle.focus()
    handle.press("PageUp")
    page.wait_for_function(
        "([where, before]) => document.querySelector(where).src !== before", arg=[PICTURE, before]
    )
    page.wait_for_function(f"{LENGTHS}.length >= 2 && {LENGTHS}.every(s => Math.abs(s - 1) < 0.1)")
    page.get_by_role("heading", name="Summary").wait_for()  # the last cell has run as well
    assert page.get_by_text("Error displaying widget").count() == 0
    assert page.locator(".jp-OutputArea [data-mime-type$='.error']").count() == 0
