"""Measure the shipped predictor on labelled recordings and keep the numbers beside it.

    python scripts/measure_predictor.py LABELS.csv "157 telephone prompts, two speakers" --raw-pesq

With the columns of people, families and conditions the whole table is printed, the worst first,
with intervals over people:

    python scripts/measure_predictor.py LABELS.csv "63 people at home" --raw-pesq --person voice

The numbers go to aqp_utils/assets/predictor/measured.json with date and commit; notebook 05 and the
README show them. Recordings never choose a weight or a threshold: this only measures.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aqp_utils.core.files import write_json  # noqa: E402
from aqp_utils.core.scale import to_scale  # noqa: E402
from aqp_utils.evaluation.agreement import condition_level, groups_of, with_people  # noqa: E402
from aqp_utils.model.files import add_documents  # noqa: E402
from aqp_utils.predict import shipped  # noqa: E402
from aqp_utils.predict.predictor import Predictor  # noqa: E402
from aqp_utils.recordings.label_tables import read_labels  # noqa: E402
from aqp_utils.views.report.agreement_page import evaluate  # noqa: E402

DRAWS = 1000
SHOWN = ["clips", "people", "label", "predicted", "bias", "bias_low", "bias_high"]
SHOWN += ["srcc", "srcc_low", "srcc_high", "pcc", "coverage"]


def people_tables(arguments, predicted):
    """Agreement over people, of all clips, of families and of conditions; also printed."""
    rng, rows = np.random.default_rng(0), pd.read_csv(arguments.labels, dtype={"file": str})
    names = {arguments.person: "person", "family": "family", "condition": "condition"}
    table = predicted.drop(columns="condition").merge(
        rows[["file", *names]].rename(columns=names), on="file"
    )
    found = {"clip": with_people(table, DRAWS, rng), "condition": condition_level(table)}
    print(json.dumps(found, indent=1))
    for column in ("family", "condition"):
        groups = groups_of(table, column, DRAWS, rng)
        print(groups.set_index(column)[SHOWN].round(2).to_string())
        found[f"by_{column}"] = groups.astype(object).where(groups.notna(), None).to_dict("records")
    return found


def measure(arguments):
    """Measure on one table and replace or add its entry in measured.json."""
    labels = read_labels(arguments.labels, score=arguments.score, condition=arguments.group)
    if arguments.raw_pesq:
        labels.table["score"] = to_scale(labels.table["score"])
    predictor = Predictor.load(arguments.model, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        result = evaluate(labels, predictor, {"file": arguments.labels.name}, folder, peers=[])
        predicted = pd.read_csv(Path(folder) / "predictions.csv", dtype={"file": str})
    people = people_tables(arguments, predicted) if arguments.person else None
    if arguments.model:
        return
    (clip,) = result["clip"].values()
    entry = {
        "recordings": arguments.name,
        "labels": "P.862.2 on the scale from 1.0 to 4.5" if arguments.raw_pesq else "as given",
        "version": shipped.card()["version"],
        "date": result["date"],
        "git_commit": result["git_commit"],
        "n": result["n"],
        "interval": result["interval"],
        "clip": {name: clip[name] for name in ("pcc", "srcc", "rmse", "bias")},
        "groups": result["per_condition"],
    }
    if people:
        entry["people"] = people
    kept = [one for one in shipped.measured() if one["recordings"] != arguments.name]
    write_json(shipped.FOLDER / shipped.MEASURED, [*kept, entry])
    add_documents(shipped.FOLDER, shipped.DOCUMENTS)
    print(json.dumps(entry["clip"], indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path, help="table of recordings with scores (CSV)")
    parser.add_argument("name", help="what the recordings are, in a few words")
    parser.add_argument("--score", help="column of the scores; default: found by name")
    parser.add_argument("--group", default="family", help="column to report apart (default family)")
    parser.add_argument("--person", help="column of people, beside columns family and condition")
    parser.add_argument("--model", type=Path, help="another predictor; then nothing is kept")
    parser.add_argument("--raw-pesq", action="store_true", help="labels are raw P.862.2")
    measure(parser.parse_args())
