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
SMALLEST = 0.05  # reach of an interval to one side that a widening starts from
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
        what `model.json` holds under "conformal".

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


def widening(true, predicted, quantiles):
    """How many times wider intervals are on clips unlike the others, to hold as often there.

    Parameters
    ----------
    true, predicted : array_like, shape (n,)
        Of held-out clips that are unlike training.
    quantiles : dict
        From `residual_quantiles`, of all held-out clips.

    Returns
    -------
    float
        1 or more; 1 if there are too few such clips to say.
    """
    errors = np.asarray(true, dtype=float) - np.asarray(predicted, dtype=float)
    if len(errors) < FEWEST_CLIPS:
        return 1.0
    low, high = (
        np.interp(predicted, quantiles["score"], quantiles[end]) for end in ("low", "high")
    )
    reach = np.where(errors < 0, np.maximum(-low, SMALLEST), np.maximum(high, SMALLEST))
    needed = np.sort(np.abs(errors) / reach)
    rank = int(np.ceil(quantiles["level"] * (len(needed) + 1))) - 1
    return float(max(1.0, needed[min(rank, len(needed) - 1)]))


def interval(quantiles, score, unlike=False):
    """Interval of one predicted score.

    Parameters
    ----------
    quantiles : dict
        From `residual_quantiles`; its entry unlike, where there is one, is from `widening`.
    score : float
        Predicted score.
    unlike : bool
        Whether the clip is unlike the training clips.

    Returns
    -------
    tuple of float
        Low and high end on the scale; the score lies between them.
    """
    low, high = (np.interp(score, quantiles["score"], quantiles[end]) for end in ("low", "high"))
    factor = quantiles.get("unlike", 1.0) if unlike else 1.0
    ends = score + factor * min(0.0, low), score + factor * max(0.0, high)
    return tuple(float(end) for end in np.clip(ends, *SCALE))


def _outer(errors, tail):
    """Lower quantile of sorted `errors` with the finite-sample correction of split conformal."""
    return errors[max(0, int(np.floor(tail * (len(errors) + 1))) - 1)]
