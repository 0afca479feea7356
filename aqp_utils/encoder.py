"""Wav2Vec2 as a frozen feature extractor: load one, embed clips.

Any Wav2Vec2, HuBERT or WavLM works: from the model hub, from a folder, or the small one that ships
with this package. `aqp_utils.encoder_catalog` finds the files; this module turns audio into
vectors.
"""

import hashlib
import json
from collections import defaultdict

import numpy as np
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)
from transformers.utils import logging as transformers_logging

from aqp_utils.audio import SAMPLE_RATE
from aqp_utils.encoder_catalog import EMBEDDED_FOLDER, EncoderError, resolve

EMBEDDING_SIZE = 768
POOLINGS = ("mean", "mean+std")
CLASSES_OF_TYPE = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "hubert": (HubertConfig, HubertModel),
    "wavlm": (WavLMConfig, WavLMModel),
}

# Shape of the encoder that ships here, and of its random counterpart. Three wide convolutions
# instead of seven narrow ones: 40 ms per frame (25 Hz) and a sixteenth of wav2vec2-base's work.
# Layer norm in the convolutions ignores what was padded (group norm does not), and their bias lets
# the layer norm keep how loud a frame is.
SMALL_SHAPE = {
    "hidden_size": EMBEDDING_SIZE,
    "num_hidden_layers": 3,
    "num_attention_heads": 12,
    "intermediate_size": 512,
    "conv_dim": (256, 256, 384),
    "conv_kernel": (400, 8, 4),  # samples, then frames of the layer below
    "conv_stride": (80, 4, 2),
    "conv_bias": True,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": False,
    "num_conv_pos_embeddings": 32,
    "num_conv_pos_embedding_groups": 16,
    "layerdrop": 0.0,
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "apply_spec_augment": False,
    "vocab_size": 32,
}


def random_encoder(seed=0):
    """An untrained Wav2Vec2 of the embedded encoder's shape: a floor, never a substitute.

    The global random state of torch is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Wav2Vec2Model(Wav2Vec2Config(**SMALL_SHAPE))


def sha256_of_files(files):
    """sha256 (hex) of one file, or of the digests of several in name order."""
    digests = []
    for path in files:
        with open(path, "rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def sha256_of_parameters(model):
    """sha256 (hex) over the names and float32 values of a model made in memory."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).numpy().tobytes())
    return digest.hexdigest()


