"""Write requirements.lock: one exact set for several Pythons.

    python scripts/lock_requirements.py python3.11 python3.12 python3.13

The first interpreter, the oldest, chooses the versions; the others are held to them and add only
what they need on top. Run it on Linux: packages that exist only there are marked so.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# The exact set of the published run, for Python {pythons}.
# Made from requirements.txt by scripts/lock_requirements.py; do not edit.
"""
LINUX_ONLY = ("nvidia-", "cuda-", "triton")
NOT_WINDOWS = ("pexpect", "ptyprocess")


def resolve(python, constraints):
    """Versions by name that pip would install with `python` under `constraints` (name -> version).

    Returns
    -------
    (str, dict)
        "3.11", {"numpy": "2.4.6", …}.
    """
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        held, report = Path(folder, "constraints.txt"), Path(folder, "report.json")
        held.write_text("".join(f"{n}=={v}\n" for n, v in constraints.items()))
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--dry-run"]
        files = ["-r", ROOT / "requirements.txt", "-c", held, "--report", report]
        subprocess.run([*pip, *files], check=True)
        found = json.loads(report.read_text())
    installed = (item["metadata"] for item in found["install"])
    names = {m["name"].lower().replace("_", "-"): m["version"] for m in installed}
    return found["environment"]["python_version"], names


def line(name, version, pythons, everywhere):
    """Line of the lock for a package that `pythons` need."""
    markers = []
    if name.startswith(LINUX_ONLY):
        markers.append('platform_system == "Linux"')
    if name in NOT_WINDOWS:
        markers.append('platform_system != "Windows"')
    if pythons != everywhere:
        words = " or ".join(f'python_version == "{p}"' for p in pythons)
        markers.append(words if len(pythons) == 1 else f"({words})")
    return f"{name}=={version}" + (f" ; {' and '.join(markers)}" if markers else "") + "\n"


def main(interpreters):
    """Resolve with each interpreter in turn and write the lock."""
    versions, needed_by, pythons = {}, {}, []
    for interpreter in interpreters:
        python, found = resolve(interpreter, versions)
        pythons.append(python)
        versions |= found
        for name in found:
            needed_by.setdefault(name, []).append(python)
        print(f"{interpreter}: {len(found)} packages")
    lines = [line(name, versions[name], needed_by[name], pythons) for name in sorted(versions)]
    header = HEADER.format(pythons=", ".join(pythons))
    (ROOT / "requirements.lock").write_text(header + "".join(lines))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
