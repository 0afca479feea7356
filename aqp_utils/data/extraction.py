"""Features and embeddings of a folder of clips: progress, and resumed where a run was cut off."""

from functools import cache

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

from aqp_utils.core.audio import read_wav
from aqp_utils.core.files import sha256
from aqp_utils.features.sets import feature_names, lookup
from aqp_utils.runs.checkpoint import map_chunks

_CHUNK = 40  # clips per checkpoint


def features_of(files, feature_set, checkpoints, label=None):
    """The 19 features of each file.

    Parameters
    ----------
    files : list of Path
    feature_set : str
        "psychoacoustic" or "classic".
    checkpoints : Path
        `Stage.checkpoints`.
    label : str, optional
        Shown in the progress bar; default: the name of the set.

    Returns
    -------
    ndarray of float64, shape (n, 19)
    """
    return map_chunks(
        checkpoints,
        [f"{sha256(file)} {feature_set}" for file in files],
        lambda indices: extract([files[i] for i in indices], feature_set, progress=False),
        chunk=_CHUNK,
        label=label or f"{feature_set} features",
    )


def embeddings_of(files, encoder, checkpoints, batch_size=8, label="embeddings"):
    """Embedding of each file at the encoder's layer, and the mean of every layer.

    Returns
    -------
    embedding : ndarray of float32, shape (n, 768)
    layers : ndarray of float32, shape (n, n_layers + 1, 768)
    """
    about = f"{encoder.weights_sha256} {encoder.layer} {encoder.pooling} {batch_size}"

    def compute(indices):
        embedding, layers = encoder.embed_both([read_wav(files[i]) for i in indices], batch_size)
        return np.concatenate([embedding[:, None], layers], axis=1)

    keys = [f"{sha256(file)} {about}" for file in files]
    rows = map_chunks(checkpoints, keys, compute, chunk=_CHUNK, label=label)
    return rows[:, 0], rows[:, 1:]


def extract_one(path, feature_set):
    """Features of one WAV file, shape (19,).

    Raises
    ------
    ValueError
        If the file is no clip, or its audio cannot be described; names the file.
    """
    audio = read_wav(path)
    try:
        return describe(audio, feature_set)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def describe(audio, feature_set):
    """Features of a clip, float32 of shape (n,), as float64 of shape (19,)."""
    # One thread: the number of threads can change the last bits of a matrix product.
    with _threads().limit(limits=1):
        return lookup(feature_set)[1](audio)


def extract(files, feature_set, n_jobs=-1, progress=True):
    """Features of many WAV files; order and values do not depend on `n_jobs`.

    Parameters
    ----------
    files : sequence of path
    feature_set : str
        A key of `FEATURE_SETS`.
    n_jobs : int
        Processes; -1 is one for every processor.
    progress : bool
        Show a bar.

    Returns
    -------
    ndarray of float64, shape (n, 19)

    Raises
    ------
    ValueError
        See `extract_one`.
    """
    n_features = len(feature_names(feature_set))
    jobs = (delayed(extract_one)(path, feature_set) for path in files)
    rows = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    if progress:
        rows = tqdm(rows, total=len(files), desc=f"{feature_set} features", unit="clip")
    return np.array(list(rows)).reshape(-1, n_features)


@cache
def _threads():
    return ThreadpoolController()  # finding the libraries takes longer than some features
