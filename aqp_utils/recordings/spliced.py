"""A file read as if it were another: stretches of it and bytes of our own, one after the other.

Decoders believe what a header says. Where that is nothing, or wrong, they are given a header that
says what is there; the file on disk stays as it is.
"""

import bisect
import io
import itertools


class Spliced(io.RawIOBase):
    """Bytes and stretches of a file, for reading.

    Parameters
    ----------
    path : path
    parts : sequence of bytes or (int, int)
        What is read, in this order; a pair is a first byte of the file and the one after the last.
    """

    def __init__(self, path, parts):
        super().__init__()
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115, closed with this object
        self._parts = [part for part in parts if _length(part)]
        self._starts = [0, *itertools.accumulate(map(_length, self._parts))]
        self._position = 0

    def readable(self):
        """True."""
        return True

    def seekable(self):
        """True."""
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        """Go to a byte of the whole; returns where."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}
        self._position = max(0, base[whence] + offset)
        return self._position

    def tell(self):
        """Where the next byte is read."""
        return self._position

    def readinto(self, buffer):
        """Fill `buffer`, across parts; less only at the end."""
        view, done = memoryview(buffer), 0
        while done < len(view) and (n := self._read_part(view[done:])):
            done += n
        return done

    def _read_part(self, view):
        i = bisect.bisect_right(self._starts, self._position) - 1
        if i >= len(self._parts):
            return 0
        part, at = self._parts[i], self._position - self._starts[i]
        n = min(len(view), _length(part) - at)
        if isinstance(part, bytes):
            view[:n] = part[at : at + n]
        else:
            self._file.seek(part[0] + at)
            n = self._file.readinto(view[:n])
        self._position += n
        return n

    def close(self):
        """Close the file, too."""
        self._file.close()
        super().close()


def _length(part):
    return len(part) if isinstance(part, bytes) else part[1] - part[0]
