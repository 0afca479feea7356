"""Colours have their slope, orders come out as planted, families are compared on equal terms."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import welch
from tiny_predictor import save_predictor, voice_like

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.data import small_study
from aqp_utils.data.clips import make_clean, make_degraded, plan_degraded
from aqp_utils.data.labels import pseudo_pesq
from aqp_utils.degradations.catalogue import TRAINED_ON, UNSEEN
from aqp_utils.degradations.degrade import KINDS
from aqp_utils.degradations.noise import add_coloured_noise, coloured_noise
from aqp_utils.encoders.wav2vec2 import load_encoder
from aqp_utils.evaluation import comparison, unseen_damage
from aqp_utils.evaluation.experiments import Training

FAST = Training(epochs=15, learning_rate=3e-3, hidden=(32,), dropout=0.1, test_share=0.3)


def level_db(noise, low_hz, high_hz):
    frequency_hz, power = welch(noise, SAMPLE_RATE, nperseg=4096)
    return 10 * np.log10(power[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].mean())


@pytest.mark.parametrize(
    ("exponent", "per_octave_db"), [(0, 0), (1, -3.01), (2, -6.02), (-1, 3.01)]
)
def test_coloured_noise_falls_as_its_name_says(exponent, per_octave_db):
    noise = coloured_noise(60 * SAMPLE_RATE, exponent, np.random.default_rng(0))
    octaves = [level_db(noise, low_hz, 1.1 * low_hz) for low_hz in (250, 500, 1000, 2000, 4000)]
    assert np.diff(octaves) == pytest.approx(per_octave_db, abs=0.5)
    assert rms_dbfs(noise) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("exponent", [1, 2, -1])
def test_snr_is_the_one_asked_for(exponent):
    audio = voice_like()
    audio[:16_000] = 0
    rng = np.random.default_rng(0)
    noise = add_coloured_noise(audio, 12.0, rng, exponent) - audio
    mask = active_mask(audio)
    assert rms_dbfs(audio[mask]) - rms_dbfs(noise[mask]) == pytest.approx(12, abs=0.01)


def scored_by(score_of):
    """A predictor that hears what `score_of` (of clip number, counted from 0) says."""
    count = iter(range(10_000))
    return lambda audio, rate: SimpleNamespace(score=score_of(next(count)), quality="low")


CLIPS = {source: voice_like(1.0, source) for source in (3, 5, 8)}


@pytest.mark.parametrize(
    ("score_of", "rho", "pairs"),
    [
        (lambda call: 4 - call % 5, 1, 1),
        (lambda call: 1 + call % 5, -1, 0),
        (lambda call: 2.5, 0, 0),
    ],
)
def test_planted_order_is_found(score_of, rho, pairs):
    table = unseen_damage.unseen_predictions(scored_by(score_of), CLIPS)
    order = unseen_damage.unseen_order(table, 20, np.random.default_rng(0))
    assert order["damage"].tolist() == list(UNSEEN)
    assert (order["n_sources"] == 3).all()
    assert order["spearman"].to_numpy() == pytest.approx(rho)
    assert order["pairs_in_order"].to_numpy() == pytest.approx(pairs)


def test_steps_go_from_mild_to_severe_at_the_level_of_the_source():
    heard = []

    def predictor(audio, rate):
        heard.append(audio)
        return SimpleNamespace(score=2.0, quality="low")

    clips = {0: CLIPS[3]}
    table = unseen_damage.unseen_predictions(predictor, clips)
    for damage, part in table.groupby("damage"):
        damaged = [heard[i] for i in part.index]
        assert [rms_dbfs(x) for x in damaged] == pytest.approx([rms_dbfs(clips[0])] * 5, abs=0.01)
        match = [np.corrcoef(x, clips[0])[0, 1] for x in damaged]
        assert match == sorted(match, reverse=True), damage
        assert part["parameter"].is_monotonic_decreasing


def test_reference_is_the_label_of_white_noise_and_only_where_it_means_something():
    table = unseen_damage.unseen_predictions(scored_by(lambda call: 2.0), {0: CLIPS[3]})
    known = table[table[unseen_damage.REFERENCE].notna()]
    assert set(known["damage"]) == {TRAINED_ON, "pink noise"}
    assert known[unseen_damage.REFERENCE].to_numpy() == pytest.approx(
        pseudo_pesq("noise", known["parameter"].to_numpy())
    )


def family(sign, n_per_kind, seed):
    """Clips of two kinds; the features carry the score with the given sign."""
    rng = np.random.default_rng(seed)
    clips = pd.DataFrame(
        [
            {"source": source, "kind": ("noise", "clip")[source % 2], "severity": severity}
            for source in range(2 * n_per_kind)
            for severity in (1, 2, 3)
        ]
    )
    clips["clip"] = [f"{row.source}_{row.severity}" for row in clips.itertuples()]
    clips["quality"] = clips["severity"].map({1: "high", 2: "medium", 3: "low"})
    clips["score"] = 4.6 - clips["severity"] + rng.uniform(-0.3, 0.3, len(clips))
    noise = rng.normal(0, 0.2, (len(clips), 19))
    return {"classic": sign * (clips[["score"]].to_numpy() - 2.6) + noise}, clips


def test_what_two_families_share_carries_over_and_the_opposite_does_not():
    for sign, check in ((1, lambda pcc: pcc > 0.8), (-1, lambda pcc: pcc < -0.5)):
        families = {"tones": family(1, 12, 0), "speech": family(sign, 12, 1)}
        study = unseen_damage.cross_family(families, "classic", FAST, range(2))
        pcc = comparison.per_seed(study).groupby("condition")["pcc"].mean()
        assert pcc["tones → tones"] > 0.8 and pcc["speech → speech"] > 0.8
        assert check(pcc["tones → speech"]) and check(pcc["speech → tones"])


def test_families_learn_from_equally_many_and_are_tested_on_the_same():
    families = {"tones": family(1, 30, 0), "speech": family(1, 10, 1)}
    study = unseen_damage.cross_family(families, "classic", FAST, range(2))
    assert study["n_train"].unique() == [2 * 7 * 3]
    for tested in families:
        part = study[study["condition"].str.endswith(f"→ {tested}")]
        clips = [set(zip(p["seed"], p["clip"], strict=True)) for _, p in part.groupby("condition")]
        assert len(clips) == 2 and clips[0] == clips[1]


def test_a_kind_that_one_family_lacks_is_left_out():
    features, clips = family(1, 10, 1)
    other = (features, clips.assign(kind=clips["kind"].replace("clip", "reverb")))
    study = unseen_damage.cross_family(
        {"tones": (features, clips), "speech": other}, "classic", FAST, [0]
    )
    assert set(study["kind"]) == {"noise"}


def test_family_is_made_labelled_and_resumed(tmp_path, capsys):
    save_predictor(tmp_path)
    encoder = load_encoder(str(tmp_path / "encoder"), hidden_size=None, device="cpu", verbose=False)
    made = [
        small_study.of_family("speech", 5, 1.0, encoder, "classic", tmp_path / "checkpoints", 0)
        for _ in range(2)
    ]
    features, clips = made[0]
    assert clips["kind"].nunique() == 5 and len(clips) == 15
    assert features["classic"].shape == (15, 19) and features["embedding"].shape == (15, 32)
    for name in features:
        assert np.array_equal(features[name], made[1][0][name])
    assert "resuming" in capsys.readouterr().out


def test_a_run_is_drawn_again_from_the_same_sources(tmp_path):
    save_predictor(tmp_path)
    encoder = load_encoder(str(tmp_path / "encoder"), hidden_size=None, device="cpu", verbose=False)
    clean = make_clean(tmp_path / "01_clean", 5, "tones", 1.0, 0)
    folder = tmp_path / "02_degraded"
    clips = make_degraded(folder, plan_degraded(clean, KINDS, (1, 3)), "pseudo_pesq", 0)
    how = (encoder, "classic", tmp_path / "checkpoints", 0)
    features, again = small_study.redrawn(folder, clips, False, *how)
    same = ["clip", "source", "kind", "severity", "quality"]
    pd.testing.assert_frame_equal(again[same], clips[same])
    assert not again["score"].isin(clips["score"]).any()
    assert features["classic"].shape == (10, 19) and features["embedding"].shape == (10, 32)
    _, as_it_was = small_study.redrawn(folder, clips, True, *how)
    pd.testing.assert_series_equal(as_it_was["score"], clips["score"])
