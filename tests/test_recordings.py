"""Every way a recording can be odd: it works and says what was done, or a sentence says why."""

import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from aqp_utils.recordings import second_process
from aqp_utils.recordings.folders import find_recordings
from aqp_utils.recordings.reading import (
    BLOCK_VALUES,
    RecordingError,
    extensions,
    from_waveform,
    read_recording,
)
from aqp_utils.recordings.second_process import read_all

RNG = np.random.default_rng(0)
RATE = 16_000
SECOND = 0.1 * RNG.standard_normal(RATE)


def tone(rate_hz, duration_s=1.0, frequency_hz=440.0):
    return 0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(int(rate_hz * duration_s)) / rate_hz)


def write(path, audio=SECOND, rate_hz=RATE, **settings):
    sf.write(path, audio, rate_hz, **settings)
    return path


def patched(path, offset, form, value):
    """Overwrite one header field of a WAV file."""
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, offset, value)
    path.write_bytes(content)
    return path


def refusal(path):
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ") and sentence.endswith(".") and "\n" not in sentence
    return sentence


def error(audio, rate_hz=RATE):
    with pytest.raises(RecordingError) as caught:
        from_waveform(audio, rate_hz)
    return str(caught.value)


# --- what works ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "subtype", "tolerance"),
    [
        ("wav", "PCM_U8", 1e-2),
        ("wav", "PCM_16", 1e-4),
        ("wav", "PCM_24", 1e-6),
        ("wav", "PCM_32", 1e-7),
        ("wav", "FLOAT", 1e-7),
        ("wav", "DOUBLE", 1e-7),
        ("wav", "ULAW", 1e-2),
        ("wav", "ALAW", 1e-2),
        ("flac", "PCM_16", 1e-4),
        ("flac", "PCM_24", 1e-6),
        ("aiff", "PCM_16", 1e-4),
        ("au", "PCM_16", 1e-4),
        ("w64", "PCM_16", 1e-4),
        ("rf64", "PCM_16", 1e-4),
        ("caf", "PCM_16", 1e-4),
    ],
)
def test_formats_without_loss_give_what_was_stored(tmp_path, ending, subtype, tolerance):
    path = write(tmp_path / f"a.{ending}", subtype=subtype)
    recording = read_recording(path)
    assert recording.audio.dtype == np.float32 and recording.sample_rate == RATE
    np.testing.assert_allclose(recording.audio, SECOND - SECOND.mean(), atol=tolerance)
    assert recording.original["subtype"] == subtype
    # Unsigned 8 bits round towards below, by half a step in the mean.
    assert recording.notes == [] or subtype == "PCM_U8"


@pytest.mark.parametrize(
    ("ending", "subtype"), [("ogg", "VORBIS"), ("ogg", "OPUS"), ("mp3", "MPEG_LAYER_III")]
)
def test_lossy_formats_keep_the_length(tmp_path, ending, subtype):
    recording = read_recording(write(tmp_path / f"a.{ending}", tone(RATE), subtype=subtype))
    assert abs(recording.duration_s - 1.0) < 0.1


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 44100, 48000, 96000])
def test_any_rate_becomes_16_khz_with_level_and_pitch_kept(tmp_path, rate_hz):
    recording = read_recording(write(tmp_path / "a.wav", tone(rate_hz), rate_hz, subtype="FLOAT"))
    assert abs(len(recording.audio) - RATE) <= 1
    inner = slice(800, -800)
    np.testing.assert_allclose(recording.audio[:RATE][inner], tone(RATE)[inner], atol=2e-3)
    assert recording.notes == [f"resampled from {rate_hz} Hz to 16000 Hz"]


@pytest.mark.parametrize("channels", [2, 3, 6])
def test_mono_equals_identical_channels_to_the_bit(tmp_path, channels):
    mono = write(tmp_path / "mono.wav", tone(44100), 44100, subtype="PCM_24")
    many = write(
        tmp_path / "many.wav", np.tile(tone(44100)[:, None], channels), 44100, subtype="PCM_24"
    )
    one, other = read_recording(mono), read_recording(many)
    assert np.array_equal(one.audio, other.audio)
    assert f"{channels} channels mixed to mono (their mean)" in other.notes


def test_blocks_leave_no_seam(tmp_path, monkeypatch):
    path = write(tmp_path / "a.flac", np.c_[tone(44100, 3), tone(44100, 3, 900)], 44100)
    whole = read_recording(path).audio
    monkeypatch.setattr("aqp_utils.recordings.reading.BLOCK_VALUES", 5000)
    np.testing.assert_allclose(read_recording(path).audio, whole, atol=1e-6)


