"""The notebooks: their form, then the series at smoke."""

import ast
import importlib.util
import io
import json
import math
import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from aqp_utils.commands import series as batch
from aqp_utils.core.files import sha256
from aqp_utils.predict.predictor import Predictor
from aqp_utils.runs.notebooks import NOTEBOOKS, STUDY, declared_parameters
from aqp_utils.runs.parameters import PARAMETERS, check
from aqp_utils.training.field.recipe import ALL_VERSIONS, TEST_VERSIONS

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "notebooks"
PATHS = sorted(HOME.rglob("[!.]*.ipynb"))
FOLDERS = {notebook: folder for folder, notebook in NOTEBOOKS.items()}
LONGEST_CELL = 25  # lines
LONGEST_OPEN = 15  # lines of a cell that is open to the eye, in notebooks 01 to 07

spec = importlib.util.spec_from_file_location("stamp", ROOT / "scripts" / "stamp_notebooks.py")
stamp = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stamp)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def book(path):
    return nbformat.read(path, as_version=4)


def name_of(path):
    """As in `NOTEBOOKS`: below notebooks/, without the ending."""
    return path.relative_to(HOME).with_suffix("").as_posix()


def code(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def tagged(book, tag):
    return [cell for cell in code(book) if tag in cell.metadata.get("tags", [])]


def test_the_series_is_complete():
    assert set(FOLDERS) <= {name_of(path) for path in PATHS}


def test_valid_with_ids_and_nothing_executed(book):
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) >= (4, 5)
    ids = [cell.id for cell in book.cells]
    assert len(set(ids)) == len(ids)
    assert "widgets" not in book.metadata
    for cell in code(book):
        assert cell.outputs == [] and cell.execution_count is None, cell.source


def test_badge_and_bootstrap_are_the_stamped_ones(path, book):
    assert f"/notebooks/{name_of(path)}.ipynb)" in book.cells[0].source
    assert book.cells[0].source.count("colab.research.google.com/github") == 1
    again = "run python scripts/stamp_notebooks.py"
    assert nbformat.writes(stamp.stamped(book, f"{name_of(path)}.ipynb")) == nbformat.writes(
        book
    ), again
    assert len(tagged(book, "bootstrap")) == 1
    others = [cell for cell in code(book) if cell not in tagged(book, "bootstrap")]
    assert not any("google.colab" in cell.source for cell in others)


def test_the_bootstrap_is_short_and_compiles():
    source = stamp.BOOTSTRAP.format(**stamp.address())
    ast.parse(source)
    assert len(source.splitlines()) <= 18
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", stamp.address()["repository"])


def test_parameters_are_literals_with_comments(path, book):
    for name, value in declared_parameters(path).items():  # fails unless one cell, literals only
        if name in PARAMETERS:
            check(name, value)
    (cell,) = tagged(book, "parameters")
    lines = cell.source.split("\n")
    for statement in ast.parse(cell.source).body:
        assert re.search(r"#\s*\S", lines[statement.end_lineno - 1]), lines[statement.lineno - 1]


@pytest.mark.parametrize("name", FOLDERS)
def test_parameters_of_the_series_are_the_declared_ones(name):
    values = declared_parameters(ROOT / "notebooks" / f"{name}.ipynb")
    assert {"OUT", "SEED", "INTERACTIVE"} <= set(values)
    for name, value in values.items():
        assert name in PARAMETERS, f"{name} is not in aqp_utils/parameters.py"
        assert value == PARAMETERS[name].default, name
        assert type(value) is type(PARAMETERS[name].default), name


def test_cells_are_short_and_start_with_words(book):
    assert re.match(r"# (0\d|Making) · \w+", book.cells[0].source)
    for cell in code(book):
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.source
        assert cell.source.strip(), "an empty code cell"


@pytest.mark.parametrize("name", FOLDERS)
def test_a_notebook_of_the_series_begins_and_finishes_its_stage(name):
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    source = "\n".join(cell.source for cell in code(book))
    assert source.count("Stage.begin(") == 1 and f'"{FOLDERS[name]}"' in source
    assert source.count(".finish()") == 1


@pytest.fixture(params=[name for name in FOLDERS if name[:1] == "0"])
def of_series(request):
    return nbformat.read(HOME / f"{request.param}.ipynb", as_version=4)


def test_what_is_open_is_short(of_series):
    for cell in code(of_series):
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        open_lines = len(cell.source.splitlines())
        assert folded or cell in tagged(of_series, "bootstrap") or open_lines <= LONGEST_OPEN


def test_what_is_guessed_at_first_is_answered(of_series):
    assert "**Guess first.**" in of_series.cells[0].source
    assert any("guess?**" in cell.source for cell in code(of_series))


