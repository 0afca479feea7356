"""The small Wav2Vec2 that ships with this package: as PyTorch computes it.

It is built with torchaudio's Wav2Vec2. The one of `transformers` computes the same numbers from the
same weights (a test compares them), but the first score would wait for its import.
"""

from types import SimpleNamespace

import safetensors.torch
import torch
from torchaudio.models import wav2vec2_model

from aqp_utils.encoders.card import checked_card
from aqp_utils.encoders.shape import SHAPE


class EmbeddedModel(torch.nn.Module):
    """torchaudio's Wav2Vec2 of the shape above, answering as that of `transformers` does."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(**SHAPE, model_type="wav2vec2")
        convolutions = zip(
            SHAPE["conv_dim"], SHAPE["conv_kernel"], SHAPE["conv_stride"], strict=True
        )
        self.model = wav2vec2_model(
            extractor_mode="layer_norm",
            extractor_conv_layer_config=list(convolutions),
            extractor_conv_bias=SHAPE["conv_bias"],
            encoder_embed_dim=SHAPE["hidden_size"],
            encoder_projection_dropout=SHAPE["feat_proj_dropout"],
            encoder_pos_conv_kernel=SHAPE["num_conv_pos_embeddings"],
            encoder_pos_conv_groups=SHAPE["num_conv_pos_embedding_groups"],
            encoder_num_layers=SHAPE["num_hidden_layers"],
            encoder_num_heads=SHAPE["num_attention_heads"],
            encoder_attention_dropout=SHAPE["attention_dropout"],
            encoder_ff_interm_features=SHAPE["intermediate_size"],
            encoder_ff_interm_dropout=SHAPE["activation_dropout"],
            encoder_dropout=SHAPE["hidden_dropout"],
            encoder_layer_norm_first=SHAPE["do_stable_layer_norm"],
            encoder_layer_drop=SHAPE["layerdrop"],
            aux_num_out=None,
        )

    def forward(self, audio, output_hidden_states=True):
        """Hidden states (b, frames, 768) of audio (b, n), the input of the first layer first."""
        states = []
        first_layer = self.model.encoder.transformer.layers[0]
        hook = first_layer.register_forward_pre_hook(lambda _, given: states.append(given[0]))
        with hook:
            states += self.model.extract_features(audio)[0]
        return SimpleNamespace(hidden_states=tuple(states), last_hidden_state=states[-1])


def load_model(weights, sha256):
    """The model of the shipped `catalog.Weights` in float32, and its card.

    Raises
    ------
    EncoderError
        If the weights, whose digest is `sha256`, are not those of the card beside them, or the card
        or a document that it names was changed.
    """
    card = checked_card(weights, sha256)
    state = safetensors.torch.load_file(weights.files[0])
    state.pop("masked_spec_embed", None)  # stands for hidden frames in pretraining
    model = EmbeddedModel()
    model.model.load_state_dict({_name(key): value.float() for key, value in state.items()})
    return model, card


def _name(key):
    """torchaudio's name of a tensor that `transformers` saved."""
    for theirs, ours in {
        "feature_projection.": "encoder.feature_projection.",
        "encoder.": "encoder.transformer.",
    }.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return key
