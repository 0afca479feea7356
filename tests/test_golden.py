"""Golden scores hold what they say, and the shipped predictor scores as it did when it shipped."""

import numpy as np
import pytest
from tiny_predictor import save_predictor

from aqp_utils.core.files import sha256
from aqp_utils.predict import shipped
from aqp_utils.predict.predictor import Predictor
from aqp_utils.training.field import golden

LARGEST_MB = 60


@pytest.fixture
def tiny(tmp_path):
    return Predictor.load(save_predictor(tmp_path), device="cpu")


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(device="cpu")


def test_clips_are_the_same_every_time():
    first, again = golden.golden_clips(), golden.golden_clips()
    assert list(first) == list(again) and len(first) == 10
    for name, clip in first.items():
        np.testing.assert_array_equal(clip, again[name])


def test_scores_are_kept_with_version_and_weights(tiny):
    written = golden.write_golden(tiny, "0.0.1")
    read = golden.read_golden(tiny)
    assert read == written and read["version"] == "0.0.1"
    assert read["scores"] == pytest.approx(golden.golden_scores(tiny), abs=golden.SAME_MACHINE)


def test_golden_scores_of_other_weights_are_refused(tiny, monkeypatch):
    golden.write_golden(tiny, "0.0.1")
    monkeypatch.setattr(golden, "weights_of", lambda predictor: {"network": "other"})
    with pytest.raises(ValueError, match="new version"):
        golden.read_golden(tiny)


def test_ten_golden_scores_are_as_recorded(predictor):
    expected = golden.read_golden(predictor)["scores"]
    assert golden.golden_scores(predictor) == pytest.approx(expected, abs=golden.ELSEWHERE)


def test_the_scores_have_an_order_that_ears_would_have(predictor):
    scores = golden.read_golden(predictor)["scores"]
    # A floor 40 dB down is innocent where recordings are made: it may be as good as none.
    assert scores["voice, clean"] >= scores["voice, noise 40"] > scores["voice, noise 20"]
    assert scores["tones, clean"] > scores["tones, noise 20"]


def test_the_card_names_version_data_results_and_hashes(predictor):
    card = shipped.card()
    assert card["version"] == golden.read_golden(predictor)["version"]
    for name, digest in card["sha256"].items():
        assert sha256(shipped.FOLDER / name) == digest, name
    for entry in ("data", "labels", "limits", "seed", "settings", "held_out", "machine", "made"):
        assert card[entry] not in (None, ""), entry
    assert card["clips"] >= 20_000


def test_the_shipped_files_are_numbers_and_text_and_small():
    files = [path for path in shipped.FOLDER.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".safetensors"}
    assert sum(path.stat().st_size for path in files) < LARGEST_MB * 1e6


def test_what_was_measured_belongs_to_the_version_that_ships():
    assert shipped.measured()
    assert {one["version"] for one in shipped.measured()} == {shipped.card()["version"]}
