"""What a file claims and what is there: damage is never silent, good files raise no alarm."""

import re
import struct

import numpy as np
import pytest
import soundfile as sf

from aqp_utils.recordings.mp3_frames import checksum_fits, frame_at
from aqp_utils.recordings.mp3_header import crc16
from aqp_utils.recordings.mp3_stream import check_mp3
from aqp_utils.recordings.ogg_pages import check_ogg, pages
from aqp_utils.recordings.reading import RecordingError, read_recording

RATE = 16_000
SECONDS = 8
NOISE = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * RATE)
LOSSY = {"ogg": "VORBIS", "opus": "OPUS", "mp3": "MPEG_LAYER_III"}


def encoded(folder, ending, audio=NOISE, **settings):
    path = folder / f"a.{ending}"
    container = "OGG" if ending in ("ogg", "opus") else ending.upper()
    if ending in LOSSY:
        settings["subtype"] = LOSSY[ending]
    sf.write(path, audio, RATE, format=container, **settings)
    return path


def changed(path, change):
    path.write_bytes(change(path.read_bytes()))
    return path


def verdict(path):
    """The refusal, or the notes, as one text."""
    try:
        return "; ".join(read_recording(path).notes)
    except RecordingError as refused:
        return f"refused: {refused}"


def page_starts(content):
    starts = [match.start() for match in re.finditer(b"OggS", content)]
    return [*starts, len(content)]


# --- WAV -----------------------------------------------------------------------------------------


def wav(audio_bytes, claimed, riff=None, after=b""):
    fmt = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", claimed)
    body += audio_bytes + after
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


PCM = (NOISE * 32767).astype("<i2").tobytes()


def test_printable_audio_is_no_chunk(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(PCM[:100_000] + b"loud" + PCM[100_004:], 100_000))
    assert "claims 100000 bytes of audio (3.125 s), the file holds 256000 (8.000 s)" in verdict(
        path
    )


@pytest.mark.parametrize("n_left_out", [4000, 60_000])
def test_a_header_that_claims_a_little_less_is_no_careless_writer(tmp_path, n_left_out):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(PCM[:80_000], 80_000 - n_left_out))
    assert "refused" in verdict(path) and "the rest in no known chunk" in verdict(path)


@pytest.mark.parametrize("riff", [0, 36, 0xFFFFFFFF, 0x7FFFF024])
@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_streamed_wav_is_read_to_its_end_with_a_note(tmp_path, riff, claimed):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(PCM, claimed, riff))
    recording = read_recording(path)
    assert recording.duration_s == SECONDS and "streamed WAV" in recording.notes[0]
    np.testing.assert_allclose(recording.audio, NOISE - NOISE.mean(), atol=1e-4)


def test_chunks_and_padding_after_the_audio_are_no_alarm(tmp_path):
    tail = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 13) + b"a tool" * 2
    tail = tail[:34] + b"\0\0"[: 34 - len(tail[:34])]
    long = b"_PMX" + struct.pack("<I", 9000) + bytes(9000)
    for after in (tail, long, long + tail, bytes(2048)):
        path = tmp_path / "a.wav"
        path.write_bytes(wav(PCM, len(PCM), after=after))
        assert verdict(path) == ""


def test_a_block_of_zeros_in_the_sound_is_noted(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(PCM[:64_000] + bytes(32_000) + PCM[96_000:], len(PCM)))
    assert "exact zeros inside the sound, 1.000 s (12.5%), the first from 2.000 s" in verdict(path)
    quiet_ends = np.concatenate([np.zeros(RATE), NOISE, np.zeros(RATE)])
    assert verdict(encoded(tmp_path, "wav", quiet_ends)) == ""
    assert (
        verdict(encoded(tmp_path, "wav", 0.003 * NOISE / 0.1, subtype="PCM_U8")).count("zero") == 0
    )


# --- FLAC ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2])
def test_flac_is_held_against_its_md5(tmp_path, subtype, channels):
    path = encoded(tmp_path, "flac", np.c_[NOISE, -0.5 * NOISE][:, :channels], subtype=subtype)
    assert "damaged" not in verdict(path) and "refused" not in verdict(path)
    changed(path, lambda content: content[:26] + bytes([content[26] ^ 1]) + content[27:])
    assert "refused" in verdict(path)
    assert "the header claims 8.000 s of audio with MD5" in verdict(path)


def test_flac_in_another_order_is_refused(tmp_path):
    """Frames are whole and as many as before; only the MD5 knows."""
    first = encoded(tmp_path, "flac").read_bytes()
    other = encoded(tmp_path, "flac", -NOISE).read_bytes()
    path = tmp_path / "a.flac"
    path.write_bytes(first[:42] + other[42:])
    assert "MD5" in verdict(path)


def test_a_streamed_flac_says_so(tmp_path):
    def unknown(content):
        return content[:21] + bytes([content[21] & 0xF0]) + bytes(20) + content[42:]

    path = changed(encoded(tmp_path, "flac"), unknown)
    assert "leaves length and MD5 open" in verdict(path)
    assert read_recording(path).duration_s == SECONDS


