"""The wheel: what it declares and holds, and that it works in a folder that is no clone."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from packaging.requirements import Requirement

import aqp_utils

ROOT = Path(__file__).resolve().parents[1]
BUILT_FROM = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
# What an extra of the wheel brings; requirements-predict.txt is what it brings without any.
EXTRAS = {p.stem.partition("-")[2]: p.name for p in ROOT.glob("requirements-*.txt")}
del EXTRAS["predict"]
EXTRAS["study"] = "requirements.txt"
PYTHONS = ("3.11", "3.12", "3.13")
# Brought by ipykernel, transformers, scikit-learn and matplotlib.
COME_ALONG = {"aqp_utils", "IPython", "huggingface_hub", "PIL"}
OPTIONAL = {"speechmos", "distillmos"}  # peers: where missing, a sentence says so
# Distributions of another name than their module, for a machine without them.
SOLD_AS = {"hibari": "hibari-tts", "pyopenjtalk": "pyopenjtalk-plus"}
LARGEST_MB = 400  # of the wheel and what it brings without extras
HEAVY = {"numpy", "scipy", "pandas", "matplotlib", "torch", "torchaudio", "transformers", "librosa"}
HEAVY |= {"onnxruntime"}


def requirements(name):
    """The `Requirement`s in the file `name` of the repository, as text that compares."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return sorted(str(Requirement(line)) for line in lines if line and not line.startswith("#"))


