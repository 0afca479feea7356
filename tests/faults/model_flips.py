"""Flipped bits in every file of models and encoder: each is refused, in one sentence."""

import shutil
from pathlib import Path

import pytest
from flipped_models import LOADERS, answer_to, copy_shipped, flips, refused
from record import record
from tiny_predictor import save_predictor

SHOWCASE = Path(__file__).parents[2] / "outputs" / "showcase" / "04_model"
MODEL_FILES = {"model.json", "model.safetensors"}
SEED, TRIED = 1604, 240
ABOUT = {
    "predictor": "any file of the predictor that ships",
    "encoder": "any file of the encoder that ships",
    "graphs": "any file of the graphs by which what ships is computed",
    "run": "any file of a small model with its own encoder",
    "showcase": "description and weights of the model of the published run",
}


def place_of(what, folder):
    """A copy of a model or encoder that may be damaged, and the names of its parts (None: all)."""
    if what == "run":
        return save_predictor(folder), None
    if what == "showcase":
        return Path(shutil.copytree(SHOWCASE, folder / "model")), MODEL_FILES
    return copy_shipped(what, folder), None


@pytest.fixture(scope="module")
def rows():
    found = []
    yield found
    record("model_flips", found)


@pytest.mark.parametrize("what", ABOUT)
def test_every_flipped_bit_is_refused(what, tmp_path, rows):
    place, names = place_of(what, tmp_path)
    load = LOADERS.get(what, LOADERS["run"])
    load(place)
    answers = {at: answer_to(load, place, *at) for at in flips(place, TRIED, SEED, names)}
    wrong = {at: answer for at, answer in answers.items() if not refused(answer)}
    held = len(answers) - len(wrong)
    rows.append(dict(fault="model flips", about=ABOUT[what], tried=TRIED, held=held, seed=SEED))
    load(place)
    assert len(answers) == TRIED and not wrong
