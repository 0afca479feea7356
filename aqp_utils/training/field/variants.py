"""Recipes of the field training that were tried beside the one that ships.

What each part of a recipe is worth shows when it is left out or exchanged and all else stays:
sources, batches, steps. `scripts/compare_recipes.py` trains them and says what each reaches.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch.nn import functional as F

from aqp_utils.core.scale import CLASSES, SCALE
from aqp_utils.encoders.log_mel import WIDTH
from aqp_utils.encoders.spectrogram import SpectrogramEncoder
from aqp_utils.encoders.wav2vec2 import load_encoder
from aqp_utils.features.psychoacoustics import FEATURES
from aqp_utils.predict import shipped
from aqp_utils.training.field.network import FieldNet, for_prediction, take_over
from aqp_utils.training.field.training import WEIGHT_DECAY, Training, predict

BINS = 15  # of a distribution of scores: a quarter of a point each
MARGIN = 1.0  # of triplets, for clips that are the whole scale apart
FACTS = ("rt60_s", "drr_db", "floor_db", "crest_db", "ratio")  # of a recording, before damage
FACT_WEIGHT = 0.1
DISTURBANCE_WEIGHT = 0.3
TEACHERS = 3  # of an ensemble
SLOW = 0.05  # of the learning rate, for what was pretrained
N_FEATURES = len(FEATURES)
WIDER = (48, 96, 192, 384)
OTHER_SEED = 1_000_000  # shows what is chance: of weights, batches, crops and dropout


class ToTheEnd(Training):
    """All steps, and the weights of the last one: equal budgets, and nothing to choose."""

    def end_epoch(self):
        """Measure nothing."""
        self.progress["losses"] = []


class SquaredError(ToTheEnd):
    """The score costs its squared error: where a clip may be two things, the answer is between."""

    def loss_of_heads(self, logits, predicted, labels):
        """As `losses.loss_of`, with the square."""
        classes, scores, weights = labels
        surprise = F.cross_entropy(logits, classes, reduction="none")
        errors = (predicted - scores).square()
        return torch.mean(weights * (errors + self.settings.class_weight * surprise))


class _BinnedHeads(torch.nn.Module):
    """A network whose score is the mean of a distribution over bins of the scale."""

    def __init__(self, network):
        super().__init__()
        width = network.class_head.in_features
        self.body, self.class_head = network.body, network.class_head
        self.bins = torch.nn.Linear(width, BINS)
        self.register_buffer("centres", torch.linspace(*SCALE, BINS))

    def forward(self, inputs):
        """Logits of classes and, behind them, of bins (b, 3 + BINS), and scores (b,)."""
        state = self.body(inputs)
        bins = self.bins(state)
        scores = bins.softmax(dim=1) @ self.centres
        return torch.cat([self.class_head(state), bins], dim=1), scores


class _BinnedNet(FieldNet):
    def forward(self, audio, known, hidden=None):
        logits, scores = super().forward(audio, known, hidden)
        return logits[:, : len(CLASSES)], scores


class Distribution(ToTheEnd):
    """The score is the mean of a distribution, and what it costs is that of its two bins."""

    def new_model(self, mean, scale):
        """A `FieldNet` with bins."""
        net = _BinnedNet(mean, scale, dropout=self.settings.dropout, seed=self.settings.seed)
        net.network = _BinnedHeads(net.network)
        return net

    def loss_of_heads(self, logits, predicted, labels):
        """Cross-entropy of bins and classes."""
        classes, scores, weights = labels
        n = len(CLASSES)
        surprise = F.cross_entropy(logits[:, :n], classes, reduction="none")
        centres = torch.linspace(*SCALE, BINS, device=scores.device)
        near = 1 - (scores.unsqueeze(1) - centres).abs() / (centres[1] - centres[0])
        errors = F.cross_entropy(logits[:, n:], near.clamp(min=0), reduction="none")
        return torch.mean(weights * (errors + self.settings.class_weight * surprise))


class Triplets(ToTheEnd):
    """What sounds equally good shall lie together, instead of what differs between versions.

    All triplets of a batch, with a margin that grows with the difference in score: SCOREQ (Ragano,
    Skoglund & Hines 2024, NeurIPS).
    """

    def loss_in_groups(self, inputs, predicted, scores, sizes):
        """Mean over all triplets whose anchor is nearer in score to one clip than to the other."""
        learned = F.normalize(inputs[:, -self.model.spectrogram.size :], dim=1)
        apart = torch.cdist(learned, learned)
        gap = (scores.unsqueeze(0) - scores.unsqueeze(1)).abs()
        further = gap.unsqueeze(1) - gap.unsqueeze(2)  # of anchor, nearer clip, further clip
        margin = MARGIN * further / (SCALE[1] - SCALE[0])
        costs = F.relu(apart.unsqueeze(2) - apart.unsqueeze(1) + margin)
        itself = torch.eye(len(scores), dtype=torch.bool, device=scores.device).unsqueeze(2)
        counted = (further > 0) & ~itself
        return (costs * counted).sum() / counted.sum().clamp(min=1)


class Facts(ToTheEnd):
    """Beside the score, learn what synthesis knows of the recording: room, floor, levelling."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        facts = self.clips.table[list(FACTS)]
        learned = facts[self.clips.table["part"] == "train"]
        self.facts = torch.tensor(((facts - learned.mean()) / learned.std()).to_numpy(np.float32))

    def new_model(self, mean, scale):
        """A `FieldNet` with one more head."""
        net = super().new_model(mean, scale)
        net.facts = torch.nn.Linear(len(net.mean) + net.spectrogram.size, len(FACTS))
        return net

    def loss(self, inputs, audio, labels, groups):
        """As ever, plus the squared error of the facts that a recording has."""
        facts = self.facts[np.concatenate(groups)].to(inputs.device)
        known = facts.isfinite()
        errors = (self.model.facts(inputs) - facts.nan_to_num()).square() * known
        costs = errors.sum() / known.sum().clamp(min=1)
        return super().loss(inputs, audio, labels, groups) + FACT_WEIGHT * costs


