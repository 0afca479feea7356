"""Measure how P.862.2 falls with the strength of each damage of the field preset.

    python scripts/fit_field_curves.py          # minutes; needs requirements-field.txt

Writes aqp_utils/assets/catalogue_curves.json: for each damage the strengths at nine evenly spaced
intensities, so that along them the measured score falls about evenly from 4.45 to 1.1. The ends are
open: the first intensity is the mildest there is, the last the severest, as recordings know both.
"""

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aqp_utils.core.package import ASSETS  # noqa: E402
from aqp_utils.core.randomness import rng_for  # noqa: E402
from aqp_utils.data.labels import measured_pesq  # noqa: E402
from aqp_utils.degradations.catalogue import ALL_DAMAGES, DAMAGES  # noqa: E402
from aqp_utils.sources.formant_voice import speech_clip  # noqa: E402
from aqp_utils.sources.harmonic_voice import harmonic_speech_clip  # noqa: E402

TARGET = ASSETS / "catalogue_curves.json"
CLIPS_PER_VOICE, DURATION_S = 3, 3.0
STRENGTHS = np.linspace(0, 1, 11)
INTENSITIES = 9
NEARLY_UNTOUCHED, DESTROYED = 4.45, 1.1  # raw P.862.2 at the ends of the even part
UNBENT = ("lowpass_first_order",)  # P.862.2 hardly falls along it
ABOUT = (
    "Strengths at evenly spaced intensities, 0 to 1, along which the mean P.862.2 of {n} clips of "
    "{seconds:g} s, half of each voice of our own, falls evenly from {start} or the mildest score "
    "reached to {end} or the severest. By scripts/fit_field_curves.py."
)


def voices():
    """The clips that are damaged: two voices of our own, so that everybody has them."""
    return [
        voice(DURATION_S, rng_for(0, "clean", number))[0].astype(np.float64)
        for voice in (speech_clip, harmonic_speech_clip)
        for number in range(CLIPS_PER_VOICE)
    ]


def mean_scores(name):
    """Mean P.862.2 of the damaged clips at each of `STRENGTHS`; NaN where none has a label."""
    scores = np.full((len(STRENGTHS), 2 * CLIPS_PER_VOICE), np.nan)
    for column, clean in enumerate(voices()):
        for row, strength in enumerate(STRENGTHS):
            rng = rng_for(0, "degrade", column, row)
            try:
                scores[row, column] = measured_pesq(
                    clean, DAMAGES[name].function(clean, strength, rng)[0]
                )
            except ValueError:  # nothing left in which P.862.2 would find an utterance
                continue
    return np.nanmean(scores, axis=1)


def strengths_of_intensities(scores):
    """Invert the mean scores, smoothed and made to fall: list of `INTENSITIES` strengths."""
    smooth = np.convolve(np.pad(scores, 1, mode="edge"), [0.2, 0.6, 0.2], "valid")
    falling = np.minimum.accumulate(smooth) - 1e-4 * np.arange(len(smooth))
    start, end = min(NEARLY_UNTOUCHED, falling[0]), max(DESTROYED, falling[-1])
    found = np.interp(-np.linspace(start, end, INTENSITIES), -falling, STRENGTHS)
    found[0], found[-1] = 0.0, 1.0
    return found


def main():
    """Measure all damages and write the table."""
    if missing := sorted({one.name for one in ALL_DAMAGES} - set(DAMAGES)):
        raise SystemExit(f"install requirements-field.txt first; missing: {', '.join(missing)}")
    names = [name for name in DAMAGES if name not in UNBENT]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        scores = list(tqdm(pool.map(mean_scores, names), total=len(names)))
    rows = ",\n".join(
        f'    "{name}": {json.dumps([round(float(s), 2) for s in strengths_of_intensities(one)])}'
        for name, one in zip(names, scores, strict=True)
    )
    about = ABOUT.format(
        n=2 * CLIPS_PER_VOICE, seconds=DURATION_S, start=NEARLY_UNTOUCHED, end=DESTROYED
    )
    # One row a curve, so that a change can be read in a diff.
    text = f'{{\n  "about": {json.dumps(about)},\n  "curves": {{\n{rows}\n  }}\n}}\n'
    TARGET.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
