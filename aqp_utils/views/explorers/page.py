"""All explorers on one page, as far as a run has what they need; apps/explore.ipynb shows it."""

import html
from pathlib import Path

import ipywidgets
import numpy as np
import pandas as pd

from aqp_utils.predict.predictor import find_predictor
from aqp_utils.sources.formant_voice import speech_clip
from aqp_utils.sources.tones import tone_clip
from aqp_utils.views import plots
from aqp_utils.views.explorers import (
    clip_explorer,
    degradation_lab,
    explain_explorer,
    tone_lab,
    your_audio,
)

CLIP_S = 3.0


def explorer_tabs(out):
    """Tone lab, degradation lab, clip explorer, why this score and your audio as tabs.

    What a run has not made yet, or cannot be read, is a sentence under its tab. Your audio is
    scored by the predictor that ships, everything else by the model of the run.

    Parameters
    ----------
    out : path
        Run folder.

    Returns
    -------
    ipywidgets.Tab
    """
    plots.set_style()
    out = Path(out)
    predictor, problem = find_predictor(out)
    pages = {
        "Tone lab": tone_lab(),
        "Degradation lab": _degradation_lab(predictor),
        "Clip explorer": _clip_explorer(out, predictor),
        "Why this score?": _explain_explorer(out, predictor, problem),
        "Your audio": _your_audio(),
    }
    tabs = ipywidgets.Tab(list(pages.values()))
    for position, title in enumerate(pages):
        tabs.set_title(position, title)  # 7.7 has no other way
    return tabs


def _degradation_lab(predictor):
    rng = np.random.default_rng(0)
    clips = {"tones": tone_clip(CLIP_S, rng)[0], "speech-like": speech_clip(CLIP_S, rng)[0]}
    return degradation_lab(clips, predictor)


def _clip_explorer(out, predictor):
    """On the test clips with their predictions where there are any, else on all clips."""
    tables = (out / "05_report" / "predictions.csv", out / "02_degraded" / "clips.csv")
    for path in tables:
        if path.is_file():
            return clip_explorer(out / "02_degraded", pd.read_csv(path), predictor)
    return _sentence(f"{out} has no clips yet: make run, or name another folder.")


def _explain_explorer(out, predictor, problem):
    """On the test clips of the run."""
    table = out / "05_report" / "predictions.csv"
    if predictor is None or not table.is_file():
        return _sentence(problem or f"{out} has no predictions yet: make run, or name another.")
    return explain_explorer(predictor, out / "02_degraded", pd.read_csv(table))


def _your_audio():
    """With the predictor that ships, whatever the run has heard: it was made for recordings."""
    predictor, problem = find_predictor()
    return your_audio(predictor) if predictor else _sentence(problem)


def _sentence(text):
    return ipywidgets.HTML(f"<p>{html.escape(text)}</p>")
