"""Long per-clip computations that survive being killed: finished chunks are kept, checksummed."""

import hashlib
import io
import re
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aqp_utils.core.files import atomic, sha256

_DIGITS = 20  # hex digits of SHA-256 kept in a chunk's file name


def map_chunks(folder, keys, compute, chunk=32, label="clips"):
    """Compute one value per clip, chunk by chunk, keeping finished chunks in `folder`.

    A rerun with equal `keys` takes what is there and computes the rest. Chunks always hold the same
    clips, so an interrupted run and an uninterrupted one give the same bits.

    Parameters
    ----------
    folder : Path
        Where chunks are kept; made if missing.
    keys : sequence of str
        One per clip: all that its value depends on (say, SHA-256 of the file plus settings).
    compute : callable
        List of indices into `keys` -> array, shape (len(indices), ...).
    chunk : int
        Clips per chunk.
    label : str
        What is computed; names the files and the progress bar.

    Returns
    -------
    ndarray, shape (len(keys), ...)

    Raises
    ------
    ValueError
        If there are no keys, or `compute` returns another number of values than it was asked for.
    """
    if not len(keys):
        raise ValueError(f"{label}: there are no clips to compute.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    groups = [list(range(i, min(i + chunk, len(keys)))) for i in range(0, len(keys), chunk)]
    stems = [_stem(label, indices[0], [keys[i] for i in indices]) for indices in groups]
    kept = [_load(folder, stem, label) for stem in stems]
    done = sum(len(g) for g, values in zip(groups, kept, strict=True) if values is not None)
    if done:
        print(f"{label}: resuming: {done} of {len(keys)}", flush=True)
    with tqdm(total=len(keys), initial=done, desc=label, unit="clip") as progress:
        for i, indices in enumerate(groups):
            if kept[i] is None:
                kept[i] = np.asarray(compute(indices))
                _save(folder, stems[i], kept[i], len(indices))
                progress.update(len(indices))
    return np.concatenate(kept)


def _stem(label, start, keys):
    digest = hashlib.sha256("\0".join([label, *keys]).encode()).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', label)}-{start:06d}-{digest[:_DIGITS]}"


def _save(folder, stem, values, expected):
    """Store a chunk under a name that ends in its own checksum: one rename makes it valid."""
    if values.ndim == 0 or len(values) != expected:
        raise ValueError(f"{stem}: {values.shape} computed for {expected} clips.")
    buffer = io.BytesIO()
    np.savez(buffer, values=values)
    content = buffer.getvalue()
    checksum = hashlib.sha256(content).hexdigest()[:_DIGITS]
    with atomic(folder / f"{stem}.{checksum}.npz") as temporary:
        temporary.write_bytes(content)


def _load(folder, stem, label):
    """The chunk's values, or None if it has to be computed."""
    for path in sorted(folder.glob(f"{stem}.*.npz")):
        if sha256(path)[:_DIGITS] == path.name.split(".")[-2]:
            with np.load(path, allow_pickle=False) as file:
                return file["values"]
        print(f"{label}: checksum mismatch, recomputing ({path.name})", flush=True)
        path.unlink()
    return None
