"""No part of a model changes without being noticed, and its description says what it may say."""

import json
import shutil
import warnings

import pytest
from flipped_models import LOADERS, answer_to, copy_shipped, flips, refused
from tiny_predictor import save_predictor, voice_like

from aqp_utils.commands import cli
from aqp_utils.core.files import write_json
from aqp_utils.core.sealed import NotSealed, write_sealed
from aqp_utils.model.conformal import residual_quantiles
from aqp_utils.model.files import add_documents
from aqp_utils.model.saved import load_model
from aqp_utils.predict.predictor import Predictor

QUANTILES = {"level": 0.9, "n": 60, "score": [1.5, 3.0], "low": [-0.5, -0.4], "high": [0.3, 0.2]}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return save_predictor(tmp_path_factory.mktemp("model"), conformal=QUANTILES)


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "model")


def description_of(folder):
    return json.loads((folder / "model.json").read_text("utf-8"))


def write_old(folder, **changes):
    """Write model.json as version 0.1.0 did: format 1, no hash of itself."""
    old = {key: value for key, value in description_of(folder).items() if key != "sha256"}
    write_json(folder / "model.json", old | {"format": 1} | changes)


# --- one hash over all parts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("run", None),
        ("predictor", {"model.json", "card.json", "golden.json", "measured.json"}),
        ("graphs", None),
        ("encoder", {"card.json", "config.json", "history.csv", "proof.json"}),
    ],
)
def test_a_flipped_bit_in_any_part_is_refused_in_one_sentence(what, names, folder, tmp_path):
    place = folder if what == "run" else copy_shipped(what, tmp_path)
    drawn = flips(place, 40 if what == "run" else 12, seed=16, names=names)
    answers = {at: answer_to(LOADERS[what], place, *at) for at in drawn}
    assert not {at: answer for at, answer in answers.items() if not refused(answer)}
    LOADERS[what](place)


@pytest.mark.parametrize("byte", range(0, 400, 7))
def test_no_bit_at_the_head_of_the_description_is_free(folder, byte):
    path = folder / "model.json"
    for bit in range(8):
        assert refused(answer_to(load_model, folder, path, byte, bit)), (byte, bit)


@pytest.mark.parametrize(("old", "new"), [("}", "} "), ('"clip_s": 1.0', '"clip_s": 1.00')])
def test_even_a_change_that_means_nothing_is_a_change(folder, old, new):
    path = folder / "model.json"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ValueError, match=r"model\.json was changed or damaged: its sha256"):
        load_model(folder)


def test_documents_beside_a_model_are_parts_of_it(folder):
    (folder / "card.json").write_text("{}")
    add_documents(folder, ("card.json", "measured.json"))
    load_model(folder)
    (folder / "card.json").write_text("{ }")
    with pytest.raises(ValueError, match=r"card\.json was changed or damaged, and model\.json"):
        load_model(folder)
    (folder / "card.json").unlink()
    with pytest.raises(ValueError, match=r"card\.json is missing, and model\.json"):
        load_model(folder)


# --- models of earlier versions ------------------------------------------------------------------


def test_a_model_of_an_earlier_version_loads_with_a_warning(folder):
    before = Predictor.load(folder, device="cpu")
    about = description_of(folder)
    write_old(folder, calibration=about["conformal"])
    with pytest.warns(NotSealed, match="holds no sha256 of itself: damage .* cannot be noticed"):
        old = Predictor.load(folder, device="cpu")
    assert old.conformal == before.conformal == QUANTILES  # under their earlier name
    assert old(voice_like(1), 16_000).score == before(voice_like(1), 16_000).score


def test_the_command_line_says_so_in_one_line(folder, tmp_path, capsys, monkeypatch):
    import soundfile as sf

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    write_old(folder)
    sf.write(tmp_path / "a.wav", voice_like(1), 16_000)
    with warnings.catch_warnings():
        warnings.simplefilter("default", NotSealed)
        assert cli.main(["predict", str(tmp_path / "a.wav"), "--model", str(folder)]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "earlier version" in line]
    assert len(said) == 1 and said[0].startswith(f"aqp: {folder}")


