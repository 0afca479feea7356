"""The pages of the series open from disk, play, and ask nothing of any network."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("latex2mathml", reason="make site has not been installed")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The pages of the committed run."""
    out = tmp_path_factory.mktemp("site") / "pages"
    subprocess.run([sys.executable, "scripts/build_site.py", "--out", out], cwd=ROOT, check=True)
    return out


def test_the_pages_are_small_and_complete(site):
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert size < 40e6
    executed = {path.stem for path in (ROOT / "outputs/showcase/notebooks").glob("*.ipynb")}
    assert executed | {"index", "study", "predictor"} <= {path.stem for path in site.glob("*.html")}


def test_links_between_pages_lead_somewhere(site):
    for page in site.glob("*.html"):
        if page.name == "report.html":
            continue
        text = page.read_text("utf-8")
        for address in re.findall(r'(?:href|src)="(?!#|data:|https?:|mailto:)([^"#]+)', text):
            assert (site / address).exists(), f"{page.name}: {address}"


@pytest.mark.parametrize("width", [390, 1200])
def test_a_notebook_reads_on_a_phone_and_a_screen(site, visit, width):
    for name in ("01_synthesize", "03_features", "study"):
        seen = visit((site / f"{name}.html").as_uri())
        seen.page.set_viewport_size({"width": width, "height": 800})
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.problems == [] and seen.network == []


def test_sound_plays(site, visit):
    seen = visit((site / "01_synthesize.html").as_uri())
    seen.page.evaluate("document.querySelector('audio').load()")
    seen.page.wait_for_function("document.querySelector('audio').readyState >= 2")
    assert seen.page.evaluate("document.querySelector('audio').duration") > 0.5


def test_formulas_are_drawn_and_plumbing_is_folded(site, visit):
    seen = visit((site / "02_degrade.html").as_uri())
    assert seen.page.locator("math").count() > 0
    assert seen.page.locator("details > summary", has_text=re.compile("^parameters$")).count() == 1
    assert not seen.page.locator("details .code").first.is_visible()


def test_the_answer_of_an_exercise_shows_only_when_its_solution_is_opened(tmp_path, visit):
    folder = tmp_path / "run" / "notebooks"
    folder.mkdir(parents=True)
    book = json.loads((ROOT / "outputs/showcase/notebooks/05_evaluate.ipynb").read_text("utf-8"))
    source = json.loads((ROOT / "notebooks/05_evaluate.ipynb").read_text("utf-8"))
    book["cells"] = [cell for cell in source["cells"] if "solution" in str(cell["metadata"])]
    for number, cell in enumerate(book["cells"]):
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": f"answer {number}"}]
    title = {"cell_type": "markdown", "metadata": {}, "source": "# 05 · Evaluate"}
    book["cells"].insert(0, title)
    (folder / "05_evaluate.ipynb").write_text(json.dumps(book), "utf-8")
    command = [sys.executable, "scripts/build_site.py", "--run", folder.parent]
    subprocess.run([*command, "--out", tmp_path / "pages"], cwd=ROOT, check=True)
    seen = visit((tmp_path / "pages" / "05_evaluate.html").as_uri())
    answer = seen.page.get_by_text("answer 1")
    assert answer.count() == 1 and not answer.is_visible()
    seen.page.locator("details > summary", has_text="solution").last.click()
    assert answer.is_visible()


def test_both_schemes_are_legible(site, visit):
    seen = visit((site / "index.html").as_uri())
    colours = {}
    for scheme in ("light", "dark"):
        seen.page.emulate_media(color_scheme=scheme)
        colours[scheme] = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colours["light"] != colours["dark"]
