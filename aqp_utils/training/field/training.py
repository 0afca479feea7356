"""Training of the `field` predictor: a spectrogram encoder and the network that joins everything.

Three descriptions of a clip meet in the network: the 19 features and the embedding of the frozen
Wav2Vec2, both known beforehand, and the embedding of a small convolutional encoder that is learned
here, because what codecs and time stretchers leave behind is finer than the other two can tell.

A batch holds whole sources, each clean and damaged: what differs inside a group is the damage, so
the damage is what there is to learn. Some batches are retold: played faster or slower, each
group through yet another microphone, the same for all its clips, so that their labels stay. What
was known beforehand is hidden then, and in some other batches too, because it knows our synthesis
better than it knows damage. The validation part, other voices of the same synthesis, decides when
to stop; recordings of people never decide anything.
"""

import copy
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F
from tqdm import tqdm

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.files import atomic, write_csv, write_json
from aqp_utils.core.randomness import rng_for
from aqp_utils.core.scale import CLASSES
from aqp_utils.degradations.catalogue import ALL_DAMAGES, FAMILIES
from aqp_utils.encoders.spectrogram import SpectrogramEncoder
from aqp_utils.evaluation.metrics import pearson, spearman
from aqp_utils.model.fusion import fused
from aqp_utils.model.network import MultiTaskNet
from aqp_utils.model.prediction import from_logits
from aqp_utils.runs.code import code_behind
from aqp_utils.training.field.microphone import random_response
from aqp_utils.training.field.start import shipped_folder, take_over
from aqp_utils.training.state import Clock, load_checkpoint, save_checkpoint

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
HALFWAY = "half-way"  # stands for an epoch: the mean of the first weights and the last
SHUFFLING, CROPPING = 1, 2  # addresses of random streams
WEIGHT_DECAY = 0.01
FAMILY_OF = {damage.name: damage.family for damage in ALL_DAMAGES}
CHUNK = 64  # clips that are embedded or judged at a time
COMPILED_FROM = 2_000  # steps: compiling, by g++, takes a minute or two and nearly halves a step


@dataclass(frozen=True)
class FieldSettings:
    """Everything that, with the clips and the frozen encoder, decides the result."""

    epochs: int
    batch_sources: int = 8
    learning_rate: float = 2e-3
    warmup: int = 100  # steps
    class_weight: float = 0.3
    clean_weight: float = 2.0  # of undamaged clips: of recordings more than one in five is
    dropout: float = 0.3
    hidden: float = 0.75  # share of batches that show the spectrograms and nothing known beforehand
    retold: float = 0.5  # share at another speed and by other microphones; all of them hidden
    speeds: tuple = (0.85, 1.2)  # of playback
    filter_db: tuple = (1.5, 3.0)  # standard deviations of a microphone's tilt and bumps
    crop_s: float = 2.5  # of a batch as it is heard; with the fastest speed the clip is used up
    patience: int = 12  # epochs without a better validation loss; late ones, at low rates, are best
    pair_weight: float = 0.5  # of differences between the versions of one source
    family_weight: float = 0.3  # of naming the families of the damages that a clip met
    start: str = ""  # version of the shipped predictor whose weights are the first; "": random
    seed: int = 0

    def __post_init__(self):
        if not 0 <= self.retold <= self.hidden < 1:
            raise ValueError(
                f"retold is {self.retold} and hidden {self.hidden}; allowed is 0 <= retold <= "
                "hidden < 1, as what is known of a clip is not true once it is retold."
            )

    def key(self):
        """Short name of a training with these settings by this code."""
        about = json.dumps(asdict(self), sort_keys=True) + code_behind("training.field.training")
        return hashlib.sha256(about.encode()).hexdigest()[:12]


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


def known_inputs(clips, encoder, path=None):
    """Features and frozen embedding of all clips, float32 (n, 19 + 768); kept in `path`."""
    if path is not None and path.exists():
        return np.load(path)
    rows = range(0, len(clips.table), CHUNK)
    embedded = [
        encoder.embed(list(clips.audio[i : i + CHUNK]), batch_size=CHUNK)
        for i in tqdm(rows, desc="embeddings", unit=f"{CHUNK} clips", mininterval=5)
    ]
    known = fused(clips.features, np.concatenate(embedded)).astype(np.float32)
    if path is not None:
        with atomic(path) as temporary, open(temporary, "wb") as file:
            np.save(file, known)
    return known


