"""Enhancement that went wrong: over-suppression by a Wiener filter, torn masks, smeared speech.

Every damage takes (audio, strength, rng) and returns (audio, facts). `mildly_denoised` is what
recordings go through without harm.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from aqp_utils.core.audio import active_mask, rms_dbfs, set_level_dbfs
from aqp_utils.degradations.noise import coloured_noise
from aqp_utils.degradations.spectrogram import sound_of, spectra_of
from aqp_utils.degradations.strength import blurred, geometric, linear


def _floor(power, share=0.2):
    """Noise power of each bin: the mean of its quietest frames, shape (bins, 1)."""
    ordered = np.sort(power, axis=1)
    return ordered[:, : max(1, int(share * power.shape[1]))].mean(axis=1, keepdims=True) + 1e-20


def wiener_gain(power, noise, memory, over, lowest):
    """Decision-directed Wiener gain, shape of `power`.

    Parameters
    ----------
    power : ndarray, shape (bins, frames)
    noise : ndarray, shape (bins, 1)
    memory : float
        0 to 1: of the a-priori SNR (Ephraim & Malah 1984, IEEE TASSP 32).
    over : float
        Over-estimation of the noise; 1 is none.
    lowest : float
        Least gain.
    """
    gain, kept = np.empty_like(power), np.zeros(len(power))
    noise = over * noise[:, 0]
    for frame in range(power.shape[1]):
        posterior = power[:, frame] / noise
        prior = memory * kept / noise + (1 - memory) * np.maximum(posterior - 1, 0)
        gain[:, frame] = np.maximum(prior / (1 + prior), lowest)
        kept = gain[:, frame] ** 2 * power[:, frame]
    return gain


def over_suppressed(audio, strength, rng):
    """Noise of 35 to 0 dB SNR is added and taken away again, with more speech than is good."""
    snr_db = linear(blurred(strength, rng), 35.0, 0.0)
    over, memory = geometric(blurred(strength, rng), 0.7, 8.0), rng.uniform(0.6, 0.985)
    lowest = 10 ** (linear(blurred(strength, rng), -8.0, -40.0) / 20)
    mask = active_mask(audio)
    noise = coloured_noise(len(audio), rng.uniform(0, 1.5), rng)
    noise = set_level_dbfs(noise, rms_dbfs(audio[mask]) - snr_db, mask)
    spectra = spectra_of(audio + noise)
    power = np.abs(spectra) ** 2
    known = np.mean(np.abs(spectra_of(noise)) ** 2, axis=1, keepdims=True) + 1e-20
    gain = wiener_gain(power, known, memory, over, lowest)
    facts = {"snr_db": snr_db, "over": over, "memory": memory}
    return sound_of(gain * spectra, len(audio)), facts


def torn_mask(audio, strength, rng):
    """A mask of smooth random holes, 3 to 40 dB deep, over 5 to 60 % of time and frequency."""
    depth_db = linear(blurred(strength, rng), 3.0, 40.0)
    share = geometric(blurred(strength, rng), 0.05, 0.6)
    spectra = spectra_of(audio)
    grain = np.exp(rng.uniform(*np.log((0.7, 8)), 2))
    field = gaussian_filter(rng.standard_normal(spectra.shape), grain)
    weak = np.abs(spectra) < np.quantile(np.abs(spectra), 0.97)  # the loudest stays, as in masks
    hole = (field < np.quantile(field, share)) & weak
    gain = gaussian_filter(np.where(hole, 10 ** (-depth_db / 20), 1.0), grain / 3)
    facts = {"depth_db": depth_db, "share": share}
    return sound_of(gain * spectra, len(audio)), facts


def smeared(audio, strength, rng):
    """Magnitudes averaged over 2 to 12 frames and bins, as networks trained on squares answer."""
    share, width = geometric(strength, 0.03, 1.0), geometric(blurred(strength, rng), 0.5, 5.0)
    spectra = spectra_of(audio)
    size = np.abs(spectra)
    log_size = gaussian_filter(np.log(size + 1e-4 * size.max() + 1e-20), width)
    mixed = (1 - share) * size + share * np.exp(log_size)
    turned = mixed * np.exp(1j * np.angle(spectra))
    return sound_of(turned, len(audio)), {"share": share, "width": width}


def mildly_denoised(audio, rng):
    """A recording with its floor 4 to 14 dB lower, by a gentle Wiener filter, shape (n,)."""
    spectra = spectra_of(audio)
    power = np.abs(spectra) ** 2
    lowest = 10 ** (-rng.uniform(4, 14) / 20)
    gain = wiener_gain(power, _floor(power), 0.98, rng.uniform(0.7, 1.5), lowest)
    return sound_of(gain * spectra, len(audio))
