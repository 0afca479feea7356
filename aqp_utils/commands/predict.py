"""The command `aqp predict`: recordings in, a table of scores out."""

import json
import sys
import time
from pathlib import Path

from aqp_utils.predict import shipped

_MARKS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 60  # marks in the terminal; longer curves are averaged down to it
_WORST, _BEST = 1.0, 4.5


def add_arguments(parser):
    """Command-line arguments of `aqp predict`."""
    parser.add_argument("paths", nargs="+", metavar="FILE|FOLDER", help="recordings, any format")
    parser.add_argument(
        "--csv", metavar="FILE", help="write the table here (while it grows: FILE.part)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--curve", action="store_true", help="score every second too (with --csv: FILE_curve.csv)"
    )
    parser.add_argument("--model", metavar="DIR", help="trained model; default: the shipped one")
    parser.add_argument("--device", default="auto", help="of a model of a run: auto, cpu or cuda")
    parser.add_argument("--part", type=int, metavar="I", help="score share I (from 0) of --of N")
    parser.add_argument("--of", type=int, metavar="N", help="how many jobs share the recordings")
    parser.add_argument("--dask", metavar="ADDRESS", help="let the workers of a cluster score")
    parser.epilog = (
        "Scores run from 1.0 (bad) to 4.5 (untouched), with the interval that held-out clips\n"
        "support. A recording longer than the clips of training is scored window by window and\n"
        "averaged. With --part or --dask the table appears when all shares are scored, and a job\n"
        "that was stopped goes on where it was.\n"
        "Exit code: 0 all scored, 1 some could not be, 2 wrong use."
    )


def run(arguments):
    """Score what `arguments` name; print the table, write what was asked for.

    Returns
    -------
    int
        0 if every recording has a score, 1 if not.
    """
    from aqp_utils.predict.predictor import (
        Predictor,  # takes seconds; mistakes in use are told before
    )

    load, shared = Predictor.load, _is_shared(arguments)
    if shared:
        from aqp_utils.commands.predict_shards import loaded as load  # once for all shards

        if arguments.model:  # workers may stand elsewhere
            arguments.model = str(Path(arguments.model).resolve())
    if arguments.csv:
        check_target(arguments.csv)
    predictor = load(arguments.model, arguments.device)
    began = time.monotonic()
    table = (_scored_in_shards if shared else _scored)(predictor, arguments)
    if table is None:
        return 0
    summary = _summary(table, time.monotonic() - began)
    if arguments.json:
        print(_as_json(predictor, table))
        print(summary, file=sys.stderr)
    else:
        print(_as_text(predictor, table))
        print(summary)
    return 1 if (table["error"] != "").any() else 0


def _is_shared(arguments):
    """Whether several jobs or a cluster score; ValueError if `arguments` do not say enough."""
    if (arguments.part is None) != (arguments.of is None):
        raise ValueError(
            "--part and --of belong together: --part 0 --of 40 is the first of 40 jobs."
        )
    shared = arguments.part is not None or arguments.dask is not None
    if shared and not arguments.csv:
        raise ValueError("--part and --dask need --csv FILE: the jobs meet in its folder.")
    return shared


def _scored_in_shards(predictor, arguments):
    """The whole table, written, or None while other jobs have not scored their share."""
    from aqp_utils.commands.predict_shards import folder_of, remove_shards, scored_in_shards

    path, of = Path(arguments.csv), arguments.of or 1
    share = dict(part=arguments.part or 0, of=of, dask=arguments.dask, curve=arguments.curve)
    model = arguments.model, arguments.device
    table, missing = scored_in_shards(arguments.paths, path, *model, **share)
    if table is None:
        print(
            f"part {share['part']} of {of} is scored; {missing} shards of the others are missing "
            f"in {folder_of(path)}. Who finishes last writes {path}."
        )
        return None
    _write(table, path, arguments.curve)
    if of == 1:  # another job of an array may be reading them at this moment
        remove_shards(path)
    return table


def _scored(predictor, arguments):
    """The table of scores, which is also written where `arguments` say, row by row as it grows."""
    if not arguments.csv:
        return predictor.files(arguments.paths, progress=True, curve=arguments.curve)
    from aqp_utils.core.files import GrowingTable
    from aqp_utils.predict.predictor import TABLE_COLUMNS

    path = Path(arguments.csv)
    growing = GrowingTable(path, TABLE_COLUMNS)
    try:
        table = predictor.files(
            arguments.paths, progress=True, curve=arguments.curve, each=growing.add
        )
        _write(table, path, arguments.curve)
    except BaseException:
        if growing.n_rows:
            print(f"aqp: stopped; {growing.n_rows} rows are in {growing.path}.", file=sys.stderr)
        else:
            growing.end()
        raise
    growing.end()
    return table


