import numpy as np
import pandas as pd
import pytest

from aqp_utils.core.scale import CLASSES
from aqp_utils.evaluation.summary import (
    of_few_sources,
    paired_differences,
    plain,
    summarize,
    wilson_interval,
    with_intervals,
)


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    rows = []
    for source in range(12):
        for severity, quality, score in ((1, "high", 3.8), (2, "medium", 2.5), (3, "low", 1.5)):
            score = score + rng.normal(0, 0.1)
            rows.append((source, "noise" if source % 2 else "clip", severity, quality, score))
    table = pd.DataFrame(rows, columns=["source", "kind", "severity", "quality", "score"])
    table["predicted_quality"] = table["quality"]
    table["predicted_score"] = table["score"] + rng.normal(0, 0.2, len(table))
    table["error"] = table["predicted_score"] - table["score"]
    for name in CLASSES:
        table[f"p_{name}"] = np.where(table["quality"] == name, 0.8, 0.1)
    return table.assign(clip=[f"clip{row}" for row in range(len(table))])


def test_intervals_hold_the_value_and_the_known_answers(predictions):
    found = with_intervals(predictions, 200, np.random.default_rng(1))
    assert found["accuracy"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["rmse"]["low"] <= found["rmse"]["value"] <= found["rmse"]["high"]
    assert found["rmse"]["value"] == pytest.approx(np.sqrt(np.mean(predictions["error"] ** 2)))


def test_one_source_has_a_value_but_no_interval(predictions):
    found = with_intervals(predictions[predictions["source"] == 0], 200, np.random.default_rng(1))
    assert found["accuracy"] == {"value": 1.0, "low": None, "high": None}


def test_summary_names_its_level_and_counts(predictions):
    summary = summarize(predictions, {"same": predictions}, 50, np.random.default_rng(0))
    assert summary["level"] == "clip"
    assert (summary["n_test"], summary["n_test_sources"]) == (36, 12)
    assert np.trace(summary["classification"]["confusion"]) == 36
    assert set(summary["per_degradation"]) == {"noise", "clip"}
    assert summary["baselines"]["same"]["pcc"]["value"] == summary["score"]["pcc"]["value"]
    assert summary["monotonicity"]["monotone"] == 1.0


def test_what_json_cannot_hold_becomes_none():
    assert plain(float("nan")) is None and plain(np.float64("inf")) is None
    assert plain(np.int64(3)) == 3 and plain(0.5) == 0.5


def test_wilson_is_honest_where_every_clip_is_right():
    low, high = wilson_interval(12, 12)
    assert high == pytest.approx(1.0) and low == pytest.approx(12 / (12 + 1.96**2), abs=1e-3)
    assert wilson_interval(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-3)


def test_few_sources_get_wilson_for_the_share_and_points_for_the_rest(predictions):
    few = predictions[predictions["source"] < 4]
    found = of_few_sources(few, 50, np.random.default_rng(0))
    right = (few["quality"] == few["predicted_quality"]).sum()
    ends = (found["accuracy"]["low"], found["accuracy"]["high"])
    assert ends == pytest.approx(wilson_interval(right, len(few)))
    assert found["rmse"]["value"] > 0 and found["rmse"]["low"] is None
    many = predictions.assign(source=np.arange(len(predictions)))
    assert of_few_sources(many, 50, np.random.default_rng(0))["rmse"]["low"] is not None


def test_paired_differences_are_those_of_two_tables_on_the_same_draws(predictions):
    other = predictions.assign(predicted_score=predictions["score"])
    found = paired_differences(predictions, {"exact": other}, 100, np.random.default_rng(0))
    row = found.loc[("exact", "rmse")]
    error = predictions["predicted_score"] - predictions["score"]
    assert row["estimate"] == pytest.approx(np.sqrt((error**2).mean()))
    assert 0 <= row["low"] <= row["estimate"] <= row["high"]
    same = paired_differences(predictions, {"same": predictions}, 50, np.random.default_rng(0))
    assert (same.loc["same", ["low", "high"]].dropna() == 0).all().all()
