"""Make the clips of the field training alone, all or one share of them, before `make field`.

    python -m aqp_utils.training.field                      # on this machine
    python -m aqp_utils.training.field --dask tcp://HOST:8786
    python -m aqp_utils.training.field --part 3 --of 40     # one job of an array

The files lie where `make field` looks for them, so it goes on from there.
"""

import argparse
import os
import sys
from pathlib import Path

from aqp_utils.core import journal
from aqp_utils.runs.ownership import CHECKPOINTS, check_folders
from aqp_utils.runs.parameters import PARAMETERS, PRESETS
from aqp_utils.runs.shards import make_shards, part_of
from aqp_utils.training.field.clips import key_of, make_shard, shards_of


def main(argv=None):
    """Make them and say where they are.

    Parameters
    ----------
    argv : list of str, optional
        Arguments instead of those of the process.
    """
    values = {name: one.default for name, one in PARAMETERS.items()} | PRESETS["field"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("outputs/field"))
    parser.add_argument("--sources", type=int, default=values["N_SOURCES"])
    parser.add_argument("--duration-s", type=float, default=values["DURATION_S"])
    parser.add_argument("--seed", type=int, default=values["SEED"])
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--dask", metavar="ADDRESS", help="of the scheduler of a Dask cluster")
    parser.add_argument("--part", type=int, default=0, help="which share, from 0")
    parser.add_argument("--of", type=int, default=1, help="of how many")
    chosen = parser.parse_args(argv)
    key = key_of(chosen.seed, chosen.duration_s)
    stage = (chosen.out / "field").resolve()
    folder = stage / CHECKPOINTS / f"clips_{key}"
    try:
        shards = shards_of(folder, chosen.sources, chosen.duration_s, chosen.seed)
        mine = part_of(shards, chosen.part, chosen.of)
        check_folders(stage.parent, [stage.name])
        stage.mkdir(parents=True, exist_ok=True)
        journal.begin(stage, [])  # so that the run which goes on from here knows them for its own
        made = make_shards(make_shard, mine, chosen.processes, chosen.dask)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"aqp: {error}")
    print(f"{len(made)} of {len(shards)} shards are in {folder}")


if __name__ == "__main__":
    main()
