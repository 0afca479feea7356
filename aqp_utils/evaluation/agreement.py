"""Score labelled recordings and say how well the scores agree with the labels.

Reads a table of labels (`label_tables`), writes predictions.csv, metrics.json, scatter.png and
report.html. Labels may be listeners' MOS or another instrument's: agreement is with them, not with
the truth. Metrics are those of ITU-T P.1401, each with its level (clip or condition) and, at clip
level, a 95 % bootstrap interval.
"""

import numpy as np
import pandas as pd
from tqdm import tqdm

from aqp_utils.evaluation import counted
from aqp_utils.evaluation.bootstrap import interval_or_value
from aqp_utils.evaluation.metrics import (
    CLIP,
    CONDITION,
    condition_metrics,
    first_order_mapping,
    pearson,
    regression_metrics,
    spearman,
)
from aqp_utils.evaluation.peers import peer_scores
from aqp_utils.evaluation.summary import plain, with_intervals
from aqp_utils.predict.predictor import TABLE_COLUMNS
from aqp_utils.recordings.reading import Recording
from aqp_utils.recordings.second_process import read_all

OURS = "predicted_score"
FEWEST = 3  # clips: a line through two fits always
FEWEST_FOR_CORRELATION = 5  # clips of a condition
N_WORST = 12
SCORE, PREDICTED = "score", "predicted_score"
FEWEST_IN_GROUP = 10  # clips of a group whose correlation is stated
METRICS = ("srcc", "pcc", "rmse", "bias", "coverage")


def score_labelled(labels, predictor, peers=(), progress=True):
    """Put the predictor's and the peers' scores beside the labels.

    Parameters
    ----------
    labels : Labels
        Recordings that cannot be scored are added to its problems.
    predictor : Predictor
    peers : sequence of str
        Packages, from `peers.available_peers`.
    progress : bool

    Returns
    -------
    DataFrame
        file, score (the label), condition, source, ci95, predicted_score, the other columns of
        `Predictor.files` and one per peer; only recordings that were scored.

    Raises
    ------
    ValueError
        If fewer than three recordings have a label and a score.
    """
    paths = list(labels.table["path"])
    found = predictor.files(paths, progress) if paths else pd.DataFrame(columns=TABLE_COLUMNS)
    found = found.rename(columns={"score": OURS}).drop(columns="file")
    table = pd.concat([labels.table.reset_index(drop=True), found], axis=1)
    failed = table["error"] != ""
    labels.problems += [
        {"problem": "not scored", "what": row.file, "detail": row.error}
        for row in table[failed].itertuples()
    ]
    table = table[~failed].reset_index(drop=True)
    if len(table) < FEWEST:
        counts = ", ".join(f"{n} × {name}" for name, n in count_problems(labels.problems).items())
        raise ValueError(
            f"only {len(table)} recordings have both a label and a score; {FEWEST} are the least"
            f" ({counts or 'the table is that short'})."
        )
    if peers:
        table = pd.concat([table, _beside(table["path"], peers, labels.problems, progress)], axis=1)
    return table.drop(columns=["path", "error"])


def _beside(paths, packages, problems, progress):
    """The peers' scores of each recording; a peer's failures become one problem with a count."""
    recordings = tqdm(
        read_all(paths), total=len(paths), desc="peers", unit="file", disable=not progress
    )
    rows, failed = [], {package: [] for package in packages}
    for recording in recordings:
        if not isinstance(recording, Recording):  # gone since it was scored
            rows.append({})
            continue
        scores, failures = peer_scores(np.asarray(recording.audio), packages)
        rows.append(scores)
        for package, why in failures.items():
            failed[package].append(why)
    problems += [
        {
            "problem": "peer failed",
            "what": package,
            "detail": f"on {len(whys)} of {len(rows)} recordings, first with {whys[0]}",
        }
        for package, whys in failed.items()
        if whys
    ]
    return pd.DataFrame(rows)


def count_problems(problems):
    """How often each problem occurs, by its name."""
    return pd.Series([p["problem"] for p in problems], dtype=object).value_counts().to_dict()


def measure(table, columns, n_draws, rng):
    """Agreement of each column of scores with the labels.

    Parameters
    ----------
    table : DataFrame
        From `score_labelled`.
    columns : sequence of str
        Columns of scores: ours and the peers'.
    n_draws : int
        Bootstrap draws; whole sources are drawn.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        "clip" and "condition" -> column -> metric; at clip level {"value", "low", "high"}. A peer
        that failed on some clips is measured on the others (n says on how many).
    """
    result = {CLIP: {}, CONDITION: {}}
    for column in columns:
        part = table[table[column].notna()].assign(**{OURS: table[column]})
        result[CLIP][column] = {"n": len(part)} | with_intervals(part, n_draws, rng, _statistics)
        if part["condition"].nunique() >= FEWEST:
            means = condition_metrics(part, by=["condition"])
            result[CONDITION][column] = {name: plain(value) for name, value in means.items()}
    return result


def _statistics(table, counts):
    ci95 = table["ci95"] if table["ci95"].notna().all() else None
    return counted.regression(counts, table["score"], table[OURS], ci95)


def by_condition(table):
    """Labels and predictions of each condition, clip level.

    Returns
    -------
    DataFrame
        condition, n, label (mean), predicted (mean), bias, rmse, pcc and srcc (NaN under five
        clips); the best-labelled condition first.
    """
    rows = []
    for condition, part in table.groupby("condition", sort=False):
        metrics = regression_metrics(part["score"], part[OURS])
        enough = len(part) >= FEWEST_FOR_CORRELATION
        rows.append(
            {
                "condition": condition,
                "n": len(part),
                "label": part["score"].mean(),
                "predicted": part[OURS].mean(),
                **{name: metrics[name] for name in ("bias", "rmse")},
                **{name: metrics[name] if enough else np.nan for name in ("pcc", "srcc")},
            }
        )
    return pd.DataFrame(rows).sort_values("label", ascending=False, ignore_index=True)


def worst_clips(table, n=N_WORST):
    """The clips whose score lies farthest from their label after the best straight line.

    Adds the column error_mapped: what offset and gain of the scale do not explain.
    """
    mapped = first_order_mapping(table["score"], table[OURS]) - table["score"]
    order = np.argsort(-np.abs(mapped.to_numpy()), kind="stable")[:n]
    return table.assign(error_mapped=mapped).iloc[order].reset_index(drop=True)


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
    if len(table) < FEWEST_IN_GROUP:
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
        metric, as bias, bias_low, bias_high and so on.
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
