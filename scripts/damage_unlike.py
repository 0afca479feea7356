"""Damage clean recordings in ways that no training meets, to measure what it is worth there.

    python scripts/damage_unlike.py OUT LABELS.csv [LABELS.csv …]   # minutes
    python scripts/measure_predictor.py OUT/labels.csv "…" --score pesq_wb --raw-pesq --person voice

Of each table the recordings of the family "clean" are damaged in every way, at random strengths,
and labelled by P.862.2. The rule of this page: nothing on it ever enters the catalogue, and nothing
is changed on it for the sake of a score.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from scipy.fft import dct, idct
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.signal import butter, sosfilt
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aqp_utils.core.audio import SAMPLE_RATE  # noqa: E402
from aqp_utils.core.files import write_csv  # noqa: E402
from aqp_utils.core.randomness import log_uniform  # noqa: E402
from aqp_utils.data.labels import measured_pesq  # noqa: E402
from aqp_utils.degradations.noise import coloured_noise  # noqa: E402
from aqp_utils.degradations.spectrogram import N_FFT, sound_of, spectra_of  # noqa: E402
from aqp_utils.degradations.strength import geometric, linear  # noqa: E402

PEAK = 0.5  # of what is written


def _blocks(audio, share, seconds, rng):
    """Slices of about `seconds`, at random, until they are a `share` of the clip."""
    length = int(seconds * SAMPLE_RATE)
    count = max(1, round(share * len(audio) / length))
    starts = rng.permutation(max(1, len(audio) // length))[:count] * length
    return [slice(start, start + length) for start in starts]


def reversed_blocks(audio, strength, rng):
    """Blocks of 10 to 80 ms run backwards, 1 to 80 % of the time."""
    result = audio.copy()
    for block in _blocks(audio, geometric(strength, 0.01, 0.8), log_uniform(rng, 0.01, 0.08), rng):
        result[block] = audio[block][::-1]
    return result


def flipped_blocks(audio, strength, rng):
    """Blocks of 3 to 50 ms have the other polarity, 1 to 50 % of the time."""
    result = audio.copy()
    for block in _blocks(audio, geometric(strength, 0.01, 0.5), log_uniform(rng, 0.003, 0.05), rng):
        result[block] *= -1
    return result


def swapped_packets(audio, strength, rng):
    """Neighbouring packets of 5 to 40 ms arrive in the wrong order, 1 to 60 % of them."""
    length, result = int(log_uniform(rng, 0.005, 0.04) * SAMPLE_RATE), audio.copy()
    share = geometric(strength, 0.01, 0.6)
    for first in range(0, len(audio) - 2 * length, 2 * length):
        if rng.random() < share:
            pair = audio[first : first + 2 * length]
            result[first : first + 2 * length] = np.concatenate((pair[length:], pair[:length]))
    return result


def few_coefficients(audio, strength, rng):
    """Blocks of 10 to 30 ms, side by side, keep 60 to 2 % of their cosine coefficients."""
    length = int(rng.uniform(0.01, 0.03) * SAMPLE_RATE)
    kept = max(1, round(geometric(strength, 0.6, 0.02) * length))
    padded = np.pad(audio, (0, -len(audio) % length)).reshape(-1, length)
    coefficients = dct(padded, norm="ortho", axis=1)
    weakest = np.sort(np.abs(coefficients), axis=1)[:, -kept, None]
    coefficients[np.abs(coefficients) < weakest] = 0
    return idct(coefficients, norm="ortho", axis=1).ravel()[: len(audio)]


def copied_band(audio, strength, rng):
    """What is above 6 to 1 kHz is replaced by what is below, moved up: a cheap extension."""
    from_bin = round(geometric(strength, 6_000, 1_000) / SAMPLE_RATE * N_FFT)
    spectra = spectra_of(audio)
    moved = np.resize(spectra[1:from_bin], spectra[from_bin:].shape)
    level = np.sqrt(np.mean(np.abs(spectra[from_bin:]) ** 2) / np.mean(np.abs(moved) ** 2))
    spectra[from_bin:] = moved * level * 10 ** (rng.uniform(-6, 6) / 20)
    return sound_of(spectra, len(audio))


def delta_modulation(audio, strength, rng):
    """One bit a sample says up or down, at 256 to 16 kbit/s, with steps that adapt."""
    times = max(1, round(geometric(strength, 16, 1)))
    finer = np.repeat(audio / np.max(np.abs(audio)), times).tolist()
    grow, least = rng.uniform(1.2, 1.6), 10 ** rng.uniform(-4, -2.5)
    level, step, before, answer = 0.0, least, 1, []
    for sample in finer:
        sign = 1 if sample > level else -1
        step = min(max(step * (grow if sign == before else 1 / grow), least), 0.3)
        level, before = level + sign * step, sign
        answer.append(level)
    return np.array(answer).reshape(-1, times).mean(axis=1)


def jittered_samples(audio, strength, rng):
    """Each sample is taken 0.02 to 4 samples too early or too late, each for itself."""
    late = geometric(strength, 0.02, 4) * rng.standard_normal(len(audio))
    return np.interp(np.arange(len(audio)) + late, np.arange(len(audio)), audio)


def median_smoothed(audio, strength, rng):
    """A share of 2 to 100 % is what a median over 3 to 9 samples leaves: a declicker, astray."""
    share, width = geometric(strength, 0.02, 1.0), 2 * int(rng.integers(1, 5)) + 1
    return audio + share * (median_filter(audio, width) - audio)


def breathing(audio, strength, rng):
    """Noise reduction of tapes, mistracked: pressed, hiss added, and stretched at another pace."""

    def level(x, seconds):
        return np.sqrt(gaussian_filter1d(x**2, seconds * SAMPLE_RATE)) + 1e-3 * np.std(audio)

    ratio, slow_s = linear(strength, 0.02, 0.7), log_uniform(rng, 0.005, 0.2)
    pressed = audio * (level(audio, 0.01) / np.std(audio)) ** -ratio
    hiss_db = linear(strength, -70, -25)
    pressed += np.std(pressed) * 10 ** (hiss_db / 20) * coloured_noise(len(audio), 0.0, rng)
    return pressed * (level(pressed, slow_s) / np.std(pressed)) ** (ratio / (1 - ratio))


def notched(audio, strength, rng):
    """A comb of notches, 2 to 60 Hz wide, at all multiples of 60 to 400 Hz: a hum remover."""
    spacing_hz, width_hz = log_uniform(rng, 60, 400), geometric(strength, 2, 60)
    hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    away_hz = np.abs(hz - spacing_hz * np.maximum(1, np.round(hz / spacing_hz)))
    return np.fft.irfft(np.fft.rfft(audio) * (1 - np.exp(-((away_hz / width_hz) ** 2))), len(audio))


def robot(audio, strength, rng):
    """A share of 2 to 100 % has all phases at zero in each window: a monotone machine."""
    share, spectra = geometric(strength, 0.02, 1.0), spectra_of(audio)
    return (1 - share) * audio + share * sound_of(np.abs(spectra), len(audio))


def lisping(audio, strength, rng):
    """What is above 2 to 5 kHz is pressed as soon as it is there: a de-esser, turned up."""
    low_hz, above_db = rng.uniform(2_000, 5_000), linear(strength, 0, -40)
    high = sosfilt(butter(4, low_hz, "highpass", fs=SAMPLE_RATE, output="sos"), audio)
    level = np.sqrt(gaussian_filter1d(high**2, 0.003 * SAMPLE_RATE)) / (np.std(high) + 1e-12)
    gain = 10 ** (above_db / 20) / np.maximum(level, 10 ** (above_db / 20))
    return audio + high * (gain - 1)


WAYS = (
    reversed_blocks,
    flipped_blocks,
    swapped_packets,
    few_coefficients,
    copied_band,
    delta_modulation,
    jittered_samples,
    median_smoothed,
    breathing,
    notched,
    robot,
    lisping,
)


def damage(out, tables):
    """Write the damaged clips and their labels to `out`."""
    out.mkdir(parents=True)
    rows, clean = [], []
    for table in tables:
        labels = pd.read_csv(table, dtype={"file": str})
        clean += [
            (table.parent / one.file, one) for one in labels.itertuples() if one.family == "clean"
        ]
    for number, (path, row) in enumerate(tqdm(clean, unit="recording")):
        audio, rate = soundfile.read(path)
        if rate != SAMPLE_RATE or audio.ndim != 1:
            raise SystemExit(f"{path}: {rate} Hz, {audio.ndim} axes; allowed is mono at 16,000 Hz.")
        for place, way in enumerate(WAYS):
            rng = np.random.default_rng([0, number, place])
            strength = float(rng.random())
            heard = way(audio, strength, rng)
            try:
                label = measured_pesq(audio, heard)
            except ValueError as error:
                tqdm.write(f"{path.name}, {way.__name__}: left out, {error}")
                continue
            name = f"{number:03d}_{way.__name__}.wav"
            soundfile.write(out / name, heard * (PEAK / np.max(np.abs(heard))), SAMPLE_RATE)
            condition = f"{way.__name__}, {('mild', 'middle', 'severe')[int(3 * strength)]}"
            rows.append(
                dict(
                    file=name,
                    voice=row.voice,
                    family=way.__name__,
                    condition=condition,
                    strength=round(strength, 3),
                    pesq_wb=round(label, 4),
                )
            )
    write_csv(out / "labels.csv", pd.DataFrame(rows))
    print(f"{len(rows)} clips of {len(clean)} recordings in {out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="new folder for clips and labels.csv")
    parser.add_argument("labels", type=Path, nargs="+", help="tables with file, voice and family")
    arguments = parser.parse_args()
    damage(arguments.out, arguments.labels)
