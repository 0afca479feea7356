"""Tiny notebooks with the contracts of the real ones, to test what runs them."""

import shutil
from pathlib import Path

import nbformat
from nbformat import v4

from aqp_utils.commands import execution
from aqp_utils.core import package
from aqp_utils.runs import code, notebooks
from aqp_utils.runs.notebooks import NOTEBOOKS

PACKAGE = Path(package.PACKAGE)

# Body and own parameters of each notebook; every one also has OUT, SEED and INTERACTIVE.
SERIES = {
    "01_clean": ("N_PER_CONDITION = 20", "(stage.folder / 'clip.wav').write_text(f'{SEED}')"),
    "02_degraded": ("SEVERITIES = [1, 2, 3]", "(stage.folder / 'clip.wav').write_text('2')"),
    "03_features": ("DEVICE = 'auto'", "(stage.folder / 'x.npz').write_text('3')"),
    "04_model": ("EPOCHS = 40", "(stage.folder / 'history.csv').write_text(f'{EPOCHS}')"),
    "05_report": ("BOOTSTRAP = 1000", "(stage.folder / 'metrics.json').write_text(METRICS)"),
    "06_stress": ("SEEDS = 5", "(stage.folder / 'stress.json').write_text('{}')"),
    "07_recordings": ("RECORDINGS = ''", "(stage.folder / 'report.html').write_text('')"),
}
METRICS = '{"classification": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}}}'


def write(root, bodies=None):
    """Write the series under `root`/notebooks; `bodies` (folder -> code) replaces some bodies."""
    (root / "notebooks").mkdir(exist_ok=True)
    reads = None
    for folder, (own, body) in SERIES.items():
        name = own.split(" ")[0]
        cells = [
            v4.new_markdown_cell(f"# {folder}"),
            v4.new_code_cell(
                f"OUT = 'outputs/run'\nSEED = 0\n{own}\nINTERACTIVE = True",
                metadata={"tags": ["parameters"]},
            ),
            v4.new_code_cell(
                "from aqp_utils.runs.stage import Stage\n"
                f"METRICS = {METRICS!r}\n"
                f"stage = Stage.begin({folder!r}, out=OUT, reads={reads!r},\n"
                f"                    parameters=dict(SEED=SEED, {name}={name}))"
            ),
            v4.new_code_cell((bodies or {}).get(folder, body)),
            v4.new_code_cell("stage.finish();"),
        ]
        book = v4.new_notebook(cells=cells)
        nbformat.write(book, root / "notebooks" / f"{NOTEBOOKS[folder]}.ipynb")
        reads = folder
    return root


def repository(root, monkeypatch, bodies=None):
    """A repository in `root`: a copy of the package, which runs now use, and tiny notebooks."""
    shutil.copytree(PACKAGE, root / "aqp_utils", ignore=shutil.ignore_patterns("assets", "__py*"))
    for module in (notebooks, code, execution):
        monkeypatch.setattr(module, "PACKAGE", root / "aqp_utils")
    return write(root, bodies)
