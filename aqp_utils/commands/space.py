"""Room on the disk: what a stage needs, and what to say when there is none left."""

import re
import shutil
import tempfile

from aqp_utils.core.files import FULL

_COPY = 10e6  # bytes of an executed notebook and the figures beside it, rather more than they take
_MODEL = 8e6  # bytes of a network with its checkpoints


def needed(folder, values):
    """Bytes that the stage `folder` writes, by a rough estimate that is rather too high.

    Parameters
    ----------
    folder : str
        "02_degraded", say.
    values : dict
        Every parameter by name.
    """
    clip = values["DURATION_S"] * 16_000 * 2
    if folder == "field":
        return 5 * values["N_SOURCES"] * clip + 600e6  # each clean and damaged four times
    sources = values["N_PER_CONDITION"] * len(values["DEGRADATIONS"])
    degraded = sources * len(values["SEVERITIES"])
    layers = 2 * 13 * 768 * 4  # all layers of the embedding, twice while being collected
    own = {
        "01_clean": sources * clip,
        "02_degraded": degraded * clip,
        "03_features": degraded * layers,
        "04_model": _MODEL,
        "06_stress": _MODEL,
    }
    return own.get(folder, 0) + _COPY


def free_mb(place):
    """Megabytes free where `place` is."""
    return shutil.disk_usage(place).free / 1e6


def why_full(error):
    """In words, if an error of this process or of a notebook's says that there was no room.

    Returns
    -------
    str or None
        A value of `core.files.FULL`.
    """
    if isinstance(error, OSError):
        return FULL.get(error.errno)
    number = re.search(r"\[Errno (\d+)\]", str(error))
    return FULL.get(int(number[1])) if number else None


def sentence(name, why, out, bytes_needed):
    """What happened to the stage `name`, where, what it needs and what to do."""
    # Notebooks are executed in the folder for temporary files, which may be another disk.
    place = min((str(out), tempfile.gettempdir()), key=free_mb)
    return (
        f"{name} stopped: {why}. It needs about {bytes_needed / 1e6:.0f} MB in {place}, where "
        f"{free_mb(place):.0f} MB are free; make room, and the same command goes on from there."
    )
