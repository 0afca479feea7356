"""What effect racks, radios that are off tune and cheap converters do to a voice.

Every damage takes (audio, strength, rng) and returns (audio, facts).
"""

import numpy as np
from scipy.signal import hilbert, istft, stft

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.randomness import log_uniform
from aqp_utils.degradations.noise import random_equaliser_db
from aqp_utils.degradations.strength import blurred, geometric, linear
from aqp_utils.degradations.timing.clocks import read_at

GATE_WINDOW = 512  # samples, 32 ms


def _angle(hz, n, rng):
    """Angle (rad) of a slow wave of `hz` from a random start, shape (n,)."""
    return 2 * np.pi * (hz * np.arange(n) / SAMPLE_RATE + rng.uniform())


def tremolo(audio, strength, rng):
    """Level that sways 1 to 20 times a second by 5 to 100 %, softly or in steps: fading radio."""
    depth, rate_hz = geometric(strength, 0.05, 1.0), log_uniform(rng, 1, 20)
    edge = log_uniform(rng, 0.3, 10)  # the more, the squarer
    sway = np.tanh(edge * np.sin(_angle(rate_hz, len(audio), rng))) / np.tanh(edge)
    return audio * (1 - depth * (1 + sway) / 2), {"depth": depth, "rate_hz": rate_hz}


def ring_modulation(audio, strength, rng):
    """A share of 3 to 100 % is multiplied by a tone of 15 to 1,000 Hz."""
    share, carrier_hz = geometric(strength, 0.03, 1.0), log_uniform(rng, 15, 1_000)
    ring = np.sqrt(2) * np.sin(_angle(carrier_hz, len(audio), rng))
    return audio * (1 - share + share * ring), {"share": share, "carrier_hz": carrier_hz}


def frequency_shift(audio, strength, rng):
    """All frequencies are moved by 0.1 to 200 Hz up or down: single sideband, not quite tuned."""
    shift_hz = geometric(strength, 0.1, 200.0) * float(rng.choice((-1.0, 1.0)))
    time_s = np.arange(len(audio)) / SAMPLE_RATE
    shifted = np.real(hilbert(audio) * np.exp(2j * np.pi * shift_hz * time_s))
    return shifted, {"shift_hz": shift_hz}


def swaying_echoes(audio, strength, rng):
    """One to three copies, 0.5 to 25 ms late and swaying: flanger and chorus."""
    wet, n_copies, n = geometric(strength, 0.03, 1.0), int(rng.integers(1, 4)), len(audio)
    result = audio.copy()
    for _ in range(n_copies):
        late_s, sway_hz = log_uniform(rng, 5e-4, 0.025), log_uniform(rng, 0.1, 4)
        late_s = late_s * (1 + rng.uniform(0.1, 0.9) * np.sin(_angle(sway_hz, n, rng)))
        copy = read_at(audio, np.maximum(np.arange(n) - late_s * SAMPLE_RATE, 0))
        result += wet * float(rng.choice((-1.0, 1.0))) / n_copies * copy
    return result, {"wet": wet, "copies": float(n_copies)}


def equaliser(audio, strength, rng):
    """A random response of eight bands, 1 to 18 dB of deviation: tone controls, turned up."""
    spread_db, n_bins = geometric(strength, 1.0, 18.0), len(audio) // 2 + 1
    response = 10 ** (random_equaliser_db(n_bins, spread_db, rng) / 20)
    return np.fft.irfft(np.fft.rfft(audio) * response, len(audio)), {"spread_db": spread_db}


def sample_and_hold(audio, strength, rng):
    """A share of 1 to 100 % is held at 12 to 1.5 kHz with no filter before or after: old games."""
    share, rate_hz = geometric(strength, 0.01, 1.0), log_uniform(rng, 1_500, 12_000)
    step = np.arange(len(audio)) * rate_hz / SAMPLE_RATE + rng.uniform()
    held = np.ceil((np.floor(step) - step) * SAMPLE_RATE / rate_hz).astype(int)
    held = audio[np.maximum(np.arange(len(audio)) + held, 0)]
    return audio + share * (held - audio), {"share": share, "rate_hz": rate_hz}


def spectral_gate(audio, strength, rng):
    """Cells of the spectrogram 60 to 6 dB under the loud ones of their band are cut."""
    below_db, floor_db = linear(strength, 60.0, 6.0), linear(blurred(strength, rng), -10, -60)
    _, _, cells = stft(audio, nperseg=GATE_WINDOW)
    level = np.abs(cells)
    loud = np.quantile(level, 0.95, axis=1, keepdims=True)
    gain = np.where(level < loud * 10 ** (-below_db / 20), 10 ** (floor_db / 20), 1.0)
    _, gated = istft(cells * gain, nperseg=GATE_WINDOW)
    gated = np.pad(gated, (0, max(0, len(audio) - len(gated))))[: len(audio)]
    return gated, {"below_db": below_db, "floor_db": floor_db}
