"""What the long tests found, as tables that docs/reliability.md is filled from.

    python tests/faults/record.py TRIALS.csv "flips" "any file of a run" --seed 0

sums up a table with one row a trial and the column held, as the programs of this folder write it.
"""

import argparse
from pathlib import Path

import pandas as pd

from aqp_utils.core.files import write_csv

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


def summed(trials, fault, about, seed):
    """The row of a table of trials, whose column held says whether the promise was kept."""
    held = pd.read_csv(trials)["held"].astype(bool)
    return dict(fault=fault, about=about, tried=len(held), held=int(held.sum()), seed=seed)


def main():
    """Record one table of trials under its own name."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trials", type=Path)
    parser.add_argument("fault")
    parser.add_argument("about")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    record(given.trials.stem, [summed(given.trials, given.fault, given.about, given.seed)])


if __name__ == "__main__":
    main()
