"""A speech-like source: a voice that speaks fluently and says nothing.

Source and filter (Fant 1960): glottal pulses and turbulence drive a vocal tract whose resonances
move from phone to phone. Phones follow each other in random syllables, phrases and pauses, so the
result has the rhythm, the spectrum and the pitch of speech, but no words and no speaker's rights.
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numba
import numpy as np
from scipy.signal import butter, fftconvolve, lfilter, resample_poly, sosfilt

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, set_level_dbfs
from aqp_utils.sources.clean_clip import sample_count

FRAME_S = 0.005  # the controls change every 5 ms (Klatt 1980)
BLOCK = int(FRAME_S * SAMPLE_RATE)
OVERSAMPLING = 4  # of the glottal pulses: their closure is too sharp to be sampled at 16 kHz
OFF_DB = -120.0
TOP_RESONANCE_HZ = 7400.0  # a resonance above it is left out: too near half the sample rate


class Phone(NamedTuple):
    """One stretch of constant targets; a plosive takes two or three.

    Levels are in dB relative to a vowel; formants F1 to F3 in Hz for an adult male tract.
    """

    seconds: float
    formants_hz: tuple
    voice_db: float = OFF_DB
    breath_db: float = OFF_DB
    hiss_db: float = OFF_DB
    hiss_hz: float = 4000.0
    hiss_width_hz: float = 2000.0
    pitch_st: float = 0.0
    level_db: float = 0.0


# F1 to F3 of ten vowels, men's averages (Peterson & Barney 1952, table II).
VOWELS_HZ = np.array(
    [
        (270, 2290, 3010),
        (390, 1990, 2550),
        (530, 1840, 2480),
        (660, 1720, 2410),
        (730, 1090, 2440),
        (570, 840, 2410),
        (440, 1020, 2240),
        (300, 870, 2240),
        (640, 1190, 2390),
        (490, 1350, 1690),
    ],
    dtype=float,
)
NEUTRAL_HZ = (500.0, 1500.0, 2500.0)
FORMANT_WIDTHS_HZ = np.array([70.0, 90, 140, 200, 280, 380, 480])  # F1 to F7

# Formant loci by place of articulation and the noise made there (after Klatt 1980, table III,
# and Stevens 1998): lips, tooth ridge, soft palate.
LIPS, RIDGE, VELUM = (300, 900, 2200), (300, 1750, 2650), (300, 2000, 2350)
LIPS_NOISE = dict(hiss_hz=1200, hiss_width_hz=3000)
RIDGE_NOISE = dict(hiss_hz=4300, hiss_width_hz=2200)
VELUM_NOISE = dict(hiss_hz=2000, hiss_width_hz=900)


def _voiceless_plosive(locus, noise, burst_db):
    return (
        Phone(0.06, locus),
        Phone(0.012, locus, hiss_db=burst_db, **noise),
        Phone(0.035, locus, breath_db=-12),
    )


def _voiced_plosive(locus, noise, burst_db):
    return Phone(0.05, locus, voice_db=-22), Phone(0.01, locus, -12, hiss_db=burst_db, **noise)


VOICELESS = (
    _voiceless_plosive(LIPS, LIPS_NOISE, -14),
    _voiceless_plosive(RIDGE, RIDGE_NOISE, -6),
    _voiceless_plosive(VELUM, VELUM_NOISE, -8),
    (Phone(0.09, (320, 1200, 2300), hiss_db=-22, hiss_hz=5000, hiss_width_hz=5000),),
    (Phone(0.10, (320, 1700, 2600), hiss_db=-9, hiss_hz=5600, hiss_width_hz=1800),),
    (Phone(0.10, (320, 1800, 2500), hiss_db=-9, hiss_hz=3200, hiss_width_hz=1300),),
    (Phone(0.08, (320, 1500, 2300), hiss_db=-16, hiss_hz=1800, hiss_width_hz=900),),
    (Phone(0.06, (400, 1500, 2500), breath_db=-10),),
)
VOICED = (
    _voiced_plosive(LIPS, LIPS_NOISE, -18),
    _voiced_plosive(RIDGE, RIDGE_NOISE, -12),
    _voiced_plosive(VELUM, VELUM_NOISE, -12),
    (Phone(0.06, (300, 1200, 2300), -8, hiss_db=-26, hiss_hz=5000, hiss_width_hz=5000),),
    (Phone(0.07, (300, 1700, 2600), -10, hiss_db=-16, hiss_hz=5600, hiss_width_hz=1800),),
    (Phone(0.07, (270, 1000, 2200), -7),),
    (Phone(0.07, (270, 1500, 2600), -7),),
    (Phone(0.07, (270, 2000, 2500), -8),),
    (Phone(0.06, (330, 1100, 2600), -4),),
    (Phone(0.06, (330, 1200, 1600), -4),),
    (Phone(0.06, (300, 700, 2200), -4),),
    (Phone(0.06, (280, 2200, 3000), -4),),
)


@dataclass(frozen=True)
class Speaker:
    """What stays the same while one voice speaks."""

    f0_hz: float
    vocal_tract_scale: float  # all formants, relative to an adult male tract
    syllable_rate_hz: float
    pitch_range_st: float
    open_quotient: float
    tilt_db: float  # loss of the glottal source at 3 kHz
    breath_db: float  # turbulence during voicing, relative to it
    jitter: float  # standard deviation of the period, relative
    shimmer: float  # standard deviation of the pulse height, relative
    damping: float  # of the formants: factor on their bandwidths


def draw_speaker(rng):
    """Draw a voice between a deep man's and a child's.

    Mean F0 is drawn evenly on a log axis from 85 to 280 Hz (men average 120, women 210 Hz;
    Traunmüller & Eriksson 1995); shorter vocal tracts go with higher voices, loosely.
    """
    f0_hz = float(np.exp(rng.uniform(np.log(85), np.log(280))))
    scale = 1.0 + 0.22 * np.log2(f0_hz / 110) + rng.normal(0, 0.05)
    return Speaker(
        f0_hz=f0_hz,
        vocal_tract_scale=float(np.clip(scale, 0.9, 1.35)),
        syllable_rate_hz=float(rng.uniform(3.5, 5.8)),
        pitch_range_st=float(rng.uniform(1.5, 4.0)),
        open_quotient=float(rng.uniform(0.45, 0.75)),
        tilt_db=float(rng.uniform(2, 12)),
        breath_db=float(rng.uniform(-38, -22)),
        jitter=float(rng.uniform(0.002, 0.01)),
        shimmer=float(rng.uniform(0.01, 0.05)),
        damping=float(rng.uniform(0.8, 1.4)),
    )


def _consonant(pace, rng):
    """Phones of a consonant, voiceless in three of five, stretched by `pace`."""
    group = VOICELESS if rng.random() < 0.6 else VOICED
    phones = group[rng.integers(len(group))]
    return [phone._replace(seconds=phone.seconds * pace) for phone in phones]


def _vowel(seconds, rng):
    """One vowel, or two that glide, somewhere between those of the table."""

    def target():
        first, second = VOWELS_HZ[rng.choice(len(VOWELS_HZ), 2, replace=False)]
        mix = rng.uniform(0, 0.5)
        return tuple((1 - mix) * first + mix * second)

    if rng.random() < 0.3:
        return [Phone(seconds / 2, target(), 0.0), Phone(seconds / 2, target(), -1.0)]
    return [Phone(seconds, target(), 0.0)]


def _syllable(speaker, rng):
    """Onset, vowel and sometimes a coda; the vowel takes the time the consonants leave."""
    pace = rng.lognormal(0, 0.18) * 4.5 / speaker.syllable_rate_hz
    onset = _consonant(pace, rng) if rng.random() < 0.92 else []
    coda = _consonant(pace, rng) if rng.random() < 0.3 else []
    rest_s = pace / 4.5 - sum(phone.seconds for phone in onset + coda)
    return onset + _vowel(max(rest_s, 0.06), rng) + coda


def _phrase(speaker, rng):
    """Three to nine syllables under one falling pitch line, with accents, then a pause."""
    n_syllables = int(rng.integers(3, 10))
    phones = []
    for k in range(n_syllables):
        decline_st = speaker.pitch_range_st * (0.5 - k / max(n_syllables - 1, 1))
        accent = rng.normal(0, 1)
        for phone in _syllable(speaker, rng):
            pitch_st = decline_st + accent * speaker.pitch_range_st / 2
            level_db = 1.5 * accent - 3 * k / n_syllables + rng.normal(0, 0.7)
            phones.append(phone._replace(pitch_st=pitch_st, level_db=level_db))
    return [*phones, Phone(rng.uniform(0.12, 0.45), NEUTRAL_HZ)]


def plan_phones(duration_s, speaker, rng):
    """Phones of one utterance: a short pause, then phrases up to `duration_s`."""
    phones = [Phone(rng.uniform(0.03, 0.15), NEUTRAL_HZ)]
    while sum(phone.seconds for phone in phones) < duration_s:
        phones += _phrase(speaker, rng)
    return phones


def _smooth(track, seconds):
    """Hann-smooth a frame track, shape (frames,) or (frames, k): articulators have inertia."""
    half = max(int(round(seconds / FRAME_S / 2)), 1)
    window = np.hanning(2 * half + 3)[1:-1]
    padding = ((half, half),) + ((0, 0),) * (track.ndim - 1)
    kernel = (window / window.sum()).reshape(-1, *(1,) * (track.ndim - 1))
    return fftconvolve(np.pad(track, padding, mode="edge"), kernel, mode="valid", axes=0)


def control_tracks(phones, n_frames):
    """Turn phones into smooth control tracks, one value per 5 ms frame.

    Returns
    -------
    dict of ndarray
        formants_hz (n_frames, 3); voice, breath, hiss (linear amplitudes), hiss_hz,
        hiss_width_hz and pitch_st (n_frames,); voiced and pause (bool, n_frames).
    """
    ends = np.round(np.cumsum([phone.seconds for phone in phones]) / FRAME_S).astype(int)
    index = np.searchsorted(ends, np.arange(n_frames), side="right").clip(max=len(phones) - 1)
    column = {name: np.array([getattr(p, name) for p in phones])[index] for name in Phone._fields}
    levels = {}
    for name, seconds in (("voice", 0.03), ("breath", 0.02), ("hiss", 0.01)):
        amplitude = 10 ** ((column[name + "_db"] + column["level_db"]) / 20)
        levels[name] = np.maximum(_smooth(amplitude, seconds), 0)
    return {
        "formants_hz": _smooth(column["formants_hz"], 0.07),
        "hiss_hz": column["hiss_hz"],
        "hiss_width_hz": column["hiss_width_hz"],
        "pitch_st": _smooth(column["pitch_st"], 0.16),
        "voiced": column["voice_db"] > OFF_DB,
        "pause": np.max([column[k + "_db"] for k in ("voice", "breath", "hiss")], 0) <= OFF_DB,
        **levels,
    }


def glottal_pulses(f0_hz, speaker, rng):
    """Derivative of the glottal flow, KLGLOTT88 pulses (Klatt & Klatt 1990, eq. 1).

    In the open part x = 0..1 of each period the flow derivative is 2x - 3x^2; lip radiation is
    the derivative. Jitter moves each pulse, shimmer scales it, a one-pole lowpass adds the tilt.

    Parameters
    ----------
    f0_hz : ndarray, shape (n,)
        Fundamental frequency at every sample.

    Returns
    -------
    pulses, open_phase : ndarray, shape (n,)
        `open_phase` is 1 while the glottis is open: turbulence is strongest there.
    """
    n = len(f0_hz) * OVERSAMPLING
    f0_fine = np.interp(np.arange(n) / OVERSAMPLING, np.arange(len(f0_hz)), f0_hz)
    cycles = np.cumsum(f0_fine) / (SAMPLE_RATE * OVERSAMPLING)
    starts = np.interp(np.arange(int(cycles[-1]) + 2), cycles, np.arange(n))
    starts[1:-1] += rng.normal(0, speaker.jitter, len(starts) - 2) * np.diff(starts)[:-1]
    phase = np.interp(np.arange(n), starts, np.arange(len(starts)))
    cycle = phase.astype(int)
    x = (phase - cycle) / speaker.open_quotient
    height = 1 + rng.normal(0, speaker.shimmer, len(starts) + 1)
    pulses = np.where(x < 1, (2 * x - 3 * x**2) * height[cycle], 0.0)
    pulses = resample_poly(pulses, 1, OVERSAMPLING)
    return lfilter(*_tilt_filter(speaker.tilt_db), pulses), (x < 1)[::OVERSAMPLING]


def _tilt_filter(tilt_db):
    """One-pole lowpass that is `tilt_db` down at 3 kHz."""
    cos = np.cos(2 * np.pi * 3000 / SAMPLE_RATE)
    ratio = 10 ** (tilt_db / 10)
    # |1 - d e^-jw|^2 = ratio (1 - d)^2, solved for the pole d.
    half_b = (ratio - cos) / (ratio - 1)
    pole = half_b - np.sqrt(half_b**2 - 1)
    return [1 - pole], [1, -pole]


@numba.njit
def _resonate(sound, feedback, gain):
    """Run `sound` (n,) through k resonators in cascade, one set of coefficients per frame.

    y[t] = gain x[t] + feedback0 y[t-1] + feedback1 y[t-2] (Klatt 1980, eq. 1). Keeping the past
    outputs, rather than a filter's mixed state, is what lets formants move without clicks.
    feedback is (frames, k, 2), gain (frames, k).
    """
    out = sound.copy()
    for k in range(gain.shape[1]):
        last = before_last = 0.0
        for t in range(len(out)):
            frame = t // BLOCK
            out[t] = (
                gain[frame, k] * out[t]
                + feedback[frame, k, 0] * last
                + feedback[frame, k, 1] * before_last
            )
            before_last, last = last, out[t]
    return out


def _resonator(frequency_hz, width_hz):
    """Feedback (…, 2) of two-pole resonators (Klatt 1980, eq. 2), identity above the top."""
    radius = np.where(frequency_hz > TOP_RESONANCE_HZ, 0, np.exp(-np.pi * width_hz / SAMPLE_RATE))
    angle = 2 * np.pi * frequency_hz / SAMPLE_RATE
    return np.stack([2 * radius * np.cos(angle), -(radius**2)], axis=-1)


def vocal_tract(sound, formants_hz, speaker):
    """Cascade of seven formants; F4 to F7 are those of a uniform tube, 1 kHz apart."""
    fixed_hz = np.broadcast_to([3500.0, 4500.0, 5500.0, 6500.0], (len(formants_hz), 4))
    frequency_hz = np.hstack([formants_hz, fixed_hz]) * speaker.vocal_tract_scale
    feedback = _resonator(frequency_hz, speaker.damping * FORMANT_WIDTHS_HZ)
    return _resonate(sound, feedback, 1 - feedback.sum(-1))  # unit gain at 0 Hz


def hiss(tracks, n, speaker, rng):
    """Noise made at a constriction: white noise through two equal resonances, shape (n,)."""
    centre_hz = np.minimum(tracks["hiss_hz"] * speaker.vocal_tract_scale, 7000)
    width_hz = tracks["hiss_width_hz"]
    feedback = np.repeat(_resonator(centre_hz, width_hz)[:, None], 2, axis=1)
    # With a zero at 0 Hz and one at half the sample rate a section has unit gain at its centre;
    # two of them pass about pi/4 of their width, which the second factor makes up for.
    gain = (1 + feedback[:, :, 1]) / 2 * (2 * SAMPLE_RATE / (np.pi * width_hz[:, None])) ** 0.25
    noise = lfilter([1, 0, -2, 0, 1], 1, rng.standard_normal(n))
    return _resonate(noise, feedback, gain) * _at_samples(tracks["hiss"], n)


def _at_samples(track, n):
    """Interpolate a frame track to `n` samples."""
    return np.interp(np.arange(n), np.arange(len(track)) * BLOCK + BLOCK / 2, track)


def speak(tracks, n, speaker, rng):
    """Everything that leaves the mouth, shape (n,); vowels have an RMS of about 1."""
    flutter_st = _smooth(rng.normal(0, 1.0, len(tracks["voice"])), 0.1)
    f0_hz = speaker.f0_hz * 2 ** ((tracks["pitch_st"] + flutter_st) / 12)
    pulses, open_phase = glottal_pulses(_at_samples(np.clip(f0_hz, 65, 400), n), speaker, rng)
    voice = _at_samples(tracks["voice"], n)
    in_voice = 10 ** (speaker.breath_db / 20) * (0.3 + open_phase) * voice
    breath = rng.standard_normal(n) * (_at_samples(tracks["breath"], n) + in_voice)
    source = pulses / np.std(pulses) * voice + breath
    spoken = vocal_tract(source, tracks["formants_hz"], speaker)
    loud = voice > 0.5 * min(1.0, voice.max())
    spoken /= np.sqrt(np.mean(spoken[loud] ** 2))
    return spoken + hiss(tracks, n, speaker, rng)


def record(voice, rng):
    """Put the dry voice before a microphone: a little room, a tilt, a floor under the pauses.

    The room is mild (direct-to-reverberant ratio 26 to 40 dB), the floor 50 to 65 dB below the
    voice, so that both stay under the mildest degradation; 16-bit PCM still carries it.
    """
    rt60_s, drr_db = rng.uniform(0.1, 0.3), rng.uniform(26, 40)
    t = np.arange(int(rt60_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(t)) * np.exp(-6.91 * t / rt60_s)
    tail *= 10 ** (-drr_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] += 1
    sound = fftconvolve(voice, tail)[: len(voice)]
    sound = sosfilt(butter(2, rng.uniform(50, 90), "highpass", fs=SAMPLE_RATE, output="sos"), sound)
    shelf = rng.uniform(-0.25, 0.25)  # one zero: up to about 4.5 dB between low and high
    sound = lfilter([1, -shelf], [1 - shelf], sound)
    floor = lfilter([1], [1, -0.9], rng.standard_normal(len(voice)))
    floor *= 10 ** ((ACTIVE_LEVEL_DBFS - rng.uniform(50, 65)) / 20) / np.std(floor)
    return set_level_dbfs(sound, ACTIVE_LEVEL_DBFS, active_mask(sound)) + floor


def speech_clip(duration_s, rng):
    """Synthesise one clip of speech without words.

    Parameters
    ----------
    duration_s : float
        Length in seconds, at least 0.5.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float32, shape (n,)
        16 kHz, active level -26 dBFS.
    facts : dict of float
        The `Speaker`'s fields, and voiced_share: the part of the speaking time that is voiced.

    Raises
    ------
    ValueError
        If `duration_s` is under 0.5.

    Notes
    -----
    Source-filter synthesis after Klatt (1980), "Software for a cascade/parallel formant
    synthesizer", and Klatt & Klatt (1990), doi 10.1121/1.398894.
    """
    n = sample_count(duration_s, "a speech clip")
    speaker = draw_speaker(rng)
    tracks = control_tracks(plan_phones(duration_s, speaker, rng), -(-n // BLOCK))
    audio = record(speak(tracks, n, speaker, rng), rng)
    audio = set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio))
    voiced_share = np.sum(tracks["voiced"]) / max(np.sum(~tracks["pause"]), 1)
    return audio.astype(np.float32), asdict(speaker) | {"voiced_share": float(voiced_share)}
