"""Measure on the finished clip what a degradation was asked for: SNR, cutoff, decay time."""

import numpy as np

from aqp_utils.audio import SAMPLE_RATE, active_mask, rms_dbfs


def snr_db(clean, degraded):
    """SNR (dB) over the active part of `clean`, after fitting the gain between the two clips."""
    mask = active_mask(clean)
    gain = (degraded @ clean) / (clean @ clean)
    return rms_dbfs(gain * clean[mask]) - rms_dbfs((degraded - gain * clean)[mask])


def cutoff_hz(impulse_response):
    """Frequency (Hz) where a lowpass has lost 6 dB, from its impulse response, shape (n,)."""
    n_fft = 1 << 16
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(impulse_response, n_fft)) + 1e-12)
    below = np.flatnonzero(gain_db < gain_db[0] - 6.02)
    return below[0] * SAMPLE_RATE / n_fft


def rt60_s(impulse_response):
    """Reverberation time (s) from the −5 to −25 dB slope of the backward-integrated decay.

    Schroeder, J. Acoust. Soc. Am. 37, 409 (1965); T20 of ISO 3382-2. The direct sound (first 2 ms)
    is left out, as it is no part of the decay.
    """
    tail = np.asarray(impulse_response)[int(0.002 * SAMPLE_RATE) :]
    decay = np.cumsum(tail[::-1] ** 2)[::-1]
    decay_db = 10 * np.log10(decay / decay[0] + 1e-12)
    use = (decay_db < -5) & (decay_db > -25)
    slope_db_per_s = np.polyfit(np.flatnonzero(use) / SAMPLE_RATE, decay_db[use], 1)[0]
    return -60 / slope_db_per_s
