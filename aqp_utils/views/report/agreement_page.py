"""The folder and the page about agreement with labelled recordings."""

import base64
import datetime
from pathlib import Path

import numpy as np

from aqp_utils.core.files import atomic, sha256, write_json, write_table, write_text
from aqp_utils.core.text import interval_text
from aqp_utils.evaluation.agreement import (
    OURS,
    by_condition,
    count_problems,
    measure,
    score_labelled,
    worst_clips,
)
from aqp_utils.evaluation.metrics import CLIP, CONDITION
from aqp_utils.evaluation.peers import available_peers, peer_columns
from aqp_utils.evaluation.summary import plain
from aqp_utils.runs import environment
from aqp_utils.views.report.page import template


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
    write_table(out / "predictions.csv", table)
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
    page = template("evaluation.html.j2").render(
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
