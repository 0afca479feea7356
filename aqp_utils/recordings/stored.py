"""Audio of any length in little memory: short recordings as an array, long ones in a file.

A recording of an hour is 230 MB of float32. What works on it takes slices; the file has no name
and goes with the object.
"""

import shutil
import tempfile

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE

IN_MEMORY_S = 300.0  # longer recordings wait in a temporary file
PIECE = 2**18  # samples that are moved at once


class StoredAudio:
    """Samples in a temporary file; slices of it are arrays, read when they are asked for.

    Parameters
    ----------
    file : binary file
        Float32 from its start, open for reading; nobody else's.
    n_samples : int
    """

    dtype, ndim = np.dtype(np.float32), 1

    def __init__(self, file, n_samples):
        self._file, self._n_samples = file, n_samples

    def __len__(self):
        return self._n_samples

    @property
    def shape(self):
        """As that of an array."""
        return (self._n_samples,)

    def __getitem__(self, key):
        if not isinstance(key, slice):
            return np.asarray(self)[key]
        start, stop, step = key.indices(self._n_samples)
        if step < 1:
            return np.asarray(self)[key]
        self._file.seek(4 * start)
        content = bytearray(self._file.read(4 * max(0, stop - start)))
        return np.frombuffer(content, np.float32)[::step]

    def __array__(self, dtype=None, copy=None):
        return self[:].astype(dtype or self.dtype, copy=False)


def collect(blocks):
    """Put blocks of audio together.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, each shape (n_i,)

    Returns
    -------
    ndarray or StoredAudio, shape (n,)

    Raises
    ------
    ValueError
        If there is no room for it among the temporary files.
    """
    parts, n_samples, file = [], 0, None
    for block in blocks:
        parts.append(block)
        n_samples += len(block)
        if file is None and n_samples > IN_MEMORY_S * SAMPLE_RATE:
            file = tempfile.TemporaryFile()  # noqa: SIM115, the audio's from now on
        if file is not None:
            _append(file, parts, n_samples)
            parts = []
    if file is None:
        return np.concatenate(parts) if parts else np.empty(0, np.float32)
    return StoredAudio(file, n_samples)


def pieces(audio):
    """The samples of `audio` in arrays of bounded length."""
    return (audio[start : start + PIECE] for start in range(0, len(audio), PIECE))


def _append(file, parts, n_samples):
    try:
        for part in parts:
            file.write(np.ascontiguousarray(part, np.float32).data)
        file.flush()
    except OSError as error:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
        raise ValueError(
            f"its audio needs more than {4 * n_samples / 1e6:.0f} MB in {folder}, where "
            f"{free / 1e6:.0f} MB are free ({error.strerror}); TMPDIR names another folder"
        ) from None
