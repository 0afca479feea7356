"""Explorers answer to their controls; here driven from Python, without a browser."""

import base64
import datetime
import io
import re
import shutil
import time

import ipywidgets
import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from tiny_predictor import save_predictor, voice_like

from aqp_utils.core.audio import read_clip
from aqp_utils.predict.predictor import Predictor, find_predictor
from aqp_utils.views import explorers
from aqp_utils.views.explorers import page as explorer_page
from aqp_utils.views.explorers import recorder
from aqp_utils.views.explorers.feature_table import feature_tables
from aqp_utils.views.explorers.page import explorer_tabs
from aqp_utils.views.explorers.pair_picture import parameter_to_strength, strength_to_parameter
from aqp_utils.views.explorers.tone_lab import DURATION_S, tone
from aqp_utils.views.explorers.your_audio import uploaded
from aqp_utils.views.text import feature_label


def controls(widget):
    """Every control below `widget` by its description."""
    found = {}
    for child in getattr(widget, "children", ()):
        if getattr(child, "description", ""):
            found[child.description] = child
        found |= controls(child)
    return found


def page(widget):
    """Everything the widget says and shows, as text."""
    if hasattr(widget, "children"):
        return "".join(page(child) for child in widget.children)
    return widget.value if isinstance(widget, ipywidgets.HTML | ipywidgets.Label) else ""


def picture(widget):
    return page(widget).partition("data:image/png;base64,")[2].partition('"')[0]


@pytest.fixture
def table(fake_run):
    return pd.read_csv(fake_run / "05_report" / "predictions.csv")


@pytest.fixture
def explorer(fake_run, table):
    return explorers.clip_explorer(fake_run / "02_degraded", table)


@pytest.fixture(scope="module")
def clip(fake_run):
    return read_clip(fake_run / "01_clean" / "clips" / "src0000.wav")[:8000]


def test_explorer_starts_with_a_clip_of_the_study(explorer, table):
    first = table.iloc[0]
    assert f"true <b>{first.quality} {first.score:.2f}</b>" in page(explorer)
    assert f"predicted <b>{first.predicted_quality} {first.predicted_score:.2f}</b>" in page(
        explorer
    )
    assert page(explorer).count("<audio controls") == 2


def test_moving_the_slider_changes_picture_sound_and_score(explorer):
    before = page(explorer)
    controls(explorer)["strength"].value = 0.9
    assert picture(explorer) != before.partition("base64,")[2]
    assert "made now" in page(explorer)
    assert "predicted" not in page(explorer)  # nobody has scored this clip
    assert "true <b>low" in page(explorer)


REDRAW_S = 0.3  # for a clip of 3 s


def redraw_s(slider):
    """Processor time of one redraw: how long it takes where nothing else runs."""
    times = []
    for value in (0.2, 0.4, 0.6, 0.8):
        before = time.process_time()
        slider.value = value
        times.append(time.process_time() - before)
    return min(times)


@pytest.mark.parametrize("kind", ["noise", "clip", "lowpass", "reverb", "compression"])
def test_explorer_redraws_while_it_is_still_in_mind(explorer, kind):
    controls(explorer)["degradation"].value = kind
    assert redraw_s(controls(explorer)["strength"]) < REDRAW_S


def test_the_score_of_a_clip_made_now_follows_its_picture(fake_run, table):
    seen = []
    explorer = explorers.clip_explorer(
        fake_run / "02_degraded", table, lambda audio: seen.append(picture(explorer)) or ("low", 1)
    )
    assert seen == []  # the first clip has a prediction in the table
    controls(explorer)["strength"].value = 0.9
    assert seen == [picture(explorer)]
    assert "predicted <b>low 1.00</b>" in page(explorer)


@pytest.mark.parametrize("kind", ["noise", "clip", "lowpass", "reverb", "compression"])
def test_severity_follows_the_strength(explorer, kind):
    controls(explorer)["degradation"].value = kind
    for strength, severity in ((0.01, 1), (0.99, 3), (0.0, 1), (1.0, 3)):
        controls(explorer)["strength"].value = strength
        assert controls(explorer)["severity"].value == severity
        assert controls(explorer)["strength"].value == strength
        assert "made now" in page(explorer)


