"""Any recording as a clip: mono, 16 kHz, float32, or one sentence on why not.

Downmix: the mean of the channels, so a mono file and its copy on identical channels agree to the
bit. Resampling: soxr, quality "HQ", block by block. A constant offset (DC) is taken off before,
since no ear hears it. Memory: 64 kB per second of audio and a few blocks, whatever the file's rate
and channels.
"""

import functools
import numbers
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from aqp_utils.core.audio import MINIMUM_DURATION_S, SAMPLE_RATE
from aqp_utils.recordings.wav_header import check_wav_header

RATES_HZ = (4_000, 768_000)  # outside, no recorder works: the header is wrong
MOST_CHANNELS = 64  # seventh-order ambisonics
UNKNOWN_FRAMES = 2**62  # libsndfile's count for a stream of unknown length is larger
LONGEST_S = 12 * 3600.0
BLOCK_VALUES = 2**20  # samples times channels held at once
FAR_OVER = 4.0  # +12 dB over full scale: not headroom of a mix but another unit, or a broken file
NO_SIGNAL_PEAK = 2.0**-14  # two steps of 16 bits: less is dither
DC_WORTH_A_NOTE = 1e-3  # of full scale
CLIPPED_SHARE = 1e-3  # of samples standing still at full scale
CANCELLATION = 0.25  # power of the downmix over mean power of the channels (0.5 if unrelated)
LENIENT = {"MP3": 0.02}  # share by which a format without exact length may fall short


class RecordingError(ValueError):
    """One sentence: which recording, what it claims, what is there."""


@dataclass(frozen=True)
class Recording:
    """A recording ready to be scored.

    Attributes
    ----------
    audio : ndarray of float32, shape (n,)
        Mono, at `sample_rate`, full scale 1.0, without DC.
    sample_rate : int
        Hz; always 16,000.
    notes : list of str
        What was done to it or is odd about it, a sentence each.
    original : dict
        sample_rate_hz, channels, duration_s, format, subtype, peak, dc, clipped_share as found.
    """

    audio: np.ndarray
    sample_rate: int = SAMPLE_RATE
    notes: list = field(default_factory=list)
    original: dict = field(default_factory=dict)

    @property
    def duration_s(self):
        """Length in seconds."""
        return len(self.audio) / self.sample_rate


def read_recording(path, alive=None):
    """Read any file that libsndfile reads (WAV, FLAC, Ogg, MP3, AIFF …).

    Parameters
    ----------
    path : path
    alive : callable, optional
        Called without arguments after every block: a sign of life for whoever waits.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
        If the file is missing, no audio, not what its header claims, not finite, far over full
        scale, under 0.25 s, or without signal. The sentence begins with the path.
    """
    path = Path(path)
    try:
        _check_file(path)
        notes = check_wav_header(path)
        with _opened(path) as file:
            _check_claims(file)
            facts = {"format": file.format, "subtype": file.subtype}
            claimed, rate_hz = file.frames, file.samplerate
        if facts["format"] == "OGG" and not _ogg_ends(path):
            notes.append("the Ogg stream has no end mark: cut off; what is there was read")
        survey = _Survey(rate_hz)
        for block in _blocks_of_file(path, alive):
            survey.add(block)
        _check_frames(claimed, survey.n_frames, rate_hz, facts["format"], path)
        blocks = _blocks_of_file(path, alive)
        return _finish(survey, blocks, notes, facts)
    except RecordingError:
        raise
    except PermissionError:
        raise RecordingError(f"{path}: cannot be read (permission denied).") from None
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: {str(error).rstrip('.')}.") from None


