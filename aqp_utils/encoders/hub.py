"""Wav2Vec2, HuBERT and WavLM as `transformers` builds them: checked weights, or random ones.

Importing this module takes seconds, because `transformers` does; the encoder that ships with this
package is built without it, in `aqp_utils.encoders.embedded`.
"""

import json

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

from aqp_utils.encoders.catalog import EncoderError
from aqp_utils.encoders.shape import SHAPE

CLASSES_OF_TYPE = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "hubert": (HubertConfig, HubertModel),
    "wavlm": (WavLMConfig, WavLMModel),
}


def random_encoder(seed=0):
    """An untrained Wav2Vec2 of the embedded encoder's shape: a floor, never a substitute.

    The global random state of torch is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Wav2Vec2Model(Wav2Vec2Config(**SHAPE))


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


def load_model(weights, name):
    """The model of some `catalog.Weights` in float32.

    Raises
    ------
    EncoderError
        If the files are no such model, are incomplete, corrupt or do not belong together.
    """
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
