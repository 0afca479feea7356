"""MPEG layer III frame by frame: what a header says, and whether the frame's bits are its own.

ISO/IEC 11172-3, 2.4.1 (header, side information) and 13818-3 (lower rates). A frame takes its bits
from a reservoir that begins `main_data_begin` bytes back, so where frames are missing, bits do not
fit.
"""

from typing import NamedTuple

KBPS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
)
GRANULE = 576  # samples that are coded together; a frame has one or two
RATES_HZ = (44_100, 48_000, 32_000)


class Frame(NamedTuple):
    """One frame; `kind` (version, rate, mono or not) is the same in all frames of a stream."""

    start: int
    length: int
    samples: int
    rate_hz: int
    kind: tuple
    side_start: int
    side_bytes: int


def frame_at(head, start):
    """The layer III frame that begins with the four bytes `head`, or None."""
    if len(head) < 4 or head[0] != 255 or head[1] & 0xE6 != 0xE2:
        return None
    version, rate = head[1] >> 3 & 3, head[2] >> 2 & 3
    kbps_index = head[2] >> 4
    if version == 1 or rate == 3 or kbps_index in (0, 15):
        return None
    first = version == 3
    rate_hz = RATES_HZ[rate] >> (0 if first else 1 if version == 2 else 2)
    mono = head[3] >> 6 == 3
    length = (144_000 if first else 72_000) * KBPS[not first][kbps_index] // rate_hz
    side_bytes = (17 if mono else 32) if first else (9 if mono else 17)
    side_start = 4 if head[1] & 1 else 6
    length += head[2] >> 1 & 1
    samples = 1152 if first else 576
    return Frame(start, length, samples, rate_hz, (version, rate, mono), side_start, side_bytes)


def checksum_fits(frame, content):
    """Whether header and side information have the frame's checksum, where it has one."""
    if frame.side_start == 4:
        return True
    state = 0xFFFF
    for byte in content[2:4] + content[6 : 6 + frame.side_bytes]:
        state = (state << 8 & 0xFFFF) ^ _CRC[state >> 8 ^ byte]
    return state == int.from_bytes(content[4:6], "big")


def _crc_of(byte):
    state = byte << 8
    for _ in range(8):
        state = state << 1 ^ (0x18005 if state & 0x8000 else 0)
    return state


_CRC = tuple(map(_crc_of, range(256)))


class Reservoir:
    """Where each frame's bits begin and end; frames whose bits are another's do not fit."""

    def __init__(self):
        self._filled, self._end = 0, 0  # bytes; None where it is not known

    def lose(self):
        """Forget what came before."""
        self._end = None

    def fits(self, frame, content):
        """Whether the bits of `frame` come after those of the one before."""
        side = int.from_bytes(content[frame.side_start :][: frame.side_bytes], "big")
        n_bits = 8 * frame.side_bytes
        first, mono = frame.kind[0] == 3, frame.side_bytes in (17, 9) and frame.kind[2]

        def bits(at, n):
            return side >> (n_bits - at - n) & ((1 << n) - 1)

        back = bits(0, 9 if first else 8)
        channels = 1 if mono else 2
        start = (18 if mono else 20) if first else (9 if mono else 10)
        each = 59 if first else 63
        used = sum(bits(start + each * i, 12) for i in range(channels * (2 if first else 1)))
        begin = self._filled - back
        known, before = self._end is not None, self._end
        self._filled += frame.length - frame.side_start - frame.side_bytes
        self._end = begin + (used + 7) // 8
        return not known or (begin >= before and self._end <= self._filled)
