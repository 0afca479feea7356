"""List the licences of all that requirements.lock installs; fail if one forbids it.

    python scripts/list_licences.py            # print the table
    python scripts/list_licences.py --write    # and write it into docs/licences.md

A licence is what the installed package says of itself. Packages that this Python or system does
not need are not installed and cannot be asked; they are listed without. Exit code 1, with a
sentence, if a package of the default set is under the GPL or says nothing.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"

# From the freest to what may not be in the default set; the first that a pattern finds counts.
KINDS = ("permissive", "weak copyleft", "proprietary", "unknown", "GPL")
PATTERNS = {
    "proprietary": r"proprietary",
    "weak copyleft": r"\bLGPL|Lesser General Public|\bMPL|Mozilla Public|\bEPL",
    "GPL": r"\bA?GPL|General Public License|Affero",
    "permissive": r"\b(MIT|0?BSD|Apache|ISC|PSF|Python Software|Zlib|CC0|CNRI|Unlicense|HPND)",
}
# What packages that say nothing are known to be: this one holds no files of its own.
SAID_ELSEWHERE = {"cuda-toolkit": "LicenseRef-NVIDIA-Proprietary"}
# Libraries that lie inside wheels (on Linux) and are under more than a permissive licence.
RUNTIME = "GPL-3.0 with the GCC runtime exception, which lets any program use it"
INSIDE = {
    "numpy": f"libgfortran, libquadmath: {RUNTIME}; LGPL-2.1",
    "scipy": f"libgfortran, libquadmath: {RUNTIME}; LGPL-2.1",
    "scikit-learn": f"libgomp: {RUNTIME}",
    "torch": f"libgomp: {RUNTIME}",
    "pillow": "FreeType: FTL or GPL-2.0, of which one may be chosen",
    "pyzmq": "libzmq: MPL-2.0",
    "soundfile": "libsndfile: LGPL-2.1-or-later; in it mpg123 and LAME: LGPL",
    "soxr": "libsoxr: LGPL-2.1-or-later",
}

ABOUT = """# Licences

This project is under the MIT licence. What `make run` installs (`requirements.lock`) is under the
licences below, as each package says itself. `python scripts/list_licences.py --write` makes this
page, and the tests fail if a package of it is under the GPL.

Counted: {summary}.

- *Permissive*: MIT, BSD, Apache, ISC and the like. Of two to choose from, the freer counts.
- *Weak copyleft* (LGPL, MPL): used unchanged, as libraries that can be replaced.
- *Proprietary*: NVIDIA's CUDA libraries, which PyTorch wants on Linux; on a machine without
  NVIDIA's GPUs they lie idle. This project does not hand them on.
- Not in the table is what `make field` adds for training: its `av` holds FFmpeg with GPL parts. It
  is in no other set, and nothing that ships needs it. The program espeak-ng (GPL) is started where
  it is installed, never linked.
"""


def default_set():
    """The pins of requirements.lock: list of Requirement."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    return [Requirement(line.rstrip("\\ ")) for line in lines if line[:1].isalnum()]


def licence_of(name):
    """What the installed package `name` says that its licence is.

    An SPDX expression counts before a short text, and that before classifiers, all of which hold.
    """
    about = metadata.metadata(name)
    text = about.get("License", "")
    classifiers = [
        line.removeprefix("License :: ").removeprefix("OSI Approved :: ")
        for line in about.get_all("Classifier", [])
        if line.startswith("License ::")
    ]
    is_short = 0 < len(text) <= 40 and "\n" not in text and text != "UNKNOWN"
    said = about.get("License-Expression") or (text if is_short else " AND ".join(classifiers))
    return said or SAID_ELSEWHERE.get(name.lower(), "")


def kind_of(licence):
    """The kind of a licence, one of `KINDS`: of alternatives the freest, of a sum the strictest."""
    alternatives = re.split(r"\s+OR\s+", licence.replace("(", " ").replace(")", " "))
    strictest = [
        max((_kind_of_one(part) for part in re.split(r"\s+AND\s+", one)), key=KINDS.index)
        for one in alternatives
    ]
    return min(strictest, key=KINDS.index)


def _kind_of_one(licence):
    return next(
        (kind for kind, pattern in PATTERNS.items() if re.search(pattern, licence, re.I)), "unknown"
    )


def table():
    """One row for each package of the default set: name, licence, kind ("" if not installed)."""
    rows = []
    for pin in default_set():
        if pin.marker and not pin.marker.evaluate():
            rows.append((pin.name, f"only where {pin.marker}", ""))
            continue
        try:
            licence = licence_of(pin.name)
        except metadata.PackageNotFoundError:
            rows.append((pin.name, "not installed here", ""))
            continue
        rows.append((pin.name, licence or "says nothing", kind_of(licence)))
    return rows


def refused(rows):
    """Sentences on packages that may not be in the default set."""
    return [
        f"{name}: {licence} ({kind}) may not be in the default set."
        for name, licence, kind in rows
        if kind in ("GPL", "unknown")
    ]


def page(rows):
    """The text of docs/licences.md."""
    counts = {kind: sum(row[2] == kind for row in rows) for kind in KINDS}
    summary = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
    lines = [ABOUT.format(summary=summary), "| package | licence | kind | inside its wheel |"]
    lines += ["| --- | --- | --- | --- |"]
    lines += [f"| {n} | {what} | {kind} | {INSIDE.get(n, '')} |" for n, what, kind in rows]
    return "\n".join(lines) + "\n"


def main():
    """Print or write the table; exit 1 if a package may not be there."""
    rows = table()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(rows), "utf-8")
    else:
        print(page(rows))
    sys.exit("\n".join(refused(rows)) or 0)


if __name__ == "__main__":
    main()