def from_waveform(waveform, sample_rate, name="waveform"):
    """Take audio from memory, with the same checks and conversions as a file.

    Parameters
    ----------
    waveform : array_like, shape (n,) or (n, channels)
        Floats with full scale 1.0, or integers with the full scale of their type.
    sample_rate : int
        Hz.
    name : str
        How errors call it.

    Raises
    ------
    RecordingError
        See `read_recording`.
    """
    try:
        samples = _as_frames(np.asarray(waveform))
        if not (isinstance(sample_rate, numbers.Real) and np.isfinite(sample_rate)):
            raise ValueError(f"sample_rate is {sample_rate!r}; give one number in Hz")
        _check_rate(sample_rate)
        survey = _Survey(sample_rate)
        for block in _blocks_of_array(samples):
            survey.add(block)
        return _finish(survey, _blocks_of_array(samples), [], {})
    except (TypeError, ValueError) as error:
        raise RecordingError(f"{name}: {str(error).rstrip('.')}.") from None


@functools.cache
def extensions():
    """Endings of file names that libsndfile here can be expected to read, e.g. ".wav"."""
    more = {
        "AIFF": ("aif", "aifc"),
        "AU": ("snd",),
        "NIST": ("sph",),
        "OGG": ("oga", "opus"),
        "WAV": ("wave",),
    }
    # Headerless, or matrix, sampler and mobile formats whose endings belong to other things.
    other = {"RAW", "MAT4", "MAT5", "HTK", "MPC2K", "SD2", "SDS", "PVF", "PAF", "XI", "WVE", "SVX"}
    names = set(sf.available_formats()) - other
    endings = {ending for name in names for ending in (name.lower(), *more.get(name, ()))}
    return tuple(sorted(f".{ending}" for ending in endings))


def _check_file(path):
    if path.is_dir():
        raise ValueError("this is a folder, not a recording")
    if not path.exists():
        raise ValueError("there is no such file")
    if not path.is_file():
        raise ValueError("this is no regular file")
    if path.stat().st_size == 0:
        raise ValueError("the file is empty (0 bytes)")


def _opened(path):
    if path.suffix.lower() == ".raw":
        raise ValueError("headerless audio (.raw) does not say its rate and format; make it a WAV")
    with open(path, "rb"):
        pass  # libsndfile calls every failure "System error"
    try:
        return sf.SoundFile(os.fsencode(path))  # as bytes: a name need not be UTF-8
    except sf.LibsndfileError as error:
        raise ValueError(
            f"not audio that can be read here ({error.error_string.rstrip('.')}); "
            "WAV, FLAC, Ogg, MP3 and AIFF can be, convert others with e.g. ffmpeg"
        ) from None


def _check_claims(file):
    if file.channels > MOST_CHANNELS:
        raise ValueError(
            f"the header claims {file.channels} channels; at most {MOST_CHANNELS} are believed"
        )
    _check_rate(file.samplerate)
    # libsndfile mends the lengths of AIFF, AU and W64 headers and tells only its log.
    mended = re.search(r"(?:SSND|Data Size|riff)\s*:\s*(\d+) \(should be (\d+)\)", file.extra_info)
    if mended and int(mended[1]) > int(mended[2]):
        raise ValueError(
            f"truncated: the header claims {mended[1]} bytes, the file holds {mended[2]}"
        )


