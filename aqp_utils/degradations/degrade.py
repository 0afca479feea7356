"""The five degradations, each a pure function of one physical parameter.

| kind        | parameter                                     | worse when |
|-------------|-----------------------------------------------|------------|
| noise       | SNR of the active part, dB (white noise)      | smaller    |
| clip        | SI-SDR after hard clipping, dB                | smaller    |
| lowpass     | cutoff, Hz (zero-phase Butterworth, −6 dB)    | smaller    |
| reverb      | RT60, s (the direct-to-reverberant ratio follows) | larger |
| compression | wet share of a time-stretch round trip, 0–1   | larger     |

`degrade` brings every result back to the level of its source: level is kept out of the study on
purpose, so that no model can read the kind of damage off the volume.
"""

from dataclasses import dataclass

import librosa
import numpy as np
from scipy.signal import butter, fftconvolve, sosfiltfilt

from aqp_utils.core.audio import SAMPLE_RATE, active_mask, rms_dbfs, set_level_dbfs

STRETCH = 1.25  # time-stretch factor of the compression artefact
STRETCH_FFT = 1024  # samples (64 ms); long windows smear onsets, which is the artefact


def add_noise(audio, snr_db, rng):
    """Add white noise at `snr_db`, both powers taken over the active part of `audio`."""
    mask = active_mask(audio)
    noise = rng.standard_normal(len(audio))
    return audio + set_level_dbfs(noise, rms_dbfs(audio[mask]) - snr_db, mask)


def si_sdr_db(reference, estimate):
    """Scale-invariant signal-to-distortion ratio, dB (Le Roux et al., ICASSP 2019, eq. 5)."""
    target = reference * (estimate @ reference) / (reference @ reference)
    return 10 * np.log10(np.sum(target**2) / (np.sum((estimate - target) ** 2) + 1e-20))


def hard_clip(audio, sdr_db):
    """Clip at the threshold that leaves an SI-SDR of `sdr_db`, found by bisection.

    A threshold set as a share of the peak would mean little: the same share can be inaudible on
    one clip and ruin another.
    """
    low, high = 0.0, float(np.max(np.abs(audio)))
    for _ in range(30):  # 30 halvings: the threshold is exact to 1e-9 of the peak
        middle = (low + high) / 2
        if si_sdr_db(audio, np.clip(audio, -middle, middle)) < sdr_db:
            low = middle
        else:
            high = middle
    return np.clip(audio, -high, high)


def lowpass(audio, cutoff_hz):
    """Zero-phase Butterworth lowpass (order 6, run forwards and backwards), −6 dB at the cutoff."""
    return sosfiltfilt(butter(6, cutoff_hz, fs=SAMPLE_RATE, output="sos"), audio)


def drr_db(rt60_s):
    """Direct-to-reverberant ratio that goes with a reverberation time.

    15 dB at 0.3 s, −10 dB per doubling, as when the microphone moves away while the room grows.
    """
    return 15 - 10 * np.log2(rt60_s / 0.3)


