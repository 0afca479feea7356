"""Sound processors, turned up: what sways, rings, presses, drives and thins a voice.

Every damage takes (audio, strength, rng) and returns (audio, facts).
"""

import librosa
import numpy as np
from scipy.ndimage import gaussian_filter1d, zoom
from scipy.signal import butter, iirpeak, lfilter, sosfilt

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.randomness import log_uniform
from aqp_utils.degradations.spectrogram import HOP, N_FFT, sound_of, spectra_of
from aqp_utils.degradations.strength import blurred, geometric, linear

BINS_HZ = librosa.fft_frequencies(sr=SAMPLE_RATE, n_fft=N_FFT)
OCTAVES = np.log2(np.maximum(BINS_HZ, BINS_HZ[1]) / BINS_HZ[1])  # over the lowest bin


def swept_filter(audio, strength, rng):
    """Peaks and notches, 1 to 30 dB, that wander 0.1 to 8 times a second: phaser and wah."""
    depth_db, per_octave = geometric(strength, 1.0, 30.0), log_uniform(rng, 0.3, 4)
    spectra = spectra_of(audio)
    time_s = np.arange(spectra.shape[1]) * HOP / SAMPLE_RATE
    rate_hz = log_uniform(rng, 0.1, 8)
    sway = rng.uniform(0.1, 1.5) * np.sin(2 * np.pi * (rate_hz * time_s + rng.uniform()))
    wave = np.cos(2 * np.pi * (per_octave * (OCTAVES[:, None] + sway) + rng.uniform()))
    notched = rng.uniform(0.3, 4)  # the more, the narrower the notches between broad peaks
    gain_db = -depth_db * ((1 - wave) / 2) ** notched
    facts = {"depth_db": depth_db, "per_octave": per_octave, "rate_hz": rate_hz}
    return sound_of(spectra * 10 ** (gain_db / 20), len(audio)), facts


def wandering_response(audio, strength, rng):
    """A random response of 1 to 20 dB of deviation that is another one all the time."""
    spread_db, rate_hz = geometric(strength, 1.0, 20.0), log_uniform(rng, 0.3, 12)
    spectra, n_bands = spectra_of(audio), int(rng.integers(4, 33))
    n_times = max(2, round(rate_hz * len(audio) / SAMPLE_RATE) + 1)
    knots_db = spread_db * rng.standard_normal((n_bands, n_times))
    gain_db = zoom(knots_db, np.array(spectra.shape) / knots_db.shape, order=1)
    facts = {"spread_db": spread_db, "rate_hz": rate_hz, "bands": float(n_bands)}
    return sound_of(spectra * 10 ** (gain_db / 20), len(audio)), facts


def resonances(audio, strength, rng):
    """One to five resonances of quality 3 to 80 ring, −20 to 25 dB: pipes, plates, feedback."""
    level_db, count = linear(strength, -20.0, 25.0), int(rng.integers(1, 6))
    ringing = audio.copy()
    for _ in range(count):
        at_hz, quality = log_uniform(rng, 100, 7_000), log_uniform(rng, 3, 80)
        gain = 10 ** ((level_db + rng.uniform(-6, 0)) / 20) * float(rng.choice((-1.0, 1.0)))
        ringing += gain * lfilter(*iirpeak(at_hz, quality, fs=SAMPLE_RATE), audio)
    return ringing, {"level_db": level_db, "count": float(count)}


def bands_compressed(audio, strength, rng):
    """Two to six bands, each with its level pressed to its mean by 5 to 95 %, slow or fast."""
    ratio, n_bands = linear(strength, 0.05, 0.95), int(rng.integers(2, 7))
    frames, floor_db = log_uniform(rng, 1, 40), rng.uniform(-50, -25)
    spectra = spectra_of(audio)
    inner = np.sort(rng.choice(np.arange(4, 100), n_bands - 1, replace=False))
    result = np.empty_like(spectra)
    for band in np.split(np.arange(len(spectra)), inner):
        level = np.sqrt(np.mean(np.abs(spectra[band]) ** 2, axis=0))
        level = gaussian_filter1d(level, frames)
        mean = np.sqrt(np.mean(level**2)) + 1e-12
        relative = np.maximum(level / mean, 10 ** (floor_db / 20))
        result[band] = spectra[band] * relative**-ratio
    return sound_of(result, len(audio)), {"ratio": ratio, "bands": float(n_bands)}


def distorted_band(audio, strength, rng):
    """One band, driven hard, is added, −35 to 5 dB under the voice: exciter, torn membrane."""
    added_db, low_hz = linear(strength, -35.0, 5.0), log_uniform(rng, 100, 4_000)
    high_hz = min(7_500.0, low_hz * 2 ** rng.uniform(0.5, 3))
    band = sosfilt(butter(2, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE, output="sos"), audio)
    drive = log_uniform(rng, 1, 10)
    driven = band * drive / (np.std(band) + 1e-12)
    bends = (np.tanh, np.abs, lambda x: np.clip(x, -0.5, 2.0))
    driven = bends[rng.integers(len(bends))](driven)
    driven = driven - np.mean(driven)
    added = driven * np.std(audio) / (np.std(driven) + 1e-12) * 10 ** (added_db / 20)
    return audio + added, {"added_db": added_db, "low_hz": low_hz, "high_hz": high_hz}


def holes(audio, strength, rng):
    """Rectangles of 20 to 400 ms and a third to two octaves, 1 to 70 % of all, lose 6 to 60 dB."""
    share, depth_db = geometric(strength, 0.01, 0.7), linear(blurred(strength, rng), 6.0, 60.0)
    spectra = spectra_of(audio)
    gain, n_frames = np.ones(spectra.shape), spectra.shape[1]
    while np.mean(gain < 1) < share:
        middle, width = rng.uniform(2, OCTAVES[-1]), rng.uniform(1 / 3, 2)
        rows = np.abs(OCTAVES - middle) <= width / 2
        length = max(1, round(log_uniform(rng, 0.02, 0.4) * SAMPLE_RATE / HOP))
        first = int(rng.integers(-length + 1, n_frames))
        gain[rows, max(0, first) : first + length] = 10 ** (-depth_db / 20)
    return sound_of(gain * spectra, len(audio)), {"share": share, "depth_db": depth_db}


def rounded_levels(audio, strength, rng):
    """Levels of all cells of the spectrogram in steps of 1 to 25 dB, faint ones not at all."""
    step_db, below_db = geometric(strength, 1.0, 25.0), linear(blurred(strength, rng), 80.0, 25.0)
    spectra = spectra_of(audio)
    level_db = 20 * np.log10(np.abs(spectra) / np.max(np.abs(spectra)) + 1e-9)
    rounded_db = step_db * np.round(level_db / step_db + rng.uniform(-0.5, 0.5))
    gain = np.where(level_db < -below_db, 0.0, 10 ** ((rounded_db - level_db) / 20))
    return sound_of(gain * spectra, len(audio)), {"step_db": step_db, "below_db": below_db}
