"""From a trained `FieldNet` to what `predict` loads: network, encoder, scaler, calibration."""

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from aqp_utils.calibration import residual_quantiles
from aqp_utils.encoder import sha256_of_files
from aqp_utils.features import feature_names
from aqp_utils.field_recipe import FEATURE_SET
from aqp_utils.field_training import embeddings, predict
from aqp_utils.model import save_model
from aqp_utils.storage import write_json

ENCODER_NAME = "field (the embedded encoder, fine-tuned)"
CARD = "card.json"
SCALER_CLIPS = 2_000
DETECTOR_CLIPS = 1_000  # of speech and of other sounds, in each part
OTHER_THAN_SPEECH = ("singing", "instruments", "percussion", "tones")
FALSE_ALARMS = 0.01  # share of speech clips that the detector may call other sounds


def export(model, clips, folder, clip_s, card, device="cpu"):
    """Write a predictor that `Predictor.load(folder)` reads.

    The weights of the encoder are stored in float16; what depends on them, the scaler and the
    calibration, is measured with the stored ones.

    Parameters
    ----------
    model : FieldNet
    clips : FieldClips
    folder : Path
        Gets model.json, model.safetensors, card.json and encoder/.
    clip_s : float
        Length of the clips.
    card : dict
        What the model card says of data, training and results; the hashes are added.
    device : str

    Returns
    -------
    dict
        The card.
    """
    folder = Path(folder)
    (folder / "encoder").mkdir(parents=True, exist_ok=True)
    model.encoder.half().save_pretrained(folder / "encoder")
    model.encoder.float()
    model.to(device)
    scaler = _standardised_anew(model, clips, device)
    test = np.flatnonzero(clips.table["part"] == "test")
    scores = predict(model, clips, test, device).score
    true = clips.table["score"].to_numpy()[test]
    weights_sha256 = sha256_of_files([folder / "encoder" / "model.safetensors"])
    about = {
        "encoder": {
            "name": ENCODER_NAME,
            "layer": model.encoder.config.num_hidden_layers,
            "pooling": "mean",
            "weights_sha256": weights_sha256,
        },
        "feature_set": FEATURE_SET,
        "feature_names": feature_names(FEATURE_SET),
        "clip_s": clip_s,
        "calibration": residual_quantiles(true, scores),
        "speech": _speech_detector(model, clips, scaler, device),
    }
    files = save_model(folder, model.network.cpu(), scaler, about)
    hashes = {path.name: sha256_of_files([path]) for path in files if path.suffix != ".json"}
    card = card | {"sha256": hashes | {"encoder/model.safetensors": weights_sha256}}
    write_json(folder / CARD, card)
    return card


def _drawn(clips, part, is_wanted, most, rng):
    """Rows of a part that are wanted, at most so many, in random order."""
    rows = np.flatnonzero((clips.table["part"] == part).to_numpy() & is_wanted)
    return rng.permutation(rows)[:most]


def _standardised_anew(model, clips, device):
    """Fit the scaler to training clips as the trained encoder embeds them.

    The first layer is changed to match, so that the answers stay the same; the scaler then says
    what training clips are like, which is what domain warnings compare with.
    """
    everything = np.ones(len(clips.table), dtype=bool)
    rows = _drawn(clips, "train", everything, SCALER_CLIPS, np.random.default_rng(0))
    inputs = np.hstack([clips.features[rows], embeddings(model, clips, rows, device)])
    scaler = StandardScaler().fit(inputs)
    mean, scale = (
        torch.tensor(values, dtype=torch.float32, device=device)
        for values in (scaler.mean_, scaler.scale_)
    )
    first = model.network.body[0]
    with torch.no_grad():
        first.bias += first.weight @ ((mean - model.mean) / model.scale)
        first.weight *= scale / model.scale
        model.mean.copy_(mean)
        model.scale.copy_(scale)
    return scaler


def _speech_detector(model, clips, scaler, device):
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
        values = embeddings(model, clips, rows, device)
        n = values.shape[1]
        return (values - scaler.mean_[-n:]) / scaler.scale_[-n:], is_speech[rows]

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
