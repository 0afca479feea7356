"""Instruments: plucked, bowed, blown, struck, organ and FM electric piano, in one to four parts.

Each family is made by its own textbook method, so that their clips share no fingerprint: a string
loop, harmonics through a body, sums of decaying modes, drawbars, frequency modulation.
"""

from typing import NamedTuple

import numba
import numpy as np
from scipy.signal import lfilter

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.sources.clean_clip import finish_clip, sample_count
from aqp_utils.sources.harmonics import HOP, harmonic_sum, sample_phase

TOP_HZ = 7600.0
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))
CHORDS = ((0,), (0, 7), (0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 3, 7, 10), (0, 5, 7))


class Note(NamedTuple):
    """One note of a part."""

    start: int  # sample
    samples: int  # until it is let go
    f0_hz: float
    velocity: float


@numba.njit
def _string(excitation, n, delay, loss, damping):
    """Karplus-Strong loop (1983): a delay line, a two-point average, a tuning allpass."""
    whole = int(delay - damping - 0.1)
    part = delay - damping - whole
    tuning = (1 - part) / (1 + part)
    line, out = np.zeros(whole), np.zeros(n)
    last = allpass_in = allpass_out = 0.0
    for t in range(n):
        k = t % whole
        value = line[k]
        if t < len(excitation):
            value += excitation[t]
        out[t] = value
        averaged = loss * ((1 - damping) * value + damping * last)
        last = value
        allpass_out = tuning * averaged + allpass_in - tuning * allpass_out
        allpass_in = averaged
        line[k] = allpass_out
    return out


def _released(sound, samples, release_s):
    """Fade `sound` out from sample `samples` on, in place of a hand or a damper."""
    gain = np.ones(len(sound))
    tail = np.arange(len(sound) - samples) / SAMPLE_RATE
    gain[samples:] = np.exp(-tail / release_s)
    gain[-80:] *= np.linspace(1, 0, 80)
    return sound * gain


def _plucked(timbre, note, rng):
    """A plucked string: filtered noise, picked at one place, in a lossy loop."""
    period = SAMPLE_RATE / note.f0_hz
    burst = rng.uniform(-1, 1, int(period) + 1)
    burst = lfilter([1 - timbre["dullness"]], [1, -timbre["dullness"]], burst)
    comb = max(int(timbre["pick_place"] * period), 1)
    burst = np.append(burst, np.zeros(comb)) - np.append(np.zeros(comb), burst)
    loss = 10 ** (-3 * period / SAMPLE_RATE / timbre["ring_s"])
    n = note.samples + int(0.3 * SAMPLE_RATE)
    sound = _string(burst - burst.mean(), n, period, loss, timbre["damping"])
    return _released(sound, note.samples, 0.05)


def _envelope(frames, held, timbre):
    """Attack, decay to a sustain level, release; one value per 5 ms frame."""
    t = np.arange(frames) * HOP / SAMPLE_RATE
    end_s = held * HOP / SAMPLE_RATE
    rise = np.clip(t / timbre["attack_s"], 0, 1) ** 1.5
    fall = timbre["sustain"] + (1 - timbre["sustain"]) * np.exp(-t / timbre["decay_s"])
    return rise * fall * np.exp(-np.maximum(t - end_s, 0) / timbre["release_s"])


