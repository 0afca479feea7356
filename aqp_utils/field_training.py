"""Training of the `field` predictor: the encoder is fine-tuned together with the network.

A batch holds whole sources, each clean and damaged: what differs inside a group is the damage, so
the damage is what there is to learn. Some groups are heard through yet another microphone, the same
for all clips of the group, so their labels stay; the 19 features, which describe the clips as they
were, are hidden then, and the embedding cannot lean on them. The validation part, other voices of
the same synthesis, decides when to stop; recordings of people never decide anything.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F
from tqdm import tqdm
from transformers import Wav2Vec2Model

from aqp_utils.audio import SAMPLE_RATE
from aqp_utils.encoder_catalog import EMBEDDED_FOLDER
from aqp_utils.metrics import pearson, spearman
from aqp_utils.microphone import random_response
from aqp_utils.network import MultiTaskNet
from aqp_utils.prediction import Prediction
from aqp_utils.quality import CLASSES, SCALE
from aqp_utils.randomness import rng_for
from aqp_utils.repository import code_behind
from aqp_utils.storage import write_csv, write_json
from aqp_utils.training_state import Clock, load_checkpoint, save_checkpoint

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
SHUFFLING, CROPPING = 1, 2  # addresses of random streams
SCALER_CLIPS = 500  # that the embedding's first scaler is fitted on
WEIGHT_DECAY = 0.01
FILTER_DB = (1.0, 2.0)  # standard deviations of another microphone's tilt and bumps


@dataclass(frozen=True)
class FieldSettings:
    """Everything that, with the clips, decides the result."""

    epochs: int
    batch_sources: int = 4
    encoder_rate: float = 8e-5
    network_rate: float = 1e-3
    warmup: int = 200  # steps
    score_weight: float = 1.0
    dropout: float = 0.3
    filtered: float = 0.4  # share of groups with another microphone and their features hidden
    shortest_crop_s: float = 2.0
    patience: int = 2  # epochs without a better validation score
    seed: int = 0

    def key(self):
        """Short name of a training with these settings by this code."""
        about = json.dumps(asdict(self), sort_keys=True) + code_behind("field_training")
        return hashlib.sha256(about.encode()).hexdigest()[:12]


class FieldNet(torch.nn.Module):
    """Encoder and network in one: audio and 19 features in, class and score out."""

    def __init__(self, hidden=(512, 256), n_features=19, dropout=0.3, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Wav2Vec2Model.from_pretrained(EMBEDDED_FOLDER, dtype=torch.float32)
        self.encoder.config.apply_spec_augment = False
        n_inputs = n_features + self.encoder.config.hidden_size
        self.network = MultiTaskNet(n_inputs, hidden, dropout, len(CLASSES), seed)
        self.register_buffer("mean", torch.zeros(n_inputs))
        self.register_buffer("scale", torch.ones(n_inputs))

    def embed(self, audio):
        """Mean of the top hidden states over time, (b, 768); in training bfloat16 inside."""
        audio = F.layer_norm(audio, audio.shape[1:])  # zero mean, unit variance per clip
        with torch.autocast(audio.device.type, torch.bfloat16, enabled=self.training):
            states = self.encoder(audio).last_hidden_state
        return states.float().mean(dim=1)

    def forward(self, audio, features):
        """Logits (b, 3) and scores (b,) of audio (b, n) and features (b, 19), not standardised."""
        return self.judge(self.embed(audio), features)

    def judge(self, embedding, features, hidden_features=None):
        """Logits and scores from embedding (b, 768) and features (b, 19).

        `hidden_features`, bool (b,), marks clips whose features are put at their mean.
        """
        inputs = (torch.cat([features, embedding], dim=1) - self.mean) / self.scale
        if hidden_features is not None:
            shown = torch.ones_like(inputs)
            shown[hidden_features, : features.shape[1]] = 0
            inputs = inputs * shown
        return self.network(inputs)


def clips_to_tensors(clips, rows, samples=None):
    """Audio (b, n), features (b, 19), classes (b,) and scores (b,) of some rows.

    `samples` cuts the same stretch out of every clip: (start, end).
    """
    start, end = samples or (0, clips.audio.shape[1])
    classes = clips.table["quality"].to_numpy()[rows]
    return (
        torch.from_numpy(clips.audio[rows, start:end].astype(np.float32)),
        torch.from_numpy(clips.features[rows].astype(np.float32)),
        torch.from_numpy(np.array([CLASSES.index(c) for c in classes])),
        torch.from_numpy(clips.table["score"].to_numpy(np.float32)[rows]),
    )


def groups_of(clips, part):
    """Rows of each source of one part: list of int arrays."""
    table = clips.table[clips.table["part"] == part]
    return [rows.index.to_numpy() for _, rows in table.groupby("source")]


def set_scaler(model, clips, seed, device):
    """Standardise: the features by the training part, the embedding by some of its clips."""
    train = np.flatnonzero(clips.table["part"] == "train")
    features = StandardScaler().fit(clips.features[train])
    some = rng_for(seed, "field", kind=SHUFFLING).permutation(train)[:SCALER_CLIPS]
    embedding = StandardScaler().fit(embeddings(model, clips, some, device))
    for name in ("mean", "scale"):
        values = [getattr(scaler, f"{name}_") for scaler in (features, embedding)]
        getattr(model, name).copy_(torch.from_numpy(np.concatenate(values)))


@torch.inference_mode()
def embeddings(model, clips, rows, device, batch=32):
    """Embeddings of some clips, float32 (n, 768)."""
    model.eval()
    return np.concatenate(
        [
            model.embed(clips_to_tensors(clips, rows[i : i + batch])[0].to(device)).cpu().numpy()
            for i in range(0, len(rows), batch)
        ]
    )


@torch.inference_mode()
def predict(model, clips, rows, device, batch=32):
    """What the model says about some clips, as a `Prediction`."""
    model.eval()
    scores, probabilities = [], []
    for i in range(0, len(rows), batch):
        audio, features, *_ = clips_to_tensors(clips, rows[i : i + batch])
        logits, score = model(audio.to(device), features.to(device))
        scores.append(score.float().cpu().numpy())
        probabilities.append(logits.float().softmax(1).cpu().numpy())
    probabilities = np.concatenate(probabilities)
    quality = [CLASSES[index] for index in probabilities.argmax(1)]
    return Prediction(probabilities, quality, np.clip(np.concatenate(scores), *SCALE))


def measure(model, clips, part, settings, device):
    """Loss, PCC, SRCC, RMSE and accuracy on one part, clip level."""
    rows = np.flatnonzero(clips.table["part"] == part)
    predicted = predict(model, clips, rows, device)
    true = clips.table["score"].to_numpy()[rows]
    quality = clips.table["quality"].to_numpy()[rows]
    stated = predicted.probabilities[np.arange(len(rows)), [CLASSES.index(c) for c in quality]]
    mse = np.mean((predicted.score - true) ** 2)
    return {
        "loss": float(-np.mean(np.log(stated + 1e-9)) + settings.score_weight * mse),
        "pcc": float(pearson(true, predicted.score)),
        "srcc": float(spearman(true, predicted.score)),
        "rmse": float(np.sqrt(mse)),
        "accuracy": float(np.mean(np.array(predicted.quality) == quality)),
    }


def rate_factor(step, n_steps, warmup):
    """Share of the full learning rate at `step`: warm-up, then a half cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + np.cos(np.pi * (step - warmup) / max(1, n_steps - warmup)))


