"""The picture that the learned spectrogram encoder looks at, and the shape of that encoder.

Two log-mel spectrograms of a clip, of a long and a short window, as two channels.
"""

from functools import cache

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE, hann

WINDOWS, HOP, N_FFT = (512, 160), 80, 512  # samples: windows of 32 and 10 ms, every 5 ms
N_MELS, LOWEST_HZ = 48, 40.0
FLOOR = 1e-7  # power relative to that of the clip: −70 dB
CENTRE, SPREAD = -3.0, 1.5  # of the logarithms, roughly; brings them about zero
CHANNELS = (32, 64, 128, 256)
KERNELS = ((5, 2), (3, 1), (3, 1), (3, 1))  # width and step of each convolution
WIDTH = 256  # of a frame after the last layer


def image(clip):
    """Both log-mel spectrograms of a clip at unit power, brought about zero.

    Parameters
    ----------
    clip : array_like, shape (n,)
        At 16 kHz, at any level.

    Returns
    -------
    ndarray of float32, shape (2, 48, n // 80 + 1)
    """
    clip = np.asarray(clip, dtype=np.float32)
    clip = clip / np.maximum(np.sqrt(np.mean(np.square(clip), dtype=np.float32)), np.float32(1e-9))
    padded = np.pad(clip, N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    pictures = []
    for length in WINDOWS:
        spectrum = np.fft.rfft(frames * _window(length), axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        pictures.append(np.log10(power @ mel_filters() + np.float32(FLOOR)).T)
    return (np.stack(pictures) - np.float32(CENTRE)) / np.float32(SPREAD)


@cache
def _window(length):
    """A Hann window of unit energy amid zeros, shape (512,), float32."""
    taper = hann(length)
    beside = (N_FFT - length) // 2
    return np.pad(taper / np.sqrt(np.sum(taper**2)), beside).astype(np.float32)


@cache
def mel_filters():
    """Slaney's mel filters of unit area, shape (257, 48), float32.

    The scale is linear up to 1 kHz (a mel each 200/3 Hz) and logarithmic above (27 mel for a
    factor of 6.4): Slaney, Auditory Toolbox, 1998, as torchaudio and librosa have it.
    """
    hz = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    edges = _hz(np.linspace(_mel(LOWEST_HZ), _mel(SAMPLE_RATE / 2), N_MELS + 2))
    rise = (hz[:, np.newaxis] - edges[:-2]) / np.diff(edges)[:-1]
    fall = (edges[2:] - hz[:, np.newaxis]) / np.diff(edges)[1:]
    area = 2 / (edges[2:] - edges[:-2])
    return (np.maximum(0, np.minimum(rise, fall)) * area).astype(np.float32)


def _mel(hz):
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def _hz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) * (mel - 15) / 27))
