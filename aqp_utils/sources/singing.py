"""Singing and humming: long vowels on a melody, with vibrato and portamento.

The harmonics and the tract are those of `harmonics`; what differs from speech is what a
singer does: held notes, wide pitch, an upper formant cluster, hardly any consonants.
"""

from dataclasses import asdict, dataclass

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.sources.clean_clip import finish_clip, sample_count
from aqp_utils.sources.formant_voice import VOWELS_HZ
from aqp_utils.sources.harmonics import (
    UPPER_FORMANTS_HZ,
    WIDTHS_HZ,
    Tract,
    breath_part,
    frame_times_s,
    voiced_part,
)

HUM_HZ = np.array([260.0, 1100.0, 2300.0])  # closed lips: a nasal murmur
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
LOWEST_HZ, HIGHEST_HZ = 75.0, 950.0


@dataclass(frozen=True)
class Singer:
    """What stays the same through one song."""

    tonic_hz: float
    tract_scale: float
    note_s: float  # median length
    vibrato_hz: float
    vibrato_cents: float
    glide_s: float  # portamento
    rd: float
    breath_db: float
    singers_formant_db: float  # gain of F3 to F5 (Sundberg 1974)
    hum_share: float
    voices: int


def draw_singer(rng):
    """Draw a singer between bass and soprano; one in five clips is a small choir."""
    tonic_hz = float(np.exp(rng.uniform(np.log(95), np.log(480))))
    scale = 1.0 + 0.13 * np.log2(tonic_hz / 130) + rng.normal(0, 0.05)
    return Singer(
        tonic_hz=tonic_hz,
        tract_scale=float(np.clip(scale, 0.88, 1.35)),
        note_s=float(rng.uniform(0.3, 1.1)),
        vibrato_hz=float(rng.uniform(4.5, 7)),
        vibrato_cents=float(rng.choice([rng.uniform(0, 15), rng.uniform(30, 120)], p=[0.25, 0.75])),
        glide_s=float(rng.uniform(0.04, 0.22)),
        rd=float(rng.uniform(0.5, 1.8)),
        breath_db=float(rng.uniform(-45, -24)),
        singers_formant_db=float(rng.uniform(0, 14)),
        hum_share=float(rng.choice([0.0, 0.3, 1.0], p=[0.6, 0.25, 0.15])),
        voices=int(rng.integers(2, 5)) if rng.random() < 0.2 else 1,
    )


@dataclass(frozen=True)
class Score:
    """The notes of a song, one array entry per note; a rest has level 0."""

    starts_s: np.ndarray
    ends_s: np.ndarray
    semitones: np.ndarray
    level: np.ndarray
    formants_hz: np.ndarray  # (notes, 3)
    hummed: np.ndarray


def draw_score(duration_s, singer, rng):
    """Phrases of 3 to 9 notes that walk over a scale, with rests for breath between them."""
    scale = np.array(SCALES[rng.integers(len(SCALES))])
    degrees = np.concatenate([scale - 12, scale, scale + 12, [24]])
    place, now_s, rows = len(scale) + int(rng.integers(0, 4)), rng.uniform(0.02, 0.15), []
    left = int(rng.integers(3, 10))
    hummed = rng.random() < singer.hum_share
    while now_s < duration_s:
        length_s = float(np.clip(singer.note_s * rng.lognormal(0, 0.5), 0.12, 3.0))
        vowel_hz = rng.dirichlet([2, 0.5]) @ VOWELS_HZ[rng.integers(len(VOWELS_HZ), size=2)]
        rows.append((now_s, now_s + length_s, degrees[place], rng.uniform(0.5, 1.0),
                     HUM_HZ if hummed else vowel_hz, hummed))  # fmt: skip
        place = int(np.clip(place + rng.choice([-3, -2, -1, 0, 1, 2, 4]), 2, len(degrees) - 4))
        now_s, left = now_s + length_s, left - 1
        if left <= 0:
            now_s += rng.uniform(0.2, 0.7)
            left, hummed = int(rng.integers(3, 10)), rng.random() < singer.hum_share
    return Score(*(np.array(column) for column in zip(*rows, strict=True)))


def _held(score, values, times_s, glide_s):
    """Each note's value, gliding into the next one around the boundary."""
    half_s = np.minimum(glide_s, 0.7 * (score.ends_s - score.starts_s)) / 2
    knots_s = np.stack([score.starts_s + half_s, score.ends_s - half_s], 1).ravel()
    return np.interp(times_s, knots_s, np.repeat(values, 2))


