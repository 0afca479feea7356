"""Contributions add up, regions are what they say, and the figure shows both."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_predictor import RATE, save_predictor, voice_like

from aqp_utils.evaluation import attribution
from aqp_utils.features.sets import feature_names
from aqp_utils.model import MultiTaskNet, QualityModel
from aqp_utils.predict.predictor import Predictor
from aqp_utils.views.plots import explanation


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return Predictor.load(save_predictor(tmp_path_factory.mktemp("predictor")), device="cpu")


class Linear(torch.nn.Module):
    """A network whose score is a weighted sum, so that every contribution is known."""

    def __init__(self, weights):
        super().__init__()
        self.weights = torch.tensor(weights, dtype=torch.float32)

    def forward(self, x):
        return None, x @ self.weights


def test_contributions_to_a_linear_score_are_its_terms():
    mean, scale = np.array([1.0, -2.0, 0.0]), np.array([0.5, 2.0, 3.0])
    model = QualityModel(Linear([2.0, -1.0, 0.0]), mean, scale)
    inputs = np.array([2.0, 2.0, 30.0])
    np.testing.assert_allclose(
        attribution.integrated_gradients(model, inputs, 4), [4, -2, 0], atol=1e-6
    )


@pytest.mark.parametrize("seed", range(3))
def test_contributions_add_up_to_the_difference_of_scores(seed):
    rng = np.random.default_rng(seed)
    net = MultiTaskNet(n_inputs=787, seed=seed)
    with torch.no_grad():
        net.score_head.weight *= 20  # as far from linear and from 0 as a trained one
    model = QualityModel(net, rng.normal(size=787), rng.uniform(0.5, 2, 787))
    inputs = model.mean + 2 * model.scale * rng.normal(size=787)
    with torch.no_grad():
        z = torch.tensor(np.array([np.zeros(787), (inputs - model.mean) / model.scale])).float()
        average, score = net.eval()(z)[1].double().numpy()
    total = attribution.integrated_gradients(model, inputs).sum()
    assert abs(score - average) > 0.05
    assert total == pytest.approx(score - average, rel=0.01)


def test_an_explanation_adds_up_and_names_every_feature(predictor):
    clip = voice_like(1.0, seed=50)
    found = attribution.explain(predictor, clip)
    assert list(found.inputs.index) == [*feature_names("classic"), "embedding"]
    assert found.inputs.sum() == pytest.approx(found.score - found.average_score, rel=0.01)
    clipped = np.clip(found.score, 1.0, 4.5)
    assert predictor(clip, RATE).score == pytest.approx(clipped, abs=1e-3)
    assert len(found.regions) == 4


def test_regions_cover_the_clip_once():
    regions, clips = attribution.occluded(voice_like(1.1))
    assert regions["start_s"].iloc[0] == 0 and regions["end_s"].iloc[-1] == pytest.approx(1.1)
    assert (regions["start_s"][1:].to_numpy() == regions["end_s"][:-1].to_numpy()).all()
    assert len(clips) == len(regions) == 4


def test_only_the_region_is_cut_out_and_the_seam_is_smooth():
    audio = 0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    _, clips = attribution.occluded(audio)
    fade = round(attribution.FADE_S * RATE)
    left = clips[2]  # without 0.5 to 0.75 s
    assert len(left) == RATE - 4000 - fade
    np.testing.assert_array_equal(left[: 8000 - fade], audio[: 8000 - fade])
    np.testing.assert_array_equal(left[8000:], audio[12000 + fade :])
    steps = np.abs(np.diff(left))
    assert steps.max() < 2 * np.abs(np.diff(audio)).max()


def test_the_first_and_the_last_region_leave_no_seam():
    audio = voice_like(1.0)
    _, clips = attribution.occluded(audio)
    np.testing.assert_array_equal(clips[0], audio[4000:])
    np.testing.assert_array_equal(clips[-1], audio[:12000])


def test_a_clip_shorter_than_two_regions_is_cut_into_halves():
    regions, clips = attribution.occluded(voice_like(0.3))
    assert len(regions) == 2 and all(len(clip) == 2400 for clip in clips)


def test_the_region_that_carries_the_score_has_the_influence():
    audio = 1e-4 * np.random.default_rng(0).standard_normal(RATE)
    audio[8000:12000] += voice_like(0.25)
    model = QualityModel(Linear([0.0] * 19 + [1.0]), np.zeros(20), np.ones(20))
    stub = SimpleNamespace(
        model=model,
        inputs=lambda clips: np.array([[0.0] * 19 + [np.abs(clip).max()] for clip in clips]),
        feature_names=feature_names("classic"),
        clip_s=1.0,
    )
    influence = attribution.explain(stub, audio).regions["influence"]
    assert influence.idxmax() == 2
    assert influence[2] > 50 * influence.drop(2).abs().max()


def test_a_silent_clip_stays_finite():
    _, clips = attribution.occluded(np.zeros(RATE))
    assert all(np.isfinite(clip).all() for clip in clips)


def test_a_long_clip_is_refused(predictor):
    with pytest.raises(ValueError, match=r"2\.0 s; at most 1\.5 s"):
        attribution.explain(predictor, voice_like(2.0))


def test_figure_shows_regions_and_inputs(predictor):
    fig = explanation(attribution.explain(predictor, voice_like(1.0)), voice_like(1.0))
    bars, picture, inputs = fig.axes
    assert len(bars.patches) == 4 and len(picture.images) == 1
    assert len(inputs.patches) == 7  # six inputs and the sum of the rest
    fig.canvas.draw()
    ticks = [label.get_window_extent().x0 for label in bars.get_yticklabels()]
    assert min(ticks) > 0  # not cut at the margin, however small the influence
