"""How good predictions are: classes, scores, probabilities, order within a source.

Every function takes a table of predictions (columns quality, score, predicted_quality,
predicted_score, p_low, p_medium, p_high, kind, severity, source) or plain arrays. A metric that
the data do not define (the correlation of a constant, the precision of a class never predicted)
is NaN, never 0 and never a warning. Intervals are in `intervals`.
"""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from aqp_utils.core.scale import CLASSES, class_indices

CLIP, CONDITION = "clip", "condition"  # level at which a metric is taken, named in every table


def pearson(true, predicted):
    """Pearson correlation (PCC, ITU-T P.1401 §7.5.3) of two arrays, shape (n,).

    NaN if there are fewer than two values, one is NaN, or either array is constant: a constant
    prediction says nothing about order, and 0 would claim that it had been tried.
    """
    true, predicted = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    if len(true) < 2 or not (np.ptp(true) > 0 and np.ptp(predicted) > 0):
        return np.nan
    true, predicted = true - true.mean(), predicted - predicted.mean()
    norm = np.sqrt(np.sum(true**2)) * np.sqrt(np.sum(predicted**2))
    return float(np.clip(np.sum(true * predicted) / norm, -1, 1)) if norm > 0 else np.nan


def spearman(true, predicted):
    """Spearman rank correlation (SRCC), ties at their mean rank; NaN where `pearson` is."""
    return pearson(rankdata(true), rankdata(predicted))


