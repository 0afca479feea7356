"""Lost packets and how receivers hide them; short dropouts.

The damages take (audio, strength, rng) and return (audio, facts).
"""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.strength import geometric

CONCEALMENTS = ("silence", "repetition", "interpolation")
FADE_PER_FRAME = 0.7  # gain of each further repetition in a burst
JOIN_SAMPLES = 32  # 2 ms of cross-fade where sound and its substitute meet


def gilbert_losses(n_packets, loss_share, mean_burst, rng):
    """Which packets are lost, by a two-state Markov chain.

    Parameters
    ----------
    n_packets : int
    loss_share : float
        Expected share of lost packets, 0 to under 1.
    mean_burst : float
        Expected length of a run of losses, in packets; 1 / (1 − loss_share) is independent loss.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n_packets,)

    Notes
    -----
    Gilbert (1960), "Capacity of a burst-noise channel", with every packet of the bad state lost.
    """
    leave = 1 / max(mean_burst, 1 / (1 - loss_share))
    enter = leave * loss_share / (1 - loss_share)
    draws = rng.uniform(size=n_packets + 1)
    lost, state = np.zeros(n_packets, dtype=bool), draws[0] < loss_share
    for position in range(n_packets):
        lost[position] = state
        state = draws[position + 1] >= leave if state else draws[position + 1] < enter
    return lost


def _bursts(lost):
    """First packet and one past the last of every run of losses."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], lost.astype(int), [0]))))
    return edges.reshape(-1, 2)


def _repeated(source, n_frames, gains):
    return np.concatenate([source * gain for gain in gains[:n_frames]])


def conceal(audio, lost, frame, method):
    """Replace lost packets.

    Parameters
    ----------
    audio : ndarray, shape (n,)
    lost : ndarray of bool, shape (n_packets,)
    frame : int
        Samples per packet.
    method : str
        One of `CONCEALMENTS`: silence; the packet before, repeated and faded; the packets before
        and after, cross-faded over the gap.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        If the method is unknown.
    """
    if method not in CONCEALMENTS:
        raise ValueError(f"there is no concealment {method!r}; use {', '.join(CONCEALMENTS)}.")
    n = len(audio)
    result = np.pad(np.asarray(audio, dtype=np.float64), (0, len(lost) * frame - n))
    received = result.copy()
    for first, end in _bursts(lost):
        gap = slice(first * frame, end * frame)
        gains = FADE_PER_FRAME ** np.arange(end - first)
        before = result[(first - 1) * frame : first * frame] if first else np.zeros(frame)
        substitute = np.zeros((end - first) * frame)
        if method != "silence":
            substitute = _repeated(before, end - first, gains)
        if method == "interpolation" and end < len(lost):
            after = received[end * frame : (end + 1) * frame]
            new = (np.arange(len(substitute)) + 0.5) / len(substitute)
            following = _repeated(after, end - first, gains[::-1])
            substitute = substitute * np.cos(np.pi / 2 * new) + following * np.sin(np.pi / 2 * new)
        result[gap] = substitute
        if method != "silence":
            _join(result, received, gap.stop, before)
    return result[:n]


def _join(result, received, start, before):
    """Cross-fade from the substitute's continuation into the packet that came."""
    length = min(JOIN_SAMPLES, len(before), len(result) - start)
    if length > 0:
        new = (np.arange(length) + 0.5) / length
        joined = slice(start, start + length)
        result[joined] = (1 - new) * 0.5 * before[:length] + new * received[joined]


def packet_loss(audio, strength, rng):
    """Loss of 0.3 to 45 % of packets of 10, 20 or 40 ms, alone or in bursts of up to 5."""
    loss_share = geometric(strength, 0.003, 0.45)
    packet_ms, method = float(rng.choice([10, 20, 40])), str(rng.choice(CONCEALMENTS))
    mean_burst = float(rng.choice([1.0, rng.uniform(1, 5)]))
    frame = int(packet_ms * SAMPLE_RATE / 1000)
    n_packets = -(-len(audio) // frame)
    lost = gilbert_losses(n_packets, loss_share, mean_burst, rng)
    if not lost.any():  # a short clip may escape by chance, and would then be an untouched copy
        lost[rng.integers(n_packets)] = True
    facts = {
        "loss_share": loss_share, "lost_share": float(np.mean(lost)), "packet_ms": packet_ms,
        "mean_burst": mean_burst, "concealment": method,
    }  # fmt: skip
    return conceal(audio, lost, frame, method), facts


def dropouts(audio, strength, rng):
    """Mutes of 2 to 150 ms with soft edges, 0.2 to 50 % of the time."""
    mean_ms, muted_share = float(np.exp(rng.uniform(0.7, 5.0))), geometric(strength, 0.002, 0.5)
    n, edge = len(audio), 16  # 1 ms
    total, gain = 0, np.ones(n + 2 * edge)
    while total < muted_share * n:
        length = max(2 * edge, int(rng.uniform(0.5, 1.5) * mean_ms * SAMPLE_RATE / 1000))
        length = min(length, n // 2)
        start = int(rng.integers(0, n - length + 1))
        gain[edge + start : edge + start + length] = 0
        total += length
    window = np.ones(edge) / edge
    smooth = np.convolve(gain, window, mode="same")[edge : edge + n]
    facts = {"mean_ms": mean_ms, "muted_share": float(1 - np.mean(smooth))}
    return audio * smooth, facts
