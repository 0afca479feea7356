import importlib.util
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from aqp_utils.core.audio import write_wav
from aqp_utils.core.scale import SCALE
from aqp_utils.data.intelligibility import stoi
from aqp_utils.runs.notebooks import find_root
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.training.field import variants
from aqp_utils.training.field.clips import FieldClips
from aqp_utils.training.field.training import FieldSettings, predict
from aqp_utils.training.field.variants import VARIANTS, Distribution, SquaredError, Triplets
from aqp_utils.training.losses import intelligibility_loss

ROOT = find_root()
N, RATE_HZ = 12, 16_000


@pytest.fixture(scope="module")
def clips():
    """Noise, loud and soft in turns; what it is worth and how it was recorded is made up."""
    rng = np.random.default_rng(0)
    audio = rng.normal(0, 3000, (N, RATE_HZ)).astype(np.int16)
    table = pd.DataFrame({"source": np.arange(N) // 3, "version": np.arange(N) % 3})
    table["part"], table["history"], table["family"] = "train", "[]", "tones"
    table["score"] = np.tile([4.5, 3.0, 1.5], N // 3)
    table["quality"] = np.tile(["high", "medium", "low"], N // 3)
    table[list(variants.FACTS)] = rng.normal(size=(N, len(variants.FACTS)))
    table.loc[::4, "rt60_s"] = np.nan  # recorded in no room
    return FieldClips(audio, rng.normal(size=(N, 19)), table, 0)


@pytest.fixture(scope="module")
def known(clips):
    more = np.random.default_rng(1).normal(size=(N, 768))
    return np.concatenate([clips.features, more], axis=1).astype(np.float32)


def begun(variant, clips, known, folder):
    values = dict(epochs=2, warmup=1, crop_s=0.8, batch_sources=2, hidden=0.75, retold=0.5)
    settings = replace(FieldSettings(**values), **variant.settings)
    return variant.training(clips, variant.known(known), folder, settings)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_recipe_learns_and_scores(name, clips, known, tmp_path):
    model = begun(VARIANTS[name], clips, known, tmp_path).run()
    found = predict(model, clips, VARIANTS[name].known(known), np.arange(N), "cpu")
    assert np.isfinite(found.score).all() and found.probabilities.shape == (N, 3)


def test_what_a_recipe_is_without_makes_no_difference_to_it(clips, known, tmp_path):
    variant = VARIANTS["without the 19 features"]
    model = begun(variant, clips, known, tmp_path).run()
    other = known.copy()
    other[:, :19] += 5
    scores = [
        predict(model, clips, variant.known(k), np.arange(N), "cpu").score for k in (known, other)
    ]
    np.testing.assert_array_equal(*scores)


def test_a_squared_error_prefers_the_mean_and_an_absolute_one_the_median(clips, known, tmp_path):
    classes, scores = torch.zeros(4, dtype=int), torch.tensor([4.0, 4.0, 4.0, 2.0])
    labels, logits = (classes, scores, torch.ones(4)), torch.zeros(4, 3)
    usual = begun(VARIANTS["as it is"], clips, known, tmp_path / "usual")
    squared = begun(VARIANTS["squared error"], clips, known, tmp_path / "squared")
    assert isinstance(squared, SquaredError)
    guesses = torch.linspace(2, 4, 41)
    for recipe, best in ((usual, 4.0), (squared, 3.5)):
        costs = [recipe.loss_of_heads(logits, guess.expand(4), labels) for guess in guesses]
        assert float(guesses[int(np.argmin(costs))]) == pytest.approx(best, abs=0.03)


def test_a_distribution_costs_least_where_the_score_lies(clips, known, tmp_path):
    recipe = begun(VARIANTS["distribution over the scale"], clips, known, tmp_path)
    assert isinstance(recipe, Distribution)
    labels = torch.zeros(1, dtype=int), torch.tensor([3.0]), torch.ones(1)
    bins = torch.linspace(*SCALE, variants.BINS)
    costs = []
    for centre in bins:
        logits = torch.cat([torch.zeros(1, 3), -((bins - centre) ** 2)[None] * 20], dim=1)
        costs.append(float(recipe.loss_of_heads(logits, None, labels)))
    assert float(bins[int(np.argmin(costs))]) == pytest.approx(3.0)


def test_triplets_cost_nothing_where_neighbours_in_score_are_neighbours(clips, known, tmp_path):
    recipe = begun(VARIANTS["triplets instead of differences"], clips, known, tmp_path)
    assert isinstance(recipe, Triplets)
    size = recipe.model.spectrogram.size
    scores, angle = torch.tensor([1.0, 1.5, 4.5]), torch.tensor([0.0, 0.3, 1.7])
    inputs = torch.zeros(3, known.shape[1] + size)
    inputs[:, -size], inputs[:, 1 - size] = torch.cos(angle), torch.sin(angle)
    in_order = recipe.loss_in_groups(inputs, None, scores, [3])
    turned = recipe.loss_in_groups(inputs[[0, 2, 1]], None, scores, [3])
    assert float(in_order) == 0 and float(turned) > 0.2


def test_a_moment_that_is_clean_has_no_disturbance(clips, known, tmp_path):
    recipe = begun(VARIANTS["disturbance of moments as target"], clips, known, tmp_path)
    audio = torch.from_numpy(clips.audio[:2].astype(np.float32))
    audio[1] = audio[0]
    audio[1, 8_000:] += 3_000 * torch.randn(8_000, generator=torch.Generator().manual_seed(0))
    picture = recipe.model.spectrogram.log_mel(audio)
    apart = (picture[1] - picture[0]).abs().mean(dim=(0, 1))
    middle = len(apart) // 2
    assert apart[: middle - 4].max() < 0.2 < apart[middle + 4 :].mean()
    head = recipe.model.disturbance
    torch.nn.init.zeros_(head.weight)
    labels = torch.zeros(2, dtype=int), torch.tensor([4.5, 3.0]), torch.ones(2)
    costs = []
    for said in (0.0, 1.0):
        torch.nn.init.constant_(head.bias, said)
        inputs = recipe.model.inputs(audio, torch.from_numpy(known[:2]), None)
        costs.append(recipe.loss(inputs, audio, labels, [np.arange(2)]).item())
    assert costs[0] < costs[1]  # three quarters of the moments are clean


def test_what_was_pretrained_learns_more_slowly(clips, known, tmp_path):
    recipe = begun(VARIANTS["Wav2Vec2 tuned"], clips, known, tmp_path)
    before = {name: one.detach().clone() for name, one in recipe.model.named_parameters()}
    recipe.learn(1.0)
    fast, slow = recipe.optimizer.param_groups
    moved = {
        name: float((one.detach() - before[name]).abs().max())
        for name, one in recipe.model.named_parameters()
    }
    listening = [value for name, value in moved.items() if name.startswith("encoder.")]
    others = [value for name, value in moved.items() if name.startswith("network.body.0.weight")]
    assert 0 < max(listening) < 0.2 * max(others)
    assert slow["lr"] == pytest.approx(variants.SLOW * fast["lr"])


def test_what_is_understood_falls_with_noise_and_not_with_level():
    rng = np.random.default_rng(0)
    clean = torch.from_numpy(speech_clip(2.5, rng)[0])
    noise = clean.std() * torch.from_numpy(rng.standard_normal(len(clean)))
    snrs_db = (20, 10, 0, -10)
    heard = torch.stack([clean, 3 * clean, *(clean + 10 ** (-db / 20) * noise for db in snrs_db)])
    understood = stoi(clean, heard)
    assert understood[:2] == pytest.approx([1, 1], abs=1e-6)
    assert (understood.diff()[1:] < -0.01).all() and 0 < understood[-1] < 0.7
    assert stoi(clean[:4_000], heard[:, :4_000]).isnan().all()


def test_what_says_nothing_for_long_enough_teaches_nothing_of_intelligibility(
    clips, known, tmp_path
):
    audio = np.zeros_like(clips.audio)
    audio[:, 6_000:8_000] = clips.audio[:, 6_000:8_000]  # fewer frames than STOI takes
    recipe = begun(VARIANTS["as it is"], replace(clips, audio=audio), known, tmp_path)
    recipe.learn(1.0)
    assert all(one.isfinite().all() for one in recipe.model.parameters())
    said = torch.zeros(3, requires_grad=True)
    loss = intelligibility_loss(said, torch.from_numpy(audio[:3].astype(np.float32)), [3])
    loss.backward()
    assert loss.item() == 0 and (said.grad == 0).all()


def test_a_pupil_may_have_several_teachers(clips, known, tmp_path):
    pupil = begun(VARIANTS["taught by three of its kind"], clips, known, tmp_path)
    one, other, *_ = pupil.teachers()
    rows = np.arange(N)
    told = [predict(net, clips, known, rows, "cpu").score for net in (one, other)]
    assert not np.allclose(*told) and not pupil.clips.table["score"].equals(clips.table["score"])


def test_a_pupil_is_told_half_of_what_the_teacher_says(clips, known, tmp_path):
    pupil = begun(VARIANTS["taught by the one that ships"], clips, known, tmp_path)
    told, label = pupil.clips.table["score"], clips.table["score"]
    said = 2 * told - label
    assert said.between(*SCALE).all() and said.nunique() > 3
    assert clips.table["score"].tolist() == [4.5, 3.0, 1.5] * (N // 3)


def test_recipes_are_compared_on_the_same_clips_and_kept(
    clips, known, tmp_path, monkeypatch, capsys
):
    place = importlib.util.spec_from_file_location("recipes", ROOT / "scripts/compare_recipes.py")
    recipes = importlib.util.module_from_spec(place)
    place.loader.exec_module(recipes)
    tested = replace(clips, table=clips.table.assign(part=["train"] * 6 + ["test"] * 6))
    monkeypatch.setattr(recipes, "load_clips", lambda *_: tested)
    monkeypatch.setattr(recipes, "shards_of", lambda *_: [])
    monkeypatch.setattr(recipes, "load_encoder", lambda *_, **__: None)
    monkeypatch.setattr(recipes, "known_inputs", lambda *_: known)
    heard = SimpleNamespace(
        parts=lambda recording: [recording.audio[:RATE_HZ]],
        inputs=lambda windows: known[: len(windows)],
        feature_names=["feature"] * 19,
    )
    monkeypatch.setattr(recipes.Predictor, "load", lambda: heard)
    rows = []
    for number in range(12):
        sound = np.random.default_rng(number).normal(0, 0.1, RATE_HZ)
        write_wav(tmp_path / f"{number}.wav", np.clip(sound, -1, 1))
        rows.append({"file": f"{number}.wav", "score": 1 + number / 4, "who": number // 3})
    labels = tmp_path / "labels.csv"
    pd.DataFrame(rows).to_csv(labels, index=False)
    command = ["compare_recipes.py", str(tmp_path), "--epochs", "1", "--person", "who"]
    command += ["--recordings", str(labels), "four people"]
    two = ["as it is", "squared error"]
    for name in two:
        monkeypatch.setattr("sys.argv", [*command, "--recipe", name])
        recipes.main()
    table = pd.read_csv(tmp_path / "recipes.csv")
    assert table["recipe"].tolist() == two
    assert {f"{recipes.UNHEARD}: srcc_low", f"{recipes.UNHEARD}: pcc"} <= set(table)
    ends = table[["four people: srcc_low", "four people: srcc", "four people: srcc_high"]]
    assert ends.notna().all().all() and (ends.diff(axis=1).iloc[:, 1:] >= 0).all().all()
    rows = sorted(tmp_path.glob("recipes/*/*/row.json"))
    assert [json.loads(row.read_text("utf-8"))["recipe"] for row in rows] == two
    monkeypatch.setattr("sys.argv", [*command, "--recipe", two[0], "--epochs", "2"])
    recipes.main()  # asked otherwise: trained anew
    assert len(list(tmp_path.glob("recipes/*/as_it_is/row.json"))) == 2
    monkeypatch.setattr("sys.argv", [*command, "--score", "votes"])
    with pytest.raises(SystemExit, match="has no column votes; it has file, score, who"):
        recipes.main()
    monkeypatch.setattr("sys.argv", [*command, "--recipe", "louder"])
    with pytest.raises(SystemExit):
        recipes.main()
    assert "invalid choice: 'louder'" in capsys.readouterr().err