def first_order_mapping(true, predicted):
    """Map predictions to the labels by the best straight line that does not fall (ITU-T P.1401).

    Removes offset and gain, which say little about a predictor. The slope is kept at 0 or more:
    a predictor that ranks backwards must not be mended by the mapping.

    Parameters
    ----------
    true, predicted : array_like, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    true, predicted = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    centred = predicted - predicted.mean()
    power = np.sum(centred**2)
    slope = max(0.0, np.sum(centred * true) / power) if power > 0 else 0.0
    return true.mean() + slope * centred


def rmse_mapped(true, predicted):
    """RMSE after first-order mapping, sqrt(Σ e² / (n − 2)) (ITU-T P.1401 §7.5.1, d = 2).

    NaN under three clips: the two degrees of freedom of the line leave nothing to measure.
    """
    return _rms_with_freedom(first_order_mapping(true, predicted) - true)


def rmse_star(true, predicted, ci95):
    """Epsilon-insensitive RMSE after first-order mapping (ITU-T P.1401 §7.7).

    An error counts only by what exceeds the uncertainty of the label:
    sqrt(Σ max(0, |e| − ci95)² / (n − 2)).

    Parameters
    ----------
    true, predicted : array_like, shape (n,)
    ci95 : array_like, shape (n,) or scalar
        Half width of the 95 % confidence interval of each label.
    """
    error = np.abs(first_order_mapping(true, predicted) - true)
    return _rms_with_freedom(np.maximum(0.0, error - np.asarray(ci95)))


def _rms_with_freedom(error, freedom=2):
    if len(error) <= freedom:
        return np.nan
    return float(np.sqrt(np.sum(np.square(error)) / (len(error) - freedom)))


def regression_metrics(true, predicted, ci95=None):
    """Errors and correlations of a score.

    Parameters
    ----------
    true, predicted : array_like, shape (n,)
    ci95 : array_like, optional
        Half width of the labels' 95 % interval; adds rmse_star.

    Returns
    -------
    dict of float
        bias (mean of predicted minus true), mae, mse, rmse (over n), pcc, srcc, rmse_mapped
        (over n − 2). All NaN without clips, or if a prediction is NaN: none is left out silently.
    """
    true, predicted = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    if len(true) == 0 or np.isnan(predicted).any():
        names = ("bias", "mae", "mse", "rmse", "pcc", "srcc", "rmse_mapped")
        return dict.fromkeys(names if ci95 is None else (*names, "rmse_star"), np.nan)
    error = predicted - true
    mse = float(np.mean(error**2))
    metrics = {
        "bias": float(np.mean(error)),
        "mae": float(np.mean(np.abs(error))),
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "pcc": pearson(true, predicted),
        "srcc": spearman(true, predicted),
        "rmse_mapped": rmse_mapped(true, predicted),
    }
    if ci95 is not None:
        metrics["rmse_star"] = rmse_star(true, predicted, ci95)
    return metrics


def confusion(true, predicted):
    """Counts of true (rows) against predicted (columns) classes, as a DataFrame (3, 3)."""
    return pd.DataFrame(
        _confusion(class_indices(true), class_indices(predicted)),
        index=pd.Index(CLASSES, name="true"),
        columns=pd.Index(CLASSES, name="predicted"),
    )


def _confusion(true, predicted):
    n_classes = len(CLASSES)
    counts = np.bincount(true * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


def per_class(true, predicted):
    """Precision, recall, F1 and support of each class.

    Returns
    -------
    DataFrame, index CLASSES
        precision is NaN for a class never predicted, recall for a class that does not occur;
        f1 = 2·TP / (2·TP + FP + FN) is then 0, and NaN only if neither happens.
    """
    counts = _confusion(class_indices(true), class_indices(predicted))
    hits, actual, claimed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return pd.DataFrame(
        {
            "precision": _ratio(hits, claimed),
            "recall": _ratio(hits, actual),
            "f1": _ratio(2 * hits, actual + claimed),
            "support": actual,
        },
        index=pd.Index(CLASSES, name="class"),
    )


def _ratio(part, whole):
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def classification_metrics(true, predicted):
    """Accuracy, macro-F1 and how far off the misses are.

    Parameters
    ----------
    true, predicted : array_like of str, shape (n,)
        Class names.

    Returns
    -------
    dict of float
        accuracy; macro_f1 (mean over the classes that occur or are predicted); ordinal_error
        (mean distance in classes); off_by_two (share of low taken for high or the reverse). All
        NaN without clips, or if predicted classes are missing (None or NaN).
    """
    if len(true) == 0 or pd.isna(predicted).any():
        return dict.fromkeys(("accuracy", "macro_f1", "ordinal_error", "off_by_two"), np.nan)
    true, predicted = class_indices(true), class_indices(predicted)
    distance = np.abs(true - predicted)
    counts = _confusion(true, predicted)
    f1 = _ratio(2 * np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1))
    return {
        "accuracy": float(np.mean(distance == 0)),
        "macro_f1": float(np.nanmean(f1)),
        "ordinal_error": float(np.mean(distance)),
        "off_by_two": float(np.mean(distance == 2)),
    }


def reliability(true, probabilities, n_bins=10):
    """Confidence of the predicted class against how often it is right, in equal-width bins.

    Parameters
    ----------
    true : array_like of str, shape (n,)
    probabilities : array_like, shape (n, 3)
    n_bins : int

    Returns
    -------
    DataFrame, one row per bin
        low, high (edges; the low one excluded), n, confidence (mean), accuracy; the last two
        are NaN in empty bins.

    Notes
    -----
    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017, §2.
    """
    count, confidence, accuracy = _reliability(class_indices(true), probabilities, n_bins)
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "n": count,
            "confidence": confidence,
            "accuracy": accuracy,
        }
    )


def _reliability(true, probabilities, n_bins):
    probabilities = np.asarray(probabilities, dtype=float)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    position = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, n_bins - 1)
    count = np.bincount(position, minlength=n_bins)
    sums = [np.bincount(position, values, n_bins) for values in (confidence, right)]
    return count, _ratio(sums[0], count), _ratio(sums[1], count)


def expected_calibration_error(true, probabilities, n_bins=10):
    """Mean gap between confidence and accuracy over the bins of `reliability` (ECE).

    NaN if a probability is: a predictor without probabilities cannot be calibrated.
    """
    if len(true) == 0 or not np.isfinite(probabilities).all():
        return np.nan
    count, confidence, accuracy = _reliability(class_indices(true), probabilities, n_bins)
    return float(np.nansum(count * np.abs(confidence - accuracy)) / count.sum())


def monotonicity(table):
    """How many sources are ranked as they were damaged: a higher severity, a lower score.

    Parameters
    ----------
    table : DataFrame
        Columns source, kind, severity, predicted_score. Sources seen at a single severity of a
        kind are left out, as they have no order.

    Returns
    -------
    dict
        monotone (share of sources whose severities are all in order; ties are not), monotone_pairs
        (share of pairs of severities in order), monotone_n (sources counted). NaN with none.
    """
    scores = _by_severity(table)
    scores = scores[np.sum(~np.isnan(scores), axis=1) >= 2]
    if len(scores) == 0:
        return {"monotone": np.nan, "monotone_pairs": np.nan, "monotone_n": 0}
    first, second = np.triu_indices(scores.shape[1], k=1)
    drops = scores[:, first] - scores[:, second]
    known = ~np.isnan(drops)
    return {
        "monotone": float(np.mean(np.all((drops > 0) | ~known, axis=1))),
        "monotone_pairs": float(np.mean(drops[known] > 0)),
        "monotone_n": len(scores),
    }


def _by_severity(table):
    """Mean predicted score of each (source, kind), one column per severity, NaN where unseen."""
    source, kind, severity = (
        np.unique(table[column].to_numpy(), return_inverse=True)[1]
        for column in ("source", "kind", "severity")
    )
    _, row = np.unique(source * (kind.max(initial=0) + 1) + kind, return_inverse=True)
    shape = (row.max(initial=-1) + 1, severity.max(initial=-1) + 1)
    cell = row * shape[1] + severity
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    total = np.bincount(cell, table["predicted_score"].to_numpy(dtype=float), len(count))
    return _ratio(total, count).reshape(shape)


def clip_metrics(table):
    """All metrics of a table of predictions at clip level, as one flat dict."""
    probabilities = table[[f"p_{name}" for name in CLASSES]].to_numpy(dtype=float)
    quality = table["quality"].to_numpy()
    return {
        "n": len(table),
        **classification_metrics(quality, table["predicted_quality"].to_numpy()),
        **regression_metrics(table["score"], table["predicted_score"]),
        "ece": expected_calibration_error(quality, probabilities),
        **monotonicity(table),
    }


def condition_metrics(table, by=("kind", "severity")):
    """Score metrics after averaging true and predicted scores over each condition.

    Parameters
    ----------
    table : DataFrame
        Columns score, predicted_score and those of `by`.
    by : sequence of str
        Columns that make up a condition.

    Returns
    -------
    dict of float
        As `regression_metrics`, with n the number of conditions. Averaging removes the scatter of
        single clips, so these are higher than at clip level and not comparable with them.
    """
    means = table.groupby(list(by), observed=True)[["score", "predicted_score"]].mean()
    return {"n": len(means), **regression_metrics(means["score"], means["predicted_score"])}


def report(table, by="kind"):
    """Metrics overall and per group at clip level, and overall at condition level.

    Parameters
    ----------
    table : DataFrame
        Predictions.
    by : str
        Column whose values are the groups.

    Returns
    -------
    DataFrame
        Columns level ("clip" or "condition"), group ("all" or a value of `by`), n, metrics.
    """
    rows = [{"level": CLIP, "group": "all", **clip_metrics(table)}]
    for group, part in table.groupby(by, observed=True, sort=False):
        rows.append({"level": CLIP, "group": group, **clip_metrics(part)})
    rows.append({"level": CONDITION, "group": "all", **condition_metrics(table)})
    return pd.DataFrame(rows)