def normalized(clip):
    """Zero mean and unit variance, as Wav2Vec2's feature extractor does: level says nothing."""
    clip = np.asarray(clip, dtype=np.float64)
    return ((clip - clip.mean()) / np.sqrt(clip.var() + 1e-7)).astype(np.float32)


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
    model_type : str
        ``wav2vec2``, ``hubert`` or ``wavlm``.
    hidden_size, n_layers : int
    layer : int
        Hidden state that `embed` pools: 0 is the input of the first layer, `n_layers` the top.
    pooling : str
    """

    def __init__(self, model, name, why, weights_sha256, layer, pooling, device):
        self.model = model.eval().requires_grad_(False).to(device)
        self.name, self.why, self.weights_sha256 = name, why, weights_sha256
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
        config, samples = self.model.config, 1
        for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
            samples = (samples - 1) * stride + kernel
        return samples

    def describe(self):
        """What a manifest or a table says about this encoder (plain types only)."""
        return {
            "name": self.name,
            "why": self.why,
            "weights_sha256": self.weights_sha256,
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

    def embed_both(self, clips, batch_size=8):
        """`embed` and `embed_layers` from one pass: ``(embedding, layers)``."""
        layers = self.embed_layers(clips, batch_size)
        return layers[:, self.layer], layers

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
        for positions in self._batches(clips, batch_size):
            states = self._hidden_states([clips[position] for position in positions])
            rows = torch.stack([pooled(state, self.pooling) for state in states], dim=1)
            layers[positions] = rows.cpu().numpy()
        return layers

    def _batches(self, clips, batch_size):
        """Positions of clips that go together: equal length, at most `batch_size`."""
        by_length = defaultdict(list)
        for position, clip in enumerate(clips):
            self._check(clip, position)
            by_length[len(clip)].append(position)
        for positions in by_length.values():
            for start in range(0, len(positions), batch_size):
                yield positions[start : start + batch_size]

    def _check(self, clip, position):
        """Refuse what would come out as a meaningless vector."""
        if np.ndim(clip) != 1:
            raise EncoderError(f"clip {position}: {np.ndim(clip)} axes; a clip has shape (n,).")
        if len(clip) < self.shortest_clip:
            raise EncoderError(
                f"clip {position}: {len(clip)} samples; {self.name} needs {self.shortest_clip} "
                f"({self.shortest_clip / SAMPLE_RATE:.3f} s at 16 kHz)."
            )
        if not np.all(np.isfinite(clip)):
            raise EncoderError(f"clip {position}: holds NaN or Inf.")

    @torch.inference_mode()
    def _hidden_states(self, clips):
        """Hidden states (b, frames, hidden_size) of equally long clips, the lowest layer first."""
        batch = torch.from_numpy(np.stack([normalized(clip) for clip in clips])).to(self.device)
        output = self.model(batch, output_hidden_states=True)
        # The last of hidden_states changed meaning between transformers 5.15 and 5.23 for
        # stable-layer-norm models; last_hidden_state did not.
        return (*output.hidden_states[:-1], output.last_hidden_state)


def _read_config(path, name):
    """Config object and model class for a config.json, or a sentence on why not."""
    try:
        values = json.loads(path.read_text())
        model_type = values["model_type"]
    except (ValueError, KeyError) as error:
        raise EncoderError(f"ENCODER {name}: {path} is not a model's config.json.") from error
    if model_type not in CLASSES_OF_TYPE:
        raise EncoderError(
            f"ENCODER {name}: this is a {model_type} model; ENCODER takes "
            f"{', '.join(CLASSES_OF_TYPE)}."
        )
    config_class, model_class = CLASSES_OF_TYPE[model_type]
    return config_class.from_dict(values), model_class


def _check_complete(model, info, name):
    """Refuse weights that would leave part of the encoder untrained or broken."""
    mismatched = sorted(info["mismatched_keys"])
    if mismatched:
        key, in_file, in_config = mismatched[0]
        raise EncoderError(
            f"ENCODER {name}: {key} is {tuple(in_file)} in the weights but {tuple(in_config)} by "
            "config.json (hidden_size and the like); set config.json to what the weights have."
        )
    missing = sorted(set(info["missing_keys"]) - {"masked_spec_embed"})
    if missing:
        raise EncoderError(
            f"ENCODER {name}: {len(missing)} tensors are missing in the weights, "
            f"{missing[0]} among them; they do not belong to this config.json."
        )
    for key, value in model.named_parameters():
        if not torch.isfinite(value).all():
            raise EncoderError(f"ENCODER {name}: {key} holds NaN or Inf; fetch the weights again.")


def _load_model(weights, name):
    """The model of `weights` in float32, checked."""
    config, model_class = _read_config(weights.config, name)
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # pretraining heads are left out on purpose
    transformers_logging.disable_progress_bar()
    try:
        model, info = model_class.from_pretrained(
            weights.folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # told apart below, with a sentence
            output_loading_info=True,
        )
    except Exception as error:  # safetensors and transformers raise many kinds for a bad file
        raise EncoderError(
            f"ENCODER {name}: the weights in {weights.folder} cannot be read "
            f"({type(error).__name__}); they are truncated or corrupt, fetch them again."
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    _check_complete(model, info, name)
    return model


def _check_embedded(sha256):
    """The shipped weights must be the ones their card describes."""
    card = json.loads((EMBEDDED_FOLDER / "card.json").read_text())
    if card["weights_sha256"] != sha256:
        raise EncoderError(
            f"ENCODER embedded: {EMBEDDED_FOLDER}/model.safetensors was changed (sha256 "
            f"{sha256[:12]}, its card says {card['weights_sha256'][:12]}); install it again."
        )
    return card


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
    name="auto", layer=None, pooling=None, device="auto", hidden_size=EMBEDDING_SIZE, verbose=True
):
    """Load a frozen encoder and say in one line which one it is.

    Parameters
    ----------
    name : str
        ``auto`` (facebook/wav2vec2-base where it can be had, else ``embedded``), ``embedded``,
        ``random``, a folder written by ``save_pretrained``, or any Wav2Vec2, HuBERT or WavLM name
        on the model hub.
    layer : int or None
        Hidden state to pool: 0 is the input of the first layer, -1 the top. None takes the
        encoder's own default: its card's for ``embedded``, else the middle layer, since early and
        middle layers carry more about sound and the top ones more about words.
    pooling : str or None
        ``mean`` or ``mean+std`` over time; None is ``mean``.
    device : str
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` …
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
    if weights is None:
        model = random_encoder()
        sha256 = sha256_of_parameters(model)
    else:
        model = _load_model(weights, taken)
        sha256 = sha256_of_files(weights.files)
    width, n_layers = model.config.hidden_size, model.config.num_hidden_layers
    if hidden_size is not None and width != hidden_size:
        raise EncoderError(
            f"ENCODER {taken}: its hidden size is {width}, this study fuses {hidden_size} values; "
            f"set ENCODER to a model of hidden size {hidden_size}, such as facebook/wav2vec2-base "
            "or embedded."
        )
    default = _check_embedded(sha256)["default_layer"] if taken == "embedded" else n_layers // 2
    layer = _choose_layer(layer, default, n_layers, taken)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = Encoder(model, taken, why, sha256, layer, pooling or "mean", device)
    if verbose:
        print(encoder)
    return encoder