def test_dc_is_removed_before_resampling_and_noted(tmp_path):
    path = write(tmp_path / "a.wav", tone(48000) + 0.25, 48000, subtype="FLOAT")
    recording = read_recording(path)
    assert any("offset (DC) of +0.25 removed" in note for note in recording.notes)
    assert abs(recording.audio.mean()) < 1e-3
    # No step at the ends: the offset was gone before the resampler rang at it.
    assert np.abs(recording.audio).max() < 0.32


def test_a_waveform_is_treated_like_its_file(tmp_path):
    audio = tone(44100).astype(np.float32)
    file = read_recording(write(tmp_path / "a.wav", audio, 44100, subtype="FLOAT"))
    memory = from_waveform(audio, 44100)
    assert np.array_equal(file.audio, memory.audio) and file.notes == memory.notes


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint8])
def test_integers_have_the_full_scale_of_their_type(kind):
    limits = np.iinfo(kind)
    middle, half = (limits.max + limits.min + 1) / 2, (limits.max - limits.min + 1) / 2
    recording = from_waveform((SECOND * half + middle).astype(kind), RATE)
    np.testing.assert_allclose(recording.audio, SECOND - SECOND.mean(), atol=1e-2)


def test_small_overs_and_clipping_are_kept_and_noted():
    over = from_waveform(SECOND * 6, RATE)
    assert any("over full scale" in note for note in over.notes)
    clipped = from_waveform(np.clip(20 * SECOND, -1, 1), RATE)
    assert any("stand at full scale: clipped" in note for note in clipped.notes)
    assert from_waveform(tone(RATE) / 0.3, RATE).notes == []  # a full-scale sine is not clipped


def test_streamed_wav_is_read_to_the_end_and_noted(tmp_path):
    path = write(tmp_path / "a.wav")
    for offset in (4, 40):
        patched(path, offset, "<I", 0xFFFFFFFF)
    recording = read_recording(path)
    assert len(recording.audio) == RATE and "streamed WAV" in recording.notes[0]


def test_unicode_and_spaces(tmp_path):
    folder = tmp_path / "ä ö 音 ♫"
    folder.mkdir()
    path = write(folder / "naïve файл 1.wav")
    assert len(read_recording(path).audio) == RATE
    assert [r.duration_s for r in read_all([path])] == [1.0]


# --- what never gets a score ---------------------------------------------------------------------


def test_truncated_wav_names_claim_and_fact(tmp_path):
    path = write(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[: 44 + 16000])
    sentence = refusal(path)
    assert "claims 32000 bytes" in sentence and "holds 16000 (0.500 s)" in sentence


@pytest.mark.parametrize("ending", ["flac", "mp3", "aiff", "au", "w64", "rf64", "caf"])
def test_other_truncated_formats_are_noticed(tmp_path, ending):
    path = write(tmp_path / f"a.{ending}", np.tile(SECOND, 4))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert any(word in refusal(path) for word in ("truncated", "malformed"))


def test_ogg_states_no_length_so_a_cut_is_noted(tmp_path):
    path = write(tmp_path / "a.ogg", np.tile(SECOND, 8))
    assert read_recording(path).notes == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    assert "cut off" in read_recording(path).notes[0]
    path.write_bytes(path.read_bytes()[:4000])
    assert "truncated or damaged" in refusal(path)


@pytest.mark.parametrize(
    ("offset", "form", "value", "words"),
    [
        (24, "<I", 1, ("1 Hz", "32000 bytes per second")),  # rate
        (22, "<H", 1024, ("1024 channel(s)", "2 bytes per frame")),
        (22, "<H", 2, ("2 channel(s)", "2 bytes per frame")),
        (34, "<H", 7, ("7 bits",)),
        (34, "<H", 24, ("24 bits", "2 bytes per frame")),
        (40, "<I", 64000, ("claims 64000 bytes", "holds 32000")),
        (40, "<I", 16000, ("claims 16000 bytes", "holds 32000")),
        (40, "<I", 0xFFFFFFFF, ("claims 4294967295 bytes", "holds 32000")),
    ],
)
def test_lying_wav_headers(tmp_path, offset, form, value, words):
    sentence = refusal(patched(write(tmp_path / "a.wav"), offset, form, value))
    assert all(word in sentence for word in words), sentence


