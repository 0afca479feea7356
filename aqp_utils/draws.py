"""Metrics of thousands of bootstrap draws at once.

A draw is a count per clip: how often it was drawn. Means, variances and even ranks of the drawn
sample are sums of these counts, so all draws come out of a few matrix products, with the values
that `aqp_utils.metrics` gives on the repeated rows.
"""

import numpy as np
import pandas as pd

from aqp_utils.core.scale import CLASSES, class_indices

DRAW_METRICS = ("accuracy", "macro_f1", "off_by_two", "bias", "mae", "rmse", "pcc", "srcc")


def draw_counts(n_groups, n, rng):
    """How often each of `n_groups` groups is drawn, in the whole sample and in `n` draws.

    Returns
    -------
    ndarray of float, shape (1 + n, n_groups)
        Row 0 is all ones: the sample itself.
    """
    drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n)
    return np.vstack([np.ones(n_groups), drawn])


def metrics_of_draws(table, counts):
    """Metrics of a table of predictions in every draw.

    Parameters
    ----------
    table : DataFrame, n rows
        Columns quality, predicted_quality, score, predicted_score.
    counts : ndarray, shape (n_draws, n)
        How often each row is in each draw.

    Returns
    -------
    dict of ndarray, shape (n_draws,)
        Keys `DRAW_METRICS`; NaN where `aqp_utils.metrics` gives NaN.
    """
    counts = np.asarray(counts, dtype=float)
    return _class_metrics(table, counts) | _score_metrics(table, counts)


def _class_metrics(table, counts):
    names = ("accuracy", "macro_f1", "off_by_two")
    if table["predicted_quality"].isna().any():
        return {name: np.full(len(counts), np.nan) for name in names}
    true, predicted = (
        np.eye(len(CLASSES))[class_indices(table[column])]
        for column in ("quality", "predicted_quality")
    )
    cells = true[:, :, None] * predicted[:, None, :]  # (n, 3, 3)
    confusion = np.einsum("dn,nij->dij", counts, cells)
    total = confusion.sum(axis=(1, 2))
    hits = np.einsum("dii->di", confusion)
    f1 = _ratio(2 * hits, confusion.sum(axis=1) + confusion.sum(axis=2))
    defined = np.isfinite(f1)
    return {
        "accuracy": _ratio(hits.sum(axis=1), total),
        "macro_f1": _ratio(np.where(defined, f1, 0).sum(axis=1), defined.sum(axis=1)),
        "off_by_two": _ratio(confusion[:, 0, -1] + confusion[:, -1, 0], total),
    }


def _score_metrics(table, counts):
    true, predicted = (
        table[column].to_numpy(dtype=float) for column in ("score", "predicted_score")
    )
    total = counts.sum(axis=1)
    error = predicted - true
    return {
        "bias": _ratio(counts @ error, total),
        "mae": _ratio(counts @ np.abs(error), total),
        "rmse": np.sqrt(_ratio(counts @ error**2, total)),
        "pcc": _correlation(counts, true[None, :], predicted[None, :]),
        "srcc": _correlation(counts, _mid_ranks(counts, true), _mid_ranks(counts, predicted)),
    }


def _mid_ranks(counts, values):
    """Rank of each value among the drawn ones, ties at their mean rank, shape (n_draws, n)."""
    below = (values[:, None] < values[None, :]) + 0.5 * (values[:, None] == values[None, :])
    return counts @ below if np.isfinite(values).all() else np.full(counts.shape, np.nan)


def _correlation(counts, x, y):
    total = counts.sum(axis=1, keepdims=True)
    x, y = (value - _ratio((counts * value).sum(axis=1, keepdims=True), total) for value in (x, y))
    xx, yy, xy = ((counts * product).sum(axis=1) for product in (x * x, y * y, x * y))
    # What is left of a constant after subtracting its mean is rounding, not variance.
    defined = (xx > 1e-20 * total[:, 0]) & (yy > 1e-20 * total[:, 0])
    return _ratio(xy, np.where(defined, np.sqrt(xx * yy), 0.0))


def _ratio(part, whole):
    whole = np.broadcast_to(whole, np.shape(part))
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def mean_over_seeds(table, counts):
    """Metrics within each seed, averaged over the seeds, in every draw of sources.

    Parameters
    ----------
    table : DataFrame
        Predictions of several seeds: columns seed, group (position of the source in `counts`)
        and those of `metrics_of_draws`.
    counts : ndarray, shape (n_draws, n_groups)

    Returns
    -------
    DataFrame, shape (n_draws, 8)
        Columns `DRAW_METRICS`. A seed without a drawn clip does not count in that draw.
    """
    seeds = [
        pd.DataFrame(metrics_of_draws(part, counts[:, part["group"]]))
        for _, part in table.groupby("seed", sort=True)
    ]
    stacked = np.stack([seed[list(DRAW_METRICS)].to_numpy() for seed in seeds])
    defined = np.isfinite(stacked)
    mean = _ratio(np.where(defined, stacked, 0).sum(axis=0), defined.sum(axis=0))
    return pd.DataFrame(mean, columns=DRAW_METRICS)
