"""What the long tests found, as tables that docs/reliability.md is filled from.

    python tests/faults/record.py outputs/faults --seed 0

sums up the tables of kills.py, flips.py, disk.py and decoder.py in a folder, one row a trial each.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from aqp_utils.core.files import write_csv  # noqa: E402

FOLDER = Path(__file__).parent / "counts"
COLUMNS = ["fault", "about", "tried", "held", "seed"]


def record(name, rows):
    """Write `counts/NAME.csv` anew and print it.

    Parameters
    ----------
    name : str
        Of the test.
    rows : list of dict
        fault (a key of `FAULTS` in scripts/fill_readme.py), about (what exactly was done to what),
        tried, held (how many of these ended as promised) and seed.
    """
    table = pd.DataFrame(rows, columns=COLUMNS)
    FOLDER.mkdir(exist_ok=True)
    write_csv(FOLDER / f"{name}.csv", table)
    print(f"\n{table.to_string(index=False)}")


def kills(trials):
    """Kills of the series and of predict, and two runs in one folder."""
    stage = trials["stage"]
    yield "kills", "the series, at a random moment", trials[~stage.isin(["predict", "two runs"])]
    yield "kills", "predict, at a random moment", trials[stage == "predict"]
    yield "concurrent runs", "two runs in one folder", trials[stage == "two runs"]


def flips(trials):
    """Flipped bits of a run folder."""
    yield "flips", "any file of a run, found by aqp verify", trials


def disk(trials):
    """Full and read-only disks."""
    full = trials["kind"] != "read-only"
    yield "disk full", "every command, at a random size", trials[full]
    yield "read-only", "every command", trials[~full]


def decoder(trials):
    """Signals to the process that decodes."""
    for what in ("stopped", "killed"):
        yield (
            "decoder stopped or killed",
            f"{what} at a random moment",
            trials[trials["what"] == what],
        )


TESTS = {one.__name__: one for one in (kills, flips, disk, decoder)}


def main():
    """Record the tables that are in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", default="0", help="as it stands in the table")
    given = parser.parse_args()
    for name, split in TESTS.items():
        path = given.folder / f"{name}.csv"
        if path.is_file():
            record(
                name,
                [
                    dict(fault=fault, about=about, tried=len(part), held=int(part["held"].sum()))
                    | {"seed": given.seed}
                    for fault, about, part in split(pd.read_csv(path))
                    if len(part)
                ],
            )


if __name__ == "__main__":
    main()