# --- Ogg -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["ogg", "opus"])
def test_ogg_pages_lost_damaged_and_out_of_order(tmp_path, ending):
    path = encoded(tmp_path, ending)
    assert "damaged" not in verdict(path) and "cut" not in verdict(path)
    whole = path.read_bytes()
    starts = page_starts(whole)
    assert len(starts) > 7 and len(list(pages(path))) == len(starts) - 1
    a, b, c = starts[4:7]
    for mutant in (
        whole[:a] + whole[b:],  # a page is missing
        whole[:a] + whole[b:c] + whole[a:b] + whole[c:],  # two change places
        whole[:a] + bytes(b - a) + whole[b:],  # zeros instead of a page
        whole[: a + 300] + bytes([whole[a + 300] ^ 1]) + whole[a + 301 :],  # one bit
    ):
        path.write_bytes(mutant)
        assert "refused" in verdict(path), verdict(path)
        with pytest.raises(ValueError, match="says 8.0.. s, its whole pages in order hold"):
            check_ogg(path)


@pytest.mark.parametrize("ending", ["ogg", "opus"])
def test_a_cut_ogg_is_noted_and_a_chain_says_what_was_read(tmp_path, ending):
    path = encoded(tmp_path, ending)
    whole = path.read_bytes()
    start = page_starts(whole)[-3]
    path.write_bytes(whole[:start])
    assert "cut off" in verdict(path)
    other = encoded(tmp_path, ending, NOISE[: 3 * RATE]).read_bytes()
    path.write_bytes(whole + other)
    assert "a chain of 2 Ogg streams, 11.0" in verdict(path)
    assert "only the first, 8.0" in verdict(path)
    assert read_recording(path).duration_s == pytest.approx(SECONDS, abs=0.1)


# --- MP3 -----------------------------------------------------------------------------------------


def mp3_frames(content):
    """Where the frames of a file without tags begin, and its end."""
    starts = [0]
    while starts[-1] < len(content):
        starts.append(starts[-1] + frame_at(content[starts[-1] :][:4], 0).length)
    return starts


def without_header(content):
    return content[mp3_frames(content)[1] :]


def test_crc_of_lame_has_the_known_check_value():
    assert crc16([b"123456789"]) == 0xBB3D  # CRC-16/ARC
    content = np.random.default_rng(0).bytes(70_000)
    assert crc16([content]) == crc16([content[:9999], content[9999:]])


def test_mp3_frames_that_the_header_claims_and_that_are_not_there(tmp_path):
    path = encoded(tmp_path, "mp3")
    assert check_mp3(path).notes == [] and verdict(path) == ""
    whole = path.read_bytes()
    starts = mp3_frames(whole)
    path.write_bytes(whole[: starts[60]] + whole[starts[90] :])
    assert "refused" in verdict(path)
    with pytest.raises(ValueError, match=r"claims 22. frames \(8.*holds 19."):
        check_mp3(path)
    path.write_bytes(whole[: starts[60]] + whole[starts[61] :])  # one of them: a note
    assert "checksum" in verdict(path) or "do not fit" in verdict(path)


