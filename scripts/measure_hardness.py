"""Measure where the predictor that ships errs on clips of the field training: how hard each is.

    python -m aqp_utils.training.field --out outputs/field --sources 2000
    python scripts/measure_hardness.py outputs/field --sources 2000

Writes aqp_utils/assets/hardness.json: for each damage the mean squared error of the score in each
quarter of the intensity, over clips that met this damage alone. Only the training part is looked
at: what validation and test are made of decides nothing. A quarter with few clips leans on the mean
of its damage.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aqp_utils.core.audio import SAMPLE_RATE  # noqa: E402
from aqp_utils.core.package import ASSETS  # noqa: E402
from aqp_utils.core.randomness import rng_for  # noqa: E402
from aqp_utils.predict import Predictor, shipped  # noqa: E402
from aqp_utils.runs.ownership import CHECKPOINTS  # noqa: E402
from aqp_utils.training.field.clips import key_of, load_clips, shards_of  # noqa: E402
from aqp_utils.training.field.recipe import PEAK, VERSIONS  # noqa: E402

TARGET = ASSETS / "hardness.json"
QUARTERS, CLIPS_PER_DAMAGE = 4, 150
LEANING = 10  # clips that the mean of the damage counts for
ABOUT = (
    "Mean squared error of predictor {version} in each quarter of the intensity, over up to {n} "
    "training clips that met this damage alone. By scripts/measure_hardness.py."
)


def by_quarter(intensities, errors):
    """Mean squared errors of one damage: list of QUARTERS numbers."""
    quarter = np.minimum((intensities * QUARTERS).astype(int), QUARTERS - 1)
    squares = np.square(errors)
    sums = np.bincount(quarter, squares, QUARTERS) + LEANING * squares.mean()
    return sums / (np.bincount(quarter, minlength=QUARTERS) + LEANING)


def single_damages(table):
    """Damage -> rows of the training part that met it alone, and the intensities there."""
    found = {}
    learned = (table["part"] == "train") & table["version"].between(1, VERSIONS - 1)
    for row, history in table["history"][learned].items():
        steps = json.loads(history)
        if len(steps) == 1:
            found.setdefault(steps[0]["name"], []).append((row, steps[0]["intensity"]))
    return found


def main():
    """Score the clips and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of a run of the preset field")
    parser.add_argument("--sources", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--duration-s", type=float, default=3.0)
    given = parser.parse_args()
    key = key_of(given.seed, given.duration_s)
    folder = given.out / "field" / CHECKPOINTS / f"clips_{key}"
    shards = [one.path for one in shards_of(folder, given.sources, given.duration_s, given.seed)]
    if absent := [path for path in shards if not path.exists()]:
        raise SystemExit(f"{absent[0]} is missing: make the clips first.")
    clips, predictor = load_clips(shards, given.seed), Predictor.load()
    rng, rows = rng_for(given.seed, "bootstrap"), []
    for name, met in tqdm(sorted(single_damages(clips.table).items()), desc="damages"):
        drawn = rng.permutation(len(met))[:CLIPS_PER_DAMAGE]
        numbers, intensities = zip(*(met[i] for i in drawn), strict=True)
        scores = [predictor(clips.audio[i] / PEAK, SAMPLE_RATE).score for i in numbers]
        errors = np.array(scores) - clips.table["score"].to_numpy()[list(numbers)]
        errors = [round(float(e), 2) for e in by_quarter(np.array(intensities), errors)]
        rows.append(f"    {json.dumps(name)}: {json.dumps(errors)}")
    about = ABOUT.format(version=shipped.card()["version"], n=CLIPS_PER_DAMAGE)
    # One row a damage, so that a change can be read in a diff.
    text = f'{{\n  "about": {json.dumps(about)},\n  "errors": {{\n' + ",\n".join(rows)
    TARGET.write_text(text + "\n  }\n}\n", "utf-8")


if __name__ == "__main__":
    main()
