"""A trained model as two files: read, checked and sealed, whoever computes with them.

`model.safetensors` holds the weights (numbers only), `model.json` everything needed to use them:
the hashes of all other parts, and one of itself. So no part can change without being noticed.
Pickled checkpoints are never opened, because opening one can execute code.
"""

import hashlib
import json
import warnings
from pathlib import Path

from aqp_utils.core.files import sha256
from aqp_utils.core.sealed import SEAL, NotSealed, changed_file, hashes, is_whole, write_sealed
from aqp_utils.model.description import parse_description

FORMAT = 2  # of model.json; 1 had no hash of itself
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
MANIFEST = "manifest.json"  # of the stage that trained it, where it lies in a run
FIXED = ("format", "architecture", "scaler", "classes", "label_scale", "weights")
OWN = {*FIXED, "documents", SEAL}  # entries that are no part of `QualityModel.about`


def read_description(folder):
    """What the `model.json` of a model says; its weights are not looked at.

    Parameters
    ----------
    folder : path

    Returns
    -------
    description : dict
    data : bytes
        Of the file.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If the weights are a pickle, or an entry is not as it may be.
    """
    folder = Path(folder)
    _refuse_pickles(folder)
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name} is missing: a model is a folder with {DESCRIPTION} and {WEIGHTS}."
            )
    data = (folder / DESCRIPTION).read_bytes()
    return parse_description(folder / DESCRIPTION, data), data


def read_model(folder, build):
    """Read a model and check all of its parts; nothing in the files is ever executed.

    Parameters
    ----------
    folder : path
        Holds `model.json` and `model.safetensors`.
    build : callable
        (folder, description, bytes of the weights) -> what computes; raises ValueError where the
        two do not fit together.

    Returns
    -------
    object
        What `build` gives.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If the weights are a pickle, are not those that `model.json` was written with, the two
        files do not describe one network, or `model.json` or a document that it names was changed.
    """
    folder = Path(folder)
    description, data = read_description(folder)
    built = build(
        folder, description, _read_weights(folder / WEIGHTS, description["weights"]["sha256"])
    )
    # Last, for what a part says of itself is the better sentence; this finds all the rest.
    _check_whole(folder, description, data)
    return built


def about_of(description):
    """What a description says besides the network: where its inputs come from, and so on."""
    return {key: value for key, value in description.items() if key not in OWN}


def add_documents(folder, names):
    """Write into `model.json` the hashes of documents beside it, so that their change is noticed.

    Parameters
    ----------
    folder : path
        Of a model that loads.
    names : sequence of str
        Of files in `folder` such as a card; those that are not there are left out.
    """
    path = Path(folder) / DESCRIPTION
    description = parse_description(path, path.read_bytes())
    description |= {"format": FORMAT, "documents": hashes(folder, names)}
    write_sealed(path, description)


def _check_whole(folder, description, data):
    """Check `model.json`, whose bytes are `data`, and the documents beside it against its hashes.

    A model of format 1 has no hash of itself. It is loaded all the same, for training it again can
    take hours: in a run folder its manifest has one, elsewhere a warning says so.
    """
    path = folder / DESCRIPTION
    again = "restore the model's files or train the model again."
    if description["format"] == 1 and SEAL not in description:
        _check_by_manifest(path, again)
    elif not is_whole(data, description.get(SEAL)):
        raise ValueError(f"{path} was changed or damaged: its sha256 is not the one in it; {again}")
    elif problem := changed_file(folder, description.get("documents", {})):
        raise ValueError(f"{problem}, and {DESCRIPTION} beside it holds its sha256; {again}")


def _check_by_manifest(path, again):
    try:
        outputs = json.loads(path.with_name(MANIFEST).read_bytes())["outputs"]
        expected = outputs[path.name]
    except (OSError, ValueError, LookupError, TypeError):
        warnings.warn(
            f"{path} was written by an earlier version and holds no sha256 of itself: damage to it "
            "cannot be noticed; train the model again to have one.",
            NotSealed,
            stacklevel=4,
        )
        return
    if sha256(path) != expected:
        raise ValueError(
            f"{path} was changed or damaged: its sha256 is not that of {MANIFEST}; {again}"
        )


def _refuse_pickles(path):
    suffixes = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"}
    pickled = [path] if path.is_file() and path.suffix in suffixes else []
    if path.is_dir() and not (path / WEIGHTS).exists():
        pickled = [file for file in sorted(path.iterdir()) if file.suffix in suffixes]
    if pickled:
        raise ValueError(_pickle_sentence(pickled[0]))
    if path.is_file():
        raise ValueError(f"{path} is a file: a model is a folder with {DESCRIPTION} and {WEIGHTS}.")


def _pickle_sentence(path):
    return (
        f"{path} is a pickled checkpoint, which can execute code when opened, and was not "
        f"opened: only {WEIGHTS} with {DESCRIPTION} is read."
    )


def _read_weights(path, sha256):
    content = path.read_bytes()
    # A safetensors file starts with a header length of 8 bytes, the upper ones zero; a pickle
    # starts with 0x80 and its protocol followed by an opcode, a torch.save file is a zip.
    if content[:4] == b"PK\x03\x04" or (content[:1] == b"\x80" and content[2:8] != bytes(6)):
        raise ValueError(_pickle_sentence(path))
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(
            f"{path} was changed: its sha256 is not the one in {DESCRIPTION}; train the model "
            "again or restore both files."
        )
    return content
