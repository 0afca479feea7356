"""A result knows the code behind it: every import is followed, and none is silently missed."""

import ast
import json

import pytest

from aqp_utils.core.package import ASSETS, PACKAGE
from aqp_utils.runs import code


def names_behind(module):
    files = code.files_behind([f"aqp_utils.{module}"])
    return {path.relative_to(PACKAGE).as_posix() for path in files}


def test_the_recipe_of_field_clips_stands_on_the_voices():
    assert "sources/formant_voice.py" in names_behind("training.field.recipe")


def test_a_module_that_is_not_there_raises():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        code.code_behind("no_such_module")


def test_a_name_that_a_package_lacks_raises():
    with pytest.raises(ModuleNotFoundError, match="nothing_there"):
        list(code._imports(ast.parse("from aqp_utils.core import nothing_there").body))


def test_what_is_handed_on_lazily_is_behind_those_who_ask():
    asked = ast.parse("from aqp_utils import Predictor").body
    assert "aqp_utils.predict.predictor" in set(code._imports(asked))
    assert "predict/predictor.py" not in names_behind("core.audio")


def test_assets_count_where_they_are_named(tmp_path, monkeypatch):
    (tmp_path / "curves").mkdir()
    (tmp_path / "curves" / "a.json").write_text("{}")
    monkeypatch.setattr(code, "ASSETS", tmp_path)
    assert code._assets(ast.parse('path = ASSETS / "curves"')) == {tmp_path / "curves" / "a.json"}
    assert code._assets(ast.parse('path = OTHER / "curves"')) == set()


def notebook(folder, *cells):
    cells = [{"cell_type": "code", "metadata": {}, "source": source} for source in cells]
    (folder / "notebooks").mkdir(exist_ok=True)
    path = folder / "notebooks" / "01_synthesize.ipynb"
    path.write_text(json.dumps({"cells": cells}))


def test_a_notebook_depends_on_its_cells_and_on_nothing_it_does_not_import(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(code, "_unchanged_sha256", lambda path, *_: seen.append(path) or "0")
    notebook(tmp_path, "from aqp_utils.core.scale import CLASSES")
    first = code.code_sha256("01_clean", tmp_path)
    assert {path.relative_to(PACKAGE).as_posix() for path in seen} == {
        "__init__.py",
        "core/__init__.py",
        "core/scale.py",
    }
    notebook(tmp_path, "from aqp_utils.core.scale import CLASSES", "1 + 1")
    assert code.code_sha256("01_clean", tmp_path) != first


def test_assets_of_the_package_exist():
    assert (ASSETS / "pseudo_pesq.json").is_file()