def test_severity_goes_back_to_the_clip_of_the_study(explorer):
    first = picture(explorer)
    severity = controls(explorer)["severity"]
    severity.value = 3
    assert picture(explorer) != first
    severity.value = 1
    assert picture(explorer) == first


def test_updated_picture_equals_one_drawn_afresh(fake_run, table, explorer):
    controls(explorer)["source"].value = 2
    fresh = explorers.clip_explorer(fake_run / "02_degraded", table[table.source == 2])
    assert picture(explorer) == picture(fresh)


def test_a_source_brings_its_own_degradation(explorer):
    controls(explorer)["source"].value = 3
    assert controls(explorer)["degradation"].value == "reverb"
    assert "clip of the study" in page(explorer)


@pytest.mark.parametrize("kind", ["noise", "clip", "lowpass", "reverb", "compression"])
def test_a_kind_the_source_does_not_have_is_made(explorer, kind):
    controls(explorer)["source"].value = 1
    controls(explorer)["degradation"].value = kind
    assert ("made now" in page(explorer)) == (kind != "clip")


@pytest.mark.parametrize("kind", ["noise", "clip", "lowpass", "reverb", "compression"])
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_strength_and_parameter_are_inverse(kind, strength):
    parameter = strength_to_parameter(kind, strength)
    assert parameter_to_strength(kind, parameter) == pytest.approx(strength)


def test_lab_stacks_degradations_and_moves_the_features(clip):
    lab = explorers.degradation_lab({"a": clip}, feature_set="classic")
    assert page(lab).count("width:0.0%") == 19  # nothing is degraded, nothing has moved
    controls(lab)["noise"].value = 0.8
    one = page(lab)
    assert one.count("width:0.0%") < 10
    controls(lab)["reverb"].value = 0.5
    assert page(lab) != one
    assert "RT60" in page(lab)


def test_lab_shows_what_a_predictor_says(clip):
    lab = explorers.degradation_lab({"a": clip}, lambda audio: ("high", 4.2), "classic")
    assert "predicted <b>high 4.20</b>" in page(lab)


def test_explorers_take_a_predictor(fake_run, table, clip, predictor):
    explorer = explorers.clip_explorer(fake_run / "02_degraded", table, predictor)
    controls(explorer)["strength"].value = 0.9
    assert "predicted <b>" in page(explorer)
    lab = explorers.degradation_lab({"a": clip}, predictor, "classic")
    said = predictor(clip, RATE)
    assert f"predicted <b>{said.quality} {said.score:.2f}</b>" in page(lab)


def test_the_predictor_is_that_of_the_run_else_the_one_that_ships(predictor, tmp_path, monkeypatch):
    monkeypatch.setattr("aqp_utils.predict.shipped.FOLDER", tmp_path / "nothing")
    assert find_predictor(predictor.folder.parent)[0] is None
    nobody, problem = find_predictor()
    assert nobody is None and "predictor that ships is missing" in problem
    monkeypatch.setattr("aqp_utils.predict.shipped.FOLDER", predictor.folder)
    found, problem = find_predictor(tmp_path)
    assert found.folder == predictor.folder and problem is None
    run = tmp_path / "run"
    shutil.copytree(predictor.folder, run / "04_model")
    assert find_predictor(run)[0].folder == run / "04_model"


