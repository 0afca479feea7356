"""MP3 and Opus round trips: what a clip sounds like after a codec at a given bit rate.

libsndfile (in soundfile, which reads recordings anyway) brings both encoders since 1.1. PyAV would
do it too, but its wheels hold FFmpeg with GPL parts (x264, x265) and 100 MB more.
"""

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
import soundfile as sf

from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, SAMPLE_RATE, active_mask, rms_dbfs
from aqp_utils.degradations.bands import at_rate
from aqp_utils.degradations.strength import blurred, geometric, linear

# Delay of LAME (576 samples) and of a decoder (529). A player removes it by the LAME tag in the
# first frame; at 32 kbit/s and less the tag does not fit into a frame of 16 kHz audio.
MP3_DELAY = 1105  # samples
# Containers and subtypes of soundfile.write, the mildest first.
WAVEFORM_CODECS = {
    "mu-law": ("WAV", "ULAW"),
    "A-law": ("WAV", "ALAW"),
    "G.723 40 kbit/s": ("AU", "G723_40"),
    "IMA ADPCM": ("WAV", "IMA_ADPCM"),
    "MS ADPCM": ("WAV", "MS_ADPCM"),
    "G.721 32 kbit/s": ("AU", "G721_32"),
    "G.723 24 kbit/s": ("AU", "G723_24"),
    "NMS ADPCM 16 kbit/s": ("WAV", "NMS_ADPCM_16"),
    "GSM 06.10": ("WAV", "GSM610"),
}
VOICE_RATES_HZ = (16_000, 12_000, 11_025, 8_000)


@dataclass(frozen=True)
class Codec:
    """A codec in libsndfile's words, and the bit rates that it takes for mono at 16 kHz.

    Attributes
    ----------
    container, subtype : str
    lowest_kbps, highest_kbps : float
        Ends of libsndfile's compression level, on which the bit rate is linear.
    options : dict
        More arguments of `soundfile.write`.
    """

    container: str
    subtype: str
    lowest_kbps: float
    highest_kbps: float
    options: dict

    def compression_level(self, kbps):
        """libsndfile's 0 (highest bit rate) to 1, which LAME refuses, so just under."""
        span = self.highest_kbps - self.lowest_kbps
        return min((self.highest_kbps - kbps) / span, 0.999)


CODECS = {
    # MPEG-2 layer III, constant: 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 kbit/s.
    "mp3": Codec("MP3", "MPEG_LAYER_III", 8, 160, {"bitrate_mode": "CONSTANT"}),
    # Variable around the given bit rate (RFC 6716, section 2.1.1).
    "opus": Codec("OGG", "OPUS", 6, 256, {}),
}


def encode(audio, codec, kbps):
    """A clip as an MP3 or Ogg Opus file.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        At 16 kHz, within full scale.
    codec : str
        A key of `CODECS`.
    kbps : float
        Bit rate, kbit/s. MP3 takes the step nearest below; Opus varies around it.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the codec is unknown, the bit rate out of its range, or the clip not finite or over full
        scale: that would add clipping to the codec.
    RuntimeError
        If the installed libsndfile has no such encoder.
    """
    if codec not in CODECS:
        raise ValueError(f"there is no codec {codec!r}; the codecs are {', '.join(CODECS)}.")
    chosen = CODECS[codec]
    if not chosen.lowest_kbps <= kbps <= chosen.highest_kbps:
        raise ValueError(
            f"{codec}: {kbps} kbit/s is out of range; allowed is {chosen.lowest_kbps} to "
            f"{chosen.highest_kbps} kbit/s."
        )
    if not (peak := np.max(np.abs(audio), initial=0.0)) <= 1.0:
        raise ValueError(f"{codec}: the clip has a peak of {peak:.3g}; a codec takes ±1.")
    if chosen.subtype not in sf.available_subtypes(chosen.container):
        raise RuntimeError(
            f"libsndfile {sf.__libsndfile_version__} cannot write {codec}; update it: "
            "pip install -U soundfile"
        )
    file = io.BytesIO()
    sf.write(
        file, audio, SAMPLE_RATE, chosen.subtype, format=chosen.container,
        compression_level=chosen.compression_level(kbps), **chosen.options,
    )  # fmt: skip
    return file.getvalue()


