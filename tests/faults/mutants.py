"""Damaged recordings: is a number ever given, without a word, for what was not heard?

Takes good files of five formats, damages each in a way that disks, networks and broken programs
do, decodes what is left, and compares it with the good file. A mutant that lost more than 2 % of
its sound must be refused, or carry a note. Then good files from every program: read to their end,
without a note of damage.

    python tests/faults/mutants.py        # 10,000 mutants, 500 good files of every format
    python tests/faults/mutants.py --mutants 500 --good 20 --seed 7
"""

import argparse
import contextlib
import csv
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))
from good_files import FORMATS, make, missing_tools  # noqa: E402

from aqp_utils.core.files import write_csv  # noqa: E402
from aqp_utils.recordings.reading import RecordingError, read_recording  # noqa: E402

RESULTS = Path(__file__).parent / "counts" / "mutants.csv"
LOST_SHARE = 0.02
FRAME = 320  # 20 ms at 16 kHz
ACTIVE_DB = 40.0
HEARD_DB = 10.0  # a sample is as it was if it differs by less than this under its frame's level
N_BASES = 12  # good files of each format that are damaged
# Notes on what a good file may be, and that are no alarm.
HARMLESS = (
    "mixed to mono", "partly cancel", "resampled from", "offset (DC)", "over full scale", "clipped",
    "streamed", "only the first",
)  # fmt: skip


# --- ways to damage ------------------------------------------------------------------------------


def truncated(content, rng):
    return content[: int(rng.uniform(0.02, 0.99) * len(content))]


def bytes_changed(content, rng):
    mutant = bytearray(content)
    for position in rng.integers(0, len(content), int(2 ** rng.uniform(0, 8))):
        mutant[position] = int(rng.integers(256))
    return bytes(mutant)


def middle_dropped(content, rng):
    start = int(rng.uniform(0.01, 0.9) * len(content))
    return content[:start] + content[start + int(rng.uniform(0.01, 0.4) * len(content)) :]


def block_zeroed(content, rng):
    length = int(rng.uniform(0.01, 0.3) * len(content))
    start = int(rng.integers(64, len(content) - length))
    if rng.random() < 0.5:
        start, length = start // 512 * 512, -(-length // 512) * 512
    return content[:start] + bytes(min(length, len(content) - start)) + content[start + length :]


