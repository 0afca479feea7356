"""Codecs of FFmpeg as damages, where the optional package PyAV is installed.

AAC, MP2, AMR-NB, G.722 and G.726, in memory. Every damage takes (audio, strength, rng) and returns
(audio, facts).
"""

from fractions import Fraction
from functools import cache
from importlib.util import find_spec

import numpy as np
from scipy.signal import chirp, correlate

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.degradations.bands import at_rate
from aqp_utils.degradations.codecs.libsndfile import at_working_level
from aqp_utils.degradations.strength import geometric

DECODERS = {"libopencore_amrnb": "amrnb"}
AMR_KBPS = (12.2, 10.2, 7.95, 7.4, 6.7, 5.9, 5.15, 4.75)
G726_KBPS = (40, 32, 24, 16)
LONGEST_DELAY = 4_000  # samples that are searched for a codec's delay


@cache
def can_code(encoder):
    """Whether PyAV is installed and its FFmpeg has this encoder and its decoder."""
    if find_spec("av") is None:
        return False
    import av  # optional, and slow to import

    try:
        av.Codec(encoder, "w")
        av.Codec(DECODERS.get(encoder, encoder), "r")
    except av.error.FFmpegError:
        return False
    return True


def _context(encoder, rate_hz, kbps):
    import av

    context = av.CodecContext.create(encoder, "w")
    context.sample_rate, context.layout = rate_hz, "mono"
    context.format = context.codec.audio_formats[0].name
    context.bit_rate = round(1000 * kbps)
    context.time_base = Fraction(1, rate_hz)
    context.open()
    return context


def _packets(context, audio, rate_hz):
    import av

    planes = np.asarray(audio, dtype=np.float32)[None, :]
    if context.format.name.startswith("s16"):
        planes = np.round(np.clip(planes, -1, 1) * 32_767).astype(np.int16)
    size = context.frame_size or 320
    packets = []
    for start in range(0, planes.shape[1], size):
        piece = planes[:, start : start + size]
        piece = np.pad(piece, ((0, 0), (0, size - piece.shape[1])))
        frame = av.AudioFrame.from_ndarray(piece, format=context.format.name, layout="mono")
        frame.sample_rate, frame.pts = rate_hz, start
        packets += context.encode(frame)
    return packets + context.encode(None)


def _decoded(encoder, context, packets, rate_hz):
    import av

    decoder = av.CodecContext.create(DECODERS.get(encoder, encoder), "r")
    decoder.sample_rate, decoder.layout = rate_hz, "mono"
    if encoder == "g726":  # a raw stream does not say how many bits a sample has
        decoder.options = {"bits_per_coded_sample": str(context.bit_rate // rate_hz)}
    if context.extradata:
        decoder.extradata = context.extradata
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames += decoder.decode(None)
    sound = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    return sound / 32_768 if sound.dtype == np.int16 else sound.astype(np.float64)


def _coded(audio, encoder, rate_hz, kbps):
    """Through the codec, with its delay still there; as long as the decoder makes it."""
    context = _context(encoder, rate_hz, kbps)
    padded = np.pad(audio, (0, LONGEST_DELAY))
    return _decoded(encoder, context, _packets(context, padded, rate_hz), rate_hz)


@cache
def delay(encoder, rate_hz, kbps):
    """Delay of a codec in samples, by the correlation of a chirp with what comes back."""
    time_s = np.arange(rate_hz) / rate_hz
    probe = 0.3 * chirp(time_s, 300, 1, 0.4 * rate_hz) * np.sin(np.pi * time_s)
    decoded = _coded(probe, encoder, rate_hz, kbps)
    return int(np.argmax(correlate(decoded[: rate_hz + LONGEST_DELAY], probe, "valid")))


def through_pyav(audio, encoder, rate_hz, kbps):
    """Encode and decode a clip at `rate_hz`; ndarray, shape (n,), the codec's delay taken off.

    Parameters
    ----------
    audio : ndarray, shape (n,)
        At `rate_hz`, within full scale.
    encoder : str
        FFmpeg's name of the encoder.
    rate_hz : int
    kbps : float
        Bit rate, kbit/s.

    Raises
    ------
    RuntimeError
        If PyAV or the encoder is missing.
    """
    if not can_code(encoder):
        raise RuntimeError(f"{encoder} is missing; install it with: pip install av")
    late = delay(encoder, rate_hz, kbps)
    decoded = _coded(audio, encoder, rate_hz, kbps)[late : late + len(audio)]
    return np.pad(decoded, (0, len(audio) - len(decoded)))


def _damaged(audio, encoder, rate_hz, kbps):
    def process(low):
        return through_pyav(low, encoder, rate_hz, kbps)

    decoded = at_working_level(audio, lambda x: at_rate(x, rate_hz, process))
    return decoded, {"kbps": float(kbps), "rate_hz": float(rate_hz)}


def _step(steps, strength):
    return steps[round(strength * (len(steps) - 1))]


def aac(audio, strength, rng):
    """AAC-LC of 128 to 6 kbit/s."""
    return _damaged(audio, "aac", SAMPLE_RATE, round(geometric(strength, 128, 6)))


def mp2(audio, strength, rng):
    """MPEG-2 layer II of 160 to 8 kbit/s."""
    steps_kbps = (160, 128, 96, 80, 64, 56, 48, 40, 32, 24, 16, 8)
    return _damaged(audio, "mp2", SAMPLE_RATE, _step(steps_kbps, strength))


def amr_nb(audio, strength, rng):
    """AMR narrow band at 8 kHz, 12.2 to 4.75 kbit/s."""
    return _damaged(audio, "libopencore_amrnb", 8_000, _step(AMR_KBPS, strength))


def g722(audio, strength, rng):
    """G.722 at 64 kbit/s, one to eight times in a row."""
    passes = 1 + round(7 * strength)
    for _ in range(passes):
        audio, facts = _damaged(audio, "g722", SAMPLE_RATE, 64)
    return audio, facts | {"passes": float(passes)}


def g726(audio, strength, rng):
    """G.726 of 40 to 16 kbit/s at 8 kHz."""
    return _damaged(audio, "g726", 8_000, _step(G726_KBPS, strength))


def sbc(audio, strength, rng):
    """SBC of Bluetooth, 128 to 24 kbit/s."""
    return _damaged(audio, "sbc", SAMPLE_RATE, round(geometric(strength, 128, 24)))


def ac3(audio, strength, rng):
    """AC-3 at 32 kHz, 192 to 32 kbit/s."""
    steps_kbps = (192, 128, 112, 96, 80, 64, 56, 48, 40, 32)
    return _damaged(audio, "ac3", 32_000, _step(steps_kbps, strength))


def nellymoser(audio, strength, rng):
    """Nellymoser of Flash players, at 22.05 to 8 kHz."""
    return _damaged(audio, "nellymoser", _step((22_050, 16_000, 11_025, 8_000), strength), 32)


def g723_1(audio, strength, rng):
    """G.723.1 at 6.3 kbit/s and 8 kHz, one to three times in a row."""
    passes = 1 + round(2 * strength)
    for _ in range(passes):
        audio, facts = _damaged(audio, "g723_1", 8_000, 6.3)
    return audio, facts | {"passes": float(passes)}


def real_144(audio, strength, rng):
    """RealAudio 1.0, CELP of 14.4 kbit/s at 8 kHz, one to three times in a row."""
    passes = 1 + round(2 * strength)
    for _ in range(passes):
        audio, facts = _damaged(audio, "real_144", 8_000, 8)
    return audio, facts | {"passes": float(passes)}
