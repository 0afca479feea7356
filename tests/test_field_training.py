import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_encoder import TINY
from transformers import Wav2Vec2Config, Wav2Vec2Model

from aqp_utils.core.audio import SAMPLE_RATE, level_of_training
from aqp_utils.core.scale import class_of_score
from aqp_utils.degradations.catalogue import FAMILIES
from aqp_utils.degradations.degrade import add_noise
from aqp_utils.encoders.wav2vec2 import load_encoder
from aqp_utils.features.psychoacoustics import psychoacoustic_features
from aqp_utils.predict import shipped
from aqp_utils.predict.predictor import Predictor
from aqp_utils.sources.tones import tone_clip
from aqp_utils.training.field import batches, training
from aqp_utils.training.field.batches import draw_batch, families_of, groups_of
from aqp_utils.training.field.clips import FieldClips
from aqp_utils.training.field.export import export
from aqp_utils.training.field.network import FieldNet, for_prediction, shipped_folder, take_over
from aqp_utils.training.field.recipe import FIRST_OTHER
from aqp_utils.training.field.training import (
    FieldSettings,
    Training,
    known_inputs,
    measure,
    predict,
    rate_factor,
    train,
)
from aqp_utils.training.losses import beyond_the_top, hearing_loss, pair_loss

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
            rows.append(dict(source=source, version=version, part=parts[source], history="[]"))
    table = pd.DataFrame(rows)
    table["score"] = np.tile(SCORES, N_SOURCES)
    table["family"] = np.where(table["source"] % 2 == 0, "tones", "formant voice")
    table["quality"] = class_of_score(table["score"])
    return FieldClips(np.stack(audio), np.stack(features), table, 0)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    Wav2Vec2Model(Wav2Vec2Config(**TINY)).save_pretrained(folder)
    return load_encoder(str(folder), hidden_size=None, device="cpu", verbose=False)


@pytest.fixture(scope="module")
def known(clips, encoder):
    return known_inputs(clips, encoder)


def settings(**given):
    values = dict(epochs=3, warmup=4, crop_s=0.8, patience=99, batch_sources=4)
    return FieldSettings(**values | given)


def test_known_inputs_are_features_then_embedding_and_are_kept(clips, encoder, known, tmp_path):
    assert known.shape == (len(clips.table), 19 + TINY["hidden_size"])
    np.testing.assert_array_equal(known[:, :19], clips.features.astype(np.float32))
    one = encoder.embed([clips.audio[7] / 2**15])[0]
    np.testing.assert_allclose(known[7, 19:], one, atol=1e-4)
    known_inputs(clips, encoder, tmp_path / "known.npy")
    again = known_inputs(clips, None, tmp_path / "known.npy")
    np.testing.assert_array_equal(again, known)


def test_it_learns_what_noise_is_worth(clips, known, tmp_path):
    model = train(clips, known, tmp_path, settings(epochs=20))
    rows = batches.some_rows(clips, "test", len(clips.table))
    found = measure(model, clips, known, rows, settings(), "cpu")
    assert found["pcc"] > 0.8 and found["rmse"] < 0.9
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["validation_loss"].min() < 0.7 * history["validation_loss"].iloc[0]


def test_an_interrupted_training_ends_with_the_same_weights(
    clips, known, tmp_path, capsys, monkeypatch
):
    whole = train(clips, known, tmp_path / "whole", settings())
    cut = Training(clips, known, tmp_path / "parts", settings())
    learn = cut.learn

    def learn_until_the_power_fails(factor):
        if cut.progress["step"] == 5:
            raise KeyboardInterrupt
        learn(factor)

    monkeypatch.setattr(cut, "learn", learn_until_the_power_fails)
    with pytest.raises(KeyboardInterrupt):
        cut.run(checkpoint_every_s=0.0)
    parts = train(clips, known, tmp_path / "parts", settings())
    assert "resuming after 5 steps" in capsys.readouterr().out
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
    first, second = (pd.read_csv(tmp_path / name / "history.csv") for name in ("whole", "parts"))
    np.testing.assert_allclose(first["train_loss"], second["train_loss"])


