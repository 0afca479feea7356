"""What a WAV header claims, held against the file: libsndfile believes or mends it in silence.

Its log (soundfile's `extra_info`), which serves for AIFF, says nothing of wrong channels or bits
and leaves open whether a length that it mends was a stream's or was cut off.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # format tags whose frame size follows from bits and channels
PCM_BITS = (8, 12, 16, 20, 24, 32, 64)
MOST_CHUNKS = 10_000
STRAY_BYTES = 4096  # after the audio and in no chunk: padding of a careless writer, no lost audio
# A program that writes to a pipe cannot know the length: ffmpeg fills in ones, sox 0x7ffff…,
# recorders that were cut off leave zero. Only believed where both lengths of the header say so.
UNKNOWN = (0, 0xFFFFFFFF)
UNKNOWN_FROM_SOX = range(0x7FFFF000, 0x80000000)


@dataclass(frozen=True)
class Format:
    """The ``fmt`` chunk of a WAV file."""

    tag: int
    channels: int
    rate_hz: int
    bytes_per_second: int
    frame_bytes: int
    bits: int


def check_wav_header(path):
    """Hold the header of a WAV file against itself and against the length of the file.

    Parameters
    ----------
    path : path
        Any file; only RIFF, RIFX, RF64 and BW64 files of type WAVE are looked at.

    Returns
    -------
    list of str
        Notes: that the header leaves the length open.

    Raises
    ------
    ValueError
        What the header claims and what is there.
    """
    path = Path(path)
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or head[8:] != b"WAVE":
            return []
        order = ">" if head[:4] == b"RIFX" else "<"
        chunks = _chunks(file, size, order)
    if "fmt " not in chunks or "data" not in chunks:
        missing = "fmt" if "fmt " not in chunks else "data"
        raise ValueError(f"the WAV header has no {missing} chunk in its {size} bytes")
    _check_format(chunks["fmt "])
    riff_bytes = struct.unpack(order + "I", head[4:8])[0]
    return _check_length(chunks, riff_bytes, size)


def _chunks(file, size, order):
    """Format, position and length of the audio, and what follows it."""
    chunks, position = {}, 12
    for _ in range(MOST_CHUNKS):
        file.seek(position)
        name, length = file.read(4), file.read(4)
        if len(length) < 4:
            break
        length = struct.unpack(order + "I", length)[0]
        if name == b"fmt ":
            chunks["fmt "] = _read_format(file.read(40), order)
        elif name == b"ds64":
            chunks["ds64"] = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))[1]
        elif name == b"data":
            if length == 0xFFFFFFFF and "ds64" in chunks:
                length = chunks["ds64"]
            chunks["data"] = (position + 8, length)
            file.seek(min(position + 8 + length + length % 2, size))
            chunks["next"] = file.read(4)
            break
        position += 8 + length + length % 2
    return chunks


def _read_format(content, order):
    if len(content) < 16:
        raise ValueError("the WAV header ends inside its fmt chunk")
    tag, channels, rate, rate_bytes, frame, bits = struct.unpack(order + "HHIIHH", content[:16])
    if tag == EXTENSIBLE and len(content) >= 26:
        tag = struct.unpack(order + "H", content[24:26])[0]
    return Format(tag, channels, rate, rate_bytes, frame, bits)


def _check_format(claim):
    if claim.tag not in (PCM, FLOAT):
        return  # compressed: blocks are no frames
    if claim.bits not in PCM_BITS:
        allowed = ", ".join(map(str, PCM_BITS))
        raise ValueError(
            f"the header claims {claim.bits} bits per sample; linear PCM has one of {allowed}"
        )
    expected = claim.channels * -(-claim.bits // 8)
    roomy = claim.bits == 24 and claim.frame_bytes == 4 * claim.channels
    if claim.frame_bytes != expected and not roomy:
        raise ValueError(
            f"the header claims {claim.channels} channel(s) of {claim.bits} bits, "
            f"{expected} bytes per frame, but also {claim.frame_bytes} bytes per frame"
        )
    per_second = claim.rate_hz * claim.frame_bytes
    if claim.bytes_per_second not in (0, per_second):
        raise ValueError(
            f"the header claims {claim.rate_hz} Hz, {per_second} bytes per second, but also "
            f"{claim.bytes_per_second} bytes per second"
        )


def _check_length(chunks, riff_bytes, size):
    offset, claimed = chunks["data"]
    there = size - offset
    if _unknown(riff_bytes) and _unknown(claimed):
        return ["the header leaves the length open (a streamed WAV): read to the end of the file"]
    per_second = chunks["fmt "].bytes_per_second or 1
    times = f"({claimed / per_second:.3f} s), the file holds {there} ({there / per_second:.3f} s)"
    if claimed > there:
        raise ValueError(f"truncated: the header claims {claimed} bytes of audio {times}")
    rest = there - claimed - claimed % 2
    if rest > STRAY_BYTES and not chunks["next"].decode("latin-1").isprintable():
        raise ValueError(
            f"the header claims {claimed} bytes of audio {times}, the rest in no known chunk"
        )
    return []


def _unknown(length):
    return length in UNKNOWN or length in UNKNOWN_FROM_SOX
