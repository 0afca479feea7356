"""Time-scale modification in unlike ways: there and back again, by one method or by two.

WSOLA and a plain phase vocoder are in `tempo`; here are SOLA on a fixed grid, pitch-synchronous
grains, plain overlap-add and a phase vocoder with locked phases. Every damage takes (audio,
strength, rng) and returns (audio, facts).
"""

import librosa
import numba
import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.strength import geometric
from aqp_utils.degradations.timing.tempo import COMMON_MS, _best_start, wsola

PITCH_HZ = (70.0, 350.0)
UNVOICED_HOP = 96  # samples between the marks of sounds without pitch, 6 ms


def _fitted(audio, n):
    return librosa.util.fix_length(np.asarray(audio, dtype=np.float64), size=n)


@numba.njit(cache=True)
def _overlap_add(padded, offset, n_out, factor, frame, search):
    result, weight = np.zeros(n_out + 2 * frame), np.zeros(n_out + 2 * frame)
    window = np.hanning(frame + 2)[1:-1]
    hop, last, written = frame // 2, offset, 0
    while written < n_out:
        start = offset + int(written / factor + 0.5)
        if search > 1 and written > 0:
            follows = padded[last + hop : last + hop + frame // 2].copy()
            start = _best_start(padded, follows, start - search // 2, search)
        start = min(max(start, 0), len(padded) - frame)
        for n in range(frame):
            result[written + n] += window[n] * padded[start + n]
            weight[written + n] += window[n]
        last, written = start, written + hop
    return (result / np.maximum(weight, 1e-3))[:n_out]


def overlap_add(audio, factor, frame_ms, search_ms=0.0):
    """Stretch by Hann frames with half overlap, shape (round(n · factor),).

    Parameters
    ----------
    audio : ndarray, shape (n,)
    factor : float
        New duration over old.
    frame_ms : float
    search_ms : float
        Width of the window in which the place of a frame is moved to where it continues the frame
        before best (synchronised overlap-add, Roucos & Wilgus 1985, ICASSP); 0 takes it as it
        falls, as granular players do.
    """
    frame = 2 * max(8, round(frame_ms * SAMPLE_RATE / 2000))
    search = round(search_ms * SAMPLE_RATE / 1000)
    edge = frame + search + 1
    padded = np.pad(np.asarray(audio, dtype=np.float64), (edge, 2 * edge))
    return _overlap_add(padded, edge, round(len(audio) * factor), factor, frame, search)


@numba.njit(cache=True)
def _pitch_marks(audio, shortest, longest, unvoiced_hop):
    """Samples about one period apart where there is a pitch, `unvoiced_hop` where there is none."""
    marks, here = [0], 0
    while here + 2 * longest < len(audio):
        frame = audio[here : here + longest]
        power, best, best_lag = np.sum(frame**2) + 1e-12, 0.0, 0
        for lag in range(shortest, longest):
            other = audio[here + lag : here + lag + longest]
            score = np.sum(frame * other) / np.sqrt(power * (np.sum(other**2) + 1e-12))
            if score > best:
                best, best_lag = score, lag
        here += best_lag if best > 0.6 else unvoiced_hop
        marks.append(here)
    return np.array(marks)


@numba.njit(cache=True)
def _grains(audio, marks, factor, n_out):
    result, weight = np.zeros(n_out), np.zeros(n_out)
    place, number = 0.0, 0
    while place < n_out and len(marks) > 1:
        wanted = place / factor
        while number + 1 < len(marks) and abs(marks[number + 1] - wanted) < abs(
            marks[number] - wanted
        ):
            number += 1
        following = min(number + 1, len(marks) - 1)
        period = max(marks[following] - marks[following - 1], 1)
        for offset in range(-period + 1, period):
            source, target = marks[number] + offset, int(place) + offset
            if 0 <= source < len(audio) and 0 <= target < n_out:
                gain = 0.5 + 0.5 * np.cos(np.pi * offset / period)
                result[target] += gain * audio[source]
                weight[target] += gain
        place += period
    return result / np.maximum(weight, 0.1)


def pitch_synchronous(audio, factor):
    """Stretch by repeating or skipping grains of two periods, shape (round(n · factor),).

    Moulines & Charpentier (1990), "Pitch-synchronous waveform processing techniques for
    text-to-speech synthesis using diphones", Speech Communication 9. The marks follow the
    autocorrelation and may miss: that is part of what such tools sound like.
    """
    audio = np.asarray(audio, dtype=np.float64)
    shortest, longest = (round(SAMPLE_RATE / hz) for hz in PITCH_HZ[::-1])
    padded = np.pad(audio, (0, 2 * longest))
    marks = _pitch_marks(padded, shortest, longest, UNVOICED_HOP)
    return _grains(padded, marks, factor, round(len(audio) * factor))


def locked_vocoder(audio, factor, n_fft):
    """Phase vocoder whose bins turn with the peak next to them, shape (round(n · factor),).

    Laroche & Dolson (1999), "Improved phase vocoder time-scale modification of audio", IEEE TSAP 7
    (identity phase locking).
    """
    hop = n_fft // 4
    window, turn = np.hanning(n_fft + 1)[:-1], 2 * np.pi * hop * np.arange(n_fft // 2 + 1) / n_fft
    padded = np.pad(np.asarray(audio, dtype=np.float64), (n_fft // 2, n_fft + hop))
    # Frames where they fall, not the nearest of a grid: the phases in a frame say when things are.
    starts = np.round(np.arange(0, len(audio), hop / factor)).astype(int)
    result = np.empty((len(turn), len(starts)), dtype=complex)
    phase = np.angle(np.fft.rfft(window * padded[:n_fft]))
    for column, start in enumerate(starts):
        here, next_ = (np.fft.rfft(window * padded[at : at + n_fft]) for at in (start, start + hop))
        nearest = _nearest_peak(np.abs(here))
        result[:, column] = here * np.exp(1j * (phase - np.angle(here))[nearest])
        step = np.angle(next_) - np.angle(here) - turn
        phase = np.angle(result[:, column]) + turn + step - 2 * np.pi * np.round(step / 2 / np.pi)
    length = round(len(audio) * factor)
    return _fitted(librosa.istft(result, n_fft=n_fft, hop_length=hop), length)


def _nearest_peak(size):
    """For each bin the nearest local maximum of `size` (ints, shape of `size`)."""
    inner = (size[1:-1] >= size[:-2]) & (size[1:-1] >= size[2:])
    peaks = np.flatnonzero(inner) + 1
    if len(peaks) == 0:
        return np.arange(len(size))
    borders = (peaks[1:] + peaks[:-1]) / 2
    return peaks[np.searchsorted(borders, np.arange(len(size)))]


def _wsola(audio, factor, rng):
    return wsola(audio, factor, *COMMON_MS)


def _sola(audio, factor, rng):
    return overlap_add(audio, factor, rng.uniform(20, 60), rng.uniform(6, 16))


def _plain(audio, factor, rng):
    return overlap_add(audio, factor, rng.uniform(15, 80))


def _psola(audio, factor, rng):
    return pitch_synchronous(audio, factor)


def _vocoder(audio, factor, rng):
    return locked_vocoder(audio, factor, int(rng.choice([512, 1024, 2048])))


METHODS = {
    "WSOLA": _wsola, "SOLA": _sola, "PSOLA": _psola, "vocoder": _vocoder, "overlap-add": _plain,
}  # fmt: skip


def _round_trip(audio, strength, rng, away, back):
    """Stretched by `away`, then brought to the old length by `back`: audio and facts."""
    factor = 1 + geometric(strength, 0.003, 1.5)
    if rng.uniform() < 0.5:
        factor = 1 / factor
    changed = METHODS[away](audio, factor, rng)
    returned = METHODS[back](changed, len(audio) / len(changed), rng)
    return _fitted(returned, len(audio)), {"factor": factor, "away": away, "back": back}


def sola_round_trip(audio, strength, rng):
    """Synchronised overlap-add there and back, by a factor of 1.003 to 2.5 or one over it."""
    return _round_trip(audio, strength, rng, "SOLA", "SOLA")


def psola_round_trip(audio, strength, rng):
    """Pitch-synchronous grains there and back, by a factor of 1.003 to 2.5 or one over it."""
    return _round_trip(audio, strength, rng, "PSOLA", "PSOLA")


def locked_vocoder_round_trip(audio, strength, rng):
    """Phase-locked vocoder there and back, by a factor of 1.003 to 2.5 or one over it."""
    return _round_trip(audio, strength, rng, "vocoder", "vocoder")


def mixed_round_trip(audio, strength, rng):
    """There by one method and back by another, by a factor of 1.003 to 2.5 or one over it."""
    away, back = rng.choice(list(METHODS), 2, replace=False)
    return _round_trip(audio, strength, rng, str(away), str(back))
