"""The report: one HTML file with numbers, figures and players that needs no network.

`content` prepares what is said, templates/report.html.j2 how it looks; this module reads the
run folder, packs audio and pictures into the page and writes it.
"""

import base64
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jinja2
import matplotlib
import numpy as np
import pandas as pd
import soundfile as sf
from matplotlib.colors import to_hex
from PIL import Image

from aqp_utils.core.audio import SAMPLE_RATE, read_clip
from aqp_utils.core.files import write_text
from aqp_utils.core.package import PACKAGE
from aqp_utils.core.scale import CLASSES
from aqp_utils.core.text import number
from aqp_utils.runs.notebooks import STUDY
from aqp_utils.runs.stage import MANIFEST
from aqp_utils.views import plots
from aqp_utils.views.players import FORMATS, audio_data_uri
from aqp_utils.views.report import content
from aqp_utils.views.report.checks import check_tables
from aqp_utils.views.text import parameter_text

N_PLAYERS = 100  # clips with players; keeps the page of a large run near 5 MB
AUDIO_BYTES = 5.5e6  # of all players as text in the page; it stays under 8 MB with its figures
COLORMAP_STEPS = 32  # the page interpolates between them
PARTS = ("05_report", "06_stress", "07_recordings")  # folders whose figures the page shows
DRAWN_HERE = ("scatter", "confusion", "per_degradation", "baselines")  # as tables and charts


def write_report(out_folder, run_folder, captions=None, audio_format="flac", n_players=N_PLAYERS):
    """Write `out_folder`/report.html from the results of one run, as notebook 07 does at its end.

    Parameters
    ----------
    out_folder : path
        Where the page goes.
    run_folder : path
        Holds 01_clean, 02_degraded and the other stages with their manifests; 05_report with
        metrics.json, predictions.csv and figures/*.png, 06_stress and 07_recordings with theirs.
    captions : dict, optional
        Figure (file name without .png) -> (title, text that replaces the picture for who cannot
        see it, sentence that reads it), in the order to show; default: figures.json of each
        folder, where there is one.
    audio_format : str
        "flac" (lossless, and played by older Safari) or "opus" (small, but what it smears shows
        in the spectrograms); without an Opus encoder in libsndfile it is "flac".
    n_players : int
        Clips to embed with audio. If there are more, or they would take more than `AUDIO_BYTES`,
        these are spread evenly over the ranks of absolute error, the largest included.

    Returns
    -------
    Path
        report.html, a single file that loads nothing.

    Raises
    ------
    FileNotFoundError
        Naming the missing file and the notebook that makes it.
    """
    out_folder, run_folder = Path(out_folder), Path(run_folder)
    results = run_folder / "05_report"
    metrics = _metrics(run_folder)
    predictions = _test_part(pd.read_csv(_need(results / "predictions.csv", "05_evaluate")))
    manifests = _manifests(run_folder)
    if audio_format == "opus" and "OPUS" not in sf.available_subtypes("OGG"):
        audio_format = "flac"
    heard, sounds = _within_budget(predictions, run_folder / "02_degraded", audio_format, n_players)
    clips = _clips(predictions)
    page = template("report.html.j2").render(
        metrics=metrics,
        view=content,
        manifests=manifests,
        clips=clips,
        checks=check_tables(metrics),
        scatter=content.scatter(clips),
        kinds=_kinds(predictions),
        severities=sorted(predictions["severity"].unique().tolist()),
        classes=CLASSES[::-1],
        figures=_figures(run_folder, captions),
        audio=_audio_facts(audio_format, sounds, int(heard.sum()), len(predictions)),
        store=_store(predictions[heard], sounds, FORMATS[audio_format].decoded_rate),
    )
    path = out_folder / "report.html"
    write_text(path, page)
    return path


def _need(path, notebook):
    if not path.is_file():
        raise FileNotFoundError(f"run {notebook} first: {path} is missing.")
    return path


def _metrics(run_folder):
    """metrics.json of 05 with empty groups for those it leaves out, and what 06 adds to it."""
    path = _need(run_folder / "05_report" / "metrics.json", "05_evaluate")
    groups = ("classification", "score", "per_degradation", "baselines")
    found = {**{name: {} for name in groups}, **json.loads(path.read_text("utf-8"))}
    stress = run_folder / "06_stress" / "stress.json"
    added = json.loads(stress.read_text("utf-8")) if stress.is_file() else {}
    return found | {name: added[name] for name in ("repeats", "controls") if name in added}


def _test_part(predictions):
    if "part" in predictions:
        predictions = predictions[predictions["part"] == "test"]
    size = (predictions["predicted_score"] - predictions["score"]).abs()
    return predictions.loc[size.sort_values(ascending=False, kind="stable").index].reset_index(
        drop=True
    )


def _manifests(run_folder):
    """Manifest of each finished stage; the report is written before its own stage has one."""
    paths = {name: run_folder / name / MANIFEST for name in STUDY}
    return {
        name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.is_file()
    }


def _spread_over_error(predictions, n_players):
    """Mask of the clips that get players, shape (n,)."""
    n = len(predictions)
    error = (predictions["predicted_score"] - predictions["score"]).abs().to_numpy()
    ranked = np.argsort(-error, kind="stable")
    chosen = np.unique(np.linspace(0, n - 1, min(n_players, n)).round().astype(int))
    mask = np.zeros(n, dtype=bool)
    mask[ranked[chosen]] = True
    return mask


