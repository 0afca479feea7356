"""The command `aqp run`: arguments in, where the results are out."""

import time

from aqp_utils.commands import series
from aqp_utils.runs import parameters
from aqp_utils.runs.notebooks import FIELD, STUDY

# What a series leaves in its last folder.
RESULTS = {
    "05_report": {"report": "report.html", "metrics": "metrics.json"},
    "06_field": {"predictor": "predictor", "metrics": "metrics.json"},
}


def add_arguments(parser):
    """Command-line arguments of `aqp run`."""
    parser.add_argument(
        "--preset", default="default", help=f"set of values: {', '.join(parameters.PRESETS)}"
    )
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        dest="given",
        help="value of one parameter; repeat as needed",
    )
    parser.add_argument("--out", metavar="DIR", help="run folder (default outputs/run)")
    parser.add_argument(
        "--from",
        dest="start",
        metavar="NN",
        help="make this notebook and those after it again, e.g. 03",
    )
    parser.epilog = "parameters:\n" + "\n".join(
        f"  {p.name:16} {p.default!r:24} {p.meaning}{f' ({p.unit})' if p.unit else ''}"
        for p in parameters.PARAMETERS.values()
    )


def run(arguments):
    """Run the series from parsed `arguments` and say where its results are."""
    given = {name: parameters.parse(name, text) for name, text in arguments.given}
    began = time.monotonic()
    out = series.run(arguments.preset, given, arguments.out, arguments.start)
    print(f"\nfinished in {time.monotonic() - began:.0f} s")
    folders = FIELD if arguments.preset == "field" else STUDY
    for notebook in folders.values():
        print(f"  notebook  {out / series.COPIES / notebook}.ipynb")
    *_, last = folders
    for name, path in RESULTS[last].items():
        print(f"  {name:9} {out / last / path}")
    print(f"  {series.headline(out / last / 'metrics.json')}")
    return 0
