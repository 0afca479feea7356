"""Splits by clean source: versions of one source never stand on both sides.

A clip and its siblings share everything but the damage. A model tested on siblings of its training
clips is asked what it remembers, not what it learned.
"""

import numpy as np
import pandas as pd

from aqp_utils.core.randomness import rng_for

TRAIN, TEST = "train", "test"


def grouped_split(table, test_share, seed):
    """Assign every source to one part, the same share of each kind of degradation.

    Parameters
    ----------
    table : DataFrame, n rows
        Columns source and kind.
    test_share : float in (0, 1)
        Rounded to whole sources per kind, at least one on each side.
    seed : int

    Returns
    -------
    ndarray of str, shape (n,)
        "train" or "test" for each row.

    Raises
    ------
    ValueError
        If `test_share` is out of range or a kind has fewer than two sources.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share is {test_share}; it must lie between 0 and 1.")
    strata = _strata(table, at_least=2)
    rng = rng_for(seed, "split")
    held_out = []
    for sources in strata.values():
        n_test = np.clip(round(test_share * len(sources)), 1, len(sources) - 1)
        held_out.extend(rng.permutation(sources)[:n_test])
    parts = np.where(table["source"].isin(held_out), TEST, TRAIN)
    check_disjoint(table["source"], parts)
    return parts


def grouped_folds(table, n_folds, seed):
    """Number the folds of a cross-validation by source, stratified by kind.

    Parameters
    ----------
    table : DataFrame, n rows
        Columns source and kind.
    n_folds : int
        At least 2; every kind needs as many sources.
    seed : int

    Returns
    -------
    ndarray of int, shape (n,)
        Fold in which each row is tested, from 0. The folds of one kind differ by at most one
        source, and the leftovers of successive kinds go to successive folds.

    Raises
    ------
    ValueError
        If there are fewer sources of a kind than folds.
    """
    if n_folds < 2:
        raise ValueError(f"n_folds is {n_folds}; it must be at least 2.")
    rng = rng_for(seed, "split")
    fold_of, dealt = {}, 0
    for sources in _strata(table, at_least=n_folds).values():
        for source in rng.permutation(sources):
            fold_of[source] = dealt % n_folds
            dealt += 1
    return table["source"].map(fold_of).to_numpy(dtype=int)


def check_disjoint(sources, parts):
    """Refuse a split in which a source stands in more than one part.

    Parameters
    ----------
    sources : array_like, shape (n,)
    parts : array_like, shape (n,)
        Name of the part each row belongs to.

    Raises
    ------
    ValueError
        Naming the first such sources.
    """
    pairs = pd.DataFrame({"source": np.asarray(sources), "part": np.asarray(parts)})
    n_parts = pairs.groupby("source")["part"].nunique()
    leaked = n_parts.index[n_parts > 1].tolist()
    if leaked:
        named = ", ".join(str(source) for source in leaked[:5])
        raise ValueError(
            f"{len(leaked)} source(s) stand on both sides of the split: {named}"
            f"{', …' if len(leaked) > 5 else ''}; all clips of a source belong to one part."
        )


def _strata(table, at_least):
    """Sources by the kind, or the set of kinds, that they appear in."""
    kinds = table.groupby("source")["kind"].agg(lambda kind: " + ".join(sorted(set(kind))))
    strata = {kind: group.index.to_numpy() for kind, group in kinds.groupby(kinds)}
    for kind, sources in strata.items():
        if len(sources) < at_least:
            raise ValueError(
                f"kind {kind!r} has {len(sources)} source(s); at least {at_least} are needed to "
                "keep sources apart. Make more sources (N_PER_CONDITION)."
            )
    return strata