def through_codec(audio, codec, kbps):
    """Encode and decode a clip; parameters and errors are those of `encode`.

    Returns
    -------
    ndarray of float64, shape (n,)
        In time with `audio`.
    """
    decoded, _ = sf.read(io.BytesIO(encode(audio, codec, kbps)))
    late = MP3_DELAY if codec == "mp3" and len(decoded) > len(audio) else 0
    decoded = decoded[late : late + len(audio)]
    return np.pad(decoded, (0, len(audio) - len(decoded)))


def at_working_level(audio, process):
    """`process` at an active level of −26 dBFS, lower where the peak would pass full scale."""
    gain = 10 ** ((ACTIVE_LEVEL_DBFS - rms_dbfs(audio[active_mask(audio)])) / 20)
    gain = min(gain, 0.9 / np.max(np.abs(audio)))
    return process(gain * audio) / gain


def through_file(audio, sample_rate, container, subtype, **options):
    """Write a file in memory and read it back, at its own rate and length."""
    file = io.BytesIO()
    sf.write(file, np.clip(audio, -1, 1), sample_rate, subtype, format=container, **options)
    file.seek(0)
    decoded, _ = sf.read(file)
    return np.pad(decoded, (0, max(0, len(audio) - len(decoded))))[: len(audio)]


@cache
def waveform_codecs():
    """Names of `WAVEFORM_CODECS` that the installed libsndfile can write."""
    return tuple(
        name
        for name, (container, subtype) in WAVEFORM_CODECS.items()
        if subtype in sf.available_subtypes(container)
    )


def mp3(audio, strength, rng):
    """MP3 of 128 to 8 kbit/s."""
    kbps = geometric(strength, 128, 8)
    return at_working_level(audio, lambda x: through_codec(x, "mp3", kbps)), {"kbps": kbps}


def opus(audio, strength, rng):
    """Opus of 64 to 6 kbit/s."""
    kbps = geometric(strength, 64, 6)
    return at_working_level(audio, lambda x: through_codec(x, "opus", kbps)), {"kbps": kbps}


def vorbis(audio, strength, rng):
    """Vorbis at libsndfile's compression level 0.1 to 1 and at 16 down to 4 kHz."""
    level = linear(blurred(strength, rng, 0.1), 0.1, 1.0)
    rate_hz = int(round(geometric(blurred(strength, rng, 0.1), 16_000, 4_000), -2))

    def process(low):
        return through_file(low, rate_hz, "OGG", "VORBIS", compression_level=level)

    decoded = at_working_level(audio, lambda x: at_rate(x, rate_hz, process))
    return decoded, {"compression_level": level, "rate_hz": float(rate_hz)}


def waveform_codec(audio, strength, rng):
    """Companding, ADPCM or GSM 06.10 at 16 to 8 kHz, up to three times in a row."""
    names = waveform_codecs()
    name = names[round(blurred(strength, rng, 0.1) * (len(names) - 1))]
    position = round(blurred(strength, rng, 0.1) * (len(VOICE_RATES_HZ) - 1))
    rate_hz = VOICE_RATES_HZ[position]
    passes = 1 + int(rng.binomial(2, 0.6 * strength))

    def process(low):
        for _ in range(passes):
            low = through_file(low, rate_hz, *WAVEFORM_CODECS[name])
        return low

    decoded = at_working_level(audio, lambda x: at_rate(x, rate_hz, process))
    return decoded, {"codec": name, "rate_hz": float(rate_hz), "passes": float(passes)}
