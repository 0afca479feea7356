"""Ogg held against itself: page sequence, checksums and granule positions say what is missing.

libogg leaves out damaged pages in silence and decoders bridge the gap. Pages: RFC 3533, section 6;
Opus in Ogg: RFC 7845; Vorbis I specification, annex A. A library that reads pages so (mutagen) is
under the GPL and cannot be a dependency here.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

CAPTURE, HEADER = b"OggS", struct.Struct("<4sBBqIIIB")
FIRST, LAST = 2, 4  # header types: first and last page of a stream
LARGEST_PAGE = 27 + 255 + 255 * 255
MOST_LOST = 0.02  # share that may be missing with a note; more is refused
_REVERSED = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))


class Page(NamedTuple):
    """One page whose checksum is right; `granule` counts samples up to its end, -1 if none ends."""

    flags: int
    granule: int
    serial: int
    number: int
    start: bytes


@dataclass
class Stream:
    """What the pages of one audio stream say, in samples at `rate_hz`."""

    rate_hz: int
    skipped: int
    number: int = 0
    granule: int = 0
    begun: bool = False
    before: float = 0.0  # samples that came before the first page with audio
    lost: float = 0.0
    disordered: int = 0
    ended: bool = False

    def add(self, page):
        """Follow one page."""
        missing = page.number - self.number - 1
        self.ended |= bool(page.flags & LAST)
        if missing < 0:
            self.disordered += 1
            return
        if page.granule > 0:
            jump = max(0, page.granule - self.granule)
            share = jump * missing / (missing + 1)
            if self.begun:
                self.lost += share
            else:
                self.before, self.begun = share, True
            self.granule = max(self.granule, page.granule)
        elif missing and self.begun:  # the next page with a position tells how much
            self.number += 1
            return
        self.number = page.number

    @property
    def duration_s(self):
        """What the positions claim, in seconds."""
        return max(0, self.granule - self.skipped) / self.rate_hz


def check_ogg(path):
    """Hold the pages of an Ogg file against its positions.

    Parameters
    ----------
    path : path
        An Ogg file that a decoder opens.

    Returns
    -------
    notes : list of str
        What is missing, if little, and whether the end is.
    duration_s : float or None
        What the pages of the first stream claim to hold; None if they say nothing.

    Raises
    ------
    ValueError
        If more than 2 % is missing or out of order: what is claimed and what is there.
    """
    streams, damaged = _streams(path)
    if not streams:
        return [], None
    first, notes = streams[0], []
    if not first.ended:
        notes.append("the Ogg stream has no end mark: cut off; what is there was read")
    notes += _missing(first, damaged)
    if len(streams) > 1:
        total_s = sum(stream.duration_s for stream in streams)
        notes.append(
            f"a chain of {len(streams)} Ogg streams, {total_s:.3f} s: only the first, "
            f"{first.duration_s:.3f} s, was read"
        )
    return notes, None if first.before else first.duration_s


def _missing(stream, damaged):
    notes = []
    if stream.before > MOST_LOST * stream.granule:
        before_s = stream.before / stream.rate_hz
        notes.append(
            f"the Ogg stream says {stream.duration_s:.3f} s, the first {before_s:.3f} s are not in"
            " the file"
        )
    if not (stream.lost or stream.disordered):
        return notes
    there_s = stream.duration_s - stream.lost / stream.rate_hz
    pages = f"{damaged} damaged, {stream.disordered} out of order"
    sentence = (
        f"damaged: the Ogg stream says {stream.duration_s:.3f} s, its whole pages in order hold "
        f"{there_s:.3f} s ({pages})"
    )
    if stream.disordered or stream.lost > MOST_LOST * max(1, stream.granule - stream.skipped):
        raise ValueError(sentence)
    return [*notes, sentence]


def _streams(path):
    """The audio streams of a file, one after the other, and the number of damaged pages."""
    streams, current, serial, damaged = [], None, None, 0
    for page in pages(path):
        if page is None:
            damaged += 1
        elif page.flags & FIRST:
            if kind := _kind(page.start):
                current, serial = Stream(*kind), page.serial
                streams.append(current)
        elif current and page.serial == serial:
            current.add(page)
    return streams, damaged


def _kind(packet):
    """Samples per second and samples to skip at the start, from the first packet of a stream."""
    if packet[:8] == b"OpusHead" and len(packet) >= 12:
        return 48_000, struct.unpack_from("<H", packet, 10)[0]
    if packet[:7] == b"\x01vorbis" and len(packet) >= 16:
        return struct.unpack_from("<I", packet, 12)[0] or 1, 0
    if packet[:5] == b"\x7fFLAC" and len(packet) >= 30:
        return (int.from_bytes(packet[27:30], "big") >> 4) or 1, 0
    if packet[:8] == b"Speex   " and len(packet) >= 40:
        return struct.unpack_from("<I", packet, 36)[0] or 1, 0
    return None


def pages(path):
    """Yield every page of a file as `Page`, and None for each that is damaged or cut off."""
    position, size = 0, Path(path).stat().st_size
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            content = file.read(LARGEST_PAGE)
            length = _page_length(content)
            if length and _checksum(content[:length]) == content[22:26]:
                head = HEADER.unpack_from(content)
                start = content[27 + head[7] :][:64]
                yield Page(head[2], head[3], head[4], head[5], start)
                position += length
                continue
            if content.startswith(CAPTURE):
                yield None
            found = content.find(CAPTURE, 1)
            position += found if found > 0 else max(1, len(content) - len(CAPTURE) + 1)


def _page_length(content):
    """Length of the page at the start of `content`; 0 if there is none, or not all of it."""
    if not content.startswith(CAPTURE) or len(content) < 27:
        return 0
    n_segments = content[26]
    length = 27 + n_segments + sum(content[27 : 27 + n_segments])
    return length if length <= len(content) else 0


def _checksum(page):
    """CRC of RFC 3533: zlib's polynomial with the bits the other way round, from 0."""
    content = page[:22] + bytes(4) + page[26:]
    state = zlib.crc32(content.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return struct.pack("<I", int(f"{state:032b}"[::-1], 2))
