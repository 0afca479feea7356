"""A small convolutional encoder on the log-mel spectrogram, learned from scratch with the task.

Wav2Vec2 sums a clip up in frames of tens of milliseconds that have seen whole words. What codecs,
clippers and time stretchers leave behind is finer than that, in time and in frequency, and is seen
best where it happens: in the spectrogram.
"""

import torch
import torchaudio
from torch import nn

from aqp_utils.audio import SAMPLE_RATE

WINDOW, HOP = 512, 160  # samples: 32 and 10 ms
N_MELS, LOWEST_HZ = 64, 40.0
FLOOR = 1e-7  # power relative to that of the clip: −70 dB
CENTRE, SPREAD = -3.0, 1.5  # of the logarithms, roughly; brings them about zero
CHANNELS = (32, 64, 128, 256)
WIDTH = 256  # of a frame after the last layer


class SpectrogramEncoder(nn.Module):
    """Log-mel spectrogram, four convolutional layers, mean and standard deviation over time."""

    size = 2 * WIDTH

    def __init__(self, seed=0):
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        filters = torchaudio.functional.melscale_fbanks(
            WINDOW // 2 + 1, LOWEST_HZ, SAMPLE_RATE / 2, N_MELS, SAMPLE_RATE, "slaney", "slaney"
        )
        self.register_buffer("filters", filters.T.contiguous(), persistent=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers, width = [], 1
            for number, channels in enumerate(CHANNELS):
                size, stride = (5, 2) if number == 0 else (3, 1)
                layers += [
                    nn.Conv2d(width, channels, size, stride, padding=size // 2),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                ]
                if number:  # the last keeps its time steps
                    layers.append(nn.MaxPool2d((2, 1) if number == len(CHANNELS) - 1 else 2))
                width = channels
            self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)
            self.frame = nn.Linear(width * N_MELS // 2 ** len(CHANNELS), WIDTH)

    def log_mel(self, audio):
        """Log10 of mel power of audio (b, n), each clip at unit power: (b, 64, frames)."""
        audio = audio / audio.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-9)
        spectrum = torch.stft(audio, WINDOW, HOP, window=self.window, return_complex=True)
        power = spectrum.abs().square() / self.window.square().sum()
        return torch.log10(self.filters @ power + FLOOR)

    def forward(self, audio):
        """Embedding (b, 512) of audio (b, n) at any level."""
        image = ((self.log_mel(audio) - CENTRE) / SPREAD).unsqueeze(1)
        states = self.layers(image.contiguous(memory_format=torch.channels_last))
        frames = torch.relu(self.frame(states.flatten(1, 2).transpose(1, 2))).float()
        return torch.cat([frames.mean(dim=1), frames.std(dim=1)], dim=1)
