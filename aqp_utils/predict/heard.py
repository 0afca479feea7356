"""A recording as the model hears it, at the level of training, read stretch by stretch.

The same as `level_of_training` and `without_silent_ends` of `core.audio`, but no more than one
stretch is ever in memory, so the length of a recording costs none.
"""

from dataclasses import dataclass

import numpy as np

from aqp_utils.core.audio import (
    ACTIVE_LEVEL_DBFS,
    FRAME,
    MINIMUM_DURATION_S,
    SAMPLE_RATE,
    active_frames,
    frame_powers,
)


@dataclass(frozen=True)
class Stretch:
    """A part of a recording; becomes an array when NumPy asks for one.

    Attributes
    ----------
    audio : ndarray or StoredAudio, shape (n,)
        The whole recording.
    gain : float
        What brings it to the level of training.
    start, stop : int
        First sample and the one after the last.
    """

    audio: object
    gain: float
    start: int
    stop: int

    def __len__(self):
        return self.stop - self.start

    def __getitem__(self, part):
        start, stop, _ = part.indices(len(self))
        return Stretch(self.audio, self.gain, self.start + start, self.start + max(start, stop))

    def __array__(self, dtype=None, copy=None):
        heard = np.asarray(self.audio[self.start : self.stop]) * self.gain
        return heard if dtype is None else heard.astype(dtype, copy=False)


def heard(audio):
    """A recording at the level of training, and without its silent ends.

    Parameters
    ----------
    audio : ndarray or StoredAudio, shape (n,)

    Returns
    -------
    whole, within : Stretch
        `within` is `whole` if less than 0.25 s would be left.
    """
    powers = frame_powers(audio)
    active = active_frames(powers)
    last = np.flatnonzero(active)[-1]
    start, stop = int(active.argmax()) * FRAME, min(int(last + 1) * FRAME, len(audio))
    n_active = int(active.sum()) * FRAME - max(0, int(last + 1) * FRAME - len(audio))
    level_dbfs = 10 * np.log10(powers[active].sum() * FRAME / n_active + 1e-20)
    whole = Stretch(audio, 10 ** ((ACTIVE_LEVEL_DBFS - level_dbfs) / 20), 0, len(audio))
    enough = stop - start >= MINIMUM_DURATION_S * SAMPLE_RATE
    return whole, whole[start:stop] if enough else whole
