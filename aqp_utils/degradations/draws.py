"""Draws: which damages of the catalogue a clip meets, how many and how severe."""

import json
from functools import cache

import numpy as np

from aqp_utils.core.audio import rms_dbfs
from aqp_utils.core.package import ASSETS
from aqp_utils.degradations.catalogue import DAMAGES, FAMILIES, RARE, SILENT_DBFS, check_clip

ATTEMPTS = 20  # draws before `damaged` gives up on a clip
# Whole mechanisms that no training but the last one learns from, each of a family with others in
# it. Half of the damages of validation and test are of these: what is chosen there is chosen for
# generality.
HELD_OUT = (
    "schroeder_reverberator",
    "music",
    "clip_asymmetrically",
    "quiet_16_bit",
    "torn_mask",
    "resampled",
    "psola_round_trip",
    "disturbed_phases",
    "sbc",
    "g722",
    "nellymoser",
    "dropouts",
)
N_DAMAGES = {1: 0.70, 2: 0.25, 3: 0.05}  # how many at once, and how often
# Half of the draws are even in the score, half in the physical parameter. A bit rate or a cutoff is
# mostly chosen where little is lost, and so most of what was processed still sounds good.
ON_ITS_OWN_AXIS = 0.5
MILDER = {1: 1.0, 2: 0.8, 3: 0.65}  # highest intensity, or strength, drawn with so many at once


@cache
def hardness():
    """Name -> mean squared error of a predictor in each quarter of the intensity.

    Of all damages but those held out; see scripts/measure_hardness.py.
    """
    return json.loads((ASSETS / "hardness.json").read_text("utf-8"))["errors"]


def _kinds(family, held_out):
    """Damages of a family to draw from: those held out, where there are any, or all others."""
    kinds = [one for one in DAMAGES.values() if one.family == family and one.weight]
    kept = [one for one in kinds if (one.name in HELD_OUT) == held_out]
    return kept or kinds


def draw_damages(rng, held_out=False):
    """Draw what happens to a clip: one damage mostly, two often, three now and then.

    Several damages are of different families, in the order of `FAMILIES`, and milder each. Half of
    the intensities are even in the score, half in the strength.

    Parameters
    ----------
    rng : numpy.random.Generator
    held_out : bool
        Whether to draw from `HELD_OUT`, or from all others.

    Returns
    -------
    list of (str, float)
        Names in `DAMAGES` and intensities, in the order in which they are applied.
    """
    count = int(rng.choice(list(N_DAMAGES), p=list(N_DAMAGES.values())))
    weights = np.array(list(FAMILIES.values()))
    families = rng.choice(len(FAMILIES), count, replace=False, p=weights / weights.sum())
    drawn = []
    for family in np.sort(families):
        kinds = _kinds(list(FAMILIES)[family], held_out)
        weights = np.array([one.weight for one in kinds])
        kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
        drawn_at = float(rng.uniform(0, MILDER[count]))
        on_its_own_axis = rng.random() < ON_ITS_OWN_AXIS
        drawn.append((kind.name, kind.intensity(drawn_at) if on_its_own_axis else drawn_at))
    return drawn


def draw_hard(rng, families=tuple(FAMILIES)):
    """Draw one damage, the more often the further a predictor was off there.

    The chance of a kind and a quarter of its intensity is that of the kind in `draw_damages` times
    the squared error in `hardness`. What is mistaken for clean is what there is most to learn from
    (hard examples: Shrivastava et al. 2016, Training region-based object detectors with online hard
    example mining, CVPR).

    Parameters
    ----------
    rng : numpy.random.Generator
    families : sequence of str
        Of `FAMILIES`, to draw from.

    Returns
    -------
    list of (str, float)
        One name in `DAMAGES`, none of `HELD_OUT`, and its intensity.
    """
    kinds, chances = [], []
    for family in families:
        kept = _kinds(family, held_out=False)
        share = FAMILIES[family] / sum(one.weight for one in kept)
        kinds += kept
        chances += [share * one.weight * np.array(hardness()[one.name]) for one in kept]
    chances = np.array(chances)
    drawn = rng.choice(chances.size, p=(chances / chances.sum()).ravel())
    kind, quarter = divmod(drawn, chances.shape[1])
    return [(kinds[kind].name, float((quarter + rng.random()) / chances.shape[1]))]


def draw_rare(rng, shelf):
    """Draw one damage of a shelf of `RARE`, all alike, at any intensity.

    Parameters
    ----------
    rng : numpy.random.Generator
    shelf : int

    Returns
    -------
    list of (str, float)
        One name in `DAMAGES`, and its intensity.
    """
    names = [one.name for one in RARE[shelf]]
    return [(names[rng.integers(len(names))], float(rng.random()))]


def damaged(audio, rng, draw=draw_damages):
    """Damage a clip at random.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        As in `FieldDamage.apply`.
    rng : numpy.random.Generator
    draw : callable
        rng -> damages and intensities, as `draw_damages`, `draw_hard` and `draw_rare`.

    Returns
    -------
    audio : ndarray of float64, shape (n,)
    history : list of dict
        In order: name, intensity and the facts of the damage.

    Raises
    ------
    ValueError
        If the clip is too short, silent or not finite.
    RuntimeError
        If 20 draws in a row leave silence or numbers that are not finite.
    """
    check_clip(np.asarray(audio, dtype=np.float64), 0.0, "damaged")
    for _ in range(ATTEMPTS):
        result, history = audio, []
        for name, intensity in draw(rng):
            result, facts = DAMAGES[name].apply(result, intensity, rng)
            history.append({"name": name, "intensity": intensity, **facts})
            if not _usable(result):  # nothing for the next damage to work on
                break
        if _usable(result):
            return result, history
    raise RuntimeError(f"{ATTEMPTS} draws of damage left nothing of the clip; try another clip.")


def _usable(audio):
    return bool(np.all(np.isfinite(audio)) and rms_dbfs(audio) > SILENT_DBFS + 10)
