"""Where an encoder's weights are: resolve a name to files on disk, and list what can be had here.

Only safetensors files are ever read. A pickle checkpoint can run code when it is opened, so it is
refused whatever its origin. Nothing in this module imports torch, so looking is cheap.
"""

import functools
import json
import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from aqp_utils.core.package import ASSETS

HUB_DEFAULT = "facebook/wav2vec2-base"
EMBEDDED_FOLDER = ASSETS / "encoder"
MODEL_TYPES = ("wav2vec2", "hubert", "wavlm")
HUB_WAIT_S = 4.0  # a name is decided within this time even where packets vanish
CONVERSION_BOT = "SFconvertbot"  # the hub's own safetensors converter


class EncoderError(ValueError):
    """One sentence: which encoder, what is wrong with it, and what to set instead."""


@dataclass(frozen=True)
class Weights:
    """Files of one encoder on disk: `config` (a config.json) and `files` (safetensors)."""

    config: Path
    files: tuple
    where: str

    @property
    def folder(self):
        """Folder that holds the safetensors files."""
        return self.files[0].parent


def shard_names(folder):
    """Names of the safetensors files that make up the model in `folder`; empty if it has none."""
    if (folder / "model.safetensors").exists():
        return ("model.safetensors",)
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return ()
    return tuple(sorted(set(json.loads(index.read_text())["weight_map"].values())))


def weights_in_folder(folder, name):
    """Weights of a local folder as written by ``model.save_pretrained(folder)``.

    Raises
    ------
    EncoderError
        If config.json or a safetensors file is missing, or there is only a pickle checkpoint.
    """
    if not (folder / "config.json").exists():
        raise EncoderError(
            f"ENCODER {name}: no config.json in this folder; it takes a folder written by "
            "save_pretrained()."
        )
    shards = shard_names(folder)
    if not shards and list(folder.glob("*.bin")):
        raise EncoderError(
            f"ENCODER {name}: the folder holds a pickle checkpoint (.bin) only, which is never "
            "opened; convert it once with save_pretrained() on a machine you trust."
        )
    missing = [shard for shard in shards or ("model.safetensors",) if not (folder / shard).exists()]
    if missing:
        raise EncoderError(f"ENCODER {name}: {', '.join(missing)} is missing in {folder}.")
    return Weights(folder / "config.json", tuple(folder / s for s in shards), f"folder {folder}")


