"""Labelled recordings: the usual tables, every odd row named, known agreement measured as such."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from tiny_predictor import RATE, save_predictor, voice_like

from aqp_utils.commands import evaluate as evaluate_command
from aqp_utils.evaluation import peers
from aqp_utils.evaluation.agreement import OURS, by_condition, measure, worst_clips
from aqp_utils.predict.predictor import Predictor
from aqp_utils.recordings.label_tables import read_labels
from aqp_utils.views.report.agreement_page import evaluate

N_CLIPS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight recordings, c0.wav to c7.wav, the last two in a folder."""
    place = tmp_path_factory.mktemp("recordings")
    (place / "deep").mkdir()
    for i in range(N_CLIPS):
        name = f"deep/c{i}.wav" if i > 5 else f"c{i}.wav"
        gain = 10 ** (-i / 10)
        sf.write(place / name, gain * voice_like(0.5, seed=i), RATE)
    return place


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_predictor(tmp_path_factory.mktemp("model"), clip_s=0.5)


@pytest.fixture(scope="module")
def predictor(model):
    return Predictor.load(model, device="cpu")


def write_table(folder, text, name="labels.csv", encoding="utf-8"):
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def rows(form, n=N_CLIPS):
    """A line per recording; `form` may use i, file (path in the folder), score."""
    names = [f"deep/c{i}.wav" if i > 5 else f"c{i}.wav" for i in range(n)]
    return "\n".join(form.format(i=i, file=f, score=4.5 - i / 2) for i, f in enumerate(names))


def problems(labels):
    return [(p["problem"], p["what"]) for p in labels.problems]


# --- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "form", "condition"),
    [
        ("db,con,file,filepath_deg,filepath_ref,mos", "X,{i},c{i}.wav,{file},r.wav,{score}", "3"),
        ("Filename,ConditionID,sample MOS,1,2,3", "c{i}.wav,7,{score},4,5,3", "7"),
        ("wav_path,score,system_id,sample_id", "{file},{score},sysA,s{i}", "sysA"),
        ("\ufefffile\tPESQ_WB\tfamily", "{file}\t{score}\tnoise", "noise"),
        (None, "c{i}.wav,{score}", ""),
        (None, "sysA,c{i}.wav,{score},listener_{i}", ""),
        ("clip|mos", "c{i}|{score}", ""),
        ("path;mos", "deep\\c{i}.wav;{score}", ""),
    ],
)
def test_the_usual_tables_are_understood(folder, tmp_path, header, form, condition):
    text = rows(form) if header is None else f"{header}\n{rows(form)}\n"
    labels = read_labels(write_table(tmp_path, text), folder)
    assert labels.problems == []
    assert labels.table["score"].tolist() == [4.5 - i / 2 for i in range(N_CLIPS)]
    assert [path.name for path in labels.table["path"]] == [f"c{i}.wav" for i in range(N_CLIPS)]
    assert labels.table["condition"][3] == condition


def test_voicemos_systems_are_conditions(tmp_path):
    for name in ("sysa1-utt1.wav", "sysa1-utt2.wav", "sysb2-utt1.wav"):
        sf.write(tmp_path / name, voice_like(0.5), RATE)
    text = "sysa1-utt1.wav,3.5\nsysa1-utt2.wav,3\nsysb2-utt1.wav,2\n"
    labels = read_labels(write_table(tmp_path, text, "train_mos_list.txt"))
    assert labels.table["condition"].tolist() == ["sysa1", "sysa1", "sysb2"]
    assert "guessed" in labels.columns["condition"]


def test_semicolons_go_with_decimal_commas(folder, tmp_path):
    labels = read_labels(write_table(tmp_path, "file;mos\nc0.wav;3,25\n"), folder)
    assert labels.table["score"][0] == 3.25


