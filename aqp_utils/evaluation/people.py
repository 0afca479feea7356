"""Tables of families and conditions of damage, worst first, with intervals over people.

Clips of one person are alike: their voice, room and device are. So whole people are drawn in the
bootstrap, and an interval says what other people would give, not other clips of the same.
"""

import numpy as np
import pandas as pd

from aqp_utils.evaluation import counted
from aqp_utils.evaluation.bootstrap import interval_or_value
from aqp_utils.evaluation.metrics import pearson, spearman
from aqp_utils.evaluation.summary import plain

SCORE, PREDICTED = "score", "predicted_score"
FEWEST = 10  # clips of a group whose correlation is stated
METRICS = ("srcc", "pcc", "rmse", "bias", "coverage")


def agreement_of(table, counts):
    """Agreement of predictions with labels at clip level, in each draw of a bootstrap.

    Parameters
    ----------
    table : DataFrame
        Columns score, predicted_score, score_low and score_high.
    counts : ndarray, shape (n_draws, len(table))
        How often each clip is in each draw; a row of ones is the table itself.

    Returns
    -------
    dict of ndarray, shape (n_draws,)
        `METRICS`: correlations (NaN in a table of under ten clips or where nothing varies), root
        mean square error, bias (predicted minus label) and the share of labels within their
        intervals.
    """
    true, predicted = table[SCORE].to_numpy(float), table[PREDICTED].to_numpy(float)
    found = counted.regression(counts, true, predicted)
    if len(table) < FEWEST:
        found |= dict.fromkeys(("srcc", "pcc"), np.full(len(counts), np.nan))
    within = (table["score_low"] <= true + 1e-6) & (true - 1e-6 <= table["score_high"])
    found["coverage"] = counted.mean(counts, within.to_numpy(float))
    return {name: found[name] for name in METRICS}


def with_people(table, n_draws, rng):
    """`agreement_of` a table, each metric as {"value", "low", "high"}: 95 % over people."""
    rows = interval_or_value(agreement_of, table, "person", n_draws, rng)
    return {
        name: {"value": plain(row.estimate), "low": plain(row.low), "high": plain(row.high)}
        for name, row in rows.iterrows()
    }


def groups_of(table, column, n_draws, rng):
    """One row per group of `column`, the largest bias first.

    Returns
    -------
    DataFrame
        The group, clips, people, label and predicted (means), then value, low and high of each
        metric, as bias, bias_low, bias_high …
    """
    rows = []
    for name, part in table.groupby(column):
        row = {column: name, "clips": len(part), "people": part["person"].nunique()}
        row |= {"label": part[SCORE].mean(), "predicted": part[PREDICTED].mean()}
        for metric, found in with_people(part, n_draws, rng).items():
            row |= {metric: found["value"]}
            row |= {f"{metric}_{end}": found[end] for end in ("low", "high")}
        rows.append(row)
    found = pd.DataFrame(rows)
    numbers = found.columns.drop([column, "clips", "people"])
    found[numbers] = found[numbers].astype(float)  # None becomes NaN
    order = found["bias"].abs().sort_values(ascending=False).index
    return found.loc[order].reset_index(drop=True)


def condition_level(table):
    """SRCC and PCC of the mean score with the mean label of each condition, and how many."""
    means = table.groupby("condition")[[SCORE, PREDICTED]].mean()
    return {
        "srcc": spearman(means[SCORE], means[PREDICTED]),
        "pcc": pearson(means[SCORE], means[PREDICTED]),
        "conditions": len(means),
    }
