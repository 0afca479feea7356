"""Tables of a set of experiments: per seed, over seeds, and differences to a reference.

All take the predictions of `experiments.run`, at clip level. The spread over seeds (sd) says what
another split and initialisation would change; the intervals draw sources again and say what another
choice of test sources would change, the trained networks being what they are. The intervals are not
corrected for the number of comparisons: of many, one in twenty looks clear by luck.
"""

import numpy as np
import pandas as pd

from aqp_utils.core.scale import CLASSES
from aqp_utils.evaluation import counted
from aqp_utils.evaluation.baselines import class_mean_score
from aqp_utils.evaluation.bootstrap import (
    bootstrap_interval,
    interval_or_value,
    paired_difference,
)
from aqp_utils.evaluation.metrics import clip_metrics, monotonicity
from aqp_utils.evaluation.summary import plain

TRIAL = ["experiment", "condition"]
METRICS = ("accuracy", "macro_f1", "off_by_two", "bias", "mae", "rmse", "pcc", "srcc")


def per_seed(predictions):
    """All metrics of every condition and seed.

    Returns
    -------
    DataFrame
        One row per experiment, condition and seed, with the columns of `clip_metrics`. Held-out
        trials are judged on the held-out clips; monotonicity also takes their siblings.
    """
    rows = []
    for (experiment, condition, seed), part in predictions.groupby([*TRIAL, "seed"], sort=False):
        rows.append(
            {"experiment": experiment, "condition": condition, "seed": seed}
            | clip_metrics(part[part["judged"]])
            | monotonicity(part)
        )
    return pd.DataFrame(rows)


def summary(predictions, n, rng):
    """Every condition over its seeds.

    Parameters
    ----------
    predictions : DataFrame
    n : int
        Bootstrap draws of sources.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        One row per experiment, condition and metric: mean and sd over seeds (NaN for one seed),
        low and high (95 % interval of the mean; NaN if all clips are of one source), n_seeds,
        n_clips (of all seeds).
    """
    judged = predictions[predictions["judged"]]
    spread = per_seed(predictions).groupby(TRIAL)[list(METRICS)].std()
    tables = []
    for trial, part in judged.groupby(TRIAL, sort=False):
        table = interval_or_value(mean_over_seeds, part, "source", n, rng)
        table = table.rename(columns={"estimate": "mean"})
        table.insert(1, "sd", spread.loc[trial].reindex(table.index))
        tables.append(_labelled(table, trial, part))
    return pd.concat(tables, ignore_index=True)


def as_rows(table, experiment, estimate="mean"):
    """One experiment of a `summary` (or of `differences`) as `plots.intervals` takes it.

    Returns
    -------
    dict
        condition -> {metric -> {"value", "low", "high"}}; None where a number is undefined.
    """
    rows = {}
    for row in table[table["experiment"] == experiment].to_dict("records"):
        ends = {"value": row[estimate], "low": row["low"], "high": row["high"]}
        entry = {name: None if pd.isna(number) else float(number) for name, number in ends.items()}
        rows.setdefault(row["condition"], {})[row["metric"]] = entry
    return rows


def differences(predictions, reference, n, rng):
    """Every condition against one reference, on the clips and seeds that both have tested.

    Parameters
    ----------
    predictions : DataFrame
    reference : tuple of str
        (experiment, condition).
    n : int
        Bootstrap draws of sources, the same for both sides of a pair.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        One row per experiment, condition and metric: difference (condition minus reference,
        mean over seeds), low, high (95 % interval), clear (the interval excludes 0), n_seeds,
        n_clips.

    Raises
    ------
    ValueError
        If the reference is not among the predictions, or shares no clip with a condition.
    """
    judged = predictions[predictions["judged"]]
    trials = dict(list(judged.groupby(TRIAL, sort=False)))
    if tuple(reference) not in trials:
        known = "; ".join(" / ".join(trial) for trial in trials)
        raise ValueError(f"{' / '.join(reference)} is not among the conditions: {known}.")
    base = trials.pop(tuple(reference))
    tables = []
    for trial, part in trials.items():
        first, second = _paired(part, base, trial)
        difference = paired_difference(mean_over_seeds, first, second)
        table = interval_or_value(difference, first, "source", n, rng)
        table = table.rename(columns={"estimate": "difference"})
        table["clear"] = (table["low"] > 0) | (table["high"] < 0)
        tables.append(_labelled(table, trial, first))
    return pd.concat(tables, ignore_index=True)


