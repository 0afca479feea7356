"""Experiments find what was planted: a leak, a shuffle, a perfect feature, a useless one."""

import numpy as np
import pandas as pd
import pytest

from aqp_utils.data.split import grouped_split
from aqp_utils.evaluation import experiments
from aqp_utils.evaluation.experiments import FUSED, Training, Trial
from aqp_utils.evaluation.metrics import clip_metrics, pearson

KINDS = ["noise", "clip", "lowpass", "reverb", "compression"]
FAST = Training(epochs=15, learning_rate=3e-3, hidden=(32,), dropout=0.1)


def study(n_per_kind=20, seed=0):
    """300 clips; psychoacoustic features carry the score, the embedding is noise."""
    rng = np.random.default_rng(seed)
    clips = pd.DataFrame(
        [
            {"source": source, "kind": KINDS[source % 5], "severity": severity}
            for source in range(5 * n_per_kind)
            for severity in (1, 2, 3)
        ]
    )
    clips.insert(0, "clip", [f"{s}_{v}" for s, v in zip(clips.source, clips.severity, strict=True)])
    clips["quality"] = clips["severity"].map({1: "high", 2: "medium", 3: "low"})
    clips["score"] = 4.6 - clips["severity"] + rng.uniform(-0.3, 0.3, len(clips))
    features = {
        "embedding": rng.normal(size=(len(clips), 24)).astype(np.float32),
        "psychoacoustic": rng.normal(0, 0.5, (len(clips), 19)) + clips[["score"]].to_numpy(),
        "classic": rng.normal(0, 2.0, (len(clips), 19)) + clips[["score"]].to_numpy(),
        "embedding_layers": rng.normal(size=(len(clips), 3, 24)),
    }
    features["embedding_layers"][:, 1, 0] = clips["score"]
    return features, clips


@pytest.fixture(scope="module")
def data():
    return study()


def test_planted_leak_is_refused(data):
    features, clips = data
    parts = grouped_split(clips, 0.2, 0)
    leak = np.flatnonzero(parts == "test")[0]
    parts[leak] = "train"
    with pytest.raises(ValueError, match=rf"both sides of the split: {clips['source'][leak]}\b"):
        experiments.train_and_predict(features["psychoacoustic"], clips, parts, FAST, 0)


def test_shuffled_labels_leave_nothing_to_learn(data):
    features, clips = data
    trials = [t for t in experiments.plan_controls(range(5), FAST) if t.shuffled]
    predictions = experiments.run(trials, features, clips)
    pccs = [pearson(p["score"], p["predicted_score"]) for _, p in predictions.groupby("seed")]
    assert len(pccs) == 5 and abs(np.mean(pccs)) < 0.2
    assert abs((predictions["quality"] == predictions["predicted_quality"]).mean() - 1 / 3) < 0.1


def test_perfect_feature_is_found(data):
    features, clips = data
    trials = [t for t in experiments.plan_controls([0], FAST) if not t.shuffled]
    got = clip_metrics(experiments.run(trials, features, clips))
    assert got["pcc"] > 0.99 and got["monotone"] == 1


def test_what_helps_and_what_does_not(data):
    features, clips = data
    predictions = experiments.run(experiments.plan_inputs([0, 1], FAST), features, clips)
    srcc = {name: clip_metrics(part)["srcc"] for name, part in predictions.groupby("condition")}
    assert srcc["psychoacoustic"] > 0.9 > srcc["classic"] > srcc["embedding"]
    assert abs(srcc["embedding"]) < 0.3 and srcc[FUSED] > 0.8
    assert list(predictions.groupby(["condition", "seed"]).size().unique()) == [60]


def test_layers_are_told_apart(data):
    features, clips = data
    predictions = experiments.run(experiments.plan_layers([0], FAST, 3), features, clips)
    srcc = {name: clip_metrics(part)["srcc"] for name, part in predictions.groupby("condition")}
    assert srcc["layer 1"] > 0.6 > max(srcc["layer 0"], srcc["layer 2"])


def test_untrained_heads_are_missing_not_wrong(data):
    features, clips = data
    trials = experiments.plan_losses([0], FAST, (0.0, 0.5), inputs="psychoacoustic")
    predictions = experiments.run(trials, features, clips)
    got = {name: clip_metrics(part) for name, part in predictions.groupby("condition")}
    assert list(got) == ["score only", "λ = 0 (class only)", "λ = 0.5"]
    assert np.isnan(got["λ = 0 (class only)"]["srcc"]) and got["λ = 0 (class only)"]["accuracy"] > 0
    assert np.isnan(got["score only"]["accuracy"]) and got["score only"]["srcc"] > 0.8
    assert got["λ = 0.5"]["srcc"] > 0.8 and got["λ = 0.5"]["accuracy"] > 0.6


