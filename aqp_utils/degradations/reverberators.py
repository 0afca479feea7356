"""Artificial reverberation beside that of `rooms`: a feedback delay network, Schroeder's, echoes.

Every damage takes (audio, strength, rng) and returns (audio, facts); the direct sound stays in
place and at its level.
"""

import numba
import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.strength import blurred, geometric, linear

N_LINES = 8


def _primes_between(low, high, count, rng):
    numbers = np.arange(low, high)
    primes = numbers[[all(n % d for d in range(2, int(n**0.5) + 1)) for n in numbers]]
    return np.sort(rng.choice(primes, count, replace=False))


@numba.njit(cache=True)
def _network(audio, delays, gains, damping):
    lines, held = np.zeros((len(delays), delays.max())), np.zeros(len(delays))
    result = np.zeros(len(audio))
    for n in range(len(audio)):
        total = 0.0
        for i in range(len(delays)):
            held[i] = (1 - damping) * lines[i, n % delays[i]] + damping * held[i]
            total += gains[i] * held[i]
            result[n] += held[i] if i % 2 else -held[i]
        for i in range(len(delays)):
            # Householder matrix: every line hears all others and loses nothing but its gain.
            fed_back = gains[i] * held[i] - 2 / len(delays) * total
            lines[i, n % delays[i]] = audio[n] + fed_back
    return result / np.sqrt(len(delays))


def _with_wet(audio, wet, wet_db):
    """Add a tail, its energy `wet_db` relative to the clip's."""
    gain = 10 ** (wet_db / 20) * np.sqrt(np.sum(audio**2) / (np.sum(wet**2) + 1e-20))
    return audio + gain * wet


def delay_network(audio, strength, rng):
    """Feedback delay network of eight lines; RT60 0.15 to 3 s, wet energy −45 to 4 dB.

    Jot & Chaigne (1991), "Digital delay networks for designing artificial reverberators", AES.
    """
    rt60_s = geometric(blurred(strength, rng), 0.15, 3.0)
    wet_db = linear(blurred(strength, rng, 0.1), -45.0, 4.0)
    delays = _primes_between(100, int(rng.uniform(600, 1600)), N_LINES, rng)
    gains, damping = 10 ** (-3 * delays / (rt60_s * SAMPLE_RATE)), rng.uniform(0, 0.7)
    wet = _network(np.ascontiguousarray(audio, dtype=np.float64), delays, gains, damping)
    facts = {"rt60_s": rt60_s, "wet_db": wet_db, "damping": damping}
    return _with_wet(audio, wet, wet_db), facts


@numba.njit(cache=True)
def _comb(audio, delay, gain):
    result = np.zeros(len(audio))
    for n in range(delay, len(audio)):
        result[n] = audio[n - delay] + gain * result[n - delay]
    return result


@numba.njit(cache=True)
def _allpass(audio, delay, gain):
    line, result = np.zeros(delay), np.empty(len(audio))
    for n in range(len(audio)):
        old = line[n % delay]
        line[n % delay] = audio[n] + gain * old
        result[n] = old - gain * line[n % delay]
    return result


def schroeder_reverberator(audio, strength, rng):
    """Four plain combs and two all-passes; RT60 0.15 to 3 s, wet energy −45 to 4 dB.

    Schroeder (1962), "Natural sounding artificial reverberation", J. Audio Eng. Soc. 10: no
    damping, so it rings.
    """
    rt60_s = geometric(blurred(strength, rng), 0.15, 3.0)
    wet_db = linear(blurred(strength, rng, 0.1), -45.0, 4.0)
    audio = np.asarray(audio, dtype=np.float64)
    wet = np.zeros(len(audio))
    for delay in np.sort(rng.integers(480, 720, 4)):  # 30 to 45 ms
        wet += _comb(audio, delay, 10 ** (-3 * delay / (rt60_s * SAMPLE_RATE)))
    for delay in (80, 27):  # 5 and 1.7 ms
        wet = _allpass(wet, delay, 0.7)
    return _with_wet(audio, wet, wet_db), {"rt60_s": rt60_s, "wet_db": wet_db}


def echoes(audio, strength, rng):
    """One to six echoes after 3 to 200 ms, −45 to 0 dB each; at times they feed back."""
    level_db, count = linear(strength, -45.0, 0.0), int(rng.integers(1, 7))
    feeds_back = rng.random() < 0.3
    result = np.array(audio, dtype=np.float64)
    delays_ms = np.exp(rng.uniform(*np.log((3, 200)), count))
    for delay_ms in delays_ms:
        delay = round(delay_ms * SAMPLE_RATE / 1000)
        gain = 10 ** ((level_db + rng.uniform(-6, 0)) / 20) * rng.choice((-1, 1))
        if delay < len(audio):
            heard = _comb(np.asarray(audio, float), delay, 0.6 if feeds_back else 0.0)
            result += gain * heard
    facts = {
        "level_db": level_db, "count": count, "longest_ms": float(delays_ms.max()),
        "feeds_back": int(feeds_back),
    }  # fmt: skip
    return result, facts
