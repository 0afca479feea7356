"""The encoders that ship, computed by onnxruntime: the same numbers as with PyTorch, without it.

Weights are read from the same files. What PyTorch does to them while it computes (factors of batch
norms and of the weight norm, the scale of attention) is done to them here, once.
"""

import hashlib

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from aqp_utils.core.side_by_side import side_by_side
from aqp_utils.encoders import log_mel
from aqp_utils.encoders.card import checked_card
from aqp_utils.encoders.catalog import EncoderError, resolve
from aqp_utils.encoders.clips import check, normalized
from aqp_utils.encoders.session import ENCODER, SPECTROGRAM, Session
from aqp_utils.encoders.shape import SHAPE, frames_of, samples_for

BATCH_NORM_EPSILON = 1e-5  # PyTorch's
CONVOLUTIONS = SHAPE["conv_kernel"], SHAPE["conv_stride"]


class LightEncoder:
    """The Wav2Vec2 that ships; answers as `wav2vec2.Encoder` does.

    Parameters
    ----------
    layer : int
        Hidden state that `embed` pools: 0 is the input of the first layer.
    pooling : str
        ``mean`` or ``mean+std`` over time.

    Raises
    ------
    EncoderError
        If weights or graph were changed.
    """

    config_sha256 = None  # its shape is known here
    hidden_size, n_layers = SHAPE["hidden_size"], SHAPE["num_hidden_layers"]
    shortest_clip = samples_for(1, *CONVOLUTIONS)

    def __init__(self, layer, pooling):
        self.name, weights, self.why = resolve("embedded")
        content = weights.files[0].read_bytes()
        self.weights_sha256 = hashlib.sha256(content).hexdigest()
        checked_card(weights, self.weights_sha256)
        if not 0 <= layer <= self.n_layers:
            raise EncoderError(f"LAYER {layer}: embedded has hidden states 0 to {self.n_layers}.")
        self.layer, self.pooling = layer, pooling
        self._session = Session(ENCODER, encoder_weights(safetensors.numpy.load(content)))

    def embed(self, clips):
        """Embed clips at this encoder's layer and pooling, side by side.

        Parameters
        ----------
        clips : list of ndarray, each shape (n_i,)
            Mono at 16 kHz.

        Returns
        -------
        ndarray of float32, shape (len(clips), hidden_size) or, with ``mean+std``, twice that

        Raises
        ------
        EncoderError
            If a clip is too short, not mono, or not finite.
        """
        check(clips, self.shortest_clip, self.name)
        return np.stack(list(side_by_side(self._pooled, clips)))

    def _pooled(self, clip):
        frames = _frames(clip)[np.newaxis]
        pools = {"mean": ["mean"], "mean+std": ["mean", "spread"]}[self.pooling]
        return np.concatenate([self._session(frames, name)[0, self.layer] for name in pools])


def _frames(clip):
    """What the first convolution sees of a clip, frame by frame, shape (n_frames, 400).

    Those at the end that are too few for one more frame of the last convolution are left out, so
    that each layer can take its frames in blocks.
    """
    kernels, strides = CONVOLUTIONS
    n_frames = samples_for(frames_of(len(clip), *CONVOLUTIONS), kernels[1:], strides[1:])
    frames = np.lib.stride_tricks.sliding_window_view(normalized(clip), kernels[0])
    return frames[:: strides[0]][:n_frames]