def _ogg_ends(path):
    """Whether the last page is marked as such (RFC 3533, header type 4); Ogg states no length."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * 65_307))  # a page has at most 65,307 bytes
        tail = file.read()
    start = tail.rfind(b"OggS")
    return 0 <= start < len(tail) - 5 and bool(tail[start + 5] & 4)


def _check_rate(rate_hz):
    low, high = RATES_HZ
    if not low <= rate_hz <= high:
        raise ValueError(
            f"the claimed sample rate is {rate_hz} Hz; recordings have {low} to {high} Hz"
        )


def _check_frames(claimed, read, rate_hz, format_name, path):
    if claimed < UNKNOWN_FRAMES and claimed - read > LENIENT.get(format_name, 0) * claimed:
        raise ValueError(
            f"truncated: the header claims {claimed} frames ({claimed / rate_hz:.3f} s), "
            f"{read} ({read / rate_hz:.3f} s) can be decoded"
        )
    if read == 0 and format_name in ("OGG", "MP3", "FLAC"):
        raise ValueError(f"{path.stat().st_size} bytes, but no audio in them: truncated or damaged")


def _blocks_of_file(path, alive):
    """Yield float32 blocks, shape (frames, channels)."""
    with _opened(path) as file:
        size = max(1, BLOCK_VALUES // file.channels)
        done = 0
        while True:
            try:
                block = file.read(size, dtype="float32", always_2d=True)
            except sf.LibsndfileError as error:
                raise ValueError(
                    f"damaged or truncated: the header claims {file.frames / file.samplerate:.3f} "
                    f"s, decoding stopped after {done / file.samplerate:.3f} s "
                    f"({error.error_string.rstrip('.')})"
                ) from None
            if len(block) == 0:
                return
            done += len(block)
            if alive:
                alive()
            yield block


def _as_frames(samples):
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    if samples.ndim != 2 or samples.shape[1] > min(MOST_CHANNELS, max(len(samples), 1)):
        raise ValueError(
            f"its shape is {samples.shape}; a waveform has shape (n,) or (n, channels)"
        )
    if samples.dtype.kind not in "fiu":
        raise ValueError(f"it holds {samples.dtype}; a waveform holds floats or integers")
    return samples


def _blocks_of_array(samples):
    size = max(1, BLOCK_VALUES // max(1, samples.shape[1]))
    for start in range(0, len(samples), size):
        block = samples[start : start + size]
        if block.dtype.kind != "f":
            limits = np.iinfo(block.dtype)
            middle, half = (limits.max + limits.min + 1) / 2, (limits.max - limits.min + 1) / 2
            block = (block - middle) / half
        with np.errstate(over="ignore"):  # becomes infinite and is found as such
            yield block.astype(np.float32)


class _Survey:
    """What a first pass over the blocks of a recording finds; `add` stops at what is no audio."""

    def __init__(self, rate_hz):
        self.rate_hz, self.n_frames, self.channels = rate_hz, 0, 0
        self.sum, self.low, self.high, self.peak = 0.0, np.inf, -np.inf, 0.0
        self.power_mono = self.power_channels = 0.0
        self.n_bad, self.first_bad, self.n_far, self.first_far = 0, None, 0, None
        self.n_over = self.n_still = 0

    def add(self, block):
        """Count one block, shape (frames, channels)."""
        self.channels = block.shape[1]
        self._count_bad(block)
        if not self.n_bad:
            self._measure(block)
        self.n_frames += len(block)
        if self.n_frames > LONGEST_S * self.rate_hz:
            raise ValueError(f"longer than {LONGEST_S / 3600:.0f} h; cut it into parts")

    def _count_bad(self, block):
        size = np.abs(block)
        for name, wrong in (("bad", ~np.isfinite(block)), ("far", size > FAR_OVER)):
            rows = np.flatnonzero(wrong.any(axis=1))
            if len(rows) and getattr(self, f"first_{name}") is None:
                setattr(self, f"first_{name}", self.n_frames + int(rows[0]))
            setattr(self, f"n_{name}", getattr(self, f"n_{name}") + int(wrong.sum()))

    def _measure(self, block):
        size, mono = np.abs(block), _downmix(block)
        self.sum += mono.sum(dtype=np.float64)
        self.low, self.high = min(self.low, mono.min()), max(self.high, mono.max())
        self.peak = max(self.peak, size.max())
        self.n_over += int((size > 1).sum())
        self.n_still += int(((size[1:] >= 0.99) & (block[1:] == block[:-1])).sum())
        self.power_mono += np.sum(np.square(mono, dtype=np.float64))
        self.power_channels += np.sum(np.square(block, dtype=np.float64)) / self.channels

    @property
    def dc(self):
        """Mean of the downmix."""
        return self.sum / max(1, self.n_frames)

    @property
    def clipped_share(self):
        """Share of samples that repeat the one before at full scale."""
        return self.n_still / max(1, self.n_frames * self.channels)

    def refuse(self):
        """Raise ValueError for what must never get a score."""
        if self.n_bad:
            raise ValueError(
                f"{self.n_bad} samples are NaN or infinite, the first at {self._at(self.first_bad)}"
            )
        if self.n_far:
            raise ValueError(
                f"{self.n_far} samples lie far over full scale (beyond ±{FAR_OVER:g}, up to "
                f"{self.peak:.4g}), the first at {self._at(self.first_far)}; scale them to ±1"
            )
        if self.n_frames < MINIMUM_DURATION_S * self.rate_hz:
            duration_s = self.n_frames / self.rate_hz
            raise ValueError(f"too short: {duration_s:.3f} s, need {MINIMUM_DURATION_S} s")
        if max(self.high - self.dc, self.dc - self.low) < NO_SIGNAL_PEAK:
            raise ValueError(f"no signal: {self._silence()}")

    def _at(self, frame):
        return f"index {frame} ({frame / self.rate_hz:.3f} s)"

    def _silence(self):
        if self.channels > 1 and self.peak > 10 * NO_SIGNAL_PEAK and abs(self.dc) < self.peak / 10:
            return f"its {self.channels} channels cancel each other when mixed to mono"
        if abs(self.dc) > NO_SIGNAL_PEAK:
            return f"only a constant offset (DC) of {self.dc:.3g}"
        return "only silence"

    def notes(self):
        """Sentences on what is odd."""
        notes = []
        if self.channels > 1:
            notes.append(f"{self.channels} channels mixed to mono (their mean)")
        if self.power_mono < CANCELLATION * self.power_channels:
            notes.append("the channels partly cancel in the mono mix")
        if self.rate_hz != SAMPLE_RATE:
            notes.append(f"resampled from {self.rate_hz:g} Hz to {SAMPLE_RATE} Hz")
        if abs(self.dc) > DC_WORTH_A_NOTE:
            notes.append(f"constant offset (DC) of {self.dc:+.3g} removed")
        if self.n_over:
            notes.append(f"{self.n_over} samples over full scale, peak {self.peak:.3g}; kept")
        if self.clipped_share > CLIPPED_SHARE:
            notes.append(f"{self.clipped_share:.1%} of the samples stand at full scale: clipped")
        return notes

    def facts(self):
        """What `Recording.original` says."""
        return {
            "sample_rate_hz": float(self.rate_hz),
            "channels": self.channels,
            "duration_s": self.n_frames / self.rate_hz,
            "peak": float(self.peak),
            "dc": float(self.dc),
            "clipped_share": self.clipped_share,
        }


def _downmix(block):
    """Mean of the channels; float64 in between makes identical channels exactly their own mean."""
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float64)


def _finish(survey, blocks, notes, facts):
    survey.refuse()
    audio = _convert(blocks, survey)
    return Recording(audio, SAMPLE_RATE, notes + survey.notes(), survey.facts() | facts)


def _convert(blocks, survey):
    """Mono float32 at `SAMPLE_RATE`, without DC, from a second pass over the blocks."""
    resample = _resampler(survey.rate_hz)
    audio = np.empty(_length(survey), np.float32)
    position = 0
    pending = None
    for block in blocks:
        if pending is not None:
            position = _append(audio, position, resample(pending, last=False))
        pending = (_downmix(block) - survey.dc).astype(np.float32)
    position = _append(audio, position, resample(pending, last=True))
    return audio[:position]


def _length(survey):
    return int(np.ceil(survey.n_frames * SAMPLE_RATE / survey.rate_hz)) + 1


def _append(audio, position, part):
    end = min(position + len(part), len(audio))
    audio[position:end] = part[: end - position]
    return end


def _resampler(rate_hz):
    if rate_hz == SAMPLE_RATE:
        return lambda block, last: block
    return soxr.ResampleStream(rate_hz, SAMPLE_RATE, 1, dtype="float32").resample_chunk
