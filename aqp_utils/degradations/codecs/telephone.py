"""A telephone call from end to end, and low-passes as steep as digital filters are.

Every damage takes (audio, strength, rng) and returns (audio, facts).
"""

import numpy as np
from scipy.signal import butter, ellip, firwin, oaconvolve, sosfilt

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.degradations.bands import at_rate
from aqp_utils.degradations.codecs.libsndfile import (
    WAVEFORM_CODECS,
    at_working_level,
    through_file,
    waveform_codecs,
)
from aqp_utils.degradations.strength import blurred, geometric, linear

LINE_HZ = 8_000


def call(audio, strength, rng):
    """Band of a handset, 8 kHz, one to four waveform codecs in a row, milder or coarser."""
    names = waveform_codecs()
    low_hz = geometric(rng.random(), 60, 350)
    count = 1 + int(rng.binomial(3, 0.7 * strength))
    drawn = [names[round(blurred(strength, rng, 0.2) * (len(names) - 1))] for _ in range(count)]
    band = butter(int(rng.choice([1, 2, 4])), low_hz, "highpass", fs=LINE_HZ, output="sos")
    is_narrow = rng.random() < 0.6

    def line(low):
        if is_narrow:
            low = sosfilt(band, low)
        for name in drawn:
            low = through_file(low, LINE_HZ, *WAVEFORM_CODECS[name])
        return low

    heard = at_working_level(audio, lambda x: at_rate(x, LINE_HZ, line))
    return heard, {"codecs": ", ".join(drawn), "low_hz": low_hz if is_narrow else 0.0}


def companded(audio, strength, rng):
    """µ-law or A-law at 16 to 6 kHz, spoken at −15 to −65 dBFS: the softer, the fewer steps."""
    rate_hz = int(rng.choice([6_000, 8_000, 8_000, 11_025, 16_000]))
    law, level_dbfs = str(rng.choice(["mu-law", "A-law"])), linear(strength, -15.0, -65.0)
    gain = 10 ** ((level_dbfs - rms_dbfs(audio[active_mask(audio)])) / 20)
    gain = min(gain, 0.9 / np.max(np.abs(audio)))

    def process(low):
        return through_file(low, rate_hz, *WAVEFORM_CODECS[law])

    heard = at_rate(gain * audio, rate_hz, process) / gain
    return heard, {"law": law, "rate_hz": float(rate_hz), "level_dbfs": level_dbfs}


def gsm(audio, strength, rng):
    """GSM 06.10 at 8 kHz, one to four times in a row."""
    passes = 1 + round(3 * strength)

    def process(low):
        for _ in range(passes):
            low = through_file(low, LINE_HZ, *WAVEFORM_CODECS["GSM 06.10"])
        return low

    heard = at_working_level(audio, lambda x: at_rate(x, LINE_HZ, process))
    return heard, {"passes": float(passes)}


def lowpass_brick_wall(audio, strength, rng):
    """Linear-phase FIR or elliptic low-pass, nothing left above 7800 to 250 Hz."""
    cutoff_hz = geometric(strength, 7800, 250)
    kind = str(rng.choice(["FIR", "elliptic"]))
    if kind == "FIR":
        n_taps = 2 * round(2 * SAMPLE_RATE / cutoff_hz * rng.uniform(2, 8)) + 1
        taps = firwin(n_taps, min(cutoff_hz, 7_900), fs=SAMPLE_RATE)
        filtered = oaconvolve(audio, taps)[n_taps // 2 :][: len(audio)]
    else:
        sos = ellip(7, 0.3, rng.uniform(40, 80), cutoff_hz, fs=SAMPLE_RATE, output="sos")
        filtered = sosfilt(sos, audio)
    return np.asarray(filtered), {"cutoff_hz": cutoff_hz, "kind": kind}
