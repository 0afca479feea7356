"""What `make bench` measures with, and what it wrote; how fast anything is, is no test."""

import importlib
import sys

import pandas as pd
import pytest

from aqp_utils.core.package import PACKAGE

ROOT = PACKAGE.parent


@pytest.fixture
def bench(monkeypatch):
    """Loads a module of benchmarks/."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    return importlib.import_module


def test_both_ways_take_turns(bench):
    calls = []
    seconds = bench("measuring").take_turns(lambda: calls.append("o"), lambda: calls.append("p"))
    assert set("".join(calls).split("op")) == {""}
    assert len(seconds) == 3 and len(calls) == 2 * (1 + 7)


def test_one_way_has_no_ratio(bench):
    ours_s, plain_s, ratio = bench("measuring").take_turns(lambda: None)
    assert ours_s >= 0 and plain_s is None and ratio is None


def test_memory_is_that_of_now_and_not_of_before(bench):
    measuring = bench("measuring")
    if measuring.peak_mb() is None:
        pytest.skip("only Linux tells")
    big = bytearray(200_000_000)
    with_big = measuring.peak_mb()
    del big
    measuring.forget_peak()
    assert measuring.peak_mb() < with_big - 100


def test_the_published_table_has_every_stage_with_its_plain_way():
    table = pd.read_csv(ROOT / "outputs" / "showcase" / "benchmarks.csv")
    stages = {
        "synthesis",
        "degradation",
        "19 features",
        "embedding",
        "training",
        "predict",
    }
    assert stages <= set(table["stage"])
    assert (table["ms_per_clip"] > 0).all()
    compared = table[table["ratio"].notna()]
    assert {"19 features", "embedding", "training"} <= set(compared["stage"])
    assert table["machine"].notna().all() and table["commit"].notna().all()
