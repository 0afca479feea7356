"""The multi-task network and its training: one body, a head for the class, one for the score.

Standardised inputs (768 embedding + 19 psychoacoustic by default) go through two hidden layers to
three class logits and one score.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from aqp_utils.core.scale import SCALE


class Examples(NamedTuple):
    """Clips as the network sees them.

    Attributes
    ----------
    inputs : ndarray, shape (n, n_inputs)
        Standardised features (zero mean, unit variance on the training part).
    classes : ndarray of int, shape (n,)
        Index into `CLASSES` (0 low, 1 medium, 2 high).
    scores : ndarray, shape (n,)
        Labels in [1.0, 4.5].
    """

    inputs: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


class MultiTaskNet(nn.Module):
    """Linear 512, ReLU, Linear 256, ReLU, dropout, then Linear 3 (class) and Linear 1 (score).

    The score head works on the label range mapped to [-1, 1]: score = 2.75 + 1.75·head. Untrained
    it therefore answers mid-scale. On raw scores the first epochs at a learning rate of 1e-4 would
    go into lifting the output from 0 to about 2.75 through the body that the class head shares.
    The mapping is a constant of the scale, so nothing of the training labels is stored in it.

    Parameters
    ----------
    n_inputs : int
    hidden : sequence of int
        Widths of the hidden layers.
    dropout : float in [0, 1)
        Share of the last hidden layer dropped while training.
    n_classes : int
    seed : int
        Of the initial weights; the global random state of torch is left as it was.
    """

    def __init__(self, n_inputs=787, hidden=(512, 256), dropout=0.3, n_classes=3, seed=0):
        super().__init__()
        self.architecture = {
            "n_inputs": int(n_inputs),
            "hidden": [int(width) for width in hidden],
            "dropout": float(dropout),
            "n_classes": int(n_classes),
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            widths = [n_inputs, *hidden]
            layers = []
            for width_in, width_out in zip(widths[:-1], widths[1:], strict=True):
                layers += [nn.Linear(width_in, width_out), nn.ReLU()]
            self.body = nn.Sequential(*layers, nn.Dropout(dropout))
            self.class_head = nn.Linear(widths[-1], n_classes)
            self.score_head = nn.Linear(widths[-1], 1)

    def forward(self, x):
        """Map inputs (b, n_inputs) to logits (b, n_classes) and unclipped scores (b,)."""
        low, high = SCALE
        hidden = self.body(x)
        centred = self.score_head(hidden).squeeze(-1)
        return self.class_head(hidden), (low + high) / 2 + (high - low) / 2 * centred


def train(
    model, train_set, test_set, epochs=40, batch_size=16, learning_rate=1e-4, score_weight=0.5,
    seed=0, device="cpu", class_weight=1.0, progress=False,
):  # fmt: skip
    """Train in place and measure both parts after every epoch.

    The measurements are taken with dropout off on both parts, so the curves compare like with
    like. The test part is only ever measured, never learned from.

    Parameters
    ----------
    model : MultiTaskNet
        Ends on the CPU in evaluation mode.
    train_set, test_set : Examples
        Inputs standardised with a scaler fitted on the training part only.
    epochs, batch_size : int
    learning_rate : float
        Of Adam.
    score_weight : float
        Loss = class_weight · cross-entropy + score_weight · MSE. One at 0 trains one head only.
    seed : int
        Order of the batches and dropout. Same seed, machine and threads: same bits.
    device : str
        "cpu" or "cuda".
    class_weight : float
        See `score_weight`.
    progress : bool
        Show a bar over the epochs.

    Returns
    -------
    DataFrame
        One row per epoch: epoch (from 1), then train_ and test_ of loss, ce, mse, accuracy.

    Raises
    ------
    ValueError
        If inputs, labels and network do not fit together, or the loss stops being finite.
    """
    parts = {"train": train_set, "test": test_set}
    for name, part in parts.items():
        _check(part, model.architecture, name)
    tensors = {name: _tensors(part, device) for name, part in parts.items()}
    rows = []

    def measure(epoch):
        row = {"epoch": epoch}
        for name, part in tensors.items():
            row |= _measure(model, part, class_weight, score_weight, name)
        rows.append(row)

    fit(
        model, train_set, epochs, batch_size, learning_rate, score_weight, seed, device,
        class_weight, after_epoch=measure, progress=progress,
    )  # fmt: skip
    first = [f"{part}_{name}" for name in ("loss", "ce", "mse", "accuracy") for part in parts]
    return pd.DataFrame(rows, columns=["epoch", *first])


def fit(
    model, train_set, epochs=40, batch_size=16, learning_rate=1e-4, score_weight=0.5, seed=0,
    device="cpu", class_weight=1.0, after_epoch=None, progress=False,
):  # fmt: skip
    """Train in place without measuring; the arguments are those of `train`.

    Parameters
    ----------
    after_epoch : callable, optional
        Called with the epoch (from 1), the network in evaluation mode.
    """
    _check(train_set, model.architecture, "train")
    model.to(device)
    part = _tensors(train_set, device)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    order = torch.Generator().manual_seed(seed)
    gpu = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=gpu):
        torch.manual_seed(seed)
        for epoch in tqdm(range(1, epochs + 1), desc="training", disable=not progress):
            model.train()
            for batch in torch.randperm(len(part[0]), generator=order).split(batch_size):
                loss = sum(_losses(model, [t[batch] for t in part], class_weight, score_weight))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            _require_finite(loss, epoch, learning_rate)
            model.eval()
            if after_epoch is not None:
                after_epoch(epoch)
    model.to("cpu").eval()


def _losses(model, part, class_weight, score_weight):
    inputs, classes, scores = part
    logits, predicted = model(inputs)
    return (
        class_weight * F.cross_entropy(logits, classes),
        score_weight * F.mse_loss(predicted, scores),
    )


@torch.no_grad()
def _measure(model, part, class_weight, score_weight, name):
    inputs, classes, scores = part
    logits, predicted = model(inputs)
    ce = F.cross_entropy(logits, classes).item()
    mse = F.mse_loss(predicted, scores).item()
    return {
        f"{name}_loss": class_weight * ce + score_weight * mse,
        f"{name}_ce": ce,
        f"{name}_mse": mse,
        f"{name}_accuracy": (logits.argmax(1) == classes).float().mean().item(),
    }


def _tensors(examples, device):
    return (
        torch.tensor(np.asarray(examples.inputs), dtype=torch.float32, device=device),
        torch.tensor(np.asarray(examples.classes), dtype=torch.int64, device=device),
        torch.tensor(np.asarray(examples.scores), dtype=torch.float32, device=device),
    )


def _check(examples, architecture, part):
    inputs, classes, scores = (np.asarray(array) for array in examples)
    expected = (len(classes), architecture["n_inputs"])
    if len(classes) == 0 or inputs.shape != expected or scores.shape != classes.shape:
        raise ValueError(
            f"{part} set: inputs {inputs.shape}, classes {classes.shape}, scores {scores.shape}; "
            f"the network takes (n, {architecture['n_inputs']}), (n,), (n,) with n ≥ 1."
        )
    bad = np.flatnonzero(~np.isfinite(inputs).all(axis=1) | ~np.isfinite(scores))
    if len(bad):
        raise ValueError(
            f"{part} set: {len(bad)} of {len(scores)} clips have inputs or scores that are not "
            f"finite numbers, first at row {bad[0]}."
        )
    if not np.isin(classes, np.arange(architecture["n_classes"])).all():
        raise ValueError(
            f"{part} set: classes must be whole numbers from 0 to {architecture['n_classes'] - 1}."
        )


def _require_finite(loss, epoch, learning_rate):
    if not torch.isfinite(loss):
        raise ValueError(
            f"training diverged in epoch {epoch}: the loss is {loss.item()}; "
            f"choose a learning rate below {learning_rate:g}."
        )