def reordered(content, rng):
    """Two neighbouring pages (Ogg) or stretches (all others) change places."""
    marks = _page_starts(content)
    if len(marks) < 5:
        cuts = np.sort(rng.integers(len(content) // 20, len(content), 3))
    else:
        first = int(rng.integers(2, len(marks) - 2))
        cuts = [*marks, len(content)][first : first + 3]
    a, b, c = map(int, cuts)
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def claims_less(content, rng):
    """The header of a WAV says that less is there than is."""
    at = content.find(b"data") + 4
    true = int.from_bytes(content[at : at + 4], "little")
    claimed = int(rng.uniform(0, 1) * min(true, len(content)))
    return content[:at] + claimed.to_bytes(4, "little") + content[at + 4 :]


def _page_starts(content):
    starts, position = [], content.find(b"OggS")
    while position >= 0:
        starts.append(position)
        position = content.find(b"OggS", position + 4)
    return starts


WAYS = (truncated, bytes_changed, middle_dropped, block_zeroed, reordered)


# --- what is true --------------------------------------------------------------------------------


def lost_share(good, there):
    """Share of the sounding part of `good` (mono, 16 kHz) that is not in `there`, in its order.

    Sound may have moved by what is missing before it: a sample counts as heard if it is there, in
    time with the start or with the end.
    """
    n_frames = len(good) // FRAME
    reference = good[: n_frames * FRAME].reshape(n_frames, FRAME)
    power = np.mean(np.square(reference, dtype=float), axis=1)
    active = power > power.max() * 10 ** (-ACTIVE_DB / 10)
    limit = np.sqrt(power * 10 ** (-HEARD_DB / 10))[:, np.newaxis]
    heard = np.zeros(reference.shape, bool)
    for lag in {0, len(there) - len(good)}:
        moved = np.full(n_frames * FRAME, np.inf, np.float32)
        start, stop = max(0, -lag), min(len(moved), len(there) - lag)
        if stop > start:
            moved[start:stop] = there[start + lag : stop + lag]
        heard |= np.abs(moved.reshape(reference.shape) - reference) < limit
    return 1 - heard[active].mean()


def alarms(notes):
    """The notes that speak of damage or loss."""
    return [note for note in notes if not any(word in note for word in HARMLESS)]


# --- the study -----------------------------------------------------------------------------------


@contextlib.contextmanager
def quiet_decoders():
    """Send what mpg123 prints about every mutant nowhere."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def judge(path, good):
    """What became of a mutant: refused, noted or silent; its loss; the sentence."""
    try:
        recording = read_recording(path)
    except RecordingError as refused:
        return "refused", float("nan"), str(refused).partition(": ")[2]
    notes = [n for n in recording.notes if n not in good.notes]
    lost = lost_share(good.audio, recording.audio)
    return ("noted" if notes else "silent"), lost, "; ".join(notes)


def study_mutants(n, rng, folder, write):
    """Damage `n` files; yields format, mutants tried and silent ones that lost over 2 %."""
    for form in FORMATS if n else ():
        bases = [make(folder, form, rng, f"base{i}", rng.uniform(4, 10)) for i in range(N_BASES)]
        goods = [(path.read_bytes(), read_recording(path), how) for path, how in bases]
        ways = WAYS + ((claims_less,) if form == "wav" else ())
        if form == "wav":
            ways = tuple(way for way in ways if way is not reordered)  # any order is a valid WAV
        silent = tried = 0
        while tried < n // len(FORMATS):
            content, good, how = goods[int(rng.integers(N_BASES))]
            way = ways[tried % len(ways)]
            mutant = way(content, rng)
            if mutant == content:
                continue
            tried += 1
            path = folder / f"mutant.{form}"
            path.write_bytes(mutant)
            verdict, lost, sentence = judge(path, good)
            write([form, way.__name__, verdict, f"{lost:.4f}", sentence, how])
            if verdict == "silent" and lost > LOST_SHARE:
                silent += 1
                print(f"silent: {form} {way.__name__} lost {lost:.1%} ({how})", flush=True)
        yield form, tried, silent


def wrong_about(path, duration_s):
    """What is said against a good file, or how little of it was read; "" if nothing."""
    try:
        recording = read_recording(path)
    except RecordingError as refused:
        return str(refused).partition(": ")[2]
    if recording.duration_s < (1 - LOST_SHARE) * duration_s:
        return f"{recording.duration_s:.3f} of {duration_s:.3f} s read"
    return "; ".join(alarms(recording.notes))


def study_good(n, rng, folder, write):
    """Make `n` good files of every format; yields format, files made and false alarms."""
    for form in FORMATS:
        false = 0
        for _ in range(n):
            duration_s = float(rng.uniform(1.0, 6.0))
            path, how = make(folder, form, rng, duration_s=duration_s)
            alarm = wrong_about(path, duration_s * (2 if how.startswith("joined") else 1))
            write([form, "good", "alarm" if alarm else "good", "0", alarm, how])
            if alarm:
                false += 1
                print(f"false alarm: {form}: {alarm} ({how})", flush=True)
        yield form, n, false


def main(words=None):
    """Run both studies; writes every case, and how many were tried and held.

    Returns
    -------
    int
        0 if no mutant was silent and no good file raised an alarm.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--good", type=int, default=500, help="of every format")
    parser.add_argument("--seed", type=int, default=20_261_129)
    parser.add_argument("--cases", default="outputs/faults/mutants.csv", help="every single case")
    parser.add_argument("--results", default=RESULTS, help="tried and held, for the documents")
    arguments = parser.parse_args(words)
    if missing := missing_tools():
        print(f"not installed here, so without their files: {', '.join(missing)}")
    print(f"seed {arguments.seed}", flush=True)
    seeds = np.random.SeedSequence(arguments.seed).spawn(2)
    rngs = list(map(np.random.default_rng, seeds))
    cases = Path(arguments.cases)
    cases.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder, open(cases, "w", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["format", "damage", "verdict", "lost_share", "sentence", "made_by"])
        studies = (
            ("mutants", study_mutants(arguments.mutants, rngs[0], Path(folder), writer.writerow)),
            ("good files", study_good(arguments.good, rngs[1], Path(folder), writer.writerow)),
        )
        with quiet_decoders():
            for fault, study in studies:
                for form, tried, broken in study:
                    rows.append([fault, form.upper(), tried, tried - broken, arguments.seed])
                    print(rows[-1], flush=True)
    found = pd.DataFrame(rows, columns=["fault", "about", "tried", "held", "seed"])
    Path(arguments.results).parent.mkdir(parents=True, exist_ok=True)
    write_csv(Path(arguments.results), found)
    print(found.to_string(index=False))
    return int((found["tried"] != found["held"]).any())


def test_no_mutant_is_silent_and_no_good_file_raises_an_alarm():
    assert main([]) == 0


if __name__ == "__main__":
    sys.exit(main())
