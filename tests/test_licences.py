"""No GPL in the default set: what packages say of their licence is read rightly and listed."""

import importlib.util
import re
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    place = importlib.util.spec_from_file_location("licences", ROOT / "scripts/list_licences.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def said(**fields):
    """Metadata of a package that says these things of itself."""
    about = Message()
    for name, value in fields.items():
        for one in [value] if isinstance(value, str) else value:
            about[name.replace("_", "-")] = one
    return about


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("MIT", "permissive"),
        ("Apache-2.0 WITH LLVM-exception", "permissive"),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", "permissive"),
        ("MPL-2.0 AND MIT", "weak copyleft"),
        ("LGPL-2.1-or-later", "weak copyleft"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "weak copyleft"),
        ("GPL-3.0-or-later", "GPL"),
        ("GPLv2+", "GPL"),
        ("AGPL-3.0-only", "GPL"),
        ("GNU General Public License v2 (GPLv2)", "GPL"),
        ("MIT AND GPL-2.0-only", "GPL"),
        ("GPL-2.0-only OR BSD-3-Clause", "permissive"),
        ("(MIT AND GPL-2.0-only) OR LGPL-3.0-only", "weak copyleft"),
        ("LicenseRef-NVIDIA-Proprietary", "proprietary"),
        ("as is", "unknown"),
        ("", "unknown"),
    ],
)
def test_kind_of_a_licence(script, licence, kind):
    assert script.kind_of(licence) == kind


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        (dict(License_Expression="MIT", License="GPL"), "MIT"),
        (dict(License="BSD", Classifier="License :: OSI Approved :: MIT License"), "BSD"),
        (dict(License="UNKNOWN", Classifier="License :: OSI Approved :: ISC"), "ISC"),
        (dict(License="x" * 500, Classifier="License :: OSI Approved :: ISC"), "ISC"),
        (dict(Classifier=["License :: A", "License :: B", "Topic :: C"]), "A AND B"),
        ({}, ""),
    ],
)
def test_what_a_package_says_of_itself(script, monkeypatch, fields, licence):
    monkeypatch.setattr(script.metadata, "metadata", lambda name: said(**fields))
    assert script.licence_of("any") == licence


def test_the_default_set_holds_no_gpl_and_nothing_without_a_licence(script):
    rows = script.table()
    assert len([kind for _, _, kind in rows if kind]) > 50
    assert script.refused(rows) == []


@pytest.mark.parametrize("licence", ["GPL-3.0-only", ""])
def test_a_package_under_the_gpl_is_refused(script, monkeypatch, licence):
    def of(name):
        return said(License_Expression=licence if name == "tqdm" else "MIT")

    monkeypatch.setattr(script.metadata, "metadata", of)
    (sentence,) = script.refused(script.table())
    assert sentence.startswith("tqdm: ") and sentence.endswith("may not be in the default set.")


def test_the_page_lists_every_package_with_its_kind(script):
    listed = dict(
        re.findall(r"^\| (\S+) \| .* \| ([a-zA-Z ]*) \| .*\|$", script.PAGE.read_text(), re.M)
    )
    rows = script.table()
    assert listed.keys() - {"package", "---"} == {name for name, _, _ in rows}
    assert not [name for name, _, kind in rows if kind and listed[name] not in ("", kind)]
    assert script.INSIDE.keys() <= listed.keys()
