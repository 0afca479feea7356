"""Explorers for notebooks: choose or make a clip, see it, hear it beside its clean source.

Only what ipywidgets 7.7 and 8 share is used. Pictures come from `plots`: drawn once, then only the
moving parts are drawn again, so that a slider answers while it is still in mind.
"""

from pathlib import Path

import ipywidgets
import numpy as np

from aqp_utils.core import scale
from aqp_utils.core.audio import read_clip
from aqp_utils.data import labels
from aqp_utils.degradations.degrade import KINDS, SEVERITY_RANGES, degrade
from aqp_utils.views.explorers.live_picture import LivePicture
from aqp_utils.views.explorers.pair_picture import (
    PICTURE_INCHES,
    answer_of,
    finish,
    lay_out,
    parameter_to_strength,
    stated,
    strength_to_parameter,
)
from aqp_utils.views.explorers.sliders import beside, dropdown, strength_slider, unobserved
from aqp_utils.views.players import switched_players
from aqp_utils.views.text import parameter_text


def clip_explorer(folder_degraded, table, predict=None):
    """Walk through the clips of a run, and between them with a slider.

    A clip of `table` is shown as it lies in its file; with another kind, severity or strength the
    source is degraded on the spot, and its true class and score come from pseudo-PESQ.

    Parameters
    ----------
    folder_degraded : path
        Folder of stage 02.
    table : DataFrame
        Its clips.csv, or predictions.csv to see predictions too.
    predict : Predictor or callable, optional
        For clips that `table` has no prediction for; a callable is audio (n,) -> (class, score).

    Returns
    -------
    ipywidgets.VBox
    """
    return _ClipExplorer(Path(folder_degraded), table, answer_of(predict)).widget


class _ClipExplorer:
    """Controls, facts, players and picture of `clip_explorer`."""

    def __init__(self, folder, table, predict):
        self._folder, self._predict = folder, predict
        self._stored = table.set_index(["source", "kind", "severity"]).sort_index()
        self._clean_files = table.groupby("source")["clean_file"].first()
        first = table.iloc[0]
        self._source = dropdown("source", self._clean_files.index.tolist(), first["source"])
        self._kind = dropdown("degradation", list(KINDS), first["kind"])
        self._severity = dropdown("severity", list(SEVERITY_RANGES[KINDS[0]]), first["severity"])
        self._strength = strength_slider("strength")
        self._strength_text, self._facts = ipywidgets.Label(), ipywidgets.HTML()
        self._players = ipywidgets.HTML()
        self._picture = LivePicture(lay_out, finish, PICTURE_INCHES)
        self.widget = ipywidgets.VBox(
            [
                beside(self._source, self._kind, self._severity),
                beside(self._strength, self._strength_text),
                self._facts,
                self._players,
                self._picture.widget,
            ]
        )
        for control in (self._source, self._kind, self._severity):
            control.observe(self._on_choice, "value")
        self._strength.observe(self._on_strength, "value")
        self._on_choice({"owner": None})

    def _on_choice(self, change):
        """Source, kind or severity: the stored clip if there is one, else mid-range."""
        if change["owner"] is self._source:
            with unobserved(self._kind, self._on_choice):
                self._kind.value = self._stored.loc[self._source.value].index[0][0]
        row = self._row_of_choice()
        kind = self._kind.value
        if row is not None:
            parameter = row["parameter"]
        else:
            ends = [parameter_to_strength(kind, p) for p in self._range()]
            parameter = strength_to_parameter(kind, float(np.mean(ends)))
        with unobserved(self._strength, self._on_strength):
            self._strength.value = parameter_to_strength(kind, parameter)
        self._show(parameter, row)

    def _on_strength(self, change):
        """A strength between the severities leaves the last one standing."""
        parameter = strength_to_parameter(self._kind.value, change["new"])
        for severity, ends in SEVERITY_RANGES[self._kind.value].items():
            if min(ends) <= parameter <= max(ends):
                with unobserved(self._severity, self._on_choice):
                    self._severity.value = severity
        self._show(parameter, None)

    def _row_of_choice(self):
        key = (self._source.value, self._kind.value, self._severity.value)
        return self._stored.loc[key] if key in self._stored.index else None

    def _range(self):
        return SEVERITY_RANGES[self._kind.value][self._severity.value]

    def _show(self, parameter, row):
        kind = self._kind.value
        clean = read_clip(self._folder / self._clean_files[self._source.value])
        if row is not None:
            degraded = read_clip(self._folder / row["file"])
        else:
            degraded = degrade(clean, kind, parameter, np.random.default_rng(0))
        origin = "made now" if row is None else "clip of the study"
        self._strength_text.value = f"{parameter_text(kind, parameter)} ({origin})"
        self._players.value = switched_players({"degraded": degraded, "clean": clean}).data
        description = f"Source {self._source.value}, {kind}, {parameter_text(kind, parameter)}."
        true = stated("true", *_truth(kind, parameter, row))
        if row is not None and "predicted_score" in row:
            predicted = (row["predicted_quality"], row["predicted_score"])
            true += " · " + stated("predicted", *predicted)
            to_predict = None
        else:
            to_predict = self._predict
        self._facts.value = true
        self._picture.show([clean, degraded], description)
        if to_predict:  # takes longer than the picture, which need not wait
            self._facts.value = true + " · " + stated("predicted", *to_predict(degraded))


def _truth(kind, parameter, row):
    """True class and score: of the clip in the table, else from pseudo-PESQ."""
    if row is not None:
        return row["quality"], row["score"]
    score = float(labels.pseudo_pesq(kind, parameter))
    return str(scale.class_of_score(score)), score
