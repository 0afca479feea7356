"""What a WAV header claims, held against the file: libsndfile believes or mends it in silence.

Its log (soundfile's `extra_info`), which serves for AIFF, says nothing of wrong channels or bits
and leaves open whether a length that it mends was a stream's or was cut off. Microsoft's ADPCM
(Multimedia Standards Update, 1994) has no checksum, but limits in the head of every block;
libsndfile makes a moment of noise or silence of whatever stands there.
"""

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aqp_utils.recordings.spliced import Spliced

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # format tags whose frame size follows from bits and channels
ADPCM = 2  # Microsoft's: blocks that begin with a predictor and a step
PREDICTORS, SMALLEST_STEP = 7, 16
MOST_DAMAGED = 0.02  # share of blocks that may be damaged with a note; more is refused
BLOCKS_AT_ONCE = 4096
PCM_BITS = (8, 12, 16, 20, 24, 32, 64)
MOST_CHUNKS = 10_000
STRAY_SHARE = 0.02  # of the audio, after it and in no chunk: a careless writer's, no lost audio
PADDING_BYTES = 2**16  # zeros up to a sector or a cluster of the disk
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
    with open(path, "rb") as file:
        header = _header(file, Path(path).stat().st_size)
        if header is None:
            return []
        size = header["size"]
        if "fmt " not in header or "data" not in header:
            missing = "fmt" if "fmt " not in header else "data"
            raise ValueError(f"the WAV header has no {missing} chunk in its {size} bytes")
        claim = header["fmt "]
        _check_format(claim)
        notes = _check_length(header, file)
        if claim.tag == ADPCM:
            start, length = header["data"]
            notes += _check_adpcm(file, start, min(length, size - start), claim)
        return notes


def with_length(path):
    """A WAV file whose header claims no audio, as a file with the length that is there.

    Parameters
    ----------
    path : path

    Returns
    -------
    file object or None
        None if there is nothing to mend.
    """
    with open(path, "rb") as file:
        header = _header(file, Path(path).stat().st_size)
    if header is None or "data" not in header or header["data"][1] or not _open_end(header):
        return None
    offset, there = header["data"][0], header["size"] - header["data"][0]
    order = ">" if header["order"] == ">" else "<"
    length = struct.pack(order + "I", min(there, 0xFFFFFFFF))
    return Spliced(path, [(0, offset - 4), length, (offset, header["size"])])


def _header(file, size):
    """Format, audio and lengths of an opened WAV file; None if it is none."""
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or head[8:] != b"WAVE":
        return None
    order = ">" if head[:4] == b"RIFX" else "<"
    (riff_bytes,) = struct.unpack(order + "I", head[4:8])
    return _chunks(file, size, order) | {"riff": riff_bytes, "size": size, "order": order}


def _chunks(file, size, order):
    """Format, position and length of the audio."""
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


def _check_length(header, file):
    (offset, claimed), size = header["data"], header["size"]
    there = size - offset
    if _open_end(header):
        return ["the header leaves the length open (a streamed WAV): read to the end of the file"]
    per_second = header["fmt "].bytes_per_second or 1
    times = f"({claimed / per_second:.3f} s), the file holds {there} ({there / per_second:.3f} s)"
    if claimed > there:
        raise ValueError(f"truncated: the header claims {claimed} bytes of audio {times}")
    end = _end_of_chunks(file, offset + claimed + claimed % 2, size, header["order"])
    if not _harmless(file, size - end, claimed):
        raise ValueError(
            f"the header claims {claimed} bytes of audio {times}, the rest in no known chunk"
        )
    return []


def _open_end(header):
    """Whether both lengths say that none was known, or none yet, as in a file just begun."""
    riff_bytes, (offset, claimed) = header["riff"], header["data"]
    begun = riff_bytes <= offset - 8 and header["size"] > offset
    return _unknown(claimed) and (begun or _unknown(riff_bytes))


def _end_of_chunks(file, position, size, order):
    """Where the chunks after the audio end: a name of four printable letters and a true length."""
    for _ in range(MOST_CHUNKS):
        file.seek(position)
        name, length = file.read(4), file.read(4)
        if len(length) < 4 or not (name.isascii() and name.decode("ascii").isprintable()):
            break
        (length,) = struct.unpack(order + "I", length)
        if position + 8 + length > size:
            break
        position = min(position + 8 + length + length % 2, size)
    return min(position, size)


def _harmless(file, n_rest, claimed):
    if n_rest <= STRAY_SHARE * claimed:
        return True
    if n_rest > PADDING_BYTES:
        return False
    file.seek(-n_rest, io.SEEK_END)
    return not file.read().strip(b"\0")


def _unknown(length):
    return length in UNKNOWN or length in UNKNOWN_FROM_SOX


def _check_adpcm(file, start, length, claim):
    """Hold the head of every block of audio against the limits of the format."""
    size, channels = claim.frame_bytes, claim.channels
    n_blocks = length // size if size >= 7 * channels else 0
    damaged = 0
    for first in range(0, n_blocks, BLOCKS_AT_ONCE):
        file.seek(start + first * size)
        content = np.frombuffer(file.read(min(BLOCKS_AT_ONCE, n_blocks - first) * size), np.uint8)
        blocks = content[: len(content) // size * size].reshape(-1, size)
        steps = np.ascontiguousarray(blocks[:, channels : 3 * channels]).view("<i2")
        wrong = (blocks[:, :channels] >= PREDICTORS) | (steps < SMALLEST_STEP)
        damaged += int(wrong.any(axis=1).sum())
    if not damaged:
        return []
    sentence = f"damaged: {damaged} of {n_blocks} blocks of ADPCM begin with what no encoder writes"
    if damaged > MOST_DAMAGED * n_blocks:
        raise ValueError(sentence)
    return [sentence]
