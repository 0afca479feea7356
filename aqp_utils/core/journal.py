"""The names of the files written into a folder under construction: what may be removed again.

The journal of OUT/01_clean is OUT/.01_clean.written, one JSON string a line. While it is there,
`files.atomic` enters every file that it writes below OUT/01_clean, whichever process it works for.
"""

import json
import os
from pathlib import Path

_DEPTH = 5  # folders between a file and the one whose journal names it


def path_of(folder):
    """Where the journal of `folder` is, or would be."""
    folder = Path(folder)
    return folder.with_name(f".{folder.name}.written")


def enter(path):
    """Name the file at `path` in the journal of the folder that it lies in, if there is one."""
    path = Path(os.path.abspath(path))
    for folder in [parent for parent in path.parents if parent.name][:_DEPTH]:
        journal = path_of(folder)
        if journal.is_file():
            with open(journal, "a", encoding="utf-8") as file:
                file.write(json.dumps(path.relative_to(folder).as_posix()) + "\n")
            return


def begin(folder, names):
    """Open the journal of `folder`, or go on in it, with the `names` of files that are there."""
    with open(path_of(folder), "a", encoding="utf-8") as file:
        file.writelines(json.dumps(name) + "\n" for name in sorted(names))
        file.flush()
        os.fsync(file.fileno())


def names_in(folder):
    """Set of str: what the journal of `folder` names, but for a last line cut off in a crash."""
    journal = path_of(folder)
    if not journal.is_file():
        return set()
    names = set()
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            names.add(str(json.loads(line)))
        except ValueError:
            continue
    return names


def close(folder):
    """Remove the journal of `folder`: its manifest names the files now."""
    path_of(folder).unlink(missing_ok=True)
