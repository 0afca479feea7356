"""Any recording as a clip: mono, 16 kHz, float32, or one sentence on why not.

Downmix: the mean of the channels, so a mono file and its copy on identical channels agree to the
bit. Resampling: soxr, quality "HQ", block by block. A constant offset (DC) is taken off before,
since no ear hears it. Memory: a few blocks and five minutes of audio, whatever the file's length,
rate and channels; the rest waits in a temporary file.
"""

import functools
import numbers
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf
import soxr

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.recordings.flac_stream import Digest, stream_info
from aqp_utils.recordings.mp3_stream import Undecoded, check_mp3
from aqp_utils.recordings.ogg_pages import check_ogg
from aqp_utils.recordings.spliced import Spliced
from aqp_utils.recordings.stored import collect
from aqp_utils.recordings.survey import Survey, downmix
from aqp_utils.recordings.wav_header import check_wav_header, with_length

RATES_HZ = (4_000, 768_000)  # outside, no recorder works: the header is wrong
MOST_CHANNELS = 64  # seventh-order ambisonics
UNKNOWN_FRAMES = 2**62  # libsndfile's count for a stream of unknown length is larger
BLOCK_VALUES = 2**20  # samples times channels held at once
FINE = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")  # steps that show a floor of noise
LENIENT = {"MP3": 0.02}  # share by which a format without exact length may fall short


class RecordingError(ValueError):
    """One sentence: which recording, what it claims, what is there."""


@dataclass(frozen=True)
class Recording:
    """A recording ready to be scored.

    Attributes
    ----------
    audio : ndarray of float32 or StoredAudio, shape (n,)
        Mono, at `sample_rate`, full scale 1.0, without DC; over five minutes in a file.
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
        held = _held_against_itself(path, facts, claimed, rate_hz)
        survey = Survey(rate_hz, fine=facts["subtype"] in FINE)
        for block in _blocks_of_file(path, held.parts, alive, held.digest):
            survey.add(block)
            if held.undecoded:
                held.undecoded.add(block)
        _check_frames(held.claimed, survey.n_frames, rate_hz, facts["format"], path)
        notes += held.notes
        for one in filter(None, (held.digest, held.undecoded)):
            notes += one.check(survey.n_frames, rate_hz)
        return _finish(survey, _blocks_of_file(path, held.parts, alive), notes, facts)
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
        survey = Survey(sample_rate)
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


class _Stream(sf.SoundFile):
    """A file read from start to end: soundfile seeks otherwise, which streamed FLAC cannot do."""

    def seekable(self):
        return False


def _opened(path, parts=None):
    """The file, or what `parts` make of it, for reading."""
    if path.suffix.lower() == ".raw":
        raise ValueError("headerless audio (.raw) does not say its rate and format; make it a WAV")
    with open(path, "rb"):
        pass  # libsndfile calls every failure "System error"
    try:
        mended = Spliced(path, parts) if parts else with_length(path)
        return _Stream(mended or os.fsencode(path))  # bytes: not all are UTF-8
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


class _Held(NamedTuple):
    """What a file claims and what is known of it before it is decoded."""

    claimed: int  # frames
    notes: list
    parts: list | None = None  # of `Spliced`; None: the file as it is
    digest: Digest | None = None
    undecoded: Undecoded | None = None


def _held_against_itself(path, facts, claimed, rate_hz):
    if facts["format"] == "OGG":
        notes, duration_s = check_ogg(path)
        return _Held(round(duration_s * rate_hz) if duration_s else claimed, notes)
    if facts["format"] == "FLAC":
        info = stream_info(path)
        return _Held(claimed, [], digest=Digest(info) if info else None)
    if facts["subtype"] == "MPEG_LAYER_III" and facts["format"] == "MP3":
        notes, n_samples, parts, cut = check_mp3(path)
        if n_samples is not None:  # libsndfile's own count may be a guess
            return _Held(n_samples, notes, parts, undecoded=Undecoded(cut))
    return _Held(claimed, [])


def _check_rate(rate_hz):
    low, high = RATES_HZ
    if not low <= rate_hz <= high:
        raise ValueError(
            f"the claimed sample rate is {rate_hz} Hz; recordings have {low} to {high} Hz"
        )


def _check_frames(claimed, read, rate_hz, format_name, path):
    if claimed < UNKNOWN_FRAMES and claimed - read > LENIENT.get(format_name, 0) * claimed:
        claim = "its MP3 frames hold" if format_name == "MP3" else "the header claims"
        raise ValueError(
            f"truncated: {claim} {claimed} samples per channel ({claimed / rate_hz:.3f} s), "
            f"{read} ({read / rate_hz:.3f} s) can be decoded"
        )
    if read == 0 and format_name in ("OGG", "MP3", "FLAC"):
        raise ValueError(f"{path.stat().st_size} bytes, but no audio in them: truncated or damaged")


def _blocks_of_file(path, parts, alive, digest=None):
    """Yield float32 blocks, shape (frames, channels); `digest` is given the integers as stored."""
    with _opened(path, parts) as file:
        size = max(1, BLOCK_VALUES // file.channels)
        done = 0
        while True:
            try:
                block = file.read(size, dtype="int32" if digest else "float32", always_2d=True)
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
            if digest:
                digest.add(block)
                block = block.astype(np.float32) * np.float32(2.0**-31)
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


def _finish(survey, blocks, notes, facts):
    survey.refuse()
    audio = collect(_converted(blocks, survey))
    return Recording(audio, SAMPLE_RATE, notes + survey.notes(), survey.facts() | facts)


def _converted(blocks, survey):
    """Yield mono float32 at `SAMPLE_RATE`, without DC, from a second pass over the blocks."""
    resample = _resampler(survey.rate_hz)
    left = _length(survey)
    pending = None
    for block in blocks:
        if pending is not None:
            yield (part := resample(pending, last=False)[:left])
            left -= len(part)
        pending = (downmix(block) - survey.dc).astype(np.float32)
    yield resample(pending, last=True)[:left]


def _length(survey):
    return int(np.ceil(survey.n_frames * SAMPLE_RATE / survey.rate_hz)) + 1


def _resampler(rate_hz):
    if rate_hz == SAMPLE_RATE:
        return lambda block, last: block
    return soxr.ResampleStream(rate_hz, SAMPLE_RATE, 1, dtype="float32").resample_chunk
