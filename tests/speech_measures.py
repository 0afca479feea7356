"""What published measurements of speech are compared with: spectrum and modulation of clips."""

import numpy as np
from scipy.signal import butter, sosfiltfilt

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.sources.average_speech import LTASS_DB

OCTAVES_HZ = (250, 500, 1000, 2000, 4000)
LTASS_TOLERANCE_DB = 3.5


def octave_power(audio):
    power = np.abs(np.fft.rfft(audio)) ** 2
    frequency_hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    return np.array(
        [
            power[(frequency_hz >= c / 2**0.5) & (frequency_hz < c * 2**0.5)].sum()
            for c in OCTAVES_HZ
        ]
    )


def distance_from_average_db(power):
    """Largest deviation of `octave_power` from the published average, level aside."""
    published = [
        sum(10 ** (level / 10) for f, level in LTASS_DB.items() if 0.7 < f / octave_hz < 1.42)
        for octave_hz in OCTAVES_HZ
    ]
    difference_db = 10 * np.log10(power / published)
    return np.abs(difference_db - difference_db.mean()).max()


def modulation_index(audio, centres_hz):
    """Modulation index of the intensity in one-third octave bands, mean over three octaves."""
    indices = []
    for octave_hz in (500, 1000, 2000):
        edges = (octave_hz / 2**0.5, octave_hz * 2**0.5)
        band = sosfiltfilt(butter(2, edges, "bandpass", fs=SAMPLE_RATE, output="sos"), audio)
        envelope = sosfiltfilt(butter(2, 40, fs=SAMPLE_RATE, output="sos"), band**2)[::160]
        power = np.abs(np.fft.rfft(envelope - envelope.mean())) ** 2
        rate_hz = np.fft.rfftfreq(len(envelope), 0.01)
        inside = [(rate_hz >= c / 2 ** (1 / 6)) & (rate_hz < c * 2 ** (1 / 6)) for c in centres_hz]
        indices.append([np.sqrt(power[band].sum()) / envelope.sum() for band in inside])
    return np.mean(indices, axis=0)
