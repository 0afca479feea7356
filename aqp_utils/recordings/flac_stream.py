"""FLAC held against its own header: number of samples and MD5 of the audio (RFC 9639, 8.2).

libFLAC's test mode compares them; libsndfile, which decodes here, does not. Damage inside a frame
it does find, by the checksum of every frame.
"""

import hashlib
from typing import NamedTuple

import numpy as np


class StreamInfo(NamedTuple):
    """The first metadata block of a FLAC file; `n_frames` 0 and `md5` of zeros mean unknown."""

    bits: int
    n_frames: int
    md5: bytes


def stream_info(path):
    """The STREAMINFO block of a native FLAC file; None if this is none."""
    with open(path, "rb") as file:
        head = file.read(10)
        start = 0
        if head.startswith(b"ID3"):  # some taggers put one in front
            size = head[6:10]
            start = 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
        file.seek(start)
        block = file.read(42)
    if block[:4] != b"fLaC" or block[4] & 127 or len(block) < 42:
        return None
    packed = int.from_bytes(block[18:26], "big")  # rate 20 bits, channels 3, bits 5, samples 36
    return StreamInfo((packed >> 36 & 31) + 1, packed & (2**36 - 1), block[26:42])


class Digest:
    """MD5 of decoded samples as the encoder computed it: integers, little-endian, interleaved."""

    def __init__(self, info):
        self.info, self._digest = info, hashlib.md5(usedforsecurity=False)

    def add(self, block):
        """Add a block of int32 at full scale, shape (frames, channels)."""
        width = (self.info.bits + 7) // 8
        samples = np.ascontiguousarray(block >> (32 - self.info.bits), dtype="<i4")
        self._digest.update(samples.view(np.uint8).reshape(-1, 4)[:, :width].tobytes())

    def check(self, n_frames, rate_hz):
        """Notes on what the header leaves open.

        Raises
        ------
        ValueError
            If the samples are others than were stored.
        """
        known, there = any(self.info.md5), self._digest.digest()
        if known and there != self.info.md5:
            claimed = self.info.n_frames or n_frames
            raise ValueError(
                f"damaged: the header claims {claimed / rate_hz:.3f} s of audio with MD5 "
                f"{self.info.md5.hex()[:8]}…, the {n_frames / rate_hz:.3f} s decoded have "
                f"{there.hex()[:8]}…"
            )
        if not known and not self.info.n_frames:
            return [
                "the FLAC header leaves length and MD5 open (a streamed FLAC): read to the end of "
                "the file"
            ]
        return []
