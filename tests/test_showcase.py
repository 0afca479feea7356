"""The published numbers are those of this code: its test clips, made again, get the same scores.

Floors and oracle need the training clips, too; `make test-faults` makes those again as well.
"""

import json

import numpy as np
import pandas as pd
import pytest
from remade import SHOWCASE, clips_again, inputs_again, numbers, parameters_of

from aqp_utils.core.randomness import rng_for
from aqp_utils.evaluation.summary import summarize
from aqp_utils.model import load_model, prediction_table
from aqp_utils.runs.notebooks import STUDY, find_root

SCORES_WITHIN, METRICS_WITHIN = 0.005, 0.01
STARTS_OVER_S = 60.0  # docs/reliability.md says so
ROOT = find_root()


@pytest.fixture(scope="module")
def remade(tmp_path_factory):
    """Predictions for the test clips of the published run, made again from its seeds."""
    folder, p = tmp_path_factory.mktemp("again"), parameters_of(SHOWCASE)
    clips = clips_again(p, folder, part="test")
    _, inputs = inputs_again(p, folder, clips)
    return prediction_table(clips, load_model(SHOWCASE / "04_model").predict(inputs))


@pytest.fixture
def published():
    table = pd.read_csv(SHOWCASE / "05_report" / "predictions.csv")
    return table[table["part"] == "test"].reset_index(drop=True)


def test_test_clips_and_their_labels_are_those_of_the_published_run(remade, published):
    same = ["clip", "source", "kind", "severity", "quality"]
    pd.testing.assert_frame_equal(remade[same], published[same])
    np.testing.assert_allclose(remade["parameter"], published["parameter"], rtol=1e-9)
    np.testing.assert_allclose(remade["score"], published["score"], atol=1e-6)


def test_every_predicted_score_is_the_published_one(remade, published):
    scores = ["predicted_score", "p_low", "p_medium", "p_high"]
    np.testing.assert_allclose(remade[scores], published[scores], atol=SCORES_WITHIN)


def test_metrics_of_the_network_are_the_published_ones(remade):
    p = parameters_of(SHOWCASE)
    again = numbers(summarize(remade, {}, p["BOOTSTRAP"], rng_for(p["SEED"], "bootstrap")))
    published = numbers(json.loads((SHOWCASE / "05_report" / "metrics.json").read_text("utf-8")))
    assert len(again) > 100
    expected = {name: published[name] for name in again}
    assert again == pytest.approx(expected, abs=METRICS_WITHIN, nan_ok=True)


def test_what_starts_over_after_a_kill_is_short():
    long = set()
    for folder, notebook in STUDY.items():
        record = json.loads((SHOWCASE / folder / "manifest.json").read_text("utf-8"))
        if record["wall_time_s"] > STARTS_OVER_S:
            long.add(folder)
            code = (ROOT / "notebooks" / f"{notebook}.ipynb").read_text("utf-8")
            assert "stage.checkpoints" in code, f"{folder} took {record['wall_time_s']} s"
    assert "06_stress" in long
