"""What ships is scored without PyTorch, and says what PyTorch would say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from tiny_predictor import RATE, save_predictor, voice_like

from aqp_utils.commands import cli
from aqp_utils.core.package import ASSETS
from aqp_utils.core.sealed import write_sealed
from aqp_utils.encoders import catalog, light, log_mel, session
from aqp_utils.encoders.catalog import EncoderError
from aqp_utils.model.heads import LightModel, load_light_model
from aqp_utils.model.saved import load_model
from aqp_utils.predict import shipped
from aqp_utils.predict.parts import load_parts
from aqp_utils.predict.predictor import Predictor
from aqp_utils.predict.through_torch import load_with_torch
from aqp_utils.training.field.golden import golden_clips

ROOT = Path(__file__).resolve().parents[1]
SAME_SCORE = 0.005
N_CLIPS = 200
# What the study brings and scoring does without.
STUDY = (
    "torch",
    "torchaudio",
    "transformers",
    "scipy",
    "librosa",
    "numba",
    "sklearn",
    "matplotlib",
)


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load()


@pytest.fixture(scope="module")
def with_torch():
    about = json.loads((shipped.FOLDER / "model.json").read_text("utf-8"))
    return Predictor(shipped.FOLDER, *load_with_torch(shipped.FOLDER, about, "cpu"))


@pytest.fixture
def graphs(tmp_path, monkeypatch):
    """A copy of the graphs, taken for those that ship."""
    for file in session.GRAPHS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(session, "GRAPHS", tmp_path)
    return tmp_path


def other_clips():
    """Parts of the golden clips of 0.25 to 1 s at other levels, in noise of other levels."""
    rng, clips = np.random.default_rng(15), list(golden_clips().values())
    for number in range(N_CLIPS):
        clip = clips[number % len(clips)]
        length = int(rng.uniform(0.25, 1.0) * RATE)
        start = int(rng.integers(len(clip) - length))
        noise = rng.standard_normal(length) * 10 ** rng.uniform(-5, -1)
        yield 10 ** rng.uniform(-2, 0) * (clip[start : start + length] + noise)


def test_golden_clips_have_the_scores_that_pytorch_gives(predictor, with_torch):
    for name, clip in golden_clips().items():
        one, other = (each(clip, RATE) for each in (predictor, with_torch))
        assert one.score == pytest.approx(other.score, abs=SAME_SCORE), name
        assert one.probabilities == pytest.approx(other.probabilities, abs=SAME_SCORE), name
        assert one.domain == other.domain


def test_two_hundred_other_clips_have_the_scores_that_pytorch_gives(predictor, with_torch):
    clips = list(other_clips())
    inputs = predictor.inputs(clips)
    theirs = inputs.copy()
    n_features = len(predictor.feature_names)
    theirs[:, n_features:] = np.hstack(
        [with_torch.encoder.embed(clips), with_torch.spectrogram.embed(clips)]
    )
    np.testing.assert_allclose(inputs, theirs, atol=1e-3)
    one, other = predictor.model.predict(inputs), with_torch.model.predict(theirs)
    np.testing.assert_allclose(one.score, other.score, atol=SAME_SCORE)
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=SAME_SCORE)


@pytest.mark.parametrize("layer", range(light.LightEncoder.n_layers + 1))
def test_every_layer_and_pooling_is_as_pytorch_has_it(layer):
    from aqp_utils.encoders.wav2vec2 import load_encoder

    clips = [voice_like(s, seed) for seed, s in enumerate((0.25, 0.513, 1.0, 1.0))]
    theirs = load_encoder("embedded", layer, "mean+std", "cpu", verbose=False)
    ours = light.LightEncoder(layer, "mean+std")
    np.testing.assert_allclose(ours.embed(clips), theirs.embed(clips), atol=1e-4)
    assert ours.shortest_clip == theirs.shortest_clip
    assert ours.weights_sha256 == theirs.weights_sha256


@pytest.mark.parametrize("n", [1_920, 2_559, 2_560, 4_001, 16_079])
def test_clips_of_all_lengths_give_the_frames_of_the_convolutions(n):
    from aqp_utils.encoders.wav2vec2 import load_encoder

    clip = [np.random.default_rng(n).standard_normal(n)]
    theirs = load_encoder("embedded", device="cpu", verbose=False).embed(clip)
    np.testing.assert_allclose(light.LightEncoder(3, "mean").embed(clip), theirs, atol=1e-4)


def test_clips_that_mean_nothing_are_refused_as_by_the_encoder():
    encoder = light.LightEncoder(3, "mean")
    for clip, sentence in (
        (np.zeros(100), "clip 0: 100 samples; embedded needs 1920"),
        (np.zeros((2, 4_000)), "2 axes"),
        (np.full(4_000, np.nan), "NaN or Inf"),
    ):
        with pytest.raises(EncoderError, match=sentence):
            encoder.embed([clip])


def test_mel_filters_are_those_of_torchaudio():
    import torchaudio

    settings = (log_mel.N_FFT // 2 + 1, log_mel.LOWEST_HZ, RATE / 2, log_mel.N_MELS, RATE)
    expected = torchaudio.functional.melscale_fbanks(*settings, "slaney", "slaney").numpy()
    np.testing.assert_allclose(log_mel.mel_filters(), expected, atol=1e-7)


def test_the_heads_say_what_the_network_says():
    rng = np.random.default_rng(0)
    ours, theirs = load_light_model(shipped.FOLDER), load_model(shipped.FOLDER)
    inputs = ours.mean + 3 * ours.scale * rng.standard_normal((50, len(ours.mean)))
    one, other = ours.predict(inputs), theirs.predict(inputs)
    np.testing.assert_allclose(one.score, other.score, atol=1e-4)
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
    assert one.quality == other.quality
    for name, tensor in theirs.network.state_dict().items():
        np.testing.assert_array_equal(ours.network.state_dict()[name], tensor)


def test_what_ships_is_light_and_what_a_run_trains_is_not(tmp_path):
    assert isinstance(load_parts(shipped.FOLDER)[0], LightModel)
    assert not isinstance(load_parts(save_predictor(tmp_path), "cpu")[0], LightModel)


def test_what_ships_has_no_other_device():
    with pytest.raises(ValueError, match="computes on the processor; leave out the device cuda"):
        Predictor.load(device="cuda")


# --- without the study ---------------------------------------------------------------------------


def without_the_study(code, *words):
    """Run `code` where what the study brings cannot be imported."""
    hidden = f"import sys\nfor name in {STUDY}: sys.modules[name] = None\n"
    return subprocess.run(
        [sys.executable, "-c", hidden + code, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


COMMAND = "from aqp_utils.commands.cli import main\nsys.exit(main(sys.argv[1:]))"


def test_a_recording_is_scored_without_what_the_study_brings(tmp_path, predictor):
    sf.write(tmp_path / "a.wav", voice_like(3.0), RATE)
    done = without_the_study(COMMAND, "predict", tmp_path / "a.wav", "--json", "--curve")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["recordings"]
    expected = predictor.files([tmp_path / "a.wav"], progress=False)["score"][0]
    assert row["score"] == pytest.approx(expected, abs=1e-6)


def test_scoring_imports_only_what_the_wheel_brings():
    from test_install import brought_by_the_wheel, distributions_of

    code = (
        "import sys; from aqp_utils.predict import Predictor; Predictor.load().files([]); "
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {name for name in done.stdout.split() if not name.startswith("_")}
    assert distributions_of(found - {"aqp_utils"}) <= brought_by_the_wheel()


def test_a_model_of_a_run_says_what_to_install(tmp_path):
    save_predictor(tmp_path)
    sf.write(tmp_path / "a.wav", voice_like(1.0), RATE)
    done = without_the_study(COMMAND, "predict", tmp_path / "a.wav", "--model", tmp_path)
    assert done.returncode == cli.USER_ERROR
    assert done.stderr == "aqp: aqp predict wants torch, which is not installed: " + INSTALL
    code = "from aqp_utils import Predictor\nPredictor.load(sys.argv[1])"
    said = without_the_study(code, tmp_path).stderr.splitlines()[-1] + "\n"
    assert said.startswith(f"ModuleNotFoundError: {tmp_path}: a model that a run has trained")
    assert said.endswith(INSTALL)


INSTALL = "pip install 'aqp-utils[study]'.\n"


@pytest.mark.parametrize("name", sorted(set(cli.COMMANDS) - {"predict"}))
def test_commands_that_need_the_study_say_what_to_install(name, tmp_path):
    hidden = "for name in ('filelock', 'huggingface_hub'): sys.modules[name] = None\n"
    words = {"evaluate": ["labels.csv"], "compare": ["a", "b"], "sweep": ["a.yaml"]}
    words |= {"verify": [tmp_path]}
    (tmp_path / "labels.csv").write_text("file,score\na.wav,3\n")
    done = without_the_study(hidden + COMMAND, name, *words.get(name, []))
    assert done.returncode == cli.USER_ERROR
    assert done.stderr.startswith(f"aqp: aqp {name} wants ") and done.stderr.endswith(INSTALL)
    assert done.stderr.count("\n") == 1


# --- the graphs ----------------------------------------------------------------------------------


def test_the_graphs_hold_no_weights():
    assert sum(path.stat().st_size for path in session.GRAPHS.iterdir()) < 50_000


def test_the_graphs_are_those_that_the_package_writes(tmp_path):
    pytest.importorskip("onnx")
    from aqp_utils.training.graphs import write_graphs

    write_graphs(tmp_path)
    for path in session.GRAPHS.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("name", [session.ENCODER, session.SPECTROGRAM])
def test_a_changed_or_missing_graph_is_refused(graphs, name):
    path = graphs / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(EncoderError, match=f"{name} is missing, changed or damaged; install"):
        Predictor.load()
    path.unlink()
    with pytest.raises(EncoderError, match=f"{name} is missing, changed or damaged; install"):
        Predictor.load()


def test_a_changed_file_of_the_encoder_is_refused(tmp_path, monkeypatch):
    for file in catalog.EMBEDDED_FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(catalog, "EMBEDDED_FOLDER", tmp_path)
    Predictor.load()
    for path in sorted(tmp_path.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(EncoderError, match=f"{path.name} (was|is missing,) changed") as raised:
            Predictor.load()
        assert "\n" not in str(raised.value)
        path.write_bytes(content)


def test_a_card_without_the_graph_is_refused(graphs):
    write_sealed(graphs / session.CARD, {"opset": 20, "documents": {}})
    with pytest.raises(EncoderError, match="encoder.onnx is missing, changed or damaged"):
        Predictor.load()


def test_what_cannot_be_computed_is_an_error_that_costs_one_recording(predictor):
    with pytest.raises(RuntimeError, match=r"^\[ONNXRuntimeError\][^\n]*$"):
        predictor.encoder._session(np.zeros((1, 1, 1), np.float32), "mean")


def test_weights_of_another_shape_are_refused_in_one_sentence():
    import safetensors.numpy

    tensors = safetensors.numpy.load_file(ASSETS / "predictor" / "spectrogram.safetensors")
    weights = light.spectrogram_weights(tensors)
    for wrong in (
        weights | {"frame.bias": np.zeros(7, np.float32)},
        {name: value for name, value in weights.items() if name != "frame.bias"},
    ):
        with pytest.raises(EncoderError, match="the weights do not fit the graph") as raised:
            session.Session(session.SPECTROGRAM, wrong)
        assert "\n" not in str(raised.value)
