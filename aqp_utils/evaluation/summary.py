"""The numbers of notebook 05 in one dictionary, every one with its interval and its level."""

import math

import numpy as np

from aqp_utils.evaluation.bootstrap import bootstrap_interval
from aqp_utils.evaluation.metrics import (
    classification_metrics,
    clip_metrics,
    condition_metrics,
    confusion,
    per_class,
    regression_metrics,
)

_CLASS_METRICS = ("accuracy", "macro_f1", "ordinal_error", "off_by_two")
_SCORE_METRICS = ("mae", "mse", "rmse", "rmse_mapped", "pcc", "srcc")


def _statistics(table):
    return {
        **classification_metrics(table["quality"], table["predicted_quality"]),
        **regression_metrics(table["score"], table["predicted_score"]),
    }


def with_intervals(table, n, rng):
    """Class and score metrics of a table of predictions, clip level, with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        From `prediction_table`, with the column source: the bootstrap draws whole sources.
    n : int
        Number of draws.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        metric -> {"value", "low", "high"}; None where a metric is undefined, and no interval
        where all clips come from one source.
    """
    if table["source"].nunique() < 2:
        values = _statistics(table).items()
        return {name: {"value": plain(v), "low": None, "high": None} for name, v in values}
    rows = bootstrap_interval(_statistics, table, "source", n, rng)
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
        "classification": {name: overall[name] for name in _CLASS_METRICS}
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