def test_columns_can_be_named(folder, tmp_path):
    text = "mos,liked,who\n" + f"1,{2.5},c0.wav\n"
    labels = read_labels(write_table(tmp_path, text), folder, file="who", score="Liked")
    assert labels.table["score"][0] == 2.5
    with pytest.raises(ValueError, match="no column 'loved'; there are: mos, liked, who.*--score"):
        read_labels(tmp_path / "labels.csv", folder, file="who", score="loved")
    with pytest.raises(ValueError, match="known to hold the file; there are.*--file-column"):
        read_labels(tmp_path / "labels.csv", folder)


def test_confidence_from_spread_and_votes(folder, tmp_path):
    text = "file,mos,mos_std,votes\nc0.wav,3,1.0,4\nc1.wav,3,,4\n"
    labels = read_labels(write_table(tmp_path, text), folder)
    np.testing.assert_allclose(labels.table["ci95"], [0.98, np.nan])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", b"PK", "export the table"),
        ("a.csv", b"\xff\xfe\x00x", "not UTF-8"),
        ("a.csv", b"", "cannot be read as a table|holds no rows"),
        ("a.csv", b"file,mos\n", "holds no rows"),
        ("a.csv", b'file,mos\n"c0.wav,3\n', "cannot be read as a table"),
    ],
)
def test_what_is_no_table(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_labels(tmp_path / name)


def test_every_odd_row_is_named_with_its_line(folder, tmp_path):
    text = (
        "file,mos\n"
        "c0.wav,4\n"
        "gone.wav,3\n"
        "c1.wav,good\n"
        "\n"
        "c2.wav,nan\n"
        "c3.wav,\n"
        "c4.wav,3\n"
        "c4.wav,3.0\n"
        "c5.wav,2\n"
        "./c5.wav,3\n"
        ",2\n"
    )
    labels = read_labels(write_table(tmp_path, text), folder)
    assert problems(labels) == [
        ("label without recording", "line 3: gone.wav"),
        ("score is no number", "line 4: c1.wav"),
        ("score is no number", "line 6: c2.wav"),
        ("score is no number", "line 7: c3.wav"),
        ("label without recording", "line 12: "),
        ("recording in several rows", "c4.wav"),
        ("recording in several rows", "c5.wav"),
        ("recording without label", "deep/c6.wav"),
        ("recording without label", "deep/c7.wav"),
    ]
    assert labels.table["score"].tolist() == [4.0, 3.0, 2.5]
    details = {p["what"]: p["detail"] for p in labels.problems}
    assert details["c4.wav"] == "lines 8, 9: the same score, counted once"
    assert details["c5.wav"] == "lines 10, 11: their mean, 2.500, is used"


def test_a_name_that_fits_two_recordings_is_not_guessed(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        sf.write(tmp_path / place / "x.wav", voice_like(0.5), RATE)
    labels = read_labels(write_table(tmp_path, "file,mos\nx.wav,3\n"))
    assert labels.problems[0]["detail"].startswith("2 recordings of this name")


def test_a_cell_of_megabytes_is_refused_with_line_and_column(folder, tmp_path):
    for text, place in (
        (f"file,mos\nc0.wav,3\nc1.wav,{'9' * 10**7}\n", "line 3, column 2 (mos) holds 10,000,000"),
        (f'file,mos\n"{"c" * 9}\n{"0" * 20_000}",3\n', "line 3, column 1 (file) holds 20,010"),
        (f"{'x' * 10**6},mos\nc0.wav,3\n", "line 1, column 1 holds 1,000,000"),
    ):
        with pytest.raises(ValueError, match="a cell has at most 10,000") as caught:
            read_labels(write_table(tmp_path, text), folder)
        assert place in str(caught.value) and len(str(caught.value)) < 300


def test_a_table_of_gigabytes_is_not_read(folder, tmp_path):
    with open(tmp_path / "labels.csv", "wb") as file:
        file.truncate(3 * 10**9)
    with pytest.raises(ValueError, match="has 3000 MB; a table of labels has at most 200 MB"):
        read_labels(tmp_path / "labels.csv", folder)


@pytest.mark.parametrize("score", ["1e308", "-1e308", "1000001"])
def test_scores_that_no_scale_has_are_no_scores(folder, tmp_path, score):
    labels = read_labels(write_table(tmp_path, f"file,mos\nc0.wav,3\nc1.wav,{score}\n"), folder)
    assert labels.table["score"].tolist() == [3.0]
    assert labels.problems[0]["problem"] == "score is no number"
    assert labels.problems[0]["detail"] == f"the score is {score!r}, beyond ±1,000,000"


def test_recordings_outside_the_folder_are_read_only_when_asked_for(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    sf.write(inside / "a.wav", voice_like(0.5), RATE)
    sf.write(tmp_path / "secret.wav", voice_like(0.5), RATE)
    names = ["a.wav", "../secret.wav", str(tmp_path / "secret.wav"), "x/../../secret.wav"]
    names += ["../inside/a.wav", str(inside / "a.wav"), "/elsewhere/then/a.wav"]
    table = write_table(inside, "file,mos\n" + "".join(f"{name},3\n" for name in names))
    labels = read_labels(table)
    assert [path.name for path in labels.table["path"]] == ["a.wav"]
    left_out = [p["detail"] for p in labels.problems if p["problem"] == "label without recording"]
    assert left_out == [f"lies outside {inside}; --outside reads it"] * 3
    asked = read_labels(table, outside=True)
    assert [path.name for path in asked.table["path"]] == ["a.wav", "secret.wav"]


def test_names_that_no_file_can_have_are_rows_of_their_own(folder, tmp_path):
    text = f"file,mos\n{'a' * 5000}.wav,3\nc0.wav,3\n"
    labels = read_labels(write_table(tmp_path, text), folder)
    assert labels.table["file"].tolist() == ["c0.wav"]
    assert labels.problems[0]["problem"] == "label without recording"


# --- measures ------------------------------------------------------------------------------------


def planted(n=60, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.uniform(1, 5, n)
    return pd.DataFrame(
        {
            "file": [f"{i}.wav" for i in range(n)],
            "score": score,
            OURS: 0.8 * score + 0.3 + rng.normal(0, noise, n) if noise else 0.8 * score + 0.3,
            "condition": [f"c{i % 6}" for i in range(n)],
            "source": [f"s{i % 10}" for i in range(n)],
            "ci95": np.nan,
        }
    )


def test_a_planted_line_is_found_and_mapped_away():
    metrics = measure(planted(), [OURS], 50, np.random.default_rng(0))
    ours = metrics["clip"][OURS]
    assert ours["n"] == 60 and ours["pcc"]["value"] == pytest.approx(1.0)
    assert ours["rmse"]["value"] > 0.1 and ours["rmse_mapped"]["value"] == pytest.approx(
        0, abs=1e-9
    )
    assert metrics["condition"][OURS]["n"] == 6


def test_shuffled_labels_give_no_agreement():
    table = planted(400)
    table["score"] = np.random.default_rng(1).permutation(table["score"])
    pcc = measure(table, [OURS], 200, np.random.default_rng(0))["clip"][OURS]["pcc"]
    assert pcc["low"] < 0.1 and pcc["high"] > -0.1 and abs(pcc["value"]) < 0.2


def test_a_peer_that_failed_on_some_clips_says_on_how_many_it_is_measured():
    table = planted().assign(peer=lambda t: t["score"].where(t.index > 9))
    metrics = measure(table, [OURS, "peer"], 20, np.random.default_rng(0))["clip"]
    assert metrics["peer"]["n"] == 50 and metrics[OURS]["n"] == 60
    assert metrics["peer"]["rmse"]["value"] == 0


def test_rmse_star_appears_with_label_uncertainty():
    table = planted(noise=0.3).assign(ci95=10.0)
    metrics = measure(table, [OURS], 20, np.random.default_rng(0))["clip"][OURS]
    assert metrics["rmse_star"]["value"] == 0 and metrics["rmse_mapped"]["value"] > 0.2


def test_conditions_are_ordered_by_label_and_small_ones_have_no_correlation():
    table = planted(13).assign(condition=["a"] * 10 + ["b"] * 3)
    table.loc[10:, "score"] = 5.0
    found = by_condition(table)
    assert found["condition"].tolist() == ["b", "a"] and found["n"].tolist() == [3, 10]
    assert np.isnan(found["pcc"][0]) and found["pcc"][1] == pytest.approx(1.0)


def test_the_worst_clip_is_the_one_planted():
    table = planted(40, noise=0.05)
    table.loc[7, OURS] += 2.0
    worst = worst_clips(table, 3)
    assert worst["file"][0] == "7.wav" and worst["error_mapped"][0] > 1


# --- the whole way -------------------------------------------------------------------------------


def test_everything_is_written_and_nothing_dropped(folder, predictor, tmp_path):
    (folder / "broken.wav").write_bytes(b"no audio")
    text = f"file,mos,condition\n{rows('{file},{score},k{i}')}\nbroken.wav,3,k\ngone.wav,1,k\n"
    labels = read_labels(write_table(tmp_path, text), folder)
    result = evaluate(
        labels, predictor, {"file": "labels.csv"}, tmp_path, peers=[], n_draws=20, progress=False
    )
    (folder / "broken.wav").unlink()
    assert result["n"] == N_CLIPS
    assert result["problem_counts"] == {"label without recording": 1, "not scored": 1}
    assert json.loads((tmp_path / "metrics.json").read_text())["n"] == N_CLIPS
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert len(table) == N_CLIPS and {"file", "score", OURS, "quality"} <= set(table)
    page = (tmp_path / "report.html").read_text()
    assert "broken.wav" in page and "gone.wav" in page and "data:image/png;base64," in page
    for forbidden in ("http://", "https://", "<script"):
        assert forbidden not in page


def test_the_command_repeats_to_the_digit(folder, model, tmp_path, capsys):
    table = write_table(tmp_path, f"file,mos\n{rows('{file},{score}')}\n")
    for name in ("one", "two"):
        words = [table, "--folder", folder, "--model", model, "--out", tmp_path / name]
        assert command(*words, "--bootstrap", 20, "--no-peers") == 0
    one, two = (json.loads((tmp_path / n / "metrics.json").read_text()) for n in ("one", "two"))
    assert one["clip"] == two["clip"]
    assert "SRCC" in capsys.readouterr().out


def test_the_command_says_what_is_missing(folder, model, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file of labels"):
        command(tmp_path / "none.csv")
    table = write_table(tmp_path, "file,mos\nc0.wav,3\ngone.wav,3\n")
    words = [table, "--folder", folder, "--model", model, "--out", tmp_path / "out"]
    with pytest.raises(ValueError, match="only 1 recordings.*1 × label without recording"):
        command(*words)
    with pytest.raises(ValueError, match="at least 1 draw"):
        command(*words, "--bootstrap", 0)
    with pytest.raises(ValueError, match="is no folder"):
        command(table, "--folder", tmp_path / "nowhere")


def command(*words):
    parser = argparse.ArgumentParser()
    evaluate_command.add_arguments(parser)
    return evaluate_command.run(parser.parse_args([str(word) for word in words]))


def test_peers_stand_beside_and_their_failure_costs_nothing(
    folder, predictor, tmp_path, monkeypatch
):
    def loud(audio):
        if np.abs(audio).max() < 0.1:
            raise RuntimeError("foreign code")
        return {"peer": 3.0 + audio.max()}

    monkeypatch.setattr(peers, "PEERS", {"json": (("peer",), loud), "not_there": (("x",), loud)})
    assert peers.available_peers() == ["json"]
    labels = read_labels(write_table(tmp_path, f"file,mos\n{rows('{file},{score}')}"), folder)
    result = evaluate(labels, predictor, {"file": "l"}, tmp_path, n_draws=10, progress=False)
    n = result["clip"]["peer"]["n"]
    assert 0 < n < N_CLIPS
    said = f"on {N_CLIPS - n} of {N_CLIPS} recordings, first with RuntimeError: foreign code"
    assert result["problems"] == [{"problem": "peer failed", "what": "json", "detail": said}]
    assert result["clip"][OURS]["n"] == N_CLIPS
