"""Clean tonal clips: vibrato (FM), tremolo (AM), harmonics and a light noise floor, phrased.

Notebook 01 builds a clip from these parts one by one. Steady tones would be easier to make, but
P.862.2 is meaningless on them, and a reverberant tail can only be heard in a gap; so every clip is
a phrase of notes with onsets and pauses.
"""

import numpy as np

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, set_level_dbfs

HIGHEST_PARTIAL_HZ = 7_200  # keep partials clear of the Nyquist frequency
# Microphone noise of a quiet recording, 56 to 69 dB under the active level: it must stay well under
# the mildest noise that notebook 02 adds (an SNR of 50 dB).
FLOOR_RANGE_DBFS = (-95.0, -82.0)


def vibrato_phase(f0_hz, n, rate_hz, depth_cents, start_rad=0.0):
    """Phase (rad, shape (n,)) of a tone whose pitch swings ± `depth_cents` at `rate_hz`."""
    time_s = np.arange(n) / SAMPLE_RATE
    cents = depth_cents * np.sin(2 * np.pi * rate_hz * time_s + start_rad)
    return 2 * np.pi * np.cumsum(f0_hz * 2 ** (cents / 1200)) / SAMPLE_RATE


def harmonics(phase_rad, f0_hz, count, tilt_db_per_octave):
    """Sum of `count` partials over one phase, falling by `tilt_db_per_octave`; shape (n,)."""
    partials = np.arange(1, count + 1)
    partials = partials[partials * f0_hz < HIGHEST_PARTIAL_HZ]
    amplitudes = 10 ** (-tilt_db_per_octave * np.log2(partials) / 20)
    return amplitudes @ np.sin(partials[:, None] * phase_rad)


def tremolo(n, rate_hz, depth, start_rad=0.0):
    """Gain curve (n,) between 1 and 1 − `depth`, swinging at `rate_hz`."""
    time_s = np.arange(n) / SAMPLE_RATE
    return 1 - depth * (0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * time_s + start_rad))


def note_envelope(n, attack_s, release_s):
    """Raised-cosine onset and release (n,): no clicks, but a clear beginning and end."""
    attack, release = int(attack_s * SAMPLE_RATE), int(release_s * SAMPLE_RATE)
    envelope = np.ones(n)
    envelope[:attack] = 0.5 - 0.5 * np.cos(np.pi * np.arange(attack) / attack)
    envelope[n - release :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(release) / release)
    return envelope


def noise_floor(n, level_dbfs, rng):
    """White noise (n,) at `level_dbfs` RMS: recordings are never digitally silent."""
    return set_level_dbfs(rng.standard_normal(n), level_dbfs)


def phrase_plan(duration_s, rng):
    """Onset and length (s) of the notes of one phrase, gaps of 60 to 250 ms between them."""
    notes, onset = [], rng.uniform(0.02, 0.12)
    while onset + 0.18 < duration_s:
        length = min(rng.uniform(0.18, 0.7), duration_s - onset - 0.02)
        if length >= 0.12:
            notes.append((onset, length))
        onset += length + rng.uniform(0.06, 0.25)
    return notes


def draw_instrument(rng):
    """Draw what stays the same through one clip: pitch range, vibrato, tremolo, timbre, floor."""
    return {
        "f0_hz": float(np.exp(rng.uniform(np.log(110), np.log(520)))),
        "vibrato_rate_hz": rng.uniform(4, 7),
        "vibrato_depth_cents": rng.uniform(10, 60),
        "tremolo_rate_hz": rng.uniform(3, 8),
        "tremolo_depth": rng.uniform(0.1, 0.5),
        "n_harmonics": int(rng.integers(4, 25)),
        "tilt_db_per_octave": rng.uniform(3, 9),
        "attack_s": rng.uniform(0.01, 0.05),
        "floor_dbfs": rng.uniform(*FLOOR_RANGE_DBFS),
    }


def play_note(instrument, f0_hz, n, rng):
    """One note (n,) of `instrument` at `f0_hz`: vibrato → harmonics → tremolo → envelope."""
    start_vibrato, start_tremolo = rng.uniform(0, 2 * np.pi, 2)
    phase = vibrato_phase(
        f0_hz, n, instrument["vibrato_rate_hz"], instrument["vibrato_depth_cents"], start_vibrato
    )
    tone = harmonics(phase, f0_hz, instrument["n_harmonics"], instrument["tilt_db_per_octave"])
    gain = tremolo(n, instrument["tremolo_rate_hz"], instrument["tremolo_depth"], start_tremolo)
    return tone * gain * note_envelope(n, instrument["attack_s"], release_s=0.06)


def tone_clip(duration_s, rng):
    """One phrased tonal clip at an active level of −26 dBFS.

    Parameters
    ----------
    duration_s : float
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray, shape (round(duration_s · 16000),), float64
    facts : dict
        The parameters that were drawn, units in their names.
    """
    n = round(duration_s * SAMPLE_RATE)
    instrument = draw_instrument(rng)
    audio = np.zeros(n)
    plan = phrase_plan(duration_s, rng)
    for onset_s, length_s in plan:
        start, length = int(onset_s * SAMPLE_RATE), int(length_s * SAMPLE_RATE)
        step_semitones = rng.choice([-5, -3, -2, 0, 2, 4, 5, 7])
        note = play_note(instrument, instrument["f0_hz"] * 2 ** (step_semitones / 12), length, rng)
        audio[start : start + length] += note * rng.uniform(0.6, 1.0)
    audio = set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio))
    audio += noise_floor(n, instrument["floor_dbfs"], rng)
    return audio, {**instrument, "n_notes": len(plan)}
