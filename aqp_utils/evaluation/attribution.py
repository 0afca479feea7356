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

from aqp_utils.core.audio import SAMPLE_RATE, level_of_training, rms_dbfs

STEPS = 256  # of the integral; the parts then add up within 1 % (tests/test_explain.py)
REGION_S = 0.25
FLOOR_S = 0.05  # shorter than a pause between notes or words
FADE_S = 0.01  # into and out of the noise floor, or a click would be scored
LONGEST_CLIP = 1.5  # of the training clips' length; longer ones are scored in parts
EMBEDDING = "embedding"


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
