"""Say what each part of the recipe of the field training is worth, by short trainings beside it.

    python -m aqp_utils.training.field --out outputs/field --sources 600
    python scripts/compare_recipes.py outputs/field --sources 600 --epochs 6 \
      --recordings labels.csv "63 people at home" --score pesq_wb --raw-pesq --person voice

Trains every recipe of `training.field.variants` (or those named by --recipe) from random weights,
on the same clips, in the same number of steps, and takes the weights of the last one: nothing is
chosen. OUT/recipes.csv says what each makes of voices and mechanisms that it never met and, clip by
clip, of the recordings named, with 95 % intervals over sources and over people. Each recipe is kept
in OUT/recipes; the script goes on where it was, and several may run at a time.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aqp_utils.core.files import write_csv, write_json  # noqa: E402
from aqp_utils.core.randomness import rng_for  # noqa: E402
from aqp_utils.core.scale import SCALE, to_scale  # noqa: E402
from aqp_utils.encoders.wav2vec2 import load_encoder  # noqa: E402
from aqp_utils.evaluation.agreement import with_people  # noqa: E402
from aqp_utils.evaluation.summary import with_intervals  # noqa: E402
from aqp_utils.model.prediction import prediction_table  # noqa: E402
from aqp_utils.predict import Predictor  # noqa: E402
from aqp_utils.recordings.reading import read_recording  # noqa: E402
from aqp_utils.runs.code import code_behind  # noqa: E402
from aqp_utils.runs.ownership import CHECKPOINTS  # noqa: E402
from aqp_utils.training.field.clips import key_of, load_clips, shards_of  # noqa: E402
from aqp_utils.training.field.training import FieldSettings, known_inputs, predict  # noqa: E402
from aqp_utils.training.field.variants import VARIANTS  # noqa: E402

DRAWS = 1000
UNHEARD = "unheard voices and mechanisms"
ENDS = {"": "value", "_low": "low", "_high": "high"}  # of columns: the value, its interval
METRICS = ("srcc", "pcc")
ASIDE = ("out", "recipe")  # change no row


def recordings_of(labels, predictor, given):
    """Windows and inputs of labelled recordings, and their table: file, person, score."""
    table = pd.read_csv(labels, dtype={"file": str})
    wanted = {"file", given.score, given.person} - {None}
    if absent := sorted(wanted - set(table)):
        raise SystemExit(f"{labels} has no column {absent[0]}; it has {', '.join(table)}.")
    scores = table[given.score]
    people = table[given.person] if given.person else table["file"]
    rows = {"file": table["file"], "person": people}
    rows["score"] = to_scale(scores) if given.raw_pesq else scores
    heard = []
    for file in table["file"]:
        windows = predictor.parts(read_recording(labels.parent / file))
        windows = [np.asarray(window, dtype=np.float32) for window in windows]
        heard.append((windows, predictor.inputs(windows).astype(np.float32)))
    return heard, pd.DataFrame(rows)


@torch.inference_mode()
def scores_of(model, heard, known):
    """Score of each recording, the mean over its windows, shape (n,)."""
    scores, n_known = [], len(model.mean)
    for windows, inputs in heard:
        rows = known(inputs[:, :n_known])
        each = [
            model(torch.from_numpy(window)[None], torch.from_numpy(row)[None])[1].item()
            for window, row in zip(windows, rows, strict=True)
        ]
        scores.append(np.mean(each))
    return np.clip(scores, *SCALE)


def row_of(name, model, clips, known, recordings, seed):
    """What a trained model makes of the test part and of recordings, as one row."""
    rows = np.flatnonzero(clips.table["part"] == "test")
    unheard = clips.table.iloc[rows].reset_index(drop=True)
    given = VARIANTS[name].known
    table = prediction_table(unheard, predict(model, clips, given(known), rows, "cpu"))
    found = {UNHEARD: with_intervals(table, DRAWS, rng_for(seed, "bootstrap"))}
    for place, (heard, labelled) in recordings.items():
        predicted = labelled.assign(predicted_score=scores_of(model, heard, given))
        predicted[["score_low", "score_high"]] = np.nan  # a short training has no intervals
        found[place] = with_people(predicted, DRAWS, rng_for(seed, "bootstrap"))
    return {"recipe": name} | {
        f"{place}: {metric}{end}": entry[metric][key]
        for place, entry in found.items()
        for metric in METRICS
        for end, key in ENDS.items()
    }


def main():
    """Train every recipe that is asked for and not there yet, and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="where the clips were made")
    parser.add_argument("--sources", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--duration-s", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", action="append", choices=list(VARIANTS), metavar="NAME")
    parser.add_argument(
        "--recordings", nargs=2, action="append", default=[], metavar=("LABELS.csv", "NAME")
    )
    parser.add_argument("--score", default="score", help="column of the scores of recordings")
    parser.add_argument("--person", help="column of people; default: each recording another")
    parser.add_argument("--raw-pesq", action="store_true", help="those scores are raw P.862.2")
    given = parser.parse_args()
    key = key_of(given.seed, given.duration_s)
    folder = given.out / "field" / CHECKPOINTS / f"clips_{key}"
    tried = given.out / "recipes" / digest_of(given, key)
    shards = shards_of(folder, given.sources, given.duration_s, given.seed)
    if missing := [shard.path for shard in shards if not shard.path.is_file()]:
        raise SystemExit(f"{missing[0]} is missing; make the clips first (see --help).")
    predictor = Predictor.load()
    recordings = {
        name: recordings_of(Path(labels), predictor, given) for labels, name in given.recordings
    }
    tried.mkdir(parents=True, exist_ok=True)
    clips = load_clips([shard.path for shard in shards], given.seed)
    encoder = load_encoder("embedded", device="cpu")
    known = known_inputs(clips, encoder, tried / f"known_{folder.name}_{given.sources}.npy")
    for name in given.recipe or VARIANTS:
        row = tried / name.replace(" ", "_") / "row.json"
        if not row.is_file():
            model = trained(name, clips, known, row.parent, given)
            write_json(row, row_of(name, model, clips, known, recordings, given.seed))
        rows = [json.loads(path.read_text("utf-8")) for path in sorted(tried.glob("*/row.json"))]
        order = {name: number for number, name in enumerate(VARIANTS)}
        rows.sort(key=lambda row: order.get(row["recipe"], len(order)))
        write_csv(given.out / "recipes.csv", pd.DataFrame(rows))
        print(pd.DataFrame(rows).set_index("recipe").round(3).T.to_string(), flush=True)


def digest_of(given, key):
    """Short name of all that a row depends on: what was asked for, the clips, the code."""
    asked = {name: str(value) for name, value in vars(given).items() if name not in ASIDE}
    about = json.dumps([asked, key, code_behind("training.field.variants")], sort_keys=True)
    return hashlib.sha256(about.encode()).hexdigest()[:12]


def trained(name, clips, known, folder, given):
    """A model trained by one recipe."""
    variant = VARIANTS[name]
    settings = FieldSettings(epochs=given.epochs * variant.longer, seed=given.seed)
    settings = replace(settings, **variant.settings)
    return variant.training(clips, variant.known(known), folder / settings.key(), settings).run()


if __name__ == "__main__":
    main()
