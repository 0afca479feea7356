"""The numbers of notebook 05 in one dictionary, every one with its interval and its level."""

import math

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from aqp_utils.evaluation.bootstrap import DRAW_METRICS, bootstrap_interval, metrics_of_draws
from aqp_utils.evaluation.metrics import (
    classification_metrics,
    clip_metrics,
    condition_metrics,
    confusion,
    per_class,
    regression_metrics,
)

FEWEST_SOURCES = 10  # that a bootstrap over sources needs to say something
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


def of_few_sources(table, n, rng):
    """As `with_intervals`; under `FEWEST_SOURCES` sources, Wilson for the accuracy, else points.

    A handful of sources drawn again says little, and nothing where all are right: every draw is
    1.00 then.
    """
    if table["source"].nunique() >= FEWEST_SOURCES:
        return with_intervals(table, n, rng)
    values = {name: plain(value) for name, value in _statistics(table).items()}
    rows = {name: {"value": v, "low": None, "high": None} for name, v in values.items()}
    if values["accuracy"] is not None:
        ends = wilson_interval(round(values["accuracy"] * len(table)), len(table))
        rows["accuracy"] |= dict(zip(("low", "high"), ends, strict=True))
    return rows


def wilson_interval(n_right, n, level=0.95):
    """Wilson's score interval of a share (J. Am. Stat. Assoc. 22, 1927): (low, high).

    It takes observations as independent; clips of one source are not, so it is too narrow there.
    """
    interval = binomtest(int(n_right), int(n)).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def paired_differences(table, others, counts):
    """A predictor against others on the same draws of sources.

    Parameters
    ----------
    table : DataFrame, n rows
        Predictions of the one.
    others : dict
        Name -> DataFrame with the predictions of another, for the same clips in the same order.
    counts : ndarray, shape (n_draws, n)
        How often each clip is in each draw.

    Returns
    -------
    DataFrame, index (other, metric)
        difference (the one minus the other), low, high (95 %); NaN where one is undefined.
    """
    everything = np.vstack([np.ones(len(table)), counts])
    own, rows = metrics_of_draws(table, everything), {}
    for name, other in others.items():
        theirs = metrics_of_draws(other, everything)
        for metric in DRAW_METRICS:
            gaps = own[metric] - theirs[metric]
            drawn = gaps[1:][np.isfinite(gaps[1:])]
            ends = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
            rows[name, metric] = dict(difference=gaps[0], low=ends[0], high=ends[1])
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["other", "metric"])


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
