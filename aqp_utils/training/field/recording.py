"""What innocent recordings differ in: room, microphone, levelling, noise floor, gate, band, coding.

A predictor that has only heard sterile clips takes every room and every floor for damage. So each
clean source of the `field` training is first recorded: all of this is in the reference as well, and
a clip that nothing else happened to keeps the top score.
"""

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from aqp_utils.core.audio import (
    ACTIVE_LEVEL_DBFS,
    FRAME_S,
    SAMPLE_RATE,
    active_mask,
    rms_dbfs,
    set_level_dbfs,
)
from aqp_utils.degradations.codecs import through_codec
from aqp_utils.degradations.dynamics import compressed, limited
from aqp_utils.degradations.noise import coloured_noise
from aqp_utils.degradations.rooms import decaying_response
from aqp_utils.degradations.strength import geometric
from aqp_utils.training.field.microphone import (
    LONGEST_DELAY_S,
    N_BUMPS,
    random_closeness,
    random_dispersion,
    random_response,
)

ROOM_SHARE, LEVELLED_SHARE, LIMITED_SHARE = 0.5, 0.6, 0.6
GATE_SHARE, CODED_SHARE, NO_FLOOR_SHARE, BAND_SHARE = 0.2, 0.1, 0.25, 0.3
CREST_DB = (8.0, 16.0)  # peak of a limited recording over its active level
LOWEST_FLOOR_DB, HIGHEST_FLOOR_DB = -85.0, -38.0  # relative to the active level


def as_recorded(audio, rng):
    """Record a dry clip once, under random conditions.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        Dry, at 16 kHz.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float64, shape (n,)
        Active level -26 dBFS.
    facts : dict of float
        drr_db (NaN: no room), ratio (of a compressor, NaN: none), crest_db (of a limiter, NaN:
        none), floor_db (noise floor relative to the active level, NaN: none), gate (0 or 1),
        coded_kbps (NaN: never coded).
    """
    audio = np.asarray(audio, dtype=np.float64)
    names = ("drr_db", "ratio", "crest_db", "floor_db", "coded_kbps")
    facts = dict.fromkeys(names, np.nan) | {"gate": 0.0}
    if rng.random() < ROOM_SHARE:
        rt60_s, facts["drr_db"] = np.exp(rng.uniform(*np.log((0.08, 0.6)))), rng.uniform(8, 40)
        room = decaying_response(rt60_s, facts["drr_db"], rng.uniform(0.3, 0.9), rng)
        audio = fftconvolve(audio, room)[: len(audio)]
    audio = through_microphone(audio, rng)
    if rng.random() < LEVELLED_SHARE:  # as broadcasters and announcements do, gently
        facts["ratio"] = geometric(rng.random(), 1.3, 6.0)
        attack_s, release_s = rng.uniform(0.003, 0.03), rng.uniform(0.05, 0.4)
        audio = compressed(audio, rng.uniform(0, 20), facts["ratio"], attack_s, release_s)
    audio = set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio))
    if rng.random() < LIMITED_SHARE:
        facts["crest_db"] = rng.uniform(*CREST_DB)
        peak = 10 ** ((ACTIVE_LEVEL_DBFS + facts["crest_db"]) / 20)
        audio = limited(audio, peak, geometric(rng.random(), 0.002, 0.02))
    if rng.random() >= NO_FLOOR_SHARE:
        # A triangular draw: most recordings are quiet, few are not.
        facts["floor_db"] = rng.triangular(LOWEST_FLOOR_DB, -65, HIGHEST_FLOOR_DB)
        floor = through_microphone(coloured_noise(len(audio), rng.uniform(0, 2.2), rng), rng)
        audio = audio + set_level_dbfs(floor, ACTIVE_LEVEL_DBFS + facts["floor_db"])
    if rng.random() < GATE_SHARE:
        audio, facts["gate"] = gated(audio, rng), 1.0
    if rng.random() < CODED_SHARE:
        facts["coded_kbps"] = float(rng.uniform(48, 128))
        codec = ("mp3", "opus")[rng.integers(2)]
        audio = through_codec(audio / max(1.0, np.abs(audio).max()), codec, facts["coded_kbps"])
    return set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio)), facts


def through_microphone(audio, rng):
    """A smooth random response, a high-pass, at times the upper end of a band; shape (n,)."""
    # Room at the end, or delayed samples would come back at the beginning.
    n = len(audio) + round(N_BUMPS * LONGEST_DELAY_S * SAMPLE_RATE)
    response = random_response(n, rng) * random_closeness(n, rng) * random_dispersion(n, rng)
    audio = np.fft.irfft(np.fft.rfft(audio, n) * response, n)[: len(audio)]
    sos = butter(2, geometric(rng.random(), 15, 150), "highpass", fs=SAMPLE_RATE, output="sos")
    audio = sosfilt(sos, audio)
    if rng.random() < BAND_SHARE:
        sos = butter(rng.integers(2, 7), rng.uniform(6500, 7900), fs=SAMPLE_RATE, output="sos")
        audio = sosfilt(sos, audio)
    return audio


def gated(audio, rng):
    """Turn pauses into digital silence, as noise gates and editors do, with short ramps."""
    frame = round(FRAME_S * SAMPLE_RATE)
    padded = np.pad(audio, (0, -len(audio) % frame)).reshape(-1, frame)
    levels = np.array([rms_dbfs(row) for row in padded])
    is_open = levels > levels.max() - rng.uniform(35, 50)
    hold = int(rng.integers(1, 6))  # frames that the gate stays open before and after
    is_open = np.convolve(is_open, np.ones(2 * hold + 1), mode="same") > 0
    gain = np.interp(np.arange(len(audio)), (np.arange(len(is_open)) + 0.5) * frame, is_open * 1.0)
    return np.where(gain > 0.01, audio * gain, 0.0)
