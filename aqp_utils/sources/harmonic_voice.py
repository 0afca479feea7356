"""A second voice, built the other way round: a sum of moving harmonics plus shaped noise.

`formant_voice` filters pulses; here every harmonic of F0 is a sinusoid (McAulay & Quatieri 1986)
whose amplitude and phase are read off the glottal spectrum of Fant, Liljencrants & Lin (1985) and
off a parallel sum of formants, and noise fills the rest (Stylianou 2001). Words, stress, clusters,
breaths, creak and whisper are planned separately, so rhythm and timbre differ as well.
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.sources.clean_clip import finish_clip, sample_count
from aqp_utils.sources.formant_voice import VOWELS_HZ
from aqp_utils.sources.harmonics import (
    NOISE_HZ,
    UPPER_FORMANTS_HZ,
    WIDTHS_HZ,
    Tract,
    breath_part,
    frame_times_s,
    shaped_noise,
    voiced_part,
)

OFF_DB = -120.0
NEUTRAL_HZ = (500.0, 1500.0, 2500.0)


class Sound(NamedTuple):
    """One stretch of constant targets; levels in dB relative to a stressed vowel."""

    seconds: float
    formants_hz: tuple = NEUTRAL_HZ
    voice_db: float = OFF_DB
    breath_db: float = OFF_DB
    noise_db: float = OFF_DB
    noise: int = 0  # row of the talker's noise spectra
    zero_depth: float = 0.0  # of the anti-formant: 0 none, 1 complete
    zero_hz: float = 1000.0
    upper_db: float = 0.0  # of F2 and up
    attack_s: float = 0.06
    lax: float = 0.0  # added to Rd
    creak: float = 0.0


# Places: formants at the constriction (men's tract, after Stevens 1998) and the row of noise.
PLACES = {
    "lips": ((290, 850, 2200), 0),
    "teeth": ((320, 1350, 2450), 1),
    "ridge": ((310, 1750, 2700), 2),
    "palate": ((300, 2050, 2750), 3),
    "velum": ((300, 1900, 2250), 4),
    "throat": ((620, 1250, 2450), 5),
}
# Centre of the noise (Hz), its random spread, and slopes below and above it (dB per octave).
NOISE_SHAPES = (
    (1300, 0.30, 3, 3),
    (6000, 0.35, 4, 4),
    (5300, 0.18, 15, 8),
    (2900, 0.18, 16, 7),
    (1800, 0.20, 12, 9),
    (1200, 0.25, 6, 6),
)


@dataclass(frozen=True)
class Talker:
    """What stays the same while one voice talks."""

    f0_hz: float
    tract_scale: float  # all formants, relative to a man's tract
    syllable_s: float  # median length
    accent_st: float
    rd: float  # 0.4 tense to 2.4 lax (Fant 1995)
    breath_db: float
    max_voiced_hz: float  # harmonics give way to noise around it
    jitter: float
    shimmer: float
    width_scale: float
    burst_db: float
    creak_share: float  # of phrase ends
    whisper_share: float  # of phrases


@dataclass(frozen=True)
class Throat:
    """Random but constant colour of one voice."""

    formant_db: np.ndarray  # (7,) gains of the formants
    ripple_db: np.ndarray  # (k,) cosine series over the Bark axis
    noises: np.ndarray  # (6, bins) amplitude spectra of unit power


def draw_talker(rng):
    """Draw a talker between a bass and a small child; higher voices have shorter tracts."""
    f0_hz = float(np.exp(rng.uniform(np.log(78), np.log(320))))
    scale = 1.0 + 0.2 * np.log2(f0_hz / 115) + rng.normal(0, 0.06)
    return Talker(
        f0_hz=f0_hz,
        tract_scale=float(np.clip(scale, 0.88, 1.42)),
        syllable_s=float(rng.uniform(0.14, 0.22)),
        accent_st=float(rng.uniform(1.5, 6.0)),
        rd=float(rng.uniform(0.5, 1.9)),
        breath_db=float(rng.uniform(-36, -20)),
        max_voiced_hz=float(rng.uniform(3500, 7500)),
        jitter=float(rng.uniform(0.002, 0.009)),
        shimmer=float(rng.uniform(0.01, 0.05)),
        width_scale=float(rng.uniform(0.8, 1.5)),
        burst_db=float(rng.uniform(-12, -4)),
        creak_share=float(rng.choice([0.0, 0.15, 0.5])),
        whisper_share=float(rng.choice([0.0, 0.15, 1.0], p=[0.85, 0.12, 0.03])),
    )


def draw_throat(rng):
    """Draw formant gains, smooth spectral detail and the noise of each place."""
    noises = []
    for centre_hz, spread, below_db, above_db in NOISE_SHAPES:
        centre = np.clip(centre_hz * rng.lognormal(0, spread), 500, 7200)
        octaves = np.log2(np.maximum(NOISE_HZ, 50) / centre)
        slope = np.where(octaves < 0, below_db, above_db) * rng.uniform(0.7, 1.4)
        side = rng.uniform(-14, -3) - 25 * (octaves - rng.uniform(-1.2, 1.2)) ** 2
        shape = 10 ** (-slope * np.abs(octaves) / 20) + 10 ** (side / 20)
        shape *= NOISE_HZ**2 / (NOISE_HZ**2 + 800**2)
        noises.append(shape / np.sqrt(np.mean(shape**2)))
    return Throat(rng.normal(0, 2.0, 7), rng.normal(0, 1.1, 14), np.array(noises))


# --- the plan: words, stress, phrases -----------------------------------------------------------


# Glides and liquids: w, l, r, j.
GLIDES_HZ = ((310, 720, 2250), (310, 1150, 2600), (330, 1250, 1650), (280, 2200, 2950))
NOISE_STRENGTH_DB = (-6, -12, 0, 0, -6, -8)  # by row of NOISE_SHAPES
CONSONANT_SHARES = {
    "stop": 0.26,
    "voiced stop": 0.14,
    "fricative": 0.22,
    "voiced fricative": 0.06,
    "nasal": 0.16,
    "glide": 0.16,
}


def _consonant(talker, rng):
    """One consonant of a random kind, at a random place."""
    formants, row = PLACES[rng.choice(list(PLACES))]
    kind = rng.choice(list(CONSONANT_SHARES), p=list(CONSONANT_SHARES.values()))
    stretch = rng.lognormal(0, 0.25) * talker.syllable_s / 0.2
    if kind == "glide":
        return [Sound(0.06 * stretch, GLIDES_HZ[rng.integers(4)], -7, upper_db=-3)]
    if kind == "nasal":
        zero_hz = rng.choice([850, 1500, 2600]) * rng.lognormal(0, 0.1)
        return [_nasal(0.065 * stretch, formants, float(zero_hz))]
    if kind in ("fricative", "voiced fricative"):
        voice_db, noise_db = (OFF_DB, -13) if kind == "fricative" else (-11, -19)
        noise_db += NOISE_STRENGTH_DB[row] + rng.normal(0, 2)
        seconds = 0.09 * stretch
        return [Sound(seconds, formants, voice_db, noise_db=noise_db, noise=row, attack_s=0.035)]
    burst_db = talker.burst_db + NOISE_STRENGTH_DB[row] / 2 + rng.normal(0, 2)
    burst = Sound(0.008, formants, noise_db=burst_db, noise=row, attack_s=0.001)
    if kind == "voiced stop":
        bar = Sound(0.05 * stretch, formants, voice_db=-20, upper_db=-25, lax=0.8)
        return [bar, burst._replace(voice_db=-14, noise_db=burst_db - 8)]
    closure = Sound(0.06 * stretch, formants, attack_s=0.035)
    return [closure, burst, _puff(rng.uniform(0.008, 0.05), burst)]


def _nasal(seconds, formants, zero_hz):
    """A murmur: low F1, weak upper formants, one anti-formant from the closed mouth."""
    murmur = Sound(seconds, (270, *formants[1:]), -6, upper_db=-9, attack_s=0.02)
    return murmur._replace(zero_depth=0.95, zero_hz=zero_hz)


def _puff(seconds, burst):
    """The breath that follows a burst until the voice sets in."""
    return burst._replace(
        seconds=seconds, breath_db=-15, noise_db=burst.noise_db - 12, attack_s=0.004
    )


def _vowel(seconds, stressed, rng):
    """A vowel near the table when stressed, towards the neutral one when not; some glide."""

    def target():
        mix = rng.dirichlet([3, 0.6])
        near = mix @ VOWELS_HZ[rng.choice(len(VOWELS_HZ), 2, replace=False)]
        return tuple(near if stressed else 0.55 * near + 0.45 * np.array(NEUTRAL_HZ))

    level_db = (0.0 if stressed else -2.5) + rng.normal(0, 1)
    if rng.random() < 0.25:
        return [Sound(seconds * 0.5, target(), level_db), Sound(seconds * 0.5, target(), level_db)]
    return [Sound(seconds, target(), level_db)]


def _syllable(talker, stressed, stretch, rng):
    """A cluster of zero to three consonants, a vowel, and zero to two more."""
    seconds = talker.syllable_s * rng.lognormal(0, 0.2) * stretch * (1.15 if stressed else 0.9)
    onset, coda = (
        [sound for _ in range(count) for sound in _consonant(talker, rng)]
        for count in (rng.choice(4, p=[0.1, 0.65, 0.2, 0.05]), rng.choice(3, p=[0.64, 0.3, 0.06]))
    )
    rest_s = seconds - sum(sound.seconds for sound in onset + coda)
    vowel = _vowel(max(rest_s, 0.09 * stretch), stressed, rng)
    return [*onset, *vowel, *coda], sum(sound.seconds for sound in onset)


def _phrase(talker, start_s, rng):
    """Words of one to four syllables; returns sounds and the times (s) of the pitch accents."""
    n_syllables = int(rng.integers(2, 13))
    stresses = np.zeros(n_syllables, dtype=bool)
    stresses[np.unique(np.cumsum(rng.choice([1, 2, 3, 4], n_syllables)) - 1) % n_syllables] = True
    sounds, accents_s, now_s = [], [], start_s
    for k, stressed in enumerate(stresses):
        left = n_syllables - 1 - k
        stretch = {0: rng.uniform(1.35, 1.8), 1: 1.12}.get(left, 1.0)
        syllable, onset_s = _syllable(talker, stressed, stretch, rng)
        if stressed and rng.random() < 0.8:
            accents_s.append(now_s + onset_s)
        fade_db = 3.0 * k / n_syllables
        sounds += [s._replace(voice_db=s.voice_db - fade_db) for s in syllable]
        now_s += sum(sound.seconds for sound in syllable)
    return _mannered(sounds, talker, rng), accents_s


def _mannered(sounds, talker, rng):
    """Whisper the phrase, or let its end creak, now and then."""
    if rng.random() < talker.whisper_share:
        return [
            s._replace(voice_db=OFF_DB, breath_db=max(s.breath_db, s.voice_db - 12)) for s in sounds
        ]
    if rng.random() < talker.creak_share:
        tail = int(rng.integers(2, 5))
        return sounds[:-tail] + [s._replace(creak=1.0, lax=-0.3) for s in sounds[-tail:]]
    return sounds


def _pause(rng):
    """A silent pause, or one with a breath in it."""
    seconds = float(np.clip(rng.lognormal(np.log(0.3), 0.5), 0.12, 1.0))
    if seconds < 0.3 or rng.random() < 0.4:
        return [Sound(seconds, attack_s=0.05)]
    breath = Sound(seconds * 0.6, (600, 1600, 2600), breath_db=rng.uniform(-36, -26), attack_s=0.12)
    return [Sound(seconds * 0.25), breath, Sound(seconds * 0.15, attack_s=0.05)]


def plan_talk(duration_s, talker, rng):
    """Sounds up to `duration_s`, and the start, end and accent times (s) of each phrase."""
    sounds, phrases = [Sound(rng.uniform(0.02, 0.12))], []
    now_s = sounds[0].seconds
    while now_s < duration_s:
        spoken, accents_s = _phrase(talker, now_s, rng)
        end_s = now_s + sum(sound.seconds for sound in spoken)
        phrases.append((now_s, end_s, accents_s))
        sounds += spoken + _pause(rng)
        now_s = sum(sound.seconds for sound in sounds)
    return sounds, phrases


def pitch_track(phrases, talker, times_s, rng):
    """F0 (Hz) at `times_s`: phrase and accent commands (Fujisaki & Hirose 1984), flutter."""
    semitones = np.zeros(len(times_s))
    for start_s, end_s, accents_s in phrases:
        t = np.maximum(times_s - start_s + 0.15, 0)
        semitones += talker.accent_st * 0.9 * 3.0 * t * np.exp(1 - 3.0 * t) * (t > 0)
        for accent_s in accents_s:
            height_st = talker.accent_st * rng.uniform(0.3, 1.0)
            length_s = rng.uniform(0.1, 0.3)
            semitones += height_st * (
                _step(times_s - accent_s) - _step(times_s - accent_s - length_s)
            )
        final_st = talker.accent_st * (1.2 if rng.random() < 0.2 else rng.uniform(-1, -0.3))
        semitones += final_st * (_step(times_s - end_s + 0.2) - _step(times_s - end_s - 0.05))
    speaking = np.any([(times_s > a) & (times_s < b) for a, b, _ in phrases], axis=0)
    semitones -= np.mean(semitones[speaking])  # so that the talker's F0 is the mean
    knots = rng.normal(0, 0.35, int(times_s[-1] / 0.06) + 3)
    semitones += np.interp(times_s / 0.06, np.arange(len(knots)), knots)
    return np.clip(talker.f0_hz * 2 ** (semitones / 12), 65, 400)


def _step(t):
    """Accent control of Fujisaki & Hirose (1984): 1 - (1 + bt) exp(-bt) from t = 0."""
    bt = 18 * np.maximum(t, 0)
    return 1 - (1 + bt) * np.exp(-bt)


# --- tracks ------------------------------------------------------------------------------------


class Lines:
    """Piecewise linear tracks: each sound holds its target between transitions."""

    def __init__(self, sounds):
        self.sounds = sounds
        self.ends_s = np.cumsum([s.seconds for s in sounds])

    def at(self, values, times_s, transition_s):
        """Track of `values` (one per sound) at `times_s`; transitions straddle the boundaries."""
        seconds = np.array([s.seconds for s in self.sounds])
        room_s = 0.96 * np.minimum(seconds[:-1], seconds[1:])
        half_s = np.minimum(transition_s, room_s) / 2
        knots_s = np.stack([self.ends_s[:-1] - half_s, self.ends_s[:-1] + half_s], 1).ravel()
        return np.interp(times_s, knots_s, np.repeat(values, 2)[1:-1])

    def field(self, name, times_s, transition_s):
        """Track of one field of the sounds."""
        return self.at(np.array([getattr(s, name) for s in self.sounds]), times_s, transition_s)

    def gain(self, name, times_s):
        """Amplitude of a level in dB, with each sound's own attack."""
        level_db = np.array([getattr(s, name) for s in self.sounds])
        amplitude = np.where(level_db > OFF_DB + 40, 10 ** (level_db / 20), 0.0)
        return self.at(amplitude, times_s, np.array([s.attack_s for s in self.sounds[1:]]))

    def index(self, name, times_s):
        """Value of a field at `times_s` without transitions."""
        which = np.searchsorted(self.ends_s, times_s, side="right").clip(max=len(self.sounds) - 1)
        return np.array([getattr(s, name) for s in self.sounds])[which]


