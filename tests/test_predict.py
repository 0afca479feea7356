"""The predictor on files, folders and waveforms; intervals, domain, windows, the command line."""

import argparse
import json
import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from tiny_predictor import RATE, save_predictor, voice_like

from aqp_utils.commands import predict
from aqp_utils.core.sealed import write_sealed
from aqp_utils.features.sets import FEATURE_SETS
from aqp_utils.model.conformal import interval, residual_quantiles, widening
from aqp_utils.predict import familiarity, shipped
from aqp_utils.predict import predictor as module
from aqp_utils.predict.predictor import SCORE_COLUMNS, TABLE_COLUMNS, Predictor, _parts
from aqp_utils.recordings.reading import RecordingError, from_waveform


def errors_of_a_predictor(n=400, seed=0):
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(1.2, 4.3, n)
    return predicted + rng.normal(0.1, 0.1 * predicted), predicted


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A predictor on disk, with conformal quantiles."""
    quantiles = residual_quantiles(*errors_of_a_predictor())
    return save_predictor(tmp_path_factory.mktemp("model"), conformal=quantiles)


@pytest.fixture(scope="module")
def predictor(folder):
    return Predictor.load(folder, device="cpu")


@pytest.fixture
def recordings(tmp_path):
    """Two good recordings in a folder with a broken one, a truncated one and a text file."""
    place = tmp_path / "my recordings ü"
    (place / "deep").mkdir(parents=True)
    sf.write(place / "a.wav", voice_like(2.5), RATE)
    sf.write(place / "deep" / "b.flac", np.c_[voice_like(1), voice_like(1)], RATE)
    (place / "broken.wav").write_bytes(b"no audio")
    content = (place / "a.wav").read_bytes()
    (place / "cut.wav").write_bytes(content[: len(content) // 2])
    (place / "notes.txt").write_text("no recording")
    return place


def command(*words):
    parser = argparse.ArgumentParser()
    predict.add_arguments(parser)
    return predict.run(parser.parse_args([str(word) for word in words]))


# --- scores --------------------------------------------------------------------------------------


def test_a_waveform_gets_class_probabilities_score_and_interval(predictor):
    result = predictor(voice_like(1.0), RATE)
    assert list(result.probabilities) == ["low", "medium", "high"]
    assert sum(result.probabilities.values()) == pytest.approx(1.0)
    assert result.quality == max(result.probabilities, key=result.probabilities.get)
    low, high = result.interval
    assert 1.0 <= low <= result.score <= high <= 4.5
    assert result.duration_s == 1.0 and result.curve is None and result.notes == []


def test_a_clip_of_training_length_scores_as_the_model_scores_its_features(predictor):
    audio = voice_like(1.0, seed=3)
    features = FEATURE_SETS["classic"][1](audio - audio.mean())
    inputs = np.hstack([features, predictor.encoder.embed([audio])[0]])
    expected = predictor.model.predict(inputs[None])
    result = predictor(audio, RATE)
    assert result.score == pytest.approx(expected.score[0], abs=1e-4)
    np.testing.assert_allclose(
        list(result.probabilities.values()), expected.probabilities[0], atol=1e-4
    )


@pytest.mark.parametrize("gain_db", [-20, 6])
def test_volume_changes_no_score(predictor, gain_db):
    audio = voice_like(1.0, seed=3)
    louder = audio * np.float32(10 ** (gain_db / 20))
    assert predictor(louder, RATE).score == pytest.approx(predictor(audio, RATE).score, abs=1e-4)


def test_silent_ends_change_no_score(predictor):
    audio = voice_like(1.0, seed=3)
    padded = np.concatenate([np.zeros(RATE), audio, np.zeros(RATE // 2)]).astype(np.float32)
    assert predictor(padded, RATE).score == pytest.approx(predictor(audio, RATE).score, abs=1e-4)


def test_file_and_waveform_agree_and_stereo_copies_change_nothing(predictor, tmp_path):
    audio = voice_like(2.2)
    sf.write(tmp_path / "a.wav", audio, RATE, subtype="FLOAT")
    table = predictor.files(tmp_path / "a.wav", progress=False)
    assert table["score"][0] == predictor(audio, RATE).score
    assert predictor(np.c_[audio, audio], RATE).score == predictor(audio, RATE).score


def test_long_recordings_are_averaged_over_parts(predictor):
    parts = [voice_like(1.0, seed) for seed in (1, 2, 3)]
    alone = [predictor(part, RATE).score for part in parts]
    assert predictor(np.concatenate(parts), RATE).score == pytest.approx(np.mean(alone), abs=1e-3)


@pytest.mark.parametrize(
    ("n", "starts", "size"),
    [
        (20, [0], 20),
        (48, [0], 48),
        (71, [0], 71),
        (73, [0, 36], 36),
        (96, [0, 48], 48),
        (145, [0, 48, 96], 48),
    ],
)
def test_parts_are_equal_and_near_the_training_length(n, starts, size):
    parts = _parts(np.arange(n), 48)
    assert list(parts) == starts
    assert all(part[0] == start and len(part) == size for start, part in parts.items())


def test_the_curve_has_a_window_every_second_and_leaves_the_score_alone(predictor):
    audio = voice_like(4.3)
    result = predictor(audio, RATE, curve=True)
    assert result.score == predictor(audio, RATE).score
    assert result.curve["start_s"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert result.curve["end_s"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert result.curve["score"].between(1.0, 4.5).all()
    brief = predictor(voice_like(0.5), RATE, curve=True)
    assert brief.curve["score"].tolist() == pytest.approx([brief.score], abs=1e-6)


def test_pauses_are_left_out_and_said_so(predictor):
    audio = np.concatenate([voice_like(2), np.zeros(2 * RATE, np.float32), voice_like(1)])
    result = predictor(audio, RATE, curve=True)
    assert "2 of 5 parts are pauses and left out" in result.notes
    assert result.curve["score"].isna().tolist() == [False, False, True, True, False]
    np.testing.assert_allclose(result.score, result.curve["score"].dropna().mean(), atol=1e-5)


@pytest.mark.parametrize(
    "audio", [np.zeros(RATE), np.full(RATE, 0.3), np.full(RATE, np.nan), voice_like(0.2)]
)
def test_never_a_score_for_what_is_none(predictor, audio):
    with pytest.raises(RecordingError, match="no signal|NaN|too short"):
        predictor(audio, RATE)


# --- intervals -----------------------------------------------------------------------------------


def test_intervals_cover_what_they_promise_where_errors_grow_with_the_score():
    quantiles = residual_quantiles(*errors_of_a_predictor())
    true, predicted = errors_of_a_predictor(4000, seed=1)
    low, high = np.array([interval(quantiles, p) for p in predicted]).T
    inside = (low <= np.clip(true, 1, 4.5)) & (np.clip(true, 1, 4.5) <= high)
    assert 0.87 < inside.mean() < 0.95
    for part in (predicted < 2, predicted > 3.5):
        assert 0.85 < inside[part].mean() < 0.99
    assert (high - low)[predicted < 2].mean() < 0.6 * (high - low)[predicted > 3].mean()


def test_quantiles_are_plain_json_and_refuses_too_few_clips():
    quantiles = residual_quantiles(*errors_of_a_predictor())
    assert json.loads(json.dumps(quantiles)) == quantiles
    assert len(residual_quantiles(*errors_of_a_predictor(60))["score"]) == 1
    with pytest.raises(ValueError, match="at least 20 held-out clips"):
        residual_quantiles(*errors_of_a_predictor(19))


def test_without_quantiles_there_is_no_interval(tmp_path, capsys):
    folder = save_predictor(tmp_path / "model")
    sf.write(tmp_path / "a.wav", voice_like(1), RATE)
    assert Predictor.load(folder, device="cpu")(voice_like(1), RATE).interval is None
    assert command(tmp_path / "a.wav", "--model", folder) == 0
    assert "no interval, as this model has no conformal quantiles" in capsys.readouterr().out


# --- domain --------------------------------------------------------------------------------------


def test_training_like_clips_are_inside_and_others_are_not(predictor):
    assert predictor(voice_like(1.0, seed=3), RATE).domain == []
    tone = 0.9 * np.sin(2 * np.pi * 3000 * np.arange(RATE) / RATE)
    outside = "; ".join(predictor(tone, RATE).domain)
    assert "features outside training" in outside and " sd" in outside


def test_low_rate_and_short_recordings_are_warned_of():
    narrow = from_waveform(voice_like(2.0)[::2].copy(), 8000)
    assert "nothing above 4 kHz" in familiarity.recording_warnings(narrow, 1.0)[0]
    brief = from_waveform(voice_like(0.4), RATE)
    assert "0.40 s long, trained on clips of 1 s" in familiarity.recording_warnings(brief, 1.0)[0]


def test_distances_by_hand():
    z, embedding = familiarity.distances(
        np.array([3.0, 5.0, 1.0, -3.0]), np.ones(4), np.full(4, 2.0), 2
    )
    assert z.tolist() == [1.0, 2.0] and embedding == pytest.approx(np.sqrt(2.0))
    assert familiarity.domain_warnings(z, embedding, ["a", "b"]) == []
    assert familiarity.domain_warnings(np.array([-4.5, 0.0]), 2.5, ["a", "b"]) == [
        "1 of 2 features outside training (a -4.5 sd)",
        "embedding 2.5 times as far out as training clips",
    ]


def test_what_does_not_sound_like_speech_is_named_and_models_without_detector_never_warn():
    detector = {"weights": [1.0, -1.0], "bias": 0.5, "threshold": 0.0}
    mean, scale = np.array([1.0, 0.0]), np.array([2.0, 1.0])
    speech, music = np.array([3.0, 0.0]), np.array([1.0, 2.0])
    assert familiarity.speech_warnings(speech, mean, scale, detector) == []
    assert "like speech" in familiarity.speech_warnings(music, mean, scale, detector)[0]
    assert familiarity.speech_warnings(music, mean, scale, None) == []


# --- files and folders ---------------------------------------------------------------------------


def test_a_folder_gives_a_row_per_recording_and_errors_stop_nothing(predictor, recordings):
    table = predictor.files(recordings, progress=False)
    assert list(table) == TABLE_COLUMNS
    names = [os.path.relpath(file, recordings) for file in table["file"]]
    assert names == ["a.wav", "broken.wav", "cut.wav", os.path.join("deep", "b.flac")]
    failed = table["error"] != ""
    assert failed.tolist() == [False, True, True, False]
    assert table.loc[failed, SCORE_COLUMNS].isna().all(axis=None)
    assert table.loc[~failed, SCORE_COLUMNS].notna().all(axis=None)
    assert "claims" in table["error"][2] and "cut.wav" in table["error"][2]


def test_rows_stay_in_order_whichever_file_is_scored_first(predictor, tmp_path, monkeypatch):
    lengths_s = (0.5, 3.0, 0.4, 0.6, 0.3, 0.7)
    for number, length_s in enumerate(lengths_s):
        sf.write(tmp_path / f"{number}.wav", voice_like(length_s), RATE)
    alone = [predictor.files([tmp_path / f"{n}.wav"], progress=False) for n in range(6)]
    monkeypatch.setattr(module, "LONG_S", 2.0)
    monkeypatch.setattr(module, "n_threads", lambda: 3)
    seen = []
    table = predictor.files([tmp_path], progress=False, each=seen.append)
    assert table["duration_s"].round(6).tolist() == list(lengths_s)
    assert [row["file"] for row in seen] == table["file"].tolist()
    pd.testing.assert_frame_equal(table, pd.concat(alone, ignore_index=True))


def test_paths_named_twice_missing_and_empty_folders(predictor, recordings):
    (recordings / "empty").mkdir()
    paths = [recordings / "a.wav", recordings / "a.wav", "nowhere.wav", recordings / "empty"]
    table = predictor.files(paths, progress=False)
    assert len(table) == 3 and table.attrs["duplicates"] == [str(recordings / "a.wav")]
    assert "no such file" in table["error"][1]
    assert "no recording in this folder" in table["error"][2]


def test_no_paths_give_an_empty_table(predictor):
    assert list(predictor.files([], progress=False)) == TABLE_COLUMNS


# --- loading -------------------------------------------------------------------------------------


def test_without_a_shipped_predictor_the_error_names_the_way(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="--model outputs/run/04_model"):
        Predictor.load()


def test_the_shipped_predictor_is_the_default(monkeypatch, folder):
    monkeypatch.setattr(shipped, "FOLDER", folder)
    assert Predictor.load(device="cpu").folder == folder


def test_the_shipped_predictor_is_named_by_its_version(tmp_path, capsys):
    sf.write(tmp_path / "a.wav", voice_like(1), RATE)
    assert command(tmp_path / "a.wav") == 0
    assert f"model {shipped.card()['version']} (ships with aqp)" in capsys.readouterr().out


def test_a_run_folder_stands_for_its_model(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "run" / "04_model")
    assert Predictor.load(tmp_path / "run", device="cpu").folder.name == "04_model"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Predictor.load(tmp_path / "other")


def test_another_encoder_than_in_training_is_refused(tmp_path, folder):
    copy = shutil.copytree(folder, tmp_path / "model")
    about = json.loads((copy / "model.json").read_text())
    about["encoder"]["weights_sha256"] = "0" * 64
    write_sealed(copy / "model.json", about)
    with pytest.raises(ValueError, match="trained with the encoder .* weights 000000000000; here"):
        Predictor.load(copy, device="cpu")


def test_a_model_that_names_no_encoder_is_refused(tmp_path, folder):
    copy = shutil.copytree(folder, tmp_path / "model")
    about = json.loads((copy / "model.json").read_text())
    del about["encoder"]
    write_sealed(copy / "model.json", about)
    with pytest.raises(ValueError, match="does not say its encoder"):
        Predictor.load(copy, device="cpu")


# --- command line --------------------------------------------------------------------------------


def test_table_csv_and_exit_code(folder, recordings, tmp_path, capsys):
    out = tmp_path / "new folder" / "out.csv"
    assert command(recordings, "--model", folder, "--csv", out, "--curve") == 1
    text = capsys.readouterr().out
    assert "2 scored, 2 not scored" in text and "90% interval" in text and "× real time" in text
    table = pd.read_csv(out)
    assert list(table) == TABLE_COLUMNS and len(table) == 4
    curve = pd.read_csv(tmp_path / "new folder" / "out_curve.csv")
    assert list(curve) == ["file", "start_s", "score"]
    assert curve["start_s"].tolist() == [0.0, 1.0, 0.0]
    assert os.listdir(out.parent) == ["out.csv", "out_curve.csv"]
    assert command(recordings / "a.wav", "--model", folder) == 0


def test_columns_of_the_table_line_up(folder, recordings, capsys):
    command(recordings, "--model", folder)
    lines = capsys.readouterr().out.splitlines()
    head = next(line for line in lines if line.startswith("score "))
    rows = [line for line in lines if str(recordings) in line]
    assert len(rows) == 4
    assert {line.index(str(recordings)) for line in rows} == {head.index("file")}


def test_json_is_json_and_holds_the_curve(folder, recordings, capsys):
    assert command(recordings, "--model", folder, "--json", "--curve") == 1
    content = json.loads(capsys.readouterr().out)
    assert content["n_scored"] == 2 and content["n_failed"] == 2
    assert content["interval_level"] == 0.9
    first, broken = content["recordings"][:2]
    assert [start_s for start_s, _ in first["curve"]] == [0.0, 1.0]
    assert broken["score"] is None and "not audio" in broken["error"]


def test_a_target_that_cannot_be_written_fails_before_computing(tmp_path, monkeypatch):
    monkeypatch.setattr(Predictor, "load", lambda *_: pytest.fail("loaded a model"))
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot be written") as caught:
        command("a.wav", "--csv", tmp_path / "file" / "out.csv")
    assert str(tmp_path / "file") in str(caught.value)
    with pytest.raises(ValueError, match="is a folder"):
        command("a.wav", "--csv", tmp_path)


def test_only_bad_recordings_still_give_a_csv(folder, recordings, tmp_path):
    out = tmp_path / "out.csv"
    assert command(recordings / "cut.wav", "--model", folder, "--csv", out, "--curve") == 1
    assert len(pd.read_csv(out)) == 1 and len(pd.read_csv(tmp_path / "out_curve.csv")) == 0


def test_help_does_not_wait_for_pytorch():
    code = (
        "import sys, argparse, aqp_utils.commands.predict as c\n"
        "c.add_arguments(argparse.ArgumentParser())\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", code) == 0


def test_clips_unlike_training_get_the_width_that_they_need():
    rng = np.random.default_rng(3)
    predicted = rng.uniform(1.5, 4, 400)
    quantiles = residual_quantiles(predicted + 0.2 * rng.standard_normal(400), predicted)
    true = predicted + 0.6 * rng.standard_normal(400)
    factor = widening(true, predicted, quantiles)
    assert factor == pytest.approx(3, rel=0.3)
    quantiles["unlike"] = factor
    ends = np.array([interval(quantiles, score, unlike=True) for score in predicted])
    within = (ends[:, 0] <= true) & (true <= ends[:, 1])
    assert np.mean(within | (true < 1) | (true > 4.5)) == pytest.approx(0.9, abs=0.04)
    assert widening(true[:5], predicted[:5], quantiles) == 1.0
    assert widening(predicted, predicted, quantiles) == 1.0
    narrow, wide = (interval(quantiles, 3.0, unlike=unlike) for unlike in (False, True))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
