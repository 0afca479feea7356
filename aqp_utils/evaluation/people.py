"""Tables of families and conditions of damage, worst first, with intervals over people.

Clips of one person are alike: their voice, room and device are. So whole people are drawn in the
bootstrap, and an interval says what other people would give, not other clips of the same.
"""

import numpy as np
import pandas as pd

from aqp_utils.evaluation.bootstrap import bootstrap_interval
from aqp_utils.evaluation.metrics import pearson, spearman

SCORE, PREDICTED = "score", "predicted_score"
FEWEST = 10  # clips of a group whose correlation is stated
METRICS = ("srcc", "pcc", "rmse", "bias", "coverage")


def agreement_of(table):
    """Agreement of predictions with labels at clip level.

    Parameters
    ----------
    table : DataFrame
        Columns score, predicted_score, score_low and score_high.

    Returns
    -------
    dict
        `METRICS`: correlations (NaN under ten clips or where nothing varies), root mean square
        error, bias (predicted minus label) and the share of labels within their intervals.
    """
    true, predicted = table[SCORE].to_numpy(float), table[PREDICTED].to_numpy(float)
    enough = len(table) >= FEWEST and np.ptp(true) > 0 and np.ptp(predicted) > 0
    within = (table["score_low"] <= true + 1e-6) & (true - 1e-6 <= table["score_high"])
    return {
        "srcc": spearman(true, predicted) if enough else np.nan,
        "pcc": pearson(true, predicted) if enough else np.nan,
        "rmse": float(np.sqrt(np.mean((predicted - true) ** 2))),
        "bias": float(np.mean(predicted - true)),
        "coverage": float(within.mean()),
    }


def with_people(table, n_draws, rng):
    """`agreement_of` a table, each metric as {"value", "low", "high"}: 95 % over people."""
    if table["person"].nunique() < 2:
        return {
            name: {"value": value, "low": None, "high": None}
            for name, value in agreement_of(table).items()
        }
    rows = bootstrap_interval(agreement_of, table, "person", n_draws, rng)
    return {
        name: {"value": row.estimate, "low": row.low, "high": row.high}
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
