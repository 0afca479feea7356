"""What innocent recordings differ in: room, microphone, levelling, noise floor, gate, band, coding.

A predictor that has only heard sterile clips takes every room and every floor for damage. So each
clean source of the `field` training is first recorded: all of this is in the reference as well, and
a clip that nothing else happened to keeps the top score. The shares decide where scores fall:
listeners forgive the floor and the room of a home, and so does a label measured against it.
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
from aqp_utils.degradations.codecs.libsndfile import through_codec
from aqp_utils.degradations.dynamics import compressed, limited
from aqp_utils.degradations.enhancement import mildly_denoised
from aqp_utils.degradations.rooms import decaying_response
from aqp_utils.degradations.strength import geometric
from aqp_utils.training.field.floors import breath, floor_noise, mouth_noises
from aqp_utils.training.field.microphone import (
    LONGEST_DELAY_S,
    N_BUMPS,
    random_closeness,
    random_dispersion,
    random_response,
)

ROOM_SHARE, MOUTH_SHARE, BREATH_SHARE = 0.5, 0.2, 0.2
LEVELLED_SHARE, LEVELLED_LATE_SHARE, LIMITED_SHARE = 0.6, 0.3, 0.5
GATE_SHARE, DENOISED_SHARE, NO_FLOOR_SHARE, BAND_SHARE = 0.15, 0.2, 0.1, 0.3
CODED_SHARE, CODED_AGAIN_SHARE = 0.4, 0.25
RT60_S, VOLUME_M3 = (0.1, 0.7), (12.0, 150.0)
DISTANCE_M = (0.02, 0.06, 0.3)  # nearest, commonest, farthest: log-triangular
CREST_DB = (8.0, 16.0)  # peak of a limited recording over its active level
LOWEST_FLOOR_DB, COMMONEST_FLOOR_DB, HIGHEST_FLOOR_DB = -80.0, -42.0, -26.0  # re active level
CODED_KBPS = (40.0, 128.0)


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
        rt60_s and drr_db (NaN: no room), ratio (of a compressor, NaN: none), crest_db (of a
        limiter, NaN: none), floor_db (noise floor relative to the active level, NaN: none), gate
        and denoised (0 or 1), coded_kbps (of the first coding, NaN: never coded).
    """
    audio = np.asarray(audio, dtype=np.float64)
    names = ("rt60_s", "drr_db", "ratio", "crest_db", "floor_db", "coded_kbps")
    facts = dict.fromkeys(names, np.nan) | {"gate": 0.0, "denoised": 0.0}
    if rng.random() < MOUTH_SHARE:
        audio = mouth_noises(audio, rng)
    if rng.random() < ROOM_SHARE:
        audio = _in_a_room(audio, rng, facts)
    audio = through_microphone(audio, rng)
    late = rng.random() < LEVELLED_LATE_SHARE  # an automatic gain lifts the floor as well
    if rng.random() < LEVELLED_SHARE and not late:
        audio = _levelled(audio, rng, facts)
    audio = set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio))
    if rng.random() >= NO_FLOOR_SHARE:
        audio = _with_floor(audio, rng, facts)
    if late and rng.random() < LEVELLED_SHARE:
        audio = _levelled(audio, rng, facts)
    audio = set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio))
    audio = _edited(audio, rng, facts)
    return set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio)), facts


def _in_a_room(audio, rng, facts):
    """Reverberation of a room at a distance; the DRR follows from the critical distance."""
    facts["rt60_s"] = geometric(rng.random(), *RT60_S)
    distance_m = np.exp(rng.triangular(*np.log(DISTANCE_M)))
    critical_m = 0.057 * np.sqrt(geometric(rng.random(), *VOLUME_M3) / facts["rt60_s"])
    facts["drr_db"] = float(20 * np.log10(critical_m / distance_m))
    room = decaying_response(facts["rt60_s"], facts["drr_db"], rng.uniform(0.3, 0.9), rng)
    return fftconvolve(audio, room)[: len(audio)]


def _levelled(audio, rng, facts):
    """A gentle compressor, as broadcasters, announcers and telephones have it."""
    facts["ratio"] = geometric(rng.random(), 1.3, 6.0)
    attack_s, release_s = rng.uniform(0.003, 0.03), rng.uniform(0.05, 0.4)
    return compressed(audio, rng.uniform(0, 20), facts["ratio"], attack_s, release_s)


def _with_floor(audio, rng, facts):
    """A noise floor and at times a breath; most floors are about 40 dB under the voice."""
    facts["floor_db"] = rng.triangular(LOWEST_FLOOR_DB, COMMONEST_FLOOR_DB, HIGHEST_FLOOR_DB)
    floor, _ = floor_noise(len(audio), facts["floor_db"], rng)
    floor = through_microphone(floor, rng)
    audio = audio + set_level_dbfs(floor, ACTIVE_LEVEL_DBFS + facts["floor_db"])
    if rng.random() < BREATH_SHARE:
        gain = 10 ** ((ACTIVE_LEVEL_DBFS + rng.uniform(-45, -18)) / 20)
        audio = audio + gain * breath(len(audio), rng)
    return audio


def _edited(audio, rng, facts):
    """What is done to a recording before anybody gets it: limiter, denoiser, gate, coding."""
    if rng.random() < LIMITED_SHARE:
        facts["crest_db"] = rng.uniform(*CREST_DB)
        peak = 10 ** ((ACTIVE_LEVEL_DBFS + facts["crest_db"]) / 20)
        audio = limited(audio, peak, geometric(rng.random(), 0.002, 0.02))
    if rng.random() < DENOISED_SHARE:
        audio, facts["denoised"] = mildly_denoised(audio, rng), 1.0
    if rng.random() < GATE_SHARE:
        audio, facts["gate"] = gated(audio, rng), 1.0
    if rng.random() < CODED_SHARE:
        facts["coded_kbps"] = float(rng.uniform(*CODED_KBPS))
        audio = _coded(audio, facts["coded_kbps"], rng)
        if rng.random() < CODED_AGAIN_SHARE:
            audio = _coded(audio, rng.uniform(64, 128), rng)
    return audio


def _coded(audio, kbps, rng):
    codec = ("mp3", "opus")[rng.integers(2)]
    return through_codec(audio / max(1.0, np.abs(audio).max()), codec, kbps)


def through_microphone(audio, rng):
    """A smooth random response, a high-pass, at times the upper end of a band; shape (n,)."""
    # Room at the end, or delayed samples would come back at the beginning.
    n = len(audio) + round(N_BUMPS * LONGEST_DELAY_S * SAMPLE_RATE)
    response = random_response(n, rng) * random_closeness(n, rng) * random_dispersion(n, rng)
    audio = np.fft.irfft(np.fft.rfft(audio, n) * response, n)[: len(audio)]
    sos = butter(2, geometric(rng.random(), 15, 150), "highpass", fs=SAMPLE_RATE, output="sos")
    audio = sosfilt(sos, audio)
    if rng.random() < BAND_SHARE:
        order, cutoff_hz = rng.integers(2, 7), rng.triangular(5500, 7900, 7900)
        sos = butter(order, cutoff_hz, fs=SAMPLE_RATE, output="sos")
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
