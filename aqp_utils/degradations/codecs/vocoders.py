"""Speech taken apart and put together again: linear prediction, mel bands, disturbed phases.

Every damage takes (audio, strength, rng) and returns (audio, facts).
"""

import librosa
import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter, lfiltic

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.spectrogram import N_FFT, sound_of, spectra_of
from aqp_utils.degradations.strength import blurred, geometric, linear

FRAME, HOP = 400, 160  # samples: 25 and 10 ms
ROUNDS = 6


def _coefficients(frame, order):
    """Linear prediction of one windowed frame (autocorrelation method), shape (order + 1,)."""
    windowed = frame * np.hanning(len(frame))
    lags = np.correlate(windowed, windowed, "full")[len(frame) - 1 : len(frame) + order]
    lags[0] = lags[0] * 1.0001 + 1e-12  # white noise 40 dB down, as coders have it
    return np.concatenate(([1.0], -solve_toeplitz(lags[:-1], lags[1:])))


def lpc_vocoder(audio, strength, rng):
    """Linear prediction whose residual gets noise, −30 dB to as loud as itself.

    The residual keeps the band that a codec would code, 8 to 1 kHz at last, and is noise above: an
    analysis-by-synthesis coder in small.
    """
    order, noise_db = int(rng.choice([8, 10, 16])), linear(strength, -30.0, 0.0)
    coded_hz = geometric(blurred(strength, rng, 0.2), 8000, 1000)
    padded = np.pad(np.asarray(audio, dtype=np.float64), (FRAME, 2 * FRAME))
    result, window = np.zeros(len(padded)), np.hanning(2 * HOP + 1)[:-1]
    margin = (FRAME - 2 * HOP) // 2
    for start in range(0, len(padded) - FRAME, HOP):
        a = _coefficients(padded[start : start + FRAME], order)
        here = slice(start + margin, start + margin + 2 * HOP)
        past = padded[here.start - order : here.start]
        residual = lfilter(a, 1, padded[here.start - order : here.stop])[order:]
        coded = _noisy_residual(residual, noise_db, coded_hz, rng)
        synthesised, _ = lfilter([1.0], a, coded, zi=lfiltic([1.0], a, past[::-1]))
        result[here] += window * synthesised
    facts = {"order": order, "noise_db": noise_db, "coded_hz": coded_hz}
    return result[FRAME : FRAME + len(audio)], facts


def _noisy_residual(residual, noise_db, coded_hz, rng):
    spectrum = np.fft.rfft(residual)
    noise = np.fft.rfft(rng.standard_normal(len(residual)) * np.std(residual))
    lost = np.fft.rfftfreq(len(residual), 1 / SAMPLE_RATE) > coded_hz
    spectrum = np.where(lost, noise, spectrum + 10 ** (noise_db / 20) * noise)
    return np.fft.irfft(spectrum, len(residual))


def _through_mel_bands(size, n_mels):
    """Each bin as the mean of the mel bands that it is part of; shape of `size`."""
    bands = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=n_mels, norm=None)
    means = (bands @ size) / np.maximum(bands.sum(axis=1, keepdims=True), 1e-9)
    return (bands.T @ means) / np.maximum(bands.sum(axis=0)[:, None], 1e-9)


def mel_vocoder(audio, strength, rng):
    """Magnitudes more and more as 80 to 20 mel bands know them, phases found again in 6 rounds.

    The phases start from the true ones with an error of 0.05 to 1.5 rad, as a good or a poor
    vocoder would find them; Griffin & Lim (1984), IEEE TASSP 32.
    """
    n_mels = round(geometric(blurred(strength, rng), 80, 20))
    share, error_rad = geometric(strength, 0.02, 1.0), geometric(strength, 0.05, 1.5)
    spectra = spectra_of(audio, HOP)
    size = np.abs(spectra)
    size = (1 - share) * size + share * _through_mel_bands(size, n_mels)
    phases = np.angle(spectra) + error_rad * rng.standard_normal(spectra.shape)
    for _ in range(ROUNDS):
        sound = sound_of(size * np.exp(1j * phases), len(audio), HOP)
        phases = np.angle(spectra_of(sound, HOP))
    facts = {"n_mels": n_mels, "share": share, "error_rad": error_rad}
    return sound_of(size * np.exp(1j * phases), len(audio), HOP), facts


def disturbed_phases(audio, strength, rng):
    """Magnitudes as they are, phases off by 0.02 to 3 rad, in all bins or above a frequency."""
    error_rad = geometric(strength, 0.02, 3.0)
    from_hz = 0.0 if rng.random() < 0.5 else float(rng.uniform(500, 3000))
    spectra = spectra_of(audio, HOP)
    wrong = librosa.fft_frequencies(sr=SAMPLE_RATE, n_fft=N_FFT)[:, None] >= from_hz
    turned = spectra * np.exp(1j * error_rad * wrong * rng.standard_normal(spectra.shape))
    return sound_of(turned, len(audio), HOP), {"error_rad": error_rad, "from_hz": from_hz}