HEADS = ("score head", "class head alone")


def heads(predictions, clips, n, rng):
    """What the score head adds to the class head: both as scores, and their difference.

    Parameters
    ----------
    predictions : DataFrame
        One condition of `experiments.run`: every seed with its test clips.
    clips : DataFrame
        The table of clips that it was run on. Training clips of a seed are those it did not test.
    n : int
        Bootstrap draws of sources.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame, index (answer, metric)
        answer is one of `HEADS` or "difference" (score head minus class head alone, on the same
        draws); metric is rmse, pcc, rmse_inside or pcc_inside (within a class, mean over the
        classes). estimate (mean over seeds), low, high (95 %).
    """
    parts = []
    for _, part in predictions.groupby("seed", sort=False):
        learned = clips[~clips["source"].isin(part["source"])]
        probabilities = part[[f"p_{name}" for name in CLASSES]]
        parts.append(part.assign(from_class=class_mean_score(learned, probabilities)))
    table = pd.concat(parts, ignore_index=True)
    rows = bootstrap_interval(_both_heads, table, "source", n, rng)
    return rows.rename_axis(["answer", "metric"])


def entries(table, name):
    """Rows of a table of intervals under its first index: metric -> {"value", "low", "high"}.

    None where a number is undefined, as JSON and `plots.intervals` take it.
    """
    ends = {"value": "estimate", "low": "low", "high": "high"}
    return {
        metric: {key: plain(row[column]) for key, column in ends.items()}
        for metric, row in table.loc[name].iterrows()
    }


def _both_heads(table, counts):
    found = {}
    for answer, column in zip(HEADS, ("predicted_score", "from_class"), strict=True):
        seeds = [
            _score_metrics(part, counts[:, part.index], column)
            for _, part in table.groupby("seed", sort=False)
        ]
        for metric in seeds[0]:
            values = np.array([seed[metric] for seed in seeds])
            found[answer, metric] = counted.mean_of_defined(values)
    one, other = HEADS
    metrics = [metric for answer, metric in found if answer == one]
    return found | {("difference", m): found[one, m] - found[other, m] for m in metrics}


def _score_metrics(part, counts, column):
    quality, true, given = (part[name].to_numpy() for name in ("quality", "score", column))
    inside = counted.inside_classes(counts, quality, true, given)
    rmse = np.sqrt(counted.mean(counts, (given - true) ** 2))
    values = (rmse, counted.pearson(counts, true, given), *inside)
    return dict(zip(("rmse", "pcc", "rmse_inside", "pcc_inside"), values, strict=True))


def mean_over_seeds(table, counts):
    """Metrics within each seed, averaged over the seeds, in every draw of clips.

    Parameters
    ----------
    table : DataFrame, n rows
        Predictions of several seeds: columns seed and those of `counted.of_predictions`.
    counts : ndarray, shape (n_draws, n)

    Returns
    -------
    dict of ndarray, shape (n_draws,)
        Keys `METRICS`. A seed without a drawn clip does not count in that draw.
    """
    seeds = [
        counted.of_predictions(table.iloc[rows], counts[:, rows])
        for _, rows in sorted(table.groupby("seed").indices.items())
    ]
    return {name: counted.mean_of_defined([seed[name] for seed in seeds]) for name in METRICS}


def _paired(part, base, trial):
    """Rows of both tables for the seeds and clips that both have, in one order."""
    first, second = (table.set_index(["seed", "clip"]) for table in (part, base))
    common = first.index.intersection(second.index, sort=False)
    if len(common) == 0:
        raise ValueError(f"{' / '.join(trial)} was tested on no clip of the reference.")
    return first.loc[common].reset_index(), second.loc[common].reset_index()


def _labelled(table, trial, part):
    table = table.rename_axis("metric").reset_index()
    table["n_seeds"], table["n_clips"] = part["seed"].nunique(), len(part)
    for position, (name, value) in enumerate(zip(TRIAL, trial, strict=True)):
        table.insert(position, name, value)
    return table
