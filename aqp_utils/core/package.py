"""Where this package and what ships in it lie, and what to install for all of it."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
ASSETS = PACKAGE / "assets"
STUDY = "pip install 'aqp-utils[study]'"


def not_installed(what, error):
    """One sentence for a part of the package that needs more than scoring recordings does.

    Parameters
    ----------
    what : str
        That part.
    error : ModuleNotFoundError
        Raised on if what is missing is this package's own.

    Returns
    -------
    str
    """
    if error.name is None or error.name.partition(".")[0] == PACKAGE.name:
        raise error
    return f"{what} wants {error.name}, which is not installed: {STUDY}."
