"""The shipped predictor scores as it did when it was shipped."""

import json

import numpy as np
import pytest

from aqp_utils import golden
from aqp_utils.field_predictor import CARD
from aqp_utils.predict import SHIPPED, Predictor
from aqp_utils.storage import sha256

LARGEST_MB = 60
pytestmark = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no predictor ships yet")


@pytest.fixture(scope="module")
def shipped():
    return Predictor.load(device="cpu")


def test_ten_golden_scores_are_as_recorded(shipped):
    expected = golden.read_golden(shipped)["scores"]
    scores = golden.golden_scores(shipped)
    assert list(scores) == list(expected) and len(scores) == 10
    for name, score in scores.items():
        assert score == pytest.approx(expected[name], abs=golden.ELSEWHERE), name


def test_golden_scores_of_other_weights_are_refused(shipped, monkeypatch):
    monkeypatch.setattr(golden, "weights_of", lambda predictor: {"network": "other"})
    with pytest.raises(ValueError, match="new version"):
        golden.read_golden(shipped)


def test_the_scores_have_an_order_that_ears_would_have(shipped):
    scores = golden.read_golden(shipped)["scores"]
    assert scores["voice, clean"] > scores["voice, noise 40"] > scores["voice, noise 20"]
    assert scores["tones, clean"] > scores["tones, noise 20"]


def test_the_card_names_version_data_results_and_hashes(shipped):
    card = json.loads((SHIPPED / CARD).read_text("utf-8"))
    assert card["version"] == golden.read_golden(shipped)["version"]
    for name, digest in card["sha256"].items():
        assert sha256(SHIPPED / name) == digest, name
    for entry in ("data", "labels", "seed", "settings", "held_out", "machine", "made"):
        assert card[entry] not in (None, ""), entry
    assert card["clips"] >= 20_000


def test_the_shipped_files_are_numbers_and_text_and_small():
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".safetensors"}
    assert sum(path.stat().st_size for path in files) < LARGEST_MB * 1e6


def test_clips_are_the_same_every_time():
    for first, again in zip(
        golden.golden_clips().values(), golden.golden_clips().values(), strict=True
    ):
        np.testing.assert_array_equal(first, again)