def test_it_stops_when_validation_gets_no_better_and_keeps_the_best(
    clips, known, tmp_path, monkeypatch
):
    losses = iter(
        [1.0, 1.1, 0.8, 0.5, 0.6, 0.7, 0.7, 0.8, 0.4]
    )  # of the last and of the mean weights
    rest = dict(pcc=0.0, srcc=0.0, rmse=0.0, accuracy=0.0)
    seen = []

    def fake(model, *_):
        seen.append({k: v.clone() for k, v in model.state_dict().items()})
        return {"loss": next(losses), **rest}

    monkeypatch.setattr(training, "measure", fake)
    model = train(clips, known, tmp_path, settings(epochs=5, patience=2))
    assert len(seen) == 8
    torch.testing.assert_close(model.state_dict(), seen[3], rtol=0, atol=0)
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert (kept["weights"], kept["epoch"], kept["loss"]) == ("mean", 2, 0.5)


def test_the_mean_over_the_steps_counts_later_ones_more(clips, known, tmp_path, monkeypatch):
    begun = Training(clips, known, tmp_path, settings(epochs=1))
    passed, learn = [], begun.learn

    def learn_and_look(factor):
        learn(factor)
        passed.append([tensor.detach().clone() for tensor in begun.model.parameters()])

    monkeypatch.setattr(begun, "learn", learn_and_look)
    begun.run()
    shares = np.arange(1, len(passed) + 1) / np.arange(1, len(passed) + 1).sum()
    for found, *tensors in zip(begun.mean.module.parameters(), *passed, strict=True):
        wanted = sum(share * tensor for share, tensor in zip(shares, tensors, strict=True))
        torch.testing.assert_close(found.detach(), wanted.float(), rtol=1e-4, atol=1e-6)


def test_what_started_from_learned_weights_ends_half_way_to_the_best(
    clips, known, tmp_path, monkeypatch
):
    begun = Training(clips, known, tmp_path, settings(epochs=1))
    first = {name: tensor.clone() for name, tensor in begun.model.state_dict().items()}
    begun.first, losses = first, iter([0.5, 0.6, 0.9])
    found = dict(pcc=0.0, rmse=0.0)
    monkeypatch.setattr(begun, "measured", lambda model: {"loss": next(losses), **found})
    learn, last = begun.learn, {}

    def learn_and_look(factor):
        learn(factor)
        last.update({k: v.detach().clone() for k, v in begun.model.named_parameters()})

    monkeypatch.setattr(begun, "learn", learn_and_look)
    begun.run()
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert (kept["weights"], kept["loss"]) == ("half-way to last", 0.9)
    for name, tensor in begun.model.named_parameters():
        torch.testing.assert_close(tensor, (first[name] + last[name]) / 2)


def test_a_batch_has_the_clean_clip_and_others_that_change():
    group, rng = np.arange(10, 19), np.random.default_rng(0)
    is_stretched = np.arange(19) >= 17
    drawn = [batches.some_versions(group, is_stretched, 5, rng) for _ in range(60)]
    assert all(len(set(rows)) == 5 and rows[0] == 10 for rows in drawn)
    assert all(is_stretched[rows[1]] for rows in drawn)
    assert set(np.concatenate(drawn)) == set(group)
    assert batches.some_versions(group[:3], is_stretched, 5, rng).tolist() == [10, 11, 12]
    none = np.zeros(19, dtype=bool)
    assert len(set(batches.some_versions(group, none, 5, rng))) == 5


def test_only_the_last_training_learns_from_mechanisms_held_out(clips, known, tmp_path):
    version = np.where(clips.table["version"] == 2, FIRST_OTHER, clips.table["version"])
    clips = replace(clips, table=clips.table.assign(version=version))
    first = Training(clips, known, tmp_path / "first", settings())
    assert {tuple(version[rows]) for rows in first.groups} == {(0, 1)}
    last = Training(clips, known, tmp_path / "last", settings(everything=True))
    assert {tuple(version[rows]) for rows in last.groups} == {(0, 1, FIRST_OTHER)}
    assert not last.is_stretched.any()


def test_a_large_validation_part_is_thinned_by_whole_sources(clips):
    everything = batches.some_rows(clips, "validation", 99)
    assert everything.tolist() == np.flatnonzero(clips.table["part"] == "validation").tolist()
    some = batches.some_rows(clips, "validation", 7)  # of 12 clips, 3 a source
    assert clips.table.loc[some, "source"].value_counts().tolist() == [3, 3]


