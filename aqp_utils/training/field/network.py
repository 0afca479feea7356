"""The network of the `field` training: a spectrogram encoder and what joins all descriptions.

It starts from random weights, or from those of an exported predictor and goes on where that one
stopped.
"""

import copy
from pathlib import Path

import numpy as np
import torch

from aqp_utils.core.scale import CLASSES
from aqp_utils.degradations.catalogue import FAMILIES
from aqp_utils.encoders.spectrogram import SpectrogramEncoder, load_spectrogram_encoder
from aqp_utils.model.network import MultiTaskNet
from aqp_utils.model.saved import load_model
from aqp_utils.predict import shipped

HEARING = 256  # width of the head that listens for time stretchers


class FieldNet(torch.nn.Module):
    """Spectrogram encoder and network in one.

    Parameters
    ----------
    mean, scale : array_like, shape (n_known,)
        Of the inputs that are known beforehand: features first, then the frozen embedding.
    hidden : sequence of int
        As in `MultiTaskNet`.
    dropout : float
        As in `MultiTaskNet`.
    seed : int
    """

    def __init__(self, mean, scale, hidden=(512, 256), dropout=0.3, seed=0):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.spectrogram = SpectrogramEncoder(seed)
        n_inputs = len(self.mean) + self.spectrogram.size
        self.network = MultiTaskNet(n_inputs, hidden, dropout, len(CLASSES), seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.families = torch.nn.Linear(n_inputs, len(FAMILIES))  # in training only
            self.stretched = torch.nn.Sequential(  # in training only
                torch.nn.Linear(self.spectrogram.size, HEARING),
                torch.nn.ReLU(),
                torch.nn.Linear(HEARING, 1),
            )
            self.understood = torch.nn.Linear(n_inputs, 1)  # in training only

    def forward(self, audio, known, hidden=None):
        """Logits (b, 3) and scores (b,) of audio (b, n) and known inputs (b, n_known).

        `hidden`, bool (b,), marks clips whose known inputs are put at their mean.
        """
        return self.network(self.inputs(audio, known, hidden))

    def inputs(self, audio, known, hidden=None):
        """What the network and the head of families are given, (b, n_known + 512)."""
        known = (known - self.mean) / self.scale
        if hidden is not None:
            known = known.masked_fill(hidden.unsqueeze(1), 0.0)
        return torch.cat([known, self.spectrogram(audio)], dim=1)


def for_prediction(model, hidden_share):
    """A copy of `model` for clips whose known inputs are never hidden.

    Hiding them in a share of the training is dropout of a whole group of inputs, so in prediction
    their weights count for the share that was shown (the weight scaling rule of Srivastava et al.
    2014, J. Mach. Learn. Res. 15): nearly the mean of the readings with and without them.
    """
    model = copy.deepcopy(model)
    model.scale /= 1 - hidden_share
    return model


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
