"""Length costs no memory: long audio waits in a file, and scores are those of an array."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from tiny_predictor import RATE, save_predictor, voice_like

from aqp_utils.core.audio import level_of_training, without_silent_ends
from aqp_utils.predict.heard import heard
from aqp_utils.predict.predictor import Predictor
from aqp_utils.recordings import stored
from aqp_utils.recordings.reading import read_recording
from aqp_utils.recordings.second_process import read_all
from aqp_utils.recordings.stored import StoredAudio, collect

ROOT = Path(__file__).parents[1]
LARGEST_MB = 500  # of memory that the predictor that ships takes, whatever the length
GROWTH_MB = 250  # address space that scoring may take beyond the loaded model
MINUTES = 30


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return Predictor.load(save_predictor(tmp_path_factory.mktemp("model")), device="cpu")


def test_stored_audio_is_its_array():
    blocks = np.split(voice_like(400.0), [5, 100_000, 4_000_000])
    audio, array = collect(blocks), np.concatenate(blocks)
    assert isinstance(audio, StoredAudio) and len(audio) == len(array)
    for part in (slice(None), slice(10, 20), slice(-7, None), slice(9, 3), slice(100, 200, 3)):
        assert np.array_equal(audio[part], array[part])
    assert np.array_equal(np.asarray(audio), array) and audio[77] == array[77]
    assert isinstance(collect(blocks[:2]), np.ndarray) and len(collect([])) == 0


def test_long_and_short_are_scored_alike(predictor, tmp_path, monkeypatch):
    sf.write(tmp_path / "a.wav", np.r_[np.zeros(RATE), voice_like(7.3), np.zeros(99)], RATE)
    array = read_recording(tmp_path / "a.wav")
    monkeypatch.setattr(stored, "IN_MEMORY_S", 1.0)
    (file,) = read_all([tmp_path / "a.wav"])
    assert isinstance(file.audio, StoredAudio) and isinstance(array.audio, np.ndarray)
    one, other = (predictor.score(recording, curve=True) for recording in (array, file))
    assert one.score == other.score and one.curve.equals(other.curve)


@pytest.mark.parametrize("ends_s", [0.0, 0.513])
def test_what_is_heard_is_what_the_clips_of_training_are(ends_s):
    silence = np.zeros(int(ends_s * RATE), np.float32)
    audio = np.concatenate([silence, 0.1 * voice_like(2.01), silence])
    whole, within = heard(audio)
    levelled = level_of_training(audio)
    np.testing.assert_allclose(np.asarray(whole), levelled, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(within), without_silent_ends(levelled), rtol=1e-6)


def test_no_room_for_a_long_recording_is_a_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stored, "IN_MEMORY_S", 1.0)
    monkeypatch.setattr(stored.tempfile, "TemporaryFile", lambda: type("F", (), {"write": full})())
    for name in ("a.wav", "b.wav"):
        sf.write(tmp_path / name, voice_like(3.0), RATE)
    first, second = read_all([tmp_path / "a.wav", tmp_path / "b.wav"])
    for name, result in (("a.wav", first), ("b.wav", second)):
        assert str(result).startswith(f"{tmp_path / name}: its audio needs more than")
        assert "TMPDIR names another folder" in str(result)


def test_half_an_hour_is_scored_within_a_limit_of_address_space(tmp_path):
    pytest.importorskip("resource")
    if not sys.platform.startswith("linux"):
        pytest.skip("limits of address space are those of Linux")
    minute = (20_000 * voice_like(60.0) / np.abs(voice_like(60.0)).max()).astype(np.int16)
    with sf.SoundFile(tmp_path / "long.wav", "w", RATE, 1) as file:
        for _ in range(MINUTES):
            file.write(minute)
    save_predictor(tmp_path / "model", clip_s=1.0)
    # What the network is given of a batch does not grow with the length, but would take minutes.
    code = (
        "import resource, sys\n"
        "import numpy as np\n"
        "from aqp_utils.predict.predictor import Predictor\n"
        "predictor = Predictor.load(sys.argv[1], device='cpu')\n"
        "powers = lambda windows: [np.full(51, np.mean(np.square(x))) for x in windows]\n"
        "predictor.inputs = lambda windows: np.array(powers(windows))\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (used + {GROWTH_MB} * 2**20,) * 2)\n"
        "table = predictor.files([sys.argv[2]], progress=False)\n"
        "print(table['duration_s'][0], table['error'][0])"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "model"), str(tmp_path / "long.wav")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == [f"{60.0 * MINUTES}"], done.stdout + done.stderr[-2000:]


def test_an_hour_is_scored_by_what_ships_in_little_memory(tmp_path):
    pytest.importorskip("resource")
    if not sys.platform.startswith("linux"):
        pytest.skip("elsewhere the peak of memory is counted otherwise")
    # One minute in twelve sounds: the encoders see five of them, or this would take minutes.
    minute = (2_000 * voice_like(60.0)).clip(-32_000, 32_000).astype(np.int16)
    with sf.SoundFile(tmp_path / "hour.wav", "w", RATE, 1) as file:
        for number in range(60):
            file.write(minute if number % 12 == 0 else minute // 4_000)
    # The peak as the kernel has it of this program; that of getrusage includes who started it.
    code = (
        "import re, resource, sys\n"
        "from aqp_utils.predict.predictor import Predictor\n"
        "table = Predictor.load().files([sys.argv[1]], progress=False)\n"
        "own_kb = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]\n"
        "reader_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(table['duration_s'][0], table['error'][0], own_kb, reader_kb)"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "hour.wav")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    duration_s, *peaks_kb = done.stdout.split()
    assert float(duration_s) == 3_600, done.stdout + done.stderr[-2000:]
    assert max(map(int, peaks_kb)) / 1024 < LARGEST_MB
