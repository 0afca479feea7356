"""The lab: a chain of damages by sliders, seen, heard and measured."""

import ipywidgets
import numpy as np

from aqp_utils.core.text import number
from aqp_utils.degradations.degrade import degrade
from aqp_utils.features.sets import FEATURE_SETS
from aqp_utils.views.explorers.feature_table import feature_cells, feature_tables
from aqp_utils.views.explorers.live_picture import LivePicture
from aqp_utils.views.explorers.pair_picture import (
    PICTURE_INCHES,
    answer_of,
    finish,
    lay_out,
    stated,
    strength_to_parameter,
)
from aqp_utils.views.explorers.sliders import bar, beside, dropdown, strength_slider, together
from aqp_utils.views.players import switched_players
from aqp_utils.views.text import parameter_text

# Along the way of sound: room, microphone and its noise, converter, channel, codec.
CHAIN = ("reverb", "noise", "clip", "lowpass", "compression")


def degradation_lab(clips, predict=None, feature_set="psychoacoustic"):
    """Stack degradations on a clip by sliders; hear the result and watch its 19 features.

    Parameters
    ----------
    clips : dict
        Name -> clean audio (n,).
    predict : Predictor or callable, optional
        To see the score move; a callable is audio (n,) -> (class, score).
    feature_set : str
        A key of `features.FEATURE_SETS`.

    Returns
    -------
    ipywidgets.VBox
    """
    return _DegradationLab(clips, answer_of(predict), feature_set).widget


class _DegradationLab:
    """Sliders, players, picture and feature table of `degradation_lab`."""

    def __init__(self, clips, predict, feature_set):
        self._clips, self._predict = clips, predict
        self._features, self._describe = FEATURE_SETS[feature_set]
        self._clean_features = {}
        self._clip = dropdown("sound", list(clips), next(iter(clips)))
        self._sliders = {kind: strength_slider(kind) for kind in CHAIN}
        self._texts = {kind: ipywidgets.Label() for kind in CHAIN}
        self._players, self._table = ipywidgets.HTML(), ipywidgets.HTML()
        self._score = ipywidgets.HTML()
        self._picture = LivePicture(lay_out, finish, PICTURE_INCHES)
        controls = [together(self._sliders[kind], self._texts[kind]) for kind in CHAIN]
        self.widget = ipywidgets.VBox(
            [
                beside(together(self._clip), *controls),
                self._score,
                self._players,
                self._picture.widget,
                self._table,
            ]
        )
        for control in (self._clip, *self._sliders.values()):
            control.observe(self._on_change, "value")
        self._on_change(None)

    def _on_change(self, _):
        clean = degraded = self._clips[self._clip.value]
        for kind in CHAIN:
            strength = self._sliders[kind].value
            parameter = strength_to_parameter(kind, strength)
            self._texts[kind].value = parameter_text(kind, parameter) if strength else "off"
            if strength:
                degraded = degrade(degraded, kind, parameter, np.random.default_rng(0))
        self._players.value = switched_players({"degraded": degraded, "clean": clean}).data
        self._picture.show([clean, degraded], f"{self._clip.value}, degraded by the sliders.")
        self._table.value = self._feature_table(clean, degraded)
        if self._predict:  # last, for it takes longest
            self._score.value = stated("predicted", *self._predict(degraded))

    def _feature_table(self, clean, degraded):
        name = self._clip.value
        if name not in self._clean_features:
            self._clean_features[name] = self._describe(clean)
        before, after = self._clean_features[name], self._describe(degraded)
        rows = [
            _feature_row(feature, x, y)
            for feature, x, y in zip(self._features, before, after, strict=True)
        ]
        return feature_tables(("feature", "unit", "clean", "now", "change"), rows, n_tables=2)


def _feature_row(feature, before, after):
    """Name, unit, both values and a bar: change relative to the sum of both magnitudes."""
    change = (after - before) / (abs(before) + abs(after) + 1e-12)
    return *feature_cells(feature), number(before), number(after), bar(change)