def test_your_audio_is_scored_by_the_predictor_that_ships(
    predictor, fake_run, tmp_path, monkeypatch
):
    shipped = shutil.copytree(predictor.folder, tmp_path / "shipped")
    run = shutil.copytree(fake_run, tmp_path / "run")
    shutil.copytree(predictor.folder, run / "04_model")
    monkeypatch.setattr("aqp_utils.predict.shipped.FOLDER", shipped)
    given = []
    monkeypatch.setattr(
        explorer_page, "your_audio", lambda one: given.append(one) or ipywidgets.HTML()
    )
    explorer_tabs(run)
    assert [one.folder for one in given] == [shipped]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("loudness_0_4_bark", "loudness 0–4 Bark"),
        ("loudness_n5", "loudness N5"),
        ("sharpness_din", "sharpness (DIN)"),
        ("hnr", "HNR"),
        ("mfcc_13", "MFCC 13"),
        ("zero_crossing_rate", "zero crossing rate"),
    ],
)
def test_features_are_called_what_people_call_them(name, written):
    assert feature_label(name) == written


def test_no_row_is_lost_between_two_tables():
    rows = [(str(i), "", "", "", "") for i in range(19)]
    tables = feature_tables(("a", "b", "c", "d", "e"), rows, n_tables=2)
    assert tables.count("<table") == 2 and tables.count("<tr>") == 2 + 19


def test_lab_takes_clips_of_different_lengths(clip):
    lab = explorers.degradation_lab({"long": clip, "short": clip[:6000]}, feature_set="classic")
    controls(lab)["sound"].value = "short"
    assert "0.4 s at" in page(lab)


def test_names_are_text_never_markup(clip):
    lab = explorers.degradation_lab({'"><b onclick=x>': clip}, feature_set="classic")
    assert "<b onclick" not in page(lab)


def test_tone_lab_sliders_change_picture_and_sound():
    lab = explorers.tone_lab()
    before = page(lab)
    assert before.count("<audio controls") == 1
    for name, value in {"pitch (Hz)": 440, "harmonics": 3, "tremolo (Hz)": 20}.items():
        last = page(lab)
        controls(lab)[name].value = value
        assert picture(lab) != last.partition("base64,")[2]
        assert page(lab) != last


def test_a_tone_has_the_pitch_and_the_partials_it_was_asked_for():
    audio = tone(500, 3, 6, 5, 0, 5, 0)
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) ** 2
    peaks_hz = np.flatnonzero(power > 1e-3 * power.max()) / DURATION_S
    assert {500, 1000, 1500} <= set(peaks_hz)
    assert not [p for p in peaks_hz if min(abs(p - 500 * k) for k in (1, 2, 3)) > 2]
    at = [power[round(500 * k * DURATION_S)] for k in (1, 2)]
    assert 10 * np.log10(at[0] / at[1]) == pytest.approx(6, abs=0.1)


def test_no_setting_of_the_tone_lab_clips():
    loudest = [tone(80, 30, 0, 5, 100, 0.5, depth) for depth in (0, 1)]
    assert max(np.abs(audio).max() for audio in loudest) < 1


# Your audio: a tiny untrained predictor, whose scores mean nothing.

RATE = 16_000


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictor")
    held_out = {"level": 0.9, "n": 60, "score": [2.75], "low": [-0.5], "high": [0.5]}
    return Predictor.load(save_predictor(folder, clip_s=1.0, conformal=held_out), device="cpu")


@pytest.fixture
def own(predictor):
    return explorers.your_audio(predictor)


