"""From a trained `FieldNet` to what `predict` loads: network, encoders, scaler, quantiles."""

import copy
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from aqp_utils.core.files import sha256, write_json
from aqp_utils.encoders.spectrogram import FILE as SPECTROGRAM
from aqp_utils.encoders.spectrogram import save_spectrogram_encoder
from aqp_utils.features.sets import feature_names
from aqp_utils.model.conformal import residual_quantiles, widening
from aqp_utils.model.fusion import fused
from aqp_utils.model.saved import save_model
from aqp_utils.predict import familiarity
from aqp_utils.predict.shipped import CARD
from aqp_utils.training.field.recipe import FEATURE_SET
from aqp_utils.training.field.sources import OTHER_THAN_SPEECH
from aqp_utils.training.field.training import CHUNK, predict

SCALER_CLIPS = 2_000
DETECTOR_CLIPS = 1_000  # of speech and of other sounds, in each part
FALSE_ALARMS = 0.01  # share of speech clips that the detector may call other sounds


def export(model, clips, known, encoder, folder, clip_s, card, device="cpu", conformal=None):
    """Write a predictor that `Predictor.load(folder)` reads.

    Parameters
    ----------
    model : FieldNet
    clips : FieldClips
    known : ndarray, shape (n, n_known)
        From `known_inputs`.
    encoder : Encoder
        The frozen one; its weights stay where they are.
    folder : Path
        Gets model.json, model.safetensors, spectrogram.safetensors and card.json.
    clip_s : float
        Length of the clips.
    card : dict
        What the model card says of data, training and results; the hashes are added.
    device : str
    conformal : dict, optional
        Quantiles of the errors of a training before, which learned nothing of the test part, for
        one that learned from the mechanisms there; else they are measured on the test part.

    Returns
    -------
    dict
        The card.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    network, scaler = _standardised_anew(model, clips, known, device)
    about = {
        "encoder": encoder.describe(),
        "spectrogram": save_spectrogram_encoder(folder, model.spectrogram),
        "feature_set": FEATURE_SET,
        "feature_names": feature_names(FEATURE_SET),
        "clip_s": clip_s,
        "conformal": conformal or _errors(model, clips, known, scaler, device),
        "speech": _speech_detector(model, clips, known, scaler, device),
    }
    files = [*save_model(folder, network, scaler, about), folder / SPECTROGRAM]
    hashes = {path.name: sha256(path) for path in files if path.suffix != ".json"}
    card = card | {"encoder": encoder.describe(), "sha256": hashes}
    write_json(folder / CARD, card)
    return card


def _drawn(clips, part, is_wanted, most, rng):
    """Rows of a part that are wanted, at most so many, in random order."""
    rows = np.flatnonzero((clips.table["part"] == part).to_numpy() & is_wanted)
    return rng.permutation(rows)[:most]


def _inputs(model, clips, known, rows, device):
    """All inputs of the network, shape (n, 19 + 768 + 512), not standardised."""
    return fused(known[rows], model.spectrogram.eval().to(device).embed(clips.audio[rows]))


def _errors(model, clips, known, scaler, device):
    """Quantiles of the errors on the test part, and how much wider they are on unlike clips."""
    test = np.flatnonzero(clips.table["part"] == "test")
    scores = predict(model, clips, known, test, device).score
    true = clips.table["score"].to_numpy()[test]
    conformal = residual_quantiles(true, scores)
    unlike = _unlike_training(model, clips, known, test, scaler, device)
    return conformal | {"unlike": widening(true[unlike], scores[unlike], conformal)}


def _unlike_training(model, clips, known, rows, scaler, device):
    """Which rows `predict` would warn of as far from training, bool (n,)."""
    n_features, names = clips.features.shape[1], feature_names(FEATURE_SET)
    found = []
    for first in range(0, len(rows), CHUNK):
        for row in _inputs(model, clips, known, rows[first : first + CHUNK], device):
            z, far = familiarity.distances(row, scaler.mean_, scaler.scale_, n_features)
            found.append(bool(familiarity.domain_warnings(z, far, names)))
    return np.array(found)


def _standardised_anew(model, clips, known, device):
    """Network and scaler of all inputs, fitted to training clips; the answers stay the same.

    In training only what is known beforehand is standardised. The scaler of a predictor says what
    training clips are like in every input, which is what domain warnings compare with, so the
    first layer is changed to match.
    """
    everything = np.ones(len(clips.table), dtype=bool)
    rows = _drawn(clips, "train", everything, SCALER_CLIPS, np.random.default_rng(0))
    scaler = StandardScaler().fit(_inputs(model, clips, known, rows, device))
    learned = model.spectrogram.size
    old_mean = torch.cat([model.mean.cpu(), torch.zeros(learned)])
    old_scale = torch.cat([model.scale.cpu(), torch.ones(learned)])
    mean, scale = (torch.tensor(values).float() for values in (scaler.mean_, scaler.scale_))
    network = copy.deepcopy(model.network).cpu()
    first = network.body[0]
    with torch.no_grad():
        first.bias += first.weight @ ((mean - old_mean) / old_scale)
        first.weight *= scale / old_scale
    return network, scaler


def _speech_detector(model, clips, known, scaler, device):
    """Tell speech from music and noises by the embedding: a logistic regression.

    P.862.2 was made for speech, so of anything else the predictor should say that it is guessing.

    Returns
    -------
    dict or None
        weights (of the standardised embedding), bias, threshold (of the logit: below it is no
        speech; one in a hundred speech clips of the validation part lies below), and what it
        reaches on the test part: auc, missed (share of other sounds that pass as speech), None
        where the test part has one of the two only. None if there is too little to learn from.
    """
    rng = np.random.default_rng(0)
    is_speech = ~clips.table["family"].isin(OTHER_THAN_SPEECH).to_numpy()

    def some(part):
        rows = [
            _drawn(clips, part, wanted, DETECTOR_CLIPS, rng) for wanted in (is_speech, ~is_speech)
        ]
        rows = np.concatenate(rows)
        inputs = scaler.transform(_inputs(model, clips, known, rows, device))
        return inputs[:, clips.features.shape[1] :], is_speech[rows]

    inputs, speech = some("train")
    held_out, held_out_speech = some("validation")
    if speech.all() or not speech.any() or not held_out_speech.any():
        return None
    detector = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    detector.fit(inputs, speech)
    threshold = np.quantile(detector.decision_function(held_out)[held_out_speech], FALSE_ALARMS)
    inputs, speech = some("test")
    logits, has_both = detector.decision_function(inputs), speech.any() and not speech.all()
    return {
        "weights": detector.coef_[0],
        "bias": detector.intercept_[0],
        "threshold": threshold,
        "auc": roc_auc_score(speech, logits) if has_both else None,
        "missed": np.mean(logits[~speech] >= threshold) if has_both else None,
    }