def test_a_clock_wanders_alike_for_all_versions_of_a_source():
    time_s = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    audio = torch.sin(2 * np.pi * 1000 * time_s) * torch.tensor([[1.0], [2.0], [1.0], [1.0], [3.0]])
    sizes = [2, 3]
    plain = batches.by_wandering_clocks(
        audio, sizes, np.random.default_rng(1), settings(wandering=0.0)
    )
    torch.testing.assert_close(plain, audio)
    moved = batches.by_wandering_clocks(
        audio, sizes, np.random.default_rng(1), settings(wandering=1.0)
    )
    torch.testing.assert_close(2 * moved[0], moved[1])
    torch.testing.assert_close(3 * moved[2], moved[4])
    assert (moved[0] - audio[0]).std() > 0.01 and (moved[0] - moved[2]).std() > 0.01
    assert moved.std().item() == pytest.approx(audio.std().item(), rel=0.01)


def test_a_wandering_clock_is_right_at_both_ends_and_never_far_off():
    ahead = np.stack([batches.random_wander(40_000, np.random.default_rng(i)) for i in range(50)])
    np.testing.assert_allclose(ahead[:, [0, -1]], 0, atol=1e-9)
    speed = np.diff(ahead, axis=1)
    assert speed.std(axis=1).min() > 1e-4 and speed.std(axis=1).max() < 0.011
    assert 1 < np.abs(ahead).max() < 0.005 * SAMPLE_RATE


def test_reading_between_samples_delays_a_tone():
    places, radians = np.arange(100, 8000) + 0.37, 2 * np.pi * 2000 / SAMPLE_RATE
    tone = torch.sin(radians * torch.arange(SAMPLE_RATE))
    read = batches.read_finely(tone.unsqueeze(0), places)[0]
    np.testing.assert_allclose(read, np.sin(radians * places), atol=0.01)


