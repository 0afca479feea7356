"""A real browser for tests: Debian's Chromium, driven by Playwright.

`visit(url)` opens a page and keeps what it complains about and what it asks the network for, so
that every test can end with `assert visit.problems == []`.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest

from aqp_utils.core.files import write_csv
from aqp_utils.data.clips import make_clean
from aqp_utils.runs.stage import Stage

ROOT = Path(__file__).resolve().parents[2]

CHROMIUM = os.environ.get("AQP_CHROMIUM") or shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a microphone that beeps …
    "--use-fake-ui-for-media-stream",  # … and that may be used
)
LOCAL = ("file:", "data:", "blob:", "about:")


@dataclass
class Visit:
    """A page with its complaints (console errors, warnings, exceptions) and its requests."""

    page: object
    problems: list = field(default_factory=list)
    network: list = field(default_factory=list)  # addresses beyond this file

    def watch(self):
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._request)
        return self

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _request(self, request):
        if not request.url.startswith(LOCAL):
            self.network.append(request.url)


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """Function (url, **options of browser.new_context) -> Visit; contexts close with the test."""
    contexts = []

    def open_page(url, **options):
        contexts.append(browser.new_context(**options))
        visited = Visit(contexts[-1].new_page()).watch()
        visited.page.goto(url)
        return visited

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def four_clips(tmp_path_factory):
    """A folder like the repository with notebook 02, and four clean clips for it to degrade."""
    folder = tmp_path_factory.mktemp("series")
    kinds = ["noise", "lowpass"]
    (folder / "aqp_utils").symlink_to(ROOT / "aqp_utils")
    (folder / "notebooks").mkdir()
    path = "notebooks/02_degrade.ipynb"
    book = nbformat.read(ROOT / path, as_version=4)
    (cell,) = (c for c in book.cells if "parameters" in c.metadata.get("tags", []))
    cell.source += f"\nDEGRADATIONS = {kinds!r}"
    nbformat.write(book, folder / path)
    values = dict(SEED=0, N_PER_CONDITION=2, DEGRADATIONS=kinds, SOURCES="tones", DURATION_S=1.0)
    stage = Stage.begin("01_clean", out=folder / "outputs" / "run", parameters=values)
    write_csv(stage.folder / "clips.csv", make_clean(stage.folder, 4, "tones", 1.0, 0))
    stage.finish()
    return folder


@pytest.fixture
def notebook_folder(four_clips, tmp_path):
    """A copy of `four_clips` to run and to save in."""
    return shutil.copytree(four_clips, tmp_path / "series", symlinks=True)
