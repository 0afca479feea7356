"""A run folder holds what a run wrote, and nothing else is ever overwritten or removed there."""

import json
import os
import re
from pathlib import Path

from aqp_utils.core import journal
from aqp_utils.core.errors import RunError
from aqp_utils.core.files import sha256
from aqp_utils.core.package import PACKAGE
from aqp_utils.core.text import shown

MANIFEST = "manifest.json"
CHECKPOINTS = "checkpoints"  # resumable work inside a stage's folder; no output of it
SET_ASIDE = "set_aside"  # folder of a run for files that were in the way and are not ours to remove
_NAMED = 3  # files that a sentence names
_OURS = (b'"stage"', b'"outputs"', b'"fingerprint"')  # a manifest of ours, however damaged
_PART = re.compile(r"\..+\.\d+\.part")  # what a killed `files.atomic` leaves
# What file managers and Jupyter leave in any folder that is looked at.
_DROPPINGS = {".DS_Store", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints"}


def check_place(out, root):
    """Check that the run folder `out` is none that the program itself lives in.

    Raises
    ------
    RunError
        If `out` is the repository `root`, holds it, or lies in its code.
    """
    out, root = Path(out).resolve(), Path(root).resolve()
    remedy = "name a folder of its own for the run, such as outputs/run."
    if _holds(out, root):
        raise RunError(f"{out} is the repository or holds it ({root})", remedy)
    for code in (root / "notebooks", root / ".git", PACKAGE):
        if _holds(code, out):
            raise RunError(f"{out} lies in the program's own folder {code}", remedy)


def _holds(folder, path):
    """Whether `folder` is `path` or a folder above it, whatever links lead there."""
    if not folder.exists():
        return False
    return any(above.exists() and above.samefile(folder) for above in (path, *path.parents))


def check_folders(out, names):
    """Check that the folders `names` of the run `out`, where there are any, were made by a run.

    Raises
    ------
    RunError
        Naming the folder and files in it, if it holds files but no manifest of ours.
    """
    for name in names:
        folder = Path(out) / name
        if folder.is_symlink() or folder.exists():
            if not folder.is_dir():
                raise _foreign(out, f"{folder} is no folder")
            files = _files(folder)
            if files and not _is_ours(folder):
                raise _foreign(out, f"{folder} was not made by a run: it holds {some(files)}")


def check_copies(paths, recorded=()):
    """Check that nothing but executed notebooks of a run lies at `paths`.

    Parameters
    ----------
    paths : iterable of Path
    recorded : collection of str
        Names of those that a run is known to have written.

    Raises
    ------
    RunError
        Naming the first file that a run did not write.
    """
    for path in [path for path in paths if path.name not in recorded]:
        if (path.is_symlink() or path.exists()) and not is_executed(path):
            raise _foreign(path.parent.parent, f"{path} is no executed notebook of a run")


def check_stage(folder, outputs):
    """Check that a finished stage's folder holds nothing but its `outputs`.

    Parameters
    ----------
    folder : Path
    outputs : iterable of str
        File names from its manifest.

    Raises
    ------
    RunError
        Naming the files that are not of the run.
    """
    known = {*outputs, *journal.names_in(folder)}
    foreign = [name for name in _files(folder) if name not in known and not _is_work(name)]
    if foreign:
        raise RunError(
            f"{folder} is made again, which would remove files that no run wrote, {some(foreign)}",
            "move them out of there first.",
        )


def set_others_aside(folder):
    """Move all from the folder of a stage that no run wrote, or that was changed since.

    Returns
    -------
    ours : list of str
        Names of the files that stay: what a run wrote, and nobody touched since.
    aside : list of Path
        What was moved, where it is now.
    """
    known, ours, aside = _known(folder), [], []
    for name in [name for name in _files(folder) if not name.startswith(f"{CHECKPOINTS}/")]:
        path = folder / name
        if _is_part(name) or (name in known and _unchanged(path, known[name])):
            ours.append(name)
        else:
            aside.append(set_aside(path, folder.parent))
    return ours, aside


def remove(folder, names):
    """Remove some files of a stage's folder, and the folders in it that are empty then."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    for place, *_ in os.walk(folder, topdown=False):
        if Path(place) not in (folder, folder / CHECKPOINTS) and not os.listdir(place):
            os.rmdir(place)


def remove_checkpoints(folder):
    """Remove the checkpoints of a finished stage; what its journal does not name is set aside."""
    place, known = folder / CHECKPOINTS, journal.names_in(folder)
    names = [name for name in _files(folder) if name.startswith(f"{CHECKPOINTS}/")]
    ours = [name for name in names if name in known or _is_part(name)]
    for name in set(names) - set(ours):
        set_aside(folder / name, folder.parent)
    remove(folder, ours)
    if place.is_dir() and not os.listdir(place):
        place.rmdir()


def _unchanged(path, digest):
    return digest is None or (not path.is_symlink() and sha256(path) == digest)


def set_aside(path, out):
    """Move a file of the run `out` to the same place under its folder set_aside.

    Returns
    -------
    Path
        Where it is now; what was set aside before stays.
    """
    target = Path(out) / SET_ASIDE / Path(path).relative_to(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    free, count = target, 1
    while free.is_symlink() or free.exists():
        count += 1
        free = target.with_name(f"{target.stem} ({count}){target.suffix}")
    os.rename(path, free)
    return free


def outputs_in(folder):
    """Names of a stage's output files, sorted: all but its manifest, checkpoints and droppings."""
    return [name for name in _files(folder) if not _is_work(name) and (folder / name).is_file()]


def _known(folder):
    """Name -> SHA-256 of what a run wrote in `folder`, None where only the journal names it."""
    known = dict.fromkeys([MANIFEST, *journal.names_in(folder)])
    try:
        outputs = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["outputs"]
        return known | {str(name): str(digest) for name, digest in outputs.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return known


def _is_ours(folder):
    if journal.path_of(folder).is_file():
        return True
    manifest = folder / MANIFEST
    return manifest.is_file() and all(word in manifest.read_bytes() for word in _OURS)


def is_executed(path):
    """Whether the notebook at `path` says of itself that a run of the series wrote it."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))["metadata"]["papermill"]
        return about["input_path"].startswith("notebooks/") and about["output_path"] == path.name
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _is_work(name):
    return name == MANIFEST or name.startswith(f"{CHECKPOINTS}/") or _is_part(name)


def _is_part(name):
    return _PART.fullmatch(name.rpartition("/")[2]) is not None


def _files(folder):
    """Names of all files and links below `folder`, sorted; no link is followed."""
    names = []
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in _DROPPINGS]
        found = [Path(place) / name for name in [*files, *links] if name not in _DROPPINGS]
        names += [path.relative_to(folder).as_posix() for path in found]
    return sorted(names)


def some(names):
    """The first few of many names, and how many more there are."""
    first = ", ".join(shown(name) for name in names[:_NAMED])
    more = len(names) - _NAMED
    return f"{first} and {more} more" if more > 0 else first


def _foreign(out, problem):
    return RunError(problem, f"name another run folder than {out}, or move this away.")
