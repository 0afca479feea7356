"""Pretraining of the embedded encoder: masked prediction of what a clip is and what was done to it.

A resumable loop over random crops from pools of synthesis (`stream`), towards
the targets of `targets`. Notebook 00 explains and runs it.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from tqdm import tqdm
from transformers import Wav2Vec2Config, Wav2Vec2Model

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.files import sha256_of_files, write_csv, write_json
from aqp_utils.core.randomness import rng_for
from aqp_utils.encoders.card import write_card
from aqp_utils.encoders.shape import SHAPE
from aqp_utils.runs.environment import describe, processor_name
from aqp_utils.training.encoder.targets import (
    FRAMES_PER_STEP,
    N_MELS,
    LogMel,
    clip_statistics,
    difference,
    encoder_frames,
    unit_variance,
)
from aqp_utils.training.state import Clock, load_checkpoint, save_checkpoint

BATCHES, SETTING_UP = 5, 6  # addresses of random streams; 0 to 4 are the versions of a source
CLEAN_SHARE = 0.1  # crops whose input is the clean source itself
SPAN = 5  # masked at once: 5 encoder frames, 200 ms
LOWEST_HZ, HIGHEST_HZ = 60, 7700  # of the filterbank that the first convolution starts as
PHASES = 4
BIAS_SD = 0.03  # of the first convolution, where a loud frame is about 1
CHECKPOINT = "checkpoint.safetensors"
LOSSES = ("damaged", "clean", "error", "statistics")


@dataclass(frozen=True)
class Settings:
    """Everything that, with the pools, decides the result."""

    steps: int
    batch_size: int = 16
    crop_s: float = 2.0
    learning_rate: float = 5e-4
    warmup: int = 100  # steps
    decay_share: float = 0.3  # last part of the steps, where the rate falls linearly to zero
    weight_decay: float = 0.01
    most_masked: float = 0.5  # each crop has a masked share drawn between 0 and this
    seed: int = 0

    def rate(self, step):
        """Learning rate of `step`: warm-up, plateau, linear decay to zero."""
        left = (self.steps - step) / max(1, self.decay_share * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, left)


def draw_batch(pools, rng, settings, batch_size=None):
    """Random crops: ``(damaged, clean, error)``, each float32 of shape (b, n)."""
    n = int(settings.crop_s * SAMPLE_RATE)
    rows = []
    for _ in range(batch_size or settings.batch_size):
        source = pools[rng.integers(len(pools))]
        source = source[rng.integers(len(source))]
        version = 0 if rng.random() < CLEAN_SHARE else rng.integers(1, len(source))
        clean, damaged = unit_variance(source[[0, version]].astype(np.float32))
        start = rng.integers(len(clean) - n + 1)
        crop = slice(start, start + n)
        rows.append((damaged[crop], clean[crop], difference(damaged, clean)[crop]))
    return [torch.from_numpy(np.stack(signal)) for signal in zip(*rows, strict=True)]


def draw_mask(n_clips, n_frames, rng, most_masked):
    """Masked encoder frames, bool (n_clips, n_frames): spans, a different share in each clip."""
    most = math.log(1 - most_masked) / math.log(1 - SPAN / n_frames)  # spans that overlap
    mask = np.zeros((n_clips, n_frames), bool)
    for row in mask:
        for start in rng.integers(0, n_frames - SPAN + 1, rng.integers(0, round(most) + 1)):
            row[start : start + SPAN] = True
    return torch.from_numpy(mask)


def start_as_filterbank(convolution, audio, rng):
    """Set the first convolution to mel-spaced filters in four phases, equally loud on `audio`.

    Rectified and summed by the next layer, four phases give an envelope. Learning moves on from
    there; starting from noise, most of a small budget goes into finding a filterbank.
    """
    n = convolution.kernel_size[0]
    time_s = (np.arange(n) - n / 2) / SAMPLE_RATE
    centres_hz = librosa.mel_frequencies(
        convolution.out_channels // PHASES, fmin=LOWEST_HZ, fmax=HIGHEST_HZ
    )
    angles = 2 * np.pi * centres_hz[:, None, None] * time_s
    angles = angles + np.pi / 2 * np.arange(PHASES)[:, None]
    filters = (np.hanning(n) * np.cos(angles)).reshape(-1, 1, n)
    filters = torch.tensor(filters, dtype=torch.float32)
    with torch.no_grad():
        output = F.conv1d(audio[:, None], filters, stride=convolution.stride)
        loudness = output.square().mean(dim=(0, 2)).sqrt()
        convolution.weight.copy_(filters / loudness[:, None, None])
        bias = BIAS_SD * rng.standard_normal(convolution.out_channels)
        convolution.bias.copy_(torch.from_numpy(bias))


class Pretrainer(torch.nn.Module):
    """The encoder, linear heads for its targets, and what standardises those targets."""

    def __init__(self, shape=None):
        super().__init__()
        shape = (shape or SHAPE) | {"attn_implementation": "eager"}  # fastest at 48 frames
        self.encoder = Wav2Vec2Model(Wav2Vec2Config(**shape))
        self.log_mel = LogMel()
        n_frame = FRAMES_PER_STEP * N_MELS
        n_clip = clip_statistics(*3 * [torch.zeros(1, 100, N_MELS)]).shape[1]
        sizes = dict.fromkeys(LOSSES[:3], n_frame) | {"statistics": n_clip}
        width = self.encoder.config.hidden_size
        self.heads = torch.nn.ModuleDict({k: torch.nn.Linear(width, n) for k, n in sizes.items()})
        for name, size in sizes.items():
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))

    def targets(self, damaged, clean, error):
        """Targets before standardising, by name: frames (b, t, 128) and statistics (b, k)."""
        mels = [self.log_mel(signal) for signal in (damaged, clean, error)]
        frames = [mel.unflatten(1, (-1, FRAMES_PER_STEP)).flatten(2) for mel in mels]
        return dict(zip(LOSSES, [*frames, clip_statistics(*mels)], strict=True))

    def set_up(self, batch, rng):
        """Fit the standardisation and the first convolution to one large batch."""
        for name, target in self.targets(*batch).items():
            axes = tuple(range(target.ndim - 1))
            getattr(self, f"{name}_mean").copy_(target.mean(dim=axes))
            getattr(self, f"{name}_scale").copy_(target.std(dim=axes) + 1e-3)
        first = self.encoder.feature_extractor.conv_layers[0].conv
        start_as_filterbank(first, batch[0], rng)

    def forward(self, damaged, clean, error, mask):
        """Losses by name (Huber, on standardised targets), each a scalar tensor."""
        with torch.autocast(damaged.device.type, torch.bfloat16):
            # The configuration forbids random masking when embedding; here the mask is given.
            self.encoder.config.apply_spec_augment = True
            states = self.encoder(damaged, mask_time_indices=mask).last_hidden_state
            self.encoder.config.apply_spec_augment = False
        states = states.float()
        losses = {}
        for name, target in self.targets(damaged, clean, error).items():
            seen = states.mean(dim=1) if name == "statistics" else states
            target = (target - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_scale")
            losses[name] = F.smooth_l1_loss(self.heads[name](seen), target)
        return losses


def start(pools, settings, device="cpu"):
    """A fresh pretrainer and optimizer, from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        pretrainer = Pretrainer()
    rng = rng_for(settings.seed, "pretrain", kind=SETTING_UP)
    pretrainer.set_up(draw_batch(pools, rng, settings, batch_size=256), rng)
    pretrainer.to(device)
    optimizer = torch.optim.AdamW(
        pretrainer.parameters(), betas=(0.9, 0.98), weight_decay=settings.weight_decay, fused=True
    )
    return pretrainer, optimizer