def test_there_are_two_exercises_and_their_solutions_read_the_result(of_series):
    words = "\n".join(cell.source for cell in of_series.cells if cell.cell_type == "markdown")
    assert len(re.findall(r"^(?:## Exercise \d|\*\*(?:Exercise )?\d\.\*\*)", words, re.M)) == 2
    assert sum("*Solution.*" in cell.source for cell in tagged(of_series, "solution")) == 2


def test_solutions_hide_their_code_and_their_answer(of_series):
    book = of_series
    solutions = tagged(book, "solution")
    assert len(solutions) >= 2
    for cell in solutions:
        assert cell.metadata.jupyter == {"outputs_hidden": True, "source_hidden": True}
        assert cell.metadata.collapsed  # what classic Notebook and Colab know it by
    others = [cell for cell in code(book) if "solution" not in cell.metadata.get("tags", [])]
    assert not any(cell.metadata.get("jupyter", {}).get("outputs_hidden") for cell in others)


def test_links_to_other_notebooks_exist(path, book):
    for cell in book.cells:
        for target in re.findall(r"\]\(([\w./]+\.ipynb)\)", cell.source):
            if "outputs/showcase" not in target:  # an executed copy, made later
                assert (path.parent / target).is_file(), target


# The series at smoke. One run serves all tests below; those that change something copy it.


def run_series(out, **given):
    stream = io.StringIO()
    batch.run("smoke", given, out, root=ROOT, stream=stream)
    return stream.getvalue()


def made(text):
    return re.findall(r"(\w+): done", text)


@pytest.fixture(scope="module")
def offline():
    """Tests never wait for a model hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def series(tmp_path_factory, offline):
    out = tmp_path_factory.mktemp("series") / "run"
    assert made(run_series(out)) == list(STUDY.values())
    return out


@pytest.fixture
def changeable(series, tmp_path):
    return shutil.copytree(series, tmp_path / "run")


def numbers(value, where=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, f"{where}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from numbers(item, f"{where}[{index}]")
    elif isinstance(value, float):
        yield where, value


def test_metrics_are_there_finite_and_plausible(series):
    metrics = json.loads((series / "05_report" / "metrics.json").read_text())
    for where, number in numbers(metrics):
        assert math.isfinite(number), where
    accuracy = metrics["classification"]["accuracy"]
    assert 0 <= accuracy["low"] <= accuracy["value"] <= accuracy["high"] <= 1
    for name in ("pcc", "srcc"):
        assert -1 <= metrics["score"][name]["value"] <= 1
    assert 0 < metrics["score"]["rmse"]["value"] < 3.5
    assert metrics["encoder"]["name"] in ("embedded", "random", "facebook/wav2vec2-base")


def test_the_stress_tables_are_finite_and_name_every_kind(series):
    stress = json.loads((series / "06_stress" / "stress.json").read_text())
    for where, number in numbers(stress):
        assert math.isfinite(number), where
    kinds = set(pd.read_csv(series / "02_degraded" / "clips.csv")["kind"])
    assert all(set(rises) == kinds for rises in stress["unseen_kind"].values())
    assert set(stress["severity_left_out"]) == {"1", "2", "3"}
    assert 0 <= stress["conformal"]["coverage_other_sources"] <= 1
    assert set(stress["gaps"]) == {"with gaps", "without gaps"}
    for answers in stress["gaps"].values():
        assert set(answers) == {"score head", "class head alone", "difference"}


def test_the_demo_is_scored_and_the_report_holds_all_three_parts(series):
    table = pd.read_csv(series / "07_recordings" / "recordings.csv")
    assert len(table) == 3 and table["score"].between(1, 4.5).all()
    page = (series / "07_recordings" / "report.html").read_text(encoding="utf-8")
    for title in ("How sure?", "Damage that the network never had", "Why this score?"):
        assert f"<b>{title}" in page
    assert len((series / "07_recordings" / "report.html").read_bytes()) < 8e6


def test_folders_hold_what_the_next_notebook_needs(series):
    clips = pd.read_csv(series / "02_degraded" / "clips.csv")
    assert len(clips) == 5 * 4 * 3 and clips.groupby(["kind", "severity"]).size().eq(4).all()
    assert clips.score.between(1.0, 4.5).all()
    features = np.load(series / "03_features" / "features.npz", allow_pickle=False)
    assert list(features["clip"]) == list(clips["clip"])
    for name, width in (("psychoacoustic", 19), ("classic", 19), ("embedding", 768)):
        assert features[name].shape == (60, width) and np.isfinite(features[name]).all(), name
    split = pd.read_csv(series / "04_model" / "split.csv")
    assert split.groupby("source").part.nunique().eq(1).all()
    predictions = pd.read_csv(series / "05_report" / "predictions.csv")
    probabilities = predictions[["p_low", "p_medium", "p_high"]].sum(axis=1)
    np.testing.assert_allclose(probabilities, 1, atol=1e-5)


def test_executed_copies_have_pictures_and_no_widget_state(series):
    for name in STUDY.values():
        book = nbformat.read(series / "notebooks" / f"{name}.ipynb", as_version=4)
        nbformat.validate(book)
        outputs = [output for cell in code(book) for output in cell.outputs]
        kinds = {kind for output in outputs for kind in output.get("data", {})}
        assert "image/png" in kinds, f"{name} shows no picture"
        pages = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
        assert any("<audio" in page for page in pages), f"{name} plays no sound"
        assert "application/vnd.jupyter.widget-view+json" not in kinds
        assert "widgets" not in book.metadata
        assert not any(output.output_type == "error" for output in outputs)


@pytest.fixture(scope="module")
def field_run(tmp_path_factory, offline):
    pytest.importorskip("pesq")
    out = tmp_path_factory.mktemp("field") / "run"
    given = dict(N_SOURCES=50, DURATION_S=1.0, FIELD_EPOCHS=1, BOOTSTRAP=20)
    stream = io.StringIO()
    batch.run("field", given, out, root=ROOT, stream=stream)
    assert made(stream.getvalue()) == ["train_predictor"]
    return out


def test_the_field_notebook_leaves_a_predictor_that_predicts(field_run):
    predictor = Predictor.load(field_run, device="cpu")
    result = predictor(np.random.default_rng(0).standard_normal(16_000) * 0.1, 16_000)
    assert 1 <= result.interval[0] <= result.score <= result.interval[1] <= 4.5
    card = json.loads((field_run / "field" / "predictor" / "card.json").read_text())
    clips = pd.read_csv(field_run / "field" / "clips.csv")
    further = ALL_VERSIONS - TEST_VERSIONS  # of those that are learned from
    learned, rest = divmod(card["clips"] + card["left_out"] - 50 * TEST_VERSIONS, further)
    heard = clips.loc[clips["version"] >= TEST_VERSIONS, "source"].nunique()
    assert rest == 0 and heard <= learned <= heard + card["left_out"] // further
    assert 25 < learned < 50
    assert "PCC" in batch.headline(field_run / "field" / "metrics.json")


def test_the_field_notebook_has_pictures_and_leaves_no_checkpoints(field_run):
    book = nbformat.read(field_run / "notebooks" / "train_predictor.ipynb", as_version=4)
    kinds = {kind for c in code(book) for o in c.outputs for kind in o.get("data", {})}
    assert "image/png" in kinds and "application/vnd.jupyter.widget-view+json" not in kinds
    assert not (field_run / "field" / "checkpoints").exists()
    assert list((field_run / "field" / "figures").glob("*.png"))
    parts = pd.read_csv(field_run / "field" / "clips.csv").groupby("speaker")["part"].nunique()
    assert parts.eq(1).all()


def test_the_report_stands_alone(series):
    page = (series / "07_recordings" / "report.html").read_text(encoding="utf-8")
    assert "data:image/" in page and "<audio" in page
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//[^"']+\.(?:js|css)""", page)
    assert not re.search(r"""src=["'](?!data:)""", page)
    assert list((series / "05_report" / "figures").glob("*.png"))


