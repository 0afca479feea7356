"""Metrics agree with scipy, scikit-learn and cases worked by hand."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics as reference
from sklearn.linear_model import LinearRegression

from aqp_utils.core.scale import CLASSES
from aqp_utils.evaluation import metrics


def rmse_mapped(true, predicted):
    return metrics.regression_metrics(true, predicted)["rmse_mapped"]


def rmse_star(true, predicted, ci95):
    return metrics.regression_metrics(true, predicted, ci95)["rmse_star"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def predictions(rng, n_sources=20, noise=0.3):
    """A table of predictions: one kind per source, three severities, probabilities to match."""
    table = pd.DataFrame(
        [
            {"clip": f"{source}_{severity}", "source": source, "severity": severity}
            for source in range(n_sources)
            for severity in (1, 2, 3)
        ]
    )
    table["kind"] = np.array(["noise", "clip", "reverb", "lowpass"])[table["source"] % 4]
    table["quality"] = table["severity"].map({1: "high", 2: "medium", 3: "low"})
    table["score"] = 4.8 - table["severity"] + rng.uniform(-0.3, 0.3, len(table))
    table["predicted_score"] = table["score"] + rng.normal(0, noise, len(table))
    probabilities = rng.dirichlet([1, 1, 1], len(table))
    table[[f"p_{name}" for name in CLASSES]] = probabilities
    table["predicted_quality"] = [CLASSES[index] for index in probabilities.argmax(axis=1)]
    return table


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_regression_agrees_with_scipy_and_sklearn(seed):
    rng = np.random.default_rng(seed)
    true = rng.uniform(1, 4.5, 30).round(1)  # rounded, so that there are ties
    predicted = (0.5 * true + rng.normal(1, 0.5, 30)).round(1)
    got = metrics.regression_metrics(true, predicted)
    assert got["mae"] == pytest.approx(reference.mean_absolute_error(true, predicted))
    assert got["mse"] == pytest.approx(reference.mean_squared_error(true, predicted))
    assert got["rmse"] == pytest.approx(reference.root_mean_squared_error(true, predicted))
    assert got["pcc"] == pytest.approx(pearsonr(true, predicted).statistic)
    assert got["srcc"] == pytest.approx(spearmanr(true, predicted).statistic)


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_classification_agrees_with_sklearn(seed):
    rng = np.random.default_rng(seed)
    true, predicted = (rng.choice(CLASSES, 12) for _ in range(2))
    got = metrics.classification_metrics(true, predicted)
    assert got["accuracy"] == pytest.approx(reference.accuracy_score(true, predicted))
    macro_f1 = reference.f1_score(true, predicted, average="macro")
    assert got["macro_f1"] == pytest.approx(macro_f1)
    table = metrics.confusion(true, predicted)
    np.testing.assert_array_equal(
        table, reference.confusion_matrix(true, predicted, labels=CLASSES)
    )
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        true, predicted, labels=CLASSES, zero_division=np.nan
    )
    each = metrics.per_class(true, predicted)
    np.testing.assert_allclose(each["precision"], precision)
    np.testing.assert_allclose(each["recall"], recall)
    np.testing.assert_allclose(each["f1"], f1)
    np.testing.assert_array_equal(each["support"], support)


def test_classes_by_hand():
    true = ["low", "low", "medium", "high", "high", "high"]
    predicted = ["low", "high", "medium", "high", "medium", "low"]
    got = metrics.classification_metrics(true, predicted)
    assert got["accuracy"] == pytest.approx(3 / 6)
    assert got["off_by_two"] == pytest.approx(2 / 6)
    assert got["ordinal_error"] == pytest.approx((2 + 1 + 2) / 6)
    # F1 = 2TP / (2TP + FP + FN): low 2/4, medium 2/3, high 2/5
    assert got["macro_f1"] == pytest.approx((2 / 4 + 2 / 3 + 2 / 5) / 3)


def test_unknown_class_is_named():
    with pytest.raises(ValueError, match="'fine' is no quality class; classes are low"):
        metrics.classification_metrics(["low", "fine"], ["low", "low"])


def test_rmse_by_hand():
    got = metrics.regression_metrics([1, 2, 3], [1, 2, 6])
    assert (got["mae"], got["mse"], got["rmse"]) == (1.0, 3.0, pytest.approx(np.sqrt(3)))
    assert metrics.regression_metrics([1, 2, 3], [1, 2, 0])["bias"] == -1


def test_first_order_mapping_is_least_squares(rng):
    true = rng.uniform(1, 4.5, 40)
    predicted = 3 + 0.2 * true + rng.normal(0, 0.1, 40)
    line = LinearRegression().fit(predicted[:, None], true).predict(predicted[:, None])
    np.testing.assert_allclose(metrics.first_order_mapping(true, predicted), line)
    expected = np.sqrt(np.sum((line - true) ** 2) / 38)
    assert rmse_mapped(true, predicted) == pytest.approx(expected)


def test_mapping_removes_offset_and_gain_but_does_not_mend_a_backward_ranking(rng):
    true = rng.uniform(1, 4.5, 20)
    assert rmse_mapped(true, 10 + 7 * true) == pytest.approx(0, abs=1e-12)
    backwards = rmse_mapped(true, -true)
    assert backwards == pytest.approx(np.sqrt(np.sum((true - true.mean()) ** 2) / 18))


def test_rmse_star_by_hand(rng):
    true = np.array([1.0, 2.0, 3.0, 4.0])
    predicted = np.array([1.0, 3.0, 2.0, 4.0])  # best line: 0.8·p + 0.5, errors .3 .9 −.9 −.3
    star = rmse_star(true, predicted, ci95=0.5)
    assert star == pytest.approx(np.sqrt((0 + 0.4**2 + 0.4**2 + 0) / 2))
    assert rmse_star(true, predicted, 0.0) == pytest.approx(rmse_mapped(true, predicted))
    assert rmse_star(true, predicted, [1, 1, 1, 1]) == 0
    assert "rmse_star" in metrics.regression_metrics(true, predicted, ci95=0.5)


def test_calibration_by_hand():
    true = ["low", "low", "high", "high"]
    probabilities = [[0.95, 0.05, 0], [0.91, 0.09, 0], [0.55, 0.45, 0], [0.2, 0.25, 0.55]]
    # bin (.9, 1]: confidence .93, accuracy 1; bin (.5, .6]: confidence .55, accuracy .5
    expected = 0.5 * 0.07 + 0.5 * 0.05
    assert metrics.expected_calibration_error(true, probabilities) == pytest.approx(expected)
    bins = metrics.reliability(true, probabilities)
    assert bins["n"].tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert bins["confidence"][9] == pytest.approx(0.93) and bins["accuracy"][5] == 0.5
    assert np.isnan(bins["accuracy"][0])


def test_calibrated_probabilities_have_no_error(rng):
    probabilities = rng.dirichlet([1, 1, 1], 50_000)
    chosen = (rng.random(50_000)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    true = np.array(CLASSES)[np.minimum(chosen, 2)]
    assert metrics.expected_calibration_error(true, probabilities) < 0.01
    overconfident = np.eye(3)[probabilities.argmax(axis=1)]
    assert metrics.expected_calibration_error(true, overconfident) > 0.3


def test_monotonicity_by_hand():
    table = pd.DataFrame(
        {
            "source": [0, 0, 0, 1, 1, 1, 2, 2, 2, 3],
            "kind": ["noise"] * 9 + ["clip"],
            "severity": [1, 2, 3, 3, 2, 1, 1, 2, 3, 1],
            # in order; in order, listed backwards; a tie at 2 = 3; a single severity
            "predicted_score": [4, 3, 2, 1, 2, 3, 4, 2, 2, 1],
        }
    )
    got = metrics.monotonicity(table)
    assert got["monotone_n"] == 3
    assert got["monotone"] == pytest.approx(2 / 3)
    assert got["monotone_pairs"] == pytest.approx(8 / 9)


def test_one_source_under_two_kinds_counts_as_two_orders():
    table = pd.DataFrame(
        {
            "source": [0, 0, 0, 0],
            "kind": ["noise", "noise", "clip", "clip"],
            "severity": [1, 3, 1, 3],
            "predicted_score": [3, 2, 2, 3],
        }
    )
    assert metrics.monotonicity(table) == {
        "monotone": 0.5, "monotone_pairs": 0.5, "monotone_n": 2
    }  # fmt: skip


def test_degenerate_input_is_nan_without_a_warning(rng):
    table = predictions(rng)
    constant = table.assign(predicted_score=2.5, predicted_quality="low")
    constant[[f"p_{name}" for name in CLASSES]] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = metrics.clip_metrics(constant)
        one = metrics.clip_metrics(table.iloc[:1])
        none = metrics.clip_metrics(table.iloc[:0])
        each = metrics.per_class(constant["quality"], constant["predicted_quality"])
    assert np.isnan([got["pcc"], got["srcc"], got["ece"]]).all()
    assert got["monotone"] == 0 and got["accuracy"] == pytest.approx(1 / 3)
    assert got["rmse_mapped"] == pytest.approx(np.std(table["score"]) * np.sqrt(60 / 58))
    assert np.isnan(each["precision"]["high"]) and each["f1"]["high"] == 0
    assert np.isnan([one["pcc"], one["rmse_mapped"], one["monotone"]]).all()
    assert np.isnan([none["accuracy"], none["mae"], none["ece"]]).all()


def test_missing_predictions_are_nan_not_wrong(rng):
    table = predictions(rng)
    no_class = metrics.clip_metrics(table.assign(predicted_quality=None))
    assert np.isnan(no_class["accuracy"]) and no_class["mae"] > 0
    table.loc[3, "predicted_score"] = np.nan
    no_score = metrics.clip_metrics(table)
    assert np.isnan([no_score["mae"], no_score["srcc"], no_score["rmse_mapped"]]).all()
    assert no_score["accuracy"] > 0


def test_perfect_predictions(rng):
    table = predictions(rng, noise=0).assign(predicted_quality=lambda t: t["quality"])
    got = metrics.clip_metrics(table)
    assert got["accuracy"] == got["macro_f1"] == got["monotone"] == 1
    assert got["pcc"] == pytest.approx(1) and got["srcc"] == pytest.approx(1)
    assert got["rmse"] == got["off_by_two"] == 0


def test_condition_level_averages_first(rng):
    table = predictions(rng)
    got = metrics.condition_metrics(table)
    means = table.groupby(["kind", "severity"])[["score", "predicted_score"]].mean()
    assert got["n"] == 12
    assert got["pcc"] == pytest.approx(pearsonr(*means.to_numpy().T).statistic)
    assert got["rmse"] < metrics.clip_metrics(table)["rmse"]


def test_no_clips_have_empty_tables():
    assert (metrics.confusion([], []).to_numpy() == 0).all()
    each = metrics.per_class([], [])
    assert (
        each[["precision", "recall", "f1"]].isna().all(axis=None) and (each["support"] == 0).all()
    )


def test_within_classes_looks_inside_the_bands():
    rng = np.random.default_rng(0)
    quality = np.repeat(["low", "medium", "high"], 40)
    centre = np.repeat([1.5, 2.5, 3.75], 40)
    score = centre + rng.uniform(-0.3, 0.3, 120)
    table = pd.DataFrame({"quality": quality, "score": score, "predicted_score": centre})
    table["predicted_score"] += rng.normal(0, 0.3, 120)  # knows the band and nothing else
    assert metrics.pearson(table["score"], table["predicted_score"]) > 0.9
    inside = metrics.within_classes(table)
    assert list(inside.index) == ["high", "medium", "low"] and (inside["n"] == 40).all()
    assert inside["pcc"].abs().max() < 0.4
    assert (inside["rmse"] > inside["label_sd"]).all()
    known = metrics.within_classes(table.assign(predicted_score=score))
    assert known["pcc"].to_numpy() == pytest.approx(1) and (known["rmse"] == 0).all()


def test_within_classes_leaves_out_a_class_that_does_not_occur():
    table = pd.DataFrame({"quality": ["low"] * 2, "score": [1.0, 1.5], "predicted_score": [2, 2]})
    inside = metrics.within_classes(table)
    assert list(inside.index) == ["low"] and np.isnan(inside["pcc"].iloc[0])


def test_what_a_label_leaves_open_does_not_count_as_error():
    true, predicted = np.arange(1.0, 5.0), np.array([1.1, 1.9, 3.2, 3.9])
    mapped = metrics.regression_metrics(true, predicted)["rmse_mapped"]
    assert metrics.rmse_mapped(true, predicted) == pytest.approx(mapped)
    assert metrics.rmse_star(true, predicted, 0.0) == pytest.approx(mapped)
    assert metrics.rmse_star(true, predicted, 1.0) == 0
    assert np.isnan(metrics.rmse_star(true[:2], predicted[:2], 0.0))