def groups_of(clips, part):
    """Rows of each source of one part: list of int arrays."""
    table = clips.table[clips.table["part"] == part]
    return [rows.index.to_numpy() for _, rows in table.groupby("source")]


def labels_of(clips, rows, settings):
    """Classes, scores and weights in the loss of some rows, each (b,)."""
    table = clips.table.iloc[rows]
    weights = np.where(table["version"] == 0, settings.clean_weight, 1.0)
    return (
        torch.tensor([CLASSES.index(name) for name in table["quality"]]),
        torch.tensor(table["score"].to_numpy(np.float32)),
        torch.tensor(weights / weights.mean(), dtype=torch.float32),
    )


def draw_batch(clips, known, groups, rng, settings):
    """Audio, known inputs, whether these are hidden, and `labels_of` some groups.

    All clips are cut to the same random stretch. In a retold batch all are played at one random
    speed, those of a group through one random microphone; what is known of them is hidden. Every
    batch sounds equally long, so that what is compiled for one serves them all.
    """
    rows, n = np.concatenate(groups), clips.audio.shape[1]
    drawn, speed = rng.random(), 1.0
    if drawn < settings.retold:
        speed = np.exp(rng.uniform(*np.log(settings.speeds)))
    played = min(round(settings.crop_s * SAMPLE_RATE), round(n / speed))
    length = min(n, round(played * speed))
    first = int(rng.integers(n - length + 1))
    audio = torch.from_numpy(clips.audio[rows, first : first + length].astype(np.float32))
    if drawn < settings.retold:
        audio = retold(audio, [len(group) for group in groups], played, rng, settings)
    known = torch.from_numpy(known[rows])
    hidden = known.isnan().any(dim=1) | (drawn < settings.hidden)  # NaN: never looked at
    return audio, known, hidden, *labels_of(clips, rows, settings)


def retold(audio, sizes, played, rng, settings):
    """Audio (b, n) of groups of some `sizes`, each by another microphone, at the speed n / played.

    Returns
    -------
    Tensor, shape (b, played)
    """
    length = audio.shape[1]
    gains = np.array([random_response(length, rng, *settings.filter_db) for _ in sizes])
    gains = torch.from_numpy(gains).float().repeat_interleave(torch.tensor(sizes), 0)
    spectra = torch.fft.rfft(audio) * gains
    return torch.fft.irfft(spectra, played)  # the spectrum, cut or padded with zeros


def loss_of(logits, predicted, classes, scores, weights, class_weight):
    """Absolute error of the score plus `class_weight` times the cross-entropy of the class.

    The absolute error asks for the median: where a clip may be clean or subtly damaged, the answer
    is the likelier of the two, and not the point half-way that a squared error would prefer.
    """
    error = (predicted - scores).abs()
    surprise = F.cross_entropy(logits, classes, reduction="none")
    return torch.mean(weights * (error + class_weight * surprise))


def pair_loss(predicted, scores, sizes):
    """Absolute error of the differences between all versions of one source, averaged over pairs.

    What the versions share, voice, room and floor, drops out of a difference: it asks for the
    damage alone.
    """
    errors = []
    for group in (predicted - scores).split(sizes):
        errors.append((group.unsqueeze(0) - group.unsqueeze(1)).abs().flatten())
    return torch.cat(errors).mean()


def families_of(clips, rows):
    """How surely each family of damage can be heard in some rows, 0 to 1, (b, families)."""
    found = np.zeros((len(rows), len(FAMILIES)), dtype=np.float32)
    for position, history in enumerate(clips.table["history"].iloc[rows]):
        for damage in json.loads(history):
            column = list(FAMILIES).index(FAMILY_OF[damage["name"]])
            found[position, column] = min(1.0, 2 * damage["intensity"])
    return torch.from_numpy(found)


