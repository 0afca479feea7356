"""Clocks that do not run evenly: wow and flutter, and buffers that slip between two clocks.

Every damage takes (audio, strength, rng) and returns (audio, facts).
"""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.randomness import log_uniform
from aqp_utils.degradations.strength import blurred, geometric

FADE = 16  # samples, 1 ms: of a slip that is smoothed


def wow_and_flutter(audio, strength, rng):
    """Speed that sways by 0.05 to 3 %, 0.4 to 40 times a second, as on tape."""
    depth, rate_hz = geometric(strength, 5e-4, 0.03), log_uniform(rng, 0.4, 40)
    n = len(audio)
    time_s = np.arange(n) / SAMPLE_RATE
    sway_s = np.zeros(n)
    for share in (1.0, 0.5 * rng.random()):  # the main wobble and a faster, smaller one
        angle = 2 * np.pi * rate_hz * time_s + rng.uniform(0, 2 * np.pi)
        sway_s += share * depth / (2 * np.pi * rate_hz) * (np.sin(angle) - np.sin(angle[0]))
        rate_hz *= rng.uniform(2, 5)
    place = np.clip((time_s + sway_s) * SAMPLE_RATE, 0, n - 1)
    facts = {"depth": depth, "rate_hz": rate_hz}
    return read_at(audio, place), facts


def read_at(audio, place):
    """Audio (…, n) at fractional places (m,), by cubic interpolation (Catmull-Rom), (…, m)."""
    left = np.floor(place).astype(int)
    share = (place - left).astype(audio.dtype)
    before, here, after, beyond = (
        audio[..., np.clip(left + offset, 0, audio.shape[-1] - 1)] for offset in (-1, 0, 1, 2)
    )
    slope, next_slope = (after - before) / 2, (beyond - here) / 2
    cubic = 2 * (here - after) + slope + next_slope
    square = 3 * (after - here) - 2 * slope - next_slope
    return ((cubic * share + square) * share + slope) * share + here


def buffer_slips(audio, strength, rng):
    """Now and then 0.1 to 20 ms are left out or said twice: 0.3 to 25 times a second.

    Slips of both directions take turns, so that the clip stays in time.
    """
    per_second = geometric(strength, 0.3, 25.0)
    slip_ms = geometric(blurred(strength, rng, 0.3), 0.1, 20.0)
    slip = max(1, round(slip_ms * SAMPLE_RATE / 1000))
    smooth, n = rng.random() < 0.5, len(audio)
    count = max(1, round(per_second * n / SAMPLE_RATE))
    padded = np.pad(audio, (slip, 2 * slip), mode="edge")
    result, late = np.array(audio, dtype=np.float64), 0
    borders = np.sort(rng.integers(0, n, count))
    for start, end in zip(borders, [*borders[1:], n], strict=True):
        before, late = late, 0 if late else int(rng.choice([-slip, slip]))
        piece = padded[slip + start + late : slip + end + late].copy()
        if smooth and len(piece) > FADE:
            new = np.arange(FADE) / FADE
            old = padded[slip + start + before : slip + start + before + FADE]
            piece[:FADE] = (1 - new) * old + new * piece[:FADE]
        result[start:end] = piece
    facts = {"per_second": per_second, "slip_ms": 1000 * slip / SAMPLE_RATE, "smooth": int(smooth)}
    return result, facts
