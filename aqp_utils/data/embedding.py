"""The embedding of a folder of clips: in shards, and resumed where a run was cut off.

Apart from `extraction`, whose workers need no PyTorch.
"""

from pathlib import Path

import numpy as np

from aqp_utils.core.audio import read_clip
from aqp_utils.core.files import sha256, write_npz
from aqp_utils.data.in_shards import in_shards
from aqp_utils.encoders.wav2vec2 import load_encoder

_ENCODERS = {}  # of this process, by what they are; one at a time


def embeddings_of(files, encoder, checkpoints, batch_size=8, label="embeddings"):
    """Embedding of each file at the encoder's layer, and the mean of every layer.

    Parameters
    ----------
    files : list of Path
    encoder : Encoder
        The workers of a cluster load it by its name.
    checkpoints : Path
    batch_size : int
        Clips that are computed at a time.
    label : str
        These three as in `extraction.features_of`.

    Returns
    -------
    embedding : ndarray of float32, shape (n, 768)
    layers : ndarray of float32, shape (n, n_layers + 1, 768)
        The last bits depend on the number of threads.
    """
    what = (encoder.name, encoder.layer, encoder.pooling, encoder.weights_sha256)
    _ENCODERS.clear()
    _ENCODERS[what] = encoder
    paths = [str(Path(file).resolve()) for file in files]
    keys = [sha256(path) for path in paths]
    given = (*what, batch_size)
    # In this process, which has the encoder: one computes on all cores, or on a GPU.
    shards = in_shards(_embed, paths, keys, given, checkpoints, label, _layers, processes=1)
    layers = np.concatenate(shards)
    return layers[:, encoder.layer], layers


def _embed(path, files, name, layer, pooling, weights_sha256, batch_size):
    what = (name, layer, pooling, weights_sha256)
    if what not in _ENCODERS:
        loaded = load_encoder(name, layer, pooling, hidden_size=None, verbose=False)
        if loaded.weights_sha256 != weights_sha256:
            raise RuntimeError(f"encoder {name} has other weights on this machine.")
        _ENCODERS.clear()
        _ENCODERS[what] = loaded
    clips = [read_clip(file) for file in files]
    write_npz(path, layers=_ENCODERS[what].embed_layers(clips, batch_size))


def _layers(path):
    with np.load(path) as shard:
        return shard["layers"]
