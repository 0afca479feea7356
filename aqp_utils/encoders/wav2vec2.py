"""Wav2Vec2 as a frozen feature extractor: load one, embed clips.

Any Wav2Vec2, HuBERT or WavLM works: from the model hub, from a folder, or the small one that ships
with this package. `aqp_utils.encoders.catalog` finds the files, `aqp_utils.encoders.embedded` and
`aqp_utils.encoders.hub` build the model; this module turns audio into vectors.
"""

import hashlib

import numpy as np
import torch

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.device import torch_device
from aqp_utils.core.files import sha256_of_files
from aqp_utils.encoders import embedded
from aqp_utils.encoders.catalog import EncoderError, resolve
from aqp_utils.encoders.clips import batches, normalized
from aqp_utils.encoders.shape import SHAPE, samples_for

EMBEDDING_SIZE = SHAPE["hidden_size"]  # 768, as wav2vec2-base
POOLINGS = ("mean", "mean+std")


def sha256_of_parameters(model):
    """sha256 (hex) over the names and float32 values of a model made in memory."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).numpy().tobytes())
    return digest.hexdigest()


def pooled(states, pooling):
    """Pool hidden states (b, frames, h) over time to (b, h) or, with ``mean+std``, (b, 2·h)."""
    if pooling == "mean":
        return states.mean(dim=1)
    return torch.cat([states.mean(dim=1), states.std(dim=1, correction=0)], dim=1)


class Encoder:
    """A frozen encoder; made by `load_encoder`.

    Attributes
    ----------
    name, why : str
        Which encoder was taken, and why.
    weights_sha256 : str
    config_sha256 : str or None
        Of its config.json; None where this package knows its shape by itself.
    model_type : str
        ``wav2vec2``, ``hubert`` or ``wavlm``.
    hidden_size, n_layers : int
    layer : int
        Hidden state that `embed` pools: 0 is the input of the first layer, `n_layers` the top.
    pooling : str
    """

    def __init__(self, model, name, why, hashes, layer, pooling, device):
        self.model = model.eval().requires_grad_(False).to(device)
        self.name, self.why = name, why
        self.weights_sha256, self.config_sha256 = hashes
        self.layer, self.pooling, self.device = layer, pooling, torch.device(device)
        self.model_type = model.config.model_type
        self.hidden_size = model.config.hidden_size
        self.n_layers = model.config.num_hidden_layers

    @property
    def frame_rate_hz(self):
        """Hidden states per second of audio."""
        return SAMPLE_RATE / np.prod(self.model.config.conv_stride)

    @property
    def shortest_clip(self):
        """Samples that the convolutions need to give one frame."""
        config = self.model.config
        return samples_for(1, config.conv_kernel, config.conv_stride)

    def describe(self):
        """What a manifest or a table says about this encoder (plain types only)."""
        config = {"config_sha256": self.config_sha256} if self.config_sha256 else {}
        return {
            "name": self.name,
            "why": self.why,
            "weights_sha256": self.weights_sha256,
            **config,
            "model_type": self.model_type,
            "hidden_size": self.hidden_size,
            "n_layers": self.n_layers,
            "layer": self.layer,
            "pooling": self.pooling,
            "frame_rate_hz": float(self.frame_rate_hz),
            "n_parameters": sum(p.numel() for p in self.model.parameters()),
        }

    def __str__(self):
        return (
            f"encoder: {self.name} ({self.why}); {self.model_type}, {self.n_layers} layers of "
            f"{self.hidden_size}, layer {self.layer}, {self.pooling} pooling, "
            f"weights {self.weights_sha256[:12]}"
        )

    def embed(self, clips, batch_size=8):
        """Embed clips at this encoder's layer and pooling.

        Parameters
        ----------
        clips : list of ndarray, each shape (n_i,)
            Mono at 16 kHz. Lengths may differ; only equal lengths share a batch, because a
            group-norm model would hear the padding.
        batch_size : int

        Returns
        -------
        ndarray of float32, shape (len(clips), hidden_size) or, with ``mean+std``, twice that
        """
        return self.embed_layers(clips, batch_size)[:, self.layer]

    def embed_layers(self, clips, batch_size=8):
        """Pooled hidden states of every layer.

        Returns
        -------
        ndarray of float32, shape (len(clips), n_layers + 1, hidden_size)
            Twice as wide with ``mean+std``. Index 0 is the input of the first layer; the last one
            is the model's output.

        Raises
        ------
        EncoderError
            If a clip is too short, not mono, or not finite.
        """
        width = self.hidden_size * (2 if self.pooling == "mean+std" else 1)
        layers = np.zeros((len(clips), self.n_layers + 1, width), np.float32)
        for positions in batches(clips, batch_size, self.shortest_clip, self.name):
            states = self._hidden_states([clips[position] for position in positions])
            rows = torch.stack([pooled(state, self.pooling) for state in states], dim=1)
            layers[positions] = rows.cpu().numpy()
        return layers

    @torch.inference_mode()
    def _hidden_states(self, clips):
        """Hidden states (b, frames, hidden_size) of equally long clips, the lowest layer first."""
        batch = torch.from_numpy(np.stack([normalized(clip) for clip in clips])).to(self.device)
        output = self.model(batch, output_hidden_states=True)
        # The last of hidden_states changed meaning between transformers 5.15 and 5.23 for
        # stable-layer-norm models; last_hidden_state did not.
        return (*output.hidden_states[:-1], output.last_hidden_state)


def _model_of(name, weights):
    """Model, sha256 of its weights and of its config.json, and the layer it is best read at."""
    if name == "embedded":
        sha256 = sha256_of_files(weights.files)
        model, card = embedded.load_model(weights, sha256)
        return model, (sha256, None), card["default_layer"]
    # Takes seconds to import, and what ships does without.
    from aqp_utils.encoders import hub

    if weights is None:
        model = hub.random_encoder()
        hashes = sha256_of_parameters(model), None
    else:
        model = hub.load_model(weights, name)
        hashes = sha256_of_files(weights.files), sha256_of_files([weights.config])
    return model, hashes, model.config.num_hidden_layers // 2


def _choose_layer(layer, default, n_layers, name):
    """Index of the hidden state to pool, 0 to `n_layers`."""
    if layer in (None, "default"):
        return default
    if not -n_layers - 1 <= layer <= n_layers:
        raise EncoderError(
            f"LAYER {layer}: {name} has hidden states 0 to {n_layers} (or -1 for the top)."
        )
    return layer % (n_layers + 1)


def load_encoder(
    name="embedded",
    layer=None,
    pooling=None,
    device="auto",
    hidden_size=EMBEDDING_SIZE,
    verbose=True,
):
    """Load a frozen encoder and say in one line which one it is.

    Parameters
    ----------
    name : str
        ``embedded`` (ships here: the same numbers on every machine), ``auto``
        (facebook/wav2vec2-base where it can be had, else ``embedded``), ``random``, a folder
        written by ``save_pretrained``, or any Wav2Vec2, HuBERT or WavLM name on the model hub.
    layer : int or None
        Hidden state to pool: 0 is the input of the first layer, -1 the top. None takes the
        encoder's own default: its card's for ``embedded``, else the middle layer, since early and
        middle layers carry more about sound and the top ones more about words.
    pooling : str or None
        ``mean`` or ``mean+std`` over time; None is ``mean``.
    device : str
        ``auto`` (a GPU if there is one), ``cpu`` or ``cuda``.
    hidden_size : int or None
        Refuse an encoder of another width; None takes any.
    verbose : bool
        Print the line.

    Returns
    -------
    Encoder

    Raises
    ------
    EncoderError
        One sentence: not to be had, incomplete, corrupt, of the wrong kind or width.
    """
    if pooling is not None and pooling not in POOLINGS:
        raise EncoderError(f"POOLING {pooling}: allowed are {' and '.join(POOLINGS)}.")
    taken, weights, why = resolve(name)
    model, hashes, default = _model_of(taken, weights)
    width, n_layers = model.config.hidden_size, model.config.num_hidden_layers
    if hidden_size is not None and width != hidden_size:
        raise EncoderError(
            f"ENCODER {taken}: its hidden size is {width}, this study fuses {hidden_size} values; "
            f"set ENCODER to a model of hidden size {hidden_size}, such as facebook/wav2vec2-base "
            "or embedded."
        )
    layer = _choose_layer(layer, default, n_layers, taken)
    device = torch_device(device)
    encoder = Encoder(model, taken, why, hashes, layer, pooling or "mean", device)
    if verbose:
        print(encoder)
    return encoder
