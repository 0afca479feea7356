"""What the reader came to see is written in the notebooks, and agrees with the helper.

A cell tagged `concept:NAME` writes a core step on screen; a cell tagged `compare:NAME` asserts that
the helper, which the batch run uses, gives the same. The smoke run executes both, so a cell that
disagrees stops the series; here none may disappear or grow out of sight.
"""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
LONGEST = 15  # lines of a cell that a reader takes in at once

CONCEPTS = {
    "03_features": [
        "calibration",
        "bark",
        "power_spectrum",
        "third_octaves",
        "core_loudness",
        "masking",
        "sharpness",
        "am_tone",
        "roughness",
        "pooled_and_within",
        "normalise",
        "convolutions",
        "hidden_states",
        "embedding",
        "fusion",
    ],
    "04_train": ["split", "standardise", "network", "loss", "training_loop"],
    "01_synthesize": [
        "vibrato",
        "pitch",
        "harmonics",
        "tremolo",
        "envelope",
        "level",
        "noise_floor",
        "phrase_plan",
        "note",
        "phrase",
    ],
    "02_degrade": [
        "same_level",
        "noise",
        "clip",
        "lowpass",
        "reverb",
        "drr",
        "phase_vocoder",
        "compression",
        "scale",
        "label_curve",
        "label_sd",
        "rmse_star",
        "gaps",
    ],
    "05_evaluate": [
        "class_metrics",
        "score_metrics",
        "bootstrap",
        "within_class",
        "class_mean_score",
        "paired_difference",
        "wilson",
    ],
    "06_stress": [
        "over_seeds",
        "head_worth",
        "held_out",
        "paired_rise",
        "pairs_in_order",
        "gain_invariance",
        "shuffled_labels",
        "ece",
        "conformal",
    ],
    "07_recordings": [
        "parts",
        "familiarity",
        "integrated_gradients",
        "leave_out",
    ],
}


def tagged(notebook, tag):
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if tag in c["metadata"].get("tags", [])]


def pairs():
    return [(notebook, concept) for notebook, names in CONCEPTS.items() for concept in names]


@pytest.mark.parametrize(("notebook", "concept"), pairs())
def test_a_concept_is_written_on_screen_in_a_short_cell(notebook, concept):
    (source,) = tagged(notebook, f"concept:{concept}")
    lines = [line for line in source.splitlines() if line.strip()]
    assert 1 < len(lines) <= LONGEST


@pytest.mark.parametrize(("notebook", "concept"), pairs())
def test_a_concept_is_compared_with_the_helper(notebook, concept):
    (source,) = tagged(notebook, f"compare:{concept}")
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source)))
    assert "allclose" in source or "==" in source
