"""Why this score? Which of the fused inputs move it, and which parts of the clip.

Inputs: integrated gradients (Sundararajan, Taly, Yan, Axiomatic attribution for deep networks, ICML
2017) from the average training clip to this one, so that the parts add up to the difference of the
two scores. Time: each stretch is replaced by the clip's own noise floor and the clip scored again
(occlusion; Zeiler, Fergus, Visualizing and understanding convolutional networks, ECCV 2014).
Both describe the model, not what a listener would say.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from aqp_utils import plots
from aqp_utils.core.audio import SAMPLE_RATE, level_of_training, rms_dbfs
from aqp_utils.views.text import feature_label

STEPS = 256  # of the integral; the parts then add up within 1 % (tests/test_explain.py)
REGION_S = 0.25
FLOOR_S = 0.05  # shorter than a pause between notes or words
FADE_S = 0.01  # into and out of the noise floor, or a click would be scored
LONGEST_CLIP = 1.5  # of the training clips' length; longer ones are scored in parts
EMBEDDING = "embedding"
UP, DOWN = plots.CLASS_COLORS["high"], plots.CLASS_COLORS["low"]


@dataclass(frozen=True)
class Explanation:
    """What moves the score of one clip.

    Attributes
    ----------
    score, average_score : float
        Of this clip and of the average training clip, as the network gives them: not clipped to
        the scale.
    inputs : Series
        Contribution of each feature by name, and of the whole embedding; their sum is
        score − average_score.
    regions : DataFrame
        start_s, end_s and influence: by how much the score falls when the region is taken away.
    """

    score: float
    average_score: float
    inputs: pd.Series
    regions: pd.DataFrame


def explain(predictor, audio):
    """Contributions of inputs and regions to the score of one clip.

    Parameters
    ----------
    predictor : Predictor
    audio : ndarray, shape (n,)
        At most one and a half times as long as the clips of training.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        If the clip is longer.
    """
    duration_s = len(audio) / SAMPLE_RATE
    if duration_s > LONGEST_CLIP * predictor.clip_s:
        raise ValueError(
            f"this clip lasts {duration_s:.1f} s; at most {LONGEST_CLIP * predictor.clip_s:g} s "
            "can be explained at a time, cut out the part in question."
        )
    # Once for all copies: one without its loudest part must not be made louder.
    audio = level_of_training(audio)
    regions, variants = occluded(audio)
    inputs = predictor.inputs([audio, *variants])
    scores, _ = _scores_and_gradients(predictor.model, inputs)
    average, _ = _scores_and_gradients(predictor.model, predictor.model.mean[np.newaxis])
    contributions = integrated_gradients(predictor.model, inputs[0])
    n_features = len(predictor.feature_names)
    parts = pd.Series(contributions[:n_features], index=list(predictor.feature_names))
    parts[EMBEDDING] = contributions[n_features:].sum()
    return Explanation(
        score=float(scores[0]),
        average_score=float(average[0]),
        inputs=parts,
        regions=regions.assign(influence=scores[0] - scores[1:]),
    )


def integrated_gradients(model, inputs, steps=STEPS):
    """Contribution of each input to the score, against the average training clip.

    Parameters
    ----------
    model : QualityModel
    inputs : ndarray, shape (n_inputs,)
        Not standardised.
    steps : int
        Midpoints between the average and `inputs`.

    Returns
    -------
    ndarray, shape (n_inputs,)
        In units of the score.
    """
    way = (np.arange(steps) + 0.5) / steps
    difference = inputs - model.mean
    _, gradients = _scores_and_gradients(model, model.mean + way[:, np.newaxis] * difference)
    return gradients.mean(axis=0) * difference / model.scale


def occluded(audio, region_s=REGION_S):
    """Copies of a clip, each without one region.

    The noise floor is noise with the spectrum of the clip's quietest 50 ms. In a clip without
    pauses that is the quietest sound, and what replaces a region is not much quieter than it.

    Returns
    -------
    regions : DataFrame
        start_s and end_s; the last one takes what is left, so it can be up to twice as long.
    clips : list of ndarray, each (n,)
    """
    size = round(region_s * SAMPLE_RATE)
    starts = size * np.arange(max(1, len(audio) // size))
    ends = np.append(starts[1:], len(audio))
    frame = min(len(audio), round(FLOOR_S * SAMPLE_RATE))
    frames = audio[: len(audio) // frame * frame].reshape(-1, frame)
    quietest = min(frames, key=rms_dbfs)
    floor = _same_spectrum_noise(quietest, len(audio))
    clips = []
    for start, end in zip(starts, ends, strict=True):
        keep = _fade(len(audio), start, end)
        clips.append((keep * audio + np.sqrt(1 - keep**2) * floor).astype(audio.dtype))
    return pd.DataFrame({"start_s": starts / SAMPLE_RATE, "end_s": ends / SAMPLE_RATE}), clips


def explanation(predictor, audio):
    """Figure: spectrogram with the influence of its regions, contributions of the inputs.

    Parameters
    ----------
    predictor, audio
        As for `explain`.

    Returns
    -------
    Figure
    """
    found = explain(predictor, audio)
    fig = Figure(figsize=(12, 5.2), layout="none")
    grid = fig.add_gridspec(2, 2, width_ratios=(1.7, 1), height_ratios=(1, 2.2))
    bars = fig.add_subplot(grid[0, 0])
    _draw_regions(found.regions, bars, fig.add_subplot(grid[1, 0], sharex=bars), audio)
    _draw_inputs(found.inputs, fig.add_subplot(grid[:, 1]))
    bars.set_title(f"score {found.score:.2f}: which moments?", loc="left", fontweight="bold")
    fig.axes[-1].set_title(
        f"which inputs, from {found.average_score:.2f} of the average training clip?",
        loc="right",
        fontweight="bold",
    )
    fig.subplots_adjust(0.075, 0.1, 0.985, 0.93, 0.45, 0.12)
    return fig


def _scores_and_gradients(model, inputs):
    """Scores (n,) of inputs (n, n_inputs), and their gradients in standardised inputs."""
    standardised = torch.as_tensor((inputs - model.mean) / model.scale, dtype=torch.float32)
    standardised.requires_grad_()
    model.network.eval()
    _, score = model.network(standardised)
    (gradients,) = torch.autograd.grad(score.sum(), standardised)
    return score.detach().double().numpy(), gradients.double().numpy()


def _same_spectrum_noise(piece, n):
    """Noise (n,) with the spectrum of `piece`: the phases of its repetition are drawn anew."""
    magnitude = np.abs(np.fft.rfft(np.resize(piece, n)))
    # Repeating makes a line spectrum; the mean over the lines' distance makes it one of noise.
    width = max(1, round(n / len(piece)))
    power = np.convolve(magnitude**2, np.ones(width) / width, mode="same")
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, len(power))
    return np.fft.irfft(np.sqrt(power) * np.exp(1j * phase), n)


def _fade(n, start, end):
    """Gain (n,): 0 from `start` to `end`, raised-cosine flanks of `FADE_S` outside."""
    distance = np.maximum(start - np.arange(n), np.arange(n) - end + 1)
    share = np.clip(distance / (FADE_S * SAMPLE_RATE), 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * share)


def _colors(values):
    return [UP if value >= 0 else DOWN for value in values]


def _draw_regions(regions, bars, picture, audio):
    """Influence as bars, and as a tint of the spectrogram below."""
    width_s = regions["end_s"] - regions["start_s"]
    influence = regions["influence"]
    bars.bar(
        regions["start_s"], influence, width_s, align="edge", color=_colors(influence), ec="white"
    )
    bars.axhline(0, color="black", lw=0.8)
    bars.set(ylabel="lifts the\nscore by")
    bars.tick_params(labelbottom=False)
    plots.spectrogram(audio, picture, colorbar=False)
    picture.images[0].set_cmap("gray")
    strongest = max(np.abs(influence).max(), 1e-12)
    for row, color in zip(regions.itertuples(), _colors(influence), strict=True):
        alpha = 0.6 * abs(row.influence) / strongest
        picture.axvspan(row.start_s, row.end_s, color=color, alpha=alpha, lw=0)


def _draw_inputs(inputs, ax):
    """Contributions as bars, the largest on top."""
    ordered = inputs.reindex(inputs.abs().sort_values().index)
    names = [feature_label(name) for name in ordered.index]
    ax.barh(names, ordered, color=_colors(ordered))
    ax.axvline(0, color="black", lw=0.8)
    ax.set(xlabel="lifts the score by")
    ax.tick_params(axis="y", labelsize="small")
