"""Published predictors beside ours, where they are installed: never required, never downloaded.

DNSMOS (Reddy, Gopal, Cutler, ICASSP 2022; package speechmos) and Distill-MOS (Stahl, Gamper,
ICASSP 2025; package distillmos) bring their weights with them.
"""

import contextlib
import importlib.util
import warnings
from functools import cache

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE


def _dnsmos(audio):
    from speechmos import dnsmos

    found = dnsmos.run(np.clip(audio, -1, 1), sr=SAMPLE_RATE)
    return {"dnsmos_ovrl": found["ovrl_mos"], "dnsmos_p808": found["p808_mos"]}


@cache
def _distillmos_model():
    import distillmos

    with contextlib.redirect_stdout(None):
        return distillmos.ConvTransformerSQAModel().eval()


def _distillmos(audio):
    import torch

    with torch.inference_mode():
        score = _distillmos_model()(torch.from_numpy(np.array(audio, np.float32))[None])
    return {"distillmos": score.item()}


# package -> columns it gives, and audio (n,) at 16 kHz -> column -> score
PEERS = {
    "speechmos": (("dnsmos_ovrl", "dnsmos_p808"), _dnsmos),
    "distillmos": (("distillmos",), _distillmos),
}


def available_peers():
    """Packages of peers that are installed."""
    return [package for package in PEERS if importlib.util.find_spec(package)]


def peer_columns(packages):
    """Names of the scores that these packages give."""
    return [column for package in packages for column in PEERS[package][0]]


def peer_scores(audio, packages):
    """Scores of one recording by each peer.

    Parameters
    ----------
    audio : ndarray of float32, shape (n,)
        Mono at 16 kHz.
    packages : sequence of str
        From `available_peers`.

    Returns
    -------
    scores : dict
        Column -> score; NaN where a peer failed.
    failures : dict
        Package -> what it said, for those that failed: foreign code must not cost our own result.
    """
    scores, failures = {}, {}
    for package in packages:
        columns, score = PEERS[package]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scores |= {name: float(value) for name, value in score(audio).items()}
        except Exception as error:
            scores |= dict.fromkeys(columns, np.nan)
            failures[package] = f"{type(error).__name__}: {error}"
    return scores, failures
