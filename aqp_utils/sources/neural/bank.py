"""A folder of neural speech: filled once, utterance by utterance, and drawn from ever after."""

import argparse
import csv
import shutil
import time
from functools import cache
from pathlib import Path

import numpy as np
import soundfile as sf

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, set_level_dbfs
from aqp_utils.core.randomness import rng_for
from aqp_utils.sources.neural.manner import with_manner
from aqp_utils.sources.neural.speech import (
    ENGINE_LANGUAGES,
    ENGINES,
    STREAMS,
    UTTERANCES,
    draw_utterance,
    fetch_voices,
    missing,
    speak,
    voices_folder,
)

COLUMNS = ("file", "engine", "language", "voice", "seconds", "pace", "scale")


def numbered_utterance(engine, number, seed):
    """Utterance `number` of an engine; the languages take turns.

    Returns
    -------
    Utterance
        The same whenever and wherever it is drawn.
    """
    rng = rng_for(seed, "speech", source=number, kind=STREAMS[engine])
    spoken = ENGINE_LANGUAGES[engine]
    return draw_utterance(engine, rng, spoken[number % len(spoken)])


def fill_bank(folder, engine, count, seed=0, part=(0, 1)):
    """Make the utterances 0 to `count` - 1 of an engine that `folder` lacks.

    Parameters
    ----------
    folder : path
        Gets <engine>/<language>_<number>.flac (16 kHz, mono, PCM 16) and a line for each in
        index.csv, written after the file: a stopped run goes on where it was.
    engine : str
    count, seed : int
    part : (int, int)
        This process makes the first of so many equal parts.

    Returns
    -------
    int
        How many utterances were made.
    """
    folder, made = Path(folder), 0
    (folder / engine).mkdir(parents=True, exist_ok=True)
    there = {row["file"] for row in read_index(folder)}
    for number in range(part[0], count, part[1]):
        utterance = numbered_utterance(engine, number, seed)
        name = f"{engine}/{utterance.language}_{seed}_{number:05d}.flac"
        if name in there:
            continue
        try:
            audio = speak(utterance)
        except RuntimeError as error:
            print(f"{name} left out: {error}", flush=True)
            continue
        sf.write(folder / name, audio, SAMPLE_RATE, subtype="PCM_16")
        _append(folder / "index.csv", name, utterance, len(audio) / SAMPLE_RATE)
        made += 1
    return made


def _append(path, name, utterance, duration_s):
    """One write per line, so that several processes can share the file."""
    row = (name, utterance.engine, utterance.language, utterance.speaker, f"{duration_s:.2f}")
    line = ",".join((*row, f"{utterance.pace:.3f}", f"{utterance.scale:.3f}")) + "\n"
    with open(path, "a", encoding="utf-8") as file:
        if not path.stat().st_size:
            line = ",".join(COLUMNS) + "\n" + line
        file.write(line)


def read_index(folder):
    """The lines of index.csv in `folder`, a list of dicts (COLUMNS); empty if there is none."""
    path = Path(folder) / "index.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def _by_language(folder):
    """Engine -> language -> lines of the index, in the order of the names, whoever made them."""
    table = {}
    for row in sorted(read_index(folder), key=lambda row: row["file"]):
        table.setdefault(row["engine"], {}).setdefault(row["language"], []).append(row)
    return table


def banked_engines(folder):
    """The engines that the bank in `folder` holds utterances of, a tuple of names."""
    return tuple(sorted(_by_language(str(folder))))


def banked_speech(folder, engine, duration_s, rng):
    """Draw a stretch of an utterance from the bank, spoken in a manner of its own.

    Parameters
    ----------
    folder : path
    engine : str
    duration_s : float
        Length in seconds; an utterance that is shorter is followed by silence.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float32, shape (n,)
        16 kHz, active level -26 dBFS.
    facts : dict
        program, voice, language, then those of `with_manner`.
    """
    table = _by_language(str(folder)).get(engine)
    if not table:
        raise RuntimeError(f"{engine}: the bank in {Path(folder).name} holds no utterance of it.")
    rows = table[str(rng.choice(sorted(table)))]
    row = rows[rng.integers(len(rows))]
    audio, manner = with_manner(sf.read(Path(folder) / row["file"])[0], rng)
    n = round(duration_s * SAMPLE_RATE)
    start = int(rng.integers(max(1, len(audio) - n + 1)))
    audio = audio[start : start + n]
    audio = np.pad(audio, (0, n - len(audio)))
    audio = set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio)).astype(np.float32)
    return audio, {"program": engine, "voice": row["voice"], "language": row["language"], **manner}


def main():
    """Fill a bank with every engine that is here."""
    parser = argparse.ArgumentParser(description="Fill a bank of neural speech.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=ENGINES, action="append", help="default: all")
    parser.add_argument("--count", type=int, help=f"utterances per engine (default: {UTTERANCES})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="0/1", help="K/N: make the share K of N, from 0")
    asked = parser.parse_args()
    part = tuple(int(number) for number in asked.part.split("/"))
    if not missing("kokoro") and shutil.which("npm"):
        fetch_voices(voices_folder())
    for engine in asked.engine or ENGINES:
        if reason := missing(engine):
            print(reason)
            continue
        start = time.monotonic()
        made = fill_bank(asked.folder, engine, asked.count or UTTERANCES[engine], asked.seed, part)
        print(f"{engine}: {made} utterances in {time.monotonic() - start:.0f} s.", flush=True)


if __name__ == "__main__":
    main()