def test_impossible_but_consistent_claims(tmp_path):
    path = patched(write(tmp_path / "a.wav"), 24, "<I", 1)
    assert "claimed sample rate is 1 Hz" in refusal(patched(path, 28, "<I", 2))
    many = write(tmp_path / "many.wav", np.tile(SECOND[:, None], 100))
    assert "claims 100 channels; at most 64" in refusal(many)


def test_header_without_audio_chunk(tmp_path):
    path = write(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:30])
    assert "WAV header" in refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_gives_count_and_first_index(tmp_path, value):
    audio = SECOND.copy()
    audio[[300, 4000, 4001]] = value
    sentence = refusal(write(tmp_path / "a.wav", audio, subtype="FLOAT"))
    assert "3 samples are NaN or infinite, the first at index 300 (0.019 s)" in sentence


def test_far_over_full_scale_gives_count_and_first_index():
    audio = SECOND.copy()
    audio[[77, 78]] = (30000, -20000)
    assert "2 samples lie far over full scale" in error(audio)
    assert "up to 3e+04), the first at index 77" in error(audio)
    assert "infinite" in error(SECOND * 1e300)


@pytest.mark.parametrize("n", [0, 1, 3999])
def test_too_short(n):
    assert f"too short: {n / RATE:.3f} s, need 0.25 s" in error(SECOND[:n])
    assert len(from_waveform(SECOND[:4000], RATE).audio) == 4000


@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_silence_and_dc_are_no_signal(rate_hz):
    assert "no signal: only silence" in error(np.zeros(rate_hz), rate_hz)
    assert "no signal: only a constant offset (DC) of 0.5" in error(np.full(rate_hz, 0.5), rate_hz)
    assert "channels cancel" in error(np.c_[SECOND, -SECOND])


def test_not_audio(tmp_path):
    for name, content in (("a.wav", b"hello " * 100), ("b.txt", b"x"), ("c.mp3", bytes(5000))):
        (tmp_path / name).write_bytes(content)
        assert "not audio that can be read here" in refusal(tmp_path / name)
    (tmp_path / "d.raw").write_bytes(bytes(100))
    assert "headerless" in refusal(tmp_path / "d.raw")


