"""The numbers of notebook 05 in one dictionary, every one with its interval and its level."""

import math

import numpy as np

from aqp_utils.evaluation import counted
from aqp_utils.evaluation.bootstrap import interval_or_value
from aqp_utils.evaluation.metrics import clip_metrics, condition_metrics, confusion, per_class

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
        "calibration": {"ece": plain(more["ece"])},
        "monotonicity": {k: plain(more[k]) for k in ("monotone", "monotone_pairs", "monotone_n")},
        "condition_level": {k: plain(v) for k, v in condition_metrics(predictions).items()},
        "per_degradation": {
            kind: {"n": len(part), **with_intervals(part, n, rng)}
            for kind, part in predictions.groupby("kind", sort=False)
        },
        "baselines": {name: with_intervals(table, n, rng) for name, table in baselines.items()},
    }


def plain(number):
    """A Python number, None for NaN, so that JSON can hold it."""
    number = number.item() if isinstance(number, np.generic) else number
    return None if isinstance(number, float) and not math.isfinite(number) else number
