"""The network learns both tasks, repeats to the bit, and survives its files."""

import json
import os
import pickle

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from aqp_utils.core.device import torch_device
from aqp_utils.core.scale import CLASSES
from aqp_utils.model import (
    Examples,
    MultiTaskNet,
    QualityModel,
    fused,
    load_model,
    save_model,
    train,
)
from aqp_utils.model.prediction import from_logits


def study(n=120, n_inputs=40, seed=0):
    """Features in which the score is written, with noise; classes cut from the score."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(1.0, 4.5, n)
    features = rng.normal(size=(n, n_inputs)) + np.outer(scores, rng.normal(size=n_inputs))
    return features, np.digitize(scores, (2.2, 3.3)), scores


def trained(epochs=30, **settings):
    features, classes, scores = study()
    scaler = StandardScaler().fit(features[:96])
    inputs = scaler.transform(features)
    sets = [Examples(inputs[s], classes[s], scores[s]) for s in (slice(96), slice(96, None))]
    net = MultiTaskNet(40, hidden=(32, 16), seed=settings.get("seed", 0))
    history = train(net, *sets, epochs=epochs, learning_rate=3e-3, **settings)
    return net, scaler, history, features


def test_default_network_is_787_512_256_to_three_classes_and_one_score():
    net = MultiTaskNet()
    shapes = [tuple(p.shape) for name, p in net.named_parameters() if name.endswith("weight")]
    assert shapes == [(512, 787), (256, 512), (3, 256), (1, 256)]
    logits, score = net(torch.zeros(5, 787))
    assert logits.shape == (5, 3) and score.shape == (5,)


def test_untrained_score_is_mid_scale():
    score = MultiTaskNet().eval()(torch.zeros(1, 787))[1]
    assert abs(score.item() - 2.75) < 0.5


def test_both_tasks_are_learned():
    _, _, history, _ = trained()
    last = history.iloc[-1]
    assert last["test_accuracy"] > 0.85 and last["test_mse"] < 0.15
    assert last["train_loss"] < history["train_loss"][0] / 4


def test_history_columns_and_loss_is_the_weighted_sum():
    _, _, history, _ = trained(epochs=3, score_weight=0.7)
    assert list(history) == [
        "epoch", "train_loss", "test_loss", "train_ce", "test_ce", "train_mse", "test_mse",
        "train_accuracy", "test_accuracy",
    ]  # fmt: skip
    assert history["epoch"].tolist() == [1, 2, 3]
    for part in ("train", "test"):
        total = history[f"{part}_ce"] + 0.7 * history[f"{part}_mse"]
        np.testing.assert_allclose(history[f"{part}_loss"], total, rtol=1e-6)


def test_same_seed_same_bits_other_seed_others():
    first, _, history, _ = trained(epochs=2, seed=5)
    again, _, history_again, _ = trained(epochs=2, seed=5)
    other, _, _, _ = trained(epochs=2, seed=6)
    assert history.equals(history_again)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.score_head.weight, other.score_head.weight)


def test_global_random_state_is_untouched():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    trained(epochs=2)
    assert torch.equal(torch.rand(3), expected)


def test_a_head_without_weight_is_not_trained():
    start = MultiTaskNet(40, hidden=(32, 16))
    class_only = trained(epochs=2, score_weight=0)[0]
    score_only = trained(epochs=2, class_weight=0)[0]
    assert torch.equal(class_only.score_head.weight, start.score_head.weight)
    assert torch.equal(score_only.class_head.weight, start.class_head.weight)
    assert not torch.equal(class_only.class_head.weight, start.class_head.weight)


def test_divergence_is_named():
    features, classes, scores = study()
    part = Examples(features * 1e30, classes, scores)
    with pytest.raises(ValueError, match="diverged in epoch 1.*below 1"):
        train(MultiTaskNet(40, (8,)), part, part, learning_rate=1.0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x, c, s: (x[:, :-1], c, s), r"takes \(n, 40\)"),
        (lambda x, c, s: (x, c[:-1], s), "inputs"),
        (lambda x, c, s: (np.where(x == x[7, 3], np.nan, x), c, s), "1 of 120 .*first at row 7"),
        (lambda x, c, s: (x, c + 1, s), "whole numbers from 0 to 2"),
        (lambda x, c, s: (x[:0], c[:0], s[:0]), "n ≥ 1"),
    ],
)
def test_sets_that_do_not_fit_are_named(change, sentence):
    good = Examples(*study())
    with pytest.raises(ValueError, match=f"test set: .*{sentence}"):
        train(MultiTaskNet(40, (8,)), good, Examples(*change(*good)))


def test_saved_model_gives_the_same_numbers(tmp_path):
    net, scaler, _, features = trained()
    about = {"feature_set": "psychoacoustic", "encoder": {"name": "random", "layer": -1}}
    before = QualityModel(net, scaler.mean_, scaler.scale_).predict(features)
    save_model(tmp_path, net, scaler, about)
    model = load_model(tmp_path)
    after = model.predict(features)
    np.testing.assert_array_equal(after.score, before.score)
    np.testing.assert_array_equal(after.probabilities, before.probabilities)
    assert after.quality == before.quality and model.about == about
    assert sorted(os.listdir(tmp_path)) == ["model.json", "model.safetensors"]


def test_predictions_are_on_the_scale():
    net, scaler, _, features = trained()
    prediction = QualityModel(net, scaler.mean_, scaler.scale_).predict(features * 50)
    assert prediction.score.min() >= 1.0 and prediction.score.max() <= 4.5
    np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1.0)
    assert set(prediction.quality) <= set(CLASSES)


def test_features_that_do_not_fit_are_named():
    net, scaler, _, features = trained(epochs=1)
    model = QualityModel(net, scaler.mean_, scaler.scale_)
    with pytest.raises(ValueError, match=r"\(120, 39\); this model takes \(n, 40\)"):
        model.predict(features[:, 1:])
    features[4, 2] = np.inf
    with pytest.raises(ValueError, match="1 of 120 clips .* first at row 4; no score"):
        model.predict(features)


def test_failed_save_leaves_the_old_model(tmp_path):
    net, scaler, _, features = trained(epochs=1)
    save_model(tmp_path, net, scaler, {})
    expected = load_model(tmp_path).predict(features).score
    other = trained(epochs=2)[0]
    with pytest.raises(ValueError, match="NaN"):
        save_model(tmp_path, other, scaler, {"bad": float("nan")})
    np.testing.assert_array_equal(load_model(tmp_path).predict(features).score, expected)
    assert sorted(os.listdir(tmp_path)) == ["model.json", "model.safetensors"]


def test_about_may_not_replace_fixed_entries(tmp_path):
    net, scaler, _, _ = trained(epochs=1)
    with pytest.raises(ValueError, match="about may not hold scaler, weights"):
        save_model(tmp_path, net, scaler, {"weights": 1, "scaler": 2})


class Payload:
    """Leaves a file behind if anything ever unpickles it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_pickled_checkpoints_are_refused_and_nothing_runs(tmp_path):
    marker = tmp_path / "executed"
    folder = tmp_path / "model"
    folder.mkdir()
    torch.save(Payload(marker), folder / "model.pt")
    for path in (folder, folder / "model.pt"):
        with pytest.raises(ValueError, match=r"model\.pt is a pickled checkpoint"):
            load_model(path)
    assert not marker.exists()


