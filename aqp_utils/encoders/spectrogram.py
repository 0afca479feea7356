"""A small convolutional encoder on log-mel spectrograms, learned from scratch with the task.

Wav2Vec2 sums a clip up in frames of tens of milliseconds that have seen whole words. What codecs,
clippers and time stretchers leave behind is finer than that, in time and in frequency, and is seen
best where it happens: in the spectrogram. No window shows both the harmonics of a voice and the
seams of a time stretcher, so there are two, as two channels of one picture.
"""

import hashlib

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn
from torch.nn import functional as F

from aqp_utils.core.files import atomic
from aqp_utils.core.sealed import read_part
from aqp_utils.encoders.log_mel import (
    CENTRE,
    CHANNELS,
    FLOOR,
    HOP,
    KERNELS,
    N_FFT,
    N_MELS,
    SPREAD,
    WIDTH,
    WINDOWS,
    mel_filters,
)

FILE = "spectrogram.safetensors"


class SpectrogramEncoder(nn.Module):
    """Two log-mel spectrograms, four convolutional layers, mean and spread over time.

    Parameters
    ----------
    seed : int
        Of the first weights.
    channels : sequence of four int
        Of the layers; only `CHANNELS` can be exported.
    """

    size = 2 * WIDTH

    def __init__(self, seed=0, channels=CHANNELS):
        super().__init__()
        for number, length in enumerate(WINDOWS):
            window = torch.hann_window(length)
            window = F.pad(window / window.norm(), ((N_FFT - length) // 2,) * 2)
            self.register_buffer(f"window_{number}", window, persistent=False)
        filters = torch.from_numpy(mel_filters()).repeat_interleave(2, dim=0)
        self.register_buffer("filters", filters, persistent=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers, width = [], len(WINDOWS)
            for number, wider in enumerate(channels):
                size, stride = KERNELS[number]
                layers += [
                    nn.Conv2d(width, wider, size, stride, padding=size // 2),
                    nn.BatchNorm2d(wider),
                    nn.ReLU(),
                ]
                if number:
                    layers.append(nn.MaxPool2d(2))
                width = wider
            self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)
            self.frame = nn.Linear(width * N_MELS // 2 ** len(channels), WIDTH)
        self.norm = nn.BatchNorm1d(self.size)

    def log_mel(self, audio):
        """Log10 of mel power of audio (b, n), each clip at unit power: (b, windows, 48, frames)."""
        audio = audio / audio.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-9)
        audio = F.pad(audio.unsqueeze(1), (N_FFT // 2,) * 2, mode="reflect").squeeze(1)
        frames, pictures = audio.unfold(1, N_FFT, HOP), []
        for number in range(len(WINDOWS)):
            spectrum = torch.fft.rfft(frames * self.get_buffer(f"window_{number}"))
            # Real and imaginary parts lie side by side; the filters sum their squares.
            squares = torch.view_as_real(spectrum).square().flatten(-2)
            pictures.append(torch.log10(squares @ self.filters + FLOOR).transpose(1, 2))
        return torch.stack(pictures, dim=1)

    def forward(self, audio):
        """Embedding (b, 512) of audio (b, n) at any level; in training bfloat16 inside."""
        image = (self.log_mel(audio) - CENTRE) / SPREAD
        image = image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(audio.device.type, torch.bfloat16, enabled=self.training):
            states = self.layers(image)
            frames = torch.relu(self.frame(states.flatten(1, 2).transpose(1, 2)))
        frames = frames.float()
        spread = frames.std(dim=1, correction=0)
        return self.norm(torch.cat([frames.mean(dim=1), spread], dim=1))

    @torch.inference_mode()
    def embed(self, clips):
        """Embed clips one by one, so that none depends on its neighbours.

        Parameters
        ----------
        clips : sequence of ndarray, each shape (n_i,)
            At 16 kHz, 0.25 s or more, at any level.

        Returns
        -------
        ndarray of float32, shape (len(clips), 512)
        """
        device = self.filters.device
        audio = [torch.from_numpy(np.asarray(clip, dtype=np.float32)).to(device) for clip in clips]
        return np.concatenate([self(one.unsqueeze(0)).cpu().numpy() for one in audio])


def save_spectrogram_encoder(folder, encoder):
    """Write spectrogram.safetensors; returns its entry for model.json."""
    state = {name: tensor.cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    weights = safetensors.torch.save(state)
    with atomic(folder / FILE) as part:
        part.write_bytes(weights)
    return {"file": FILE, "sha256": hashlib.sha256(weights).hexdigest()}


def load_spectrogram_encoder(folder, about, device="cpu"):
    """Read what `save_spectrogram_encoder` wrote.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If it is not the one that `about`, the entry in model.json, names.
    """
    path, weights = read_part(folder, about)
    encoder = SpectrogramEncoder()
    try:
        encoder.load_state_dict(safetensors.torch.load(weights))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(f"{path} holds no spectrogram encoder ({reason}).") from None
    return encoder.eval().to(device)
