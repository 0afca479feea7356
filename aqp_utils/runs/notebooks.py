"""Where the notebooks are, and what is in them."""

import ast
import json
from pathlib import Path

from aqp_utils.core.package import PACKAGE

# Folder -> notebook that makes it, in order: the study, and the predictor for the field.
STUDY = {
    "01_clean": "01_synthesize",
    "02_degraded": "02_degrade",
    "03_features": "03_features",
    "04_model": "04_train",
    "05_report": "05_evaluate",
}
FIELD = {"06_field": "06_field"}
NOTEBOOKS = STUDY | FIELD


def find_root(start="."):
    """Folder that holds `notebooks/`: upward from `start`, else the one this package lies in.

    Raises
    ------
    FileNotFoundError
        If there is none, as when the package was installed without its repository.
    """
    start = Path(start).resolve()
    for folder in (start, *start.parents, PACKAGE.parent):
        if (folder / "notebooks" / "01_synthesize.ipynb").is_file():
            return folder
    raise FileNotFoundError(
        f"no notebooks/01_synthesize.ipynb in {start} or above it: "
        "clone the repository and run this inside it."
    )


def notebook_path(folder_name, root=None):
    """Path of the notebook that makes `folder_name`, e.g. "02_degraded"."""
    return (root or find_root()) / "notebooks" / f"{NOTEBOOKS[folder_name]}.ipynb"


def code_cells(path):
    """Sources of the code cells of the notebook at `path`, with the cell's tags.

    Returns
    -------
    list of (str, list of str)
        (source, tags) of each code cell.

    Raises
    ------
    ValueError
        If the file is no notebook.
    """
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        return [
            ("".join(cell["source"]), cell["metadata"].get("tags", []))
            for cell in cells
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: this is not a readable notebook ({error}).") from error


def declared_parameters(path):
    """Names and values in the cell tagged `parameters` of the notebook at `path`, in its order.

    Raises
    ------
    ValueError
        If there is not exactly one such cell, or it holds more than assignments of literals.
    """
    sources = [source for source, tags in code_cells(path) if "parameters" in tags]
    if len(sources) != 1:
        raise ValueError(f"{path}: {len(sources)} cells tagged parameters, there must be one.")
    values = {}
    for statement in ast.parse(sources[0]).body:
        try:
            (target,) = statement.targets
            values[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError) as error:
            raise ValueError(
                f"{path}: line {statement.lineno} of the parameters cell is no NAME = literal."
            ) from error
    return values
