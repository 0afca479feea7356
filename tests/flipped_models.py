"""Models with one bit flipped: what a disk or a copy may do to any of their files."""

import shutil
from pathlib import Path

import numpy as np

from aqp_utils.core.package import ASSETS
from aqp_utils.encoders import session
from aqp_utils.encoders.catalog import weights_in_folder
from aqp_utils.encoders.embedded import load_model as load_embedded
from aqp_utils.encoders.wav2vec2 import sha256_of_files
from aqp_utils.predict.predictor import Predictor

SHIPPED = {name: ASSETS / name for name in ("predictor", "encoder", "graphs")}


def load_predictor(folder):
    """Load the predictor in `folder`, as `aqp predict --model` does."""
    return Predictor.load(folder, device="cpu")


def load_shipped_encoder(folder):
    """Load a copy of the encoder that ships as if it were the one."""
    weights = weights_in_folder(Path(folder), "embedded")
    return load_embedded(weights, sha256_of_files(weights.files))


def load_graphs(folder):
    """Load the predictor that ships with the graphs in `folder` for its own."""
    own, session.GRAPHS = session.GRAPHS, Path(folder)
    try:
        return Predictor.load()
    finally:
        session.GRAPHS = own


LOADERS = {
    "predictor": load_predictor,
    "encoder": load_shipped_encoder,
    "graphs": load_graphs,
    "run": load_predictor,
}


def flips(folder, n, seed=0, names=None):
    """Draw `n` bits, an equal number in each file: (file, byte, bit) of every one."""
    rng = np.random.default_rng(seed)
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    files = [path for path in files if names is None or path.name in names]
    sizes = {path: path.stat().st_size for path in files}
    for number in range(n):
        path = files[number % len(files)]
        yield path, int(rng.integers(sizes[path])), int(rng.integers(8))


def flip(path, byte, bit):
    """Flip one bit of a file in place; the same call again restores it."""
    with open(path, "rb+") as file:
        file.seek(byte)
        value = file.read(1)[0]
        file.seek(byte)
        file.write(bytes([value ^ 1 << bit]))


def answer_to(load, folder, path, byte, bit):
    """What loading says of one flipped bit; the file is as it was afterwards.

    Returns
    -------
    str
        The sentence of the refusal, "accepted", or "TYPE, no sentence: …".
    """
    flip(path, byte, bit)
    try:
        load(folder)
    except (ValueError, FileNotFoundError) as error:
        sentence = str(error)
        proper = type(error) is not UnicodeDecodeError and "\n" not in sentence
        return sentence if proper else f"{type(error).__name__}, no sentence: {sentence}"
    except Exception as error:
        return f"{type(error).__name__}, no sentence: {error}"
    finally:
        flip(path, byte, bit)
    return "accepted"


def refused(answer):
    """Whether the answer is a refusal in one sentence."""
    return answer != "accepted" and ", no sentence: " not in answer


def copy_shipped(part, folder):
    """A copy of the shipped predictor or encoder in a new folder below `folder`."""
    return Path(shutil.copytree(SHIPPED[part], Path(folder) / part))
