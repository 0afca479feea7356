"""The metrics agree with torchmetrics on random predictions."""

import numpy as np
import pytest
import torch
from torchmetrics import functional as reference

from aqp_utils.core.scale import CLASSES
from aqp_utils.evaluation import metrics


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    true = rng.uniform(1, 4.5, 200)
    return true, np.clip(true + rng.normal(0, 0.5, 200), 1, 4.5)


@pytest.fixture(scope="module")
def classes():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([1, 1, 1], 300)
    return rng.integers(0, 3, 300), probabilities


def test_score_metrics(scores):
    true, predicted = map(torch.tensor, scores)
    ours = metrics.regression_metrics(*scores)
    assert ours["mae"] == pytest.approx(reference.mean_absolute_error(predicted, true).item())
    assert ours["mse"] == pytest.approx(reference.mean_squared_error(predicted, true).item())
    assert ours["pcc"] == pytest.approx(reference.pearson_corrcoef(predicted, true).item())
    assert ours["srcc"] == pytest.approx(
        reference.spearman_corrcoef(predicted, true).item(), abs=1e-6
    )


def test_class_metrics(classes):
    true, probabilities = classes
    guess = probabilities.argmax(axis=1)
    ours = metrics.classification_metrics(np.array(CLASSES)[true], np.array(CLASSES)[guess])
    answer = torch.tensor(guess), torch.tensor(true)
    accuracy = reference.classification.multiclass_accuracy(*answer, 3, average="micro")
    f1 = reference.classification.multiclass_f1_score(*answer, 3, average="macro")
    assert ours["accuracy"] == pytest.approx(accuracy.item())
    assert ours["macro_f1"] == pytest.approx(f1.item())


def test_calibration_error(classes):
    true, probabilities = classes
    ours = metrics.expected_calibration_error(np.array(CLASSES)[true], probabilities, n_bins=10)
    theirs = reference.classification.multiclass_calibration_error(
        torch.tensor(probabilities), torch.tensor(true), 3, n_bins=10, norm="l1"
    )
    assert ours == pytest.approx(theirs.item(), abs=1e-5)
