"""The clips of a study on disk: clean sources, their degraded versions, and the tables of both."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from aqp_utils.core import scale
from aqp_utils.core.audio import clip_bytes, format_of, read_clip
from aqp_utils.core.files import atomic, sha256, write_npz
from aqp_utils.core.randomness import rng_for
from aqp_utils.data import labels
from aqp_utils.data.in_shards import in_shards
from aqp_utils.degradations.degrade import DEGRADATIONS, KINDS, degrade, sample_parameter
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.sources.tones import tone_clip

FAMILIES = {"tones": tone_clip, "speech": speech_clip}


def make_clean(folder, n_sources, family, duration_s, seed, checkpoints=None, audio_format="wav"):
    """Synthesize clean sources into `folder`/clips.

    Parameters
    ----------
    folder : path
    n_sources : int
    family : str
        A key of `FAMILIES`.
    duration_s : float
    seed : int
    checkpoints : Path, optional
        `Stage.checkpoints`: where finished shards wait until all are done.
    audio_format : str
        "wav" or "flac": how clips are stored, these and those made of them. The samples are equal.

    Returns
    -------
    DataFrame
        One row per clip: clip, file, source, family, duration_s, then the facts of its synthesis.
    """
    (Path(folder) / "clips").mkdir(parents=True, exist_ok=True)
    sources = list(range(n_sources))
    given = (family, duration_s, seed, audio_format)
    keys = [str(source) for source in sources]
    return _written(folder, _clean_shard, sources, keys, given, checkpoints, "clean clips")


def _clean_shard(path, sources, family, duration_s, seed, audio_format):
    clips, rows = [], []
    for source in sources:
        audio, facts = clean_clip(family, duration_s, seed, source)
        clip = f"src{source:04d}"
        rows.append(
            dict(
                clip=clip,
                file=f"clips/{clip}.{audio_format}",
                source=source,
                family=family,
                duration_s=duration_s,
                **facts,
            )
        )
        clips.append(audio)
    _save_shard(path, clips, rows)


def _save_shard(path, clips, rows):
    """Clips as the bytes of their files, and their rows of the table."""
    files = []
    for audio, row in zip(clips, rows, strict=True):
        try:
            content = clip_bytes(audio, format_of(row["file"]))
        except ValueError as error:
            raise ValueError(f"{row['file']}: {error}") from None
        files.append(np.frombuffer(content, dtype=np.uint8))
    ends = np.cumsum([len(content) for content in files])
    table = json.dumps(rows, default=lambda number: number.item())  # of NumPy
    write_npz(path, files=np.concatenate(files), ends=ends, table=np.array(table))


def _written(folder, task, items, keys, given, checkpoints, label):
    """Make clips in shards, write their files into `folder`, and return their table."""
    folder = Path(folder)

    def write(path):
        with np.load(path) as shard:
            rows = json.loads(str(shard["table"]))
            files = np.split(shard["files"], shard["ends"][:-1])
            for row, content in zip(rows, files, strict=True):
                with atomic(folder / row["file"]) as temporary:
                    temporary.write_bytes(content.tobytes())
        return rows

    shards = in_shards(task, items, keys, given, checkpoints, label, write)
    return pd.DataFrame([row for rows in shards for row in rows])


def clean_clip(family, duration_s, seed, source):
    """Clean source number `source` of a family, float32 (n,), and the facts of its synthesis."""
    return FAMILIES[family](duration_s, rng_for(seed, "clean", source))


def stream_of(seed, row):
    """The random stream of one degraded clip; `row` is a mapping or a named tuple of the plan."""
    row = row._asdict() if hasattr(row, "_asdict") else row
    return rng_for(seed, "degrade", row["source"], KINDS.index(row["kind"]), row["severity"])


def read_pair(folder, row):
    """Clean and degraded audio of one row (named tuple) of a degraded table, each float64 (n,)."""
    files = (row.clean_file, row.file)
    return tuple(read_clip(Path(folder) / file).astype(np.float64) for file in files)


def plan_degraded(clean, kinds, severities):
    """Which source gets which kind: sources take turns, each at every severity.

    Parameters
    ----------
    clean : DataFrame
        Table of clean clips; the others are stored as these are.
    kinds, severities : sequence of str, of int

    Returns
    -------
    DataFrame
        Columns clip, file, source, clean_file, kind, severity; balanced over kind and severity.
    """
    rows = []
    for position, (source, clean_file) in enumerate(
        clean[["source", "file"]].itertuples(index=False)
    ):
        kind = kinds[position % len(kinds)]
        for severity in severities:
            clip = f"src{source:04d}_{kind}_s{severity}"
            rows.append(
                dict(
                    clip=clip,
                    file=f"clips/{clip}.{format_of(clean_file)}",
                    source=source,
                    clean_file=f"../01_clean/{clean_file}",
                    kind=kind,
                    severity=severity,
                )
            )
    return pd.DataFrame(rows)


def make_degraded(folder, plan, label, seed, gaps=True, checkpoints=None):
    """Make every clip of `plan` in `folder`/clips and label it.

    Parameters
    ----------
    folder : path
    plan : DataFrame
        From `plan_degraded`.
    label : str
        "pseudo_pesq" (from the physical parameter) or "measured" (P.862.2 against the clean clip).
    seed : int
    gaps : bool
        Leave gaps between the severities, or draw without: see `labels.severity_range`.
    checkpoints : Path, optional
        As in `make_clean`.

    Returns
    -------
    DataFrame
        `plan` with parameter, unit, quality (class) and score (in [1.0, 4.5]).
    """
    folder = Path(folder).resolve()
    (folder / "clips").mkdir(parents=True, exist_ok=True)  # or nothing would be beside it
    rows = plan.to_dict("records")
    clean = {file: sha256(folder / file) for file in plan["clean_file"].unique()}
    keys = [f"{row} {clean[row['clean_file']]}" for row in rows]
    given = (str(folder), label, seed, gaps)
    return _written(folder, _degraded_shard, rows, keys, given, checkpoints, "degraded clips")


def _degraded_shard(path, rows, folder, label, seed, gaps):
    clips, made = [], []
    for row in rows:
        kind, severity = row["kind"], row["severity"]
        clean = read_clip(Path(folder) / row["clean_file"]).astype(np.float64)
        degraded, parameter = degraded_clip(row, clean, seed, gaps)
        labelled = _labels(label, clean, degraded, kind, parameter, severity)
        made.append(dict(**row, parameter=parameter, unit=DEGRADATIONS[kind].unit, **labelled))
        clips.append(degraded)
    _save_shard(path, clips, made)


def degraded_clip(row, clean, seed, gaps=True):
    """One degraded clip of a plan.

    Parameters
    ----------
    row : mapping
        source, kind and severity.
    clean : ndarray of float64, shape (n,)
    seed : int
    gaps : bool
        As in `make_degraded`.

    Returns
    -------
    degraded : ndarray of float64, shape (n,)
    parameter : float
        What was drawn for it.
    """
    kind, severity = row["kind"], row["severity"]
    rng = stream_of(seed, row)
    ends = labels.severity_range(kind, severity, gaps)
    parameter = sample_parameter(kind, severity, rng, ends)
    return degrade(clean, kind, parameter, rng), parameter


def _labels(label, clean, degraded, kind, parameter, severity):
    """Class and score of one clip under the chosen kind of label."""
    if label == "pseudo_pesq":
        score = labels.pseudo_pesq(kind, parameter)
        return dict(quality=scale.quality_class(severity), score=float(score))
    score = float(scale.to_scale(labels.measured_pesq(clean, degraded)))
    return dict(quality=scale.class_of_score(score), score=score)
