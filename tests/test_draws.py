"""Metrics over counts give what scikit-learn and scipy give on the repeated rows."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr
from sklearn import metrics as reference

from aqp_utils.core.scale import CLASSES
from aqp_utils.evaluation import counted
from aqp_utils.evaluation.bootstrap import draw_counts
from aqp_utils.evaluation.comparison import METRICS, mean_over_seeds
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


def of_libraries(table):
    """The same metrics by scikit-learn, scipy and a least-squares line."""
    true, predicted = table["score"].to_numpy(), table["predicted_score"].to_numpy()
    classes = table["quality"], table["predicted_quality"]
    distance = np.abs(np.subtract(*([CLASSES.index(c) for c in column] for column in classes)))
    line = np.polyval(np.polyfit(predicted, true, 1), predicted)
    return {
        "accuracy": reference.accuracy_score(*classes),
        "macro_f1": reference.f1_score(*classes, average="macro"),
        "ordinal_error": distance.mean(),
        "off_by_two": (distance == 2).mean(),
        "bias": (predicted - true).mean(),
        "mae": reference.mean_absolute_error(true, predicted),
        "mse": reference.mean_squared_error(true, predicted),
        "rmse": reference.root_mean_squared_error(true, predicted),
        "pcc": pearsonr(true, predicted).statistic,
        "srcc": spearmanr(true, predicted).statistic,
        "rmse_mapped": np.sqrt(np.sum((line - true) ** 2) / (len(true) - 2)),
    }


def test_equals_the_metrics_of_the_repeated_rows():
    table = predictions()
    counts = draw_counts(len(table), 30, np.random.default_rng(1))
    fast = counted.of_predictions(table, counts)
    for draw, row in enumerate(counts.astype(int)):
        repeated = table.loc[np.repeat(table.index, row)]
        slow = of_libraries(repeated)
        assert fast.keys() == slow.keys()
        for name, value in slow.items():
            assert fast[name][draw] == pytest.approx(value, rel=1e-12, abs=1e-12), name
            assert plain_metrics(repeated)[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name


def test_ranks_are_those_of_the_repeated_values():
    rng = np.random.default_rng(2)
    values = rng.integers(0, 6, 15).astype(float)
    counts = draw_counts(15, 20, rng)
    for ranks, row in zip(counted.mid_ranks(counts, values), counts.astype(int), strict=True):
        drawn = np.repeat(np.arange(15), row)
        np.testing.assert_array_equal(ranks[drawn], rankdata(values[drawn]))


def test_undefined_stays_nan():
    table = predictions().assign(predicted_score=2.7)  # its mean is not exactly 2.7
    counts = draw_counts(len(table), 5, np.random.default_rng(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fast = counted.of_predictions(table, counts)
        nothing_drawn = counted.of_predictions(table, 0 * counts)
    assert np.isnan(fast["pcc"]).all() and np.isnan(fast["srcc"]).all()
    assert np.isfinite(fast["rmse"]).all()
    for row, got in zip(counts.astype(int), fast["rmse_mapped"], strict=True):
        drawn = np.repeat(table["score"], row)
        assert got == pytest.approx(np.std(drawn, ddof=2))  # a constant maps to the mean label
    assert all(np.isnan(values).all() for values in nothing_drawn.values())
    table = table.assign(predicted_quality=None, predicted_score=np.nan)
    fast = counted.of_predictions(table, np.ones((2, len(table))))
    assert all(np.isnan(values).all() for values in fast.values())


def test_mean_over_seeds_and_a_seed_that_was_not_drawn():
    first, second = predictions(1), predictions(2)
    table = pd.concat([first.assign(seed=0), second.assign(seed=1)], ignore_index=True)
    got = mean_over_seeds(table, np.array([[1, 1], [2, 0]])[:, table["seed"]])
    for name in METRICS:
        each = [plain_metrics(part)[name] for part in (first, second)]
        assert got[name][0] == pytest.approx(np.mean(each))
    # pcc does not change when all rows are drawn twice
    assert got["pcc"][1] == pytest.approx(plain_metrics(first)["pcc"])