def _harmonic_tone(timbre, note, amplitude_of, rng):
    """Harmonics of a moving F0 under an envelope: (sound, envelope at samples).

    `amplitude_of(number, frequency_hz)` gives the amplitude of each harmonic.
    """
    n = note.samples + int(3 * timbre["release_s"] * SAMPLE_RATE)
    frames = n // HOP + 2
    t = np.arange(frames) * HOP / SAMPLE_RATE
    grown = np.clip((t - 0.1) / 0.25, 0, 1)
    cents = timbre["vibrato_cents"] * grown * np.sin(2 * np.pi * timbre["vibrato_hz"] * t)
    cents += rng.normal(0, 3) - timbre["scoop_cents"] * np.exp(-t / 0.03)
    f0_hz = note.f0_hz * 2 ** (cents / 1200)
    number = np.arange(1, max(int(TOP_HZ / f0_hz.max()), 1) + 1)
    frequency_hz = f0_hz[:, None] * number
    level = _envelope(frames, note.samples // HOP, timbre)
    # Loud notes and the middle of a note are brighter than soft ones and their edges.
    bright = 10 ** (-timbre["softening_db"] * (1 - level[:, None]) * np.log2(number) / 20)
    amplitudes = amplitude_of(number, frequency_hz) * level[:, None] * bright
    turned = amplitudes * np.exp(2j * np.pi * timbre["phases"][: len(number)])
    counts = np.full(frames, len(number))
    sound = harmonic_sum(sample_phase(f0_hz, n), turned, counts)
    return sound, np.interp(np.arange(n), np.arange(frames) * HOP, level)


def _body(timbre, frequency_hz):
    """Gain of a wooden or brass body: broad resonances on a plateau."""
    octaves = np.log2(frequency_hz[..., None] / timbre["body_hz"])
    bumps = timbre["body_gain"] / (1 + (octaves * timbre["body_q"]) ** 2)
    return 0.35 + bumps.sum(axis=-1)


def _breathy(sound, level, timbre, rng):
    """Add bow or breath noise under the envelope, its fade-out included."""
    noise = rng.standard_normal(len(sound))
    noise = lfilter([1, -1], np.convolve([1, -timbre["noise_pole"]], [1, -0.75]), noise)
    noise *= timbre["noise"] * np.std(sound) / np.std(noise)
    fade = np.minimum(np.arange(len(sound))[::-1] / 160, 1)
    return (sound + noise * level / max(level.max(), 1e-9)) * fade


def _bowed(timbre, note, rng):
    """Sawtooth harmonics through a body, with bow noise."""

    def amplitude(number, frequency_hz):
        return _body(timbre, frequency_hz) / number ** timbre["tilt"]

    return _breathy(*_harmonic_tone(timbre, note, amplitude, rng), timbre, rng)


def _blown(timbre, note, rng):
    """Harmonics of a pipe, weak even ones when it is closed, with breath noise."""

    def amplitude(number, frequency_hz):
        even = np.where(number % 2 == 0, timbre["even"], 1.0)
        roll = 1 / (1 + (frequency_hz / timbre["cutoff_hz"]) ** 2)
        return even * _body(timbre, frequency_hz) * roll / number ** (timbre["tilt"] - 0.5)

    return _breathy(*_harmonic_tone(timbre, note, amplitude, rng), timbre, rng)


def _organ(timbre, note, rng):
    """Drawbars: a few harmonics, each with its own fixed level, fast on and off."""
    bars = timbre["drawbars"]

    def amplitude(number, frequency_hz):
        levels = np.zeros(max(len(number), 16))
        levels[np.array([1, 2, 3, 4, 6, 8, 10, 12, 16]) - 1] = bars
        return levels[: len(number)]

    sound, level = _harmonic_tone(timbre, note, amplitude, rng)
    t = np.arange(len(sound)) / SAMPLE_RATE
    swing = 1 - timbre["rotor"] * (0.5 + 0.5 * np.sin(2 * np.pi * timbre["vibrato_hz"] * t))
    fade = np.minimum(np.arange(len(sound))[::-1] / 160, 1)
    return sound * swing * fade


def _struck(timbre, note, rng):
    """Decaying modes of a bar, a bell or a plate; high modes die first."""
    ratios = timbre["modes"]
    hz = note.f0_hz * ratios
    keep = hz < TOP_HZ
    n = min(int(timbre["ring_s"] * 1.5 * SAMPLE_RATE), note.samples + int(0.6 * SAMPLE_RATE))
    t = np.arange(n) / SAMPLE_RATE
    decay_s = timbre["ring_s"] / 6.9 * ratios[keep] ** -timbre["mode_damping"]
    height = timbre["mode_levels"][keep] * note.velocity ** np.log2(ratios[keep] + 1)
    waves = np.exp(t[:, None] * (2j * np.pi * hz[keep] - 1 / decay_s)).imag
    return _released(waves @ height * np.minimum(t / timbre["mallet_s"], 1), note.samples, 0.15)


def _electric_piano(timbre, note, rng):
    """Two FM pairs (Chowning 1973): a soft body and a short bright tine."""
    n = note.samples + int(0.4 * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    angle = 2 * np.pi * note.f0_hz * t
    index = timbre["fm_index"] * note.velocity * np.exp(-t / timbre["fm_decay_s"])
    index *= min(1.0, 1500 / note.f0_hz / max(timbre["fm_index"], 1))  # keeps sidebands below 8 kHz
    body = np.sin(angle + index * np.sin(timbre["fm_ratio"] * angle))
    tine_ratio = min(timbre["tine_ratio"], TOP_HZ / note.f0_hz - 2)
    tine = np.sin(tine_ratio * angle + 0.3 * np.sin(angle)) * np.exp(-t / 0.06)
    sound = (body * np.exp(-t / timbre["ring_s"]) + timbre["tine"] * tine) * np.minimum(
        t / 0.003, 1
    )
    return _released(sound, note.samples, 0.08)


# Playing function, range of F0 (Hz).
FAMILIES = {
    "plucked": (_plucked, 80, 900),
    "bowed": (_bowed, 65, 1200),
    "blown": (_blown, 90, 1600),
    "struck": (_struck, 130, 1800),
    "organ": (_organ, 65, 1000),
    "electric_piano": (_electric_piano, 80, 1200),
}
BAR_MODES = ((1, 3.93, 9.24, 16.3), (1, 2.76, 5.40, 8.93, 13.3))  # marimba; free bar
BELL_MODES = (0.5, 1, 1.2, 1.5, 2, 2.67, 3.01, 4.1, 5.43)  # Fletcher & Rossing (1998)


def _draw_modes(rng):
    """Ratios, levels, damping and ring of a marimba, a free bar, a bell or a random plate."""
    kind = rng.integers(4)
    if kind == 2:
        modes = np.array(BELL_MODES) * rng.lognormal(0, 0.01, len(BELL_MODES))
    elif kind == 3:
        modes = np.append(1.0, 1 + np.cumsum(rng.uniform(0.3, 1.6, 9)))
    else:
        modes = np.array(BAR_MODES[kind], dtype=float)
    levels = rng.uniform(0.3, 1.0, len(modes)) * modes ** -rng.uniform(0.3, 1.2)
    ring_s = rng.uniform(0.3, 1.2) if kind < 1 else rng.uniform(0.8, 4.0)
    return {"modes": modes, "mode_levels": levels, "ring_s": ring_s}


def draw_timbre(family, rng):
    """Draw what stays the same through one part of `family`, units in the names."""
    blown = family == "blown"
    held = {
        "attack_s": rng.uniform(0.015, 0.15) if family != "organ" else rng.uniform(0.005, 0.03),
        "decay_s": rng.uniform(0.1, 0.6),
        "sustain": rng.uniform(0.4, 1.0),
        "release_s": rng.uniform(0.02, 0.12),
        "vibrato_hz": rng.uniform(4.5, 7),
        "vibrato_cents": rng.choice([0.0, rng.uniform(8, 45)]),
        "scoop_cents": rng.uniform(0, 40) if family != "organ" else 0.0,
        "softening_db": rng.uniform(0, 8),
        "phases": rng.uniform(0, 1, 256),
        "tilt": rng.uniform(0.7, 1.5),
        "even": rng.uniform(0.03, 1.0),
        "cutoff_hz": rng.uniform(1000, 5000),
        "noise": rng.uniform(0.002, 0.02) * (2 if blown else 1),
        "noise_pole": rng.uniform(0.3, 0.9),
        "body_hz": np.exp(rng.uniform(np.log(200), np.log(6000), 6)),
        "body_gain": rng.uniform(0.2, 2.0, 6),
        "body_q": rng.uniform(3, 12, 6),
        "drawbars": rng.uniform(0, 1, 9) ** 2 + np.array([0.5] + 8 * [0]),
        "rotor": rng.choice([0.0, rng.uniform(0.1, 0.5)]),
    }
    decaying = {
        "dullness": rng.uniform(0, 0.8),
        "pick_place": rng.uniform(0.05, 0.5),
        "damping": rng.uniform(0.05, 0.5),
        "ring_s": rng.uniform(0.8, 5.0),
        "mode_damping": rng.uniform(0.5, 1.2),
        "mallet_s": rng.uniform(0.0005, 0.004),
        "fm_index": rng.uniform(0.5, 4.0),
        "fm_decay_s": rng.uniform(0.1, 0.8),
        "fm_ratio": float(rng.choice([1, 1, 2, 3])),
        "tine": rng.uniform(0, 0.4),
        "tine_ratio": rng.uniform(7, 15),
    }
    return held | decaying | (_draw_modes(rng) if family == "struck" else {})


def draw_notes(n, low_hz, high_hz, tonic_hz, scale, rng):
    """Notes of one part: a walk over `scale`, sometimes in chords, with rests."""
    octaves = [o for o in range(-6, 8) if low_hz <= tonic_hz * 2.0**o <= high_hz / 2]
    root_hz = tonic_hz * 2.0 ** rng.choice(octaves or [0])
    beat_s, chord_share = rng.uniform(0.12, 0.6), rng.choice([0.0, 0.3, 0.9])
    legato, place, now_s, notes = rng.uniform(0.5, 1.0), int(rng.integers(len(scale))), 0.02, []
    while (now_s + 0.1) * SAMPLE_RATE < n:
        length_s = beat_s * rng.choice([0.5, 1, 1, 2, 3])
        if rng.random() > 0.15 or not notes:
            chord = CHORDS[rng.integers(len(CHORDS))] if rng.random() < chord_share else (0,)
            octave, degree = divmod(place, len(scale))
            for step in chord:
                f0_hz = root_hz * 2 ** (octave + (scale[degree] + step) / 12)
                samples = max(int(length_s * legato * SAMPLE_RATE), 800)
                notes.append(Note(int(now_s * SAMPLE_RATE), samples, f0_hz, rng.uniform(0.4, 1)))
        elif rng.random() < 0.3:
            now_s += rng.uniform(0.2, 0.6)
        place = int(np.clip(place + rng.choice([-3, -2, -1, 1, 2, 3]), -2, 1.5 * len(scale)))
        now_s += length_s
    return notes


def _play(family, n, tonic_hz, scale, rng):
    """One part of RMS 1, shape (n,)."""
    play, low_hz, high_hz = FAMILIES[family]
    timbre, out = draw_timbre(family, rng), np.zeros(n)
    for note in draw_notes(n, low_hz, high_hz, tonic_hz, scale, rng):
        note = note._replace(samples=min(note.samples, n - note.start))
        sound = note.velocity * play(timbre, note, rng)
        stop = min(note.start + len(sound), n)
        out[note.start : stop] += sound[: stop - note.start]
    return out / np.sqrt(np.mean(out**2))


def instrument_clip(duration_s, rng):
    """Synthesise one clip of music for one to four parts.

    Parameters
    ----------
    duration_s : float
        Length in seconds, at least 0.5.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float32, shape (n,)
        16 kHz, dry, active level -26 dBFS.
    facts : dict of float or str
        parts (how many), families (their names), tonic_hz.

    Raises
    ------
    ValueError
        If `duration_s` is under 0.5.

    Notes
    -----
    Karplus & Strong (1983), doi 10.2307/3680062; Chowning (1973), J. Audio Eng. Soc. 21(7); modes
    after Fletcher & Rossing (1998), The Physics of Musical Instruments.
    """
    n = sample_count(duration_s, "a clip of instruments")
    families = rng.choice(list(FAMILIES), rng.choice([1, 2, 3, 4], p=[0.45, 0.25, 0.2, 0.1]))
    tonic_hz = float(np.exp(rng.uniform(np.log(65), np.log(130))))
    scale = SCALES[rng.integers(len(SCALES))]
    parts = [_play(family, n, tonic_hz, scale, rng) * rng.uniform(0.4, 1) for family in families]
    facts = {"parts": float(len(families)), "families": "+".join(families), "tonic_hz": tonic_hz}
    return finish_clip(sum(parts)), facts
