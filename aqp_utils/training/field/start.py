"""Start a training from the weights of an exported predictor: it goes on where that one stopped."""

from pathlib import Path

import numpy as np
import torch

from aqp_utils.encoders.spectrogram import load_spectrogram_encoder
from aqp_utils.model.saved import load_model
from aqp_utils.predict import shipped


def shipped_folder(version):
    """Folder of the shipped predictor, where a training starts from its `version`.

    Raises
    ------
    ValueError
        If another version ships: the training would be another one.
    """
    ships = (shipped.card() or {}).get("version")
    if version != ships:
        raise ValueError(f"start is {version}, but {ships} ships; allowed is {ships} or nothing.")
    return shipped.FOLDER


def take_over(net, folder, hidden_share):
    """Give a `FieldNet` the weights of the predictor in `folder`, in place.

    Export standardises all inputs and makes those known beforehand count for the share in which
    they were shown (`for_prediction`); both are taken back here.

    Parameters
    ----------
    net : FieldNet
    folder : Path
    hidden_share : float
        Of the training that the predictor came from.

    Raises
    ------
    ValueError
        If the predictor has another architecture.
    """
    folder = Path(folder)
    found = load_model(folder)
    if found.network.architecture["n_inputs"] != net.network.architecture["n_inputs"]:
        raise ValueError(f"{folder} has another number of inputs; start without it.")
    net.spectrogram = load_spectrogram_encoder(folder, found.about["spectrogram"]).train()
    net.network.load_state_dict(found.network.state_dict())
    n_known = len(net.mean)
    mean, scale = (torch.tensor(np.asarray(x)).float() for x in (found.mean, found.scale))
    first = net.network.body[0]
    with torch.no_grad():
        # Known inputs: from the predictor's scale to this training's, and at full strength.
        # Learned inputs: not standardised while they are learned.
        factor = torch.cat([net.scale / scale[:n_known] / (1 - hidden_share), 1 / scale[n_known:]])
        offset = torch.cat([net.mean, torch.zeros(len(mean) - n_known)])
        first.bias += first.weight @ ((offset - mean) / scale)
        first.weight *= factor
