"""Take the pictures of explorers and report under outputs/showcase/figures, in Chromium.

    python scripts/take_screenshots.py [RUN] [FOLDER]

RUN is a finished run with its clips (default outputs/showcase). It needs what `make test` installs.
"""

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser"), str(ROOT / "tests")]

from app_server import served  # noqa: E402
from conftest import ARGUMENTS, CHROMIUM  # noqa: E402

from aqp_utils.core.audio import SAMPLE_RATE  # noqa: E402
from aqp_utils.degradations.degrade import degrade  # noqa: E402
from aqp_utils.sources.formant_voice import speech_clip  # noqa: E402

WIDTH, HEIGHT = 1060, 870
APP_HEIGHT = 1500  # Voilà scrolls inside the page: all of a tab has to be in the window
COLORS = 256  # of the palette of a picture; keeps each of them small
WAIT_MS = 180_000
PHONE = dict(viewport=dict(width=390, height=780), is_mobile=True, has_touch=True)
PHONE |= dict(device_scale_factor=1.25)


def save(png, path):
    """Store a screenshot with a palette of its own."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    # Covers rare colours too: a colour bar is a few pixels, a spectrogram is most of the picture.
    image.quantize(COLORS, method=Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
    print(f"{path.name}: {image.width} x {image.height}, {path.stat().st_size / 1000:.0f} kB")


def recording():
    """Eight seconds of speech-like sound as a WAV file; noise from the middle on."""
    rng = np.random.default_rng(1)
    audio = speech_clip(8.0, rng)[0]
    half = len(audio) // 2
    audio[half:] = degrade(audio[half:], "noise", 15, rng)
    buffer = io.BytesIO()
    sf.write(buffer, audio, SAMPLE_RATE, format="WAV")
    return buffer.getvalue()


def set_slider(page, label, steps):
    """Move a visible slider by a number of large steps and wait for what follows."""
    row = page.locator(".widget-slider:visible").filter(has_text=label)
    row.locator(".noUi-handle").focus()
    for _ in range(steps):
        page.keyboard.press("PageUp")
        page.wait_for_timeout(200)


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()
    page.wait_for_timeout(500)
    return page.locator(".jp-TabPanel-tabContents, .widget-tab-contents").locator("visible=true")


def app(browser, run, folder):
    """The explorers, one picture per tab."""
    page = browser.new_page(viewport=dict(width=WIDTH, height=APP_HEIGHT))
    page.set_default_timeout(WAIT_MS)
    arguments = (
        str(ROOT / "apps" / "explore.ipynb"),
        "--no-browser",
        "--port={port}",
        "--Voila.ip=127.0.0.1",
    )
    with (
        tempfile.TemporaryDirectory() as private,
        served("voila", Path(private), *arguments, url="api") as address,
    ):
        page.goto(address)
        page.locator("img[alt^='Tone of']").wait_for()
        page.wait_for_timeout(1500)
        save(page.screenshot(clip=dict(x=0, y=0, width=WIDTH, height=700)), folder / "app.png")
        for name, tab, prepare in (
            ("tone_lab", "Tone lab", lambda: set_slider(page, "vibrato", 3)),
            ("degradation_lab", "Degradation lab", lambda: stack(page)),
            ("clip_explorer", "Clip explorer", lambda: set_slider(page, "strength", 8)),
            ("explain", "Why this score?", lambda: None),
            ("your_audio", "Your audio", lambda: upload(page)),
        ):
            panel = open_tab(page, tab)
            prepare()
            page.wait_for_timeout(3000)
            save(panel.first.screenshot(), folder / f"{name}.png")


def stack(page):
    set_slider(page, "reverb", 8)
    set_slider(page, "noise", 12)


def upload(page):
    file = {"name": "speech.wav", "mimeType": "audio/wav", "buffer": recording()}
    with page.expect_file_chooser() as chooser:
        page.locator("button.widget-upload").click()
    chooser.value.set_files(file)
    page.get_by_text("training: mean ± sd").wait_for()


def report(browser, run, folder):
    """The report light, dark and on a phone, with a clip open."""
    address = (run / "07_recordings" / "report.html").resolve().as_uri()
    desk = dict(viewport=dict(width=WIDTH, height=HEIGHT))
    for name, options in (
        ("report_light", desk | dict(color_scheme="light")),
        ("report_dark", desk | dict(color_scheme="dark")),
        ("report_phone", PHONE | dict(color_scheme="light")),
    ):
        page = browser.new_context(**options).new_page()
        page.goto(address)
        if name != "report_light":
            page.locator("#worst").click()
            page.locator("tr.clip th.clip button").first.click()
            page.wait_for_function(
                "document.querySelector('tr.detail canvas').width > 300"
                " && document.querySelector('tr.detail audio').readyState >= 1"
            )
            page.evaluate("document.querySelector('tr.clip').scrollIntoView()")
            page.wait_for_timeout(800)
        save(page.screenshot(), folder / f"{name}.png")


def notebooks(folder):
    """JupyterLab and the classic notebook, as their tests leave them."""
    with tempfile.TemporaryDirectory() as private:
        names = ("test_jupyterlab", "test_classic_notebook")
        tests = [f"tests/browser/{name}.py" for name in names]
        environment = os.environ | {"AQP_SCREENSHOTS": private}
        command = [sys.executable, "-m", "pytest", "-q", *tests]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        for path in sorted(Path(private).glob("*.png")):
            save(path.read_bytes(), folder / path.name)


def main():
    run = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "outputs" / "showcase")
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "outputs" / "showcase" / "figures")
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["AQP_OUT"] = str(run.resolve())
    notebooks(folder)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        report(browser, run, folder)
        app(browser, run, folder)


if __name__ == "__main__":
    main()