class _Watched(SpectrogramEncoder):
    """Remembers the pictures and the frames of the batch it saw last."""

    def __init__(self, seed):
        super().__init__(seed)
        self.frame.register_forward_hook(self._remember)

    def _remember(self, layer, given, frames):
        self.frames = frames

    def log_mel(self, audio):
        self.picture = super().log_mel(audio)
        return self.picture

    def seen(self):
        """Picture and frames of the last batch, then forgotten: a graph cannot be copied."""
        last = self.picture, torch.relu(self.frames.float())
        self.picture = self.frames = None
        return last


class Disturbance(ToTheEnd):
    """Beside the score, say of each moment how far its spectrum is from that of the clean clip.

    P.862 adds up such a disturbance over frames; here both spectrograms of the encoder stand for
    its ear.
    """

    def new_model(self, mean, scale):
        """A `FieldNet` with a head on frames."""
        net = super().new_model(mean, scale)
        net.spectrogram = _Watched(self.settings.seed)
        net.disturbance = torch.nn.Linear(WIDTH, 1)
        return net

    def loss(self, inputs, audio, labels, groups):
        """As ever, plus the absolute error of the disturbance, in log10 of mel power."""
        picture, frames = self.model.spectrogram.seen()
        parts = picture.split([len(group) for group in groups])
        apart = torch.cat([(part - part[:1]).abs().mean(dim=(1, 2)) for part in parts])
        wanted = F.adaptive_avg_pool1d(apart, frames.shape[1])
        errors = (self.model.disturbance(frames).squeeze(2) - wanted).abs()
        return super().loss(inputs, audio, labels, groups) + DISTURBANCE_WEIGHT * errors.mean()


class Taught(ToTheEnd):
    """Half of each label is what the predictor that ships says: distilled, as far as it goes."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        rows = np.flatnonzero(self.clips.table["part"] == "train")
        said = [
            predict(teacher, self.clips, self.known, rows, self.device).score
            for teacher in self.teachers()
        ]
        table = self.clips.table.copy()
        table.loc[rows, "score"] = (table.loc[rows, "score"] + np.mean(said, axis=0)) / 2
        self.clips = replace(self.clips, table=table)

    def teachers(self):
        """Networks whose mean is taught."""
        hidden = self.settings.hidden
        teacher = FieldNet(self.model.mean, self.model.scale)
        take_over(teacher, shipped.FOLDER, hidden)
        return [for_prediction(teacher, hidden)]


class TaughtByMany(Taught):
    """Half of each label is what three networks of the same recipe say on average, distilled."""

    def teachers(self):
        """Networks with other random numbers, trained as long."""
        return [
            ToTheEnd(
                self.clips,
                self.known,
                self.folder / f"teacher_{number}",
                replace(self.settings, seed=OTHER_SEED + number),
                self.device,
            ).run()
            for number in range(TEACHERS)
        ]


class _ListeningNet(FieldNet):
    """A `FieldNet` with a Wav2Vec2 in it: all layers, weighed, in place of what is known of one."""

    def __init__(self, mean, scale, **named):
        super().__init__(mean, scale, **named)
        self.encoder = load_encoder("embedded", device="cpu", verbose=False).model
        self.mixture = torch.nn.Parameter(torch.zeros(self.encoder.config.num_hidden_layers + 1))

    def inputs(self, audio, known, hidden=None):
        """As ever; the embedding is that of the audio as it is heard, so it is never hidden."""
        features = super().inputs(audio, known, hidden)
        level = audio - audio.mean(dim=1, keepdim=True)
        level = level / level.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-6)
        states = torch.stack([one.mean(dim=1) for one in self.encoder(level).hidden_states])
        mixed = torch.einsum("l,lbh->bh", self.mixture.softmax(dim=0), states)
        end = N_FEATURES + mixed.shape[1]
        mixed = F.layer_norm(mixed, mixed.shape[1:])
        return torch.cat([features[:, :N_FEATURES], mixed, features[:, end:]], dim=1)


class Layers(ToTheEnd):
    """The frozen Wav2Vec2 with all of its layers, weighed: which of them is heard is learned."""

    def new_model(self, mean, scale):
        """A `FieldNet` with an encoder of its own."""
        return _ListeningNet(mean, scale, dropout=self.settings.dropout, seed=self.settings.seed)


class Tuned(Layers):
    """Wav2Vec2 learns with the rest, at a fraction of its rate."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        slow = list(self.model.encoder.requires_grad_(True).parameters())
        others = set(self.model.parameters()) - set(slow)
        fast = [one for one in self.model.parameters() if one in others]
        groups = [{"params": fast}, {"params": slow, "share": SLOW}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)