def rate_factor(step, n_steps, warmup):
    """Share of the full learning rate at `step`: warm-up, then a half cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + np.cos(np.pi * (step - warmup) / max(1, n_steps - warmup)))


@torch.inference_mode()
def predict(model, clips, known, rows, device):
    """What the model says about some clips, as a `Prediction`."""
    model.eval().to(device)
    heads = []
    for i in range(0, len(rows), CHUNK):
        some = rows[i : i + CHUNK]
        audio = torch.from_numpy(clips.audio[some].astype(np.float32)).to(device)
        logits, score = model(audio, torch.from_numpy(known[some]).to(device))
        heads.append((logits.cpu(), score.cpu()))
    return from_logits(*(torch.cat(head) for head in zip(*heads, strict=True)))


def measure(model, clips, known, part, settings, device):
    """Loss, PCC, SRCC, RMSE and accuracy on one part, clip level."""
    rows = np.flatnonzero(clips.table["part"] == part)
    predicted = predict(model, clips, known, rows, device)
    true = clips.table["score"].to_numpy()[rows]
    quality = clips.table["quality"].to_numpy()[rows]
    stated = predicted.probabilities[np.arange(len(rows)), [CLASSES.index(c) for c in quality]]
    error = predicted.score - true
    weights = labels_of(clips, rows, settings)[2].numpy()
    losses = np.abs(error) - settings.class_weight * np.log(stated + 1e-9)
    return {
        "loss": float(np.mean(weights * losses)),
        "pcc": float(pearson(true, predicted.score)),
        "srcc": float(spearman(true, predicted.score)),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "accuracy": float(np.mean(np.array(predicted.quality) == quality)),
    }


class Training:
    """A training that can be cut off at any step and goes on where its checkpoint was.

    Parameters
    ----------
    clips : FieldClips
    known : ndarray, shape (n, n_known)
        From `known_inputs`.
    folder : Path
        Gets checkpoint.safetensors, best.safetensors, history.csv and settings.json.
    settings : FieldSettings
    device : str
    """

    def __init__(self, clips, known, folder, settings, device="cpu"):
        self.clips, self.known, self.settings, self.device = clips, known, settings, device
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        scaler = StandardScaler().fit(known[clips.table["part"] == "train"])
        self.model = FieldNet(
            scaler.mean_, scaler.scale_, dropout=settings.dropout, seed=settings.seed
        ).to(device)
        self.first = None
        if settings.start:
            take_over(self.model, shipped_folder(settings.start), settings.hidden)
            self.model.to(device)
            self.first = copy.deepcopy(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(self.model.parameters(), weight_decay=WEIGHT_DECAY)
        self.groups = groups_of(clips, "train")
        self.per_epoch = max(1, len(self.groups) // settings.batch_sources)
        self.progress = {
            "step": 0,
            "seconds": 0.0,
            "cpu_seconds": 0.0,
            "losses": [],
            "history": [],
            "best": None,
        }

    def run(self, checkpoint_every_s=120.0):
        """Train to the end.

        Returns
        -------
        FieldNet
            With the weights that were best on the validation part, of an epoch or half-way to
            those of the last one, `for_prediction`; on the CPU.
        """
        checkpoint = self.folder / CHECKPOINT
        if checkpoint.exists():
            self.progress = load_checkpoint(checkpoint, self.model, self.optimizer)
            print(f"training: resuming after {self.progress['step']} steps", flush=True)
        write_json(self.folder / "settings.json", asdict(self.settings))
        clock = Clock(self.progress, checkpoint_every_s)
        n_steps = self.settings.epochs * self.per_epoch
        if n_steps - self.progress["step"] >= COMPILED_FROM and shutil.which("g++"):
            self.model.spectrogram.layers.compile()
        bar = tqdm(total=n_steps, initial=self.progress["step"], desc="training", mininterval=5)
        while self.progress["step"] < n_steps and not self.out_of_patience():
            self.learn(rate_factor(self.progress["step"], n_steps, self.settings.warmup))
            self.progress["step"] += 1
            bar.update()
            bar.set_postfix(loss=f"{np.mean(self.progress['losses'][-50:]):.3f}", refresh=False)
            clock.read()
            ended = self.progress["step"] % self.per_epoch == 0
            if ended:
                self.end_epoch()
            if ended or clock.due():
                save_checkpoint(checkpoint, self.model, self.optimizer, self.progress)
        if self.first is not None:
            self.go_half_way()
        if (self.folder / BEST).exists():
            load_checkpoint(self.folder / BEST, self.model, self.optimizer)
        return for_prediction(self.model, self.settings.hidden).cpu().eval()

    def learn(self, factor):
        """One step, with a batch and a dropout of its own."""
        settings, step = self.settings, self.progress["step"]
        epoch, position = divmod(step, self.per_epoch)
        order = rng_for(settings.seed, "field", epoch, SHUFFLING, 1).permutation(len(self.groups))
        taken = order[position * settings.batch_sources : (position + 1) * settings.batch_sources]
        groups = [self.groups[i] for i in taken]
        rng = rng_for(settings.seed, "field", step, CROPPING, 1)
        batch = draw_batch(self.clips, self.known, groups, rng, settings)
        batch = *batch, families_of(self.clips, np.concatenate(groups))
        audio, known, hidden, *labels, families = (tensor.to(self.device) for tensor in batch)
        for group in self.optimizer.param_groups:
            group["lr"] = factor * settings.learning_rate
        self.model.train()
        torch.manual_seed(settings.seed * 1_000_003 + step)
        inputs = self.model.inputs(audio, known, hidden)
        logits, predicted = self.model.network(inputs)
        loss = loss_of(logits, predicted, *labels, settings.class_weight)
        if settings.pair_weight:
            sizes = [len(group) for group in groups]
            loss = loss + settings.pair_weight * pair_loss(predicted, labels[1], sizes)
        if settings.family_weight:
            named = self.model.families(inputs)
            surprise = F.binary_cross_entropy_with_logits(named, families)
            loss = loss + settings.family_weight * surprise
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.progress["losses"].append(loss.item())

    def end_epoch(self):
        """Measure on the validation part and keep the weights if they are the best so far."""
        found = self.measured()
        progress, epoch = self.progress, len(self.progress["history"]) + 1
        spent = {name: round(progress[name], 1) for name in ("seconds", "cpu_seconds")}
        row = {"epoch": epoch, "step": progress["step"], **spent}
        row |= {"train_loss": float(np.mean(self.progress["losses"]))}
        row |= {f"validation_{name}": value for name, value in found.items()}
        progress["losses"] = []
        progress["history"].append(row)
        write_csv(self.folder / "history.csv", pd.DataFrame(progress["history"]))
        tqdm.write(
            f"epoch {epoch}: training loss {row['train_loss']:.3f}, validation loss "
            f"{found['loss']:.3f}, PCC {found['pcc']:.3f}, RMSE {found['rmse']:.3f}"
        )
        self.keep_if_best(found, epoch)

    def measured(self):
        """What `measure` says of the validation part."""
        model = for_prediction(self.model, self.settings.hidden)
        return measure(model, self.clips, self.known, "validation", self.settings, self.device)

    def keep_if_best(self, found, epoch):
        """Keep the weights if what was `found` with them is the best so far."""
        if self.progress["best"] is None or found["loss"] < self.progress["best"]["loss"]:
            self.progress["best"] = {"epoch": epoch, **found}
            save_checkpoint(self.folder / BEST, self.model, self.optimizer, self.progress)

    def go_half_way(self):
        """Try the mean of the first weights and the last, and keep it if it is the best so far.

        What is learned costs some of what was known; half-way is often better at both (Wortsman et
        al. 2022, Robust fine-tuning of zero-shot models, CVPR).
        """
        last = self.model.state_dict()
        mean = {
            name: (tensor + last[name]) / 2 if tensor.is_floating_point() else last[name]
            for name, tensor in self.first.items()
        }
        self.model.load_state_dict(mean)
        self.keep_if_best(self.measured(), HALFWAY)

    def out_of_patience(self):
        """Whether the validation loss has not fallen for too many epochs."""
        history, best = self.progress["history"], self.progress["best"]
        return bool(history) and len(history) - best["epoch"] >= self.settings.patience


def train(clips, known, folder, settings, device="cpu"):
    """Train, or go on where an interrupted run in `folder` stopped; see `Training`."""
    return Training(clips, known, folder, settings, device).run()
