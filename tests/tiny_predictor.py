"""A tiny untrained predictor on disk: every part is real, small and loaded from files."""

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from tiny_encoder import TINY
from transformers import Wav2Vec2Config, Wav2Vec2Model

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, active_mask, set_level_dbfs
from aqp_utils.encoders.wav2vec2 import load_encoder
from aqp_utils.features.sets import FEATURE_SETS, feature_names
from aqp_utils.model import MultiTaskNet, save_model

RATE = 16_000


def voice_like(duration_s=3.0, seed=0):
    """Amplitude-modulated noise at the level of training clips, shape (n,), float32."""
    rng = np.random.default_rng(seed)
    n = int(duration_s * RATE)
    envelope = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(n) / RATE)
    audio = rng.standard_normal(n) * envelope
    audio -= audio.mean()
    return set_level_dbfs(audio, ACTIVE_LEVEL_DBFS, active_mask(audio)).astype(np.float32)


def save_predictor(folder, clip_s=1.0, **about):
    """Write encoder, network and scaler; the scaler has seen eight clips like `voice_like`."""
    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**TINY)).save_pretrained(folder / "encoder")
    encoder = load_encoder(str(folder / "encoder"), hidden_size=None, device="cpu", verbose=False)
    clips = [voice_like(clip_s, seed) for seed in range(8)]
    features = np.array([FEATURE_SETS["classic"][1](clip) for clip in clips])
    scaler = StandardScaler().fit(np.hstack([features, encoder.embed(clips)]))
    net = MultiTaskNet(n_inputs=19 + 32, hidden=(16, 8), seed=0)
    known = {
        "feature_set": "classic",
        "feature_names": feature_names("classic"),
        "encoder": encoder.describe(),
        "clip_s": clip_s,
    }
    save_model(folder, net, scaler, known | about)
    return folder
