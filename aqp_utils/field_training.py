"""Training of the `field` predictor: the encoder is fine-tuned together with the network.

A batch holds whole sources, each clean and damaged: what differs inside a group is the damage, so
the damage is what there is to learn. Beside class and score the encoder goes on predicting, frame
by frame, the spectra of the clean source and of what was done to it, as in its pretraining: one
score per clip is little to learn from, 75 spectra are much. The validation part, other voices of
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
from aqp_utils.network import MultiTaskNet
from aqp_utils.prediction import Prediction
from aqp_utils.pretrain_targets import FRAMES_PER_STEP, N_MELS, LogMel
from aqp_utils.quality import CLASSES, SCALE
from aqp_utils.randomness import rng_for
from aqp_utils.repository import code_behind
from aqp_utils.storage import write_csv, write_json
from aqp_utils.training_state import Clock, load_checkpoint, save_checkpoint

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
SHUFFLING, CROPPING = 1, 2  # addresses of random streams
SCALER_CLIPS = 500  # that the embedding's first scaler is fitted on
SCALER_SOURCES = 50  # that the spectra's is fitted on
WEIGHT_DECAY = 0.01
SPECTRA = 2 * FRAMES_PER_STEP * N_MELS  # values per frame of the encoder: clean and difference


@dataclass(frozen=True)
class FieldSettings:
    """Everything that, with the clips, decides the result."""

    epochs: int
    batch_sources: int = 4
    encoder_rate: float = 8e-5
    network_rate: float = 1e-3
    warmup: int = 200  # steps
    score_weight: float = 1.0
    spectra_weight: float = 1.0
    dropout: float = 0.3
    feature_dropout: float = 0.3  # share of clips whose 19 features are hidden
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
            # Predicts spectra while training and is left out of the predictor.
            self.spectra = torch.nn.Linear(self.encoder.config.hidden_size, SPECTRA)
        self.encoder.config.apply_spec_augment = False
        n_inputs = n_features + self.encoder.config.hidden_size
        self.network = MultiTaskNet(n_inputs, hidden, dropout, len(CLASSES), seed)
        self.log_mel = LogMel()
        for name, size in (("", n_inputs), ("spectra_", SPECTRA)):
            self.register_buffer(f"{name}mean", torch.zeros(size))
            self.register_buffer(f"{name}scale", torch.ones(size))

    def states(self, audio):
        """Top hidden states (b, frames, 768) of audio (b, n); in training bfloat16 inside."""
        audio = F.layer_norm(audio, audio.shape[1:])  # zero mean, unit variance per clip
        with torch.autocast(audio.device.type, torch.bfloat16, enabled=self.training):
            return self.encoder(audio).last_hidden_state.float()

    def embed(self, audio):
        """Mean of the top hidden states over time, (b, 768)."""
        return self.states(audio).mean(dim=1)

    def spectra_of(self, audio, clean):
        """Log-mel spectra of the clean source and of the difference to it, (b, frames, 256)."""
        audio, clean = (F.layer_norm(x, x.shape[1:]) for x in (audio, clean))
        gain = (audio * clean).sum(1, keepdim=True) / clean.square().sum(1, keepdim=True)
        mels = [self.log_mel(signal) for signal in (clean, audio - gain * clean)]
        frames = [mel.unflatten(1, (-1, FRAMES_PER_STEP)).flatten(2) for mel in mels]
        return torch.cat(frames, dim=2)

    def spectra_loss(self, states, audio, clean):
        """How far the spectra read off the states are from the true ones (Huber, standardised)."""
        target = (self.spectra_of(audio, clean) - self.spectra_mean) / self.spectra_scale
        return F.smooth_l1_loss(self.spectra(states), target)

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
    """Rows of each source of one part, the clean clip first: list of int arrays."""
    table = clips.table[clips.table["part"] == part].sort_values(["source", "version"])
    groups = [rows for _, rows in table.groupby("source")]
    return [rows.index.to_numpy() for rows in groups if rows["version"].iloc[0] == 0]


def set_scaler(model, clips, seed, device):
    """Standardise: the features by the training part, the embedding by some of its clips."""
    train = np.flatnonzero(clips.table["part"] == "train")
    features = StandardScaler().fit(clips.features[train])
    some = rng_for(seed, "field", kind=SHUFFLING).permutation(train)[:SCALER_CLIPS]
    embedding = StandardScaler().fit(embeddings(model, clips, some, device))
    for name in ("mean", "scale"):
        values = [getattr(scaler, f"{name}_") for scaler in (features, embedding)]
        getattr(model, name).copy_(torch.from_numpy(np.concatenate(values)))
    groups = groups_of(clips, "train")[:SCALER_SOURCES]
    rows = np.concatenate(groups)
    audio = clips_to_tensors(clips, rows)[0].to(device)
    spectra = model.spectra_of(audio, audio[clean_of(groups)]).flatten(0, 1)
    model.spectra_mean.copy_(spectra.mean(0))
    model.spectra_scale.copy_(spectra.std(0) + 1e-3)


def clean_of(groups):
    """Position of its clean clip for each clip of some groups in a row: int tensor (b,)."""
    sizes = torch.tensor([len(group) for group in groups])
    return (sizes.cumsum(0) - sizes).repeat_interleave(sizes)


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
        {
            "params": [*model.network.parameters(), *model.spectra.parameters()],
            "full_rate": settings.network_rate,
        },
    ]
    return model, torch.optim.AdamW(groups, lr=0.0, weight_decay=WEIGHT_DECAY)


def learn(model, optimizer, batch, factor, settings, step):
    """Step number `step`, with dropout of its own; returns the losses by name."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["full_rate"]
    audio, features, classes, scores, clean, hidden_features = batch
    model.train()
    torch.manual_seed(settings.seed * 1_000_003 + step)
    states = model.states(audio)
    logits, predicted = model.judge(states.mean(dim=1), features, hidden_features)
    losses = {
        "class": F.cross_entropy(logits, classes),
        "score": settings.score_weight * F.mse_loss(predicted, scores),
        "spectra": settings.spectra_weight * model.spectra_loss(states, audio, audio[clean]),
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
    hidden = torch.from_numpy(rng.random(len(rows)) < settings.feature_dropout)
    return *clips_to_tensors(clips, rows, (first, first + length)), clean_of(groups), hidden


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
    row |= {"train_loss": means["class"] + means["score"], "train_spectra": means["spectra"]}
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
