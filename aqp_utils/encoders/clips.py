"""What every encoder does with clips before it computes: check, normalize, put together."""

from collections import defaultdict

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.encoders.catalog import EncoderError


def normalized(clip):
    """Zero mean and unit variance, as Wav2Vec2's feature extractor does: level says nothing."""
    clip = np.asarray(clip, dtype=np.float64)
    return ((clip - clip.mean()) / np.sqrt(clip.var() + 1e-7)).astype(np.float32)


def batches(clips, batch_size, shortest, name):
    """Positions of clips that go together: equal length, at most `batch_size`.

    Parameters
    ----------
    clips : list of ndarray, each shape (n_i,)
    batch_size : int
    shortest : int
    name : str
        Both as in `check`.

    Yields
    ------
    list of int

    Raises
    ------
    EncoderError
        As `check` does.
    """
    check(clips, shortest, name)
    by_length = defaultdict(list)
    for position, clip in enumerate(clips):
        by_length[len(clip)].append(position)
    for positions in by_length.values():
        for start in range(0, len(positions), batch_size):
            yield positions[start : start + batch_size]


def check(clips, shortest, name):
    """Refuse what would come out as a meaningless vector.

    Parameters
    ----------
    clips : list of ndarray, each shape (n_i,)
    shortest : int
        Samples that the encoder needs.
    name : str
        Of the encoder, for sentences.

    Raises
    ------
    EncoderError
        If a clip is too short, not mono, or not finite.
    """
    for position, clip in enumerate(clips):
        if np.ndim(clip) != 1:
            raise EncoderError(f"clip {position}: {np.ndim(clip)} axes; a clip has shape (n,).")
        if len(clip) < shortest:
            raise EncoderError(
                f"clip {position}: {len(clip)} samples; {name} needs {shortest} "
                f"({shortest / SAMPLE_RATE:.3f} s at 16 kHz)."
            )
        if not np.all(np.isfinite(clip)):
            raise EncoderError(f"clip {position}: holds NaN or Inf.")
