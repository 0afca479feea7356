"""Bootstrap intervals clustered by source.

Clips of one source share its voice or melody and fail together, so the source is what is drawn
again, with all its clips (Field and Welsh, Bootstrapping clustered data, J. R. Stat. Soc. B 69,
2007). Drawing clips one by one would make the intervals too narrow.
"""

import numpy as np
import pandas as pd

AT_ONCE = 2_000_000  # counts of clips in draws; bounds memory on long tables


def bootstrap_interval(statistic, table, groups, n, rng, level=0.95):
    """Percentile interval of statistics of a table, drawing whole groups with replacement.

    Parameters
    ----------
    statistic : callable
        (table, counts) -> one value per draw, shape (n_draws,), or a dict of such arrays to have
        several intervals from the same draws. `counts`, shape (n_draws, len(table)), says how
        often each row is in each draw; see `aqp_utils.evaluation.counted`.
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
    group, names = pd.factorize(table[groups])
    if len(names) < 2 or n < 1:
        raise ValueError(
            f"a clustered bootstrap needs at least 2 groups and 1 draw, here {len(names)} value(s) "
            f"of {groups!r} and {n} draw(s)."
        )
    counts = draw_counts(len(names), n, rng)
    size = max(1, AT_ONCE // len(table))
    parts = [
        statistic(table, np.take(counts[first : first + size], group, axis=1))
        for first in range(0, len(counts), size)
    ]
    if several := isinstance(parts[0], dict):
        draws = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    else:
        draws = {"value": np.concatenate(parts)}
    result = pd.DataFrame({name: _ends(values, level) for name, values in draws.items()}).T
    return result if several else result.loc["value"].to_dict()


def interval_or_value(statistic, table, groups, n, rng, level=0.95):
    """`bootstrap_interval` of several statistics, with NaN for low and high of a single group."""
    if table[groups].nunique() >= 2:
        return bootstrap_interval(statistic, table, groups, n, rng, level)
    found = statistic(table, np.ones((1, len(table))))
    estimates = {name: values[0] for name, values in found.items()}
    return pd.DataFrame({"estimate": estimates, "low": np.nan, "high": np.nan})


def difference_interval(statistic, first, second, groups, n, rng, level=0.95):
    """`bootstrap_interval` of the `paired_difference` of two tables of predictions."""
    difference = paired_difference(statistic, first, second)
    return bootstrap_interval(difference, first, groups, n, rng, level)


def paired_difference(statistic, first, second):
    """The statistic of `first` minus that of `second`, on the same clips.

    Both are evaluated on the same draws, so what all predictors find hard cancels out: the
    interval of a difference is narrower than two separate intervals suggest.

    Parameters
    ----------
    statistic : callable
        As in `bootstrap_interval`.
    first, second : DataFrame
        Predictions of two models for the same clips in the same order (column clip).

    Returns
    -------
    callable
        A statistic of `first`, for `bootstrap_interval`.

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

    def difference(_, counts):
        one, other = statistic(first, counts), statistic(second, counts)
        if isinstance(one, dict):
            return {name: one[name] - other[name] for name in one}
        return one - other

    return difference


def draw_counts(n_groups, n, rng):
    """How often each of `n_groups` groups is drawn, in the whole sample and in `n` draws.

    Returns
    -------
    ndarray of float, shape (1 + n, n_groups)
        Row 0 is all ones: the sample itself.
    """
    drawn = rng.integers(n_groups, size=(n, n_groups)) + n_groups * np.arange(n)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n * n_groups).reshape(n, n_groups)
    return np.vstack([np.ones(n_groups), counts])


def _ends(values, level):
    """Estimate (the first value) and its interval (from the others)."""
    drawn = values[1:][np.isfinite(values[1:])]
    tails = [50 * (1 - level), 50 * (1 + level)]
    low, high = np.percentile(drawn, tails) if len(drawn) else (np.nan, np.nan)
    return pd.Series({"estimate": values[0], "low": low, "high": high})
