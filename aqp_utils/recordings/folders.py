"""From what a user names, files and folders, to the list of recordings."""

from pathlib import Path
from typing import NamedTuple

from aqp_utils.core.text import shown
from aqp_utils.recordings.reading import extensions


class Found(NamedTuple):
    """Recordings to read and what was wrong with the names.

    Attributes
    ----------
    files : list of Path
        In the order named, folders sorted by path; every file once.
    duplicates : list of Path
        Named again, directly, through a folder or through a link.
    problems : dict
        Path -> sentence, for folders without recordings and links that lead nowhere.
    """

    files: list
    duplicates: list
    problems: dict


def find_recordings(paths):
    """Expand folders (with all folders in them) into the recordings they hold.

    A file named directly is taken whatever its ending, and whether or not it exists: reading it
    tells. In folders, the ending decides (`recordings.extensions`); hidden files are left alone.

    Parameters
    ----------
    paths : path or iterable of paths

    Returns
    -------
    Found
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    found = Found([], [], {})
    seen = set()
    for path in map(Path, paths):
        files = recordings_in(path) if path.is_dir() else [path]
        if not files:
            found.problems[path] = f"{shown(path)}: no recording in this folder ({_endings()})."
        for file in files:
            try:
                identity = file.resolve(strict=file.is_symlink())
            except (OSError, RuntimeError):  # before Python 3.13 a circle of links is the latter
                found.problems[file] = f"{shown(file)}: this link leads in a circle or nowhere."
                continue
            (found.duplicates if identity in seen else found.files).append(file)
            seen.add(identity)
    return found


def recordings_in(folder):
    """Files under `folder` whose ending promises audio, sorted by path."""
    folder = Path(folder)
    files = (path for path in folder.rglob("*") if path.suffix.lower() in extensions())
    return sorted(
        path
        for path in files
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and (path.is_symlink() or path.is_file())  # a link that leads nowhere is told of
        and not path.is_dir()
    )


def _endings():
    return "no file ending in " + ", ".join(extensions())
