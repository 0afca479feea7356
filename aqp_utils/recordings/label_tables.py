"""Tables of recordings with scores, as they are found: columns by name, every odd row named.

Known without being told: NISQA's corpora (filepath_deg, mos, con), TCD-VoIP (Filename, sample MOS,
ConditionID), MOS-Bench (wav_path, score, system_id) and VoiceMOS (no header: name, score).
"""

import csv
import os
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd

from aqp_utils.core.text import shown
from aqp_utils.recordings.folders import recordings_in
from aqp_utils.recordings.reading import extensions

FILE_COLUMNS = (
    "filepath_deg", "wav_path", "filename_deg", "degraded", "deg", "filepath", "file_path",
    "filename", "file_name", "file", "path", "wav", "audio", "audio_path", "clip", "name",
)  # fmt: skip
SCORE_COLUMNS = (
    "mos", "sample mos", "sample_mos", "mos_ovrl", "ovrl", "overall", "score", "mean_score",
    "quality", "rating", "pesq_wb", "pesq",
)  # fmt: skip
CONDITION_COLUMNS = (
    "condition", "condition_id", "conditionid", "con", "system", "system_id", "kind", "family",
    "distortion", "degradation",
)  # fmt: skip
# Whole sources are drawn in the bootstrap. Not "source": in NISQA that is the corpus.
SOURCE_COLUMNS = ("ref", "filepath_ref", "filename_ref", "reference", "clean_file", "sample_id")
VOICEMOS_NAME = re.compile(r"(sys[^-_]+)[-_]utt")
DELIMITERS = ",;\t|"
LARGEST_TABLE_MB = 200
LONGEST_CELL = 10_000  # characters; a path has at most 4,096
HIGHEST_SCORE = 1e6  # in size; no scale of quality goes there, and its square is still a number


@dataclass
class Labels:
    """Recordings with a score, and everything that was odd about their table.

    Attributes
    ----------
    table : DataFrame
        file (as in the table), path, score, condition (or ""), source (or the file), ci95 (NaN
        where unknown); one row per recording.
    columns : dict
        file, score, condition, source, ci95 -> name of the column taken, or how it was guessed.
    n_rows : int
        Rows of the table as found.
    problems : list of dict
        problem (a few words), what (row or file), detail.
    """

    table: pd.DataFrame
    columns: dict
    n_rows: int
    problems: list = field(default_factory=list)


def read_labels(path, folder=None, outside=False, **named):
    """Read a CSV of recordings with scores and find the recordings.

    Parameters
    ----------
    path : path
        Text in UTF-8 with commas, semicolons, tabs or bars between columns.
    folder : path, optional
        Where the recordings are; default: the folder of the table.
    outside : bool
        Whether the table may name recordings that are not under `folder`.
    **named
        file, score, condition, source: names of the columns; default: guessed by name.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If this is no such table, a cell is beyond measure, or a column is missing or cannot be
        guessed.
    """
    path = Path(path)
    folder = path.parent if folder is None else Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; --folder names where the recordings are.")
    rows = _read_rows(path, named)
    columns = _choose_columns(rows, path, named)
    found = _Recordings(folder, outside)
    labels = Labels(pd.DataFrame(), columns, len(rows))
    usable = _usable_rows(rows, columns, found, labels.problems)
    labels.table = _one_row_per_file(usable, labels.problems)
    labelled = {file.resolve() for file in labels.table["path"]}
    labels.problems += [
        _problem("recording without label", file.relative_to(folder).as_posix(), "not scored")
        for file in found.files
        if file.resolve() not in labelled | found.mentioned
    ]
    return labels


def _problem(problem, what, detail):
    return {"problem": problem, "what": str(what), "detail": detail}