def learn_from(batch, mask, pretrainer, optimizer, rate):
    """One step of learning; returns the losses as floats."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    losses = pretrainer(*batch, mask)
    optimizer.zero_grad()
    sum(losses.values()).backward()
    torch.nn.utils.clip_grad_norm_(pretrainer.parameters(), 1.0)
    optimizer.step()
    return {name: loss.item() for name, loss in losses.items()}


def draw_and_learn(step, pools, pretrainer, optimizer, settings, device):
    """Step number `step`, from its own random stream; returns the losses as floats."""
    rng = rng_for(settings.seed, "pretrain", step, BATCHES)
    batch = [signal.to(device) for signal in draw_batch(pools, rng, settings)]
    n_frames = encoder_frames(batch[0].shape[1])
    mask = draw_mask(len(batch[0]), n_frames, rng, settings.most_masked).to(device)
    return learn_from(batch, mask, pretrainer, optimizer, settings.rate(step))


def pretrain(pools, folder, settings, device="cpu", checkpoint_every_s=180.0, log_every=25):
    """Pretrain, or go on where an interrupted run in `folder` stopped.

    Each step draws from its own random stream, so an interrupted run ends as an uninterrupted one.

    Parameters
    ----------
    pools : list of ndarray of int16, shape (sources, VERSIONS, n)
    folder : path-like
        Gets checkpoint.safetensors, settings.json and history.csv (step, seconds, losses).
    settings : Settings
    device : str
    checkpoint_every_s : float
    log_every : int
        Steps averaged in one line of the history.

    Returns
    -------
    Pretrainer
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pretrainer, optimizer = start(pools, settings, device)
    progress = resume(folder, settings, pretrainer, optimizer)
    clock, recent = Clock(progress, checkpoint_every_s), []
    pretrainer.train()
    steps = range(progress["step"], settings.steps)
    bar = tqdm(steps, "pretraining", settings.steps, initial=progress["step"], mininterval=5)
    for step in bar:
        recent.append(draw_and_learn(step, pools, pretrainer, optimizer, settings, device))
        last = step + 1 == settings.steps
        if (step + 1) % log_every == 0 or last:
            means = {name: float(np.mean([row[name] for row in recent])) for name in LOSSES}
            progress["step"], recent = step + 1, []
            progress["history"].append({"step": step + 1, **clock.read(), **means})
            bar.set_postfix(loss=f"{sum(means.values()):.3f}")
            if clock.due() or last:
                save_checkpoint(folder / CHECKPOINT, pretrainer, optimizer, progress)
                write_csv(folder / "history.csv", pd.DataFrame(progress["history"]))
    return pretrainer.eval()