@pytest.mark.parametrize("write", ["torch", *range(2, pickle.HIGHEST_PROTOCOL + 1)])
def test_pickle_under_the_name_of_the_weights_is_refused(tmp_path, write):
    net, scaler, _, _ = trained(epochs=1)
    save_model(tmp_path, net, scaler, {})
    weights, marker = tmp_path / "model.safetensors", tmp_path / "executed"
    if write == "torch":
        torch.save(Payload(marker), weights)
    else:
        weights.write_bytes(pickle.dumps(Payload(marker), protocol=write))
    with pytest.raises(ValueError, match="pickled checkpoint, which can execute code"):
        load_model(tmp_path)
    assert not marker.exists()


def test_flipped_byte_is_found(tmp_path):
    net, scaler, _, _ = trained(epochs=1)
    save_model(tmp_path, net, scaler, {})
    weights = tmp_path / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-10] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors was changed"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_missing_file_is_named(tmp_path, name):
    net, scaler, _, _ = trained(epochs=1)
    save_model(tmp_path, net, scaler, {})
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        load_model(tmp_path)


def edit(entry, value):
    def change(description):
        if value is None:
            del description[entry]
        else:
            description[entry] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (edit("format", 99), "format 99; this version reads 1"),
        (edit("scaler", None), "lacks an entry .'scaler'"),
        (edit("weights", "x"), "lacks an entry"),
        (edit("classes", ["bad", "good"]), "classes must be"),
        (edit("scaler", {"mean": [0.0] * 40, "scale": [0.0] * 40}), "positive scales"),
        (edit("scaler", {"mean": [0.0], "scale": [1.0]}), "must hold 40 means"),
        (
            edit(
                "architecture",
                {"n_inputs": 40, "hidden": [10**9, 16], "dropout": 0.3, "n_classes": 3},
            ),
            "do not fit the architecture",
        ),
        (edit("architecture", {"n_inputs": 40, "widths": [1]}), "do not fit the architecture"),
    ],
)
def test_altered_description_is_named(tmp_path, change, sentence):
    net, scaler, _, _ = trained(epochs=1)
    save_model(tmp_path, net, scaler, {})
    file = tmp_path / "model.json"
    description = json.loads(file.read_text())
    change(description)
    file.write_text(json.dumps(description))
    with pytest.raises(ValueError, match=sentence):
        load_model(tmp_path)


def test_description_that_is_not_json(tmp_path):
    net, scaler, _, _ = trained(epochs=1)
    save_model(tmp_path, net, scaler, {})
    (tmp_path / "model.json").write_bytes(b"\x80\x04abc")
    with pytest.raises(ValueError, match="is not JSON"):
        load_model(tmp_path)


def test_logits_become_probabilities_classes_and_scores_on_the_scale():
    logits = torch.tensor([[0.0, np.log(3.0), 0.0], [9.0, 0.0, 0.0]])
    got = from_logits(logits, torch.tensor([9.0, -1.0]))
    assert got.probabilities[0] == pytest.approx([0.2, 0.6, 0.2])
    assert got.quality == ["medium", "low"] and got.score.tolist() == [4.5, 1.0]
    assert got.probabilities.dtype == got.score.dtype == np.float64


def test_inputs_are_features_first_and_rows_must_agree():
    inputs = fused(np.zeros((3, 2)), np.ones((3, 4), np.float32), np.full((3, 1), 2.0))
    assert inputs[0].tolist() == [0, 0, 1, 1, 1, 1, 2] and inputs.dtype == np.float64
    with pytest.raises(ValueError, match="of 3 and 2 clips cannot be fused"):
        fused(np.zeros((3, 2)), np.ones((2, 4)))


def test_device_is_chosen_where_it_is_left_open(monkeypatch):
    for there, chosen in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert torch_device() == torch_device("auto") == chosen
    assert torch_device("cuda:1") == "cuda:1"
