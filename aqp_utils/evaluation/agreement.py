"""Score labelled recordings and say how well the scores agree with the labels.

Reads a table of labels (`label_tables`), writes predictions.csv, metrics.json, scatter.png and
report.html. Labels may be listeners' MOS or another instrument's: agreement is with them, not with
the truth. Metrics are those of ITU-T P.1401, each with its level (clip or condition) and, at clip
level, a 95 % bootstrap interval.
"""

import base64
import datetime
from importlib.resources import files
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from tqdm import tqdm

from aqp_utils.core.files import atomic, sha256, write_csv, write_json, write_text
from aqp_utils.core.text import interval_text
from aqp_utils.evaluation.bootstrap import bootstrap_interval
from aqp_utils.evaluation.metrics import CLIP, CONDITION, condition_metrics, regression_metrics
from aqp_utils.evaluation.peers import available_peers, peer_columns, peer_scores
from aqp_utils.evaluation.summary import plain
from aqp_utils.predict.predictor import TABLE_COLUMNS
from aqp_utils.recordings.reading import Recording
from aqp_utils.recordings.second_process import read_all
from aqp_utils.runs import environment

OURS = "predicted_score"
FEWEST = 3  # clips: a line through two fits always
FEWEST_FOR_CORRELATION = 5  # clips of a condition
N_WORST = 12


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
        scores, failures = peer_scores(recording.audio, packages)
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
        result[CLIP][column] = {"n": len(part)} | _with_intervals(part, n_draws, rng)
        if part["condition"].nunique() >= FEWEST:
            means = condition_metrics(part, by=["condition"])
            result[CONDITION][column] = {name: plain(value) for name, value in means.items()}
    return result


def _statistics(table):
    ci95 = table["ci95"] if table["ci95"].notna().all() else None
    return regression_metrics(table["score"], table[OURS], ci95)


def _with_intervals(table, n_draws, rng):
    if table["source"].nunique() < 2:
        return {
            name: {"value": plain(value), "low": None, "high": None}
            for name, value in _statistics(table).items()
        }
    rows = bootstrap_interval(_statistics, table, "source", n_draws, rng)
    return {
        name: {"value": plain(row.estimate), "low": plain(row.low), "high": plain(row.high)}
        for name, row in rows.iterrows()
    }


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
    from aqp_utils.evaluation.metrics import first_order_mapping

    mapped = first_order_mapping(table["score"], table[OURS]) - table["score"]
    order = np.argsort(-np.abs(mapped.to_numpy()), kind="stable")[:n]
    return table.assign(error_mapped=mapped).iloc[order].reset_index(drop=True)


def scatter(table, ax=None):
    """Score against label of every clip, coloured by condition where there are few.

    Parameters
    ----------
    table : DataFrame
        From `score_labelled`.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    if ax is None:
        ax = plt.subplots(figsize=(5.4, 4.6), layout="constrained")[1]
    few = 2 <= table["condition"].nunique() <= 10
    ends = [min(1.0, table["score"].min()), max(4.5, table["score"].max())]
    ax.plot(ends, ends, color="0.7", lw=1, zorder=0)
    hue = {"hue": "condition", "style": "condition", "palette": "colorblind"} if few else {}
    sns.scatterplot(table, x="score", y=OURS, s=30, linewidth=0.3, ax=ax, **hue)
    ax.set(xlabel="label", ylabel="predicted score (1.0–4.5)")
    if few:
        sns.move_legend(ax, "center left", bbox_to_anchor=(1, 0.5), title="", frameon=False)
    return ax


def evaluate(labels, predictor, about, out, peers=None, n_draws=1000, seed=0, progress=True):
    """Score, measure and write everything into the folder `out`.

    Parameters
    ----------
    labels : Labels
    predictor : Predictor
    about : dict
        What the user asked for (labels file, folder); goes into metrics.json.
    out : path
        Exists.
    peers : sequence of str, optional
        Packages of peers; default: those installed.
    n_draws, seed : int
        Of the bootstrap.
    progress : bool

    Returns
    -------
    dict
        What metrics.json holds.
    """
    out = Path(out)
    (out / "metrics.json").unlink(missing_ok=True)  # without it, the folder counts as unfinished
    peers = available_peers() if peers is None else peers
    table = score_labelled(labels, predictor, peers, progress)
    columns = [OURS, *(name for name in peer_columns(peers) if name in table)]
    result = {
        "labels": about | {"columns": labels.columns, "rows": labels.n_rows},
        "label_range": [float(table["score"].min()), float(table["score"].max())],
        "model": _about_model(predictor),
        "n": len(table),
        "n_sources": int(table["source"].nunique()),
        "interval": {"level": 0.95, "draws": n_draws, "seed": seed, "clustered_by": "source"},
        **measure(table, columns, n_draws, np.random.default_rng(seed)),
        "per_condition": _records(by_condition(table)),
        "problem_counts": count_problems(labels.problems),
        "problems": labels.problems,
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        **environment.describe(),
    }
    write_csv(out / "predictions.csv", table)
    _save_scatter(out / "scatter.png", table)
    _write_report(out / "report.html", table, result, out / "scatter.png")
    write_json(out / "metrics.json", result)
    return result


def _about_model(predictor):
    return {
        "folder": str(predictor.folder),
        "weights_sha256": sha256(predictor.folder / "model.safetensors"),
        "encoder": predictor.encoder.name,
        "encoder_sha256": predictor.encoder.weights_sha256,
        "feature_set": predictor.feature_set,
    }


def _records(table):
    return [{k: plain(v) for k, v in row.items()} for row in table.to_dict("records")]


def _save_scatter(path, table):
    import matplotlib.pyplot as plt

    figure = scatter(table).figure
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})
    plt.close(figure)


def _write_report(path, table, result, picture):
    environment_ = jinja2.Environment(
        loader=jinja2.FunctionLoader(
            lambda name: files("aqp_utils").joinpath("templates", name).read_text("utf-8")
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment_.get_template("evaluation.html.j2").render(
        result=result,
        worst=_records(worst_clips(table)),
        picture=base64.b64encode(picture.read_bytes()).decode(),
    )
    write_text(path, page)


def as_text(result):
    """The result in a few lines for the terminal."""
    names = {"pcc": "PCC", "srcc": "SRCC", "rmse": "RMSE", "rmse_mapped": "RMSE mapped"}
    lines = [f"{'clip level, n = ' + str(result['n']):<24}" + "".join(
        f"{label:>22}" for label in names.values()
    )]  # fmt: skip
    for column, metrics in result[CLIP].items():
        lines.append(f"{column:<24}" + "".join(f"{interval_text(metrics[m]):>22}" for m in names))
    for column, metrics in result[CONDITION].items():
        name = f"{column}, {metrics['n']} conditions"
        lines.append(f"{name[:30]:<30}" + f"{_number(metrics['pcc']):>16}" + "".join(
            f"{_number(metrics[m]):>22}" for m in list(names)[1:]
        ))  # fmt: skip
    lines += [f"! {n} × {problem}" for problem, n in result["problem_counts"].items()]
    return "\n".join(lines)


def _number(value):
    return "–" if value is None else f"{value:.2f}"
