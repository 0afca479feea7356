"""Our loudness, sharpness and roughness against mosqito 1.2.1: agreement and cost per clip.

    pip install mosqito==1.2.1 soxr
    OMP_NUM_THREADS=1 python benchmarks/psychoacoustics_mosqito.py [--time-varying]

mosqito wants 48 kHz and pascals, so clips are resampled for it (not counted in its cost). With
`--time-varying` N5 and N95 are also compared with the standard's method for time-varying sounds
(about 4 s per clip). Speech clips are spoken by espeak-ng where it is installed.
"""

import argparse
import io
import shutil
import subprocess
import time

import numpy as np
import soundfile as sf
import soxr
from mosqito.sq_metrics import (
    loudness_zwst,
    loudness_zwst_perseg,
    loudness_zwtv,
    roughness_dw,
    sharpness_din_from_loudness,
)
from scipy.signal import butter, sosfiltfilt

from aqp_utils.core.audio import SAMPLE_RATE, set_level_dbfs
from aqp_utils.features.loudness import FULL_SCALE_SPL_DB
from aqp_utils.features.psychoacoustics import FEATURES, psychoacoustic_features

SENTENCES = {
    "en": "The quick brown fox jumps over the lazy dog, and then it sleeps.",
    "de": "Heute ist ein schöner Tag, wir gehen zusammen in den Wald.",
    "es": "Mañana por la mañana vamos a la playa con nuestros amigos.",
    "en+f3": "She sells sea shells by the sea shore, every single summer.",
}
COMPARED = ["loudness", "loudness_n5", "loudness_n95", "sharpness_din", "sharpness_aures"]
COMPARED += ["roughness"] + [f"loudness_{low}_{low + 4}_bark" for low in range(0, 24, 4)]


def synthetic_clips(rng):
    """Tones, modulated tones and noises of 3 s: name -> (audio, dB SPL)."""
    t = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    white = rng.standard_normal(len(t))
    spectrum, hz = np.fft.rfft(white), np.fft.rfftfreq(len(t), 1 / SAMPLE_RATE)
    narrow = np.fft.irfft(np.where((hz >= 920) & (hz <= 1080), spectrum, 0))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 20)))
    sine = {hz: np.sin(2 * np.pi * hz * t) for hz in (4, 30, 70, 150, 250, 1000, 4000)}
    harmonic = sum(np.sin(2 * np.pi * 180 * k * t) / k for k in range(1, 30))
    clips = {f"tone_{hz}": (sine[hz], 60) for hz in (250, 1000, 4000)}
    clips["tone_1000_loud"] = (sine[1000], 80)
    clips |= {f"am_{hz}": ((1 + sine[hz]) * sine[1000], 60) for hz in (4, 30, 70, 150)}
    clips |= {"white": (white, 60), "white_loud": (white, 75), "pink": (pink, 70)}
    return clips | {"narrow": (narrow, 60), "harmonic": (harmonic, 73)}


def speech_clips(rng):
    """espeak-ng speech at 73 dB SPL, plain, noisy and lowpassed: name -> (audio, dB SPL)."""
    clips = {}
    for voice, text in SENTENCES.items():
        command = ["espeak-ng", "-v", voice, "--stdout", text]
        wav = subprocess.run(command, check=True, capture_output=True).stdout
        audio, sample_rate = sf.read(io.BytesIO(wav))
        clips[f"speech_{voice}"] = (soxr.resample(audio, sample_rate, SAMPLE_RATE)[:48000], 73)
    first, second = clips["speech_en"][0], clips["speech_de"][0]
    noise = set_level_dbfs(rng.standard_normal(len(first)), -46)
    lowpass = butter(4, 1000, fs=SAMPLE_RATE, output="sos")
    clips["speech_noisy"] = (set_level_dbfs(first, -26) + noise, 73)
    clips["speech_lowpass"] = (sosfiltfilt(lowpass, second), 73)
    clips["speech_clipped"] = (np.clip(set_level_dbfs(second, -26), -0.05, 0.05), 73)
    return clips


def mosqito_features(audio, time_varying):
    """The compared features by mosqito, in the order of COMPARED, and the CPU seconds they took."""
    pascal = soxr.resample(audio, SAMPLE_RATE, 48_000) * 2e-5 * 10 ** (FULL_SCALE_SPL_DB / 20)
    started = time.process_time()
    loudness, specific, _ = loudness_zwst(pascal, 48_000)
    course = loudness_zwst_perseg(pascal, 48_000, nperseg=3072, noverlap=2304)[0]
    roughness = np.mean(roughness_dw(pascal, 48_000, overlap=0)[0])
    sharpness = [
        sharpness_din_from_loudness(loudness, specific, weighting) for weighting in ("din", "aures")
    ]
    seconds = time.process_time() - started
    if time_varying:
        course = loudness_zwtv(pascal, 48_000)[0]
    bands = specific.reshape(6, 40).sum(axis=1) * 0.1
    return [loudness, *np.percentile(course, (95, 5)), *sharpness, roughness, *bands], seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time-varying", action="store_true")
    time_varying = parser.parse_args().time_varying
    rng = np.random.default_rng(0)
    clips = synthetic_clips(rng) | (speech_clips(rng) if shutil.which("espeak-ng") else {})
    columns = [[feature.name for feature in FEATURES].index(name) for name in COMPARED]
    ours, theirs, cost = [], [], []
    psychoacoustic_features(rng.standard_normal(SAMPLE_RATE))  # compile
    for name, (audio, spl_db) in clips.items():
        clip = set_level_dbfs(audio, spl_db - FULL_SCALE_SPL_DB)
        started = time.process_time()
        ours.append(psychoacoustic_features(clip)[columns])
        seconds = time.process_time() - started
        reference, their_seconds = mosqito_features(clip, time_varying)
        theirs.append(reference)
        cost.append((seconds, their_seconds))
        print(name, np.round(ours[-1], 3).tolist(), np.round(reference, 3).tolist(), sep="\n  ")
    report(np.array(ours), np.array(theirs), np.array(cost))


def report(ours, theirs, cost_s):
    """Print agreement per feature and the cost per clip."""
    print(f"\n{len(ours)} clips; error relative to mosqito where that is over 5 % of its maximum")
    for name, mine, other in zip(COMPARED, ours.T, theirs.T, strict=True):
        use = other > 0.05 * other.max()
        error = np.abs(mine - other)[use] / other[use]
        correlation = np.corrcoef(mine, other)[0, 1]
        spread = f"median {np.median(error):6.1%}  max {error.max():6.1%}"
        print(f"{name:20s} r {correlation:.4f}  {spread}")
    ours_ms, theirs_ms = np.median(cost_s, axis=0) * 1e3
    print(f"median CPU time per clip: our 19 {ours_ms:.1f} ms, what mosqito has {theirs_ms:.0f} ms")
    print(f"ratio {theirs_ms / ours_ms:.1f}")


if __name__ == "__main__":
    main()
