"""Tables over seeds: means add up, pairs are paired, clear differences are called clear."""

import numpy as np
import pandas as pd
import pytest

from aqp_utils.core.scale import CLASSES
from aqp_utils.evaluation.baselines import class_mean_score
from aqp_utils.evaluation.comparison import HEADS, differences, entries, heads, per_seed, summary
from aqp_utils.evaluation.metrics import clip_metrics, within_classes


def condition(name, noise, seeds=3, experiment="inputs"):
    """Predictions of one condition: errors of the given size, the same clips in every condition."""
    tables = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(
            {
                "experiment": experiment,
                "condition": name,
                "seed": seed,
                "judged": True,
                "source": np.repeat(rng.permutation(50)[:20], 3),
                "severity": np.tile([1, 2, 3], 20),
            }
        )
        table["clip"] = [f"{s}_{v}" for s, v in zip(table.source, table.severity, strict=True)]
        table["kind"] = np.where(table["source"] % 2, "noise", "clip")
        table["quality"] = table["severity"].map({1: "high", 2: "medium", 3: "low"})
        table["score"] = 4.6 - table["severity"] + rng.uniform(-0.3, 0.3, len(table))
        table["predicted_score"] = table["score"] + noise * rng.normal(size=len(table))
        table["predicted_quality"] = rng.choice(CLASSES, len(table))
        table[[f"p_{label}" for label in CLASSES]] = rng.dirichlet([1, 1, 1], len(table))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def predictions():
    return pd.concat(
        [condition("good", 0.2), condition("same", 0.2), condition("bad", 0.8)], ignore_index=True
    )


def row(table, name, metric):
    return table[(table["condition"] == name) & (table["metric"] == metric)].iloc[0]


def test_per_seed_is_one_row_per_condition_and_seed(predictions):
    table = per_seed(predictions)
    assert len(table) == 9 and not table.duplicated(["experiment", "condition", "seed"]).any()
    part = predictions[(predictions["condition"] == "bad") & (predictions["seed"] == 1)]
    got = table[(table["condition"] == "bad") & (table["seed"] == 1)].iloc[0]
    for name, value in clip_metrics(part).items():
        assert got[name] == pytest.approx(value), name


def test_summary_is_mean_and_sd_over_seeds(predictions):
    table = summary(predictions, 200, np.random.default_rng(0))
    seeds = per_seed(predictions).set_index("condition").loc["good", "srcc"]
    got = row(table, "good", "srcc")
    assert got["mean"] == pytest.approx(seeds.mean()) and got["sd"] == pytest.approx(seeds.std())
    assert got["low"] < got["mean"] < got["high"]
    assert (got["n_seeds"], got["n_clips"]) == (3, 180)


def test_differences_are_paired(predictions):
    table = differences(predictions, ("inputs", "good"), 200, np.random.default_rng(0))
    assert set(table["condition"]) == {"same", "bad"}
    same, bad = (row(table, name, "rmse") for name in ("same", "bad"))
    assert same["difference"] == same["low"] == same["high"] == 0 and not same["clear"]
    assert bad["clear"] and bad["low"] > 0
    means = per_seed(predictions).groupby("condition")["rmse"].mean()
    assert bad["difference"] == pytest.approx(means["bad"] - means["good"])
    assert row(table, "bad", "srcc")["high"] < 0


def test_order_of_rows_does_not_matter(predictions):
    shuffled = predictions.sample(frac=1, random_state=0)
    first, again = (
        differences(p, ("inputs", "good"), 20, np.random.default_rng(0)).set_index(
            ["condition", "metric"]
        )["difference"]
        for p in (predictions, shuffled)
    )
    pd.testing.assert_series_equal(first.sort_index(), again.sort_index())


def test_held_out_conditions_count_the_clips_both_have(predictions):
    held_out = condition("2", 0.5, experiment="unseen severity")
    held_out["judged"] = held_out["severity"] == 2
    both = pd.concat([predictions, held_out], ignore_index=True)
    got = row(differences(both, ("inputs", "good"), 20, np.random.default_rng(0)), "2", "rmse")
    assert got["n_clips"] == 60 and got["difference"] > 0
    seeds = per_seed(held_out)
    assert (seeds["n"] == 20).all() and (seeds["monotone_n"] == 20).all()


def test_unknown_reference_is_named(predictions):
    with pytest.raises(ValueError, match="inputs / best is not among .*: inputs / good"):
        differences(predictions, ("inputs", "best"), 5, np.random.default_rng(0))


