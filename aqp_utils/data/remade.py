"""A sample of a run's clips and features, made again from the seed and compared."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aqp_utils.core.audio import clip_bytes, format_of, read_clip
from aqp_utils.core.files import sha256
from aqp_utils.data.clips import clean_clip, degraded_clip
from aqp_utils.data.extraction import describe

STEP = 2.0**-15  # of 16-bit PCM
# Other versions and processors may differ by this much: steps of PCM, sd of a feature over the run.
ALLOWED = {"steps": 1.0, "sd": 1e-3}


@dataclass(frozen=True)
class Remade:
    """One thing made again.

    Attributes
    ----------
    name : str
        File, or clip and kind of features.
    difference : float or None
        Largest one to what is there; None if that is not here, and was made with other bits.
    unit : {"steps", "sd"}
    """

    name: str
    difference: float | None
    unit: str

    @property
    def agrees(self):
        """Whether it is what is there, as far as that can be told."""
        return self.difference is None or self.difference <= ALLOWED[self.unit]


def remade_clips(out, records, n_each, rng):
    """Make some clips again: of every kind and severity `n_each`, and their clean sources.

    Parameters
    ----------
    out : Path
        The run folder; the tables 01_clean/clips.csv and 02_degraded/clips.csv have to be there.
    records : dict
        Manifests by stage, of 01_clean and 02_degraded.
    n_each : int
    rng : numpy.random.Generator
        Which clips.

    Returns
    -------
    results : list of Remade
    clips : dict
        Row in the table of 02_degraded -> audio as it is read from disk, float32, shape (n,).
    """
    clean_values, values = (records[name]["parameters"] for name in ("01_clean", "02_degraded"))
    table = pd.read_csv(Path(out) / "02_degraded" / "clips.csv")
    groups = table.groupby(["kind", "severity"], sort=False).indices.values()
    chosen = [i for rows in groups for i in rng.permutation(rows)[:n_each]]
    results, clips, sources = [], {}, {}
    for i in chosen:
        row = table.iloc[i]
        source = int(row["source"])
        if source not in sources:
            wanted = (clean_values[name] for name in ("SOURCES", "DURATION_S", "SEED"))
            audio, _ = clean_clip(*wanted, source)
            name = row["clean_file"].removeprefix("../01_clean/")
            result, sources[source] = _compared(out, records["01_clean"], name, audio)
            results.append(result)
        clean = sources[source].astype(np.float64)
        audio, parameter = degraded_clip(row, clean, values["SEED"], values["GAPS"])
        result, clips[i] = _compared(out, records["02_degraded"], row["file"], audio)
        results.append(result)
        if not np.isclose(parameter, row["parameter"], rtol=1e-9):
            results.append(Remade(f"parameter of {row['clip']}", np.inf, "sd"))
    return results, clips


def _compared(out, record, file, audio):
    """A clip made again beside the one that is there; the audio as it would be read from disk."""
    content = clip_bytes(audio, format_of(file))
    name, path = f"{record['stage']}/{file}", Path(out) / record["stage"] / file
    made = read_clip(io.BytesIO(content))
    if hashlib.sha256(content).hexdigest() == record["outputs"].get(file):
        return Remade(name, 0.0, "steps"), made
    if not path.is_file() or sha256(path) != record["outputs"].get(file):
        return Remade(name, None, "steps"), made  # gone or changed, which the hashes tell
    there = read_clip(path)
    difference = np.abs(made - there).max() / STEP if made.shape == there.shape else np.inf
    return Remade(name, float(difference), "steps"), made


def remade_features(path, clips, encoder=None):
    """Extract the features of some clips again.

    Parameters
    ----------
    path : Path
        features.npz of the run.
    clips : dict
        Row -> audio, as from `remade_clips`.
    encoder : object, optional
        As from `load_encoder`, the one that the run used; without it there are no embeddings.

    Returns
    -------
    list of Remade
        Differences in sd of the feature over all clips of the run.
    """
    results, rows = [], list(clips)
    with np.load(path, allow_pickle=False) as arrays:
        sets = {name: arrays[name] for name in ("psychoacoustic", "classic")}
        names, embedding = arrays["clip"], arrays["embedding"]
    for kind, stored in sets.items():
        made = np.array([describe(clips[i], kind) for i in rows])
        results += _differences(kind, names, stored, rows, made)
    if encoder is not None:
        made = encoder.embed([clips[i] for i in rows])
        results += _differences("embedding", names, embedding, rows, made)
    return results


def _differences(kind, names, stored, rows, made):
    sd = stored.std(axis=0)
    away = np.abs(made - stored[rows]) / np.where(sd > 0, sd, 1)
    return [
        Remade(f"{kind} of {names[i]}", float(d), "sd")
        for i, d in zip(rows, away.max(axis=1), strict=True)
    ]
