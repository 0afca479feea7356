"""Rank recipes of the field training by short trainings of equal budget, on the same clips.

    python -m aqp_utils.training.field --out outputs/field --sources 600
    python scripts/compare_recipes.py outputs/field --sources 600 --epochs 8 \
      --vary pair_weight=0 --vary family_weight=0 --vary hidden=0.5,retold=0.5

The first training is the recipe as it is; each --vary is one more, with other values of
`FieldSettings`. All start from the same weights and see the same batches. The table in
OUT/recipes.csv says what held-out voices and mechanisms make of each (loss, PCC, SRCC; clip level,
with intervals over sources); OUT/recipes/<recipe>/predictor is what
`scripts/measure_predictor.py … --model` measures on recordings. Stopped, it goes on where it was.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aqp_utils.core.files import write_csv  # noqa: E402
from aqp_utils.core.randomness import rng_for  # noqa: E402
from aqp_utils.encoders.wav2vec2 import load_encoder  # noqa: E402
from aqp_utils.evaluation.summary import with_intervals  # noqa: E402
from aqp_utils.model.prediction import prediction_table  # noqa: E402
from aqp_utils.predict import shipped  # noqa: E402
from aqp_utils.runs.ownership import CHECKPOINTS  # noqa: E402
from aqp_utils.training.field.clips import key_of, load_clips, shards_of  # noqa: E402
from aqp_utils.training.field.export import export  # noqa: E402
from aqp_utils.training.field.training import (  # noqa: E402
    KEPT,
    FieldSettings,
    known_inputs,
    predict,
    train,
)

DRAWS = 1000
AS_IT_IS = "as it is"
ENDS = {"": "value", "_low": "low", "_high": "high"}  # of columns: the value, its interval


def changed(settings, text):
    """Settings with the values that `text`, "name=value,name=value", gives them."""
    values = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in FieldSettings.__dataclass_fields__ or not value:
            known = ", ".join(FieldSettings.__dataclass_fields__)
            raise SystemExit(f"--vary {text}: allowed is name=value, with the names {known}.")
        values[name] = json.loads(value)
    return replace(settings, **values)


def row_of(name, folder, model, clips, known, settings):
    """What the test part, voices and mechanisms never learned, makes of one training."""
    kept = json.loads((folder / KEPT).read_text("utf-8"))
    history = pd.read_csv(folder / "history.csv")
    rows = np.flatnonzero(clips.table["part"] == "test")
    unheard = clips.table.iloc[rows].reset_index(drop=True)
    table = prediction_table(unheard, predict(model, clips, known, rows, "cpu"))
    found = with_intervals(table, DRAWS, rng_for(settings.seed, "bootstrap"))
    row = {"recipe": name, "kept": kept["weights"], "epoch": kept["epoch"]}
    row |= {"hours": history["seconds"].iloc[-1] / 3600, "validation_loss": kept["loss"]}
    for metric in ("pcc", "srcc", "rmse"):
        row |= {f"{metric}{end}": found[metric][key] for end, key in ENDS.items()}
    return row


def main():
    """Train every recipe and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="where the clips were made")
    parser.add_argument("--sources", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--duration-s", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--random-start", action="store_true", help="not from what ships")
    parser.add_argument("--vary", action="append", default=[], metavar="NAME=VALUE,…")
    given = parser.parse_args()
    start = "" if given.random_start else shipped.card()["version"]
    basis = FieldSettings(epochs=given.epochs, start=start, seed=given.seed)
    recipes = {AS_IT_IS: basis} | {text: changed(basis, text) for text in given.vary}
    key = key_of(given.seed, given.duration_s)
    folder = given.out / "field" / CHECKPOINTS / f"clips_{key}"
    shards = shards_of(folder, given.sources, given.duration_s, given.seed)
    if missing := [shard.path for shard in shards if not shard.path.is_file()]:
        raise SystemExit(f"{missing[0]} is missing; make the clips first (see --help).")
    clips = load_clips([shard.path for shard in shards], given.seed)
    encoder = load_encoder("embedded", device="cpu")
    tried = given.out / "recipes"
    tried.mkdir(exist_ok=True)
    known = known_inputs(clips, encoder, tried / f"known_{key}_{given.sources}.npy")
    rows = []
    for name, settings in recipes.items():
        here = tried / name.replace(" ", "_")
        model = train(clips, known, here / settings.key(), settings)
        rows.append(row_of(name, here / settings.key(), model, clips, known, settings))
        export(model, clips, known, encoder, here / "predictor", given.duration_s, {"recipe": name})
        write_csv(given.out / "recipes.csv", pd.DataFrame(rows))
        print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
