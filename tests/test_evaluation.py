import numpy as np
import pandas as pd
import pytest

from aqp_utils.core.scale import CLASSES
from aqp_utils.evaluation.summary import plain, summarize, with_intervals


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
    return table


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