def test_no_file(tmp_path):
    assert "this is a folder" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "none.wav")
    (tmp_path / "empty.wav").touch()
    assert "empty (0 bytes)" in refusal(tmp_path / "empty.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert "no regular file" in refusal(tmp_path / "pipe.wav")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_unreadable(tmp_path):
    path = write(tmp_path / "a.wav")
    path.chmod(0)
    assert "permission denied" in refusal(path)


@pytest.mark.parametrize(
    ("waveform", "rate_hz", "words"),
    [
        (np.zeros((2, 16000)), RATE, "shape (n,) or (n, channels)"),
        (np.zeros((4, 4, 4)), RATE, "shape (n,) or (n, channels)"),
        (np.array(["a"] * 9000), RATE, "floats or integers"),
        (SECOND, 0, "0 Hz"),
        (SECOND, None, "one number in Hz"),
        (SECOND, np.nan, "one number in Hz"),
        (SECOND, "16k", "one number in Hz"),
    ],
)
def test_waveforms_that_are_none(waveform, rate_hz, words):
    assert words in error(waveform, rate_hz)


@settings(max_examples=40, deadline=None)
@given(
    audio=st.lists(st.floats(width=32), min_size=0, max_size=40),
    repeat=st.integers(1, 400),
    rate_hz=st.sampled_from([4000, 8000, 16000, 48000]),
)
def test_any_waveform_gives_clean_audio_or_one_sentence(audio, repeat, rate_hz):
    try:
        recording = from_waveform(np.tile(np.array(audio, np.float32), repeat), rate_hz)
    except RecordingError as refused:
        assert "\n" not in str(refused)
    else:
        assert np.isfinite(recording.audio).all() and recording.duration_s > 0.249


# --- folders and batches -------------------------------------------------------------------------


def test_folders_are_searched_deep_sorted_and_files_taken_once(tmp_path):
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    names = ["b/deep/2.flac", "b/1.WAV", "c.wav"]
    for name in names:
        write(tmp_path / name, format=Path(name).suffix[1:].upper())
    (tmp_path / "b" / "notes.txt").write_text("no audio")
    write(tmp_path / "b" / ".hidden.wav")
    found = find_recordings([tmp_path / "c.wav", tmp_path, tmp_path / "empty"])
    assert [file.relative_to(tmp_path).as_posix() for file in found.files] == names[::-1]
    assert found.duplicates == [tmp_path / "c.wav"]
    assert "no recording in this folder" in found.problems[tmp_path / "empty"]
    assert {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif"} <= set(extensions())


def test_a_batch_answers_for_every_file_in_order(tmp_path):
    good = write(tmp_path / "good one.wav", tone(44100, 2), 44100)
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    results = list(read_all([good, tmp_path / "bad.wav", tmp_path / "none.wav", good]))
    assert np.array_equal(results[0].audio, read_recording(good).audio)
    assert results[0].notes == results[3].notes == read_recording(good).notes
    assert str(results[1]).startswith(f"{tmp_path / 'bad.wav'}: not audio")
    assert "no such file" in str(results[2])
    assert list(read_all([])) == []


def stub(tmp_path, monkeypatch, body):
    """Let the second process meet `body` on files named bad.wav."""
    package = tmp_path / "stub"
    package.mkdir()
    (package / "sitecustomize.py").write_text(
        "import soundfile, os, time\n"
        "original = soundfile.SoundFile.__init__\n"
        "def init(self, file, *args, **settings):\n"
        f"    if os.path.basename(os.fsdecode(file)) == 'bad.wav':\n        {body}\n"
        "    original(self, file, *args, **settings)\n"
        "soundfile.SoundFile.__init__ = init\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package), prepend=os.pathsep)


@pytest.mark.parametrize(
    ("body", "words"), [("time.sleep(1000)", "no sign of life for 3 s"), ("os.abort()", "crashed")]
)
def test_a_decoder_that_hangs_or_crashes_costs_one_file(tmp_path, monkeypatch, body, words):
    stub(tmp_path, monkeypatch, body)
    good, bad = write(tmp_path / "good.wav"), write(tmp_path / "bad.wav")
    before = threading.active_count()
    results = list(read_all([good, bad, good], patience_s=3.0))
    assert results[0].duration_s == results[2].duration_s == 1.0
    assert str(bad) in str(results[1]) and words in str(results[1])
    time.sleep(0.2)
    assert threading.active_count() <= before


def test_a_slow_decoder_that_goes_on_is_waited_for(tmp_path, monkeypatch):
    stub(tmp_path, monkeypatch, "pass")
    with open(tmp_path / "stub" / "sitecustomize.py", "a") as file:
        file.write(
            "read = soundfile.SoundFile.read\n"
            "def slow(self, *args, **settings):\n"
            "    time.sleep(0.4)\n"
            "    return read(self, *args, **settings)\n"
            "soundfile.SoundFile.read = slow\n"
        )
    long = write(tmp_path / "long.wav", np.tile(SECOND, 5 * BLOCK_VALUES // RATE))
    began = time.monotonic()
    (recording,) = read_all([long], patience_s=3.0)
    assert recording.duration_s > 300 and time.monotonic() - began > 3.0


def test_stopping_half_way_ends_the_second_process(tmp_path, monkeypatch):
    started = []
    popen = subprocess.Popen

    def remember(*args, **settings):
        started.append(popen(*args, **settings))
        return started[-1]

    monkeypatch.setattr(second_process.subprocess, "Popen", remember)
    results = read_all([write(tmp_path / "a.wav"), write(tmp_path / "b.wav")])
    next(results)
    results.close()
    assert started[0].poll() is not None


def test_memory_is_the_mono_audio_and_a_few_blocks(tmp_path):
    pytest.importorskip("resource")
    path, minutes = tmp_path / "long.flac", 8
    minute = np.tile((np.c_[tone(48000), tone(48000, 1, 200)] * 32767).astype(np.int16), (60, 1))
    with sf.SoundFile(path, "w", 48000, 2) as file:
        for _ in range(minutes):
            file.write(minute)
    code = (
        "import sys, resource; from aqp_utils.recordings.reading import read_recording as r\n"
        "def mb(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = mb(); x = r(sys.argv[1]); print(x.duration_s, mb() - before)"
    )
    root = Path(__file__).parents[1]
    output = subprocess.check_output([sys.executable, "-c", code, str(path)], cwd=root, text=True)
    duration_s, grown_mb = map(float, output.split())
    assert duration_s == 60 * minutes
    mono_mb, stored_mb = 3.84 * minutes, 23.04 * minutes
    assert grown_mb < mono_mb + 60 < stored_mb + 60
