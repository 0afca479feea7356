"""Voiced sound as a sum of harmonics: glottal pulses, vocal tract and breath."""

from dataclasses import dataclass
from functools import cache

import numba
import numpy as np
from scipy.optimize import brentq

from aqp_utils.core.audio import SAMPLE_RATE

HOP = 80  # samples between frames of the envelope: 5 ms
NOISE_FRAME = 2 * HOP
NOISE_HZ = np.fft.rfftfreq(NOISE_FRAME, 1 / SAMPLE_RATE)
TOP_HZ = 7700.0  # no harmonic above it
UPPER_FORMANTS_HZ = np.array([3500.0, 4500.0, 5600.0, 6800.0])  # F4 to F7 of a man's tract
WIDTHS_HZ = np.array([65.0, 85, 130, 190, 260, 350, 450])
RD_GRID = np.linspace(0.35, 2.6, 19)


@dataclass(frozen=True)
class Tract:
    """Spectral envelope, one row per 5 ms frame."""

    formants_hz: np.ndarray  # (frames, 7)
    widths_hz: np.ndarray  # (7,)
    gains_db: np.ndarray  # (frames, 7)
    zero_hz: np.ndarray  # (frames,)
    zero_depth: np.ndarray  # (frames,)
    ripple_db: np.ndarray  # (k,)


