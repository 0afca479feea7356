"""Pretraining: the stream, the targets, what the loop promises when it is interrupted."""

import json

import numpy as np
import pytest
import torch

from aqp_utils.core.audio import SAMPLE_RATE, rms_dbfs
from aqp_utils.core.randomness import rng_for
from aqp_utils.degradations.degrade import SEVERITY_RANGES, add_noise
from aqp_utils.encoders import embedded
from aqp_utils.encoders.wav2vec2 import load_encoder, normalized
from aqp_utils.training.encoder import pretraining
from aqp_utils.training.encoder.pretraining import Pretrainer, Settings, draw_batch, draw_mask
from aqp_utils.training.encoder.stream import (
    PARAMETER_RANGES,
    VERSIONS,
    build_pool,
    damaged,
    tilted,
)
from aqp_utils.training.encoder.targets import LogMel, clip_statistics, difference, unit_variance

RNG = np.random.default_rng(0)
QUICK = Settings(steps=4, batch_size=2, warmup=2, crop_s=1.0)
SHAPE = embedded.SHAPE | {
    "hidden_size": 48,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "conv_dim": (64, 32, 32),
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return build_pool(tmp_path_factory.mktemp("pool") / "tones.pool", 3, "tones", duration_s=1.5)


@pytest.fixture
def small(monkeypatch):
    """The loop with an encoder of a thousandth of the size."""
    monkeypatch.setattr(pretraining, "SHAPE", SHAPE)


def test_pool_resumes_to_the_same_bits(tmp_path, pool):
    path = tmp_path / "tones.pool"
    build_pool(path, 3, "tones", duration_s=1.5)
    path.with_name(path.name + ".done").write_text("1")  # as if it had stopped after one
    with open(path, "r+b") as file:
        file.seek(pool[0].nbytes + 10)
        file.write(b"half-written")
    assert np.array_equal(build_pool(path, 3, "tones", duration_s=1.5), pool)


def test_versions_are_one_source_damaged_in_different_ways(pool):
    assert pool.shape == (3, VERSIONS, 24_000) and pool.dtype == np.int16
    assert len({row.tobytes() for row in pool[0]}) == VERSIONS
    assert not np.array_equal(pool[0, 0], pool[1, 0])


def test_the_stream_covers_the_severities_without_their_gaps():
    for kind, (low, high) in PARAMETER_RANGES.items():
        for ends in SEVERITY_RANGES[kind].values():
            assert low <= min(ends) and max(ends) <= high


def test_damage_keeps_the_level_and_tilt_does_what_it_says():
    clean = 0.05 * RNG.standard_normal(SAMPLE_RATE)
    assert rms_dbfs(damaged(clean, np.random.default_rng(1))) == pytest.approx(rms_dbfs(clean))
    power = np.abs(np.fft.rfft(tilted(clean, -6.0))) ** 2
    octave = 10 * np.log10(power[3900:4100].mean() / power[1950:2050].mean())
    assert octave == pytest.approx(-6.0, abs=0.7)


def test_the_difference_signal_is_what_was_added():
    clean = RNG.standard_normal(SAMPLE_RATE)
    noisy = add_noise(clean, 20.0, np.random.default_rng(2))
    error = difference(0.3 * noisy, clean)  # whatever the level
    assert rms_dbfs(0.3 * noisy) - rms_dbfs(error) == pytest.approx(20.0, abs=0.1)
    assert abs(error @ clean) < 1e-8 * (clean @ clean)


def test_targets_stand_on_the_encoders_time_grid():
    """An impulse shows up in the target frames of the encoder frame that it is the centre of."""
    audio = torch.zeros(1, 32_000)
    step = 10
    audio[0, step * 640 + 960] = 30.0
    frames = LogMel()(audio)[0].sum(dim=1).unflatten(0, (-1, 2)).sum(dim=1)
    assert len(frames) == 48 and frames.argmax() == step
    model = Pretrainer(SHAPE).encoder
    assert model._get_feat_extract_output_lengths(32_000) == 48


def test_statistics_see_noise_and_modulation():
    log_mel = LogMel()
    tone = np.sin(2 * np.pi * 500 * np.arange(48_000) / SAMPLE_RATE)
    gate = 1 + 0.5 * np.cos(2 * np.pi * 3 * np.arange(48_000) / SAMPLE_RATE)  # 3 Hz
    steady, gated = (
        log_mel(torch.tensor(unit_variance(x), dtype=torch.float32)[None])
        for x in (tone, tone * gate)
    )
    same = clip_statistics(steady, steady, steady)
    assert same.shape == (1, 656) and same[:, 256:448].abs().max() == 0  # nothing changed
    modulation = clip_statistics(gated, gated, gated)[:, 576:].unflatten(1, (5, 16))
    assert modulation[0, :, 2].argmax() == 1  # 2.5 to 4.5 Hz, the band of 500 Hz


def test_masks_are_spans_up_to_the_share_asked_for():
    mask = draw_mask(400, 48, np.random.default_rng(0), 0.5).numpy()
    assert mask.shape == (400, 48)
    assert 0.2 < mask.mean() < 0.35  # shares between none and a half
    assert (mask.sum(axis=1) == 0).any()
    assert mask.sum(axis=1)[mask.any(axis=1)].min() >= 5


def test_batches_and_learning_rate(pool):
    damaged_crops, clean, error = draw_batch([pool], rng_for(0, "pretrain", 1), QUICK, 8)
    assert damaged_crops.shape == clean.shape == error.shape == (8, 16_000)
    again = draw_batch([pool], rng_for(0, "pretrain", 1), QUICK, 8)[0]
    assert torch.equal(damaged_crops, again)
    settings = Settings(steps=100, warmup=10, learning_rate=1.0)
    rates = [settings.rate(step) for step in range(100)]
    assert rates[0] == 0.1 and rates[50] == 1.0 and rates[99] < 0.05


def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path, pool, small, monkeypatch):
    whole = pretraining.pretrain([pool], tmp_path / "a", QUICK, checkpoint_every_s=0, log_every=1)
    steps, learn_from = [], pretraining.learn_from

    def break_off(*arguments):
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return learn_from(*arguments)

    monkeypatch.setattr(pretraining, "learn_from", break_off)
    for _ in range(2):
        try:
            parts = pretraining.pretrain([pool], tmp_path / "b", QUICK, "cpu", 0, log_every=1)
        except KeyboardInterrupt:
            assert not list((tmp_path / "b").glob(".*"))  # nothing half-written
    for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    history = (tmp_path / "b" / "history.csv").read_text().splitlines()
    assert len(history) == 1 + QUICK.steps


