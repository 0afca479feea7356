"""Measure on finished clips what a degradation was asked for: SNR, SDR, cutoff, decay, mix."""

import numpy as np
import pandas as pd

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs, set_level_dbfs
from aqp_utils.data.clips import read_pair, stream_of
from aqp_utils.degradations.degrade import (
    DEGRADATIONS,
    lowpass,
    room_impulse_response,
    sample_parameter,
    si_sdr_db,
    stretch_round_trip,
)


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


def wet_share(clean, degraded):
    """Share (0-1) of the time-stretch round trip in a clip, by least squares on dry and wet."""
    wet = np.zeros(len(clean))
    smeared = set_level_dbfs(stretch_round_trip(clean), rms_dbfs(clean))[: len(clean)]
    wet[: len(smeared)] = smeared
    (dry_gain, wet_gain), *_ = np.linalg.lstsq(np.stack([clean, wet], 1), degraded, rcond=None)
    return wet_gain / (dry_gain + wet_gain)


def _measured(row, folder, seed):
    """What the finished clip of `row` shows; filters and rooms are measured on an impulse."""
    if row.kind == "lowpass":
        impulse = np.zeros(SAMPLE_RATE)
        impulse[len(impulse) // 2] = 1.0
        return cutoff_hz(lowpass(impulse, row.parameter))
    if row.kind == "reverb":  # the very room of this clip, from its own random stream
        rng = stream_of(seed, row)
        sample_parameter(row.kind, row.severity, rng)
        return rt60_s(room_impulse_response(row.parameter, rng))
    on_clips = {"noise": snr_db, "clip": si_sdr_db, "compression": wet_share}
    return on_clips[row.kind](*read_pair(folder, row))


def check_parameters(folder, table, seed):
    """Measure clips of a degraded folder and put the result beside the request.

    Parameters
    ----------
    folder : path
        The folder `02_degraded`.
    table : DataFrame
        Rows of its clips.csv.
    seed : int

    Returns
    -------
    DataFrame
        Columns clip, kind, quantity (with unit), requested, measured.
    """
    rows = [
        dict(
            clip=row.clip,
            kind=row.kind,
            quantity=f"{DEGRADATIONS[row.kind].parameter} ({row.unit})".removesuffix(" (1)"),
            requested=row.parameter,
            measured=_measured(row, folder, seed),
        )
        for row in table.itertuples()
    ]
    return pd.DataFrame(rows)
