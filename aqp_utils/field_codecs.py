"""Codecs of libsndfile as damages: MP3, Opus, Vorbis, ADPCM, companding, GSM 06.10.

Every damage takes (audio, severity, rng) and returns (audio, facts). Codecs have a working level:
a clip is brought to −26 dBFS for the way through and back to its own afterwards.
"""

import io
from functools import cache

import numpy as np
import soundfile as sf

from aqp_utils.band_limits import at_rate
from aqp_utils.codecs import through_codec
from aqp_utils.core.audio import ACTIVE_LEVEL_DBFS, active_mask, rms_dbfs
from aqp_utils.severity import blurred, geometric, linear

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


def mp3(audio, severity, rng):
    """MP3 of 128 to 8 kbit/s."""
    kbps = geometric(severity, 128, 8)
    return at_working_level(audio, lambda x: through_codec(x, "mp3", kbps)), {"kbps": kbps}


def opus(audio, severity, rng):
    """Opus of 64 to 6 kbit/s."""
    kbps = geometric(severity, 64, 6)
    return at_working_level(audio, lambda x: through_codec(x, "opus", kbps)), {"kbps": kbps}


def vorbis(audio, severity, rng):
    """Vorbis at libsndfile's compression level 0.1 to 1 and at 16 down to 4 kHz."""
    level = linear(blurred(severity, rng, 0.1), 0.1, 1.0)
    rate_hz = int(round(geometric(blurred(severity, rng, 0.1), 16_000, 4_000), -2))

    def process(low):
        return through_file(low, rate_hz, "OGG", "VORBIS", compression_level=level)

    decoded = at_working_level(audio, lambda x: at_rate(x, rate_hz, process))
    return decoded, {"compression_level": level, "rate_hz": float(rate_hz)}


def waveform_codec(audio, severity, rng):
    """Companding, ADPCM or GSM 06.10 at 16 to 8 kHz, up to three times in a row."""
    names = waveform_codecs()
    name = names[round(blurred(severity, rng, 0.1) * (len(names) - 1))]
    position = round(blurred(severity, rng, 0.1) * (len(VOICE_RATES_HZ) - 1))
    rate_hz = VOICE_RATES_HZ[position]
    passes = 1 + int(rng.binomial(2, 0.6 * severity))

    def process(low):
        for _ in range(passes):
            low = through_file(low, rate_hz, *WAVEFORM_CODECS[name])
        return low

    decoded = at_working_level(audio, lambda x: at_rate(x, rate_hz, process))
    return decoded, {"codec": name, "rate_hz": float(rate_hz), "passes": float(passes)}