def frame_times_s(n):
    """Times (s) of the frames that cover `n` samples."""
    return np.arange(n // HOP + 2) * HOP / SAMPLE_RATE


@numba.njit
def _response(frequency_hz, formants_hz, widths_hz, weights, zero_hz, zero_depth):
    """Parallel formants with an anti-formant, complex, at frequency_hz (frames, m)."""
    frames, m = frequency_hz.shape
    out = np.zeros((frames, m), dtype=np.complex128)
    for i in range(frames):
        for k in range(m):
            f = frequency_hz[i, k]
            if f > 8000.0:
                break
            total = 0.0 + 0.0j
            for j in range(formants_hz.shape[1]):
                centre2 = formants_hz[i, j] ** 2
                total += weights[i, j] * centre2 / (centre2 - f * f + 1j * f * widths_hz[j])
            if zero_depth[i] > 0:
                width = 0.25 * zero_hz[i]
                dip = 1j * f * width / (zero_hz[i] ** 2 - f * f + 1j * f * width)
                total *= 1 - zero_depth[i] * dip
            out[i, k] = total
    return out


def tract_response(tract, frequency_hz):
    """Complex envelope (frames, m) of `tract` at `frequency_hz` (frames, m).

    The weight of each resonance is its residue in the cascade of all of them, times its gain.
    """
    centre2 = tract.formants_hz**2
    gap = centre2[:, None, :] - centre2[:, :, None]  # (frames, i, j): F_j^2 - F_i^2
    floor = 0.15 * centre2[:, None, :]
    gap = np.where(np.abs(gap) < floor, np.copysign(floor, gap), gap)
    ratio = centre2[:, None, :] / gap
    ratio[:, np.arange(7), np.arange(7)] = 1.0
    weights = ratio.prod(axis=2) * 10 ** (tract.gains_db / 20)
    shape = _response(
        frequency_hz, tract.formants_hz, tract.widths_hz, weights, tract.zero_hz, tract.zero_depth
    )
    shape *= 1 + (frequency_hz / 5000) ** 2  # stands in for the poles above F7 (Fant 1960)
    bark = 13 * np.arctan(0.00076 * frequency_hz) + 3.5 * np.arctan((frequency_hz / 7500) ** 2)
    axis = np.linspace(0, 23, 93)
    ripple = np.cos(np.pi * axis[:, None] / 23 * np.arange(2, 2 + len(tract.ripple_db)))
    return shape * 10 ** (np.interp(bark, axis, ripple @ tract.ripple_db) / 20)


def lf_pulse(rd, n):
    """One period (n,) of the LF model of the glottal flow derivative.

    Shape by Rd alone (Fant 1995); the open phase grows as exp(at) sin(wt), the return phase is
    exponential, and the area of both is zero (Fant, Liljencrants & Lin 1985).
    """
    ra, rk = (4.8 * rd - 1) / 100, (22.4 + 11.8 * rd) / 100
    rg = 0.25 * rk / (0.11 * rd / (0.5 + 1.2 * rk) - ra)
    peak = 1 / (2 * rg)
    closing = min(peak * (1 + rk), 0.97)
    omega, left = np.pi / peak, 1 - closing
    ra = min(ra, 0.45 * left)
    epsilon = brentq(lambda e: e * ra - 1 + np.exp(-e * left), 0.1, 2 / ra)
    t = (np.arange(n) + 0.5) / n
    x = t - closing
    returned = -(np.exp(-epsilon * x) - np.exp(-epsilon * left)) / (epsilon * ra)

    def pulse(alpha):
        opened = np.exp(alpha * x) * np.sin(omega * t) / -np.sin(omega * closing)
        return np.where(x < 0, opened, returned)

    return pulse(brentq(lambda a: pulse(a).sum(), -60, 120))


@cache
def _glottal_harmonics():
    """Complex amplitudes (19, 180) of the harmonics of LF pulses, one row per Rd of the grid."""
    rows = [np.fft.rfft(lf_pulse(rd, 4096))[1:181] / 2048 for rd in RD_GRID]
    return np.array(rows)


def glottal_spectrum(rd, count):
    """Harmonics 1 to `count`, shape (frames, count), of LF pulses with `rd` (frames,)."""
    table = _glottal_harmonics()[:, :count]
    place = np.interp(rd, RD_GRID, np.arange(len(RD_GRID)))
    low = np.minimum(place.astype(int), len(RD_GRID) - 2)
    part = (place - low)[:, None]
    return (1 - part) * table[low] + part * table[low + 1]


@numba.njit
def harmonic_sum(phase_rad, amplitudes, counts):
    """Real part of the sum over k of amplitude_k exp(jk phase), shape (n,).

    `amplitudes` (frames, m), complex, are interpolated between frames of 5 ms; frame i uses its
    first `counts[i]`. Powers of exp(j phase) come from repeated multiplication.
    """
    out = np.zeros(len(phase_rad))
    for t in range(len(phase_rad)):
        i = t // HOP
        part = (t % HOP) / HOP
        turn_re, turn_im = np.cos(phase_rad[t]), np.sin(phase_rad[t])
        re, im = turn_re, turn_im
        total = 0.0
        for k in range(max(counts[i], counts[i + 1])):
            first, second = amplitudes[i, k], amplitudes[i + 1, k]
            total += re * (first.real + part * (second.real - first.real))
            total -= im * (first.imag + part * (second.imag - first.imag))
            re, im = re * turn_re - im * turn_im, re * turn_im + im * turn_re
        out[t] = total
    return out


def sample_phase(f0_hz, n):
    """Phase (rad, shape (n,)) of a tone whose F0 (Hz) is given per frame."""
    fine_hz = np.interp(np.arange(n), np.arange(len(f0_hz)) * HOP, f0_hz)
    return 2 * np.pi * np.cumsum(fine_hz) / SAMPLE_RATE


def voiced_part(f0_hz, rd, tract, max_voiced_hz, n):
    """Harmonics of a voice and their phase, two arrays of shape (n,).

    Parameters
    ----------
    f0_hz, rd : ndarray, shape (frames,)
    tract : Tract
    max_voiced_hz : float
        Harmonics fade out around it (maximum voiced frequency, Stylianou 2001).
    """
    counts = np.minimum(TOP_HZ / f0_hz, 179).astype(np.int64)
    number = np.arange(1, counts.max() + 1)
    frequency_hz = f0_hz[:, None] * number
    amplitudes = glottal_spectrum(rd, len(number)) * tract_response(tract, frequency_hz)
    amplitudes /= np.sqrt(1 + (frequency_hz / max_voiced_hz) ** 4)
    amplitudes[number > counts[:, None]] = 0
    phase = sample_phase(f0_hz, n)
    return harmonic_sum(phase, amplitudes, counts), phase


def shaped_noise(spectra, n, rng):
    """Gaussian noise (n,) whose amplitude spectrum follows `spectra` (frames, 81), 5 ms apart.

    Overlap-add of independent frames under a sine window: power is constant.
    """
    frames = len(spectra)
    white = rng.standard_normal((frames, NOISE_FRAME))
    window = np.sin(np.pi * (np.arange(NOISE_FRAME) + 0.5) / NOISE_FRAME)
    pieces = np.fft.irfft(np.fft.rfft(white) * spectra, axis=1) * window
    out = np.zeros((frames + 1, HOP))
    out[:-1] += pieces[:, :HOP]
    out[1:] += pieces[:, HOP:]
    return out.ravel()[HOP // 2 : HOP // 2 + n]


def breath_part(tract, n, rng):
    """Breath through the tract, shape (n,), RMS about 1."""
    grid_hz = np.broadcast_to(NOISE_HZ, (len(tract.zero_hz), len(NOISE_HZ)))
    shape = np.abs(tract_response(tract, grid_hz)) * NOISE_HZ / (NOISE_HZ + 1500)
    return shaped_noise(shape / np.sqrt(np.mean(shape**2)), n, rng)
