"""The shape of the Wav2Vec2 that ships with this package, whoever computes it."""

# Three wide convolutions instead of seven narrow ones: 40 ms per frame (25 Hz) and a sixteenth of
# wav2vec2-base's work. Layer norm in the convolutions ignores what was padded (group norm does
# not), and their bias lets the layer norm keep how loud a frame is.
SHAPE = {
    "hidden_size": 768,
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


def samples_for(n_frames, kernels, strides):
    """Samples that convolutions of these widths and steps need to give so many frames."""
    samples = n_frames
    for kernel, stride in zip(kernels[::-1], strides[::-1], strict=True):
        samples = (samples - 1) * stride + kernel
    return samples


def frames_of(n_samples, kernels, strides):
    """Frames that convolutions of these widths and steps give of so many samples; 0 of too few."""
    frames = n_samples
    for kernel, stride in zip(kernels, strides, strict=True):
        frames = max(0, (frames - kernel) // stride + 1)
    return frames
