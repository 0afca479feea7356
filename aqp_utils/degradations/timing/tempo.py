"""Tempo changes and back again: what a time stretcher leaves when it has been there.

The damages take (audio, strength, rng) and return (audio, facts).
"""

import librosa
import numba
import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.degrade import compression
from aqp_utils.degradations.strength import geometric, linear

WHOLE_SHARE = 0.85
COMMON_MS = (82.0, 14.68, 12.0)  # segment, search and overlap of a widespread tool


@numba.njit(cache=True)
def _best_start(audio, template, first, count):
    """Start in `first` … `first + count − 1` whose samples correlate best with `template`."""
    best, best_score = first + count // 2, -np.inf
    for start in range(first, first + count):
        if start < 0 or start + len(template) > len(audio):
            continue
        product, power = 0.0, 1e-12
        for n in range(len(template)):
            product += audio[start + n] * template[n]
            power += audio[start + n] ** 2
        score = product / np.sqrt(power)
        if score > best_score:
            best, best_score = start, score
    return best


@numba.njit(cache=True)
def _stretch(padded, offset, n_out, factor, segment, search, overlap):
    result = np.zeros(n_out + 2 * segment)
    hop, written, start = segment - overlap, 0, offset
    result[:segment] = padded[start : start + segment]
    while written + hop < n_out:
        template = padded[start + hop : start + segment].copy()
        written += hop
        wanted = offset + int(written / factor + 0.5)
        start = _best_start(padded, template, wanted - search // 2, max(search, 1))
        start = min(max(start, 0), len(padded) - segment)
        for n in range(overlap):
            new = (n + 0.5) / overlap
            result[written + n] = (1 - new) * template[n] + new * padded[start + n]
        result[written + overlap : written + segment] = padded[start + overlap : start + segment]
    return result[:n_out]


def wsola(audio, factor, segment_ms, search_ms, overlap_ms):
    """Stretch in time at the same pitch by waveform-similarity overlap-add.

    Parameters
    ----------
    audio : ndarray, shape (n,)
    factor : float
        New duration over old.
    segment_ms, search_ms, overlap_ms : float
        Segments overlap by `overlap_ms` and are taken where, within a window of `search_ms` around
        the wanted place, their start resembles the end of what is already written most.

    Returns
    -------
    ndarray, shape (round(n · factor),)

    Notes
    -----
    Verhelst & Roelands (1993), "An overlap-add technique based on waveform similarity (WSOLA) for
    high quality time-scale modification of speech", ICASSP.
    """
    segment, search, overlap = (
        max(2, round(ms * SAMPLE_RATE / 1000)) for ms in (segment_ms, search_ms, overlap_ms)
    )
    padded = np.pad(np.asarray(audio, dtype=np.float64), (search, segment + search))
    n_out = round(len(audio) * factor)
    return _stretch(padded, search, n_out, factor, segment, search, min(overlap, segment // 2))


def wsola_round_trip(audio, strength, rng):
    """Stretched by WSOLA and back, by a factor of 1.002 to 2.5 or one over it.

    Mostly the strength sets the factor; now and then the factor is drawn and the strength sets the
    share of the round trip in a mix with the clip.
    """
    if rng.uniform() < WHOLE_SHARE:
        wet, factor = 1.0, 1 + geometric(strength, 0.002, 1.5)
    else:
        wet, factor = linear(strength, 0.02, 1.0), 1 + float(np.exp(rng.uniform(-3, 0.4)))
    if rng.uniform() < 0.5:
        factor = 1 / factor
    settings_ms = COMMON_MS
    if rng.uniform() < 0.5:
        settings_ms = (rng.uniform(30, 110), rng.uniform(6, 20), rng.uniform(6, 15))
    away = wsola(audio, factor, *settings_ms)
    back = librosa.util.fix_length(
        wsola(away, len(audio) / len(away), *settings_ms), size=len(audio)
    )
    facts = {"factor": factor, "wet": wet} | dict(
        zip(("segment_ms", "search_ms", "overlap_ms"), settings_ms, strict=True)
    )
    return (1 - wet) * audio + wet * back, facts


def vocoder_round_trip(audio, strength, rng):
    """Share of a phase-vocoder round trip by 1.25 in a mix with the clip, 0.01 to 1."""
    wet = geometric(strength, 0.01, 1.0)
    return compression(audio, wet), {"wet": wet}