def _read_rows(path, named):
    """The table as text, with the line of each row in the file as index."""
    if path.is_dir() or path.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise ValueError(f"{path} is no CSV; export the table of labels as CSV first.")
    megabytes = path.stat().st_size / 1e6
    if megabytes > LARGEST_TABLE_MB:
        raise ValueError(
            f"{path} has {megabytes:.0f} MB; a table of labels has at most {LARGEST_TABLE_MB} MB."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; save the table as CSV in UTF-8.") from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    _check_cells(text, delimiter, path)
    header = _has_header(first.split(delimiter), named)
    try:
        rows = pd.read_csv(
            path,
            sep=delimiter,
            header=0 if header else None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} cannot be read as a table: {error}".strip() + ".") from None
    if not header:
        rows.columns = _names_without_header(rows)
    rows.index += 2 if header else 1
    rows = rows[(rows != "").any(axis=1)]
    if delimiter == ";":  # where the comma is the decimal sign
        rows.attrs["decimal"] = ","
    if rows.empty:
        raise ValueError(f"{path} holds no rows.")
    return rows


def _check_cells(text, delimiter, path):
    """Refuse cells that no table of labels has, before pandas makes many copies of them."""
    if len(text) <= LONGEST_CELL:
        return
    usual = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    try:
        names = []
        for row in reader:
            names = names or row
            longest = max(map(len, row), default=0)
            if longest > LONGEST_CELL:
                column = [len(cell) for cell in row].index(longest)
                name = names[column] if column < len(names) and names is not row else ""
                said = f" ({shown(name)})" if 0 < len(name) < 100 else ""
                raise ValueError(
                    f"{path}: line {reader.line_num}, column {column + 1}{said} holds {longest:,} "
                    f"characters; a cell has at most {LONGEST_CELL:,}."
                )
    except csv.Error:
        pass  # pandas says what is wrong with it
    finally:
        csv.field_size_limit(usual)


def _has_header(cells, named):
    """Whether the first line names columns: it says so, or holds neither number nor recording."""
    cells = [cell.strip().strip('"').lower() for cell in cells]
    known = {*FILE_COLUMNS, *SCORE_COLUMNS, *(str(name).lower() for name in named.values() if name)}
    if known & set(cells):
        return True
    return not any(_number(cell) is not None or cell.endswith(extensions()) for cell in cells)


def _names_without_header(rows):
    """Call the first column of recordings "file" and the first number after it "score"."""
    first = rows.iloc[0].str.strip()
    files = [i for i, cell in enumerate(first) if cell.lower().endswith(extensions())]
    file = files[0] if files else 0
    scores = [i for i, cell in enumerate(first) if i > file and _number(cell) is not None]
    names = {file: "file"} | ({scores[0]: "score"} if scores else {})
    return [names.get(i, f"column {i + 1}") for i in range(len(first))]


def _number(text, decimal="."):
    try:
        value = float(str(text).strip().replace(decimal, "."))
    except ValueError:
        return None
    return value if abs(value) <= HIGHEST_SCORE else None


def _choose_columns(rows, path, named):
    guesses = {
        "file": FILE_COLUMNS,
        "score": SCORE_COLUMNS,
        "condition": CONDITION_COLUMNS,
        "source": SOURCE_COLUMNS,
    }
    present = {str(column).strip().lower(): column for column in reversed(list(rows))}
    chosen = {}
    for role, names in guesses.items():
        given = named.get(role)
        names = (str(given).strip().lower(),) if given else names
        chosen[role] = next((present[name] for name in names if name in present), None)
        if chosen[role] is None and (given or role in ("file", "score")):
            what = f"no column {given!r}" if given else f"no column known to hold the {role}"
            there = ", ".join(map(str, rows))
            raise ValueError(f"{path}: {what}; there are: {there}. Name it with --{role}-column.")
    chosen["ci95"] = _ci95_column(present)
    return chosen


def _ci95_column(present):
    if "ci95" in present:
        return present["ci95"]
    return "mos_std, votes" if {"mos_std", "votes"} <= present.keys() else None


class _Recordings:
    """The recordings under a folder, found by what a table calls them."""

    def __init__(self, folder, outside=False):
        self.folder, self.files = folder, recordings_in(folder)
        self._outside = outside
        self.mentioned = set()  # recordings that some row names, usable or not
        self._by_name = defaultdict(list)
        for file in self.files:
            self._by_name[file.name].append(file)
            self._by_name[file.stem].append(file)

    def find(self, name):
        """The recording called `name`, or a ValueError saying why there is none."""
        plain = PureWindowsPath(name).as_posix()  # tables made on Windows have backslashes
        # Without its "..", so that what is looked at here is what will be read.
        file = Path(os.path.normpath(self.folder / plain))
        try:
            there = file.is_file()
        except (OSError, ValueError):  # too long for a name, or with a zero byte
            raise ValueError("no name that a file can have") from None
        if there and not self._outside and not self._within(file):
            raise ValueError(f"lies outside {self.folder}; --outside reads it")
        if not there:
            candidates = self._by_name[Path(plain).name]
            if len(candidates) != 1:
                raise ValueError(
                    f"{len(candidates)} recordings of this name, none at the path given"
                    if candidates
                    else f"not in {self.folder}"
                )
            file = candidates[0]
        self.mentioned.add(file.resolve())
        return file

    def _within(self, file):
        root = Path(os.path.normpath(self.folder.absolute()))
        return file.absolute().is_relative_to(root)


def _usable_rows(rows, columns, found, problems):
    """Rows whose recording exists and whose score is a number; the others become problems."""
    usable = []
    decimal = rows.attrs.get("decimal", ".")
    for line, row in rows.iterrows():
        name = row[columns["file"]].strip()
        text = row[columns["score"]]
        try:
            path = found.find(name) if name else None
        except ValueError as error:
            problems.append(_problem("label without recording", f"line {line}: {name}", str(error)))
            continue
        score = _number(text, decimal)
        if path is None or score is None:
            why = "no file named" if path is None else _no_score(text, decimal)
            what = "label without recording" if path is None else "score is no number"
            problems.append(_problem(what, f"line {line}: {name}", why))
            continue
        usable.append(
            {
                "line": line,
                "file": name,
                "path": path,
                "score": score,
                "condition": _condition(row, columns, name),
                "source": row[columns["source"]] if columns["source"] else name,
                "ci95": _ci95(row, columns["ci95"], decimal),
            }
        )
    names = ["line", "file", "path", "score", "condition", "source", "ci95"]
    if usable and columns["condition"] is None and usable[0]["condition"]:
        columns["condition"] = "guessed from names like sys…-utt…"
    return pd.DataFrame(usable, columns=names)


def _no_score(text, decimal):
    try:
        beyond = np.isfinite(float(text.strip().replace(decimal, ".")))
    except ValueError:
        beyond = False
    limit = f", beyond ±{HIGHEST_SCORE:,.0f}" if beyond else ""
    return f"the score is {text!r}{limit}"


def _condition(row, columns, name):
    if columns["condition"]:
        return row[columns["condition"]].strip()
    match = VOICEMOS_NAME.search(name)
    return match[1] if match else ""


def _ci95(row, column, decimal):
    if column is None:
        return np.nan
    if column != "mos_std, votes":
        value = _number(row[column], decimal)
        return np.nan if value is None else value
    lower = {str(name).strip().lower(): value for name, value in row.items()}
    spread, votes = _number(lower["mos_std"], decimal), _number(lower["votes"], decimal)
    return 1.96 * spread / np.sqrt(votes) if spread is not None and votes else np.nan


def _one_row_per_file(rows, problems):
    """Rows of one recording become one: the mean of its scores, as when each listener has a row."""
    kept = []
    for _, group in rows.groupby(rows["path"].map(lambda path: path.resolve()), sort=False):
        row = group.iloc[0].to_dict()
        if len(group) > 1:
            lines = ", ".join(map(str, group["line"]))
            mean = float(group["score"].mean())
            same = group["score"].nunique() == 1
            done = "the same score, counted once" if same else f"their mean, {mean:.3f}, is used"
            problems.append(
                _problem("recording in several rows", row["file"], f"lines {lines}: {done}")
            )
            row["score"] = mean
        kept.append(row)
    return pd.DataFrame(kept, columns=list(rows)).drop(columns="line")
