"""How far a predicted score may be off: quantiles of the errors on clips the model never saw.

Split conformal prediction by predicted score (Lei, G'Sell, Rinaldo, Tibshirani, Wasserman,
Distribution-free predictive inference for regression, JASA 113, 2018; bins of the prediction are
Mondrian categories, Vovk, Gammerman, Shafer, Algorithmic learning in a random world, 2005). The
promise holds for clips like the held-out ones; on recordings unlike them errors can be larger.
"""

import numpy as np

from aqp_utils.core.scale import SCALE

LEVEL = 0.9  # coverage of the interval
FEWEST_CLIPS = 20  # held-out clips that a 90 % interval takes
BIN_SIZE = 60  # held-out clips per bin at least


def residual_quantiles(true, predicted, level=LEVEL, bin_size=BIN_SIZE):
    """Quantiles of the error, true minus predicted, in bins of equal count of the prediction.

    Parameters
    ----------
    true, predicted : array_like, shape (n,)
        Of clips that were used neither to train nor to choose the model.
    level : float
        Coverage, 0 to 1.
    bin_size : int
        Fewest clips in a bin; with fewer than two bins' worth of clips there is one bin.

    Returns
    -------
    dict
        level, n, score (mean prediction of each bin), low and high (quantiles of the error there):
        what `model.json` holds under "calibration".

    Raises
    ------
    ValueError
        If there are too few clips for the level.
    """
    true, predicted = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    tail = round((1 - level) / 2, 9)
    if len(true) != len(predicted) or len(true) * tail < 1:
        raise ValueError(
            f"a {level:.0%} interval takes at least {int(np.ceil(1 / tail))} held-out clips with "
            f"true and predicted score; here are {len(true)} and {len(predicted)}."
        )
    order = np.argsort(predicted, kind="stable")
    bins = np.array_split(order, max(1, len(order) // bin_size))
    errors = [np.sort(true[rows] - predicted[rows]) for rows in bins]
    return {
        "level": level,
        "n": len(true),
        "score": [float(predicted[rows].mean()) for rows in bins],
        "low": [float(_outer(error, tail)) for error in errors],
        "high": [float(-_outer(-error[::-1], tail)) for error in errors],
    }


def interval(calibration, score):
    """Interval of one predicted score.

    Parameters
    ----------
    calibration : dict
        From `residual_quantiles`.
    score : float
        Predicted score.

    Returns
    -------
    tuple of float
        Low and high end on the scale; the score lies between them.
    """
    low, high = (
        np.interp(score, calibration["score"], calibration[end]) for end in ("low", "high")
    )
    ends = score + min(0.0, low), score + max(0.0, high)
    return tuple(float(end) for end in np.clip(ends, *SCALE))


def _outer(errors, tail):
    """Lower quantile of sorted `errors` with the finite-sample correction of split conformal."""
    return errors[max(0, int(np.floor(tail * (len(errors) + 1))) - 1)]
