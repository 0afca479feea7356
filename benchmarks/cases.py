"""What is measured: each stage, and the plain way of doing the same."""

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE, write_wav
from aqp_utils.data.clips import FAMILIES, clean_clip

DURATION_S = 3.0
N_EMBEDDED, N_SCORED = 8, 40  # clips for the encoder and files for the predictor: a small folder


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes
    ----------
    stage, what : str
    clips : int
        Clips of 3 s that one call deals with.
    ours, plain : callable
        `plain` is None where there is no other way, or where its package is missing.
    plain_way : str
    operations : float or None
        Floating-point operations of a call, where matrix products are most of it.
    """

    stage: str
    what: str
    clips: int
    ours: Callable
    plain: Callable | None = None
    plain_way: str = "–"
    operations: float | None = None


def installed(module):
    """Whether a module that only comparisons use can be imported."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def speech(n):
    """Clean clips of 3 s, float32: `n` sources of the study."""
    return [clean_clip("speech", DURATION_S, 0, source)[0] for source in range(n)]


def synthesis():
    """A clean clip of each family of sources."""
    for family in FAMILIES:
        yield Case("synthesis", family, 1, lambda f=family: clean_clip(f, DURATION_S, 0, 1))


def degradations():
    """A clip under each kind of damage, in the middle of its middle severity."""
    from aqp_utils.degradations.degrade import KINDS, SEVERITY_RANGES, degrade

    (clip,) = speech(1)
    for kind in KINDS:
        middle = float(np.mean(SEVERITY_RANGES[kind][2]))
        yield Case(
            "degradation",
            kind,
            1,
            lambda k=kind, p=middle: degrade(clip, k, p, np.random.default_rng(0)),
        )


def features():
    """Both sets of 19, against the libraries that offer what is in them."""
    from aqp_utils.features.sets import FEATURE_SETS

    (clip,) = speech(1)
    clip = clip.astype(float)
    plain = {"classic": lambda: _librosa(clip)}
    ways = {"classic": "librosa, one call a feature", "psychoacoustic": "mosqito"}
    if installed("mosqito.sq_metrics"):
        from psychoacoustics_mosqito import mosqito_features

        plain["psychoacoustic"] = lambda: mosqito_features(clip, time_varying=False)
    for name, (_, describe) in FEATURE_SETS.items():
        way = ways[name] if name in plain else f"{ways[name]}: not installed"
        yield Case(
            "19 features", name, 1, lambda d=describe: d(clip), plain.get(name), plain_way=way
        )


def _librosa(clip):
    import librosa

    size, frames = {"n_fft": 1024, "hop_length": 256}, {"frame_length": 1024, "hop_length": 256}
    about = {"y": clip, "sr": SAMPLE_RATE, **size}
    feature = librosa.feature
    feature.mfcc(n_mfcc=13, n_mels=64, **about)
    feature.spectral_centroid(**about)
    feature.spectral_bandwidth(**about)
    feature.spectral_rolloff(**about)
    feature.spectral_flatness(y=clip, **size)
    feature.zero_crossing_rate(clip, **frames)
    feature.rms(y=clip, **frames)


def field_clips():
    """Sources of the field training, clean and damaged, with measured labels."""
    if not installed("pesq"):
        return
    from aqp_utils.training.field.recipe import make_source

    def made():
        return [make_source(0, number, DURATION_S) for number in range(2)]

    n_clips = sum(len(audio) for audio, _, _ in made())
    yield Case("field clips", "sources, clean and damaged, labels, features", n_clips, made)


def embedding():
    """The encoder that ships, against a plain call of transformers for each clip."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from aqp_utils.encoders.wav2vec2 import load_encoder, normalized

    encoder = load_encoder("embedded", device="cpu", verbose=False)
    clips = speech(N_EMBEDDED)

    @torch.inference_mode()
    def plain():
        for clip in clips:
            batch = torch.from_numpy(normalized(clip))[None]
            output = encoder.model(batch, output_hidden_states=True)
            [state.mean(dim=1) for state in output.hidden_states]

    with FlopCounterMode(display=False) as counter:
        plain()
    yield Case(
        "embedding",
        "the encoder that ships",
        N_EMBEDDED,
        lambda: encoder.embed(clips),
        plain,
        "transformers, float32, one clip at a time",
        counter.get_total_flops(),
    )


def training():
    """An epoch of the study's network, against a loop over a DataLoader."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from aqp_utils.model.network import Examples, MultiTaskNet, fit, losses

    rng, n, batch = np.random.default_rng(0), 1_200, 16
    inputs = rng.standard_normal((n, 787)).astype(np.float32)
    part = Examples(inputs, rng.integers(0, 3, n), rng.uniform(1, 4.5, n).astype(np.float32))
    model, other = MultiTaskNet(), MultiTaskNet()

    def plain():
        data = TensorDataset(*(torch.as_tensor(np.asarray(column)) for column in part))
        optimizer = torch.optim.Adam(other.parameters(), lr=1e-4)
        other.train()
        for columns in DataLoader(data, batch_size=batch, shuffle=True):
            loss = sum(losses(other, columns, 1.0, 0.5))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    weights = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    yield Case(
        "training",
        f"an epoch of {n} clips, batches of {batch}",
        n,
        lambda: fit(model, part, epochs=1, batch_size=batch),
        plain,
        "a loop over a DataLoader",
        6.0 * weights * n,  # forward, and twice that backward
    )


def prediction():
    """Files to scores, against other predictors on the same files."""
    from aqp_utils import Predictor

    folder = Path(tempfile.mkdtemp(prefix="bench"))
    paths = [folder / f"{i}.wav" for i in range(N_SCORED)]
    for path, clip in zip(paths, speech(N_SCORED), strict=True):
        write_wav(path, clip)
    predictor = Predictor.load(device="cpu")

    def ours():
        predictor.files(paths, progress=False)

    for name, build in (("Distill-MOS", _distillmos), ("DNSMOS", _dnsmos)):
        plain = build(paths) if installed(PACKAGES[name]) else None
        way = name if plain else f"{name}: not installed"
        yield Case("predict", f"files, beside {name}", N_SCORED, ours, plain, way)
    yield Case("start", "import, load, first score", 1, lambda: _fresh(paths[0]))


PACKAGES = {"Distill-MOS": "distillmos", "DNSMOS": "speechmos"}


def _distillmos(paths):
    import soundfile
    import torch
    from distillmos import ConvTransformerSQAModel

    model = ConvTransformerSQAModel().eval()

    @torch.inference_mode()
    def score():
        for path in paths:
            audio, _ = soundfile.read(path, dtype="float32")
            model(torch.from_numpy(audio)[None])

    return score


def _dnsmos(paths):
    from speechmos import dnsmos

    return lambda: [dnsmos.run(str(path), SAMPLE_RATE) for path in paths]


def _fresh(path):
    subprocess.run(
        [sys.executable, "-m", "aqp_utils", "predict", str(path)], check=True, capture_output=True
    )


ON_ONE = {one.__name__: one for one in (synthesis, degradations, features, field_clips)}
ON_ALL = {one.__name__: one for one in (embedding, training, prediction)}
