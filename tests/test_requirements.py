"""The lock: within the ranges of the requirements, complete, and every file with its hash."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
# A pin and the lines that continue it.
ENTRIES = re.findall(r"^([a-z0-9][^\\\n]*)((?:\\\n +--hash=sha256:[0-9a-f]{64} ?)*)$", LOCK, re.M)


def wanted(name="requirements.txt"):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_what_scoring_needs_is_part_of_what_everything_needs():
    everything = {str(requirement) for requirement in wanted()}
    assert {str(requirement) for requirement in wanted("requirements-predict.txt")} < everything


def test_every_line_of_the_lock_is_a_pin_with_hashes():
    assert len(ENTRIES) == sum(line[0].isalnum() for line in LOCK.splitlines())
    for pin, hashes in ENTRIES:
        assert re.fullmatch(r"==[^*,]+", str(Requirement(pin).specifier)) and hashes, pin


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_the_lock_has_one_version_in_range_on_every_python_and_system(python, system):
    place = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": system}
    pins = [Requirement(pin) for pin, _ in ENTRIES]
    here = [p for p in pins if p.marker is None or p.marker.evaluate(place)]
    versions = {p.name: str(p.specifier).removeprefix("==") for p in here}
    assert len(versions) == len(here)
    for requirement in wanted():
        assert requirement.specifier.contains(versions[requirement.name.lower()]), requirement
