"""MP3: where the audio lies between the tags, and what the encoder's own header claims about it.

Tags: ID3v2.4 section 3.1, ID3v1, APEv2, Lyrics3v2. Claims: the header of Xing with LAME's extension
(the "mp3 info tag" specification, revision 1) and Fraunhofer's VBRI header.
"""

import struct
from typing import NamedTuple

import numpy as np

from aqp_utils.recordings.mp3_frames import frame_at

INFO_NAMES = (b"Xing", b"Info")
ALL_FIELDS = 15  # flags of the Xing header: frames, bytes, table of contents, quality
ENCODERS = (b"LAME", b"Lavc", b"Lavf", b"L3.9")  # who writes a header with checksums
LAME_NAME, LAME_GAPS, LAME_LENGTH, LAME_CRC, TAG_CRC = 120, 141, 148, 152, 154  # from "Xing"
DECODER_DELAY = 529  # samples; taken off, too, where there is a header
SMALL_KBPS_INDEX = 9  # 128 or 80 kbit/s: at every rate, a frame of these has room for "Xing"


class Claim(NamedTuple):
    """What the header frame says; None where it says nothing."""

    n_frames: int | None = None
    music_bytes: int | None = None  # from the header frame on
    music_crc: int | None = None
    cut_samples: tuple | None = None  # that a decoder takes off at the start and at the end
    damaged: bool = False  # the header itself


def audio_range(file, size):
    """First byte after the tags in front and first byte of the tags behind."""
    return _after_front_tags(file), _before_end_tags(file, size)


def tag_length(head):
    """Length of a tag that begins with these ten bytes or more; 0 if none does."""
    if len(head) >= 10 and head[:3] == b"ID3" and max(head[6:10]) < 128:
        length = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
        return length + 10 * bool(head[5] & 16)
    if len(head) >= 32 and head[:8] == b"APETAGEX":
        length, _, flags = struct.unpack_from("<III", head, 12)
        return length + 32 * bool(flags >> 31) if flags >> 29 & 1 else 32
    return 128 if head[:3] == b"TAG" else 0


def _after_front_tags(file):
    position = 0
    while True:
        file.seek(position)
        if not (length := tag_length(file.read(32))):
            return position
        position += length


def _before_end_tags(file, end):
    while True:
        before = end
        file.seek(max(0, end - 128))
        tail = file.read(min(128, end))
        if len(tail) == 128 and tail[:3] == b"TAG":
            end -= 128
        elif len(tail) >= 32 and tail[-32:-24] == b"APETAGEX":
            length, _, flags = struct.unpack_from("<III", tail, len(tail) - 20)
            end -= length + 32 * bool(flags >> 31)
        elif tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
            end -= int(tail[-15:-9]) + 15
        if end == before or end <= 0:
            return max(0, end)


def claim_of(frame, side_bytes):
    """The claim in the first frame of a file; None if it is a frame of audio like the others.

    Parameters
    ----------
    frame : bytes
        The whole frame.
    side_bytes : int
        Length of its side information, which the Xing header follows.
    """
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return Claim(struct.unpack_from(">I", frame, 50)[0])
    for start in {4 + side_bytes, 6 + side_bytes}:  # the checksum of a protected frame: two bytes
        named = frame[start + LAME_NAME :][:4] in ENCODERS
        if frame[start : start + 4] in INFO_NAMES and len(frame) >= start + 12:
            return _xing(frame, start, named)
        if named and not any(frame[4:start]):  # no audio, but what comes after "Xing"
            return Claim(damaged=True)
    return None


def _xing(frame, start, named):
    flags, n_frames = struct.unpack_from(">II", frame, start + 4)
    n_frames = n_frames if flags & 1 else None
    if flags & ALL_FIELDS != ALL_FIELDS or len(frame) < start + TAG_CRC + 2:
        return Claim(n_frames, damaged=named)
    (length,) = struct.unpack_from(">I", frame, start + LAME_LENGTH)
    crc, own_crc = struct.unpack_from(">HH", frame, start + LAME_CRC)
    content = frame[: start + TAG_CRC]
    # libavformat always sums up 190 bytes, as many as there are in stereo, the sum itself as zeros.
    if not length or own_crc not in (crc16([content]), crc16([content.ljust(190, b"\0")])):
        return Claim(n_frames, damaged=named and bool(length or own_crc))
    gaps = int.from_bytes(frame[start + LAME_GAPS :][:3], "big")
    delay, padding = gaps >> 12, gaps & 4095
    cut = (delay + DECODER_DELAY, max(0, padding - DECODER_DELAY))
    return Claim(n_frames, length, crc, cut)


def header_frame(like, n_frames):
    """A frame with a Xing header that says how many frames follow.

    Parameters
    ----------
    like : bytes
        The first four bytes of any frame of the stream.
    n_frames : int
    """
    head = bytes([like[0], like[1] | 1, SMALL_KBPS_INDEX << 4 | like[2] & 12, like[3]])
    frame = frame_at(head, 0)
    content = head + bytes(frame.side_bytes) + INFO_NAMES[0] + struct.pack(">II", 1, n_frames)
    return content.ljust(frame.length, b"\0")


def crc16(chunks):
    """CRC-16 (x¹⁶ + x¹⁵ + x² + 1, bits reversed, from 0) over chunks of bytes, as LAME computes it.

    A checksum is linear, so many stretches are done at once: their states are put together with a
    table that says what as many zero bytes do to a state.
    """
    state = 0
    for chunk in chunks:
        content = np.frombuffer(chunk, np.uint8)
        width = max(1, int(np.sqrt(len(content)))) if len(content) > 4096 else len(content)
        whole = len(content) // max(1, width) * width
        states = np.zeros(whole // max(1, width), np.uint16)
        for column in content[:whole].reshape(-1, max(1, width)).T:
            states = _TABLE[(states ^ column) & 255] ^ (states >> 8)
        shift = _zeros(width)
        for part in states:
            state = int(shift[state]) ^ int(part)
        for byte in content[whole:]:
            state = int(_TABLE[(state ^ int(byte)) & 255]) ^ (state >> 8)
    return state


def _table():
    states = np.arange(256, dtype=np.uint16)
    for _ in range(8):
        states = np.where(states & 1, (states >> 1) ^ 0xA001, states >> 1).astype(np.uint16)
    return states


_TABLE = _table()


def _zeros(n):
    """What `n` zero bytes make of every state, shape (65536,)."""
    every = np.arange(65536, dtype=np.uint16)
    step, result = _TABLE[every & 255] ^ (every >> 8), every
    while n:
        if n & 1:
            result = step[result]
        step, n = step[step], n >> 1
    return result
