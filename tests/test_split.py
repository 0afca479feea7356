"""No source on both sides, and every kind in its share."""

import numpy as np
import pandas as pd
import pytest

from aqp_utils.data.split import check_disjoint, grouped_folds, grouped_split

KINDS = ["noise", "clip", "lowpass", "reverb", "compression"]


def clips(n_per_kind, kinds=KINDS):
    rows = [
        {"source": source, "kind": kinds[source % len(kinds)], "severity": severity}
        for source in range(n_per_kind * len(kinds))
        for severity in (1, 2, 3)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("seed", range(5))
def test_split_is_80_20_within_every_kind_and_severity(seed):
    table = clips(20)
    table["part"] = grouped_split(table, 0.2, seed)
    cells = table.groupby(["kind", "severity", "part"]).size().unstack()
    assert (cells["train"] == 16).all() and (cells["test"] == 4).all()


def test_no_source_on_both_sides():
    table = clips(20)
    parts = grouped_split(table, 0.2, seed=1)
    train, test = set(table["source"][parts == "train"]), set(table["source"][parts == "test"])
    assert not train & test and len(train | test) == 100


def test_same_seed_same_split_other_seed_another():
    table = clips(20)
    assert (grouped_split(table, 0.2, 3) == grouped_split(table, 0.2, 3)).all()
    assert (grouped_split(table, 0.2, 3) != grouped_split(table, 0.2, 4)).any()


def test_split_does_not_depend_on_row_order():
    table = clips(20)
    parts = pd.Series(grouped_split(table, 0.2, 0), index=table["source"])
    shuffled = table.sample(frac=1, random_state=0)
    again = pd.Series(grouped_split(shuffled, 0.2, 0), index=shuffled["source"])
    assert parts.groupby(level=0).first().equals(again.groupby(level=0).first())


def test_two_sources_per_kind_still_leave_one_on_each_side():
    table = clips(2)
    parts = grouped_split(table, 0.2, 0)
    assert (table[parts == "test"].groupby("kind")["source"].nunique() == 1).all()


def test_sources_with_several_kinds_stay_whole():
    table = clips(10)
    both = pd.concat([table, table.assign(kind="noise")])
    check_disjoint(both["source"], grouped_split(both, 0.2, 0))


def test_too_few_sources_are_named():
    with pytest.raises(ValueError, match="kind 'clip' has 1 source.*at least 2"):
        grouped_split(clips(1), 0.2, 0)
    with pytest.raises(ValueError, match="has 4 source.*at least 5"):
        grouped_folds(clips(4), 5, 0)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_share_out_of_range(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        grouped_split(clips(4), share, 0)


def test_folds_cover_every_source_once_and_balance_kinds():
    table = clips(20)
    fold = grouped_folds(table, 5, seed=0)
    check_disjoint(table["source"], fold)
    assert (table.groupby(["kind", fold]).size() == 12).all()


def test_uneven_folds_differ_by_at_most_one_source():
    table = clips(7)
    sizes = table.groupby(["kind", grouped_folds(table, 5, 0)])["source"].nunique()
    assert set(sizes) == {1, 2}
    assert np.ptp(table.groupby(grouped_folds(table, 5, 0))["source"].nunique()) <= 1


def test_planted_leak_is_named():
    table = clips(4)
    parts = grouped_split(table, 0.25, 0)
    row = np.flatnonzero(parts == "test")[0]
    parts[row] = "train"
    with pytest.raises(ValueError, match=rf"both sides of the split: {table['source'][row]}\b"):
        check_disjoint(table["source"], parts)
