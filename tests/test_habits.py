"""What watches over a change: the workflow, the checks before a commit, CONTRIBUTING."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from pre_commit.clientlib import load_config

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
HOOKS_FILE = ROOT / ".pre-commit-config.yaml"
HOOKS = yaml.safe_load(HOOKS_FILE.read_text("utf-8"))["repos"][0]["hooks"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_workflow_calls_scripts_that_can_be_run_by_hand():
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    called = {step["run"].split()[0] for step in steps if "run" in step} - {"git"}
    assert called == {".ci/run", "scripts/simulate_colab.sh"}
    assert all(os.access(ROOT / name, os.X_OK) for name in called)


def test_every_python_that_is_promised_is_tested():
    promised = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if ":: 3." in line]
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"


def test_checks_before_a_commit_are_valid_and_need_no_network():
    assert len(load_config(HOOKS_FILE)["repos"]) == 1
    assert {hook["language"] for hook in HOOKS} <= {"system", "pygrep"}
    for hook in HOOKS:
        for script in re.findall(r"\b(?:scripts|tests)/\w+\.py\b", hook["entry"]):
            assert (ROOT / script).is_file(), script


def test_the_check_for_outputs_tells_executed_notebooks_from_stored_ones():
    (pattern,) = (hook["entry"] for hook in HOOKS if hook["id"] == "no-outputs")
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        assert not re.search(pattern, path.read_text("utf-8")), path.name
    for path in (ROOT / "outputs" / "showcase" / "notebooks").glob("*.ipynb"):
        assert re.search(pattern, path.read_text("utf-8")), path.name


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"\]\(([^):]+)\)|((?:scripts|tests)/[\w./]+)", CONTRIBUTING)))
)
def test_what_contributing_names_exists(target):
    assert (ROOT / "".join(target)).exists()
