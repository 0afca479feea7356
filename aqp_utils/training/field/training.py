"""Training of the `field` predictor: a spectrogram encoder and the network that joins everything.

Three descriptions of a clip meet in the network: the 19 features and the embedding of the frozen
Wav2Vec2, both known beforehand, and the embedding of a small convolutional encoder that is learned
here, because what codecs and time stretchers leave behind is finer than the other two can tell.

A batch holds whole sources, each clean and damaged: what differs inside a group is the damage, so
the damage is what there is to learn. What was known beforehand is hidden in most batches, because
it knows our synthesis better than it knows damage. The validation part, other voices and damages of
other mechanisms, decides which weights are kept: of an epoch, or a mean of those passed on the way;
recordings of people never decide anything.
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
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from aqp_utils.core.files import atomic, write_csv, write_json
from aqp_utils.core.randomness import rng_for
from aqp_utils.core.scale import CLASSES
from aqp_utils.degradations.catalogue import FAMILIES
from aqp_utils.evaluation.metrics import pearson, spearman
from aqp_utils.model.fusion import fused
from aqp_utils.model.prediction import from_logits
from aqp_utils.runs.code import code_behind
from aqp_utils.training.field.batches import (
    draw_batch,
    families_of,
    groups_of,
    labels_of,
    some_rows,
    some_versions,
)
from aqp_utils.training.field.network import (
    FieldNet,
    for_prediction,
    shipped_folder,
    take_over,
)
from aqp_utils.training.field.recipe import FIRST_OTHER, FIRST_RARE, FIRST_STRETCHED
from aqp_utils.training.losses import (
    beyond_the_top,
    hearing_loss,
    intelligibility_loss,
    loss_of,
    pair_loss,
)
from aqp_utils.training.state import Clock, load_checkpoint, save_checkpoint

CHECKPOINT, BEST, KEPT = "checkpoint.safetensors", "best.safetensors", "kept.json"
LAST, MEAN, HALFWAY = "last", "mean", "half-way"  # whose weights: of the step, or see `Training`
RECENT = 1  # power of its number by which a step counts in the mean; 0 would count all alike
SHUFFLING, CROPPING, CHOOSING = 1, 2, 3  # addresses of random streams
WEIGHT_DECAY = 0.01
LOSSES_AT_ONCE = 50  # steps between two looks at what the device computed
VALIDATED = 1_500  # clips of the validation part, at most: looked at after each epoch
CHUNK = 64  # clips that are embedded or judged at a time
COMPILED_FROM = 2_000  # steps: compiling, by g++, takes a minute or two and nearly halves a step


@dataclass(frozen=True)
class FieldSettings:
    """Everything that, with the clips and the frozen encoder, decides the result."""

    epochs: int
    batch_sources: int = 8
    batch_versions: int = 6  # of each source: clean, stretched and others, drawn anew each time
    learning_rate: float = 2e-3  # from random weights; half of it keeps what is known already
    warmup: int = 100  # steps
    class_weight: float = 0.3
    clean_weight: float = 4.0  # of undamaged clips, so that they are four in nine: many recordings
    # are, and hard versions leave fewer among what sounds clean than there are in life
    clean_margin: float = 0.7  # by which undamaged clips have to exceed the top of the scale
    dropout: float = 0.3
    hidden: float = 0.75  # share of batches that show the spectrograms and nothing known beforehand
    retold: float = 0.5  # share at another speed and by other microphones; all of them hidden
    speeds: tuple = (0.85, 1.2)  # of playback
    filter_db: tuple = (1.5, 3.0)  # standard deviations of a microphone's tilt and bumps
    wandering: float = 0.5  # share of the groups of a retold batch that are read by another clock
    floored: float = 0.5  # share of the groups of a retold batch that get another noise floor
    crop_s: float = 2.5  # of a batch as it is heard; with the fastest speed the clip is used up
    patience: int = 12  # epochs without a better validation loss; late ones, at low rates, are best
    pair_weight: float = 0.5  # of differences between the versions of one source
    family_weight: float = 0.3  # of naming the families of the damages that a clip met
    stretched_weight: float = 1.0  # of hearing whether a clip went through a time stretcher
    understood_weight: float = 1.0  # of saying how much of what was said can be understood
    everything: bool = False  # learn from the mechanisms held out, too, once all is chosen
    start: str = ""  # version of the shipped predictor whose weights are the first; "": random
    seed: int = 0

    def __post_init__(self):
        if not 0 <= self.retold <= self.hidden < 1:
            raise ValueError(
                f"retold is {self.retold} and hidden {self.hidden}; allowed is 0 <= retold <= "
                "hidden < 1, as what is known of a clip is not true once it is retold."
            )

    @property
    def highest_rate(self):
        """Learning rate after the warm-up."""
        return self.learning_rate / 2 if self.start else self.learning_rate

    def key(self):
        """Short name of a training with these settings by this code."""
        about = json.dumps(asdict(self), sort_keys=True) + code_behind("training.field.training")
        return hashlib.sha256(about.encode()).hexdigest()[:12]


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


def measure(model, clips, known, rows, settings, device):
    """Loss, PCC, SRCC, RMSE and accuracy on some rows, clip level."""
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

    Two kinds of weights are tried on the validation part: those of an epoch's last step, and the
    mean over all steps so far, later ones counting more (polynomial-decay averaging, Shamir & Zhang
    2013, ICML; Cha et al. 2021, NeurIPS, found such means to carry over to other domains). If the
    training started from learned weights, the result is half-way from those to the best: see
    `go_half_way`.

    Parameters
    ----------
    clips : FieldClips
    known : ndarray, shape (n, n_known)
        From `known_inputs`.
    folder : Path
        Gets checkpoint.safetensors, best.safetensors, history.csv, settings.json and kept.json:
        which weights are the best, and what they reach on the validation part.
    settings : FieldSettings
    device : str
    """

    def __init__(self, clips, known, folder, settings, device="cpu"):
        self.clips, self.known, self.settings, self.device = clips, known, settings, device
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        version = clips.table["version"].to_numpy()
        is_other = (version >= FIRST_OTHER) & (version < FIRST_RARE)
        learned = (clips.table["part"] == "train").to_numpy() & (settings.everything | ~is_other)
        scaler = StandardScaler().fit(known[learned])
        self.model = self.new_model(scaler.mean_, scaler.scale_).to(device)
        self.first = None
        if settings.start:
            take_over(self.model, shipped_folder(settings.start), settings.hidden)
            self.model.to(device)
            self.first = copy.deepcopy(self.model.state_dict())
        self.mean = AveragedModel(self.model, avg_fn=_towards, use_buffers=True)
        self.both = torch.nn.ModuleDict({LAST: self.model, MEAN: self.mean})
        self.optimizer = torch.optim.AdamW(self.model.parameters(), weight_decay=WEIGHT_DECAY)
        self.groups = [rows[learned[rows]] for rows in groups_of(clips, "train")]
        self.is_stretched = (version >= FIRST_STRETCHED) & (version < FIRST_OTHER)
        self.validated = some_rows(clips, "validation", VALIDATED)
        self.per_epoch = max(1, len(self.groups) // settings.batch_sources)
        self.unread = []  # losses of the last steps, still where they were computed
        self.progress = {
            "step": 0,
            "seconds": 0.0,
            "cpu_seconds": 0.0,
            "losses": [],
            "history": [],
            "best": None,
        }

    def new_model(self, mean, scale):
        """A `FieldNet` with random weights."""
        return FieldNet(mean, scale, dropout=self.settings.dropout, seed=self.settings.seed)

    def run(self, checkpoint_every_s=120.0):
        """Train to the end.

        Returns
        -------
        FieldNet
            With the weights that were best on the validation part, or half-way to them,
            `for_prediction`; on the CPU.
        """
        checkpoint = self.folder / CHECKPOINT
        if checkpoint.exists():
            self.progress = load_checkpoint(checkpoint, self.both, self.optimizer)
            print(f"training: resuming after {self.progress['step']} steps", flush=True)
        write_json(self.folder / "settings.json", asdict(self.settings))
        clock = Clock(self.progress, checkpoint_every_s)
        n_steps = self.settings.epochs * self.per_epoch
        if n_steps - self.progress["step"] >= COMPILED_FROM and shutil.which("g++"):
            self.model.spectrogram.layers.compile()
        bar = tqdm(total=n_steps, initial=self.progress["step"], desc="training", mininterval=5)
        while self.progress["step"] < n_steps and not self.out_of_patience():
            self.learn(rate_factor(self.progress["step"], n_steps, self.settings.warmup))
            self.mean.update_parameters(self.model)
            self.progress["step"] += 1
            bar.update()
            clock.read()
            ended, due = self.progress["step"] % self.per_epoch == 0, clock.due()
            if ended or due or len(self.unread) == LOSSES_AT_ONCE:
                self.read_losses()
                recent = np.mean(self.progress["losses"][-LOSSES_AT_ONCE:])
                bar.set_postfix(loss=f"{recent:.3f}", refresh=False)
            if ended:
                self.end_epoch()
            if ended or due:
                save_checkpoint(checkpoint, self.both, self.optimizer, self.progress)
        if (self.folder / BEST).exists():
            load_checkpoint(self.folder / BEST, self.model, self.optimizer)
        if self.first is not None:
            self.go_half_way()
        return for_prediction(self.model, self.settings.hidden).cpu().eval()

    def learn(self, factor):
        """One step, with a batch and a dropout of its own."""
        settings, step = self.settings, self.progress["step"]
        epoch, position = divmod(step, self.per_epoch)
        order = rng_for(settings.seed, "field", epoch, SHUFFLING, 1).permutation(len(self.groups))
        taken = order[position * settings.batch_sources : (position + 1) * settings.batch_sources]
        rng = rng_for(settings.seed, "field", step, CHOOSING, 1)
        groups = [
            some_versions(self.groups[i], self.is_stretched, settings.batch_versions, rng)
            for i in taken
        ]
        rng = rng_for(settings.seed, "field", step, CROPPING, 1)
        batch = draw_batch(self.clips, self.known, groups, rng, settings)
        audio, known, hidden, *labels = (tensor.to(self.device) for tensor in batch)
        for group in self.optimizer.param_groups:
            group["lr"] = factor * settings.highest_rate * group.get("share", 1.0)
        self.model.train()
        torch.manual_seed(settings.seed * 1_000_003 + step)
        inputs = self.model.inputs(audio, known, hidden)
        loss = self.loss(inputs, audio, labels, groups)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.unread.append(loss.detach())

    def loss(self, inputs, audio, labels, groups):
        """What a batch of inputs (b, n_inputs) with its `labels_of` costs, as one number.

        `audio` (b, n) is what was heard, `groups` are the rows, source by source.
        """
        settings = self.settings
        classes, scores, weights = labels
        logits, predicted = self.model.network(inputs)
        predicted, scores = beyond_the_top(predicted, scores, settings.clean_margin)
        loss = self.loss_of_heads(logits, predicted, (classes, scores, weights))
        sizes = [len(group) for group in groups]
        if settings.pair_weight:
            apart = self.loss_in_groups(inputs, predicted, scores, sizes)
            loss = loss + settings.pair_weight * apart
        families = families_of(self.clips, np.concatenate(groups)).to(self.device)
        if settings.family_weight:
            named = self.model.families(inputs)
            surprise = F.binary_cross_entropy_with_logits(named, families)
            loss = loss + settings.family_weight * surprise
        if settings.stretched_weight:
            heard = self.model.stretched(inputs[:, -self.model.spectrogram.size :]).squeeze(1)
            missed = hearing_loss(heard, families[:, list(FAMILIES).index("tempo")], sizes)
            loss = loss + settings.stretched_weight * missed
        if settings.understood_weight:
            said = self.model.understood(inputs).squeeze(1)
            missed = intelligibility_loss(said, audio, sizes)
            loss = loss + settings.understood_weight * missed
        return loss

    def loss_of_heads(self, logits, predicted, labels):
        """What class and score cost, clip by clip; see `losses.loss_of`."""
        return loss_of(logits, predicted, *labels, self.settings.class_weight)

    def loss_in_groups(self, inputs, predicted, scores, sizes):
        """What the versions of one source cost beside each other; see `losses.pair_loss`."""
        return pair_loss(predicted, scores, sizes)

    def read_losses(self):
        """Fetch the losses of the last steps, some at once: each time, a GPU is waited for."""
        self.progress["losses"] += torch.stack(self.unread).tolist()
        self.unread = []

    def end_epoch(self):
        """Measure last and mean weights on the validation part and keep the best so far."""
        progress, epoch = self.progress, len(self.progress["history"]) + 1
        found = self.measured(self.model)
        of_mean = self.measured(self.mean.module)
        spent = {name: round(progress[name], 1) for name in ("seconds", "cpu_seconds")}
        row = {"epoch": epoch, "step": progress["step"], **spent}
        row |= {"train_loss": float(np.mean(self.progress["losses"]))}
        row |= {f"validation_{name}": value for name, value in found.items()}
        row |= {f"validation_{name}_of_mean": of_mean[name] for name in ("loss", "pcc")}
        progress["losses"] = []
        progress["history"].append(row)
        write_csv(self.folder / "history.csv", pd.DataFrame(progress["history"]))
        tqdm.write(
            f"epoch {epoch}: training loss {row['train_loss']:.3f}, validation loss "
            f"{found['loss']:.3f}, PCC {found['pcc']:.3f}; of the mean weights "
            f"{of_mean['loss']:.3f}, {of_mean['pcc']:.3f}"
        )
        self.keep_if_best(self.model, found, LAST)
        self.keep_if_best(self.mean.module, of_mean, MEAN)

    def measured(self, model):
        """What `measure` says of the validation part, or of `VALIDATED` clips of it."""
        model = for_prediction(model, self.settings.hidden)
        rows = self.validated
        return measure(model, self.clips, self.known, rows, self.settings, self.device)

    def keep_if_best(self, model, found, kind):
        """Keep the weights of `model` if what was `found` with them is the best so far."""
        if self.progress["best"] is None or found["loss"] < self.progress["best"]["loss"]:
            epoch = len(self.progress["history"])
            self.progress["best"] = {"epoch": epoch, "weights": kind, **found}
            save_checkpoint(self.folder / BEST, model, self.optimizer, self.progress)
            write_json(self.folder / KEPT, self.progress["best"])

    def go_half_way(self):
        """Move the best weights half-way back to the first ones.

        What is learned costs some of what was known, also of recordings, and no clip of the same
        synthesis tells how much: so this is a rule and not a choice (Wortsman et al. 2022, Robust
        fine-tuning of zero-shot models, CVPR, who recommend the middle where nothing is known).
        """
        best = self.model.state_dict()
        halves = {
            name: (tensor + best[name]) / 2 if tensor.is_floating_point() else best[name]
            for name, tensor in self.first.items()
        }
        self.model.load_state_dict(halves)
        kept = {name: self.progress["best"][name] for name in ("epoch", "weights")}
        kept["weights"] = f"{HALFWAY} to {kept['weights']}"
        write_json(self.folder / KEPT, kept | self.measured(self.model))

    def out_of_patience(self):
        """Whether the validation loss has not fallen for too many epochs."""
        history, best = self.progress["history"], self.progress["best"]
        return bool(history) and len(history) - best["epoch"] >= self.settings.patience


def _towards(mean, weights, n):
    """The mean over n + 1 steps from that over n: each counts in proportion to its number."""
    return mean + (weights - mean) * (RECENT + 1) / (n + RECENT + 1)


def train(clips, known, folder, settings, device="cpu"):
    """Train, or go on where an interrupted run in `folder` stopped; see `Training`."""
    return Training(clips, known, folder, settings, device).run()