def _tract(lines, talker, throat, times_s):
    """Envelope of the planned sounds; formants glide for about 70 ms around each boundary."""
    low_hz = [
        lines.at(np.array([s.formants_hz[k] for s in lines.sounds]), times_s, 0.07)
        for k in range(3)
    ]
    upper_hz = np.broadcast_to(UPPER_FORMANTS_HZ, (len(times_s), 4))
    upper_db = lines.field("upper_db", times_s, 0.025)
    return Tract(
        formants_hz=np.column_stack([*low_hz, upper_hz]) * talker.tract_scale,
        widths_hz=WIDTHS_HZ * talker.width_scale,
        gains_db=throat.formant_db + upper_db[:, None] * (np.arange(7) > 0),
        zero_hz=lines.field("zero_hz", times_s, 0.05) * talker.tract_scale,
        zero_depth=lines.field("zero_depth", times_s, 0.025),
        ripple_db=throat.ripple_db,
    )


# --- synthesis ---------------------------------------------------------------------------------


def _excited(lines, phrases, talker, times_s, rng):
    """F0 and Rd tracks (frames,) with jitter and creak."""
    creak = lines.field("creak", times_s, 0.08)
    wobble = rng.normal(0, 1, len(times_s)) * (talker.jitter + 0.09 * creak)
    f0_hz = pitch_track(phrases, talker, times_s, rng) * (1 - 0.4 * creak) * (1 + wobble)
    rd = talker.rd + lines.field("lax", times_s, 0.04) + rng.normal(0, 0.04, len(times_s))
    return np.clip(f0_hz, 45, 420), rd


