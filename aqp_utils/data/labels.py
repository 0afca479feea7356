"""What a clip is worth: quality classes, pseudo-PESQ and measured P.862.2 on one scale.

The scale runs from 1.0 to 4.5. It is P.862.2 (1.02 to 4.644) stretched linearly, hence the name
pseudo-PESQ: neither raw PESQ nor a listener's score.
"""

import json
from functools import cache

import numpy as np
from scipy.interpolate import PchipInterpolator

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.package import ASSETS
from aqp_utils.core.scale import SCALE


@cache
def pseudo_pesq_table():
    """The measurement behind the curves, as written by scripts/fit_pseudo_pesq.py.

    Returns
    -------
    dict
        about : versions, date, seed, sources, choices.
        kinds : per kind of degradation unit, log_axis, knots (parameter, and score on the scale,
        mild to severe) and measured: per source of clean speech n_clips, steady_clips (of them
        fall at every step) and, at every knot, p862_2_mean, p862_2_sd (raw) and stoi_mean.
    """
    return json.loads((ASSETS / "pseudo_pesq.json").read_text("utf-8"))


@cache
def _curve(kind):
    """Monotone cubic interpolant of a kind's knots, its axis and the ends of its table."""
    table = pseudo_pesq_table()["kinds"]
    if kind not in table:
        raise ValueError(f"Unknown degradation {kind!r}; allowed are {', '.join(table)}.")
    axis = np.log if table[kind]["log_axis"] else np.asarray
    parameter, score = (np.array(table[kind]["knots"][name]) for name in ("parameter", "score"))
    order = np.argsort(parameter)
    interpolant = PchipInterpolator(axis(parameter[order]), score[order])
    return interpolant, axis, (parameter.min(), parameter.max())


def pseudo_pesq(kind, parameter):
    """Score that speech with this damage gets on average, from the damage's physical parameter.

    Parameters
    ----------
    kind : str
        One of `aqp_utils.degradations.degrade.KINDS`.
    parameter : float or ndarray
        In the unit of that kind. Strictly monotone between the ends of the table, constant beyond.

    Returns
    -------
    float or ndarray, the shape of `parameter`
        In [1.0, 4.5].

    Raises
    ------
    ValueError
        If the kind is unknown or a parameter is not a number.
    """
    interpolant, axis, ends = _curve(kind)
    parameter = np.asarray(parameter, dtype=float)
    if np.isnan(parameter).any():
        raise ValueError(f"{kind}: the parameter is not a number.")
    score = np.clip(interpolant(axis(np.clip(parameter, *ends))), *SCALE)
    return score if score.ndim else float(score)


def measured_pesq(clean, degraded):
    """Raw P.862.2 (wideband PESQ) of a clip against its clean source.

    Parameters
    ----------
    clean, degraded : ndarray, shape (n,)
        At 16 kHz, at least 0.25 s.

    Returns
    -------
    float
        About 1.02 to 4.644; `to_scale` maps it to 1.0..4.5.

    Raises
    ------
    ModuleNotFoundError
        If the package pesq is not installed.
    ValueError
        If the lengths differ, the clip is too short, or PESQ finds no utterance in it (silence).

    Notes
    -----
    ITU-T P.862 (2001) with the wideband extension P.862.2 (2005). It was made for speech: on
    steady tones it is meaningless.
    """
    try:
        import pesq
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "LABEL='measured' needs the package pesq, which needs a C compiler: pip install pesq"
        ) from error
    clean, degraded = (np.asarray(audio, dtype=np.float32) for audio in (clean, degraded))
    if clean.shape != degraded.shape:
        raise ValueError(f"Clean and degraded differ in shape: {clean.shape}, {degraded.shape}.")
    if not (clean.any() and degraded.any()):
        raise ValueError("P.862.2 finds no speech in the clip: it is silent.")
    try:
        return float(pesq.pesq(SAMPLE_RATE, clean, degraded, "wb"))
    except pesq.NoUtterancesError as error:
        raise ValueError("P.862.2 finds no speech in the clip: it is nearly silent.") from error
    except pesq.BufferTooShortError as error:
        raise ValueError(f"P.862.2 needs 0.25 s; the clip has {len(clean)} samples.") from error
