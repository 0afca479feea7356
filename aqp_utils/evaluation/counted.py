"""The metrics themselves, for many draws of clips at once: each clip counts so many times.

`counts`, shape (n_draws, n), says how often each of n clips is in each draw; every result has one
value per draw. The sample itself is the draw in which all counts are 1: `metrics` reads its numbers
off that one, `bootstrap` its intervals off a thousand. A metric that a draw does not define is NaN
there, never 0 and never a warning.
"""

import numpy as np
import pandas as pd

from aqp_utils.core.scale import CLASSES, class_indices

CLASS_METRICS = ("accuracy", "macro_f1", "ordinal_error", "off_by_two")
SCORE_METRICS = ("bias", "mae", "mse", "rmse", "pcc", "srcc", "rmse_mapped")


def mean(counts, values):
    """Mean of values, shape (n,) or (n_draws, n), in each draw; NaN in a draw without clips."""
    return ratio((counts * values).sum(axis=1), counts.sum(axis=1))


def ratio(part, whole):
    """part / whole, NaN where whole is not above 0."""
    whole = np.broadcast_to(whole, np.shape(part))
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def pearson(counts, x, y):
    """Pearson correlation of x and y, shape (n,) or (n_draws, n), in each draw.

    NaN where a draw holds fewer than two different values of either.
    """
    defined = _varies(counts, x) & _varies(counts, y)
    x, y = (value - mean(counts, value)[:, None] for value in (x, y))
    norm = np.sqrt((counts * x**2).sum(axis=1)) * np.sqrt((counts * y**2).sum(axis=1))
    correlation = np.clip(ratio((counts * (x * y)).sum(axis=1), norm), -1, 1)
    return np.where(defined, correlation, np.nan)


def inside_classes(counts, quality, true, predicted):
    """RMSE and PCC inside each true class, averaged over the classes: two of shape (n_draws,).

    Labels lie in bands, one per class; this is what is left without the distance between them. A
    class that a draw does not define is left out of that draw.
    """
    squared, correlation = [], []
    for name in pd.unique(quality):
        here = counts * (quality == name)
        squared.append(mean(here, (predicted - true) ** 2))
        correlation.append(pearson(here, true, predicted))
    return mean_of_defined(np.sqrt(squared)), mean_of_defined(np.array(correlation))


def mean_of_defined(values):
    """Mean over the first axis of what is not NaN; NaN where nothing is."""
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0))


def spearman(counts, x, y):
    """Pearson correlation of the ranks in each draw; NaN where `pearson` is."""
    return pearson(counts, mid_ranks(counts, x), mid_ranks(counts, y))


def mid_ranks(counts, values):
    """Rank of each value (n,) among those drawn, ties at their mean rank, shape (n_draws, n)."""
    if np.isnan(values).any():
        return np.full(counts.shape, np.nan)
    distinct, position = np.unique(values, return_inverse=True)
    order = np.argsort(position, kind="stable")
    first = np.searchsorted(position[order], np.arange(len(distinct)))
    tied = np.add.reduceat(counts[:, order], first, axis=1)
    return (np.cumsum(tied, axis=1) - tied / 2 + 0.5)[:, position]


def first_order_mapping(counts, true, predicted):
    """Predictions after the best straight line that does not fall, shape (n_draws, n)."""
    centred = predicted - mean(counts, predicted)[:, None]
    slope = ratio((counts * (centred * true)).sum(axis=1), (counts * centred**2).sum(axis=1))
    # What is left of a constant after subtracting its mean is rounding: it has no slope.
    slope = np.where(_varies(counts, predicted), np.fmax(0.0, slope), 0.0)
    return mean(counts, true)[:, None] + slope[:, None] * centred


def _varies(counts, values):
    drawn = counts > 0
    highest = np.where(drawn, values, -np.inf).max(axis=1, initial=-np.inf)
    return highest > np.where(drawn, values, np.inf).min(axis=1, initial=np.inf)


def classification(counts, true, predicted):
    """`CLASS_METRICS` of class names (n,): dict of ndarray (n_draws,).

    All NaN without clips, or if predicted classes are missing (None or NaN).
    """
    if len(true) == 0 or pd.isna(predicted).any():
        return {name: np.full(len(counts), np.nan) for name in CLASS_METRICS}
    true, predicted = class_indices(true), class_indices(predicted)
    distance = np.abs(true - predicted)
    is_true, is_predicted = (np.eye(len(CLASSES))[indices] for indices in (true, predicted))
    f1 = ratio(2 * (counts @ (is_true * is_predicted)), counts @ (is_true + is_predicted))
    return {
        "accuracy": mean(counts, distance == 0),
        "macro_f1": ratio(np.nansum(f1, axis=1), np.isfinite(f1).sum(axis=1)),
        "ordinal_error": mean(counts, distance),
        "off_by_two": mean(counts, distance == 2),
    }


def regression(counts, true, predicted, ci95=None):
    """`SCORE_METRICS` of scores (n,), and rmse_star with `ci95`: dict of ndarray (n_draws,).

    All NaN without clips, or if a prediction is NaN: none is left out silently.
    """
    true, predicted = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    if len(true) == 0 or np.isnan(predicted).any():
        names = SCORE_METRICS if ci95 is None else (*SCORE_METRICS, "rmse_star")
        return {name: np.full(len(counts), np.nan) for name in names}
    error = predicted - true
    mse = mean(counts, error**2)
    error_mapped = first_order_mapping(counts, true, predicted) - true
    metrics = {
        "bias": mean(counts, error),
        "mae": mean(counts, np.abs(error)),
        "mse": mse,
        "rmse": np.sqrt(mse),
        "pcc": pearson(counts, true, predicted),
        "srcc": spearman(counts, true, predicted),
        "rmse_mapped": rmse_mapped(counts, error_mapped),
    }
    if ci95 is not None:
        metrics["rmse_star"] = rmse_star(counts, error_mapped, ci95)
    return metrics


def rmse_mapped(counts, error):
    """sqrt(Σ e² / (n − 2)) of errors after first-order mapping (ITU-T P.1401 §7.5.1, d = 2).

    NaN under three clips: the two degrees of freedom of the line leave nothing to measure.
    """
    return np.sqrt(ratio((counts * error**2).sum(axis=1), counts.sum(axis=1) - 2))


def rmse_star(counts, error, ci95):
    """Epsilon-insensitive RMSE after first-order mapping (ITU-T P.1401 §7.7).

    An error counts only by what exceeds the uncertainty of the label, half the width of its 95 %
    interval: sqrt(Σ max(0, |e| − ci95)² / (n − 2)).
    """
    return rmse_mapped(counts, np.maximum(0.0, np.abs(error) - np.asarray(ci95)))


def of_predictions(table, counts):
    """`classification` and `regression` of a table of predictions, as one dict.

    Parameters
    ----------
    table : DataFrame, n rows
        Columns quality, predicted_quality, score, predicted_score.
    counts : ndarray, shape (n_draws, n)
    """
    return {
        **classification(counts, table["quality"], table["predicted_quality"]),
        **regression(counts, table["score"], table["predicted_score"]),
    }
