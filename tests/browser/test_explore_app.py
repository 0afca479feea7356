"""The explorers as an app: Voilà serves them without code, and they answer."""

import io
import os
import shutil
from pathlib import Path

import pytest
import soundfile as sf
from app_server import served
from explorer_page import WAIT_MS, move_a_slider
from tiny_predictor import RATE, save_predictor, voice_like

ROOT = Path(__file__).resolve().parents[2]
PICTURE = "img[alt^='Tone of']"


@pytest.fixture(scope="module")
def run(fake_run, tmp_path_factory):
    """A run with a tiny untrained model."""
    run = shutil.copytree(fake_run, tmp_path_factory.mktemp("explored") / "run")
    (run / "04_model").mkdir()
    save_predictor(run / "04_model")
    return run


@pytest.fixture(scope="module")
def address(browser, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    notebook = str(ROOT / "apps" / "explore.ipynb")
    arguments = (notebook, "--no-browser", "--port={port}", "--Voila.ip=127.0.0.1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "AQP_OUT", str(run))
        with served("voila", folder, *arguments, url="api") as address:
            yield address


@pytest.fixture(scope="module")
def page(browser, address):
    """One page, and so one kernel, for all tests."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    yield page
    context.close()


def upload(page, name, content):
    file = {"name": name, "mimeType": "audio/wav", "buffer": content}
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose").click()
    chooser.value.set_files(file)


def test_the_app_shows_no_code_and_its_sliders_move_the_picture(page):
    move_a_slider(page, PICTURE)
    page.wait_for_function("Math.abs(document.querySelector('audio').duration - 2) < 0.1")
    assert page.get_by_text("import os").count() == 0
    page.get_by_role("tab", name="Clip explorer").click()
    page.locator("img[alt^='Source ']").wait_for()


def test_a_bad_file_gets_a_sentence_and_the_next_one_a_score(page):
    page.get_by_role("tab", name="Your audio").click()
    upload(page, "letter.wav", b"this is a letter, not a sound")
    page.get_by_text("letter.wav: not audio that can be read here").wait_for()
    good = io.BytesIO()
    sf.write(good, voice_like(2.0), RATE, format="WAV")
    upload(page, "voice.wav", good.getvalue())
    page.locator("img[alt^='Spectrogram of voice.wav']").wait_for()
    page.get_by_text("voice.wav: ").filter(has_text="score").wait_for()
    page.get_by_text("training: mean ± sd").wait_for()