def test_changed_bytes_of_an_mp3_do_not_have_its_checksum(tmp_path):
    path = encoded(tmp_path, "mp3")
    at = mp3_frames(path.read_bytes())[60] + 100
    changed(path, lambda content: content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
    assert "the encoder's checksum is" in verdict(path)


def test_an_mp3_without_header_still_has_frames(tmp_path):
    path = changed(encoded(tmp_path, "mp3"), without_header)
    assert verdict(path) == ""
    whole = path.read_bytes()
    starts = mp3_frames(whole)
    path.write_bytes(whole[: starts[100] + 50])
    assert "cut off within a frame: 100 whole frames (3.600 s)" in verdict(path)
    path.write_bytes(whole[: starts[50]] + bytes(2000) + whole[starts[50] + 2000 :])
    assert "are in no frame" in verdict(path)
    path.write_bytes(whole[: starts[50]] + whole[starts[53] :])
    assert "do not fit those before them" in verdict(path)


def picture_tag(n_bytes):
    """An ID3v2 tag that holds nothing but padding."""
    return (
        b"ID3\3\0\0" + bytes([0, n_bytes >> 14, n_bytes >> 7 & 127, n_bytes & 127]) + bytes(n_bytes)
    )


def test_an_mp3_is_read_to_its_end_whatever_the_decoder_takes_for_its_length(tmp_path):
    audio = np.r_[1e-4 * NOISE[:RATE], NOISE]  # the first frames are shorter than the others
    path = encoded(tmp_path, "mp3", audio, bitrate_mode="VARIABLE")
    whole = path.read_bytes()
    plain = without_header(whole)
    for content in (
        plain,  # no one says how many frames there are
        picture_tag(5000) + plain,
        plain + b"TAG" + bytes(125),
    ):
        path.write_bytes(content)
        recording = read_recording(path)
        assert recording.notes == []
        assert recording.duration_s == pytest.approx(len(audio) / RATE, abs=0.15)
    for content in (whole + whole, whole + picture_tag(5000) + whole):  # the header knows of one
        path.write_bytes(content)
        recording = read_recording(path)
        assert recording.notes == []
        assert recording.duration_s == pytest.approx(2 * len(audio) / RATE, abs=0.3)


@pytest.mark.parametrize("rest", [1, 2, 3])
def test_an_mp3_cut_off_a_few_bytes_behind_a_frame(tmp_path, rest):
    path = changed(encoded(tmp_path, "mp3"), without_header)
    whole = path.read_bytes()
    path.write_bytes(whole[: mp3_frames(whole)[100] + rest])
    assert "cut off within a frame: 100 whole frames (3.600 s)" in verdict(path)


def test_a_damaged_header_of_the_encoder(tmp_path):
    path = encoded(tmp_path, "mp3")
    whole = path.read_bytes()
    at = max(whole.find(b"Info"), whole.find(b"Xing"))
    for byte in (0, 7, 50, 142):  # its name, its flags, its table, its gaps
        content = bytearray(whole)
        content[at + byte] ^= 4
        path.write_bytes(content)
        assert "the encoder's header does not have its checksum" in verdict(path), byte


def test_frames_that_mpg123_gives_up_are_exact_zeros_from_granule_to_granule(tmp_path):
    path = changed(encoded(tmp_path, "mp3"), without_header)
    whole = path.read_bytes()
    assert verdict(path) == ""
    starts = mp3_frames(whole)

    def damaged(frames):
        content = bytearray(whole)
        for frame in frames:  # behind header and side information: no frame moves
            start, stop = starts[frame] + 40, starts[frame + 1]
            content[start:stop] = bytes(stop - start)  # codes of many bits
        return bytes(content)

    path.write_bytes(damaged([100, 101, 102]))
    assert re.search(r"of 8\.\d+ s of MP3, 0\.\d+ s could not be decoded", verdict(path))
    path.write_bytes(damaged(range(100, 140)))
    assert verdict(path).startswith("refused") and "could not be decoded" in verdict(path)


def test_digital_silence_is_no_frame_that_was_given_up(tmp_path):
    audio = NOISE.copy()
    for start in range(10):
        audio[(start + 1) * 10_000 :][: 2000 + 300 * start] = 0
    path = changed(encoded(tmp_path, "mp3", audio), without_header)
    assert verdict(path) == ""


def test_the_checksum_of_a_frame_of_mp3():
    # 64 kbit/s, 16 kHz, mono, protected; side information of zeros
    head, side = bytes([0xFF, 0xF2, 0x88, 0xC0]), bytes(9)
    state = 0xFFFF
    for bit in "".join(f"{byte:08b}" for byte in head[2:] + side):
        state = (state << 1 ^ (0x8005 if (state >> 15) ^ int(bit) else 0)) & 0xFFFF
    frame = frame_at(head, 0)
    assert checksum_fits(frame, head + state.to_bytes(2, "big") + side)
    assert not checksum_fits(frame, head + (state ^ 1).to_bytes(2, "big") + side)


def test_tags_around_an_mp3_are_no_alarm(tmp_path):
    path = encoded(tmp_path, "mp3")
    whole = path.read_bytes()
    item = struct.pack("<II", 1, 0) + b"K\0v"
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + len(item), 1, 0xA0000000) + bytes(8)
    ape += item + b"APETAGEX" + struct.pack("<IIII", 2000, 32 + len(item), 1, 0x80000000) + bytes(8)
    id3v1 = b"TAG" + bytes(125)
    lyrics = b"LYRICSBEGIN" + b"IND0000200"
    lyrics += b"%06dLYRICS200" % len(lyrics)
    picture = b"APIC" + struct.pack(">I", 300) + bytes(2) + b"\xff\xfb" * 150
    id3v2 = b"ID3\3\0\0" + bytes([0, 0, len(picture) >> 7, len(picture) & 127]) + picture
    for content in (
        whole + id3v1,
        whole + ape,
        whole + ape + id3v1,
        whole + lyrics + id3v1,
        id3v2 + whole,
        id3v2 + whole + ape + id3v1,
        whole + bytes(500),
        bytes(100) + whole,
    ):
        path.write_bytes(content)
        assert check_mp3(path).notes == []


def test_zeroed_blocks_of_adpcm_are_refused_and_a_single_one_noted(tmp_path):
    audio = 0.3 * np.random.default_rng(0).standard_normal(8 * 16_000)
    path = tmp_path / "recorder.wav"
    sf.write(path, audio, 16_000, subtype="MS_ADPCM")
    assert not [one for one in read_recording(path).notes if "ADPCM" in one]
    content = bytearray(path.read_bytes())
    block, start = int.from_bytes(content[32:34], "little"), content.index(b"data") + 8
    content[start + 9 * block : start + 10 * block] = bytes(block)
    path.write_bytes(content)
    (note,) = [one for one in read_recording(path).notes if "ADPCM" in one]
    assert note.startswith("damaged: 1 of ") and note.endswith("begin with what no encoder writes")
    content[start + 20 * block : start + 60 * block] = bytes(40 * block)
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="damaged: 41 of .* blocks of ADPCM"):
        read_recording(path)