def cached_weights(name):
    """Complete weights of hub model `name` in the local cache.

    A model whose safetensors live on the hub's conversion branch has its config.json in one
    snapshot and its weights in another, so all snapshots of the name are looked at together.
    `huggingface_hub.scan_cache_dir` would do, but reads every file of every model and data set
    (seconds), and leaves out a model with one broken link, which then would not be named.

    Returns
    -------
    (Weights or None, str)
        None and the reason ("not in the cache", "its cached copy is incomplete (…)").
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"
    # The newest snapshot of main comes first; sorting makes the rest reproducible.
    snapshots = sorted(repository.glob("snapshots/*"), key=lambda path: path.name)
    main = repository / "refs" / "main"
    if main.exists():
        snapshots.sort(key=lambda path: path.name != main.read_text().strip())
    config = next((s / "config.json" for s in snapshots if (s / "config.json").exists()), None)
    reason = "is not in the local cache" if not repository.exists() else "is half-downloaded"
    for snapshot in snapshots:
        shards = shard_names(snapshot)
        missing = [shard for shard in shards if not (snapshot / shard).exists()]
        if missing:
            reason = f"is half-downloaded: {', '.join(missing)} missing in {snapshot}"
        elif shards and config:
            files = tuple(snapshot / shard for shard in shards)
            return Weights(config, files, "hub cache"), ""
    return None, reason


def offline_requested():
    """Whether the environment forbids asking the hub (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)."""
    on = ("1", "true", "yes", "on")
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").lower() in on for name in names)


@functools.lru_cache
def _hub_answers(name):
    """Ask the hub once per process and name for its config.json.

    Only what a hub says counts: the file, or that it has no such model. A proxy that answers in
    its place does not. The thread bounds even a name lookup that never returns.
    """
    from huggingface_hub import constants, errors, get_hf_file_metadata

    answered = []

    def ask():
        url = f"{constants.ENDPOINT}/{name}/resolve/main/config.json"
        try:
            get_hf_file_metadata(url, token=False, timeout=HUB_WAIT_S - 1)
            answered.append(True)
        except (errors.RepositoryNotFoundError, errors.EntryNotFoundError):
            answered.append(True)
        except Exception:  # the client raises many kinds; each means that no hub has answered
            answered.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_WAIT_S)
    return answered == [True]


def hub_reachable(name=HUB_DEFAULT):
    """Whether the hub may be asked for model `name` and answers within `HUB_WAIT_S` seconds."""
    return not offline_requested() and _hub_answers(name)


def download(name):
    """Fetch config and safetensors of hub model `name` into the cache.

    Older models keep pickle weights on their main branch; their safetensors are on the pull
    request that the hub's own conversion bot opened, and are taken from there.

    Raises
    ------
    EncoderError
        If the model does not exist or has no safetensors, or the connection breaks.
    """
    from huggingface_hub import get_repo_discussions, snapshot_download

    patterns = ["config.json", "*.safetensors", "*.safetensors.index.json"]
    try:
        folder = Path(snapshot_download(name, allow_patterns=patterns))
        if not shard_names(folder):
            for request in get_repo_discussions(name, author=CONVERSION_BOT):
                if request.is_pull_request and "safetensors" in request.title:
                    revision = request.git_reference
                    snapshot_download(name, revision=revision, allow_patterns=patterns)
                    break
    except Exception as error:  # the client raises many kinds; each means "not to be had now"
        raise EncoderError(
            f"ENCODER {name}: cannot be downloaded ({type(error).__name__}); check the name and "
            "the connection, or set ENCODER to embedded."
        ) from error
    weights, reason = cached_weights(name)
    if weights is None:
        raise EncoderError(
            f"ENCODER {name}: {reason}; the hub has no complete safetensors for it, and pickle "
            "weights are never opened."
        )
    return weights


def looks_like_folder(name):
    """Whether `name` can only be a path (hub names are ``owner/model`` or ``model``)."""
    return name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1


def weights_of_hub_model(name):
    """Weights of hub model `name`, from the cache or else from the hub.

    Raises
    ------
    EncoderError
        If it is in neither, saying which of the two is wrong.
    """
    weights, reason = cached_weights(name)
    if weights is not None:
        return weights
    if not hub_reachable(name):
        unreachable = "HF_HUB_OFFLINE is set" if offline_requested() else "the hub does not answer"
        raise EncoderError(
            f"ENCODER {name}: {reason} and {unreachable}; connect once, or set ENCODER to embedded."
        )
    return download(name)


def embedded_available():
    """Whether the encoder that ships with this package is there."""
    return bool(shard_names(EMBEDDED_FOLDER))


def resolve(name):
    """Decide which encoder `name` means here and now.

    Parameters
    ----------
    name : str
        ``auto``, ``embedded``, ``random``, a folder, or a hub name.

    Returns
    -------
    (str, Weights or None, str)
        The encoder taken, its files (None for ``random``), and why.
    """
    if name == "auto":
        try:
            return HUB_DEFAULT, weights_of_hub_model(HUB_DEFAULT), "the default, available here"
        except EncoderError as error:
            why = str(error).removeprefix("ENCODER ").split(";")[0]
        name = "embedded" if embedded_available() else "random"
        return resolve(name)[:2] + (why,)
    if name == "random":
        return name, None, "asked for"
    if name == "embedded":
        if not embedded_available():
            raise EncoderError(
                f"ENCODER embedded: no weights in {EMBEDDED_FOLDER}; install the package again, "
                "or set ENCODER to auto, random, a folder or a hub name."
            )
        weights = weights_in_folder(EMBEDDED_FOLDER, name)
        return name, replace(weights, where="in this package"), "asked for"
    folder = Path(name).expanduser()
    if folder.is_dir():
        return name, weights_in_folder(folder, name), "asked for"
    if looks_like_folder(name):
        raise EncoderError(f"ENCODER {name}: there is no such folder.")
    return name, weights_of_hub_model(name), "asked for"


def cached_names():
    """Names of the wav2vec2-type models of which the local hub cache holds complete weights."""
    from huggingface_hub.constants import HF_HUB_CACHE

    names = []
    for repository in sorted(Path(HF_HUB_CACHE).glob("models--*")):
        name = repository.name.removeprefix("models--").replace("--", "/")
        weights, _ = cached_weights(name)
        if weights and json.loads(weights.config.read_text()).get("model_type") in MODEL_TYPES:
            names.append(name)
    return names
