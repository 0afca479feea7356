"""Good recordings of every format, as the usual programs write them: none may raise an alarm."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import soundfile as sf

from aqp_utils.recordings.mp3_frames import frame_at
from aqp_utils.sources.formant_voice import speech_clip

FORMATS = ("wav", "flac", "ogg", "opus", "mp3")
TOOLS = ("ffmpeg", "sox", "lame", "oggenc", "opusenc", "flac")
RATES_HZ = {
    "wav": (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000),
    "flac": (8000, 16000, 22050, 44100, 48000, 96000),
    "ogg": (8000, 16000, 22050, 32000, 44100, 48000),
    "opus": (8000, 12000, 16000, 24000, 48000),
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}


def missing_tools():
    """Names of the programs that are not installed here."""
    return [name for name in TOOLS if shutil.which(name) is None]


def sound(rng, rate_hz, channels, duration_s):
    """Speech over a floor of noise, shape (n, channels), at any rate: no exact zeros in it."""
    voice, _ = speech_clip(max(1.0, duration_s), rng)
    n = int(duration_s * rate_hz)
    at_s = np.arange(n) / rate_hz
    voice = np.interp(at_s, np.arange(len(voice)) / 16000, voice)
    floor = 1e-3 * rng.standard_normal((n, channels))
    return np.clip(0.8 * voice[:, np.newaxis] * np.linspace(1, 0.8, channels) + floor, -1, 1)


def make(folder, form, rng, name="good", duration_s=None):
    """Write one good file of the format `form`, drawn from what programs and people do.

    Returns
    -------
    path : Path
    how : str
        The program and its settings.
    """
    duration_s = duration_s or float(rng.uniform(1.0, 6.0))
    rate_hz, channels = int(rng.choice(RATES_HZ[form])), int(rng.integers(1, 3))
    source = Path(folder) / f"{name}.source.wav"
    sf.write(source, sound(rng, rate_hz, channels, duration_s), rate_hz, subtype="PCM_16")
    target = Path(folder) / f"{name}.{form}"
    ways = [way for way in WAYS[form] if way[0] in ("libsndfile", "own") or shutil.which(way[0])]
    tool, words = ways[rng.integers(len(ways))]
    words = words(rng) if callable(words) else words
    if tool in ("libsndfile", "own"):
        how = words(source, target, rng)
    else:
        how = f"{tool} {' '.join(map(str, words))}"
        made = subprocess.run(_command(tool, words, source, target), capture_output=True)
        if made.returncode:  # an encoder may not know this rate at this bit rate
            return make(folder, form, rng, name, duration_s)
    if form == "mp3" and rng.random() < 0.3:
        how += _more_tags(target, rng)
    source.unlink()
    return target, f"{how}; {rate_hz} Hz, {channels} channel(s), {duration_s:.2f} s"


def _command(tool, words, source, target):
    words = [str(word) for word in words]
    return {
        "ffmpeg": ["ffmpeg", "-y", "-v", "error", "-i", source, *words, target],
        "sox": ["sox", "-R", source, *words, target],
        "lame": ["lame", "--quiet", *words, source, target],
        "oggenc": ["oggenc", "-Q", *words, "-o", target, source],
        "opusenc": ["opusenc", "--quiet", *words, source, target],
        "flac": ["flac", "-s", "-f", *words, "-o", target, source],
    }[tool]


def _one_of(*choices):
    return lambda rng: choices[rng.integers(len(choices))]


def _tags(rng):
    """Words for ffmpeg: titles, and chapters or none."""
    return ["-metadata", f"title=a title {rng.integers(100)}", "-metadata", "artist=ü 音"]


# --- WAV -----------------------------------------------------------------------------------------


def _sndfile_wav(source, target, rng):
    audio, rate_hz = sf.read(source, always_2d=True)
    subtypes = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
    subtypes += ("IMA_ADPCM", "MS_ADPCM", "GSM610") if audio.shape[1] == 1 else ()
    subtype = subtypes[rng.integers(len(subtypes))]
    container = ("WAV", "WAVEX", "RF64")[rng.integers(3)]
    if not sf.check_format(container, subtype):
        container = "WAV"
    endian = (
        "BIG" if container == "WAV" and subtype.startswith("PCM") and rng.random() < 0.2 else ""
    )
    sf.write(target, audio, rate_hz, subtype=subtype, format=container, endian=endian or "FILE")
    return f"libsndfile {container} {subtype} {endian}"


def _chunky_wav(source, target, rng):
    """Chunks as recorders and editors write them, before and after the audio, some odd."""
    audio, rate_hz = sf.read(source, dtype="int16", always_2d=True)
    if rng.random() < 0.5:
        audio = audio[: len(audio) // 2 * 2 - 1]
    channels = audio.shape[1]
    fmt = struct.pack("<HHIIHH", 1, channels, rate_hz, 2 * channels * rate_hz, 2 * channels, 16)
    extra = [
        (b"LIST", b"INFOISFT" + struct.pack("<I", 6) + b"a tool"),
        (b"bext", bytes(602) + b"A=PCM,F=48000\r\n"),
        (b"iXML", b"<?xml version='1.0'?><BWFXML/>"),
        (b"cue ", struct.pack("<IIIIIII", 1, 1, 0, 0x61746164, 0, 0, 0)),
        (b"id3 ", b"ID3\3\0\0\0\0\0\0"),
        (b"JUNK", bytes(int(rng.integers(1, 5000)))),
        (b"PAD ", bytes(int(rng.integers(1, 70000)))),
        (b"_PMX", b"<x:xmpmeta/>"),
        (b"\0\0\0\0", b""),
    ]
    chosen = [extra[i] for i in rng.permutation(len(extra) - 1)[: rng.integers(0, 5)]]
    split = int(rng.integers(0, len(chosen) + 1))
    chunks = [(b"fmt ", fmt), *chosen[:split], (b"data", audio.tobytes()), *chosen[split:]]
    careless = rng.random() < 0.2  # an odd chunk without its pad byte, at the very end
    body = b"WAVE"
    for i, (chunk, content) in enumerate(chunks):
        body += chunk + struct.pack("<I", len(content)) + content
        body += b"\0" * (len(content) % 2 and not (careless and i == len(chunks) - 1))
    padding = bytes(int(rng.choice([0, 0, 0, 1, 2, 200, 2048])))
    target.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body + padding)
    return f"own WAV with chunks {[name for name, _ in chunks]}, {len(padding)} bytes after"


def _ffmpeg_wav(rng):
    codec = ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_mulaw")
    words = ["-c:a", codec[rng.integers(len(codec))]]
    more = ([], _tags(rng), ["-write_bext", "1", *_tags(rng)], ["-rf64", "always"], ["-bitexact"])
    return words + more[rng.integers(len(more))]


# --- MP3 -----------------------------------------------------------------------------------------


def _sndfile(subtype, **settings):
    def write(source, target, rng):
        audio, rate_hz = sf.read(source, always_2d=True)
        level = float(rng.uniform(0, 0.9))
        mode = (
            {"bitrate_mode": str(rng.choice(["CONSTANT", "VARIABLE"]))} if "MPEG" in subtype else {}
        )
        if subtype.startswith("PCM"):
            sf.write(target, audio, rate_hz, subtype=subtype, **settings)
        else:
            sf.write(
                target, audio, rate_hz, subtype=subtype, compression_level=level, **mode, **settings
            )
        return f"libsndfile {subtype} {mode} {level:.2f}"

    return write


def _lame(rng):
    modes = (
        ["-b", str(rng.choice([32, 64, 128]))],
        ["--abr", str(rng.integers(32, 128))],
        ["-V", str(rng.integers(0, 10))],
        ["-b", "64", "-t"],  # no Info header
        ["-V", "4", "-t"],
        ["-b", "64", "-p"],  # a CRC in every frame
        ["-m", "j", "-q", "9"],
        ["--nores", "-b", "96"],
        ["--strictly-enforce-ISO", "-B", "128", "-V", "2"],
    )
    tags = (
        [],
        ["--tt", "title", "--id3v1-only"],
        ["--tt", "title", "--add-id3v2", "--pad-id3v2"],
        ["--tt", "a title", "--ta", "artist", "--id3v2-only"],
    )
    return modes[rng.integers(len(modes))] + tags[rng.integers(len(tags))]


def _ffmpeg_mp3(rng):
    modes = (["-b:a", "64k"], ["-q:a", "4"], ["-abr", "1", "-b:a", "80k"], ["-write_xing", "0"])
    tags = (
        [],
        _tags(rng),
        ["-write_id3v1", "1", *_tags(rng)],
        ["-id3v2_version", "3", *_tags(rng)],
    )
    return modes[rng.integers(len(modes))] + tags[rng.integers(len(tags))]


def _more_tags(path, rng):
    """Tags that other programs put before or after: APEv2, ID3v1, ID3v2 with a picture, padding."""
    content = path.read_bytes()
    item = struct.pack("<II", 3, 0) + b"MP3GAIN_MINMAX\0" + b"1,2"
    size = 32 + len(item)
    ape_foot = b"APETAGEX" + struct.pack("<IIII", 2000, size, 1, 0x80000000) + bytes(8)
    ape_head = b"APETAGEX" + struct.pack("<IIII", 2000, size, 1, 0xA0000000) + bytes(8)
    picture = b"APIC" + struct.pack(">I", 5000) + b"\0\0" + rng.bytes(5000).replace(b"\xff", b"\0")
    chapter = b"CHAP" + struct.pack(">I", 20) + b"\0\0" + b"ch1\0" + bytes(16)
    frames = picture + chapter + bytes(300)
    n = len(frames)
    synchsafe = bytes((n >> 21 & 127, n >> 14 & 127, n >> 7 & 127, n & 127))
    kind = int(rng.integers(4))
    if kind == 0:
        content = content + ape_head + item + ape_foot
    elif kind == 1:
        end = content if content[-128:-125] == b"TAG" else content + b"TAG" + b"x".ljust(125, b"\0")
        content = end[:-128] + ape_head + item + ape_foot + end[-128:]
    elif kind == 2 and content[:3] != b"ID3":
        content = b"ID3\3\0\0" + synchsafe + frames + content
    else:
        content = content + bytes(int(rng.integers(1, 100)))
    path.write_bytes(content)
    return f"; tags {('APEv2', 'APEv2 + ID3v1', 'ID3v2 picture and chapter', 'zeros after')[kind]}"


def _vbri(source, target, rng):
    """An MP3 whose header is Fraunhofer's VBRI (made from LAME's, which holds the same numbers)."""
    plain = target.with_suffix(".plain.mp3")
    subprocess.run(["lame", "--quiet", "-b", "64", "-t", source, plain], check=True)
    content = plain.read_bytes()
    plain.unlink()
    return _with_vbri(content, target)


def _with_vbri(content, target):
    first = frame_at(content[:4], 0)
    n_frames = round(len(content) / first.length)
    head = bytearray(first.length)
    head[:4] = content[:4]
    vbri = b"VBRI" + struct.pack(">HHHIIHHHH", 1, 0, 75, len(content), n_frames, 0, 1, 2, 1)
    head[36 : 36 + len(vbri)] = vbri
    target.write_bytes(bytes(head) + content)
    return "LAME with a VBRI header"


def _joined(source, target, rng):
    """Two MP3 files one behind the other, with their headers and tags, as `cat` joins them."""
    words = (["-V", "4"], ["-b", "64"], ["-V", "4", "-t"], ["-V", "4", "--tt", "title"])
    subprocess.run(
        ["lame", "--quiet", *words[rng.integers(len(words))], source, target], check=True
    )
    target.write_bytes(2 * target.read_bytes())
    return "joined: LAME twice"


# --- Ogg -----------------------------------------------------------------------------------------


def _chained(maker):
    def write(source, target, rng):
        parts = []
        for i in range(2):
            part = target.with_name(f"{target.stem}.{i}{target.suffix}")
            maker(source, part, i)
            parts.append(part.read_bytes())
            part.unlink()
        target.write_bytes(b"".join(parts))
        return "chain of two streams"

    return write


def _oggenc_part(source, part, serial):
    subprocess.run(["oggenc", "-Q", "-s", str(serial + 1), "-o", part, source], check=True)


def _opusenc_part(source, part, serial):
    subprocess.run(["opusenc", "--quiet", "--serial", str(serial + 1), source, part], check=True)


WAYS = {
    "wav": [
        ("libsndfile", lambda rng: _sndfile_wav),
        ("own", lambda rng: _chunky_wav),
        ("ffmpeg", _ffmpeg_wav),
        (
            "sox",
            _one_of(
                ["-b", "8"], ["-b", "16"], ["-b", "24"], ["-b", "32"], ["-e", "float"],
                ["-e", "mu-law"], ["-e", "a-law"], ["-e", "ima-adpcm"], ["-e", "ms-adpcm"],
                ["-b", "16", "-t", "wavpcm"],
            ),
        ),
    ],
    "flac": [
        ("libsndfile", lambda rng: _sndfile("PCM_16")),
        ("libsndfile", lambda rng: _sndfile("PCM_24")),
        ("libsndfile", lambda rng: _sndfile("PCM_S8")),
        ("ffmpeg", _one_of(["-sample_fmt", "s16"], ["-sample_fmt", "s32"])),
        ("sox", _one_of([], ["-b", "24"], ["-C", "0"], ["-b", "8"])),
        ("flac", _one_of(["-0"], ["-8"], ["-T", "TITLE=x"], ["--no-padding"], ["-P", "40000"])),
    ],
    "ogg": [
        ("libsndfile", lambda rng: _sndfile("VORBIS")),
        ("ffmpeg", _one_of(["-c:a", "libvorbis"], ["-c:a", "libvorbis", "-q:a", "9"],
                           ["-c:a", "libvorbis", "-metadata", "title=x"])),
        ("sox", _one_of([], ["-C", "9"], ["-C", "-1"])),
        ("oggenc", _one_of(["-q", "1"], ["-q", "8"], ["-b", "64"], ["-t", "title"],
                           ["--managed", "-b", "80"], ["-q", "3", "-c", "x=y"])),
        ("own", lambda rng: _chained(_oggenc_part)),
    ],
    "opus": [
        ("libsndfile", lambda rng: _sndfile("OPUS", format="OGG")),
        ("ffmpeg", _one_of(["-c:a", "libopus"], ["-c:a", "libopus", "-b:a", "16k"],
                           ["-c:a", "libopus", "-frame_duration", "60"],
                           ["-c:a", "libopus", "-vbr", "off"])),
        ("opusenc", _one_of(["--bitrate", "24"], ["--bitrate", "96"], ["--framesize", "60"],
                            ["--framesize", "2.5"], ["--max-delay", "100"], ["--hard-cbr"],
                            ["--title", "x"])),
        ("own", lambda rng: _chained(_opusenc_part)),
    ],
    "mp3": [
        ("libsndfile", lambda rng: _sndfile("MPEG_LAYER_III")),
        ("lame", _lame),
        ("lame", _lame),
        ("ffmpeg", _ffmpeg_mp3),
        ("sox", _one_of([], ["-C", "64"], ["-C", "-4.2"])),
        ("own", lambda rng: _vbri),
        ("own", lambda rng: _joined),
    ],
}  # fmt: skip
