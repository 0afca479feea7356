"""Reverberation of three sorts: a statistical room, a shoebox of mirror images, a reverberator.

Every damage takes (audio, strength, rng) and returns (audio, facts). The direct sound stays in
place and at its level.
"""

import numba
import numpy as np
from scipy.signal import fftconvolve

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.strength import blurred, geometric, linear

SPEED_OF_SOUND = 343.0  # m/s
BAND_EDGES_HZ = (500.0, 2000.0, 4000.0)
DIRECT_SAMPLES = 40  # 2.5 ms after the direct sound still count as direct


def drr_of(response):
    """Direct-to-reverberant ratio of a response whose direct sound is at its start, dB."""
    late = np.sum(response[DIRECT_SAMPLES:] ** 2)
    return float(10 * np.log10(np.sum(response[:DIRECT_SAMPLES] ** 2) / (late + 1e-20)))


def decaying_response(rt60_s, drr_db, high_share, rng):
    """Exponential decay behind a unit direct sound, the highs dying first (Polack's model).

    Parameters
    ----------
    rt60_s : float
        Between 500 and 2000 Hz; 1.1 times as long below.
    drr_db : float
    high_share : float
        Reverberation time over 4 kHz as a share of `rt60_s`; in between the geometric mean.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (m,)
    """
    n = int(1.1 * rt60_s * SAMPLE_RATE)
    time_s = np.arange(n) / SAMPLE_RATE
    spectrum = np.fft.rfft(rng.standard_normal(n))
    band = np.searchsorted(BAND_EDGES_HZ, np.fft.rfftfreq(n, 1 / SAMPLE_RATE))
    tail = np.zeros(n)
    for position, share in enumerate((1.1, 1.0, np.sqrt(high_share), high_share)):
        part = np.fft.irfft(np.where(band == position, spectrum, 0), n)
        tail += part * 10 ** (-3 * time_s / (share * rt60_s))
    n_early = int(rng.integers(4, 12))
    arrival = rng.integers(DIRECT_SAMPLES, int(0.05 * SAMPLE_RATE), n_early)
    np.add.at(tail, arrival[arrival < n], 3 * rng.standard_normal(np.sum(arrival < n)))
    tail[:DIRECT_SAMPLES] = 0
    tail *= 10 ** (-drr_db / 20) / np.sqrt(np.sum(tail**2) + 1e-20)
    tail[0] = 1.0
    return tail


def statistical_room(audio, strength, rng):
    """Decaying noise and early reflections; RT60 0.1 to 1.8 s and DRR 45 to −8 dB, each its own."""
    rt60_s = geometric(blurred(strength, rng), 0.1, 1.8)
    drr_db, high_share = linear(blurred(strength, rng), 45.0, -8.0), rng.uniform(0.3, 0.9)
    response = decaying_response(rt60_s, drr_db, high_share, rng)
    facts = {"rt60_s": rt60_s, "drr_db": drr_db, "high_share": high_share}
    return fftconvolve(audio, response)[: len(audio)], facts


@numba.njit(cache=True)
def _image_sum(size_m, source_m, microphone_m, reflection, n):
    """Sum of all mirror images that arrive within `n` samples (Allen & Berkley 1979, eq. 10)."""
    response = np.zeros(n)
    reach_m = n / SAMPLE_RATE * SPEED_OF_SOUND
    top = np.ceil(reach_m / (2 * size_m)).astype(np.int64)
    for mx in range(-top[0], top[0] + 1):
        for px in range(2):
            dx = (1 - 2 * px) * source_m[0] + 2 * mx * size_m[0] - microphone_m[0]
            for my in range(-top[1], top[1] + 1):
                for py in range(2):
                    dy = (1 - 2 * py) * source_m[1] + 2 * my * size_m[1] - microphone_m[1]
                    if dx * dx + dy * dy > reach_m * reach_m:
                        continue
                    walls = abs(mx - px) + abs(mx) + abs(my - py) + abs(my)
                    for mz in range(-top[2], top[2] + 1):
                        for pz in range(2):
                            dz = (1 - 2 * pz) * source_m[2] + 2 * mz * size_m[2] - microphone_m[2]
                            distance_m = np.sqrt(dx * dx + dy * dy + dz * dz)
                            delay = int(distance_m / SPEED_OF_SOUND * SAMPLE_RATE + 0.5)
                            if delay < n:
                                hits = walls + abs(mz - pz) + abs(mz)
                                response[delay] += reflection**hits / distance_m
    return response


