"""Percussion and textures: drums, claps, clicks, footsteps, bursts, rain, wind; with silence.

Nothing here has a steady pitch. Strokes are decaying modes and short noises on a rhythm; textures
are noise whose colour and level move slowly.
"""

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.sources.clean_clip import finish_clip, sample_count

TOP_HZ = 7500.0


def _seconds(duration_s):
    """Sample times (s) from 0 to `duration_s`."""
    return np.arange(int(duration_s * SAMPLE_RATE)) / SAMPLE_RATE


def _noise(low_hz, high_hz, n, rng, order=2):
    """Gaussian noise (n,) of RMS 1 between two corners."""
    band = butter(order, (low_hz, min(high_hz, TOP_HZ)), "bandpass", fs=SAMPLE_RATE, output="sos")
    sound = sosfilt(band, rng.standard_normal(n + 200))[200:]
    return sound / np.sqrt(np.mean(sound**2))


def _modes(t, hz, decay_s, height):
    """Sum of decaying sinusoids, shape (len(t),)."""
    return np.exp(t[:, None] * (2j * np.pi * hz - 1 / decay_s)).imag @ height


def _kick(rng):
    """A drum whose pitch falls as its skin relaxes."""
    t = _seconds(rng.uniform(0.15, 0.4))
    low_hz, sweep_hz = rng.uniform(45, 90), rng.uniform(60, 250)
    hz = low_hz + sweep_hz * np.exp(-t / rng.uniform(0.01, 0.04))
    body = np.sin(2 * np.pi * np.cumsum(hz) / SAMPLE_RATE) * np.exp(-t / rng.uniform(0.05, 0.15))
    click = _noise(1000, 5000, len(t), rng) * np.exp(-t / 0.003) * rng.uniform(0.05, 0.4)
    return body + click


def _skin(rng):
    """Tom, conga or bongo: modes of a round membrane (Fletcher & Rossing 1998)."""
    t = _seconds(rng.uniform(0.15, 0.5))
    hz = rng.uniform(80, 400) * np.array([1, 1.59, 2.14, 2.30, 2.65, 2.92, 3.5])
    decay_s = rng.uniform(0.04, 0.15) / np.arange(1, 8) ** 0.6
    body = _modes(t, hz, decay_s, rng.uniform(0.2, 1, 7) / np.arange(1, 8) ** 0.5)
    return body + rng.uniform(0, 0.4) * _noise(300, 6000, len(t), rng) * np.exp(-t / 0.008)


def _snare(rng):
    """Two modes and the rattle of the wires."""
    t = _seconds(rng.uniform(0.12, 0.3))
    hz = rng.uniform(160, 240) * np.array([1.0, 1.7])
    body = _modes(t, hz, np.array([0.06, 0.04]), np.array([1.0, 0.6]))
    wires = _noise(rng.uniform(800, 2000), 7400, len(t), rng) * np.exp(-t / rng.uniform(0.03, 0.1))
    return body + rng.uniform(0.4, 1.2) * wires


def _cymbal(rng):
    """Hi-hat to ride: many inharmonic modes under high noise."""
    ring_s = rng.choice([0.02, 0.05, 0.3])
    t = _seconds(min(5 * ring_s, 1.0))
    hz = np.exp(rng.uniform(np.log(2000), np.log(TOP_HZ), 24))
    metal = _modes(t, hz, ring_s * rng.uniform(0.5, 1.5, 24), rng.uniform(0.2, 1, 24))
    return 0.2 * metal + 0.6 * _noise(4000, 7500, len(t), rng) * np.exp(-t / ring_s)


def _clap(rng):
    """One to four hands, some milliseconds apart, each a short band of noise."""
    t = _seconds(0.2)
    centre_hz, envelope = rng.uniform(700, 2200), np.zeros(len(t))
    for onset_s in np.append(0, rng.uniform(0, 0.035, int(rng.integers(0, 4)))):
        after = np.maximum(t - onset_s, 0)
        envelope += (t >= onset_s) * np.exp(-after / rng.uniform(0.003, 0.02))
    return _noise(0.6 * centre_hz, 2.2 * centre_hz, len(t), rng) * envelope


def _click(rng):
    """Clave, wood block, key or switch: one to three short modes and a tick."""
    t = _seconds(0.12)
    count = int(rng.integers(1, 4))
    hz = np.exp(rng.uniform(np.log(500), np.log(5500), count))
    sound = _modes(t, hz, rng.uniform(0.002, 0.02, count), rng.uniform(0.3, 1, count))
    return sound + rng.uniform(0, 0.6) * _noise(1500, 7000, len(t), rng) * np.exp(-t / 0.0015)


