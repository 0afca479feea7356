"""What a predictor says about clips, the same for the network, the baselines and the oracle."""

from typing import NamedTuple

import numpy as np

from aqp_utils.core.scale import CLASSES, SCALE


class Prediction(NamedTuple):
    """What any predictor here, network or baseline, says about n clips.

    Attributes
    ----------
    probabilities : ndarray, shape (n, 3)
        Of the classes in the order of `CLASSES`; NaN where the predictor has none.
    quality : list of str, length n
        Predicted class.
    score : ndarray, shape (n,)
        Predicted score in [1.0, 4.5].
    """

    probabilities: np.ndarray
    quality: list
    score: np.ndarray


def from_probabilities(probabilities, score):
    """The most probable class of each clip, and scores clipped to the scale.

    Parameters
    ----------
    probabilities : ndarray, shape (n, 3)
    score : ndarray, shape (n,)

    Returns
    -------
    Prediction
    """
    quality = [CLASSES[index] for index in probabilities.argmax(axis=1)]
    return Prediction(probabilities, quality, np.clip(score, *SCALE))


def from_logits(logits, score):
    """What the network's two heads say, in double precision.

    Parameters
    ----------
    logits : Tensor, shape (n, 3)
        Without gradient, on any device.
    score : Tensor, shape (n,)

    Returns
    -------
    Prediction
    """
    probabilities = logits.cpu().double().softmax(1).numpy()
    return from_probabilities(probabilities, score.cpu().double().numpy())


def prediction_table(clips, prediction):
    """Put predictions beside what is known of the clips.

    Parameters
    ----------
    clips : DataFrame, n rows
        At least the column `score`; all columns are kept.
    prediction : Prediction

    Returns
    -------
    DataFrame
        `clips` with p_low, p_medium, p_high, predicted_quality, predicted_score and error
        (predicted minus true score).
    """
    table = clips.copy()
    for column, name in enumerate(CLASSES):
        table[f"p_{name}"] = prediction.probabilities[:, column]
    table["predicted_quality"] = list(prediction.quality)
    table["predicted_score"] = prediction.score
    table["error"] = prediction.score - clips["score"].to_numpy()
    return table
