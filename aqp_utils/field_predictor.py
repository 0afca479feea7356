"""From a trained `FieldNet` to what `predict` loads: network, encoder, scaler, calibration."""

from pathlib import Path

import numpy as np
import torch
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
    }
    files = save_model(folder, model.network.cpu(), scaler, about)
    hashes = {path.name: sha256_of_files([path]) for path in files if path.suffix != ".json"}
    card = card | {"sha256": hashes | {"encoder/model.safetensors": weights_sha256}}
    write_json(folder / CARD, card)
    return card


def _standardised_anew(model, clips, device):
    """Fit the scaler to the training clips as the trained encoder embeds them.

    The first layer is changed to match, so that the answers stay the same; the scaler then says
    what training clips are like, which is what domain warnings compare with.
    """
    train = np.flatnonzero(clips.table["part"] == "train")
    inputs = np.hstack([clips.features[train], embeddings(model, clips, train, device)])
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