def test_nothing_half_written_or_temporary_stays(series):
    names = [path.name for path in series.rglob("*")]
    assert not [n for n in names if n.endswith((".part", ".failed.ipynb")) or n == "checkpoints"]


def test_a_second_run_keeps_everything(changeable, offline):
    text = run_series(changeable)
    assert text.count("unchanged, kept") == len(STUDY), text


def test_a_changed_parameter_remakes_what_depends_on_it(changeable, offline):
    assert made(run_series(changeable, EPOCHS=3)) == list(STUDY.values())[3:]


def test_a_flipped_byte_in_a_clip_remakes_that_folder_as_it_was(changeable, series, offline):
    clip = sorted((changeable / "02_degraded" / "clips").glob("*.wav"))[7]
    content = bytearray(clip.read_bytes())
    content[1000] ^= 1
    clip.write_bytes(content)
    text = run_series(changeable)
    assert "02_degrade: running (this file was changed since it was made" in text
    assert clip.name in text
    assert made(text) == ["02_degrade"], "02 made again is not what it was, down to its figures"
    for name in ("01_clean/clips.csv", "02_degraded/clips.csv", "05_report/metrics.json"):
        assert sha256(changeable / name) == sha256(series / name), name


def test_the_same_seed_gives_the_same_bits(series, tmp_path, offline):
    run_series(tmp_path / "again")
    for name in (
        "01_clean/clips.csv",
        "02_degraded/clips.csv",
        "03_features/features.npz",
        "04_model/split.csv",
        "05_report/metrics.json",
        "05_report/predictions.csv",
        "06_stress/stress.json",
        "06_stress/differences.csv",
        "07_recordings/recordings.csv",
    ):
        assert sha256(tmp_path / "again" / name) == sha256(series / name), name
