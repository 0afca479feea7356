"""The executed copy of a notebook: tidy, without folders of this machine, whole or absent."""

import json
import re
from pathlib import Path

import nbformat

from aqp_utils.core.files import atomic

OUTSIDE = "OUT"  # stands for a run folder outside the repository


def publish(partial, target, notebook, root):
    """Write a tidy copy of the executed notebook `partial` to `target`.

    Folders are named as the repository sees them: the run folder is relative, or OUT if it lies
    elsewhere.

    Parameters
    ----------
    partial, target : Path
        What papermill wrote, and the copy, in a folder of the run folder.
    notebook, root : Path
        The source, and the repository.

    Returns
    -------
    str
        The last cell begun, in words.
    """
    book = nbformat.read(partial, as_version=4)
    where = _last_begun(book)
    book.metadata.pop("widgets", None)
    about = book.metadata.get("papermill", {})
    about |= {"input_path": f"notebooks/{notebook.name}", "output_path": target.name}
    for cell in book.cells:
        for timing in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(timing, None)
        if cell.cell_type == "code":
            cell.outputs = _merged_streams(cell.outputs)
    folders = _stand_ins(target.parent.parent.resolve(), Path(root).resolve())
    with atomic(target) as temporary:
        nbformat.write(nbformat.from_dict(_replaced(book, folders)), temporary)
    return where


def first_line(source):
    """First line of a cell that is code, "" if there is none."""
    lines = [line.strip() for line in source.splitlines()]
    code = [line for line in lines if line and not line.startswith("#")]
    return (code or [""])[0]


def last_state(line):
    """What a terminal shows of a line in the end, where a progress bar overwrites itself."""
    states = [state for state in line.split("\r") if state.strip()]
    return states[-1] if states else ""


def _stand_ins(out, root):
    """Pairs (pattern, what stands for it) of the folders that a copy does not name."""
    shown = out.relative_to(root).as_posix() if out.is_relative_to(root) else OUTSIDE
    pairs = []
    for folder, name in ((out, shown), (root, ".")):
        # As it is, and as it stands in code and in JSON.
        spellings = {str(folder), json.dumps(str(folder))[1:-1], repr(str(folder))[1:-1]}
        escaped = str(folder).encode("unicode_escape").decode()
        spellings |= {escaped, escaped.replace('"', '\\"')}
        words = "|".join(re.escape(text) for text in sorted(spellings, key=len, reverse=True))
        pairs.append((re.compile(rf"(?:{words})(?![\w-]|\.\w)"), name))
    return pairs


def _replaced(value, pairs):
    if isinstance(value, dict):
        return {key: _replaced(item, pairs) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, pairs) for item in value]
    if isinstance(value, str):
        for pattern, name in pairs:
            value = pattern.sub(lambda _, name=name: name, value)
    return value


def _last_begun(book):
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    times = [cell.metadata.get("papermill", {}).get("start_time") for cell in code]
    last = max((i for i, time in enumerate(times) if time), default=0)
    return f"cell In [{last + 1}] ({first_line(code[last].source)})" if code else "its first cell"


def _merged_streams(outputs):
    """Join neighbouring pieces of one stream; of a progress bar keep the last state only."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    for output in merged:
        if output.output_type == "stream":
            output.text = "\n".join(last_state(line) for line in output.text.split("\n"))
    return merged
