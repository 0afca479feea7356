"""Make a study at the preset smoke and the golden scores, and write their numbers into a file.

A program of its own, so that it can be started with another Python or environment.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from remade import (
    clips_again,
    inputs_again,
    metrics_again,
    model_again,
    numbers,
    parameters_of_preset,
)

from aqp_utils.model import prediction_table
from aqp_utils.predict.predictor import Predictor
from aqp_utils.training.field.golden import golden_scores


def main(target):
    """Write features, embeddings, predicted scores, metrics and golden scores to `target`."""
    p = parameters_of_preset("smoke")
    with tempfile.TemporaryDirectory() as folder:
        clips = clips_again(p, Path(folder))
        features, inputs = inputs_again(p, Path(folder), clips)
    answers = prediction_table(clips, model_again(p, clips, inputs).predict(inputs))
    np.savez(
        target,
        features=features,
        embeddings=inputs[:, features.shape[1] :],
        predicted_scores=answers["predicted_score"],
        metrics=list(numbers(metrics_again(p, answers, features, inputs)).values()),
        golden_scores=list(golden_scores(Predictor.load(device="cpu")).values()),
    )


if __name__ == "__main__":
    main(sys.argv[1])
