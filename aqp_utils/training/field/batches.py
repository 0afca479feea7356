"""What the `field` predictor hears in one step: whole sources, each clean and damaged, as a batch.

Some batches are retold: played faster or slower, each group through yet another microphone and
some with yet another noise floor, the same for all its clips, so that their labels stay.
"""

import json

import numpy as np
import torch

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.randomness import log_uniform
from aqp_utils.core.scale import CLASSES
from aqp_utils.degradations.catalogue import ALL_DAMAGES, FAMILIES
from aqp_utils.degradations.timing.clocks import read_at
from aqp_utils.training.field.floors import floor_noise
from aqp_utils.training.field.microphone import random_response
from aqp_utils.training.field.recording import (
    COMMONEST_FLOOR_DB,
    HIGHEST_FLOOR_DB,
    LOWEST_FLOOR_DB,
)

WANDERS = (10.0, 200.0)  # changes of speed per second of a clock that wanders
WANDER_DEPTH = (5e-4, 0.01)  # their standard deviation; that of healthy voices is .005 or so

FAMILY_OF = {damage.name: damage.family for damage in ALL_DAMAGES}


def groups_of(clips, part):
    """Rows of each source of one part: list of int arrays."""
    table = clips.table[clips.table["part"] == part]
    return [rows.index.to_numpy() for _, rows in table.groupby("source")]


def some_rows(clips, part, at_most):
    """Rows of one part, of every source or, were those more than `at_most`, of every n-th."""
    groups = groups_of(clips, part)
    n = max(1, -(-sum(map(len, groups)) // at_most))
    return np.concatenate([np.empty(0, dtype=int), *groups[::n]])


def some_versions(group, is_stretched, count, rng):
    """Rows of one source for a batch: the clean clip, one that was stretched, others drawn.

    Parameters
    ----------
    group : ndarray of int
        All rows of the source, the clean clip first.
    is_stretched : ndarray of bool, shape (clips,)
        Versions made by time stretchers on purpose.
    count : int
        Rows in all.
    rng : numpy.random.Generator
    """
    if len(group) <= count:
        return group
    stretched = group[is_stretched[group]]
    first = np.append(group[0], rng.permutation(stretched)[:1])
    others = rng.choice(np.setdiff1d(group, first), count - len(first), replace=False)
    return np.append(first, others)


def labels_of(clips, rows, settings):
    """Classes, scores and weights in the loss of some rows, each (b,)."""
    table = clips.table.iloc[rows]
    weights = np.where(table["version"] == 0, settings.clean_weight, 1.0)
    return (
        torch.tensor([CLASSES.index(name) for name in table["quality"]]),
        torch.tensor(table["score"].to_numpy(np.float32)),
        torch.tensor(weights / weights.mean(), dtype=torch.float32),
    )


def draw_batch(clips, known, groups, rng, settings):
    """Audio, known inputs, whether these are hidden, and `labels_of` some groups.

    All clips are cut to the same random stretch. In a retold batch all are played at one random
    speed, those of a group through one random microphone and at times over one noise floor; what
    is known of them is hidden. Every batch sounds equally long, so that what is compiled for one
    serves them all.
    """
    rows, n = np.concatenate(groups), clips.audio.shape[1]
    drawn, speed = rng.random(), 1.0
    if drawn < settings.retold:
        speed = log_uniform(rng, *settings.speeds)
    played = min(round(settings.crop_s * SAMPLE_RATE), round(n / speed))
    length = min(n, round(played * speed))
    first = int(rng.integers(n - length + 1))
    audio = torch.from_numpy(clips.audio[rows, first : first + length].astype(np.float32))
    if drawn < settings.retold:
        sizes = [len(group) for group in groups]
        audio = retold(audio, sizes, played, rng, settings)
        audio = by_wandering_clocks(audio, sizes, rng, settings)
        audio = over_floors(audio, sizes, rng, settings)
    known = torch.from_numpy(known[rows])
    hidden = known.isnan().any(dim=1) | (drawn < settings.hidden)  # NaN: never looked at
    return audio, known, hidden, *labels_of(clips, rows, settings)


def retold(audio, sizes, played, rng, settings):
    """Audio (b, n) of groups of some `sizes`, each by another microphone, at the speed n / played.

    Returns
    -------
    Tensor, shape (b, played)
    """
    length = audio.shape[1]
    gains = np.array([random_response(length, rng, *settings.filter_db) for _ in sizes])
    gains = torch.from_numpy(gains).float().repeat_interleave(torch.tensor(sizes), 0)
    spectra = torch.fft.rfft(audio) * gains
    return torch.fft.irfft(spectra, played)  # the spectrum, cut or padded with zeros


def by_wandering_clocks(audio, sizes, rng, settings):
    """Audio (b, n) with some groups read by a clock that wanders, the same for all its versions.

    No voice is as even as a synthesizer's; without this, people sound a little stretched.

    Returns
    -------
    Tensor, shape (b, n)
    """
    groups = list(audio.split(sizes))
    for i in np.flatnonzero(rng.random(len(sizes)) < settings.wandering):
        places = np.arange(audio.shape[1]) + random_wander(audio.shape[1], rng)
        groups[i] = read_finely(groups[i], places)
    return torch.cat(groups)


def random_wander(n, rng):
    """Draw how far ahead of time a wandering clock is, in samples, (n,); none at both ends."""
    per_second, depth = (log_uniform(rng, *ends) for ends in (WANDERS, WANDER_DEPTH))
    knots = max(2, round(per_second * n / SAMPLE_RATE))
    speed = np.interp(np.arange(n), np.linspace(0, n - 1, knots), rng.normal(0, depth, knots))
    ahead = np.cumsum(speed)
    return ahead - np.linspace(ahead[0], ahead[-1], n)


def read_finely(audio, places):
    """Audio (b, n) at fractional places (m,), between samples at twice the rate, (b, m)."""
    n = audio.shape[1]
    finer = 2 * torch.fft.irfft(torch.fft.rfft(audio), 2 * n)
    return torch.from_numpy(read_at(finer.numpy(), 2 * places.clip(1, n - 2)))


def over_floors(audio, sizes, rng, settings):
    """Audio (b, n) with a noise floor under some groups, the same for all versions of a source.

    Its level is drawn as that of an innocent recording, here relative to the whole clip.

    Returns
    -------
    Tensor, shape (b, n)
    """
    floors = torch.zeros(len(sizes), audio.shape[1])
    for row in np.flatnonzero(rng.random(len(sizes)) < settings.floored):
        floor_db = rng.triangular(LOWEST_FLOOR_DB, COMMONEST_FLOOR_DB, HIGHEST_FLOOR_DB)
        noise, _ = floor_noise(audio.shape[1], floor_db, rng)
        floors[row] = torch.from_numpy(noise * 10 ** (floor_db / 20)).float()
    loudness = audio.square().mean(dim=1, keepdim=True).sqrt()
    return audio + loudness * floors.repeat_interleave(torch.tensor(sizes), 0)


def families_of(clips, rows):
    """How surely each family of damage can be heard in some rows, 0 to 1, (b, families)."""
    found = np.zeros((len(rows), len(FAMILIES)), dtype=np.float32)
    for position, history in enumerate(clips.table["history"].iloc[rows]):
        for damage in json.loads(history):
            column = list(FAMILIES).index(FAMILY_OF[damage["name"]])
            found[position, column] = min(1.0, 2 * damage["intensity"])
    return torch.from_numpy(found)
