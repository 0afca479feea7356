"""A folder of clean speech that neural text-to-speech spoke beforehand, as it is slow to speak.

The folder is named by the environment variable `AQP_SPEECH_BANK`. Its index.csv has one row per
file: file, engine, language, voice, seconds. Without it the other sources speak alone.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf
import soxr

from aqp_utils.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, set_level_dbfs

VARIABLE = "AQP_SPEECH_BANK"
INDEX = "index.csv"
SPEAKER_SCALES = (0.88, 1.16)  # played faster or slower: another vocal tract and another pitch


@cache
def index():
    """Rows of the bank's index, or None where there is no bank.

    Raises
    ------
    FileNotFoundError
        If the variable names a folder without an index.
    """
    if not (folder := os.environ.get(VARIABLE)):
        return None
    path = Path(folder) / INDEX
    if not path.is_file():
        raise FileNotFoundError(f"{VARIABLE} names {folder}, but {path} is missing.")
    table = pd.read_csv(path)
    return table[table["seconds"] > 1].reset_index(drop=True)


def engines():
    """Names of the engines that the bank holds; empty without a bank."""
    return () if index() is None else tuple(sorted(index()["engine"].unique()))


def n_voices(engine):
    """How many voices of an engine the bank holds."""
    table = index()
    return table.loc[table["engine"] == engine, "voice"].nunique()


def banked_speech(engine, duration_s, rng):
    """A random stretch of a random voice.

    Parameters
    ----------
    engine : str
        One of `engines()`.
    duration_s : float
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float64, shape (n,)
        16 kHz, active level -26 dBFS.
    speaker : str
        Engine and voice.

    Raises
    ------
    RuntimeError
        If the file holds no sound.
    """
    table = index()[index()["engine"] == engine]
    voices = sorted(table["voice"].astype(str).unique())
    voice = voices[rng.integers(len(voices))]
    files = table.loc[table["voice"].astype(str) == voice, "file"].tolist()
    path = Path(os.environ[VARIABLE]) / files[rng.integers(len(files))]
    audio, rate_hz = sf.read(path, dtype="float64")
    scale = float(np.exp(rng.uniform(*np.log(SPEAKER_SCALES))))
    audio = soxr.resample(audio, rate_hz * scale, SAMPLE_RATE)
    n = round(duration_s * SAMPLE_RATE)
    start = int(rng.integers(max(1, len(audio) - n + 1)))
    audio = np.pad(audio[start : start + n], (0, max(0, n - len(audio) + start)))
    if not np.any(audio):
        raise RuntimeError(f"{engine} ({voice}): no sound.")
    return set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio)), f"{engine} {voice}"
