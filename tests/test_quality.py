"""Labels: monotone, bounded, the same three bands for every kind, and true to P.862.2."""

import json
import sys

import numpy as np
import pytest

from aqp_utils.core.scale import (
    CLASS_THRESHOLDS,
    CLASSES,
    SCALE,
    class_of_score,
    quality_class,
    to_scale,
)
from aqp_utils.data.labels import measured_pesq, pseudo_pesq, pseudo_pesq_table
from aqp_utils.degradations.degrade import (
    DEGRADATIONS,
    KINDS,
    SEVERITY_RANGES,
    degrade,
    sample_parameter,
)
from aqp_utils.sources.formant_voice import speech_clip

# Scores of each severity, for all kinds alike.
BANDS = {1: (3.3, 4.1), 2: (2.2, 2.9), 3: (1.2, 1.8)}


def knots(kind):
    """Parameters and scores of a kind's table, mild to severe."""
    table = pseudo_pesq_table()["kinds"][kind]["knots"]
    return np.array(table["parameter"]), np.array(table["score"])


def test_classes_follow_severity():
    assert [quality_class(severity) for severity in (1, 2, 3)] == ["high", "medium", "low"]
    with pytest.raises(ValueError, match="allowed are 1, 2 and 3"):
        quality_class(4)


def test_every_kind_has_a_curve_and_no_other():
    assert set(pseudo_pesq_table()["kinds"]) == set(KINDS)
    with pytest.raises(ValueError, match="Unknown degradation 'hum'; allowed are noise"):
        pseudo_pesq("hum", 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_fall_strictly_from_mild_to_severe(kind):
    parameter, score = knots(kind)
    assert np.all(np.diff(score) < 0)
    space = np.geomspace if DEGRADATIONS[kind].log_axis else np.linspace
    fine = pseudo_pesq(kind, space(parameter[0], parameter[-1], 500))
    assert np.all(np.diff(fine) < 0)
    np.testing.assert_allclose(pseudo_pesq(kind, parameter), score, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_stay_on_the_scale_beyond_the_table(kind):
    parameter, score = knots(kind)
    low, high = DEGRADATIONS[kind].allowed
    ends = pseudo_pesq(kind, np.array([low, high], dtype=float))
    np.testing.assert_allclose(np.sort(ends), [score[-1], score[0]], atol=1e-9)
    assert SCALE[0] <= score[-1] < 1.4
    assert 4.3 < score[0] <= SCALE[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_lies_inside_what_degrade_accepts(kind):
    low, high = DEGRADATIONS[kind].allowed
    parameter, _ = knots(kind)
    assert low <= parameter.min() < parameter.max() <= high


def test_shapes_and_bad_parameters():
    assert isinstance(pseudo_pesq("noise", 30), float)
    assert pseudo_pesq("noise", np.full((2, 3), 30.0)).shape == (2, 3)
    with pytest.raises(ValueError, match="not a number"):
        pseudo_pesq("noise", float("nan"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", BANDS)
def test_severities_share_their_bands_across_kinds(kind, severity):
    ends = pseudo_pesq(kind, np.array(SEVERITY_RANGES[kind][severity]))
    low, high = BANDS[severity]
    assert low <= ends.min() < ends.max() <= high
    assert ends[0] > ends[1]  # written mild end first


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_scores_agree_with_their_class(kind):
    rng = np.random.default_rng(0)
    for severity in BANDS:
        parameters = np.array([sample_parameter(kind, severity, rng) for _ in range(50)])
        assert set(class_of_score(pseudo_pesq(kind, parameters))) == {quality_class(severity)}


def test_thresholds_lie_midway_between_the_bands():
    assert (BANDS[3][1] + BANDS[2][0]) / 2 == pytest.approx(CLASS_THRESHOLDS[0], abs=0.05)
    assert (BANDS[2][1] + BANDS[1][0]) / 2 == pytest.approx(CLASS_THRESHOLDS[1], abs=0.05)
    scores = np.array([SCALE[0], CLASS_THRESHOLDS[0], CLASS_THRESHOLDS[1], SCALE[1]])
    assert class_of_score(scores).tolist() == ["low", "medium", "high", "high"]
    assert set(class_of_score(np.linspace(*SCALE, 50))) == set(CLASSES)


def test_scale_is_linear_between_its_ends():
    np.testing.assert_allclose(to_scale([0.9, 1.02, 2.832, 4.644, 5.0]), [1, 1, 2.75, 4.5, 4.5])


@pytest.mark.parametrize("kind", KINDS)
def test_the_curve_is_the_measurement_it_claims_to_be(kind):
    table = pseudo_pesq_table()
    entry = table["kinds"][kind]
    basis = [entry["measured"][name] for name in table["about"]["basis"]]
    assert all(measured["n_clips"] >= 24 for measured in basis)
    mean = np.mean([measured["p862_2_mean"] for measured in basis], axis=0)
    difference = to_scale(mean) - entry["knots"]["score"]
    assert np.abs(difference).max() < 0.05
    assert set(entry["measured"]) == set(table["about"]["sources"])
    json.dumps(table)


def test_measured_pesq_of_a_copy_is_the_top_and_noise_lowers_it():
    pytest.importorskip("pesq")
    clean, _ = speech_clip(2.0, np.random.default_rng(0))
    assert measured_pesq(clean, clean) == pytest.approx(4.644, abs=0.001)
    noisy = [degrade(clean, "noise", snr_db, np.random.default_rng(1)) for snr_db in (40, 30, 15)]
    scores = [measured_pesq(clean, audio) for audio in noisy]
    assert 4.2 > scores[0] > scores[1] + 0.4 > scores[2] + 0.8


def test_measured_pesq_never_scores_what_it_cannot_judge():
    pytest.importorskip("pesq")
    clean, _ = speech_clip(1.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="silent"):
        measured_pesq(clean, np.zeros_like(clean))
    with pytest.raises(ValueError, match="differ in shape"):
        measured_pesq(clean, clean[:-1])
    with pytest.raises(ValueError, match=r"0\.25 s"):
        measured_pesq(clean[:3000], clean[:3000])


def test_missing_pesq_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "pesq", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pesq"):
        measured_pesq(np.ones(8000), np.ones(8000))
