"""What the embedded encoder has to predict: log-mel spectra of three signals, and their statistics.

The encoder hears a damaged clip with holes in it. From that it predicts, frame by frame, the
log-mel spectrum of the damaged clip, of the clean clip behind it, and of the difference between
the two; and, from its time average, what those spectra are like over the whole clip. Telling a
sound from what was done to it is what quality is about. Every target is computed from the audio;
no class, score, kind or parameter of damage is among them.
"""

import librosa
import numpy as np
import torch

from aqp_utils.core.audio import SAMPLE_RATE

N_FFT = 512  # samples (32 ms)
HOP = 320  # samples (20 ms): two target frames per frame of the encoder
N_MELS = 64
FRAMES_PER_STEP = 2  # target frames predicted at each of the encoder's 25 frames per second
STEP = HOP * FRAMES_PER_STEP
WINDOW = 1920  # samples that one frame of the encoder sees (120 ms)
OFFSET = (WINDOW - HOP - N_FFT) // 2  # centres the two target frames in that window
FLOOR = 1e-7  # of a unit-variance clip: −70 dB, under every noise floor in the stream
MODULATION_BANDS_HZ = ((1, 2.5), (2.5, 4.5), (4.5, 8), (8, 15), (15, 25))
MODULATION_FLOOR = 1e-3


def unit_variance(audio):
    """Zero mean, unit variance along the last axis: the scale every target is defined on."""
    audio = audio - audio.mean(axis=-1, keepdims=True)
    return audio / np.sqrt(np.mean(audio**2, axis=-1, keepdims=True) + 1e-12)


def difference(damaged, clean):
    """What damage added or took away: damaged − α·clean with the best α; shapes (n,)."""
    return damaged - clean * (damaged @ clean) / (clean @ clean)


def encoder_frames(n_samples):
    """Frames that the encoder makes of a crop."""
    return (n_samples - WINDOW) // STEP + 1


class LogMel(torch.nn.Module):
    """Log-mel spectrum (decades of power) on the encoder's time grid."""

    def __init__(self):
        super().__init__()
        bank = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, fmin=40)
        self.register_buffer("bank", torch.from_numpy(bank), persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, audio):
        """(b, n) to (b, frames, N_MELS), `FRAMES_PER_STEP` frames for each encoder frame."""
        spectrum = torch.stft(
            audio[:, OFFSET:], N_FFT, HOP, window=self.window, center=False, return_complex=True
        )
        power = spectrum.abs().square() / self.window.square().sum()
        mel = torch.log10(self.bank @ power + FLOOR).transpose(1, 2)
        return mel[:, : encoder_frames(audio.shape[1]) * FRAMES_PER_STEP]


def modulation(mel):
    """Log power of the envelopes of 16 wide bands in 5 modulation bands; (b, t, m) to (b, 80)."""
    power = torch.fft.rfft(mel - mel.mean(dim=1, keepdim=True), dim=1).abs().square()
    frequency_hz = torch.fft.rfftfreq(mel.shape[1], HOP / SAMPLE_RATE)
    rows = []
    for low, high in MODULATION_BANDS_HZ:
        chosen = (frequency_hz >= low) & (frequency_hz < high)
        wide = power[:, chosen].mean(dim=1).unflatten(1, (16, -1)).mean(dim=2)
        rows.append(torch.log10(wide + MODULATION_FLOOR))
    return torch.cat(rows, dim=1)


def clip_statistics(damaged, clean, error):
    """What a whole clip is like, from its three log-mel spectra (b, t, m); shape (b, 656).

    Per mel band: mean, spread and 10th/90th percentile of the damaged clip; mean, absolute mean and
    spread of damaged − clean; mean and spread of the error; and the modulation spectrum.
    """
    change = damaged - clean
    tenths = torch.quantile(damaged, torch.tensor([0.1, 0.9], device=damaged.device), dim=1)
    parts = [damaged.mean(1), damaged.std(1), tenths[0], tenths[1]]
    parts += [change.mean(1), change.abs().mean(1), change.std(1)]
    parts += [error.mean(1), error.std(1), modulation(damaged)]
    return torch.cat(parts, dim=1)
