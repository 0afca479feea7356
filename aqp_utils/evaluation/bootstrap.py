"""Bootstrap intervals clustered by source.

Clips of one source share its voice or melody and fail together, so the source is what is drawn
again, with all its clips (Field and Welsh, Bootstrapping clustered data, J. R. Stat. Soc. B 69,
2007). Drawing clips one by one would make the intervals too narrow.
"""

import numpy as np
import pandas as pd

from aqp_utils.core.scale import CLASSES, class_indices

DRAW_METRICS = ("accuracy", "macro_f1", "off_by_two", "bias", "mae", "rmse", "pcc", "srcc")


def bootstrap_interval(statistic, table, groups, n, rng, level=0.95):
    """Percentile interval of statistics of a table, drawing whole groups with replacement.

    Parameters
    ----------
    statistic : callable
        Takes a DataFrame like `table`, its groups renamed so that one drawn twice is two; returns
        a number, or a dict of numbers to have several intervals from the same draws.
    table : DataFrame
    groups : str
        Column of the clusters, usually "source".
    n : int
        Number of draws.
    rng : numpy.random.Generator
    level : float
        Coverage of the interval.

    Returns
    -------
    dict or DataFrame
        estimate (on the whole table), low, high; for a dict, a DataFrame with one row per
        statistic. Draws where a statistic is NaN are left out; low and high are NaN if all are.

    Raises
    ------
    ValueError
        If there are fewer than two groups, or `n` is under 1.
    """
    rows_of_group = _rows_of_groups(table[groups], n)
    several = isinstance(estimate := statistic(table), dict)
    estimates = pd.Series(estimate if several else {"value": estimate}, dtype=float)
    draws = np.empty((n, len(estimates)))
    for row in draws:
        drawn = statistic(_draw(table, rows_of_group, groups, rng))
        row[:] = list(drawn.values()) if several else drawn
    tails = [50 * (1 - level), 50 * (1 + level)]
    bounds = np.array([_percentiles(column, tails) for column in draws.T])
    result = pd.DataFrame(
        {"estimate": estimates, "low": bounds[:, 0], "high": bounds[:, 1]}, index=estimates.index
    )
    return result if several else result.loc["value"].to_dict()


def difference_interval(statistic, first, second, groups, n, rng, level=0.95):
    """Interval of statistic(first) − statistic(second) on the same clips.

    Both are evaluated on the same draws, so what all predictors find hard cancels out: the
    interval of a difference is narrower than two separate intervals suggest.

    Parameters
    ----------
    statistic : callable
        As in `bootstrap_interval`.
    first, second : DataFrame
        Predictions of two models for the same clips in the same order (column clip).
    groups, n, rng, level
        As in `bootstrap_interval`.

    Raises
    ------
    ValueError
        If the tables are not about the same clips.
    """
    if len(first) != len(second) or (first["clip"].to_numpy() != second["clip"].to_numpy()).any():
        raise ValueError(
            f"a paired difference needs the same clips in the same order in both tables; these "
            f"hold {len(first)} and {len(second)} rows that differ."
        )
    positions = pd.DataFrame({"row": np.arange(len(first)), groups: first[groups].to_numpy()})

    def difference(drawn):
        rows, names = drawn["row"].to_numpy(), drawn[groups].to_numpy()
        pair = (table.iloc[rows].assign(**{groups: names}) for table in (first, second))
        return _minus(*(statistic(table) for table in pair))

    return bootstrap_interval(difference, positions, groups, n, rng, level)


def _minus(first, second):
    if isinstance(first, dict):
        return {name: first[name] - second[name] for name in first}
    return first - second


def _rows_of_groups(groups, n):
    codes, names = pd.factorize(groups)
    if len(names) < 2 or n < 1:
        raise ValueError(
            f"a clustered bootstrap needs at least 2 groups and 1 draw, here {len(names)} value(s) "
            f"of {groups.name!r} and {n} draw(s)."
        )
    return [np.flatnonzero(codes == code) for code in range(len(names))]


def _draw(table, rows_of_group, groups, rng):
    n_groups = len(rows_of_group)
    drawn = [rows_of_group[group] for group in rng.integers(n_groups, size=n_groups)]
    # A group drawn twice counts as two, also for statistics taken per group.
    names = np.repeat(np.arange(len(drawn)), [len(rows) for rows in drawn])
    return table.iloc[np.concatenate(drawn)].assign(**{groups: names})


def _percentiles(values, tails):
    values = values[np.isfinite(values)]
    return np.percentile(values, tails) if len(values) else (np.nan, np.nan)


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
        Keys `DRAW_METRICS`; NaN where `aqp_utils.evaluation.metrics` gives NaN.
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
