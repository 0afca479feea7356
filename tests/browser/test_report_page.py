"""report.html in Chromium, opened from disk: it sorts, filters, plays, and asks for nothing."""

import base64
import io
import itertools
import json
import shutil

import matplotlib
import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.views.plots.clips import DB_RANGE, N_FFT, stft_db
from aqp_utils.views.report.page import write_report

PHONE = dict(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
TIMES = """[...document.querySelectorAll('tr.detail audio')].map(
    (a) => ({at: a.currentTime, length: a.duration, paused: a.paused, muted: a.muted}))"""


@pytest.fixture
def opened(visit, report_page):
    """The report in a fresh window; at the end of the test it must not have complained."""
    visited = visit(report_page.as_uri())
    yield visited.page
    assert visited.problems == []
    assert visited.network == []


def column(page, key):
    """Values of a column in the order shown, hidden rows left out."""
    rows = "[...document.querySelectorAll('#clips tr.clip')].filter((r) => !r.hidden)"
    return page.evaluate(f"{rows}.map((r) => r.dataset.{key})")


def open_clip(page, number=0):
    page.locator("tr.clip th.clip button").nth(number).click()
    page.wait_for_function("document.querySelector('tr.detail audio')?.readyState >= 1")


def test_every_column_sorts_both_ways(opened):
    keys = ("clip", "kind", "severity", "parameter", "score", "predicted_score", "error")
    for key, direction in itertools.product(keys, ("ascending", "descending")):
        head = opened.locator(f"th[data-key={key}]")
        head.locator("button").click()
        number = float if head.get_attribute("data-type") == "number" else str
        shown = [number(v) for v in column(opened, key)]
        assert shown == sorted(shown, reverse=direction == "descending")
        assert head.get_attribute("aria-sort") == direction


def test_classes_sort_by_rank_not_by_letter(opened):
    opened.locator("th[data-key=quality] button").click()
    assert column(opened, "quality") == ["low"] * 5 + ["medium"] * 5 + ["high"] * 5


def test_largest_errors_first(opened):
    opened.get_by_role("button", name="Largest errors first").click()
    errors = np.abs(np.array(column(opened, "error"), dtype=float))
    assert (np.diff(errors) <= 0).all()


def test_filters_combine_and_reset(opened):
    opened.get_by_role("combobox", name="Degradation").select_option("reverb")
    assert column(opened, "kind") == ["reverb"] * 3
    opened.get_by_role("combobox", name="Severity").select_option("2")
    assert column(opened, "severity") == ["2"]
    assert opened.locator("#count").inner_text() == "1 of 15 clips"
    opened.get_by_role("combobox", name="True class").select_option("high")
    assert opened.locator("#none").is_visible()
    opened.get_by_role("button", name="Show all").click()
    opened.wait_for_function("document.querySelector('#count').textContent === '15 clips'")


def test_filter_by_error_and_by_wrong_class(opened):
    limit = 0.3
    opened.get_by_label("Absolute error at least").fill(str(limit))
    shown = np.abs(np.array(column(opened, "error"), dtype=float))
    assert 0 < len(shown) < 15
    assert shown.min() >= limit
    opened.get_by_role("button", name="Show all").click()
    opened.get_by_role("combobox", name="Class predicted").select_option("0")
    assert column(opened, "quality") == column(opened, "predicted")


def test_players_play_the_whole_clip(opened):
    open_clip(opened)
    degraded, clean = opened.evaluate(TIMES)
    assert degraded["length"] == pytest.approx(3.0, abs=0.05)
    assert clean["length"] == pytest.approx(3.0, abs=0.05)
    opened.get_by_role("button", name="Play", exact=False).first.click()
    opened.wait_for_function("document.querySelector('tr.detail audio').currentTime > 0.2")


def test_switching_keeps_the_position(opened):
    opened.locator("td.listen button").first.click()
    opened.wait_for_function("document.querySelector('tr.detail audio').currentTime > 0.4")
    opened.keyboard.press("x")
    opened.wait_for_function("document.querySelectorAll('tr.detail audio')[0].paused")
    degraded, clean = opened.evaluate(TIMES)
    assert not clean["paused"] and not clean["muted"]
    assert abs(clean["at"] - degraded["at"]) < 0.15
    opened.get_by_role("button", name="Switch to degraded").click()
    opened.wait_for_function("document.querySelectorAll('tr.detail audio')[1].paused")
    degraded, clean = opened.evaluate(TIMES)
    assert not degraded["paused"]
    assert abs(clean["at"] - degraded["at"]) < 0.15


def test_switching_while_paused_moves_the_other_player_there(opened):
    open_clip(opened)
    opened.evaluate("document.querySelector('tr.detail audio').currentTime = 1.5")
    opened.get_by_role("button", name="Switch to clean").click()
    assert [player["at"] for player in opened.evaluate(TIMES)] == [1.5, 1.5]


def test_one_clip_at_a_time(opened):
    opened.locator("td.listen button").nth(0).click()
    opened.locator("td.listen button").nth(3).click()
    assert opened.locator("tr.detail").count() == 1
    assert opened.locator("th.clip button[aria-expanded=true]").count() == 1


def test_a_click_on_the_picture_plays_from_there(opened):
    open_clip(opened)
    box = opened.locator("tr.detail .picture").nth(1).bounding_box()
    opened.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    opened.wait_for_function("!document.querySelectorAll('tr.detail audio')[1].paused")
    assert opened.evaluate(TIMES)[1]["at"] == pytest.approx(1.5, abs=0.3)


def test_drawn_spectrogram_is_that_of_the_players_audio(opened):
    open_clip(opened)
    opened.wait_for_function("document.querySelector('tr.detail canvas').width > 300")
    width, height, pixels = opened.evaluate("""() => {
        const canvas = document.querySelector('tr.detail canvas');
        const {width, height} = canvas;
        return [width, height, [...canvas.getContext('2d').getImageData(0, 0, width, height).data]];
    }""")
    colors = np.array(pixels).reshape(height, width, 4)[::-1, :, None, :3]
    magma = 255 * matplotlib.colormaps["magma"](np.linspace(0, 1, 256))[:, :3]
    share = np.sum((colors - magma) ** 2, axis=-1).argmin(axis=-1) / 255
    source = opened.evaluate("document.querySelector('tr.detail audio').src")
    audio, _ = sf.read(io.BytesIO(base64.b64decode(source.split(",")[1])))
    expected = np.clip(stft_db(audio), *DB_RANGE)
    assert share.shape == expected.shape
    difference_db = DB_RANGE[0] + share * (DB_RANGE[1] - DB_RANGE[0]) - expected
    below_7_khz = np.abs(difference_db[: round(7000 / SAMPLE_RATE * N_FFT)])
    assert np.mean(below_7_khz) < 0.5


def test_a_point_of_the_scatter_opens_its_clip(opened):
    point = opened.locator("#scatter .point").nth(4)
    name = point.get_attribute("data-clip")
    point.dispatch_event("click")
    assert opened.locator("tr.clip.open").get_attribute("data-clip") == name


def test_keyboard_alone_reaches_and_opens_a_clip(opened):
    opened.get_by_role("button", name="Show all").focus()
    for _ in range(30):
        opened.keyboard.press("Tab")
        if opened.evaluate("document.activeElement.matches('tbody th.clip button')"):
            break
    opened.keyboard.press("Enter")
    assert opened.locator("tr.detail").is_visible()
    opened.keyboard.press("Enter")
    assert opened.locator("tr.detail").count() == 0


def test_figures_load_have_alt_text_and_enlarge(opened):
    assert opened.evaluate("[...document.images].filter((i) => i.src).every((i) => i.naturalWidth)")
    assert opened.evaluate("[...document.querySelectorAll('.gallery img')].every((i) => i.alt)")
    opened.locator(".enlarge").first.click()
    assert opened.locator("dialog").is_visible()
    opened.keyboard.press("Escape")
    assert not opened.locator("dialog").is_visible()


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_dark_follows_the_system_and_the_button(visit, report_page):
    light = visit(report_page.as_uri(), color_scheme="light").page
    dark = visit(report_page.as_uri(), color_scheme="dark").page
    assert background(light) != background(dark)
    seen = []
    for _ in range(3):
        dark.locator("#theme").click()
        seen.append((dark.locator("#theme").inner_text(), background(dark)))
    assert seen == [
        ("Theme: light", background(light)),
        ("Theme: dark", seen[2][1]),
        ("Theme: auto", seen[2][1]),
    ]


@pytest.mark.parametrize("width", [320, 360, 768, 1000, 1280])
def test_no_width_scrolls_sideways(visit, report_page, width):
    page = visit(report_page.as_uri(), viewport={"width": width, "height": 800}).page
    open_clip(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_a_tap_opens_and_plays(visit, report_page):
    visited = visit(report_page.as_uri(), **PHONE)
    visited.page.locator("td.listen button").first.tap()
    visited.page.wait_for_function("document.querySelector('tr.detail audio').currentTime > 0.1")
    assert visited.problems == []


def test_hostile_names_stay_text(visit, fake_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(fake_run, run)
    report = run / "05_report"
    hostile = "</script><img src=x onerror=alert(1)>&\"'"
    predictions = pd.read_csv(report / "predictions.csv")
    predictions.loc[0, "clip"] = hostile
    predictions.loc[1, "kind"] = hostile
    predictions.to_csv(report / "predictions.csv", index=False)
    metrics = json.loads((report / "metrics.json").read_text())
    metrics["encoder"]["name"] = hostile
    (report / "metrics.json").write_text(json.dumps(metrics))
    visited = visit(write_report(report, run, {"scatter": [hostile] * 3}).as_uri())
    assert hostile in column(visited.page, "clip")
    visited.page.get_by_role("button", name=hostile, exact=True).click()
    assert visited.page.locator("tr.detail .summary").inner_text().startswith(hostile)
    assert visited.page.locator("img[src=x]").count() == 0
    assert visited.problems == []
    assert visited.network == []
