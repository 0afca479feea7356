"""The report is one complete, small file that says what metrics.json says."""

import json
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from aqp_utils.core.text import number
from aqp_utils.views import plots
from aqp_utils.views.report import checks, content
from aqp_utils.views.report.page import packed_png, write_report
from aqp_utils.views.text import parameter_text


class Links(HTMLParser):
    """Every address a page could load."""

    def __init__(self, page):
        super().__init__()
        self.addresses = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        named = ("src", "href", "srcset", "data", "poster", "action")
        self.addresses += [value for name, value in attributes if name in named]


@pytest.fixture
def run(fake_run, tmp_path):
    """A copy of the fake run, free to be changed."""
    return shutil.copytree(fake_run, tmp_path / "run")


def text(path):
    return path.read_text(encoding="utf-8")


def change_metrics(run, change):
    path = run / "05_report" / "metrics.json"
    metrics = json.loads(text(path))
    change(metrics)
    path.write_text(json.dumps(metrics))


def test_everything_is_in_the_one_file(report_page):
    page = text(report_page)
    addresses = Links(page).addresses
    assert addresses
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert not re.search(r"@import|url\((?!data:)|fetch\(|XMLHttpRequest|WebSocket", page)
    assert "default-src 'none'" in page


def test_sixty_clips_of_three_seconds_stay_well_under_8_mb(report_page):
    # 15 clips and 5 sources here; Opus spends the same on every clip
    assert 4 * report_page.stat().st_size < 6e6


def test_headline_numbers_are_those_of_the_metrics(report_page, fake_run):
    metrics = json.loads(text(fake_run / "05_report" / "metrics.json"))
    page = text(report_page)
    for value in (metrics["classification"]["accuracy"], metrics["score"]["pcc"]):
        assert f'<p class="big">{number(value["value"])}</p>' in page
        assert number(value["low"]) + " to " in page


def test_controls_levels_and_order_are_tables_on_the_page(report_page, fake_run):
    metrics = json.loads(text(fake_run / "05_report" / "metrics.json"))
    tables = checks.check_tables(metrics)
    assert [t.title for t in tables] == ["Controls", "Two levels", "Order and probabilities"]
    assert tables[0].rows[0] == ["labels shuffled", "−0.02", "−0.08 to 0.04", "0"]
    conditions, own = tables[1].rows[1], metrics["condition_level"]
    assert conditions[:2] == ["15 conditions", number(own["pcc"])]
    assert tables[2].rows[0][2] == "5 sources"
    page = text(report_page)
    for table in tables:
        assert f"<h3>{table.title}</h3>" in page
        assert table.sentence.count(".") == 1 and table.sentence.endswith(".")
        for row in table.rows:
            assert len(row) == len(table.columns)
            cells = "".join(f"<td>{cell}</td>" for cell in row[1:])
            assert f'<th scope="row">{row[0]}</th>{cells}' in page


def test_spread_over_seeds_is_a_table_where_known():
    (table,) = checks.check_tables(
        {"score": {"pcc": 0.88}, "repeats": {"n_seeds": 5, "pcc": {"mean": 0.9, "sd": 0.02}}}
    )
    assert table.rows == [["PCC", "0.88", "0.90", "0.02"]]
    assert "with 5 splits" in table.sentence


def test_undefined_checks_show_a_dash():
    undefined = {"value": None, "low": None, "high": None}
    metrics = {
        "controls": {"labels shuffled": undefined},
        "monotonicity": {"monotone": None, "monotone_pairs": None, "monotone_n": 0},
    }
    controls, order = checks.check_tables(metrics)
    assert controls.rows == [["labels shuffled", "–", "–", "0"]]
    assert [row[1] for row in order.rows] == ["–", "–"]
    assert checks.check_tables({}) == []


def test_every_test_clip_is_listed_and_no_training_clip(run):
    path = run / "05_report" / "predictions.csv"
    predictions = pd.read_csv(path)
    predictions.loc[:2, "part"] = "train"
    predictions.to_csv(path, index=False)
    listed = re.findall(r'<tr role="row" class="clip" data-clip="([^"]+)"', text(_write(run)))
    assert listed == predictions[predictions.part == "test"]["clip"].tolist()


def _write(run, captions=None, audio_format="flac", **options):
    return write_report(run / "05_report", run, captions, audio_format, **options)


def test_encoder_weights_parameters_commit_and_limits_are_stated(report_page):
    page = text(report_page)
    assert "0" * 64 in page
    assert "python -m aqp_utils run -p N_PER_CONDITION 4" in page
    assert "0123456789abcdef with uncommitted changes" in page
    assert "pseudo-PESQ" in page
    assert "weights are random numbers" in page


def test_page_names_its_codec(run, report_page):
    assert "compressed audio (Ogg/Opus, lossy" in text(report_page)
    flac = _write(run)
    assert "compressed audio (FLAC, lossless" in text(flac)
    assert "data:audio/flac" in text(flac)
    assert "finest differences may come from the codec" not in text(flac)


