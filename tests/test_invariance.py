"""Changes are what their names say; what moves the score is found and named."""

from types import SimpleNamespace

import numpy as np
import pytest
from tiny_predictor import save_predictor, voice_like

from aqp_utils.core.audio import SAMPLE_RATE, rms_dbfs
from aqp_utils.evaluation import invariance
from aqp_utils.evaluation.invariance import CHANGES, Change
from aqp_utils.predict.predictor import Predictor
from aqp_utils.recordings.reading import from_waveform

CLIPS = [voice_like(1.5, seed) for seed in range(3)]
BY_NAME = {change.name: change for change in CHANGES}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return Predictor.load(save_predictor(tmp_path_factory.mktemp("model")), device="cpu")


def converted(name, audio=CLIPS[0]):
    """What a changed clip is after the conversions of the predictor."""
    return from_waveform(*BY_NAME[name](audio)).audio


@pytest.mark.parametrize("gain_db", [-20, -6, 6, 20])
def test_gain_is_pure_gain(gain_db):
    changed = converted(f"{gain_db:+d} dB")
    assert rms_dbfs(changed) - rms_dbfs(CLIPS[0]) == pytest.approx(gain_db, abs=0.01)
    scale = 10 ** (gain_db / 20)
    assert changed == pytest.approx(scale * (CLIPS[0] - CLIPS[0].mean()), abs=1e-5 * scale)


@pytest.mark.parametrize("name", [change.name for change in CHANGES if change.group == "rate"])
def test_resampling_comes_back_as_it_was_below_7_khz(name):
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    audio = 0.1 * sum(np.sin(2 * np.pi * f * time_s) for f in (200, 3000, 7000))
    changed = converted(name, audio)
    assert len(changed) == pytest.approx(len(audio), abs=2)
    assert changed[1000:15_000] == pytest.approx(audio[1000:15_000], abs=2e-3)


def test_silence_stands_where_it_should():
    before, around = (
        BY_NAME[name](CLIPS[0])[0] for name in ("1 s zeros before", "1 s quiet noise around")
    )
    assert not before[:SAMPLE_RATE].any() and np.array_equal(before[SAMPLE_RATE:], CLIPS[0])
    assert len(around) == len(CLIPS[0]) + 2 * SAMPLE_RATE
    assert rms_dbfs(around[:SAMPLE_RATE]) == pytest.approx(invariance.NOISE_FLOOR_DBFS, abs=0.1)


@pytest.mark.parametrize("duration_s", [0.5, 1.5, 2, 10])
def test_length_repeats_the_same_without_a_click(duration_s):
    n = round(duration_s * SAMPLE_RATE)
    time_s = np.arange(round(1.3333 * SAMPLE_RATE)) / SAMPLE_RATE
    audio = np.sin(2 * np.pi * 100 * time_s)
    longer = invariance.of_length(audio, duration_s)
    assert len(longer) == n
    first = min(n, len(audio)) - 200
    assert np.array_equal(longer[:first], audio[:first])
    steepest = np.max(np.abs(np.diff(audio)))
    assert np.max(np.abs(np.diff(longer))) < 2 * steepest


def test_equal_channels_and_offset_change_nothing(predictor):
    chosen = [BY_NAME["two equal"], BY_NAME["constant offset 0.01"]]
    table = invariance.invariance_table(predictor, CLIPS, chosen)
    assert table["max_abs_change"].to_numpy() == pytest.approx(0, abs=1e-4)
    assert (table["class_changes"] == 0).all()


def louder_is_better(waveform, rate_hz):
    level = rms_dbfs(waveform)
    return SimpleNamespace(score=level / 10, quality="high" if level > -20 else "low")


def test_table_counts_what_was_planted():
    table = invariance.invariance_table(louder_is_better, CLIPS)
    rows = table.set_index("change")
    assert rows.loc["+20 dB", "mean_change"] == pytest.approx(2)
    assert rows.loc["-6 dB", "mean_abs_change"] == pytest.approx(0.6)
    assert rows.loc["+20 dB", ["n", "class_changes"]].tolist() == [3, 1]
    assert rows.loc["polarity reversed", "max_abs_change"] == 0
    assert len(table) == len(CHANGES) and (table["mean_abs_change"] >= 0).all()


def test_clip_without_headroom_is_left_out_of_that_gain_and_counted():
    loud = CLIPS[0] / np.max(np.abs(CLIPS[0]))
    table = invariance.invariance_table(louder_is_better, [loud, CLIPS[1]])
    counts = table.set_index("change")["n"]
    assert counts["+20 dB"] == 1 and counts["+6 dB"] == 2
    alone = invariance.invariance_table(louder_is_better, [loud], [BY_NAME["+20 dB"]])
    assert alone.loc[0, "n"] == 0 and np.isnan(alone.loc[0, "mean_change"])
    with pytest.raises(ValueError, match="no clips"):
        invariance.invariance_table(louder_is_better, [])


@pytest.mark.parametrize("name", ["+20 dB", "polarity reversed"])
def test_causes_add_up_to_the_change_of_the_predictor(predictor, name):
    clips = [clip[:SAMPLE_RATE] for clip in CLIPS]  # one part each
    causes = invariance.explain(predictor, clips, BY_NAME[name])
    assert causes["input"].iloc[-1] == "all together" and len(causes) == 19 + 2
    assert causes["abs_score_change"][:-1].is_monotonic_decreasing
    direct = invariance.invariance_table(predictor, clips, [BY_NAME[name]])
    together = causes["score_change"].iloc[-1]
    assert together == pytest.approx(direct.loc[0, "mean_change"], abs=1e-4)


def test_cause_of_a_reversed_polarity_is_the_embedding(predictor):
    causes = invariance.explain(predictor, CLIPS, BY_NAME["polarity reversed"])
    assert causes["input"].iloc[0] == "embedding"


def test_sentence_names_what_moves_and_what_does_not(predictor):
    chosen = [BY_NAME["+20 dB"], BY_NAME["two equal"], BY_NAME["polarity reversed"]]
    table = invariance.invariance_table(predictor, CLIPS, chosen)
    threshold = table["mean_abs_change"].max() / 2
    causes = invariance.reasons(predictor, CLIPS, table, chosen, threshold)
    sentence = invariance.verdict(table, causes, threshold)
    strongest = table.loc[table["mean_abs_change"].idxmax()]
    assert causes["group"].iloc[0] == strongest["group"] and strongest["change"] in sentence
    assert "channels" in sentence.split("; ")[-1]
    still = invariance.reasons(predictor, CLIPS, table, chosen, 10)
    assert still.empty and "Nothing here matters" in invariance.verdict(table, still, 10)


def test_a_change_of_ones_own_is_welcome():
    cut = Change("cut", "first half", lambda audio: audio[: len(audio) // 2])
    table = invariance.invariance_table(louder_is_better, CLIPS, [cut])
    assert table.loc[0, ["group", "change", "n"]].tolist() == ["cut", "first half", 3]
