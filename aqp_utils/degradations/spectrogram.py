"""To short-time spectra and back, for damages that are done there."""

import librosa
import numpy as np

N_FFT, HOP = 512, 128  # 32 ms, and a quarter of it


def spectra_of(audio, hop=HOP):
    """Short-time spectra (complex) of audio (n,): Hann windows of 32 ms, (257, frames)."""
    return librosa.stft(np.asarray(audio, dtype=np.float64), n_fft=N_FFT, hop_length=hop)


def sound_of(spectra, n, hop=HOP):
    """Audio of `n` samples from `spectra_of`, changed or not; by overlap and add."""
    return librosa.istft(spectra, n_fft=N_FFT, hop_length=hop, length=n)