def test_no_common_clip_is_named(predictions):
    other = condition("elsewhere", 0.1).assign(clip="x")
    both = pd.concat([predictions, other], ignore_index=True)
    with pytest.raises(ValueError, match="elsewhere was tested on no clip of the reference"):
        differences(both, ("inputs", "good"), 5, np.random.default_rng(0))


def test_one_source_has_no_interval_and_no_clear_difference(predictions):
    one = predictions[predictions["source"] == predictions["source"].iloc[0]]
    table = differences(one, ("inputs", "good"), 20, np.random.default_rng(0))
    assert np.isfinite(row(table, "bad", "rmse")["difference"])
    assert table[["low", "high"]].isna().all(axis=None) and not table["clear"].any()
    assert summary(one, 20, np.random.default_rng(0))["low"].isna().all()


def test_one_seed_has_no_spread(predictions):
    table = summary(predictions[predictions["seed"] == 0], 20, np.random.default_rng(0))
    assert table["sd"].isna().all() and np.isfinite(row(table, "bad", "pcc")["low"])


def all_clips(part):
    """The table that `part`, the test clips of every seed, was cut from: 50 sources."""
    clips = part.drop_duplicates("clip")[["clip", "source", "quality", "score"]]
    assert clips["source"].nunique() > 30
    return clips


def test_heads_are_measured_seed_by_seed_as_by_hand():
    part = condition("one", 0.2)
    clips = all_clips(part)
    found = heads(part, clips, 50, np.random.default_rng(0))
    rows = []
    for _, tested in part.groupby("seed"):
        learned = clips[~clips["source"].isin(tested["source"])]
        alone = class_mean_score(learned, tested[[f"p_{name}" for name in CLASSES]])
        for answer, score in zip(HEADS, (tested["predicted_score"], alone), strict=True):
            table = tested.assign(predicted_score=score)
            rows.append(
                {
                    "answer": answer,
                    "rmse": np.sqrt(np.mean((score - tested["score"]) ** 2)),
                    "pcc": np.corrcoef(score, tested["score"])[0, 1],
                    "rmse_inside": within_classes(table)["rmse"].mean(),
                    "pcc_inside": within_classes(table)["pcc"].mean(),
                }
            )
    by_hand = pd.DataFrame(rows).groupby("answer").mean()
    for answer in HEADS:
        for metric in by_hand:
            assert found.loc[(answer, metric), "estimate"] == pytest.approx(
                by_hand.loc[answer, metric]
            )
    for metric in by_hand:
        gap = found.loc[("difference", metric)]
        assert gap["estimate"] == pytest.approx(
            by_hand.loc[HEADS[0], metric] - by_hand.loc[HEADS[1], metric]
        )
        assert gap["low"] <= gap["estimate"] <= gap["high"]


def test_a_score_head_that_hears_inside_the_bands_is_told_from_one_that_does_not():
    good, deaf = condition("good", 0.1), condition("deaf", 0.1)
    sure = np.eye(3)[[CLASSES.index(name) for name in good["quality"]]]
    unsure = np.random.default_rng(1).dirichlet([1, 1, 1], len(good))
    for table in (good, deaf):  # a class head that is always right, and never quite sure
        table[[f"p_{name}" for name in CLASSES]] = 0.95 * sure + 0.05 * unsure
    shuffled = deaf.groupby(["seed", "quality"])["score"].transform(
        np.random.default_rng(2).permutation
    )
    deaf["predicted_score"] = shuffled  # the right bands, and nothing inside them
    clear = heads(good, all_clips(good), 200, np.random.default_rng(0)).loc["difference"]
    assert clear.loc["pcc_inside", "low"] > 0.3 and clear.loc["rmse", "high"] < 0
    nothing = heads(deaf, all_clips(deaf), 200, np.random.default_rng(0)).loc["difference"]
    assert nothing.loc["rmse", "high"] > 0 and nothing.loc["pcc_inside", "low"] < 0


def test_an_undefined_number_is_none():
    index = pd.MultiIndex.from_tuples([("score head", "pcc")], names=["answer", "metric"])
    table = pd.DataFrame({"estimate": [0.5], "low": [np.nan], "high": [np.nan]}, index)
    assert entries(table, "score head") == {"pcc": {"value": 0.5, "low": None, "high": None}}
