"""The audio that the embedded encoder learns from: clean sources and damaged versions of each.

Nothing here is a label. A version's kind and amount of damage are drawn, applied and forgotten; the
encoder only ever gets to hear the result and the clean source beside it.
"""

import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aqp_utils.core.audio import SAMPLE_RATE, rms_dbfs, set_level_dbfs
from aqp_utils.core.randomness import rng_for
from aqp_utils.degradations.degrade import KINDS, degrade
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.sources.tones import tone_clip

VERSIONS = 5  # version 0 is the clean source, 1 to 4 are damaged
TWICE_DAMAGED = 0.25  # share of damaged versions that get a second, different damage
TILTED = 0.5  # share of the sources that a tilted spectrum is given, as microphones do
TILT_RANGE_DB_PER_OCTAVE = (-4.0, 4.0)
FAMILIES = ("tones", "speech")

# Wider than the study's severities and without gaps between them, so that the encoder meets every
# amount of damage and no class boundary shows.
PARAMETER_RANGES = {
    "noise": (5.0, 60.0),  # SNR, dB
    "clip": (4.0, 45.0),  # SI-SDR, dB
    "lowpass": (200.0, 7000.0),  # cutoff, Hz, log-uniform
    "reverb": (0.06, 1.2),  # RT60, s, log-uniform
    "compression": (0.02, 1.0),  # wet share
}
LOG_UNIFORM = ("lowpass", "reverb")


def draw_parameter(kind, rng):
    """Draw the physical parameter of one damage over its whole range."""
    low, high = PARAMETER_RANGES[kind]
    if kind in LOG_UNIFORM:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return float(rng.uniform(low, high))


def damaged(clean, rng):
    """One damaged version of `clean` (n,): one kind of damage, or two after each other."""
    n_kinds = 2 if rng.random() < TWICE_DAMAGED else 1
    audio = clean
    for kind in rng.choice(KINDS, size=n_kinds, replace=False):
        audio = degrade(audio, str(kind), draw_parameter(str(kind), rng), rng)
    return audio


def clean_source(family, duration_s, rng):
    """A clean clip of one family, ``"tones"`` or ``"speech"``, shape (n,)."""
    if family == "tones":
        return tone_clip(duration_s, rng)[0]
    return speech_clip(duration_s, rng)[0]


def tilted(audio, db_per_octave):
    """Tilt the spectrum of `audio` (n,) about 1 kHz; same level."""
    frequency_hz = np.maximum(np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE), 100.0)
    gain_db = db_per_octave * np.log2(frequency_hz / 1000)
    shaped = np.fft.irfft(np.fft.rfft(audio) * 10 ** (gain_db / 20), len(audio))
    return set_level_dbfs(shaped, rms_dbfs(audio))


def versions_of_source(seed, index, family, duration_s):
    """Clean source number `index` and its damaged versions, from their own random streams.

    Returns
    -------
    ndarray of int16, shape (VERSIONS, n)
        Scaled to a common peak; the encoder normalises its input, so level carries nothing.
    """
    rng = rng_for(seed, "pretrain", index)
    clean = clean_source(family, duration_s, rng)
    if rng.random() < TILTED:
        clean = tilted(clean, rng.uniform(*TILT_RANGE_DB_PER_OCTAVE))
    rows = [clean]
    for version in range(1, VERSIONS):
        rows.append(damaged(clean, rng_for(seed, "pretrain", index, version)))
    rows = np.stack(rows)
    rows *= 32_000 / np.max(np.abs(rows), axis=1, keepdims=True)
    return np.round(rows).astype(np.int16)


def build_pool(path, n_sources, family, duration_s=3.0, seed=0, first=0):
    """Write a pool of sources to disk, so that learning does not wait for synthesis.

    A pool that was interrupted is resumed; a complete one is opened as it is.

    Parameters
    ----------
    path : path-like
        A raw int16 file; ``path + ".done"`` counts the finished sources.
    n_sources : int
    family : str
        One of `FAMILIES`.
    duration_s : float
    seed, first : int
        Source `first + i` of the seed's stream becomes row `i`.

    Returns
    -------
    numpy.memmap of int16, shape (n_sources, VERSIONS, n)
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (n_sources, VERSIONS, round(duration_s * SAMPLE_RATE))
    counter = path.with_name(path.name + ".done")
    done = int(counter.read_text()) if counter.exists() and path.exists() else 0
    pool = np.memmap(path, np.int16, "r+" if done else "w+", shape=shape)
    for index in tqdm(range(done, n_sources), desc=f"{family} pool", mininterval=5):
        pool[index] = versions_of_source(seed, first + index, family, duration_s)
        if index % 50 == 49 or index == n_sources - 1:
            pool.flush()
            temporary = counter.with_name(f".{counter.name}.part")
            temporary.write_text(str(index + 1))
            os.replace(temporary, counter)
    return pool