def encoder_weights(tensors):
    """The weights of the graph from those of the safetensors file, by name, all float32."""
    given = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    weights = {}

    def keep(name, weight, bias):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = weight, bias

    def linear(name, *theirs):
        weight = np.concatenate([given[f"{one}.weight"] for one in theirs])
        keep(name, weight.T, np.concatenate([given[f"{one}.bias"] for one in theirs]))

    def norm(name, theirs):
        keep(name, given[f"{theirs}.weight"], given[f"{theirs}.bias"])

    for number in range(len(SHAPE["conv_dim"])):
        theirs = f"feature_extractor.conv_layers.{number}"
        weight = given[f"{theirs}.conv.weight"]  # (out, in, width)
        weight = weight.transpose(2, 1, 0).reshape(-1, len(weight))
        keep(f"convolutions.{number}", weight, given[f"{theirs}.conv.bias"])
        norm(f"convolutions.{number}.norm", f"{theirs}.layer_norm")
    norm("projection.norm", "feature_projection.layer_norm")
    linear("projection", "feature_projection.projection")
    theirs = "encoder.pos_conv_embed.conv"
    keep("positions", _weight_normed(given, theirs), given[f"{theirs}.bias"])
    norm("norm", "encoder.layer_norm")
    scale = np.float32((SHAPE["hidden_size"] / SHAPE["num_attention_heads"]) ** -0.5)
    for number in range(SHAPE["num_hidden_layers"]):
        name, theirs = f"layers.{number}", f"encoder.layers.{number}"
        for part in ("weight", "bias"):  # attention divides by the root of a head's size
            given[f"{theirs}.attention.q_proj.{part}"] *= scale
        linear(f"{name}.attention", *(f"{theirs}.attention.{x}_proj" for x in "qkv"))
        linear(f"{name}.out", f"{theirs}.attention.out_proj")
        norm(f"{name}.norm", f"{theirs}.layer_norm")
        linear(f"{name}.wide", f"{theirs}.feed_forward.intermediate_dense")
        linear(f"{name}.narrow", f"{theirs}.feed_forward.output_dense")
        norm(f"{name}.final_norm", f"{theirs}.final_layer_norm")
    return weights


def _weight_normed(given, name):
    """A weight of length and direction (Salimans, Kingma, 2016), one length for each tap."""
    length, direction = (given[f"{name}.parametrizations.weight.original{n}"] for n in (0, 1))
    return direction * (length / np.sqrt(np.sum(direction**2, axis=(0, 1), keepdims=True)))


class LightSpectrogram:
    """The learned spectrogram encoder; answers as `spectrogram.SpectrogramEncoder` does.

    Parameters
    ----------
    path : Path
        Named in sentences.
    content : bytes
        Of the safetensors file.

    Raises
    ------
    ValueError
        If these are not its weights.
    """

    size = 2 * log_mel.WIDTH

    def __init__(self, path, content):
        try:
            weights = spectrogram_weights(safetensors.numpy.load(content))
        except (SafetensorError, LookupError) as error:
            raise ValueError(f"{path} holds no spectrogram encoder ({error}).") from None
        self._session = Session(SPECTROGRAM, weights)

    def embed(self, clips):
        """Embed clips side by side, none depending on its neighbours.

        Parameters
        ----------
        clips : sequence of ndarray, each shape (n_i,)
            At 16 kHz, 0.25 s or more, at any level.

        Returns
        -------
        ndarray of float32, shape (len(clips), 512)
        """
        return np.concatenate(list(side_by_side(self._embedded, clips)))

    def _embedded(self, clip):
        return self._session(log_mel.image(clip)[np.newaxis], "embedding")


def spectrogram_weights(tensors):
    """The weights of the graph from those of the safetensors file, by name."""
    weights, place = {}, 0
    for number in range(len(log_mel.CHANNELS)):
        factor, offset = _at_rest(tensors, f"layers.{place + 1}")
        name, theirs = f"layers.{number}", f"layers.{place}"
        weights[f"{name}.weight"] = tensors[f"{theirs}.weight"] * factor.reshape(-1, 1, 1, 1)
        weights[f"{name}.bias"] = tensors[f"{theirs}.bias"] * factor + offset
        place += 4 if number else 3  # convolution, batch norm, ReLU, from the second on a pool
    weights["frame.weight"] = tensors["frame.weight"].T
    weights["frame.bias"] = tensors["frame.bias"]
    weights["norm.weight"], weights["norm.bias"] = _at_rest(tensors, "norm")
    return weights


def _at_rest(tensors, name):
    """Factor and offset of a batch norm that no longer learns."""
    variance, mean = tensors[f"{name}.running_var"], tensors[f"{name}.running_mean"]
    factor = tensors[f"{name}.weight"] / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
    return factor, tensors[f"{name}.bias"] - mean * factor
