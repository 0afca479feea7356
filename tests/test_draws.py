"""The shortcut over counts gives what the plain metrics give on the repeated rows."""

import numpy as np
import pandas as pd
import pytest

from aqp_utils.core.scale import CLASSES
from aqp_utils.evaluation.bootstrap import (
    DRAW_METRICS,
    draw_counts,
    mean_over_seeds,
    metrics_of_draws,
)
from aqp_utils.evaluation.metrics import classification_metrics, regression_metrics


def predictions(seed=0, n=24):
    rng = np.random.default_rng(seed)
    score = rng.uniform(1, 4.5, n).round(1)  # rounded, so that there are ties
    return pd.DataFrame(
        {
            "quality": rng.choice(CLASSES, n),
            "predicted_quality": rng.choice(CLASSES, n),
            "score": score,
            "predicted_score": (score + rng.normal(0, 1, n)).round(1),
        }
    )


def plain_metrics(table):
    classes = classification_metrics(table["quality"], table["predicted_quality"])
    return classes | regression_metrics(table["score"], table["predicted_score"])


def test_equals_the_metrics_of_the_repeated_rows():
    table = predictions()
    counts = draw_counts(len(table), 30, np.random.default_rng(1))
    fast = metrics_of_draws(table, counts)
    for draw, row in enumerate(counts.astype(int)):
        slow = plain_metrics(table.loc[np.repeat(table.index, row)])
        for name in DRAW_METRICS:
            assert fast[name][draw] == pytest.approx(slow[name]), name


def test_every_draw_has_as_many_groups_as_there_are():
    counts = draw_counts(17, 50, np.random.default_rng(0))
    assert counts.shape == (51, 17) and (counts.sum(axis=1) == 17).all()
    assert (counts[0] == 1).all()


def test_undefined_stays_nan():
    table = predictions().assign(predicted_score=2.5)
    fast = metrics_of_draws(table, draw_counts(len(table), 5, np.random.default_rng(0)))
    assert np.isnan(fast["pcc"]).all() and np.isnan(fast["srcc"]).all()
    assert np.isfinite(fast["rmse"]).all()
    table = table.assign(predicted_quality=None, predicted_score=np.nan)
    fast = metrics_of_draws(table, np.ones((2, len(table))))
    assert all(np.isnan(fast[name]).all() for name in DRAW_METRICS)


def test_mean_over_seeds_and_a_seed_that_was_not_drawn():
    first, second = predictions(1), predictions(2)
    table = pd.concat([first.assign(seed=0, group=0), second.assign(seed=1, group=1)])
    got = mean_over_seeds(table, np.array([[1, 1], [2, 0]]))
    for name in DRAW_METRICS:
        each = [plain_metrics(part)[name] for part in (first, second)]
        assert got[name][0] == pytest.approx(np.mean(each))
    # pcc does not change when all rows are drawn twice
    assert got["pcc"][1] == pytest.approx(plain_metrics(first)["pcc"])