def room_impulse_response(rt60_s, rng):
    """Exponentially decaying noise tail behind a unit direct sound (Polack's model), shape (m,)."""
    time_s = np.arange(int(rt60_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / rt60_s)
    tail[: int(0.0025 * SAMPLE_RATE)] = 0  # 2.5 ms before the first reflection
    tail *= 10 ** (-drr_db(rt60_s) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def reverb(audio, rt60_s, rng):
    """Convolve with a room of reverberation time `rt60_s`; same length as `audio`."""
    return fftconvolve(audio, room_impulse_response(rt60_s, rng))[: len(audio)]


def stretch_round_trip(audio):
    """Stretch by 1.25 with a phase vocoder and back: smeared onsets, phasiness; shape (n,)."""
    for rate in (1 / STRETCH, STRETCH):
        spectrum = librosa.stft(audio, n_fft=STRETCH_FFT)
        audio = librosa.istft(librosa.phase_vocoder(spectrum, rate=rate), n_fft=STRETCH_FFT)
    return audio


def compression(audio, wet):
    """Mix in a share `wet` (0–1) of the time-stretch round trip.

    A full round trip is always bad, whatever the factor; the mix makes the damage gradual.
    """
    smeared = librosa.util.fix_length(stretch_round_trip(audio), size=len(audio))
    return (1 - wet) * audio + wet * set_level_dbfs(smeared, rms_dbfs(audio))


@dataclass(frozen=True)
class Degradation:
    """A kind of damage: its function (audio, parameter, rng), and what its parameter is."""

    apply: callable
    parameter: str
    unit: str
    allowed: tuple  # lowest and highest value that `degrade` accepts
    ranges: dict  # severity -> mild and strong end of what is drawn
    log_axis: bool = False


# The parameter of a clip is drawn inside the range of its severity. The ranges are set so that the
# scores of labels.pseudo_pesq fall into the same three separate bands for every kind.
DEGRADATIONS = {
    "noise": Degradation(
        add_noise, "SNR", "dB", (-30, 100),
        {1: (50.0, 41.0), 2: (35.0, 30.0), 3: (25.0, 17.0)},
    ),
    "clip": Degradation(
        lambda x, sdr_db, rng: hard_clip(x, sdr_db), "SI-SDR", "dB", (1, 80),
        {1: (35.0, 25.0), 2: (20.0, 15.0), 3: (11.0, 8.0)},
    ),
    "lowpass": Degradation(
        lambda x, cutoff_hz, rng: lowpass(x, cutoff_hz), "cutoff", "Hz", (50, 7900),
        {1: (4000.0, 2500.0), 2: (1500.0, 550.0), 3: (330.0, 240.0)}, log_axis=True,
    ),
    "reverb": Degradation(
        reverb, "RT60", "s", (0.02, 3),
        {1: (0.13, 0.2), 2: (0.25, 0.33), 3: (0.42, 0.7)}, log_axis=True,
    ),
    "compression": Degradation(
        lambda x, wet, rng: compression(x, wet), "wet share", "1", (0, 1),
        {1: (0.04, 0.12), 2: (0.19, 0.31), 3: (0.45, 0.8)},
    ),
}  # fmt: skip
KINDS = tuple(DEGRADATIONS)
SEVERITY_RANGES = {kind: facts.ranges for kind, facts in DEGRADATIONS.items()}


def sample_parameter(kind, severity, rng):
    """Draw a clip's physical parameter inside its severity's range (log-uniform for Hz and s)."""
    mild, strong = SEVERITY_RANGES[kind][severity]
    if DEGRADATIONS[kind].log_axis:
        return float(np.exp(rng.uniform(np.log(min(mild, strong)), np.log(max(mild, strong)))))
    return float(rng.uniform(min(mild, strong), max(mild, strong)))


def degrade(audio, kind, parameter, rng):
    """Damage a clip and bring it back to the level of its source.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        Clean clip at 16 kHz.
    kind : str
        One of `KINDS`.
    parameter : float
        In the unit of `DEGRADATIONS[kind]`.
    rng : numpy.random.Generator
        Used by noise and reverb.

    Returns
    -------
    ndarray, shape (n,), float64

    Raises
    ------
    ValueError
        If the kind is unknown or the parameter is out of its physical range.
    """
    if kind not in DEGRADATIONS:
        raise ValueError(f"Unknown degradation {kind!r}; allowed are {', '.join(KINDS)}.")
    chosen = DEGRADATIONS[kind]
    low, high = chosen.allowed
    if not low <= parameter <= high:
        raise ValueError(
            f"{kind}: {chosen.parameter} {parameter} {chosen.unit} is out of range; "
            f"allowed is {low} to {high} {chosen.unit}."
        )
    audio = np.asarray(audio, dtype=np.float64)
    return set_level_dbfs(chosen.apply(audio, parameter, rng), rms_dbfs(audio))
