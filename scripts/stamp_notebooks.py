"""Write what all notebooks share into each of them: Colab badge, bootstrap cell, no outputs.

    python scripts/stamp_notebooks.py           # rewrite notebooks where needed
    python scripts/stamp_notebooks.py --check   # say which ones would change, exit 1 if any

Owner, name and tag of the repository come from [tool.aqp] in pyproject.toml.
"""

import copy
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
BADGE_START = "[![Open in Colab]"
BADGE = (
    BADGE_START + "(https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/{tag}/notebooks/{name})"
)
BOOTSTRAP = """\
# Find the repository and work from there; where there is none, as on Colab, fetch it first.
import os
import subprocess
import sys
from pathlib import Path

here = Path.cwd()
root = next((p for p in (here, *here.parents) if (p / "aqp_utils").is_dir()), here / "aqp")
if not root.is_dir():
    address = "https://github.com/{repository}"
    clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", "{tag}", address, str(root)]
    subprocess.run(clone, check=True)
    subprocess.run(["bash", root / "colab_setup.sh"], check=True)
os.chdir(root)
sys.path.insert(0, str(root))"""
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def address():
    """The table [tool.aqp] of pyproject.toml: repository and tag."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["aqp"]


def stamped(book, name):
    """Copy of the notebook `book`, `name` under notebooks, stamped and with nothing executed.

    The badge stands under the title; the bootstrap is the cell tagged so, by default the one after
    the parameters.
    """
    book = copy.deepcopy(book)
    where = address()
    _stamp_badge(book.cells[0], BADGE.format(name=name, **where))
    _bootstrap_cell(book).source = BOOTSTRAP.format(**where)
    for cell in book.cells:
        for timing in ("execution", "papermill", "ExecuteTime"):
            cell.metadata.pop(timing, None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    book.metadata = nbformat.from_dict(METADATA)
    book.nbformat_minor = max(book.nbformat_minor, 5)
    return book


def _stamp_badge(cell, badge):
    title, *rest = cell.source.split("\n")
    rest = [line for line in rest if not line.startswith(BADGE_START)]
    while rest and not rest[0].strip():
        rest.pop(0)
    cell.source = "\n".join([title, "", badge, "", *rest]).rstrip()


def _bootstrap_cell(book):
    position = None
    for index, cell in enumerate(book.cells):
        tags = cell.metadata.get("tags", [])
        if "bootstrap" in tags:
            return cell
        if "parameters" in tags:
            position = index + 1
    if position is None:
        raise ValueError("no cell is tagged parameters, so the bootstrap has no place")
    cell = nbformat.v4.new_code_cell(metadata={"tags": ["bootstrap"]})
    book.cells.insert(position, cell)
    return cell


def main(check):
    """Stamp every notebook; return how many differed."""
    differing = 0
    for path in sorted((ROOT / "notebooks").rglob("[!.]*.ipynb")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT / "notebooks").as_posix()
        book = stamped(nbformat.reads(text, as_version=4), name)
        if nbformat.writes(book) + "\n" == text:
            continue
        differing += 1
        print(f"{name}: {'differs' if check else 'stamped'}")
        if not check:
            nbformat.write(book, path)
    return differing


if __name__ == "__main__":
    checking = "--check" in sys.argv[1:]
    sys.exit(1 if main(checking) and checking else 0)
