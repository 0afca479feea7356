"""The package stays a house that a stranger can walk through: rooms that say what they hold."""

import ast
from pathlib import Path

import pytest

from aqp_utils.core.package import ASSETS, PACKAGE

MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})
LONGEST_MODULE, FULLEST_FOLDER = 450, 14


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_is_short_and_says_in_its_first_line_what_it_holds(module):
    text = module.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST_MODULE
    first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    assert len(first) > 10 or module.name == "__main__.py"


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_folder_is_seen_at_a_glance(folder):
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".pyc"]
    assert len(files) <= FULLEST_FOLDER


def test_the_plan_of_the_house_names_every_room():
    plan = (PACKAGE / "README.md").read_text("utf-8")
    rooms = [path for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()]
    assert len(rooms) > 10
    assert not [room.name for room in [*rooms, ASSETS] if f"{room.name}/" not in plan]


def test_no_name_is_taken_twice_for_modules_of_one_room():
    for folder in FOLDERS:
        names = [path.stem for path in folder.iterdir() if path.suffix == ".py"]
        packages = [path.name for path in folder.iterdir() if (path / "__init__.py").is_file()]
        assert not set(names) & set(packages), Path(folder).name