def test_the_exported_encoder_is_a_plain_wav2vec2_with_a_card(tmp_path, pool, small):
    trained = pretraining.pretrain([pool], tmp_path, QUICK, log_every=1)
    card = pretraining.export(trained, tmp_path / "out", pretraining.account_of(tmp_path, [pool]))
    assert card == json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["steps"] == 4 and card["crops_seen"] == 8 and card["sources"] == 3
    loaded = load_encoder(str(tmp_path / "out"), layer=-1, hidden_size=None, verbose=False)
    assert loaded.weights_sha256 == card["weights_sha256"]
    clip = pool[0, 1].astype(np.float32)
    with torch.no_grad():
        states = trained.encoder(torch.from_numpy(normalized(clip))[None])[0]
    np.testing.assert_allclose(loaded.embed([clip])[0], states[0].mean(dim=0), atol=0.02)


def test_learning_lowers_the_loss(pool, small):
    settings = Settings(steps=60, batch_size=4, warmup=5, crop_s=1.0, learning_rate=3e-3)
    pretrainer, optimizer = pretraining.start([pool], settings)
    rows = []
    for step in range(settings.steps):
        batch = draw_batch([pool], rng_for(0, "pretrain", step, 5), settings)
        mask = draw_mask(4, 23, rng_for(0, "pretrain", step, 6), 0.5)
        rows.append(pretraining.learn_from(batch, mask, pretrainer, optimizer, settings.rate(step)))
    early, late = (sum(sum(row.values()) for row in part) for part in (rows[:10], rows[-10:]))
    assert late < 0.85 * early