def test_a_floor_is_the_same_under_all_versions_of_a_source():
    rng, sizes = np.random.default_rng(0), [2, 3]
    audio = torch.from_numpy(rng.standard_normal((5, SAMPLE_RATE))).float() * 1000
    audio[1] *= 3
    plain = batches.over_floors(audio, sizes, np.random.default_rng(1), settings(floored=0.0))
    torch.testing.assert_close(plain, audio)
    floored = batches.over_floors(audio, sizes, np.random.default_rng(1), settings(floored=1.0))
    loudness = audio.square().mean(dim=1, keepdim=True).sqrt()
    floors = (floored - audio) / loudness
    torch.testing.assert_close(floors[0], floors[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(floors[2], floors[4], rtol=0, atol=1e-5)
    levels_db = 20 * floors.square().mean(dim=1).sqrt().log10()
    assert (
        levels_db.min() > -80 and levels_db.max() < -26 and abs(levels_db[0] - levels_db[2]) > 0.1
    )


def test_hidden_inputs_do_not_matter_and_shown_ones_do(clips, known):
    model = FieldNet(known.mean(0), known.std(0) + 1e-6, seed=0).eval()
    audio = torch.from_numpy(clips.audio[:4].astype(np.float32))
    inputs, hidden = torch.from_numpy(known[:4]), torch.tensor([True, True, False, False])
    with torch.no_grad():
        first, second = (model(audio, given, hidden)[1] for given in (inputs, inputs + 5))
    torch.testing.assert_close(first[:2], second[:2])
    assert (first[2:] != second[2:]).all()


def test_in_prediction_known_inputs_count_for_the_share_that_was_shown(clips, known):
    model = FieldNet(known.mean(0), known.std(0) + 1e-6, seed=0).eval()
    audio = torch.from_numpy(clips.audio[:4].astype(np.float32))
    shown, mean = torch.from_numpy(known[:4]), torch.from_numpy(known.mean(0))
    with torch.inference_mode():
        half = for_prediction(model, 0.5)(audio, shown)[1]
        nearer = model(audio, mean + 0.5 * (shown - mean))[1]
        whole = model(audio, shown)[1]
    np.testing.assert_allclose(half, nearer, atol=1e-4)
    assert not np.allclose(half, whole, atol=1e-3)


def test_what_is_known_of_a_retold_clip_cannot_be_shown():
    with pytest.raises(ValueError, match="retold is 0.5 and hidden 0.2; allowed"):
        settings(retold=0.5, hidden=0.2)


def test_a_retold_batch_has_one_microphone_a_group_and_nothing_known(clips, known):
    groups = groups_of(clips, "train")[:2]
    often = settings(retold=0.5, hidden=0.75, floored=0.0, crop_s=1.0, speeds=(1.0, 1.0))
    often = replace(often, wandering=0.0)
    never = replace(often, retold=0.0, hidden=0.0)
    plain, _, shown, *_ = draw_batch(clips, known, groups, np.random.default_rng(0), never)
    drawn = [draw_batch(clips, known, groups, np.random.default_rng(i), often) for i in range(60)]
    as_is = [torch.equal(audio, plain) for audio, *_ in drawn]
    hidden = [bool(one[2].all()) for one in drawn]
    assert not shown.any() and all(hide or same for hide, same in zip(hidden, as_is, strict=True))
    assert 0.6 < np.mean(hidden) < 0.9 and 0.35 < np.mean(as_is) < 0.65
    rows = np.concatenate(groups)
    torch.testing.assert_close(plain, torch.tensor(clips.audio[rows]).float(), rtol=0, atol=0)
    apart = []
    for heard in (audio for (audio, *_), same in zip(drawn, as_is, strict=True) if not same):
        response = torch.fft.rfft(heard).abs() / torch.fft.rfft(plain).abs().clamp(min=1)
        middle = response[:, 500:3000]
        torch.testing.assert_close(middle[0], middle[1], rtol=0.05, atol=0.05)
        apart.append(float((middle[0] - middle[3]).abs().max()))
    assert np.median(apart) > 0.1


def test_whatever_the_speed_every_batch_sounds_equally_long(clips, known):
    groups = groups_of(clips, "train")[:2]
    given = settings(retold=0.5, hidden=0.5, crop_s=0.8, speeds=(0.8, 1.25))
    drawn = [draw_batch(clips, known, groups, np.random.default_rng(i), given) for i in range(20)]
    assert {one[0].shape[1] for one in drawn} == {round(0.8 * SAMPLE_RATE)}


def test_played_at_another_speed_a_tone_has_another_pitch():
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(SAMPLE_RATE) / SAMPLE_RATE).unsqueeze(0)
    for speed in (0.8, 1.25):
        given, n = settings(filter_db=(0.0, 0.0)), round(SAMPLE_RATE / speed)
        played = batches.retold(tone, [1], n, np.random.default_rng(0), given)[0]
        assert len(played) == n
        peak_hz = torch.fft.rfft(played).abs().argmax() * SAMPLE_RATE / len(played)
        assert peak_hz == pytest.approx(1000 * speed, rel=0.01)


def test_the_rate_warms_up_and_ends_at_zero():
    assert rate_factor(0, 100, 10) == pytest.approx(0.1)
    assert rate_factor(10, 100, 10) == pytest.approx(1)
    assert rate_factor(100, 100, 10) == pytest.approx(0)


def test_the_key_tells_settings_apart():
    assert settings().key() == settings().key() != settings(epochs=4).key()


def test_the_exported_predictor_says_what_the_model_said(clips, known, encoder, tmp_path):
    model = train(clips, known, tmp_path / "training", settings())
    more = np.tile(np.arange(len(clips.table)), 2)  # an interval takes 20 clips
    table = clips.table.iloc[more].reset_index(drop=True)
    twice = FieldClips(clips.audio[more], clips.features[more], table, 0)
    rows = np.flatnonzero(clips.table["part"] == "test")
    before = predict(model, clips, known, rows, "cpu").score
    folder = tmp_path / "predictor"
    card = export(model, twice, known[more], encoder, folder, 1.0, {"data": "tones"})
    predictor = Predictor.load(folder)
    assert set(card["sha256"]) == {"model.safetensors", "spectrogram.safetensors"}
    assert card["encoder"]["weights_sha256"] == predictor.encoder.weights_sha256
    given = dict(predictor.conformal, n=7)
    export(model, twice, known[more], encoder, tmp_path / "last", 1.0, {}, conformal=given)
    assert Predictor.load(tmp_path / "last").conformal == given
    inputs = predictor.inputs([level_of_training(clips.audio[row] / 2**15) for row in rows])
    after = predictor.model.predict(inputs).score
    # The features of stored clips are those of the clips before they were rounded to 16 bits.
    np.testing.assert_allclose(after, before, atol=0.02)
    result = predictor(clips.audio[0] / 2**15, SAMPLE_RATE)
    assert {"weights", "bias", "threshold", "auc", "missed"} == set(predictor.model.about["speech"])
    assert 1 <= result.interval[0] <= result.score <= result.interval[1] <= 4.5
    (folder / "spectrogram.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="changed or damaged"):
        Predictor.load(folder)
    (folder / "spectrogram.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="missing"):
        Predictor.load(folder)


def test_overhearing_a_rare_damage_costs_as_much_as_imagining_it_everywhere():
    met = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    certain = 9.0 * (2 * met - 1)
    assert hearing_loss(certain, met, [3, 3]) < 1e-3
    none = hearing_loss(torch.full((6,), -9.0), met, [3, 3])
    everywhere = hearing_loss(torch.full((6,), 9.0), met, [3, 3])
    assert none == pytest.approx(everywhere.item(), abs=0.01) and none > 4
    like_the_clean_one = torch.tensor([0.0, 0.0, 0.0, -5.0, -5.0, -5.0])
    assert hearing_loss(like_the_clean_one, met, [3, 3]) > hearing_loss(certain / 9, met, [3, 3])
    assert torch.isfinite(hearing_loss(certain, torch.zeros(6), [3, 3]))


def test_an_undamaged_clip_has_to_exceed_the_top_and_is_never_too_good():
    scores, predicted = torch.tensor([4.5, 4.5, 4.5, 4.4]), torch.tensor([6.0, 4.5, 4.0, 4.6])
    for margin, costs in ((0.7, [0.0, 0.7, 1.2, 0.2]), (0.0, [0.0, 0.0, 0.5, 0.2])):
        counted, wanted = beyond_the_top(predicted, scores, margin)
        assert (counted - wanted).abs() == pytest.approx(costs, abs=1e-6)


def test_what_the_versions_of_a_source_share_costs_no_pair_loss():
    scores = torch.tensor([4.5, 3.0, 1.0, 4.5, 2.0])
    offset = torch.tensor([0.7, 0.7, 0.7, -0.3, -0.3])
    assert pair_loss(scores + offset, scores, [3, 2]) == pytest.approx(0, abs=1e-6)
    wrong = scores + torch.tensor([0.6, 0, 0, 0, 0])
    assert pair_loss(wrong, scores, [3, 2]) == pytest.approx(4 * 0.6 / 13)


def test_families_are_named_by_how_much_of_them_there_is(clips):
    history = '[{"name": "opus", "intensity": 0.2}, {"name": "packet_loss", "intensity": 0.9}]'
    some = replace(clips, table=clips.table.assign(history=history))
    found = dict(zip(FAMILIES, families_of(some, np.array([0]))[0].tolist(), strict=True))
    assert found["codec"] == pytest.approx(0.4) and found["packets"] == 1
    assert sum(found.values()) == pytest.approx(1.4)


def test_a_training_starts_where_an_exported_predictor_stopped(clips, known, encoder, tmp_path):
    model = train(clips, known, tmp_path / "run", settings(epochs=1))
    more = np.tile(np.arange(len(clips.table)), 2)  # an interval takes 20 clips
    table = clips.table.iloc[more].reset_index(drop=True)
    twice = FieldClips(clips.audio[more], clips.features[more], table, 0)
    export(model, twice, known[more], encoder, tmp_path / "predictor", 1.0, {})
    begun = FieldNet(model.mean * 1.1, model.scale * 0.5)
    take_over(begun, tmp_path / "predictor", settings().hidden)
    rows = np.arange(9)
    again = predict(for_prediction(begun, settings().hidden), clips, known, rows, "cpu")
    np.testing.assert_allclose(
        again.score, predict(model, clips, known, rows, "cpu").score, atol=2e-2
    )


def test_a_start_names_the_version_that_ships():
    version = shipped.card()["version"]
    assert shipped_folder(version) == shipped.FOLDER
    with pytest.raises(ValueError, match=f"start is 0.0.1, but {version} ships"):
        shipped_folder("0.0.1")


def test_what_goes_on_from_learned_weights_learns_half_as_fast():
    assert settings(start="1.0.0").highest_rate == settings().highest_rate / 2
