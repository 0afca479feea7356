"""Bootstrap intervals clustered by source.

Clips of one source share its voice or melody and fail together, so the source is what is drawn
again, with all its clips (Field and Welsh, Bootstrapping clustered data, J. R. Stat. Soc. B 69,
2007). Drawing clips one by one would make the intervals too narrow.
"""

import numpy as np
import pandas as pd


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