def shoebox_response(size_m, source_m, microphone_m, rt60_s):
    """Impulse response of a rectangular room by the image method.

    Parameters
    ----------
    size_m, source_m, microphone_m : array_like, shape (3,)
    rt60_s : float
        Sets one reflection coefficient for all six walls by Eyring's formula.

    Returns
    -------
    ndarray, shape (m,)
        Starts at the direct sound, which is 1; ends where the decay has fallen by about 45 dB.

    Notes
    -----
    Allen & Berkley (1979), "Image method for efficiently simulating small-room acoustics", JASA 65.
    Delays are rounded to samples, as in the paper.
    """
    size_m, source_m, microphone_m = (
        np.asarray(values, dtype=float) for values in (size_m, source_m, microphone_m)
    )
    volume = np.prod(size_m)
    surface = 2 * (size_m[0] * size_m[1] + size_m[1] * size_m[2] + size_m[0] * size_m[2])
    reflection = np.exp(-0.161 * volume / (surface * rt60_s) / 2)
    distance_m = np.linalg.norm(source_m - microphone_m)
    direct = int(distance_m / SPEED_OF_SOUND * SAMPLE_RATE + 0.5)
    n = direct + max(int(0.75 * rt60_s * SAMPLE_RATE), 2 * DIRECT_SAMPLES)
    return _image_sum(size_m, source_m, microphone_m, reflection, n)[direct:] * distance_m


def shoebox_room(audio, strength, rng):
    """A rectangular room by mirror images; RT60 0.06 to 0.8 s, distance 0.03 to 6 m."""
    rt60_s = geometric(blurred(strength, rng), 0.06, 0.8)
    distance_m = geometric(blurred(strength, rng), 0.03, 6.0)
    size_m = np.array([rng.uniform(3, 9), rng.uniform(2.5, 7), rng.uniform(2.3, 3.5)])
    source_m = size_m * rng.uniform(0.15, 0.85, 3)
    direction = rng.standard_normal(3) * (1, 1, 0.2)
    direction *= distance_m / np.linalg.norm(direction)
    microphone_m = np.clip(source_m + direction, 0.1, size_m - 0.1)
    if np.linalg.norm(microphone_m - source_m) < 0.02:  # pushed back onto the source by a wall
        microphone_m = np.clip(source_m - direction, 0.1, size_m - 0.1)
    response = shoebox_response(size_m, source_m, microphone_m, rt60_s)
    facts = {
        "rt60_s": rt60_s, "drr_db": drr_of(response), "volume_m3": float(np.prod(size_m)),
        "distance_m": float(np.linalg.norm(microphone_m - source_m)),
    }  # fmt: skip
    return fftconvolve(audio, response)[: len(audio)], facts


# Delays in samples at 44.1 kHz of a widely copied public-domain tuning ("Freeverb", 2000).
COMB_DELAYS = np.array([1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617])
ALLPASS_DELAYS = np.array([225, 341, 441, 556])


@numba.njit(cache=True)
def _combs(audio, delays, feedback, damping):
    """Sum of parallel combs with a one-pole low-pass in the loop (Moorer 1979)."""
    total = np.zeros(len(audio))
    for delay in delays:
        line, held = np.zeros(delay), 0.0
        for n in range(len(audio)):
            old = line[n % delay]
            held = old * (1 - damping) + held * damping
            line[n % delay] = audio[n] + feedback * held
            total[n] += old
    return total


@numba.njit(cache=True)
def _allpasses(audio, delays):
    """All-pass sections in series, gain 0.5 (Schroeder 1962), as the reverberator has them."""
    for delay in delays:
        line, result = np.zeros(delay), np.empty(len(audio))
        for n in range(len(audio)):
            old = line[n % delay]
            result[n] = old - audio[n]
            line[n % delay] = audio[n] + 0.5 * old
        audio = result
    return audio


def reverberator_tail(audio, reverberance, damping, scale):
    """Wet sound of a reverberator of eight combs and four all-passes.

    Parameters
    ----------
    audio : ndarray, shape (n,)
    reverberance : float
        0 to 100 %, as the `reverb` effect of SoX: loop gain 0.3 to 0.98 on an exponential.
    damping : float
        Of high frequencies, 0 to 1.
    scale : float
        Of all delays.

    Returns
    -------
    ndarray, shape (n,)

    Notes
    -----
    Schroeder (1962), "Natural sounding artificial reverberation"; Moorer (1979), "About this
    reverberation business".
    """
    rise = -1 / np.log(1 - 0.3)
    top = 100 / (np.log(1 - 0.98) * rise + 1)
    feedback = 1 - np.exp((reverberance - top) / (rise * top))
    ratio = scale * SAMPLE_RATE / 44_100
    combs = np.maximum(1, np.round(COMB_DELAYS * ratio)).astype(np.int64)
    allpasses = np.maximum(1, np.round(ALLPASS_DELAYS * ratio)).astype(np.int64)
    wet = _combs(0.015 * audio, combs, feedback, 0.2 + 0.3 * damping)
    return _allpasses(wet, allpasses)


def reverberator(audio, strength, rng):
    """Dry sound plus a reverberator; wet gain −48 to 12 dB, reverberance 10 to 100 %."""
    wet_db = linear(blurred(strength, rng, 0.1), -48.0, 12.0)
    reverberance = linear(blurred(strength, rng, 0.25), 10.0, 100.0)
    damping, scale = rng.uniform(0, 1), rng.uniform(0.5, 1.0)
    wet = reverberator_tail(np.ascontiguousarray(audio), reverberance, damping, scale)
    facts = {"wet_db": wet_db, "reverberance": reverberance, "damping": damping, "scale": scale}
    return audio + 10 ** (wet_db / 20) * wet, facts
