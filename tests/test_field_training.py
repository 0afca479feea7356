import numpy as np
import pandas as pd
import pytest
import torch
from tiny_encoder import TINY
from transformers import Wav2Vec2Config, Wav2Vec2Model

from aqp_utils import field_training
from aqp_utils.audio import SAMPLE_RATE, level_of_training
from aqp_utils.degrade import add_noise
from aqp_utils.field_clips import FieldClips
from aqp_utils.field_predictor import export
from aqp_utils.field_training import (
    FieldNet,
    FieldSettings,
    draw_batch,
    measure,
    predict,
    rate_factor,
    train,
)
from aqp_utils.predict import Predictor
from aqp_utils.psychoacoustics import psychoacoustic_features
from aqp_utils.quality import class_of_score
from aqp_utils.synth import tone_clip

N_SOURCES, SCORES = 20, (4.5, 3.0, 1.2)


@pytest.fixture(scope="module")
def clips():
    """Twenty sources, clean and with noise at 30 and 10 dB; what they are worth is made up."""
    audio, features, rows = [], [], []
    parts = ["train"] * 12 + ["validation"] * 4 + ["test"] * 4
    for source in range(N_SOURCES):
        rng = np.random.default_rng(source)
        clean = tone_clip(1.0, rng)[0].astype(np.float64)
        for version, snr_db in enumerate((None, 30, 10)):
            heard = clean if snr_db is None else add_noise(clean, snr_db, rng)
            heard = level_of_training(heard)
            features.append(psychoacoustic_features(heard))
            audio.append(np.round(heard * 32_000 / np.abs(heard).max()).astype(np.int16))
            rows.append(dict(source=source, version=version, part=parts[source]))
    table = pd.DataFrame(rows)
    table["score"] = np.tile(SCORES, N_SOURCES)
    table["family"] = np.where(table["source"] % 2 == 0, "tones", "formant voice")
    table["quality"] = class_of_score(table["score"])
    return FieldClips(np.stack(audio), np.stack(features), table, 0)


@pytest.fixture(autouse=True)
def tiny_encoder(tmp_path_factory, monkeypatch):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    Wav2Vec2Model(Wav2Vec2Config(**TINY)).save_pretrained(folder)
    monkeypatch.setattr(field_training, "EMBEDDED_FOLDER", folder)


def settings(**given):
    return FieldSettings(**dict(epochs=3, warmup=4, shortest_crop_s=0.8, patience=9) | given)


def test_it_learns_what_noise_is_worth(clips, tmp_path):
    model = train(clips, tmp_path, settings(epochs=25, network_rate=2e-3))
    found = measure(model, clips, "test", settings(), "cpu")
    assert found["pcc"] > 0.8 and found["rmse"] < 0.9
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["validation_loss"].min() < 0.7 * history["validation_loss"].iloc[0]


def test_an_interrupted_training_ends_with_the_same_weights(clips, tmp_path, capsys):
    whole = train(clips, tmp_path / "whole", settings())
    train(clips, tmp_path / "parts", settings(), stop_after_s=1e-9)
    parts = train(clips, tmp_path / "parts", settings())
    assert "resuming" in capsys.readouterr().out
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], tensor, rtol=0, atol=0, msg=name)


def test_it_stops_when_validation_gets_no_better_and_keeps_the_best(clips, tmp_path, monkeypatch):
    losses = iter([1.0, 0.5, 0.6, 0.7, 0.4])
    rest = dict(pcc=0.0, srcc=0.0, rmse=0.0, accuracy=0.0)
    seen = []

    def fake(model, *_):
        seen.append({k: v.clone() for k, v in model.state_dict().items()})
        return {"loss": next(losses), **rest}

    monkeypatch.setattr(field_training, "measure", fake)
    model = train(clips, tmp_path, settings(epochs=5, patience=2))
    assert len(seen) == 4
    torch.testing.assert_close(model.state_dict(), seen[1], rtol=0, atol=0)


def test_hidden_features_do_not_matter_and_shown_ones_do(clips):
    model = FieldNet(seed=0).eval()
    audio, features, *_ = field_training.clips_to_tensors(clips, np.arange(4))
    hidden = torch.tensor([True, True, False, False])
    with torch.no_grad():
        embedding = model.embed(audio)
        first = model.judge(embedding, features, hidden)[1]
        second = model.judge(embedding, features + 5, hidden)[1]
    torch.testing.assert_close(first[:2], second[:2])
    assert (first[2:] != second[2:]).all()


def test_a_group_has_one_microphone_and_no_features_then(clips):
    groups = field_training.groups_of(clips, "train")[:2]
    always, never = (settings(filtered=share, shortest_crop_s=1.0) for share in (1, 0))
    plain, *_, shown = draw_batch(clips, groups, np.random.default_rng(0), never)
    heard, *_, hidden = draw_batch(clips, groups, np.random.default_rng(0), always)
    assert hidden.all() and not shown.any()
    torch.testing.assert_close(
        plain, torch.tensor(clips.audio[np.concatenate(groups)]).float(), rtol=0, atol=0.1
    )
    response = torch.fft.rfft(heard).abs() / torch.fft.rfft(plain).abs().clamp(min=1)
    middle = response[:, 500:3000]
    torch.testing.assert_close(middle[0], middle[1], rtol=0.05, atol=0.05)
    assert (middle[0] - middle[3]).abs().max() > 0.1


def test_the_rate_warms_up_and_ends_at_zero():
    assert rate_factor(0, 100, 10) == pytest.approx(0.1)
    assert rate_factor(10, 100, 10) == pytest.approx(1)
    assert rate_factor(100, 100, 10) == pytest.approx(0)


def test_the_key_tells_settings_apart():
    assert settings().key() == settings().key() != settings(epochs=4).key()


def test_the_exported_predictor_says_what_the_model_said(clips, tmp_path):
    model = train(clips, tmp_path / "training", settings())
    more = np.tile(np.arange(len(clips.table)), 2)  # an interval takes 20 clips
    table = clips.table.iloc[more].reset_index(drop=True)
    twice = FieldClips(clips.audio[more], clips.features[more], table, 0)
    rows = np.flatnonzero(clips.table["part"] == "test")
    before = predict(model, clips, rows, "cpu").score
    card = export(model, twice, tmp_path / "predictor", 1.0, {"data": "tones"})
    predictor = Predictor.load(tmp_path / "predictor")
    assert card["sha256"]["encoder/model.safetensors"] == predictor.encoder.weights_sha256
    inputs = predictor._inputs([level_of_training(clips.audio[row] / 2**15) for row in rows])
    after = predictor.model.predict(inputs).score
    # bfloat16 while training, float16 weights and float32 arithmetic in use
    np.testing.assert_allclose(after, before, atol=0.1)
    result = predictor(clips.audio[0] / 2**15, SAMPLE_RATE)
    assert {"weights", "bias", "threshold", "auc", "missed"} == set(predictor.model.about["speech"])
    assert 1 <= result.interval[0] <= result.score <= result.interval[1] <= 4.5
