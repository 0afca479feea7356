"""Where a reader's own files are: a relative path is looked up where a reader would expect it."""

from pathlib import Path

from aqp_utils.runs.notebooks import find_root


def found(name, text, here="."):
    """The path that parameter `name` gives, made right for the repository's folder.

    Notebooks work from the repository's folder, a reader stands elsewhere: a relative path is
    looked for in `here`, in the repository, in its notebooks/ and in the current folder.

    Parameters
    ----------
    name : str
        Of the parameter, for the error message.
    text : str
        The path as the reader wrote it; "" for none.
    here : str or Path
        Where the reader stands: the folder that a notebook or a command was started in.

    Returns
    -------
    str
        Relative to the repository where it lies inside, else absolute; "" for none.

    Raises
    ------
    ValueError
        If it is in none of these folders, naming them.
    """
    if not text:
        return text
    root = find_root()
    # An absolute path stays what it is, wherever it is looked up from.
    wanted = Path(text).expanduser()
    folders = dict.fromkeys(
        Path(folder).resolve() for folder in (here, root, root / "notebooks", ".")
    )
    for folder in folders:
        if (folder / wanted).exists():
            path = (folder / wanted).resolve()
            return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
    looked = "" if wanted.is_absolute() else f" in {', '.join(map(str, folders))}"
    raise ValueError(
        f"{name} = {text!r}: there is no such file or folder{looked}; "
        "allowed are a path that exists and nothing."
    )