def check_target(path):
    """Make sure that the file `path` can be written, before any work is done for it.

    Raises
    ------
    ValueError
        If `path` is a folder.
    OSError
        If its folder cannot be written, naming it.
    """
    from aqp_utils.core.files import ensure_writable

    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file to write the table to.")
    ensure_writable(path.parent)


def _write(table, path, curve):
    from aqp_utils.core.files import write_table

    write_table(path, table.drop(columns="curve", errors="ignore"))
    if curve:
        write_table(curve_path(path), _long_curve(table))


def curve_path(path):
    """Where the curves go beside the table `path`."""
    return path.with_name(f"{path.stem}_curve{path.suffix}")


def _long_curve(table):
    scored = table[table["error"] == ""][["file", "curve"]].explode("curve", ignore_index=True)
    scored[["start_s", "score"]] = scored["curve"].to_list() or None
    return scored.drop(columns="curve")


def _as_json(predictor, table):
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    failed = int((table["error"] != "").sum())
    content = {
        "model": str(predictor.folder),
        "encoder": predictor.encoder.name,
        "interval_level": predictor.level,
        "n_scored": len(table) - failed,
        "n_failed": failed,
        "duplicates": table.attrs["duplicates"],
        "recordings": records,
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def _model_name(predictor):
    if predictor.folder == shipped.FOLDER:
        return f"{shipped.card()['version']} (ships with aqp)"
    return predictor.folder


def _as_text(predictor, table):
    interval = f"{predictor.level:.0%} interval" if predictor.level else "interval"
    lines = [
        f"model {_model_name(predictor)}, encoder {predictor.encoder.name}",
        f"score: {_WORST} (bad) to {_BEST} (untouched)"
        + ("" if predictor.level else "; no interval, as this model has no conformal quantiles"),
        "",
        f"{'score':>5}  {interval:<12}  {'class':<11}  {'length':>9}  file",
    ]
    margin = " " * (len(lines[-1]) - len("file"))
    for row in table.to_dict("records"):
        if row["error"]:
            lines.append(f"{'–':>5}  {'':<12}  {'not scored':<11}  {'':>9}  {row['error']}")
            continue
        lines.append(_line(row))
        remarks = [f"! {text}" for text in row["domain_warning"].split("; ") if text]
        remarks += [f"· {text}" for text in row["notes"].split("; ") if text]
        remarks += [_curve_line(row["curve"])] if row.get("curve") else []
        lines += [margin + remark for remark in remarks]
    return "\n".join([*lines, ""])


def _line(row):
    known = row["score_low"] == row["score_low"]
    interval = f"{row['score_low']:.2f} – {row['score_high']:.2f}" if known else "–"
    quality = f"{row['quality']:<6} {row['p_' + row['quality']]:>4.0%}"
    length = _length(row["duration_s"])
    return f"{row['score']:5.2f}  {interval:<12}  {quality:<11}  {length:>9}  {row['file']}"


def _length(duration_s):
    minutes, seconds = divmod(round(duration_s), 60)
    return f"{duration_s:.2f} s" if duration_s < 60 else f"{minutes}:{seconds:02d} min"


def _curve_line(curve):
    width = -(-len(curve) // _CURVE_WIDTH)
    marks = []
    for start in range(0, len(curve), width):
        part = [score for _, score in curve[start : start + width] if score is not None]
        marks.append(_mark(sum(part) / len(part)) if part else " ")
    sounding = [(score, start_s) for start_s, score in curve if score is not None]
    low, at_s = min(sounding)
    return f"{''.join(marks)}  lowest {low:.2f} from {at_s:.0f} s"


def _mark(score):
    share = (score - _WORST) / (_BEST - _WORST)
    return _MARKS[min(len(_MARKS) - 1, max(0, int(share * len(_MARKS))))]


def _summary(table, elapsed_s):
    failed = int((table["error"] != "").sum())
    audio_s = float(table["duration_s"].sum())
    parts = [f"{len(table) - failed} scored"]
    parts += [f"{failed} not scored"] if failed else []
    outside = int((table["domain_warning"] != "").sum())
    parts += [f"{outside} unlike the training clips (!)"] if outside else []
    again = len(table.attrs["duplicates"])
    parts += [f"{again} named twice and scored once"] if again else []
    speed = f" ({audio_s / elapsed_s:.0f} × real time)" if audio_s else ""
    return f"{', '.join(parts)}; {audio_s:.1f} s of audio in {elapsed_s:.1f} s{speed}"