def _pitch(score, singer, times_s, rng):
    """F0 (Hz) per frame: notes, portamento, a vibrato that grows within the note, drift."""
    semitones = _held(score, score.semitones.astype(float), times_s, singer.glide_s)
    note = np.searchsorted(score.starts_s, times_s, side="right").clip(min=1) - 1
    growth = np.clip((times_s - score.starts_s[note] - 0.08) / 0.3, 0, 1)
    turns = np.cumsum(singer.vibrato_hz * (1 + rng.normal(0, 0.15, len(times_s)))) * 0.005
    cents = singer.vibrato_cents * growth * np.sin(2 * np.pi * turns + rng.uniform(0, 6.28))
    knots = rng.normal(0, 8, int(times_s[-1] / 0.15) + 3)
    cents += np.interp(times_s / 0.15, np.arange(len(knots)), knots)
    f0_hz = singer.tonic_hz * 2 ** (semitones / 12 + cents / 1200)
    return np.clip(f0_hz, LOWEST_HZ, HIGHEST_HZ)


def _gain(score, times_s, rng):
    """Amplitude (n,): level of each note, soft onsets after a rest, slight dips between notes."""
    attack_s = rng.uniform(0.02, 0.09)
    since = np.append(1.0, score.starts_s[1:] - score.ends_s[:-1])
    until = np.append(score.starts_s[1:] - score.ends_s[:-1], 1.0)
    dip = rng.uniform(0.2, 1.0, len(since))
    first = np.where(since > 0.05, 0.0, dip * score.level)
    last = np.where(until > 0.05, 0.0, np.append(first[1:], 0.0))
    ramp_s = np.minimum(attack_s, 0.3 * (score.ends_s - score.starts_s))
    knots_s = np.stack(
        [score.starts_s, score.starts_s + ramp_s, score.ends_s - ramp_s, score.ends_s - 1e-4], 1
    )
    swell = score.level * rng.uniform(0.6, 1.2, len(since))
    return np.interp(
        times_s, knots_s.ravel(), np.stack([first, score.level, swell, last], 1).ravel()
    )


def _tract(score, singer, f0_hz, times_s):
    """Envelope per frame; F1 is kept at or above F0, as sopranos do (Sundberg 1975)."""
    low_hz = np.column_stack(
        [_held(score, score.formants_hz[:, k], times_s, 0.12) for k in range(3)]
    )
    formants_hz = np.hstack([low_hz, np.broadcast_to(UPPER_FORMANTS_HZ, (len(times_s), 4))])
    cluster = np.clip(singer.singers_formant_db / 14, 0, 1)
    formants_hz[:, 3] -= 500 * cluster  # F3 to F5 draw together
    formants_hz[:, 4] -= 900 * cluster
    formants_hz = formants_hz * singer.tract_scale
    formants_hz[:, 0] = np.maximum(formants_hz[:, 0], f0_hz)
    formants_hz[:, 1] = np.maximum(formants_hz[:, 1], 1.3 * formants_hz[:, 0])
    hum = _held(score, score.hummed.astype(float), times_s, 0.1)
    gains_db = np.array([0, 0, 1.0, 1.0, 1.0, 0, 0]) * singer.singers_formant_db * 0.5
    gains_db = gains_db - 12 * hum[:, None] * (np.arange(7) > 0)
    zero_hz = np.full(len(times_s), 900.0)
    return Tract(formants_hz, WIDTHS_HZ, gains_db, zero_hz, 0.9 * hum, np.zeros(1))


def _sing(singer, score, n, rng):
    """One voice, shape (n,): harmonics and a little breath."""
    frames_s = frame_times_s(n)
    f0_hz = _pitch(score, singer, frames_s, rng)
    tract = _tract(score, singer, f0_hz, frames_s)
    rd = singer.rd + rng.normal(0, 0.05) + rng.normal(0, 0.02, len(frames_s))
    voice, phase = voiced_part(f0_hz, rd, tract, 7000.0, n)
    gain = _gain(score, np.arange(n) / SAMPLE_RATE, rng)
    voice *= gain / np.sqrt(np.mean(voice**2))
    breath = 10 ** (singer.breath_db / 20) * gain * (1 + 0.6 * np.cos(phase))
    return voice + breath * breath_part(tract, n, rng)


def singing_clip(duration_s, rng):
    """Synthesise one clip of wordless singing or humming, alone or in a small choir.

    Parameters
    ----------
    duration_s : float
        Length in seconds, at least 0.5.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float32, shape (n,)
        16 kHz, dry, active level -26 dBFS.
    facts : dict of float
        The `Singer`'s fields.

    Raises
    ------
    ValueError
        If `duration_s` is under 0.5.

    Notes
    -----
    Vibrato of 5 to 7 Hz and the singer's formant: Sundberg (1987), The Science of the Singing
    Voice.
    """
    n = sample_count(duration_s, "a clip of singing")
    singer = draw_singer(rng)
    score = draw_score(duration_s, singer, rng)
    audio = sum(_sing(singer, score, n, rng) for _ in range(singer.voices))
    return finish_clip(audio), asdict(singer)
