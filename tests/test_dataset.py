import shutil

import numpy as np
import pytest

from aqp_utils.core import scale
from aqp_utils.core.audio import SAMPLE_RATE, read_clip
from aqp_utils.data import checks, clips, labels
from aqp_utils.degradations.degrade import KINDS, SEVERITY_RANGES

SEVERITIES = (1, 2, 3)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    clean = clips.make_clean(out / "01_clean", 10, "tones", 1.5, seed=0)
    plan = clips.plan_degraded(clean, KINDS, SEVERITIES)
    return out, clean, clips.make_degraded(out / "02_degraded", plan, "pseudo_pesq", seed=0)


def test_clean_files_match_their_table(study):
    out, clean, _ = study
    assert clean["clip"].is_unique and len(clean) == 10
    for row in clean.itertuples():
        assert len(read_clip(out / "01_clean" / row.file)) == 1.5 * SAMPLE_RATE


def test_flac_holds_the_same_samples_in_fewer_bytes(study, tmp_path):
    out, clean, degraded = study
    again = clips.make_clean(tmp_path / "01_clean", 2, "tones", 1.5, seed=0, audio_format="flac")
    plan = clips.plan_degraded(again, KINDS, SEVERITIES)
    assert all(plan["file"].str.endswith(".flac"))
    made = clips.make_degraded(tmp_path / "02_degraded", plan, "pseudo_pesq", seed=0)
    sizes = {"wav": 0, "flac": 0}
    for folder, table, files in (("01_clean", clean, again), ("02_degraded", degraded, made)):
        for row in files.itertuples():
            file = table.loc[table["clip"] == row.clip, "file"].item()
            wav, flac = out / folder / file, tmp_path / folder / row.file
            np.testing.assert_array_equal(read_clip(flac), read_clip(wav))
            assert flac.read_bytes()[:4] == b"fLaC"
            for path in (wav, flac):
                sizes[path.suffix[1:]] += path.stat().st_size
    assert sizes["flac"] < sizes["wav"]  # not each: noise cannot be told in fewer bytes
    assert made["score"].tolist() == degraded["score"].head(len(made)).tolist()


def test_cells_are_balanced_and_each_source_has_one_kind(study):
    _, _, clips = study
    assert (clips.groupby(["kind", "severity"]).size() == 2).all()
    assert (clips.groupby("source")["kind"].nunique() == 1).all()
    assert (clips["quality"].value_counts() == 10).all()


def test_labels_follow_severity_and_parameter(study):
    _, _, clips = study
    for row in clips.itertuples():
        low, high = sorted(SEVERITY_RANGES[row.kind][row.severity])
        assert low <= row.parameter <= high
        assert row.score == labels.pseudo_pesq(row.kind, row.parameter)
        assert row.quality == scale.quality_class(row.severity) == scale.class_of_score(row.score)
    falling = clips.sort_values("severity").groupby("source")["score"]
    assert falling.apply(lambda s: s.is_monotonic_decreasing).all()


def test_without_gaps_the_severities_meet_and_classes_agree_with_scores(study, tmp_path):
    out, clean, with_gaps = study
    shutil.copytree(out / "01_clean", tmp_path / "01_clean")
    plan = clips.plan_degraded(clean, KINDS, SEVERITIES)
    made = clips.make_degraded(tmp_path / "02_degraded", plan, "pseudo_pesq", seed=0, gaps=False)
    assert (made["quality"] == scale.class_of_score(made["score"])).all()
    assert not made["parameter"].isin(with_gaps["parameter"]).any()
    for kind in KINDS:
        ranges = [labels.severity_range(kind, severity, gaps=False) for severity in SEVERITIES]
        assert ranges[0][1] == ranges[1][0] and ranges[1][1] == ranges[2][0]
        borders = [labels.pseudo_pesq(kind, ends[1]) for ends in ranges[:2]]
        np.testing.assert_allclose(borders, scale.CLASS_THRESHOLDS[::-1], atol=1e-6)


def test_more_sources_leave_the_first_ones_as_they_were(study, tmp_path):
    out, _, made = study
    clean = clips.make_clean(tmp_path / "01_clean", 5, "tones", 1.5, seed=0)
    plan = clips.plan_degraded(clean, KINDS, SEVERITIES)
    fewer = clips.make_degraded(tmp_path / "02_degraded", plan, "pseudo_pesq", seed=0)
    assert fewer.equals(made.head(15))
    for file in fewer["file"]:
        first, second = (folder / "02_degraded" / file for folder in (out, tmp_path))
        assert first.read_bytes() == second.read_bytes()


def test_speech_sources_work_the_same_way(tmp_path):
    clean = clips.make_clean(tmp_path / "01_clean", 2, "speech", 1.5, seed=0)
    plan = clips.plan_degraded(clean, ["noise"], [3])
    made = clips.make_degraded(tmp_path / "02_degraded", plan, "pseudo_pesq", seed=0)
    assert set(clean["family"]) == {"speech"} and len(made) == 2


def test_measured_labels_are_on_the_scale(tmp_path):
    pytest.importorskip("pesq", reason="P.862.2 needs the package pesq, which needs a C compiler")
    clean = clips.make_clean(tmp_path / "01_clean", 1, "speech", 2.0, seed=0)
    plan = clips.plan_degraded(clean, ["noise"], SEVERITIES)
    made = clips.make_degraded(tmp_path / "02_degraded", plan, "measured", seed=0)
    assert made["score"].is_monotonic_decreasing
    assert made["score"].between(1.0, 4.5).all()
    assert (made["quality"] == scale.class_of_score(made["score"])).all()


def test_every_clip_got_what_was_asked(study):
    out, _, clips = study
    found = checks.check_parameters(out / "02_degraded", clips, seed=0)
    off = (found["measured"] - found["requested"]).abs()
    allowed = {"noise": 0.2, "clip": 0.05, "lowpass": 5.0, "reverb": 0.05, "compression": 0.01}
    assert (off <= found["kind"].map(allowed)).all(), found[off > found["kind"].map(allowed)]
    assert np.isfinite(found["measured"]).all()
