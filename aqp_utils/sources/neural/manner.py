"""What a person adds to plain speech: effort, breath, the clicks of lips and tongue."""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs

EFFORT_DB = (-2.5, 2.0)  # per octave: tired to insistent
BREATH_DB = (-34.0, -18.0)  # of a breath, relative to the active level
CLICK_DB = (-14.0, 8.0)  # peak of a click of the lips or tongue, likewise
SHORTEST_PAUSE_S = 0.12
PIVOT_HZ, TILT_BAND_HZ = 500.0, (120.0, 6000.0)
BREATH_SHARE, CLICK_SHARE = 0.4, 0.35


def with_manner(audio, rng):
    """Speak with more or less effort; breathe in and click the lips in some pauses.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        Dry speech at 16 kHz.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float64, shape (m,)
        At least as long: breaths take time.
    facts : dict
        effort_db_per_octave, n_breaths, n_clicks.
    """
    effort_db = float(rng.triangular(EFFORT_DB[0], 0, EFFORT_DB[1]))
    audio = _tilted(audio, effort_db)
    level = 10 ** (rms_dbfs(audio[active_mask(audio)]) / 20)
    breathing, clicking = rng.random() < BREATH_SHARE, rng.random() < CLICK_SHARE
    depth, loudness = (10 ** (rng.uniform(*range_db) / 20) for range_db in (BREATH_DB, CLICK_DB))
    parts, at, n_breaths, n_clicks = [], 0, 0, 0
    for middle in _pauses(audio):
        parts.append(audio[at:middle])
        at = middle
        if breathing and rng.random() < 0.7:
            parts.append(_breath(rng) * level * depth)
            n_breaths += 1
        if clicking and rng.random() < 0.6:
            parts.append(_click(rng) * level * loudness * rng.uniform(0.3, 1))
            n_clicks += 1
    facts = dict(effort_db_per_octave=effort_db, n_breaths=n_breaths, n_clicks=n_clicks)
    return np.concatenate([*parts, audio[at:]]), facts


def _tilted(audio, db_per_octave):
    f_hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE).clip(*TILT_BAND_HZ)
    gain = 10 ** (db_per_octave * np.log2(f_hz / PIVOT_HZ) / 20)
    return np.fft.irfft(np.fft.rfft(audio) * gain, len(audio))


def _pauses(audio):
    """Middles of the stretches between speech that last, sample numbers in order."""
    edges = np.flatnonzero(np.diff(active_mask(audio).astype(int)))
    if not len(edges):
        return []
    inner = edges[1:] if active_mask(audio)[-1] else edges[1:-1]
    starts, ends = inner[: len(inner) // 2 * 2 : 2], inner[1::2]
    long = ends - starts > SHORTEST_PAUSE_S * SAMPLE_RATE
    return [int((start + end) // 2) for start, end in zip(starts[long], ends[long], strict=True)]


def _breath(rng):
    """Air drawn in, RMS about 1: noise through three wide resonances, rising and falling."""
    n = round(rng.uniform(0.18, 0.5) * SAMPLE_RATE)
    f_hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    centres_hz = rng.uniform([500, 1400, 3000], [1200, 2600, 5500])
    shape = sum(1 / (1 + ((f_hz - centre) / rng.uniform(200, 600)) ** 2) for centre in centres_hz)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape * (f_hz > 150), n)
    rise = rng.uniform(0.3, 0.7)
    envelope = np.interp(np.linspace(0, 1, n), [0, rise, 1], [0, 1, 0]) ** rng.uniform(0.7, 1.5)
    noise *= envelope
    return noise / np.sqrt(np.mean(noise**2))


def _click(rng):
    """Lips or tongue coming apart, peak about 1: one to three decaying bursts in 40 ms."""
    out = np.zeros(round(0.04 * SAMPLE_RATE))
    t_s = np.arange(len(out)) / SAMPLE_RATE
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(len(out) // 2))
        ring = np.sin(2 * np.pi * rng.uniform(900, 5500) * t_s)
        ring += 0.5 * rng.standard_normal(len(t_s))
        burst = ring * np.exp(-t_s / rng.uniform(0.0006, 0.003)) * rng.uniform(0.2, 1)
        out[start:] += burst[: len(out) - start]
    return out / np.abs(out).max()