def test_without_an_opus_encoder_it_is_flac(run, monkeypatch):
    monkeypatch.setattr("soundfile.available_subtypes", lambda format=None: {"VORBIS": ""})
    assert "data:audio/flac" in text(_write(run, audio_format="opus"))


def test_a_large_run_embeds_players_from_best_to_worst(run):
    page = text(_write(run, n_players=3))
    assert "3 of 15 clips have players" in page
    store = json.loads(re.search(r'id="store">(.*?)</script>', page).group(1))
    predictions = pd.read_csv(run / "05_report" / "predictions.csv")
    ranked = predictions.assign(size=predictions.error.abs()).sort_values("size")["clip"]
    assert {ranked.iloc[0], ranked.iloc[-1]} <= set(store["clips"])
    assert len(store["clips"]) == 3


def test_optional_keys_may_be_missing(run):
    change_metrics(run, lambda metrics: metrics.clear())
    for manifest in run.glob("*/manifest.json"):
        manifest.unlink()
    shutil.rmtree(run / "05_report" / "figures")
    page = text(_write(run))
    assert '<p class="big">–</p>' in page
    assert "By degradation" not in page and ">Checks<" not in page


def test_undefined_metrics_show_a_dash(run):
    def forget(metrics):
        metrics["score"]["pcc"] = {"value": None, "low": None, "high": None}

    change_metrics(run, forget)
    assert '<p class="big">–</p>' in text(_write(run))


def test_spread_over_training_seeds_is_stated_where_known(run):
    assert "training seeds" not in text(_write(run))
    spread = {"n_seeds": 5, "pcc": {"mean": 0.9, "sd": 0.02}}
    change_metrics(run, lambda metrics: metrics.update(repeats=spread))
    assert "Over 5 training seeds (mean ± sd): PCC 0.90 ± 0.02." in text(_write(run))


def test_off_by_two_with_and_without_an_interval(run):
    for entry, shown in ((0.125, "12.5 %"), ({"value": 0.1, "low": 0, "high": 0.2}, "10.0 % (0.0")):
        change_metrics(run, lambda m, e=entry: m["classification"].update(off_by_two=e))
        assert shown in text(_write(run))


def test_embedded_figures_look_like_the_files_and_are_smaller(tmp_path):
    figure = Figure()
    plots.spectrogram(np.random.default_rng(0).normal(size=16_000) / 10, figure.subplots())
    path = tmp_path / "figure.png"
    figure.savefig(path)
    packed = packed_png(path)
    assert len(packed) < 0.6 * path.stat().st_size
    before, after = (np.asarray(Image.open(f).convert("RGB"), int) for f in (path, BytesIO(packed)))
    assert np.abs(before - after).mean() < 2  # of 255


def test_captions_give_order_title_and_alternative_text(run):
    figures = run / "05_report" / "figures"
    shutil.copy(figures / "scatter.png", figures / "another.png")
    captions = {"scatter": ("Title <1>", 'an "alt"', "What it shows.")}
    page = text(_write(run, captions))
    assert "<b>Title &lt;1&gt;.</b> What it shows." in page
    assert 'alt="an &#34;alt&#34;"' in page
    assert page.index("Title &lt;1&gt;") < page.index("<b>another.</b>")
    (run / "05_report" / "figures.json").write_text(json.dumps(captions))
    assert text(_write(run)) == page


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        ("05_report/metrics.json", "run 05_evaluate first: .*metrics.json is missing"),
        ("05_report/predictions.csv", "run 05_evaluate first: .*predictions.csv is missing"),
        ("01_clean/clips/src0000.wav", "run 01_synthesize and 02_degrade first: .*src0000.wav"),
    ],
)
def test_a_missing_file_is_named_and_the_old_report_stays(run, gone, sentence):
    before = text(_write(run))
    (run / gone).unlink()
    with pytest.raises(FileNotFoundError, match=sentence):
        _write(run)
    assert text(run / "05_report" / "report.html") == before


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.125, "0.12"), (-0.5, "−0.50"), (-0.001, "0.00"), (None, "–"), (float("nan"), "–")],
)
def test_numbers_as_text(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("noise", 38.44, "SNR 38.4 dB"),
        ("lowpass", 3412.6, "cutoff 3413 Hz"),
        ("reverb", 0.147, "RT60 0.15 s"),
        ("compression", 0.35, "wet share 0.35"),
        ("echo", 0.5, "0.50"),
        ("noise", None, "–"),
    ],
)
def test_strength_in_words(kind, value, shown):
    assert parameter_text(kind, value) == shown


def test_all_positions_lie_on_their_axis():
    entries = [{"value": 0.5, "low": 0.4, "high": 0.7}, {"value": 1.2, "low": 1.0, "high": 1.6}]
    for name in content.METRICS:
        bounded = [{k: v / 2 for k, v in e.items()} for e in entries] if name != "rmse" else entries
        ends = content.axis(name, bounded)
        for entry in bounded:
            shown = content.estimate(entry, ends)
            assert 0 <= shown.low <= shown.at <= shown.high <= 100


def test_negative_correlations_widen_the_axis():
    assert content.axis("pcc", [{"value": -0.2, "low": -0.4, "high": 0.1}]) == (-1, 1.0)
