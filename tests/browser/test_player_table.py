"""The plain players of notebooks and their HTML copies, in Chromium."""

import numpy as np
import pytest

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.views.players import FORMATS, player_table, switched_players


@pytest.mark.parametrize("audio_format", FORMATS)
def test_every_format_loads_and_plays(visit, tmp_path, audio_format):
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)
    page = tmp_path / "players.html"
    table = player_table({"loud": tone, "quiet": tone / 10}, audio_format=audio_format)
    page.write_text("<!doctype html><meta charset=utf-8>" + table.data)
    visited = visit(page.as_uri())
    visited.page.wait_for_function(
        "[...document.querySelectorAll('audio')].every((a) => Math.abs(a.duration - 2) < 0.05)"
    )
    visited.page.evaluate("{const a = document.querySelector('audio'); a.muted = true; a.play();}")
    visited.page.wait_for_function("document.querySelector('audio').currentTime > 0.2")
    assert visited.problems == []
    assert visited.network == []


def test_a_b_switch_keeps_the_position_without_script_elements(visit, tmp_path):
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE)
    page = tmp_path / "switch.html"
    page.write_text("<!doctype html>" + switched_players({"degraded": tone, "clean": tone}).data)
    visited = visit(page.as_uri())
    times = "[...document.querySelectorAll('audio')].map((a) => [a.currentTime, a.paused])"
    visited.page.evaluate("document.querySelector('audio').play()")
    for heard, silent in ((1, 0), (0, 1)):
        visited.page.wait_for_timeout(300)
        visited.page.get_by_role("button").click()
        visited.page.wait_for_function(f"document.querySelectorAll('audio')[{silent}].paused")
        positions = visited.page.evaluate(times)
        assert not positions[heard][1]
        assert abs(positions[0][0] - positions[1][0]) < 0.15
    assert visited.problems == []
