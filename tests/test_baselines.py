"""Floors sit where arithmetic puts them, and the oracle above them."""

import numpy as np
import pandas as pd
import pytest

from aqp_utils.core.scale import CLASSES
from aqp_utils.data.split import grouped_split
from aqp_utils.evaluation.baselines import (
    BASELINES,
    Boosting,
    Constant,
    Oracle,
    Ridge,
    answers,
    class_mean_score,
)
from aqp_utils.evaluation.metrics import clip_metrics
from aqp_utils.model.prediction import prediction_table

KINDS = ["noise", "clip", "lowpass", "reverb", "compression"]


@pytest.fixture(scope="module")
def study():
    """Balanced clips; six features of which two carry kind-dependent scores."""
    rng = np.random.default_rng(0)
    clips = pd.DataFrame(
        [
            {"clip": f"{source}_{severity}", "source": source, "severity": severity}
            for source in range(50)
            for severity in (1, 2, 3)
        ]
    )
    clips["kind"] = np.array(KINDS)[clips["source"] % 5]
    clips["quality"] = clips["severity"].map({1: "high", 2: "medium", 3: "low"})
    clips["score"] = 4.6 - clips["severity"] + rng.uniform(-0.3, 0.3, len(clips))
    features = rng.normal(size=(len(clips), 6))
    features[:, 0] = 100 * clips["score"] + rng.normal(0, 30, len(clips))
    features[:, 1] = clips["source"] % 5
    return features, clips, grouped_split(clips, 0.2, 0) == "train"


def evaluated(baseline, study):
    features, clips, train = study
    baseline.fit(features[train], clips[train])
    prediction = baseline.predict(features[~train], clips[~train])
    return prediction, prediction_table(clips[~train], prediction)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_gives_the_prediction_of_the_network(name, study):
    prediction, table = evaluated(BASELINES[name](), study)
    assert prediction.probabilities.shape == (30, 3)
    assert len(prediction.quality) == 30 and set(prediction.quality) <= set(CLASSES)
    assert prediction.score.shape == (30,)
    assert prediction.score.min() >= 1.0 and prediction.score.max() <= 4.5
    np.testing.assert_allclose(table["error"], prediction.score - table["score"])


def test_constant_is_the_training_mean(study):
    _, clips, train = study
    prediction, table = evaluated(Constant(), study)
    assert (prediction.score == clips["score"][train].mean()).all()
    got = clip_metrics(table)
    assert got["accuracy"] == pytest.approx(1 / 3) and np.isnan(got["pcc"])
    np.testing.assert_allclose(prediction.probabilities, 1 / 3)


def test_learners_beat_the_constant(study):
    floor = clip_metrics(evaluated(Constant(), study)[1])
    for baseline in (Ridge(), Boosting()):
        got = clip_metrics(evaluated(baseline, study)[1])
        assert got["rmse"] < floor["rmse"] / 2
        assert got["accuracy"] > 0.6 and got["pcc"] > 0.8


def test_ridge_has_no_probabilities(study):
    prediction, table = evaluated(Ridge(), study)
    assert np.isnan(prediction.probabilities).all()
    assert np.isnan(clip_metrics(table)["ece"])


def test_oracle_knows_the_class_and_the_mean_of_the_cell(study):
    _, clips, train = study
    _, table = evaluated(Oracle(), study)
    assert clip_metrics(table)["accuracy"] == 1
    means = clips[train].groupby(["kind", "severity"])["score"].mean()
    row = table.iloc[0]
    assert row["predicted_score"] == pytest.approx(means[row["kind"], row["severity"]])


def test_oracle_names_what_it_never_saw(study):
    features, clips, _ = study
    seen = clips["kind"] != "reverb"
    oracle = Oracle().fit(features[seen], clips[seen])
    with pytest.raises(ValueError, match="no training clip of reverb severity 1"):
        oracle.predict(features[~seen], clips[~seen])


def test_boosting_with_a_class_missing_in_training(study):
    features, clips, _ = study
    seen = clips["severity"] != 2
    prediction = Boosting().fit(features[seen], clips[seen]).predict(features, clips)
    assert (prediction.probabilities[:, CLASSES.index("medium")] == 0).all()
    np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1)


def test_the_class_alone_scores_the_mean_of_its_class():
    train = pd.DataFrame({"quality": ["low", "low", "medium", "high"], "score": [1, 2, 2.5, 4]})
    certain = class_mean_score(train, np.eye(3))
    np.testing.assert_allclose(certain, [1.5, 2.5, 4.0])
    np.testing.assert_allclose(class_mean_score(train, [[0.5, 0.5, 0]]), [2.0])


def test_every_baseline_answers_and_what_listens_answers_twice(study):
    features, clips, is_train = study
    clips = clips.assign(part=np.where(is_train, "train", "test"))
    found = answers(features[:, :2], features, clips)
    assert list(found) == [
        "mean score, majority class",
        *("ridge (19)", "ridge (all inputs)"),
        *("gradient boosting (19)", "gradient boosting (all inputs)"),
        "oracle (kind and severity)",
    ]
    for name, table in found.items():
        assert (table["part"] == "test").all() and len(table) == (~is_train).sum(), name
        assert table["predicted_score"].between(1.0, 4.5).all(), name
    ridge = Ridge().fit(features[is_train], clips[is_train])
    same = ridge.predict(features[~is_train], clips[~is_train])
    np.testing.assert_array_equal(found["ridge (all inputs)"]["predicted_score"], same.score)