def test_in_a_run_the_manifest_has_the_hash_of_an_old_model(folder):
    from aqp_utils.core.files import sha256

    write_old(folder)
    path = folder / "model.json"
    write_json(folder / "manifest.json", {"outputs": {"model.json": sha256(path)}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(folder)
    path.write_text(path.read_text("utf-8").replace('"clip_s": 1.0', '"clip_s": 2.0'), "utf-8")
    with pytest.raises(ValueError, match=r"its sha256 is not that of manifest\.json"):
        load_model(folder)


# --- what the description may say ----------------------------------------------------------------


def put(entry, value):
    def change(about):
        *path, last = entry.split(".")
        for key in path:
            about = about[key]
        if value is None:
            del about[last]
        else:
            about[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (put("encoder", "x"), "lacks an entry .'encoder' is \"x\", not a JSON object"),
        (put("encoder.name", None), "lacks an entry .'encoder.name'"),
        (put("encoder.layer", "top"), 'encoder.layer = "top", which must be a whole number'),
        (put("encoder.pooling", "max"), "must be mean or mean.std"),
        (put("encoder.pooling", None), "does not say its encoder's pooling"),
        (put("encoder.weights_sha256", None), "does not say its encoder's weights_sha256"),
        (put("encoder.weights_sha256", "0"), "must be a SHA-256 of 64 hex digits"),
        (put("encoder.config_sha256", "0" * 64), r"whose config\.json is another"),
        (put("clip_s", 1e-9), "clip_s = 1e-09, which must be a length in seconds, 0.25 to 60"),
        (put("clip_s", "3"), 'clip_s = "3", which must be a length'),
        (put("clip_s", 1e9), "must be a length in seconds"),
        (put("feature_set", "own"), "no feature set 'own'; the sets are"),
        (put("feature_set", ["classic"]), "feature_set = .*, which must be text"),
        (put("feature_names", ["a"]), "names other features than the set classic"),
        (put("conformal.level", 9), "conformal.level = 9, which must be a share"),
        (put("conformal.low", [0.1]), "as many low and high ends as scores"),
        (put("conformal.score", [3.0, 1.5]), "and those in order"),
        (put("conformal.high", []), "conformal.high = .., which must be a list of numbers"),
        (put("conformal.high", ["a", 1]), r"conformal.high.0. = \"a\", which must be a number"),
        (put("conformal.score", None), "lacks an entry .'conformal.score'"),
        (put("speech", {"weights": [1.0], "bias": 0, "threshold": 0}), "must hold 32 weights"),
        (put("speech", "yes"), "must be a JSON object or null"),
        (put("scaler.mean", ["x"] * 51), r"scaler.mean.0. = \"x\", which must be a number"),
        (put("scaler.scale", [-1.0] * 51), "positive scales"),
        (put("architecture.n_classes", 4), "architecture.n_classes = 4, which must be 3"),
        (put("architecture.dropout", 1.0), "must be a share"),
        (put("architecture", [1]), "lacks an entry"),
        (put("format", None), "lacks an entry .'format'"),
        (put("format", "two"), 'has format "two"; this version reads 1 and 2'),
    ],
)
def test_a_wrong_entry_is_named_in_one_sentence(folder, change, sentence):
    about = description_of(folder)
    change(about)
    write_sealed(folder / "model.json", about)
    with pytest.raises(ValueError, match=sentence) as raised:
        Predictor.load(folder, device="cpu")
    assert "\n" not in str(raised.value) and str(folder) in str(raised.value) or "own" in sentence


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"clip_s": 1.0', '"clip_s": NaN', "is not JSON .NaN is no finite number"),
        ('"clip_s": 1.0', '"clip_s": 1e999', "is not JSON .1e999 is no finite number"),
        ('"clip_s": 1.0', f'"clip_s": {"[" * 100_000}', "is not JSON"),
        ('"clip_s": 1.0', f'"clip_s": {"9" * 5_000}', "is not JSON"),
        ("{", "[{", "is not JSON"),
    ],
)
def test_what_json_cannot_hold_is_named(folder, old, new, sentence):
    path = folder / "model.json"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=sentence):
        Predictor.load(folder, device="cpu")


def test_a_description_that_is_a_list_is_named(folder):
    (folder / "model.json").write_text("[]")
    with pytest.raises(ValueError, match="is not JSON of one object"):
        load_model(folder)


# --- parts lie in the folder ---------------------------------------------------------------------


@pytest.mark.parametrize("outside", ["../outside.safetensors", "/x.safetensors", "..", "a\\b", ""])
@pytest.mark.parametrize("part", ["weights", "spectrogram"])
def test_parts_outside_the_folder_are_refused(tmp_path, part, outside):
    shutil.copyfile(
        copy_shipped("predictor", tmp_path) / "spectrogram.safetensors",
        tmp_path / "outside.safetensors",
    )
    folder = tmp_path / "predictor"
    about = description_of(folder)
    about[part]["file"] = outside
    write_sealed(folder / "model.json", about)
    with pytest.raises(ValueError, match="must be .*(plain name of a file|text, not empty)"):
        Predictor.load(folder, device="cpu")


def test_documents_outside_the_folder_are_refused(folder):
    about = description_of(folder) | {"documents": {"../card.json": "0" * 64}}
    write_sealed(folder / "model.json", about)
    with pytest.raises(ValueError, match=r"documents = .*must be the plain name of a file"):
        load_model(folder)


def test_what_the_package_writes_is_as_the_schema_says(original):
    assert Predictor.load(original, device="cpu").conformal == QUANTILES
    assert set(residual_quantiles(range(30), range(30))) == set(QUANTILES)
