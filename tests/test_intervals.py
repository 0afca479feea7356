"""Intervals cover what they promise, and respect clusters and pairs."""

import numpy as np
import pandas as pd
import pytest

from aqp_utils.evaluation import bootstrap, counted
from aqp_utils.evaluation.bootstrap import bootstrap_interval, difference_interval, draw_counts


def mean_of_x(table, counts):
    return counted.mean(counts, table["x"].to_numpy())


def clustered(rng, n_sources=30, siblings=5):
    """Clips of one source are copies: the information is in the sources alone."""
    x = np.repeat(rng.normal(size=n_sources), siblings)
    source = np.repeat(np.arange(n_sources), siblings)
    return pd.DataFrame({"clip": np.arange(len(x)), "source": source, "x": x})


def test_95_percent_interval_of_a_mean_covers_it_about_95_times_in_100():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        got = bootstrap_interval(mean_of_x, clustered(rng), "source", 100, rng)
        hits += got["low"] <= 0 <= got["high"]
    assert 88 <= hits <= 99


def test_drawing_clips_instead_of_sources_would_be_too_narrow():
    table = clustered(np.random.default_rng(1))
    by_source = bootstrap_interval(mean_of_x, table, "source", 500, np.random.default_rng(0))
    by_clip = bootstrap_interval(mean_of_x, table, "clip", 500, np.random.default_rng(0))
    ratio = (by_source["high"] - by_source["low"]) / (by_clip["high"] - by_clip["low"])
    assert ratio == pytest.approx(np.sqrt(5), rel=0.15)


def test_estimate_is_of_the_whole_table_and_lies_inside():
    table = clustered(np.random.default_rng(2))
    got = bootstrap_interval(mean_of_x, table, "source", 300, np.random.default_rng(0))
    assert got["estimate"] == np.mean(table["x"].to_numpy())
    assert got["low"] < got["estimate"] < got["high"]


def test_several_statistics_from_the_same_draws():
    table = clustered(np.random.default_rng(3))

    def both(t, counts):
        return {"mean": mean_of_x(t, counts), "twice": 2 * mean_of_x(t, counts)}

    got = bootstrap_interval(both, table, "source", 100, np.random.default_rng(0))
    assert list(got.index) == ["mean", "twice"] and list(got) == ["estimate", "low", "high"]
    np.testing.assert_allclose(got.loc["twice"], 2 * got.loc["mean"])


def test_a_source_drawn_twice_is_two_sources():
    table = clustered(np.random.default_rng(4))

    def n_sources(t, counts):
        return counts[:, ~t["source"].duplicated()].sum(axis=1)

    got = bootstrap_interval(n_sources, table, "source", 50, np.random.default_rng(0))
    assert got["low"] == got["high"] == 30


def test_same_generator_state_same_interval():
    table = clustered(np.random.default_rng(5))
    first, again = (
        bootstrap_interval(mean_of_x, table, "source", 50, np.random.default_rng(7))
        for _ in range(2)
    )
    assert first == again


def test_undefined_draws_are_left_out():
    table = clustered(np.random.default_rng(6))
    got = bootstrap_interval(
        lambda t, counts: np.full(len(counts), np.nan),
        table,
        "source",
        20,
        np.random.default_rng(0),
    )
    assert np.isnan([got["estimate"], got["low"], got["high"]]).all()


def test_paired_difference_cancels_what_both_share():
    rng = np.random.default_rng(7)
    first = clustered(rng)
    second = first.assign(x=first["x"] - 0.1)
    got = difference_interval(mean_of_x, first, second, "source", 200, rng)
    assert got["estimate"] == pytest.approx(0.1)
    assert got["high"] - got["low"] < 1e-9
    both = difference_interval(
        lambda t, counts: {"mean": mean_of_x(t, counts)}, first, second, "source", 50, rng
    )
    assert both.loc["mean", "low"] == pytest.approx(0.1)


def test_pairing_needs_the_same_clips():
    table = clustered(np.random.default_rng(8))
    for other in (table.iloc[::-1], table.iloc[:-1]):
        with pytest.raises(ValueError, match="same clips in the same order"):
            difference_interval(mean_of_x, table, other, "source", 5, np.random.default_rng(0))


def test_too_few_groups_or_draws_are_named():
    table = clustered(np.random.default_rng(9), n_sources=1)
    with pytest.raises(ValueError, match="at least 2 groups and 1 draw, here 1 value"):
        bootstrap_interval(mean_of_x, table, "source", 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match="and 0 draw"):
        bootstrap_interval(mean_of_x, table, "clip", 0, np.random.default_rng(0))


def test_a_draw_holds_whole_sources_and_as_many_as_there_are():
    counts = draw_counts(17, 50, np.random.default_rng(0))
    assert counts.shape == (51, 17) and (counts.sum(axis=1) == 17).all()
    assert (counts[0] == 1).all()


def test_a_draw_is_that_of_the_rows_themselves():
    """Counting rows is a shortcut for taking the drawn sources' rows one after another."""
    table = clustered(np.random.default_rng(10), siblings=3)
    table["x"] += np.random.default_rng(11).normal(size=len(table))
    got = bootstrap_interval(mean_of_x, table, "source", 200, np.random.default_rng(3))
    rng, means = np.random.default_rng(3), []
    for _ in range(200):
        drawn = rng.integers(30, size=30)
        means.append(
            np.mean([x for source in drawn for x in table["x"][table["source"] == source]])
        )
    assert [got["low"], got["high"]] == pytest.approx(np.percentile(means, [2.5, 97.5]), rel=1e-12)


def test_long_tables_are_drawn_in_parts_with_the_same_result(monkeypatch):
    table = clustered(np.random.default_rng(12))
    found = []
    for at_once in (10**6, 700):  # all 51 draws of 150 clips, and 4 of them
        monkeypatch.setattr(bootstrap, "AT_ONCE", at_once)
        found.append(bootstrap_interval(mean_of_x, table, "source", 50, np.random.default_rng(0)))
    assert found[0] == found[1]
