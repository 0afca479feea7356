"""What every clean source promises: a length that makes sense, the active level, headroom."""

import numpy as np

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, set_level_dbfs

SHORTEST_S = 0.5  # a shorter clip may hold nothing but an onset, or no voiced sound
PEAK_LIMIT = 0.95
ROUNDS = 40  # of lowering the crest by 1 dB


def sample_count(duration_s, what):
    """Samples in `duration_s`; `what` names the clip in the error.

    Raises
    ------
    ValueError
        If `duration_s` is under 0.5 or not a number.
    """
    if not SHORTEST_S <= duration_s < np.inf:
        raise ValueError(f"duration_s is {duration_s}; {what} takes {SHORTEST_S} s or more.")
    return int(round(duration_s * SAMPLE_RATE))


def finish_clip(audio):
    """Scale a dry sound to the active level and keep its peaks within full scale.

    A sound of higher crest than the headroom of 26 dB has its highest 20 ms frames turned down,
    1 dB a round, by a gain that moves smoothly: no sample is clipped.

    Parameters
    ----------
    audio : ndarray, shape (n,)

    Returns
    -------
    ndarray of float32, shape (n,)
        Active level -26 dBFS, peak at most 0.95.

    Raises
    ------
    ValueError
        If the sound is silent or not finite.
    """
    if not (np.isfinite(audio).all() and np.any(audio)):
        raise ValueError("The clip is silent or not finite; a clean source holds a finite sound.")
    for _ in range(ROUNDS):
        audio = set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio))
        if np.abs(audio).max() <= PEAK_LIMIT:
            break
        audio = audio * _turned_down(audio)
    return audio.astype(np.float32)


def _turned_down(audio):
    """Gain (n,) that takes 1 dB from the frames of 20 ms whose peak is near or over the limit."""
    frame = SAMPLE_RATE // 50
    padded = np.pad(np.abs(audio), (0, -len(audio) % frame)).reshape(-1, frame)
    loud = padded.max(axis=1) > PEAK_LIMIT * 10 ** (-1 / 20)
    wide = np.convolve(loud, np.ones(3), "same") > 0
    gain = np.where(wide, 10 ** (-1 / 20), 1.0)
    return np.interp(np.arange(len(audio)), (np.arange(len(gain)) + 0.5) * frame, gain)
