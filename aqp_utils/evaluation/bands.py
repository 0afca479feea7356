"""What is left of a score inside the classes, and what the class alone would have scored.

Severities draw from ranges with gaps between them, so labels lie in bands, one per class. A
correlation over all clips is then mostly the distance between the bands; these functions look
inside.
"""

import numpy as np
import pandas as pd

from aqp_utils.core.scale import CLASSES, SCALE
from aqp_utils.evaluation.metrics import pearson, spearman


def within_classes(table):
    """Score metrics of the clips of each true class, beside the spread of their labels.

    Parameters
    ----------
    table : DataFrame
        Columns quality, score, predicted_score.

    Returns
    -------
    DataFrame, index the classes that occur, best first
        n, label_sd (what a constant guess at the band's mean would err by), rmse, pcc, srcc; the
        correlations are NaN where `metrics.pearson` is.
    """
    rows = {}
    for name in reversed(CLASSES):
        part = table[table["quality"] == name]
        if len(part):
            true, predicted = part["score"].to_numpy(), part["predicted_score"].to_numpy()
            rows[name] = {
                "n": len(part),
                "label_sd": true.std(),
                "rmse": np.sqrt(np.mean((predicted - true) ** 2)),
                "pcc": pearson(true, predicted),
                "srcc": spearman(true, predicted),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("class")


def class_mean_score(train, probabilities):
    """Score that the class alone gives: Σ p(class) · mean training score of the class.

    What a score head reaches beyond it is what it hears inside the bands.

    Parameters
    ----------
    train : DataFrame
        Training clips with quality and score.
    probabilities : ndarray, shape (n, 3)
        In the order of `CLASSES`; NaN gives NaN.

    Returns
    -------
    ndarray, shape (n,)
    """
    means = train.groupby("quality")["score"].mean().reindex(CLASSES)
    # A class without a training clip has no mean; its probability counts at the middle.
    return np.asarray(probabilities) @ means.fillna(np.mean(SCALE)).to_numpy()
