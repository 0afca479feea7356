"""Measure the shipped predictor on labelled recordings and keep the numbers beside it.

    python scripts/measure_predictor.py LABELS.csv "157 telephone prompts, two speakers" --raw-pesq

The numbers go to aqp_utils/assets/predictor/measured.json with date and commit; notebook 05 and the
README show them. Recordings never choose a weight or a threshold: this only measures.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aqp_utils.core.files import write_json  # noqa: E402
from aqp_utils.core.scale import to_scale  # noqa: E402
from aqp_utils.evaluation.agreement import evaluate  # noqa: E402
from aqp_utils.predict import shipped  # noqa: E402
from aqp_utils.predict.predictor import Predictor  # noqa: E402
from aqp_utils.recordings.label_tables import read_labels  # noqa: E402


def measure(arguments):
    """Measure on one table and replace or add its entry in measured.json."""
    labels = read_labels(arguments.labels, score=arguments.score, condition=arguments.group)
    if arguments.raw_pesq:
        labels.table["score"] = to_scale(labels.table["score"])
    predictor = Predictor.load(device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        result = evaluate(labels, predictor, {"file": arguments.labels.name}, folder, peers=[])
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
    kept = [one for one in shipped.measured() if one["recordings"] != arguments.name]
    write_json(shipped.FOLDER / shipped.MEASURED, [*kept, entry])
    print(json.dumps(entry["clip"], indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path, help="table of recordings with scores (CSV)")
    parser.add_argument("name", help="what the recordings are, in a few words")
    parser.add_argument("--score", help="column of the scores; default: found by name")
    parser.add_argument("--group", default="family", help="column to report apart (default family)")
    parser.add_argument("--raw-pesq", action="store_true", help="labels are raw P.862.2")
    measure(parser.parse_args())
