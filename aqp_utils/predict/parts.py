"""What a model computes with: network and encoders, loaded and checked against each other.

What ships is computed by onnxruntime and NumPy, so that scoring recordings wants neither PyTorch
nor its import; what a run has trained, with any encoder there is, by PyTorch.
"""

from aqp_utils.core.package import not_installed
from aqp_utils.core.sealed import read_part
from aqp_utils.encoders.light import LightEncoder, LightSpectrogram
from aqp_utils.features.sets import feature_names
from aqp_utils.model.files import DESCRIPTION, about_of, read_description
from aqp_utils.model.heads import load_light_model


def load_parts(folder, device="auto"):
    """Network and encoders of the model in `folder`.

    Parameters
    ----------
    folder : Path
    device : str
        Where PyTorch computes.

    Returns
    -------
    model : QualityModel or LightModel
    encoder : Encoder or LightEncoder
    spectrogram : SpectrogramEncoder, LightSpectrogram or None

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ModuleNotFoundError
        If PyTorch is wanted and not installed.
    ValueError
        If a part is damaged, or is not one that the network was trained with.
    """
    description = about_of(read_description(folder)[0])
    _check_entries(folder, description)
    load = _light if _is_light(folder, description) else _through_torch
    model, encoder, spectrogram = load(folder, description, device)
    _check_encoder(folder, description["encoder"], encoder)
    _check_inputs(folder, model, encoder, spectrogram)
    return model, encoder, spectrogram


def _is_light(folder, about):
    """Whether a model is built as the one that ships: on its encoder and a learned spectrogram."""
    brings_its_own = (folder / "encoder" / "config.json").is_file()
    return "spectrogram" in about and about["encoder"]["name"] == "embedded" and not brings_its_own


def _light(folder, about, device):
    if device not in ("auto", "cpu"):
        raise ValueError(
            f"{folder}: this model computes on the processor; leave out the device {device}."
        )
    model = load_light_model(folder)
    encoder = LightEncoder(about["encoder"]["layer"], about["encoder"]["pooling"])
    path, content = read_part(folder, about["spectrogram"])
    return model, encoder, LightSpectrogram(path, content)


def _through_torch(folder, about, device):
    try:
        from aqp_utils.predict.through_torch import load_with_torch
    except ModuleNotFoundError as error:
        sentence = not_installed(f"{folder}: a model that a run has trained", error)
        raise ModuleNotFoundError(sentence, name=error.name) from None
    return load_with_torch(folder, about, device)


def _check_entries(folder, about):
    """Check that a description says all that is wanted to score."""
    for entry in ("encoder", "feature_set"):
        if entry not in about:
            raise ValueError(
                f"{folder / DESCRIPTION} does not say its {entry}: train the model again."
            )
    for entry in ("layer", "pooling", "weights_sha256"):
        if entry not in about["encoder"]:
            raise ValueError(
                f"{folder / DESCRIPTION} does not say its encoder's {entry}: train the model again."
            )


def _check_encoder(folder, about, encoder):
    """Check that this is the encoder that the network was trained with."""
    if encoder.weights_sha256 != about["weights_sha256"]:
        raise ValueError(
            f"{folder}: this model was trained with the encoder {about['name']}, weights "
            f"{about['weights_sha256'][:12]}; here {encoder.name} has weights "
            f"{encoder.weights_sha256[:12]}. Scores would mean nothing: restore the encoder or "
            "train again from 03_features."
        )
    if about.get("config_sha256", encoder.config_sha256) != encoder.config_sha256:
        raise ValueError(
            f"{folder}: this model was trained with the encoder {about['name']}, whose config.json "
            "is another than the one here. Scores would mean nothing: restore the encoder or "
            "train again from 03_features."
        )


def _check_inputs(folder, model, encoder, spectrogram):
    """Check that features and embeddings are, in kind and number, what the network was taught."""
    path, about = folder / DESCRIPTION, model.about
    names = feature_names(about["feature_set"])
    if about.get("feature_names", names) != names:
        raise ValueError(
            f"{path} names other features than the set {about['feature_set']} has in this version: "
            "train the model again."
        )
    width = encoder.hidden_size * (2 if encoder.pooling == "mean+std" else 1)
    given = len(names) + width + (spectrogram.size if spectrogram else 0)
    if given != len(model.mean):
        raise ValueError(
            f"{path} describes a network of {len(model.mean)} inputs, but its features and "
            f"encoders give {given}: train the model again."
        )
