"""Sounds that are no steady noise: beeps, wind, a transmitter, knocks, bursts, another talker.

Every damage takes (audio, strength, rng) and returns (audio, facts). The SNR is that of the active
part of the speech against the mean of the sound, as it comes and goes.
"""

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.randomness import log_uniform
from aqp_utils.degradations.noise import add_changing, coloured_noise, slow_gain_db
from aqp_utils.degradations.strength import linear

TRANSMITTER_HZ, DIMMERS_HZ = 217.0, (100.0, 120.0)


def _tone(n, rng):
    """A beep, a siren or a whistle of one to four harmonics, shape (n,)."""
    time_s = np.arange(n) / SAMPLE_RATE
    octaves = np.zeros(n)
    kind, rate_hz = rng.choice(("steady", "gliding", "stepping")), rng.uniform(0.2, 6)
    wave = np.sin(2 * np.pi * (rate_hz * time_s + rng.uniform()))
    if kind != "steady":
        octaves = rng.uniform(0.02, 0.6) * (wave if kind == "gliding" else np.sign(wave))
    hz = rng.uniform(1, 1.5) * 2 ** (rng.uniform(8, 11.5) + octaves)
    phase, tone = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE, np.zeros(n)
    for k in range(1, int(rng.integers(2, 6))):
        heard = k * hz < SAMPLE_RATE / 2  # what is higher would fold back
        tone += heard * np.sin(k * phase) * rng.uniform(0, 1) / k
    if rng.random() < 0.5:  # on and off
        tone = tone * (np.sin(2 * np.pi * rng.uniform(0.5, 8) * time_s) > rng.uniform(-0.7, 0.7))
    return tone


def tones(audio, strength, rng):
    """One to three beeps, sirens or whistles."""
    snr_db, count, n = linear(strength, 55.0, -5.0), int(rng.integers(1, 4)), len(audio)
    sound = sum(_tone(n, rng) * 10 ** (rng.uniform(-9, 0) / 20) for _ in range(count))
    sound += 1e-6 * rng.standard_normal(n)  # a beep may be off all the time
    return add_changing(audio, sound, snr_db), {"snr_db": snr_db, "count": float(count)}


def gusts(audio, strength, rng):
    """Wind at the microphone: rumble under 80 to 500 Hz that comes in gusts."""
    snr_db, n = linear(strength, 45.0, -15.0), len(audio)
    cutoff_hz = log_uniform(rng, 80, 500)
    rumble = coloured_noise(n, rng.uniform(0, 1.5), rng)
    rumble = sosfilt(butter(2, cutoff_hz, fs=SAMPLE_RATE, output="sos"), rumble)
    rumble *= 10 ** (slow_gain_db(n, rng.uniform(0.5, 4), rng.uniform(2, 12), rng) / 20)
    return add_changing(audio, rumble, snr_db), {"snr_db": snr_db, "cutoff_hz": cutoff_hz}


def buzz(audio, strength, rng):
    """The pulses of a phone's transmitter, of a dimmer or of a motor, steady or in bursts."""
    snr_db, n = linear(strength, 55.0, -5.0), len(audio)
    rate_hz = float(rng.choice((TRANSMITTER_HZ, *DIMMERS_HZ, rng.uniform(30, 500))))
    phase = np.arange(n) * rate_hz / SAMPLE_RATE + rng.uniform()
    pulses = np.diff((phase % 1 < rng.uniform(0.02, 0.5)).astype(float), prepend=0.0)
    lowpass = butter(1, rng.uniform(500, 7_000), fs=SAMPLE_RATE, output="sos")
    sound = sosfilt(lowpass, pulses)
    if rng.random() < 0.5:
        sound *= np.sin(2 * np.pi * rng.uniform(0.5, 6) * np.arange(n) / SAMPLE_RATE) > -0.3
    return add_changing(audio, sound, snr_db), {"snr_db": snr_db, "rate_hz": rate_hz}


def knocks(audio, strength, rng):
    """Knocks on the table and hands on the microphone: dull thumps of 30 to 500 Hz."""
    snr_db, per_second = linear(strength, 45.0, -15.0), float(np.exp(rng.uniform(-0.5, 2.5)))
    n, length = len(audio), SAMPLE_RATE // 5
    sound, time_s = np.zeros(n + length), np.arange(length) / SAMPLE_RATE
    for _ in range(max(1, round(per_second * n / SAMPLE_RATE))):
        hz, decay_s = log_uniform(rng, 30, 500), rng.uniform(0.005, 0.05)
        thump = np.sin(2 * np.pi * hz * time_s) * np.exp(-time_s / decay_s)
        start = int(rng.integers(n))
        sound[start : start + length] += thump * 10 ** (rng.uniform(-12, 0) / 20)
    return add_changing(audio, sound[:n], snr_db), {"snr_db": snr_db, "per_second": per_second}


def bursts(audio, strength, rng):
    """Hiss of any colour in bursts of 10 to 500 ms: squelch, sea, a jacket on the microphone."""
    snr_db, burst_s = linear(strength, 50.0, -8.0), log_uniform(rng, 0.01, 0.5)
    n, there = len(audio), rng.uniform(0.05, 0.6)  # share of the time
    hiss, gain = coloured_noise(n, rng.uniform(-0.5, 2), rng), np.full(n, 1e-6)
    for start in rng.integers(0, n, max(1, round(there * n / SAMPLE_RATE / burst_s))):
        gain[start : start + int(rng.uniform(0.5, 2) * burst_s * SAMPLE_RATE)] = 1.0
    lowpass = butter(1, rng.uniform(20, 400), fs=SAMPLE_RATE, output="sos")
    hiss *= np.maximum(sosfilt(lowpass, gain), 1e-6)
    return add_changing(audio, hiss, snr_db), {"snr_db": snr_db, "burst_s": burst_s}


def other_talker(audio, strength, rng):
    """One voice behind the voice: the clip itself from another place, at another pitch, muffled."""
    snr_db, up = linear(strength, 45.0, -3.0), int(rng.integers(80, 126))
    voice = np.resize(resample_poly(audio, up, 100), len(audio))
    voice = np.roll(voice, int(rng.uniform(0.2, 0.8) * len(audio)))
    muffled = butter(1, rng.uniform(1_500, 7_500), fs=SAMPLE_RATE, output="sos")
    voice = sosfilt(muffled, voice)
    return add_changing(audio, voice, snr_db), {"snr_db": snr_db, "pitch": 100 / up}
