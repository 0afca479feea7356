"""The same small study on other threads, processors and Pythons: the same numbers, nearly.

    AQP_PYTHONS=/path/to/python3.12:/path/to/python3.13 make test-faults

Each interpreter named there needs the package's requirements. Without it only this one is tried,
with one thread and two, and with the widest instructions of the processor hidden from NumPy and
PyTorch, as on an older machine. Which were tried is printed and recorded.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from record import record

from aqp_utils.training.field.golden import ELSEWHERE

ROOT = Path(__file__).parents[2]
PATIENCE_S = 1200
# How far another machine may be off: features and embeddings in standard deviations over the
# clips of the run, scores and metrics as they are.
TOLERANCE = {
    "features": 1e-3,
    "embeddings": 1e-3,
    "predicted_scores": 5e-3,
    "metrics": 1e-2,
    "golden_scores": ELSEWHERE,
}
DISPATCHED = (
    "from numpy._core._multiarray_umath import __cpu_dispatch__ as d, __cpu_features__ as f; "
    "print(*[name for name in d if f.get(name)])"
)


def hidden(python, pattern, torch_has):
    """Environment that hides instruction sets, None if NumPy uses none of that name here."""
    names = run([python, "-c", DISPATCHED], {}).split()
    found = [name for name in names if re.match(pattern, name)]
    if not found:
        return None
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(found), "ATEN_CPU_CAPABILITY": torch_has}


def run(command, environment):
    """What another process prints."""
    here = {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(
        command,
        env=os.environ | here | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def variants():
    """What can be tried here: name -> (interpreter, environment)."""
    here = sys.executable
    found = {
        "two threads": (here, {"OMP_NUM_THREADS": "2"}),
        "without AVX-512": (here, hidden(here, "AVX512|X86_V4", "avx2")),
        "without AVX2 and FMA": (here, hidden(here, "AVX|FMA|X86_V3|X86_V4", "default")),
    }
    for python in filter(None, os.environ.get("AQP_PYTHONS", "").split(os.pathsep)):
        version = run([python, "-V"], {}).split()[-1]
        found[f"Python {version}"] = (python, {})
    return {name: place for name, place in found.items() if place[1] is not None}


def numbers_of(python, environment, folder):
    """Numbers of a study made by another process: name -> array."""
    program, target = Path(__file__).with_name("numbers_of_a_study.py"), folder / "numbers.npz"
    run([python, str(program), str(target)], environment)
    with np.load(target, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in TOLERANCE}


def distance(what, here, there):
    """How far numbers are apart at most; NaN only where both have it."""
    np.testing.assert_array_equal(np.isnan(here), np.isnan(there))
    apart = np.abs(here - there)
    if what in ("features", "embeddings"):
        apart = apart / np.maximum(here.std(axis=0), 1e-9)
    return float(np.nanmax(apart))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return numbers_of(sys.executable, {}, tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="module")
def rows():
    found = []
    yield found
    record("other_machines", found)


@pytest.mark.parametrize("name", variants())
def test_numbers_are_the_same_elsewhere(name, reference, rows, tmp_path):
    python, environment = variants()[name]
    there = numbers_of(python, environment, tmp_path)
    apart = {what: distance(what, reference[what], there[what]) for what in TOLERANCE}
    print(f"\n{name}: " + ", ".join(f"{what} {value:.1e}" for what, value in apart.items()))
    held = [what for what, value in apart.items() if value <= TOLERANCE[what]]
    rows.append(
        dict(
            fault="other threads, processors, Pythons",
            about=f"{name}: a study at smoke, golden scores (largest difference "
            f"{max(apart.values()):.1e})",
            tried=len(apart),
            held=len(held),
            seed=0,
        )
    )
    assert set(held) == set(TOLERANCE), apart
