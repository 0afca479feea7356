"""How good predictions are: classes, scores, probabilities, order within a source.

Every function takes a table of predictions (columns quality, score, predicted_quality,
predicted_score, p_low, p_medium, p_high, kind, severity, source) or plain arrays. A metric that
the data do not define (the correlation of a constant, the precision of a class never predicted)
is NaN, never 0 and never a warning. Intervals are in `bootstrap`. The formulas themselves are in
`counted`, for one draw of clips or a thousand.
"""

import numpy as np
import pandas as pd

from aqp_utils.core.scale import CLASSES, class_indices
from aqp_utils.evaluation import counted
from aqp_utils.evaluation.counted import ratio

CLIP, CONDITION = "clip", "condition"  # level at which a metric is taken, named in every table


def pearson(true, predicted):
    """Pearson correlation (PCC, ITU-T P.1401 §7.5.3) of two arrays, shape (n,).

    NaN if there are fewer than two values, one is NaN, or either array is constant: a constant
    prediction says nothing about order, and 0 would claim that it had been tried.
    """
    return float(_of_sample(counted.pearson, true, predicted)[0])


def spearman(true, predicted):
    """Spearman rank correlation (SRCC), ties at their mean rank; NaN where `pearson` is."""
    return float(_of_sample(counted.spearman, true, predicted)[0])


def _of_sample(metric, true, predicted, *more):
    """A metric of `counted` where every clip counts once: its one draw is the sample itself."""
    true, predicted = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    return metric(np.ones((1, len(true))), true, predicted, *more)


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
    return _of_sample(counted.first_order_mapping, true, predicted)[0]


def rmse_mapped(true, predicted):
    """RMSE after first-order mapping, sqrt(Σ e² / (n − 2)) (ITU-T P.1401 §7.5.1, d = 2).

    NaN under three clips: the two degrees of freedom of the line leave nothing to measure.
    """
    return rmse_star(true, predicted, 0.0)


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
    over = np.maximum(0.0, error - np.asarray(ci95))
    return float(np.sqrt(np.sum(over**2) / (len(over) - 2))) if len(over) > 2 else np.nan


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
        (over n − 2), rmse_star; see `counted`. All NaN without clips, or if a prediction is NaN:
        none is left out silently.
    """
    found = _of_sample(counted.regression, true, predicted, ci95)
    return {name: float(values[0]) for name, values in found.items()}


def confusion(true, predicted):
    """Counts of true (rows) against predicted (columns) classes, as a DataFrame (3, 3)."""
    counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=int)
    np.add.at(counts, (class_indices(true), class_indices(predicted)), 1)
    return pd.DataFrame(
        counts, index=pd.Index(CLASSES, name="true"), columns=pd.Index(CLASSES, name="predicted")
    )


def per_class(true, predicted):
    """Precision, recall, F1 and support of each class.

    Returns
    -------
    DataFrame, index CLASSES
        precision is NaN for a class never predicted, recall for a class that does not occur;
        f1 = 2·TP / (2·TP + FP + FN) is then 0, and NaN only if neither happens.
    """
    counts = confusion(true, predicted).to_numpy()
    hits, actual, claimed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return pd.DataFrame(
        {
            "precision": ratio(hits, claimed),
            "recall": ratio(hits, actual),
            "f1": ratio(2 * hits, actual + claimed),
            "support": actual,
        },
        index=pd.Index(CLASSES, name="class"),
    )


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
    found = counted.classification(np.ones((1, len(true))), true, predicted)
    return {name: float(values[0]) for name, values in found.items()}


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
    return count, ratio(sums[0], count), ratio(sums[1], count)


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
    return ratio(total, count).reshape(shape)


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


def within_classes(table):
    """Score metrics of the clips of each true class, beside the spread of their labels.

    Severities draw from ranges with gaps between them, so labels lie in bands, one per class. A
    correlation over all clips is then mostly the distance between the bands; this looks inside.

    Parameters
    ----------
    table : DataFrame
        Columns quality, score, predicted_score.

    Returns
    -------
    DataFrame, index the classes that occur, best first
        n, label_sd (what a constant guess at the band's mean would err by), rmse, pcc, srcc; the
        correlations are NaN where `pearson` is.
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
