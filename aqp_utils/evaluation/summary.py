"""The numbers of notebook 05 in one dictionary, every one with its interval and its level."""

import math

import numpy as np
from scipy.stats import binomtest

from aqp_utils.evaluation import counted
from aqp_utils.evaluation.bootstrap import (
    bootstrap_interval,
    interval_or_value,
    paired_difference,
)
from aqp_utils.evaluation.metrics import clip_metrics, condition_metrics, confusion, per_class

FEWEST_SOURCES = 10  # that a bootstrap over sources needs to say something
_SCORE_METRICS = ("mae", "mse", "rmse", "rmse_mapped", "pcc", "srcc")


def with_intervals(table, n, rng, statistics=counted.of_predictions):
    """Class and score metrics of a table of predictions, clip level, with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        From `prediction_table`, with the column source: the bootstrap draws whole sources.
    n : int
        Number of draws.
    rng : numpy.random.Generator
    statistics : callable
        As in `bootstrap_interval`, giving a dict; default: all class and score metrics.

    Returns
    -------
    dict
        metric -> {"value", "low", "high"}; None where a metric is undefined, and no interval
        where all clips come from one source.
    """
    rows = interval_or_value(statistics, table, "source", n, rng)
    return {
        name: {"value": plain(row.estimate), "low": plain(row.low), "high": plain(row.high)}
        for name, row in rows.iterrows()
    }


def of_few_sources(table, n, rng):
    """As `with_intervals`; under `FEWEST_SOURCES` sources, Wilson for the accuracy, else points.

    A handful of sources drawn again says little, and nothing where all are right: every draw is
    1.00 then.
    """
    if table["source"].nunique() >= FEWEST_SOURCES:
        return with_intervals(table, n, rng)
    found = counted.of_predictions(table, np.ones((1, len(table))))
    rows = {
        name: {"value": plain(values[0]), "low": None, "high": None}
        for name, values in found.items()
    }
    accuracy = rows["accuracy"]["value"]
    if accuracy is not None:
        ends = wilson_interval(round(accuracy * len(table)), len(table))
        rows["accuracy"] |= dict(zip(("low", "high"), ends, strict=True))
    return rows


def wilson_interval(n_right, n, level=0.95):
    """Wilson's score interval of a share (J. Am. Stat. Assoc. 22, 1927): (low, high).

    It takes observations as independent; clips of one source are not, so it is too narrow there.
    """
    interval = binomtest(int(n_right), int(n)).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def paired_differences(table, others, n, rng):
    """A predictor against others, all on the same draws of sources.

    Parameters
    ----------
    table : DataFrame
        Predictions of the one.
    others : dict
        Name -> DataFrame with the predictions of another, for the same clips in the same order.
    n : int
        Number of draws.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame, index (other, metric)
        estimate (the one minus the other), low, high (95 %); NaN where one is undefined.
    """
    gaps = {
        name: paired_difference(counted.of_predictions, table, other)
        for name, other in others.items()
    }

    def every_gap(_, counts):
        return {
            (name, metric): values
            for name, gap in gaps.items()
            for metric, values in gap(table, counts).items()
        }

    rows = bootstrap_interval(every_gap, table, "source", n, rng)
    return rows.rename_axis(["other", "metric"])


def summarize(predictions, baselines, n, rng):
    """Everything `metrics.json` says about the test part, except what the run itself is.

    Parameters
    ----------
    predictions : DataFrame
        Test clips with the network's predictions.
    baselines : dict
        Name -> DataFrame of the same clips with that predictor's predictions.
    n : int
        Bootstrap draws per interval.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        Numbers that JSON can hold.
    """
    overall = with_intervals(predictions, n, rng)
    classes = per_class(predictions["quality"], predictions["predicted_quality"])
    more = clip_metrics(predictions)
    return {
        "level": "clip",
        "n_test": len(predictions),
        "n_test_sources": int(predictions["source"].nunique()),
        "classification": {name: overall[name] for name in counted.CLASS_METRICS}
        | {
            "per_class": {
                name: {k: plain(v) for k, v in row.items()} | {"support": int(row["support"])}
                for name, row in classes.iterrows()
            },
            "confusion": confusion(predictions["quality"], predictions["predicted_quality"])
            .to_numpy()
            .tolist(),
        },
        "score": {name: overall[name] for name in _SCORE_METRICS},
        "reliability": {"ece": plain(more["ece"])},
        "monotonicity": {k: plain(more[k]) for k in ("monotone", "monotone_pairs", "monotone_n")},
        "condition_level": {k: plain(v) for k, v in condition_metrics(predictions).items()},
        "per_degradation": {
            kind: {"n": len(part), **of_few_sources(part, n, rng)}
            for kind, part in predictions.groupby("kind", sort=False)
        },
        "baselines": {name: with_intervals(table, n, rng) for name, table in baselines.items()},
    }


def plain(number):
    """A Python number, None for NaN, so that JSON can hold it."""
    number = number.item() if isinstance(number, np.generic) else number
    return None if isinstance(number, float) and not math.isfinite(number) else number


def json_rows(table):
    """A DataFrame as JSON holds it: row label -> {column -> number}, None for NaN."""
    rows = table.astype(object).to_dict("index").items()
    return {str(label): {name: plain(value) for name, value in row.items()} for label, row in rows}