class Wider(ToTheEnd):
    """Half as many channels again in every convolution: twice the work."""

    def new_model(self, mean, scale):
        """A `FieldNet` that cannot be exported."""
        net = super().new_model(mean, scale)
        net.spectrogram = SpectrogramEncoder(self.settings.seed, WIDER)
        return net


class Deaf(ToTheEnd):
    """Without the spectrogram encoder: the 19 features and the frozen embedding alone."""

    def new_model(self, mean, scale):
        """A `FieldNet` whose third input is nothing."""
        net = super().new_model(mean, scale)
        net.spectrogram = _Nothing(net.spectrogram.size)
        return net


class _Nothing(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size, self.layers = size, torch.nn.Identity()

    def forward(self, audio):
        return audio.new_zeros(len(audio), self.size)


def _as_they_are(known):
    return known


def _without(first, last):
    """Known inputs (n, n_known) -> the same with some columns at zero, as if never measured."""

    def changed(known):
        known = known.copy()
        known[:, first:last] = 0
        return known

    return changed


@dataclass(frozen=True)
class Variant:
    """A recipe with something else about it.

    Attributes
    ----------
    training : type
        `ToTheEnd` or one of its kind.
    settings : dict
        Of `FieldSettings`, where they differ.
    known : callable
        Known inputs -> those that it is given.
    longer : int
        How many times as many epochs.
    """

    training: type = ToTheEnd
    settings: dict = field(default_factory=dict)
    known: callable = _as_they_are
    longer: int = 1


VARIANTS = {
    "as it is": Variant(),
    "as it is, other random numbers": Variant(settings={"seed": OTHER_SEED}),
    "without differences between versions": Variant(settings={"pair_weight": 0.0}),
    "triplets instead of differences": Variant(Triplets),
    "without naming families": Variant(settings={"family_weight": 0.0}),
    "without hearing stretchers": Variant(settings={"stretched_weight": 0.0}),
    "without intelligibility as target": Variant(settings={"understood_weight": 0.0}),
    "recording conditions as targets": Variant(Facts),
    "disturbance of moments as target": Variant(Disturbance),
    "squared error": Variant(SquaredError),
    "distribution over the scale": Variant(Distribution, settings={"clean_margin": 0.0}),
    "clean clips at the top and not beyond": Variant(settings={"clean_margin": 0.0}),
    "never retold": Variant(settings={"retold": 0.0}),
    "no other floors": Variant(settings={"floored": 0.0}),
    "nothing hidden": Variant(settings={"retold": 0.0, "hidden": 0.0}),
    "without the 19 features": Variant(known=_without(0, N_FEATURES)),
    "without the 768": Variant(known=_without(N_FEATURES, None)),
    "without both": Variant(known=_without(0, None)),
    "all layers of Wav2Vec2": Variant(Layers),
    "Wav2Vec2 tuned": Variant(Tuned),
    "taught by the one that ships": Variant(Taught),
    "taught by three of its kind": Variant(TaughtByMany),
    "without the spectrogram": Variant(Deaf, settings={"retold": 0.0, "hidden": 0.0}),
    "wider convolutions": Variant(Wider),
    "twice as long": Variant(longer=2),
}