def talk(lines, phrases, talker, throat, n, rng):
    """Everything that leaves the mouth, shape (n,); vowels have an RMS of about 1."""
    frames_s, samples_s = frame_times_s(n), np.arange(n) / SAMPLE_RATE
    tract = _tract(lines, talker, throat, frames_s)
    f0_hz, rd = _excited(lines, phrases, talker, frames_s, rng)
    voice, phase = voiced_part(f0_hz, rd, tract, talker.max_voiced_hz, n)
    gain = lines.gain("voice_db", samples_s)
    shimmer = 1 + rng.normal(0, 1, len(frames_s)) * (
        talker.shimmer + 0.25 * lines.field("creak", frames_s, 0.08)
    )
    loud = gain >= 0.5 * gain.max()  # everything, in a clip that is all whisper
    scale = np.sqrt(np.mean(voice[loud] ** 2))
    voice *= gain / scale * np.interp(samples_s, frames_s, shimmer)
    in_voice = 10 ** (talker.breath_db / 20) * gain * (1 + 0.7 * np.cos(phase))
    breath = breath_part(tract, n, rng) * (lines.gain("breath_db", samples_s) + in_voice)
    hiss = shaped_noise(throat.noises[lines.index("noise", frames_s)], n, rng)
    return voice + breath + hiss * lines.gain("noise_db", samples_s)