def _step(rng):
    """A footstep: heel thump, then the scrape of the sole."""
    t = _seconds(0.35)
    thump = _modes(t, rng.uniform(60, 300, 3), rng.uniform(0.01, 0.04, 3), rng.uniform(0.5, 1, 3))
    roll_s = rng.uniform(0.04, 0.14)
    scrape = _noise(rng.uniform(300, 1500), rng.uniform(3000, 7000), len(t), rng)
    late = np.exp(-0.5 * ((t - roll_s) / rng.uniform(0.01, 0.03)) ** 2)
    return thump + rng.uniform(0.1, 0.5) * scrape * (np.exp(-t / 0.006) + late)


def _shaker(rng):
    """Beans in a shell: many tiny grains under a swell."""
    t = _seconds(rng.uniform(0.06, 0.2))
    grains = rng.standard_normal(len(t)) * (rng.random(len(t)) < rng.uniform(0.02, 0.3))
    centre_hz = rng.uniform(2500, 5500)
    band = butter(1, (0.8 * centre_hz, 1.25 * centre_hz), "bandpass", fs=SAMPLE_RATE, output="sos")
    return 3 * sosfilt(band, grains) * np.sin(np.pi * np.arange(len(t)) / len(t)) ** 2


def _glass(rng):
    """Glass, metal or crockery: a few long random modes."""
    t = _seconds(rng.uniform(0.2, 0.8))
    hz = rng.uniform(600, 2500) * np.append(1, 1 + np.cumsum(rng.uniform(0.3, 1.5, 6)))
    hz = hz[hz < TOP_HZ]
    decay_s = rng.uniform(0.02, 0.2) * (hz / hz[0]) ** -0.8
    return _modes(t, hz, decay_s, rng.uniform(0.2, 1, len(hz)))


def _burst(rng):
    """A band of noise with a sharp or soft onset."""
    t = _seconds(rng.uniform(0.03, 0.4))
    low_hz = np.exp(rng.uniform(np.log(100), np.log(3500)))
    attack_s = rng.choice([0.001, 0.02])
    envelope = np.minimum(t / attack_s, 1) * np.exp(-t / rng.uniform(0.01, 0.15))
    return _noise(low_hz, low_hz * rng.uniform(1.5, 6), len(t), rng) * envelope


STROKES = {
    "kick": _kick,
    "skin": _skin,
    "snare": _snare,
    "cymbal": _cymbal,
    "clap": _clap,
    "click": _click,
    "step": _step,
    "shaker": _shaker,
    "glass": _glass,
    "burst": _burst,
}


def _onsets_s(duration_s, rng):
    """Onset times (s): a swung grid with gaps, an even walk, or chance."""
    kind = rng.choice(["grid", "walk", "chance"])
    if kind == "chance":
        gaps_s = 0.04 + rng.exponential(rng.uniform(0.1, 0.5), int(duration_s / 0.04))
    elif kind == "walk":
        gaps_s = rng.uniform(0.25, 0.7) * rng.lognormal(0, 0.05, int(duration_s / 0.15))
    else:
        steps = np.flatnonzero(rng.random(16) < rng.uniform(0.15, 0.7))
        steps = np.append(0, steps[steps > 0])
        beat_s = rng.uniform(0.09, 0.2)
        gaps_s = np.tile(np.diff(np.append(steps, 16)) * beat_s, int(duration_s / beat_s / 16) + 1)
    onsets_s = rng.uniform(0.02, 0.15) + np.append(0, np.cumsum(gaps_s))
    return onsets_s[onsets_s < duration_s - 0.05]


def _beaten(n, name, rng):
    """One sort of stroke on its own rhythm, three takes of it in turn; peak about 1, shape (n,)."""
    takes = [STROKES[name](rng) for _ in range(3)]
    takes = [take * np.minimum(np.arange(len(take))[::-1] / 160, 1) for take in takes]
    takes = [take / np.abs(take).max() for take in takes]
    out = np.zeros(n)
    accent = rng.uniform(0.2, 0.9)
    for onset_s in _onsets_s(n / SAMPLE_RATE, rng):
        start, take = int(onset_s * SAMPLE_RATE), takes[rng.integers(3)]
        stop = min(start + len(take), n)
        out[start:stop] += take[: stop - start] * rng.uniform(1 - accent, 1)
    return out


