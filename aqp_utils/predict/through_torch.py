"""Network and encoders of a model that a run has trained, through PyTorch."""

from aqp_utils.encoders.spectrogram import load_spectrogram_encoder
from aqp_utils.encoders.wav2vec2 import load_encoder
from aqp_utils.model.saved import load_model


def load_with_torch(folder, about, device):
    """See `parts.load_parts`.

    Parameters
    ----------
    folder : Path
    about : dict
        What its description says besides the network.
    device : str

    Returns
    -------
    model : QualityModel
    encoder : Encoder
        The one that the model names, from the model's own folder if it brings one along.
    spectrogram : SpectrogramEncoder or None
    """
    model, named = load_model(folder), about["encoder"]
    own = folder / "encoder"
    name = str(own) if (own / "config.json").is_file() else named["name"]
    encoder = load_encoder(
        name, named["layer"], named["pooling"], device, hidden_size=None, verbose=False
    )
    if "spectrogram" not in about:
        return model, encoder, None
    spectrogram = load_spectrogram_encoder(folder, about["spectrogram"], encoder.device)
    return model, encoder, spectrogram