def harmonic_speech_clip(duration_s, rng):
    """Synthesise one clip of wordless speech as harmonics plus noise.

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
        The `Talker`'s fields, and voiced_share: the part of the speaking time that is voiced.

    Raises
    ------
    ValueError
        If `duration_s` is under 0.5.

    Notes
    -----
    Harmonic plus noise model: Stylianou (2001), doi 10.1109/89.890068. Sinusoidal model: McAulay &
    Quatieri (1986), doi 10.1109/TASSP.1986.1164910. Glottal flow: Fant, Liljencrants & Lin (1985),
    STL-QPSR 26(4); Rd: Fant (1995), STL-QPSR 36(2-3).
    """
    n = sample_count(duration_s, "a clip of harmonic speech")
    talker, throat = draw_talker(rng), draw_throat(rng)
    sounds, phrases = plan_talk(duration_s, talker, rng)
    lines = Lines(sounds)
    audio = finish_clip(talk(lines, phrases, talker, throat, n, rng))
    frames_s = frame_times_s(n)
    voiced = lines.index("voice_db", frames_s) > OFF_DB + 40
    spoken = voiced | (lines.index("breath_db", frames_s) > -20)
    spoken |= lines.index("noise_db", frames_s) > OFF_DB + 40
    return audio, asdict(talker) | {"voiced_share": float(voiced.sum() / max(spoken.sum(), 1))}