def _slow(n, period_s, depth_db, rng):
    """A gain (n,) that wanders by about ± `depth_db` every `period_s`."""
    knots = rng.normal(0, depth_db, int(n / SAMPLE_RATE / period_s) + 4)
    place = np.arange(n) / SAMPLE_RATE / period_s
    k, x = place.astype(int), 0.5 - 0.5 * np.cos(np.pi * (place % 1))
    return 10 ** (((1 - x) * knots[k] + x * knots[k + 1]) / 20)


def _rain(n, rng):
    """Drops at random times, each a short chirping mode, over fine hiss."""
    drops = np.zeros(n)
    count = rng.poisson(rng.uniform(20, 300) * n / SAMPLE_RATE)
    drops[rng.integers(n, size=count)] = rng.lognormal(0, 0.8, count)
    t = _seconds(0.02)
    grains = np.zeros(n)
    for _ in range(4):
        mine = drops * (rng.random(n) < 0.4)
        hz = np.exp(rng.uniform(np.log(1200), np.log(6500)))
        grain = np.sin(2 * np.pi * hz * t * (1 + 4 * t)) * np.exp(-t / rng.uniform(0.001, 0.004))
        grains += fftconvolve(mine, grain)[:n]
    hiss = _noise(rng.uniform(600, 2000), 7000, n, rng, order=1)
    return grains / (np.std(grains) + 1e-9) + rng.uniform(0.05, 0.5) * hiss


def _wind(n, rng):
    """Bands of noise that swell and fall against each other."""
    out = np.zeros(n)
    for centre_hz in np.exp(rng.uniform(np.log(120), np.log(2500), 4)):
        band = _noise(0.75 * centre_hz, 1.33 * centre_hz, n, rng, order=1)
        out += band * _slow(n, rng.uniform(0.2, 0.9), 7, rng) * (200 / centre_hz) ** 0.5
    return out


def _surf(n, rng):
    """Broad noise that rises and breaks, again and again: waves, steam, brushing."""
    period_s = rng.uniform(0.4, 2.5)
    cycle = (np.arange(n) / SAMPLE_RATE / period_s + rng.random()) % 1
    rise = rng.uniform(0.1, 0.6)
    swell = np.where(cycle < rise, cycle / rise, (1 - cycle) / (1 - rise)) ** rng.uniform(1, 3)
    low_hz = np.exp(rng.uniform(np.log(80), np.log(2000)))
    return _noise(low_hz, low_hz * rng.uniform(3, 12), n, rng, order=1) * swell


TEXTURES = {"rain": _rain, "wind": _wind, "surf": _surf}


def _interrupted(sound, rng):
    """Let a texture stop for one to three stretches with soft edges, so that silence is heard."""
    n = len(sound)
    gain = np.ones(n)
    for _ in range(int(rng.integers(1, 4))):
        length = int(min(rng.uniform(0.15, 0.6), n / SAMPLE_RATE / 4) * SAMPLE_RATE)
        start = int(rng.integers(0, n - length))
        gain[start : start + length] = 0
    edge = np.hanning(int(rng.uniform(0.01, 0.1) * SAMPLE_RATE))
    return sound * np.clip(fftconvolve(gain, edge / edge.sum(), "same"), 0, 1)


def percussion_clip(duration_s, rng):
    """Synthesise one clip of strokes in a rhythm, of a noise texture, or of both.

    Parameters
    ----------
    duration_s : float
        Length in seconds, at least 0.5.
    rng : numpy.random.Generator

    Returns
    -------
    audio : ndarray of float32, shape (n,)
        16 kHz, dry, active level -26 dBFS.
    facts : dict of float or str
        sounds (their names), texture_db (level of the texture relative to the strokes; 0 alone).

    Raises
    ------
    ValueError
        If `duration_s` is under 0.5.
    """
    n = sample_count(duration_s, "a clip of percussion")
    names, texture_db, audio = [], 0.0, np.zeros(n)
    textured = rng.random() < 0.35
    if not textured or rng.random() < 0.4:
        names = list(rng.choice(list(STROKES), int(rng.integers(1, 5)), replace=False))
        audio += sum(_beaten(n, name, rng) * rng.uniform(0.3, 1) for name in names)
    if textured:
        texture_db = float(rng.uniform(-25, -3)) if names else 0.0
        name = rng.choice(list(TEXTURES))
        texture = _interrupted(TEXTURES[name](n, rng), rng)
        audio += 0.3 * 10 ** (texture_db / 20) * texture / np.std(texture)
        names.append(name)
    return finish_clip(audio), {"sounds": "+".join(names), "texture_db": texture_db}