def resume(folder, settings, pretrainer, optimizer):
    """Progress of the run in `folder`, its state restored; a new one if there is no checkpoint."""
    progress = {"step": 0, "seconds": 0.0, "cpu_seconds": 0.0, "history": []}
    if (folder / CHECKPOINT).exists():
        progress = load_checkpoint(folder / CHECKPOINT, pretrainer, optimizer)
        print(f"resuming: {progress['step']} of {settings.steps} steps")
    write_json(folder / "settings.json", asdict(settings))
    return progress


def export(pretrainer, folder, about):
    """Save the encoder as `transformers` does, in float16, with a card.

    Parameters
    ----------
    pretrainer : Pretrainer
    folder : path-like
        Gets model.safetensors, config.json and card.json.
    about : dict
        What the card says of the training, as made by `account_of`.

    Returns
    -------
    dict
        The card.
    """
    folder = Path(folder)
    model = Wav2Vec2Model(Wav2Vec2Config(**SHAPE))
    model.load_state_dict(pretrainer.encoder.state_dict())
    model.half().save_pretrained(folder)
    card = {
        "name": "embedded",
        "weights_sha256": sha256_of_files([folder / "model.safetensors"]),
        "default_layer": SHAPE["num_hidden_layers"],
        **about,
    }
    return write_card(folder, card)


def account_of(folder, pools):
    """What a finished run in `folder` was: data, objective, settings, budget, machine."""
    folder = Path(folder)
    settings = json.loads((folder / "settings.json").read_text())
    last = pd.read_csv(folder / "history.csv").iloc[-1]
    clips = int(last["step"]) * settings["batch_size"]
    return {
        "data": "synthesis only: phrased tones and speech-like clips, half of them with a tilted "
        "spectrum, each clean and in four damaged versions (noise, clip, lowpass, reverb, "
        "compression; one damage or two)",
        "objective": "masked prediction of the log-mel spectra of the damaged clip, of the clean "
        "clip behind it and of their difference, frame by frame, and of their statistics over "
        "the clip; no class, score, kind or amount of damage is used",
        "sources": sum(len(pool) for pool in pools),
        "damaged_clips": sum(len(pool) * (pool.shape[1] - 1) for pool in pools),
        "settings": settings,
        "steps": int(last["step"]),
        "crops_seen": clips,
        "audio_hours_seen": round(clips * settings["crop_s"] / 3600, 1),
        "wall_hours": round(float(last["seconds"]) / 3600, 2),
        "processor_hours": round(float(last["cpu_seconds"]) / 3600, 2),
        "final_losses": {name: round(float(last[name]), 4) for name in LOSSES},
        "machine": processor_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "git_commit": describe()["git_commit"],
    }