def start(clips, settings, device):
    """A fresh model and its optimizer."""
    model = FieldNet(dropout=settings.dropout, seed=settings.seed).to(device)
    set_scaler(model, clips, settings.seed, device)
    groups = [
        {"params": list(model.encoder.parameters()), "full_rate": settings.encoder_rate},
        {"params": list(model.network.parameters()), "full_rate": settings.network_rate},
    ]
    return model, torch.optim.AdamW(groups, lr=0.0, weight_decay=WEIGHT_DECAY)


def learn(model, optimizer, batch, factor, settings, step):
    """Step number `step`, with dropout of its own; returns the losses by name."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["full_rate"]
    audio, features, classes, scores, hidden_features = batch
    model.train()
    torch.manual_seed(settings.seed * 1_000_003 + step)
    logits, predicted = model.judge(model.embed(audio), features, hidden_features)
    losses = {
        "class": F.cross_entropy(logits, classes),
        "score": settings.score_weight * F.mse_loss(predicted, scores),
    }
    optimizer.zero_grad()
    sum(losses.values()).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return {name: loss.item() for name, loss in losses.items()}


def draw_batch(clips, groups, rng, settings):
    """What `learn` takes, of some groups, all clips cut to the same random stretch."""
    rows, n = np.concatenate(groups), clips.audio.shape[1]
    length = int(rng.integers(min(n, round(settings.shortest_crop_s * SAMPLE_RATE)), n + 1))
    first = int(rng.integers(n - length + 1))
    audio, *rest = clips_to_tensors(clips, rows, (first, first + length))
    is_filtered = rng.random(len(groups)) < settings.filtered
    flat = np.ones(length // 2 + 1)
    gains = [random_response(length, rng, *FILTER_DB) if one else flat for one in is_filtered]
    sizes = torch.tensor([len(group) for group in groups])
    gains = torch.tensor(np.array(gains)).float().repeat_interleave(sizes, 0)
    spectra = torch.fft.rfft(audio) * gains
    hidden = torch.from_numpy(is_filtered).repeat_interleave(sizes)
    return torch.fft.irfft(spectra, length), *rest, hidden


def train(clips, folder, settings, device="cpu", checkpoint_every_s=120.0, stop_after_s=None):
    """Train, or go on where an interrupted run in `folder` stopped.

    Parameters
    ----------
    clips : FieldClips
    folder : Path
        Gets checkpoint.safetensors, best.safetensors, history.csv and settings.json.
    settings : FieldSettings
    device : str
    checkpoint_every_s : float
    stop_after_s : float, optional
        Leave the loop after this time; call again to go on.

    Returns
    -------
    FieldNet
        With the weights of the epoch that was best on the validation part; on the CPU.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model, optimizer = start(clips, settings, device)
    progress = {"step": 0, "seconds": 0.0, "cpu_seconds": 0.0, "history": [], "best": None}
    if (folder / CHECKPOINT).exists():
        progress = load_checkpoint(folder / CHECKPOINT, model, optimizer)
        print(f"training: resuming after {progress['step']} steps", flush=True)
    write_json(folder / "settings.json", asdict(settings))
    clock = Clock(progress, checkpoint_every_s)
    groups = groups_of(clips, "train")
    per_epoch = len(groups) // settings.batch_sources
    n_steps = settings.epochs * per_epoch
    losses = []
    bar = tqdm(total=n_steps, initial=progress["step"], desc="training", mininterval=5)
    while progress["step"] < n_steps and not _out_of_patience(progress, settings):
        step = progress["step"]
        epoch, position = divmod(step, per_epoch)
        order = rng_for(settings.seed, "field", epoch, SHUFFLING, 1).permutation(len(groups))
        taken = order[position * settings.batch_sources : (position + 1) * settings.batch_sources]
        rng = rng_for(settings.seed, "field", step, CROPPING, 1)
        batch = draw_batch(clips, [groups[i] for i in taken], rng, settings)
        batch = [tensor.to(device) for tensor in batch]
        factor = rate_factor(step, n_steps, settings.warmup)
        losses.append(learn(model, optimizer, batch, factor, settings, step))
        progress["step"] = step + 1
        bar.update()
        recent = pd.DataFrame(losses[-50:]).mean()
        bar.set_postfix({name: f"{loss:.3f}" for name, loss in recent.items()}, refresh=False)
        if position == per_epoch - 1:
            _end_epoch(model, clips, folder, settings, device, progress, clock, losses)
            losses = []
        clock.read()
        stopped = stop_after_s is not None and progress["seconds"] > stop_after_s
        if clock.due() or position == per_epoch - 1 or stopped:
            save_checkpoint(folder / CHECKPOINT, model, optimizer, progress)
        if stopped:
            break
    if (folder / BEST).exists():
        load_checkpoint(folder / BEST, model, optimizer)
    return model.cpu().eval()


def _out_of_patience(progress, settings):
    history = progress["history"]
    return bool(history) and len(history) - progress["best"]["epoch"] >= settings.patience


def _end_epoch(model, clips, folder, settings, device, progress, clock, losses):
    """Measure on the validation part and keep the weights if they are the best so far."""
    found = measure(model, clips, "validation", settings, device)
    epoch = len(progress["history"]) + 1
    row = {"epoch": epoch, "step": progress["step"], **clock.read()}
    means = pd.DataFrame(losses).mean()
    row |= {"train_loss": means["class"] + means["score"]}
    row |= {f"validation_{name}": value for name, value in found.items()}
    progress["history"].append(row)
    write_csv(folder / "history.csv", pd.DataFrame(progress["history"]))
    tqdm.write(
        f"epoch {epoch}: training loss {row['train_loss']:.3f}, validation loss "
        f"{found['loss']:.3f}, PCC {found['pcc']:.3f}, RMSE {found['rmse']:.3f}"
    )
    if progress["best"] is None or found["loss"] < progress["best"]["loss"]:
        progress["best"] = {"epoch": epoch, **found}
        save_checkpoint(folder / BEST, model, torch.optim.SGD(model.parameters()), progress)