def test_kind_held_out_is_never_trained_on_and_tested_whole(data):
    _, clips = data
    parts = experiments.held_out_parts(clips, "kind", "reverb", 0.2, 0)
    assert ((clips["kind"] == "reverb") == (parts == "test")).all()
    assert (parts[parts != "test"] == "train").all()


def test_severity_held_out_is_never_trained_on_and_sources_stay_apart(data):
    _, clips = data
    parts = experiments.held_out_parts(clips, "severity", 2, 0.2, 3)
    assert set(clips["severity"][parts == "train"]) == {1, 3}
    assert set(clips["severity"][parts == "test"]) == {1, 2, 3}
    assert not set(clips["source"][parts == "train"]) & set(clips["source"][parts == "test"])
    assert ((parts == "test") == (grouped_split(clips, 0.2, 3) == "test")).all()


def test_held_out_when_sources_have_every_kind(data):
    _, clips = data
    every = pd.concat([clips.assign(kind=kind) for kind in KINDS], ignore_index=True)
    parts = experiments.held_out_parts(every, "kind", "clip", 0.2, 0)
    assert "clip" not in set(every["kind"][parts == "train"])
    assert not set(every["source"][parts == "train"]) & set(every["source"][parts == "test"])


def test_held_out_trials_are_judged_on_what_was_held_out(data):
    features, clips = data
    trials = experiments.plan_held_out([0], FAST, clips, "severity", "psychoacoustic")
    predictions = experiments.run(trials, features, clips)
    for severity, part in predictions.groupby("condition"):
        assert ((part["severity"] == int(severity)) == part["judged"]).all()
        assert part["judged"].sum() == 20
    kinds = experiments.plan_held_out([0], FAST, clips, "kind")
    assert [trial.condition for trial in kinds] == KINDS


def test_what_cannot_be_held_out_is_named(data):
    _, clips = data
    with pytest.raises(ValueError, match="no clip has kind 'mp3'"):
        experiments.held_out_parts(clips, "kind", "mp3", 0.2, 0)
    only = clips[clips["severity"] == 1]
    with pytest.raises(ValueError, match="without severity 1 no clip is left"):
        experiments.held_out_parts(only, "severity", 1, 0.2, 0)


def test_same_numbers_again_in_two_processes(data):
    features, clips = data
    trials = experiments.plan_inputs([0, 1], FAST, names=("psychoacoustic",))
    first = experiments.run(trials, features, clips)
    pd.testing.assert_frame_equal(first, experiments.run(trials, features, clips, jobs=2))


def test_seed_changes_split_and_initialisation(data):
    features, clips = data
    trials = experiments.plan_inputs([0, 1], FAST, names=("psychoacoustic",))
    first, second = (p for _, p in experiments.run(trials, features, clips).groupby("seed"))
    assert set(first["source"]) != set(second["source"])


def test_equal_trials_are_trained_once(data, monkeypatch):
    features, clips = data
    calls = []
    plain = experiments.train_and_predict

    def counted(*arguments):
        calls.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(experiments, "train_and_predict", counted)
    trials = [Trial(name, name, 0, "psychoacoustic", FAST) for name in ("one", "two")]
    predictions = experiments.run(trials, features, clips)
    one, two = (part for _, part in predictions.groupby("experiment"))
    assert len(calls) == 1
    np.testing.assert_array_equal(one["predicted_score"], two["predicted_score"])


@pytest.mark.parametrize("name", ["spectrum", "layer 3", "layer -1", "embedding + spectrum"])
def test_unknown_features_are_named(data, name):
    with pytest.raises(ValueError, match="at hand: classic, embedding, embedding_layers"):
        experiments.select_inputs(*data, name)


def test_inputs_are_fused_side_by_side(data):
    features, clips = data
    fused = experiments.select_inputs(features, clips, FUSED)
    assert fused.shape == (300, 24 + 19)
    np.testing.assert_array_equal(fused[:, 19:], features["embedding"])
    with pytest.raises(ValueError, match="'embedding' have 300 rows for 299 clips"):
        experiments.select_inputs(features, clips.iloc[1:], "embedding")
