"""MP3 held against its bytes: every frame found, the bytes between, the claim of the header.

mpg123, which decodes here, steps over what is no frame and tells nobody. Where no header says how
many frames there are, it guesses from the first ones, and libsndfile reads no further: it is given
a header then. MP3 has no checksum of its own but LAME's and, seldom, that of a frame's head; where
both are missing, changed bytes within a frame are seen where they move the frames or their bits,
or where mpg123 cannot decode them: it leaves exact zeros then.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aqp_utils.recordings.mp3_frames import GRANULE, Reservoir, checksum_fits, frame_at
from aqp_utils.recordings.mp3_header import (
    DECODER_DELAY,
    Claim,
    audio_range,
    claim_of,
    crc16,
    header_frame,
    tag_length,
)
from aqp_utils.recordings.survey import ZeroRuns

MOST_LOST = 0.02  # share that may be missing with a note; more is refused
SPARE_FRAMES = 2  # encoders count the header frame or not, and pad the end
BLOCK_BYTES = 2**22


class Held(NamedTuple):
    """What an MP3 file holds, and how to read it."""

    notes: list
    n_samples: int | None = None  # per channel; None: not known
    parts: list | None = None  # of `Spliced`; None: as it is
    cut_samples: int = 0  # that the decoder takes off at the start


@dataclass
class Walk:
    """What is found on the way through the frames."""

    n_frames: int = 0
    junk_bytes: int = 0
    first_junk: int = 0
    cut_bytes: int = 0
    misfits: int = 0
    bad_sums: int = 0
    samples: int = 0
    rate_hz: int = 1
    audio_bytes: int = 0
    claim: Claim = Claim()
    music_start: int = 0
    tag_start: int = 0
    end: int = 0
    head: bytes = b""  # of the first frame
    stretches: list = field(default_factory=list)  # of frames without anything between

    def add(self, frame):
        """Count a frame of audio."""
        self.n_frames += 1
        stop = frame.start + frame.length
        if self.stretches and self.stretches[-1][1] == frame.start:
            self.stretches[-1] = (self.stretches[-1][0], stop)
        else:
            self.stretches.append((frame.start, stop))


def check_mp3(path):
    """Hold the frames of an MP3 file against its bytes and its header.

    Parameters
    ----------
    path : path
        A file that a decoder takes for MPEG layer III.

    Returns
    -------
    Held
        With notes on what is missing or changed, what is claimed and what is there.

    Raises
    ------
    ValueError
        If more than 2 % of the frames or bytes are missing.
    """
    with open(path, "rb", buffering=2**18) as file:
        start, end = audio_range(file, Path(path).stat().st_size)
        walk = _walk(file, start, end)
        if not walk.n_frames:
            return Held([])  # free format, or no layer III: nothing to hold it against
        notes = _missing_frames(walk) + _odd_bytes(walk)
        return Held(notes or _changed(file, walk, end), *_how_to_read(walk))


def _how_to_read(walk):
    """Samples that a decoder has to find, the parts that it is given, and what it cuts off."""
    there, claimed, cut = walk.n_frames, walk.claim.n_frames, walk.claim.cut_samples
    right = claimed and there <= claimed <= there + SPARE_FRAMES and len(walk.stretches) == 1
    if right and cut is not None:
        return there * walk.samples - sum(cut), None, cut[0]
    parts = [header_frame(walk.head, there), *walk.stretches]
    return there * walk.samples - DECODER_DELAY, parts, DECODER_DELAY


def _walk(file, position, end):
    walk, kind, reservoir = Walk(audio_bytes=end - position, end=end), None, Reservoir()
    while position + 4 <= end:
        frame = _frame(file, position, kind, end)
        if frame is None:
            file.seek(position)
            skipped = min(tag_length(file.read(32)), end - position)
            if not skipped:
                skipped = _to_next_frame(file, position, kind, end) - position
                _count_junk(walk, file, position, skipped)
                reservoir.lose()
            position += skipped
            continue
        if position + frame.length > end:
            walk.cut_bytes = end - position
            break
        file.seek(position)
        content = file.read(frame.length)
        kind = frame.kind
        position += frame.length
        if walk.n_frames == 0 and walk.music_start == 0:
            walk.rate_hz, walk.samples, walk.tag_start = frame.rate_hz, frame.samples, frame.start
            walk.music_start, walk.head = position, content[:4]
            if claim := claim_of(content, frame.side_bytes):
                walk.claim = claim
                continue
        walk.add(frame)
        walk.misfits += not reservoir.fits(frame, content)
        walk.bad_sums += not checksum_fits(frame, content)
    if 0 < end - position < 4:
        file.seek(position)
        walk.cut_bytes = len(file.read(end - position).strip(b"\0"))
    return walk


def _frame(file, position, kind, end):
    """The frame at `position`, if it is of this `kind`; the first needs one like it behind."""
    file.seek(position)
    frame = frame_at(file.read(4), position)
    if frame is None or (kind and frame.kind[:2] != kind[:2]):
        return None
    if kind is None and position + frame.length + 4 <= end:
        file.seek(position + frame.length)
        following = frame_at(file.read(4), 0)
        if following is None or following.kind[:2] != frame.kind[:2]:
            return None
    return frame


def _to_next_frame(file, position, kind, end):
    """Where the next two frames in a row begin, or one that ends the file."""
    position += 1
    while position + 4 <= end:
        file.seek(position)
        found = file.read(4096).find(b"\xff")
        if found < 0:
            position += 4096
            continue
        position += found
        frame = _frame(file, position, kind, end)
        if frame and (position + frame.length >= end or _follows(file, frame)):
            return position
        position += 1
    return end


def _follows(file, frame):
    file.seek(frame.start + frame.length)
    following = frame_at(file.read(4), 0)
    return following is not None and following.kind[:2] == frame.kind[:2]


def _count_junk(walk, file, position, n_bytes):
    file.seek(position)
    at_end = position + n_bytes >= walk.end
    padding = not file.read(min(n_bytes, BLOCK_BYTES)).strip(b"\0") and (
        not walk.music_start
        or (at_end and (walk.claim.n_frames or n_bytes <= MOST_LOST * walk.audio_bytes))
    )
    if not padding:
        walk.first_junk = walk.first_junk if walk.junk_bytes else position
        walk.junk_bytes += n_bytes


def _missing_frames(walk):
    claimed, there = walk.claim.n_frames, walk.n_frames
    if not claimed or claimed - there <= SPARE_FRAMES:
        return []
    frame_s = walk.samples / walk.rate_hz
    sentence = (
        f"truncated: the MP3 header claims {claimed} frames ({claimed * frame_s:.3f} s), the file "
        f"holds {there} ({there * frame_s:.3f} s)"
    )
    if claimed - there > MOST_LOST * claimed:
        raise ValueError(sentence)
    return [sentence]


def _odd_bytes(walk):
    frame_s, notes = walk.samples / walk.rate_hz, []
    there = f"{walk.n_frames} whole frames ({walk.n_frames * frame_s:.3f} s)"
    if walk.junk_bytes:
        sentence = (
            f"damaged: of {walk.audio_bytes} bytes of MP3, {walk.junk_bytes} from byte "
            f"{walk.first_junk} on are in no frame; {there} are there"
        )
        if walk.junk_bytes > MOST_LOST * walk.audio_bytes:
            raise ValueError(sentence)
        notes.append(sentence)
    if walk.cut_bytes:
        notes.append(f"cut off within a frame: {there} were read; how many there were, no one says")
    if walk.misfits:
        notes.append(f"damaged: {walk.misfits} of {there} do not fit those before them")
    if 0 < walk.bad_sums < walk.n_frames:  # in all of them: a program that computes another
        notes.append(f"damaged: {walk.bad_sums} of {there} do not have their checksum")
    if walk.claim.damaged:
        notes.append(
            "damaged or changed after it was made: the encoder's header does not have its checksum"
        )
    return notes


def _changed(file, walk, end):
    if walk.claim.music_crc is None:
        return []
    stop = min(end, walk.tag_start + walk.claim.music_bytes)
    crc = crc16(_blocks(file, walk.music_start, stop))
    if crc == walk.claim.music_crc:
        return []
    return [
        f"damaged or changed after it was made: the encoder's checksum is "
        f"{walk.claim.music_crc:04x}, that of the frames here {crc:04x}"
    ]


class Undecoded:
    """Frames that mpg123 gives up: it fills the rest of them with exact zeros.

    Digital silence does not begin and end with a granule, since the filters of the decoder ring.

    Parameters
    ----------
    cut_samples : int
        What is missing at the start of the first frame.
    """

    def __init__(self, cut_samples):
        self._cut, self._runs, self._n_samples = cut_samples, ZeroRuns(), 0

    def add(self, block):
        """Follow the decoded samples, shape (frames, channels)."""
        starts, lengths = self._runs.add(block)
        whole = ((starts + self._cut) % GRANULE == 0) & (lengths % GRANULE == 0)
        self._n_samples += int(lengths[whole].sum())

    def check(self, n_frames, rate_hz):
        """Notes on what could not be decoded.

        Raises
        ------
        ValueError
            If it is more than 2 %.
        """
        if not self._n_samples:
            return []
        sentence = (
            f"damaged: of {n_frames / rate_hz:.3f} s of MP3, {self._n_samples / rate_hz:.3f} s "
            "could not be decoded"
        )
        if self._n_samples > MOST_LOST * n_frames:
            raise ValueError(sentence)
        return [sentence]


def _blocks(file, start, stop):
    file.seek(start)
    while start < stop:
        block = file.read(min(BLOCK_BYTES, stop - start))
        if not block:
            return
        start += len(block)
        yield block
