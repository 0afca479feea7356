import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "aqp_utils" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
SHOWCASE = ROOT / "outputs" / "showcase"


def test_computed_tables_are_current():
    done = subprocess.run(
        [sys.executable, "scripts/fill_readme.py", "--check"], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_pictures_exist(page):
    targets = LINK.findall(page.read_text("utf-8"))
    pages = {other.name for other in (ROOT / "docs").glob("*.md")}
    missing = [t for t in targets if t not in pages and not (page.parent / t).exists()]
    assert not missing


def test_showcase_is_small_and_holds_no_audio_folder():
    files = subprocess.run(
        ["git", "ls-files", "-z", "outputs"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    files = [ROOT / name for name in files.split("\0") if name]
    assert not [f for f in files if f.suffix in {".wav", ".flac", ".ogg", ".npz"}]
    assert all(f.is_relative_to(SHOWCASE) for f in files)
    assert sum(f.stat().st_size for f in files if f.exists()) < 25e6


def test_executed_copies_name_no_machine_path():
    for copy in (SHOWCASE / "notebooks").glob("*.ipynb"):
        text = copy.read_text("utf-8")
        assert not re.findall(r"/(?:home|root|work|tmp|Users)/[\w.-]+", text), copy.name