def wav(audio, rate=RATE, subtype="PCM_16"):
    buffer = io.BytesIO()
    sf.write(buffer, audio, rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


def upload(widget, name, content):
    """Hand over a file in the way of ipywidgets 8, the frontend left out."""
    file = {"name": name, "type": "", "size": len(content), "content": memoryview(content)}
    date = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    controls(widget)["Choose"].value = ({**file, "last_modified": date},)
    return page(widget)


@pytest.mark.parametrize("value", [{}, (), None])
def test_no_file_is_no_upload(value):
    assert uploaded(value) is None


def test_both_generations_of_upload_are_understood():
    seven = {"a.wav": {"metadata": {"name": "a.wav"}, "content": b"x"}}
    eight = ({"name": "a.wav", "content": memoryview(b"x")},)
    assert uploaded(seven) == uploaded(eight) == ("a.wav", b"x")


def test_a_recording_gets_everything(own):
    said = upload(own, "a<b>.wav", wav(voice_like(3.0)))
    for part in (
        "score <b>",
        "90% interval",
        "<audio controls",
        "data:image/png",
        "training: mean",
    ):
        assert part in said, part
    assert "a<b>" not in said
    assert said.count("<tr>") >= 20


def test_a_clip_unlike_training_gets_a_warning_and_red_bars(own):
    assert "Unlike the training clips" not in upload(own, "voice.wav", wav(voice_like(1.0, 3)))
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    said = upload(own, "tone.wav", wav(tone))
    assert "score <b>" in said and "Unlike the training clips" in said
    assert "features outside training" in said and "background:#b00020" in said


BAD = {
    "text.wav": (b"this is a letter, not a sound", "not audio"),
    "empty.wav": (b"", "the file is empty"),
    "hole.wav": (wav(np.full(RATE, np.nan), subtype="FLOAT"), "16000 samples are NaN"),
    "half_hour.wav": (
        wav(np.tile(voice_like(1.0)[:4000], 1800), 4000),
        "at most 2 are scored",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_one_sentence_and_the_next_one_is_scored(own, name):
    content, reason = BAD[name]
    said = upload(own, name, content)
    (sentence,) = re.findall(r'<p role="status" style="color:#b00020">(.*?)</p>', said)
    assert sentence.startswith(f"{name}: ") and reason in sentence
    assert sentence.replace("e.g. ", "").count(". ") == 0 and sentence.endswith(".")
    assert "<audio" not in said and "data:image" not in said
    assert "score <b>" in upload(own, "good.wav", wav(voice_like(1.0)))


def test_low_rates_and_many_channels_are_scored_and_named(own):
    said = upload(own, "phone.wav", wav(voice_like(2.0)[::2], 8000))
    assert "score <b>" in said and "recorded at 8000 Hz" in said
    six = np.column_stack([voice_like(1.0, seed) for seed in range(6)])
    said = upload(own, "cinema.wav", wav(six))
    assert "score <b>" in said and "6 channels mixed to mono" in said


def test_a_path_does_what_an_upload_does(own, tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(voice_like(1.0)))
    controls(own)["or its path"].value = str(tmp_path / "a.wav")
    assert "score <b>" in page(own)
    controls(own)["or its path"].value = str(tmp_path / "b.wav")
    assert "there is no such file" in page(own)


def hand_over(widget, text):
    """What the page does when a recording ends."""
    controls(widget)[recorder.NAME].value = text
    return page(widget)


def test_a_recording_from_the_browser_is_scored_and_not_kept(own):
    said = hand_over(own, base64.b64encode(wav(voice_like(1.0), 44_100)).decode())
    assert "recording.wav: <b>" in said and "score <b>" in said
    assert controls(own)[recorder.NAME].value == ""


@pytest.mark.parametrize("text", ["no base64!", base64.b64encode(wav(np.zeros(0))).decode()])
def test_a_recording_without_sound_gets_one_sentence(own, text):
    said = hand_over(own, text)
    (sentence,) = re.findall(r'<p role="status" style="color:#b00020">(.*?)</p>', said)
    assert sentence.startswith("recording.wav: ")
    assert "score <b>" in upload(own, "good.wav", wav(voice_like(1.0)))


def test_any_clip_is_explained_the_largest_error_first(fake_run, table, tmp_path):
    predictor = Predictor.load(save_predictor(tmp_path, clip_s=3.0), device="cpu")
    explorer = explorers.explain_explorer(predictor, fake_run / "02_degraded", table)
    worst = table.loc[table["error"].abs().idxmax(), "clip"]
    assert controls(explorer)["clip"].value.startswith(worst)
    before = picture(explorer)
    controls(explorer)["clip"].value = controls(explorer)["clip"].options[-1]
    assert picture(explorer) != before and picture(explorer)


def test_a_clip_too_long_to_explain_gets_a_sentence(fake_run, table, predictor):
    explorer = explorers.explain_explorer(predictor, fake_run / "02_degraded", table)
    assert "at most 1.5 s can be explained" in page(explorer) and not picture(explorer)