def plain_name(name):
    """Of a distribution: `Pillow_SIMD` and `pillow-simd` are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def run(*command, **options):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=environment, **options
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that no old `build/` takes part and none is left behind."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for path in (*(ROOT / name for name in BUILT_FROM), *ROOT.glob("requirements*.txt")):
        shutil.copy(path, source)
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "aqp_utils", source / "aqp_utils", ignore=hidden)
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    done = run(sys.executable, "-m", "pip", "wheel", *offline, "-w", built, source)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def names(wheel):
    return zipfile.ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def metadata(wheel, names) -> Message:
    (name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(zipfile.ZipFile(wheel).read(name).decode())


@pytest.fixture(scope="module")
def home(wheel, tmp_path_factory):
    """Folder `bin` of an environment with the wheel; other packages are those that run here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=os.name != "nt", with_pip=False)
    paths = {"base": folder, "platbase": folder}
    site = Path(sysconfig.get_path("purelib", "venv", paths))
    here = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "packages_that_run_here.pth").write_text("\n".join(here) + "\n")
    python = Path(sysconfig.get_path("scripts", "venv", paths)) / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    done = run(*pip, "install", "--no-deps", "--no-index", "--ignore-installed", wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    return python.parent


def test_the_wheel_declares_every_requirement_and_extra(metadata):
    declared = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    plain = sorted(str(requirement) for requirement in declared if requirement.marker is None)
    assert plain == requirements("requirements-predict.txt")
    assert sorted(metadata.get_all("Provides-Extra")) == sorted(EXTRAS)
    for extra in EXTRAS:
        wanted = [r for r in declared if r.marker and f'"{extra}"' in str(r.marker)]
        bare = sorted(str(r).split(";")[0].strip() for r in wanted)
        assert bare == requirements(EXTRAS[extra])


def imported():
    """Top-level modules that the package imports, anywhere in its code."""
    for path in (ROOT / "aqp_utils").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module.split(".")[0]


def test_everything_the_package_imports_is_declared():
    # Training tools are optional, but named where `make field` finds them; so is the cluster.
    names = ("requirements.txt", "requirements-field.txt", "requirements-cluster.txt")
    texts = [text for name in names for text in requirements(name)]
    declared = {plain_name(Requirement(text).name) for text in texts}
    distributions = packages_distributions()
    for module in set(imported()) - set(sys.stdlib_module_names) - COME_ALONG - OPTIONAL:
        found = distributions.get(module, [SOLD_AS.get(module, module)])
        owners = {plain_name(name) for name in found}
        assert owners & declared, f"{module} is imported, but no requirements file names it"


def brought_by_the_wheel():
    """Plain names of all distributions that the wheel brings without extras, directly or not."""
    waiting, found = requirements("requirements-predict.txt"), set()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = plain_name(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and name not in found:
            found.add(name)
            waiting += distribution(name).requires or []
    return found


def distributions_of(modules):
    """Plain names of the distributions that hold some top-level modules; Python's own have none."""
    holders = packages_distributions()
    return {plain_name(name) for module in modules for name in holders.get(module, [])[:1]}


def test_what_the_wheel_brings_is_small():
    files = [file for name in brought_by_the_wheel() for file in distribution(name).files]
    sizes = [Path(file.locate()).stat().st_size for file in files if Path(file.locate()).is_file()]
    ours = sum(path.stat().st_size for path in (ROOT / "aqp_utils").rglob("*") if path.is_file())
    assert (sum(sizes) + ours) / 1e6 < LARGEST_MB


def test_the_wheel_holds_every_asset_template_and_script(names):
    package = ROOT / "aqp_utils"
    kept = [p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    kept = {p.relative_to(ROOT).as_posix() for p in kept if p.suffix not in {".md", ".pyc"}}
    assert kept - set(names) == set()
    outside = {name.split("/")[0] for name in names} - {"aqp_utils"}
    assert all(name.endswith(".dist-info") for name in outside)


def test_metadata_says_where_and_for_what(metadata):
    where = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["aqp"]
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL"))
    assert {"Homepage", "Source", "Changelog", "Issues"} <= set(urls)
    assert all(url.startswith(f"https://github.com/{where['repository']}") for url in urls.values())
    assert metadata["Version"] == aqp_utils.__version__
    assert metadata["License-Expression"] == "MIT" and metadata["Author"]
    for python in PYTHONS:
        assert f"Programming Language :: Python :: {python}" in metadata.get_all("Classifier")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["repository-code"] == urls["Homepage"]
    assert str(citation["version"]) == metadata["Version"]


def test_the_description_has_no_link_that_an_index_cannot_follow(metadata):
    text = metadata.get_payload()
    assert text.lstrip().startswith("# aqp")
    assert metadata["Description-Content-Type"] == "text/markdown"
    targets = re.findall(r"\]\(([^)\s]+)|(?:src|href)=\"([^\"]+)", text)
    assert len(targets) > 5
    for target in ("".join(pair) for pair in targets):
        assert re.match(r"https?://|#", target), target
    assert "```mermaid" not in text and "<!--" not in text


@pytest.fixture
def recording(tmp_path):
    """A second of a noisy tone, alone in an empty folder."""
    time_s = np.arange(32_000) / 16_000
    noise = np.random.default_rng(0).standard_normal(time_s.size)
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * 220 * time_s) + 0.01 * noise, 16_000)
    return path


def test_predict_scores_a_recording_in_any_folder(home, recording):
    done = run(home / "aqp", "predict", recording.name, "--json", cwd=recording.parent)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["recordings"]
    assert 1.0 <= row["score_low"] <= row["score"] <= row["score_high"] <= 4.5


def test_the_predictor_is_imported_from_the_wheel(home, tmp_path):
    code = "from aqp_utils import Predictor; import sys; print(sys.modules['aqp_utils'].__file__)"
    done = run(home / "python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(home.parent)


def test_run_outside_a_clone_says_what_to_do(home, tmp_path):
    done = run(home / "aqp", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "clone the repository and run this inside it." in done.stderr
    assert done.stderr.startswith("aqp: ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_importing_the_package_is_quick_and_imports_nothing_heavy(home, tmp_path):
    code = "import aqp_utils, sys; print(*(name.split('.')[0] for name in sys.modules))"
    done = run(home / "python", "-X", "importtime", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & HEAVY == set()
    (line,) = (line for line in done.stderr.splitlines() if line.endswith(" aqp_utils"))
    cumulative_us = int(line.split("|")[1])
    assert cumulative_us < 100_000, "importing aqp_utils took over 0.1 s"
