"""The table of a fault test: one row a trial, printed and written as it grows, and its sum."""

import csv
import sys
from pathlib import Path

# The scripts of this folder are run by their path; the package lies beside `tests`.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


class Results:
    """Rows of a fault test.

    Parameters
    ----------
    path : str or None
        CSV file; None writes none.
    columns : sequence of str
        The last one, `held`, says whether the promise was kept.
    """

    def __init__(self, path, columns):
        self.columns, self.rows, self._path = [*columns, "held"], [], path
        self._write(self.columns, "w")

    def add(self, *values, held):
        """Take one trial."""
        row = [*values, bool(held)]
        self.rows.append(row)
        self._write(row, "a")
        print(" ".join(str(value) for value in row), flush=True)

    def _write(self, row, mode):
        if self._path:
            with open(self._path, mode, newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(row)

    def finish(self, what):
        """Print the sum and leave, with exit code 1 if a promise was broken."""
        held = sum(row[-1] for row in self.rows)
        print(f"{what}: {held} of {len(self.rows)} held")
        sys.exit(held < len(self.rows))
