"""What a page with explorers has to do, wherever it is shown."""

import io
import os

import soundfile as sf
from tiny_predictor import RATE, voice_like

WAIT_MS = 180_000  # for a notebook to run on a busy machine with two cores


def move_a_slider(page, picture):
    """Move the first slider with a key and wait for the picture (CSS selector) to change."""
    page.locator(picture).first.wait_for()
    before = page.locator(picture).first.get_attribute("src")
    handle = page.locator(".widget-slider .noUi-handle, .widget-slider .ui-slider-handle").first
    handle.focus()
    handle.press("PageUp")
    page.wait_for_function(
        "([where, before]) => document.querySelector(where).src !== before", arg=[picture, before]
    )


REDRAWS_MS = """async ([where, count, pause]) => {
    const source = () => document.querySelector(where).src;
    const times = [];
    for (let i = 0; i < count; i++) {
        const before = source(), start = performance.now();
        const press = new KeyboardEvent("keydown", { key: "PageUp", bubbles: true });
        document.activeElement.dispatchEvent(press);
        while (source() === before) await new Promise((later) => setTimeout(later, 5));
        times.push(performance.now() - start);
        await new Promise((later) => setTimeout(later, pause));
    }
    return times;
}"""


def redraws_ms(page, picture, count=5, pause_ms=700):
    """From a key on the first visible slider to the new picture (CSS selector), several times."""
    page.locator(".widget-slider:visible .noUi-handle").first.focus()
    return page.evaluate(REDRAWS_MS, [picture, count, pause_ms])


def wait_for_players(page, players, duration_s):
    """Wait until two players or more (CSS selector) have loaded clips of this length."""
    page.wait_for_function(
        """([where, wanted]) => {
            const lengths = [...document.querySelectorAll(where)].map((a) => a.duration);
            return lengths.length >= 2 && lengths.every((s) => Math.abs(s - wanted) < 0.1);
        }""",
        arg=[players, duration_s],
    )


def upload(page, name, content):
    """Choose a file in "your audio"."""
    file = {"name": name, "mimeType": "audio/wav", "buffer": content}
    with page.expect_file_chooser() as chooser:
        page.locator("button.widget-upload").click()
    chooser.value.set_files(file)


def bad_file_then_good_file(page):
    """A letter called letter.wav gets a sentence, a voice after it a score and pictures."""
    upload(page, "letter.wav", b"this is a letter, not a sound")
    page.get_by_text("letter.wav: not audio that can be read here").wait_for()
    good = io.BytesIO()
    sf.write(good, voice_like(2.0), RATE, format="WAV")
    upload(page, "voice.wav", good.getvalue())
    page.locator("img[alt^='Spectrogram of voice.wav']").wait_for()
    page.get_by_text("voice.wav: ").filter(has_text="score").wait_for()
    page.get_by_text("training: mean ± sd").wait_for()


def record(page, duration_s):
    """Record from the browser's microphone, which beeps, until so much has been heard."""
    page.get_by_role("button", name="Record").click()
    page.wait_for_function(
        "s => parseFloat(document.querySelector('.aqp-recorder output').textContent) > s",
        arg=duration_s,
        timeout=30_000,
    )
    page.get_by_role("button", name="Stop").click()
    page.locator("img[alt^='Spectrogram of recording.wav']").wait_for()
    page.get_by_text("recording.wav: ").filter(has_text="score").wait_for()
    heard_s = page.evaluate("document.querySelector('audio[aria-label*=recording]').duration")
    assert heard_s > duration_s


def keep_picture(page, picture, name):
    """For scripts/take_screenshots.py: the window with an explorer in it, as NAME.png."""
    if folder := os.environ.get("AQP_SCREENSHOTS"):
        page.set_viewport_size({"width": 1160, "height": 860})
        top = "image => image.closest('.widget-vbox').scrollIntoView()"
        page.locator(picture).first.evaluate(top)
        page.wait_for_timeout(1000)
        page.screenshot(path=f"{folder}/{name}.png")