def _within_budget(predictions, folder, audio_format, n_players):
    """Which clips get players (mask), and their sounds, in at most `AUDIO_BYTES` of text."""
    heard = _spread_over_error(predictions, n_players)
    sounds = _sounds(predictions[heard], folder, audio_format)
    size = sum(len(uri) for uri, _ in sounds.values())
    while size > AUDIO_BYTES and heard.sum() > 1:
        fewer = min(int(heard.sum() * AUDIO_BYTES / size), int(heard.sum()) - 1)
        heard = _spread_over_error(predictions, max(1, fewer))
        sounds = _sounds(predictions[heard], folder, audio_format)
        size = sum(len(uri) for uri, _ in sounds.values())
    return heard, sounds


def _sounds(predictions, folder, audio_format):
    """Data URI of every wav file behind these clips, each clean source once: path -> text."""
    files = pd.unique(predictions[["file", "clean_file"]].to_numpy().ravel())

    def pack(file):
        audio = read_clip(_need(folder / file, "01_synthesize and 02_degrade"))
        return audio_data_uri(audio, audio_format), len(audio) / SAMPLE_RATE

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # libsndfile encodes outside Python's lock
        return dict(zip(files, pool.map(pack, files), strict=True))


def _audio_facts(audio_format, sounds, n_heard, n_clips):
    seconds = sum(duration_s for _, duration_s in sounds.values())
    bits = sum(6 * len(uri.partition(",")[2]) for uri, _ in sounds.values())  # base64: 6 a letter
    return {
        "label": FORMATS[audio_format].label,
        "lossless": audio_format != "opus",
        "kbit_per_s": round(bits / seconds / 1000) if seconds else 0,
        "n_heard": n_heard,
        "n_clips": n_clips,
    }


def _clips(predictions):
    """One dict per test clip with every text its row and its details show."""
    rows = []
    for row in predictions.to_dict("records"):
        off = abs(CLASSES.index(row["predicted_quality"]) - CLASSES.index(row["quality"]))
        row["error"] = row["predicted_score"] - row["score"]
        text = number(row["error"])
        row["error_text"] = f"+{text}" if float(f"{row['error']:.2f}") > 0 else text
        row["classes_off"] = off
        row["parameter_text"] = parameter_text(row["kind"], row.get("parameter"))
        row["probabilities"] = [(name, row.get(f"p_{name}")) for name in CLASSES[::-1]]
        rows.append(row)
    return rows


def _kinds(predictions):
    """Kind -> (colour, number of its symbol), in the order of the figures."""
    found = predictions["kind"].unique().tolist()
    ordered = [k for k in plots.KIND_COLORS if k in found]
    ordered += [k for k in found if k not in ordered]
    return {k: (to_hex(plots.KIND_COLORS.get(k, "gray")), i % 5) for i, k in enumerate(ordered)}


def _figures(run_folder, captions):
    """Pictures with title, alternative text and sentence; those without a caption come last.

    What the page draws itself, and so would show twice, is left out.
    """
    folders = [run_folder / name for name in PARTS]
    if captions is None:
        lists = [folder / "figures.json" for folder in folders]
        found = [json.loads(path.read_text("utf-8")) for path in lists if path.is_file()]
        captions = {name: entry for listed in found for name, entry in listed.items()}
    pictures = [path for folder in folders for path in sorted(folder.glob("figures/*.png"))]
    paths = {path.stem: path for path in pictures if path.stem not in DRAWN_HERE}
    names = [n for n in captions if n in paths] + [n for n in paths if n not in captions]
    figures = []
    for name in names:
        plain = name.replace("_", " ")
        title, alt, sentence = captions.get(name, (plain, f"Figure: {plain}", ""))
        data = base64.b64encode(packed_png(paths[name])).decode()
        figures.append(dict(name=name, title=title, alt=alt, sentence=sentence, data=data))
    return figures


def packed_png(path):
    """A picture with a palette of its own: to the eye the same figure, in half the bytes.

    Parameters
    ----------
    path : path
        A PNG file.

    Returns
    -------
    bytes
        A PNG file; the given one if it is smaller.
    """
    buffer = io.BytesIO()
    image = Image.open(path).convert("RGB")
    palette = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(buffer, "PNG", optimize=True)
    return min(buffer.getvalue(), path.read_bytes(), key=len)


def _store(predictions, sounds, decoded_rate):
    """What the page's script needs: audio by file, files by clip, and how to draw a spectrogram."""
    return {
        "sounds": {file: uri for file, (uri, _) in sounds.items()},
        "clips": {
            row.clip: {"degraded": row.file, "clean": row.clean_file}
            for row in predictions.itertuples()
        },
        "spectrogram": {
            "sample_rate": SAMPLE_RATE,
            "decoded_rate": decoded_rate,
            "n_fft": plots.N_FFT,
            "hop": plots.HOP,
            "level_db": plots.DB_RANGE,
            "difference_db": [-plots.DIFFERENCE_DB, plots.DIFFERENCE_DB],
        },
        "colormaps": {"level": _colormap("magma"), "difference": _colormap("vlag")},
    }


def _colormap(name):
    steps = matplotlib.colormaps[name](np.linspace(0, 1, COLORMAP_STEPS))
    return [[round(255 * channel) for channel in color[:3]] for color in steps]


def template(name):
    """A template of this room, with everything escaped: a clip may be called anything."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE / "views" / "report" / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template(name)
