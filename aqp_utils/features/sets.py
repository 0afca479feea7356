"""The two feature sets, and how to run one over many files."""

from functools import cache

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

from aqp_utils.core.audio import read_wav
from aqp_utils.features import classic, psychoacoustics

FEATURE_SETS = {
    "psychoacoustic": (psychoacoustics.FEATURES, psychoacoustics.psychoacoustic_features),
    "classic": (classic.FEATURES, classic.classic_features),
}


def feature_names(feature_set):
    """Names of the 19 features of a set, in order.

    Parameters
    ----------
    feature_set : str
        A key of `FEATURE_SETS`.

    Raises
    ------
    ValueError
        If there is no such set.
    """
    return [feature.name for feature in _lookup(feature_set)[0]]


def extract_one(path, feature_set):
    """Features of one WAV file, shape (19,).

    Raises
    ------
    ValueError
        If the file is no clip, or its audio cannot be described; names the file.
    """
    function = _lookup(feature_set)[1]
    audio = read_wav(path)
    try:
        # One thread each: the number of threads can change the last bits of a matrix product.
        with _threads().limit(limits=1):
            return function(audio)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def extract(files, feature_set, n_jobs=2, progress=True):
    """Features of many WAV files; order and values do not depend on `n_jobs`.

    Parameters
    ----------
    files : sequence of path
    feature_set : str
        A key of `FEATURE_SETS`.
    n_jobs : int
        Processes.
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


def _lookup(feature_set):
    if feature_set not in FEATURE_SETS:
        allowed = ", ".join(FEATURE_SETS)
        raise ValueError(f"no feature set '{feature_set}'; the sets are: {allowed}.")
    return FEATURE_SETS[feature_set]
