"""Explorers for notebooks: choose or make a clip, see it, hear it beside its clean source.

Only what ipywidgets 7.7 and 8 share is used. Pictures come from `plots`: drawn once, then only the
moving parts are drawn again, so that a slider answers while it is still in mind.
"""

import html
from pathlib import Path

import ipywidgets
import numpy as np

from aqp_utils.controls import bar, beside, dropdown, strength_slider, together, unobserved
from aqp_utils.core import scale
from aqp_utils.core.audio import SAMPLE_RATE, read_wav
from aqp_utils.core.text import number
from aqp_utils.data import labels
from aqp_utils.degradations.degrade import DEGRADATIONS, KINDS, SEVERITY_RANGES, degrade
from aqp_utils.explain_explorer import explain_explorer
from aqp_utils.feature_table import feature_cells, feature_tables
from aqp_utils.features.sets import FEATURE_SETS
from aqp_utils.live_picture import LivePicture, Panel
from aqp_utils.predict.predictor import Predictor
from aqp_utils.tone_lab import tone_lab
from aqp_utils.views import plots
from aqp_utils.views.players import switched_players
from aqp_utils.views.text import parameter_text
from aqp_utils.your_audio import your_audio

__all__ = ["clip_explorer", "degradation_lab", "explain_explorer", "tone_lab", "your_audio"]

PICTURE_INCHES = (12, 6.2)
AMPLITUDE_LIMIT = 0.3  # clips have an active level of -26 dBFS; few peaks reach this
# Along the way of sound: room, microphone and its noise, converter, channel, codec.
CHAIN = ("reverb", "noise", "clip", "lowpass", "compression")


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
    return _ClipExplorer(Path(folder_degraded), table, _answer(predict)).widget


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
    return _DegradationLab(clips, _answer(predict), feature_set).widget


def _answer(predict):
    """audio -> (class, score) of a predictor, or of a function that gives just that."""
    if not isinstance(predict, Predictor):
        return predict

    def answer(audio):
        result = predict(audio, SAMPLE_RATE)
        return result.quality, result.score

    return answer


def _lay_out(figure):
    """Waveform, STFT and mel spectrogram of clean and degraded, and their difference."""
    axes = figure.subplots(3, 3, height_ratios=(1, 1.7, 1.7))
    return [Panel(ax, *drawing) for ax, drawing in zip(axes.flat, _DRAWINGS, strict=False)]


def _finish(figure):
    """What the columns are, and one label for axes that share it."""
    axes = np.reshape(figure.axes, (3, 3))
    for ax, title in zip(axes[0], ("clean", "degraded", "difference"), strict=True):
        ax.set_title(title, loc="left", fontweight="bold")
    for ax in (*axes[0], *axes[1, :2]):
        ax.set_xlabel("")
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
        ax.tick_params(labelleft=False)  # the same as in the first column
    _color_bars(figure, axes)
    figure.subplots_adjust(0.055, 0.09, 0.985, 0.94, 0.1, 0.24)


CLEAN, DEGRADED = 0, 1
_DRAWINGS = (
    (lambda audio, ax: plots.waveform(audio, ax, limit=AMPLITUDE_LIMIT), [CLEAN]),
    (lambda audio, ax: plots.waveform(audio, ax, limit=AMPLITUDE_LIMIT), [DEGRADED]),
    (lambda clean, degraded, ax: plots.waveform(degraded - clean, ax, limit=AMPLITUDE_LIMIT), None),
    (lambda audio, ax: plots.spectrogram(audio, ax, colorbar=False), [CLEAN]),
    (lambda audio, ax: plots.spectrogram(audio, ax, colorbar=False), [DEGRADED]),
    (lambda clean, degraded, ax: plots.difference(clean, degraded, ax, colorbar=False), None),
    (lambda audio, ax: plots.mel_spectrogram(audio, ax, colorbar=False), [CLEAN]),
    (lambda audio, ax: plots.mel_spectrogram(audio, ax, colorbar=False), [DEGRADED]),
)


def _color_bars(figure, axes):
    """Both scales in the free corner of the grid."""
    axes[2, 2].set_axis_off()
    for ax, label, bottom in (
        (axes[1, 1], "level (dBFS)", 0.6),
        (axes[1, 2], "difference of the STFT levels (dB)", 0.1),
    ):
        inset = axes[2, 2].inset_axes((0.05, bottom, 0.9, 0.1))
        figure.colorbar(ax.images[0], cax=inset, orientation="horizontal", label=label)


def _strength_to_parameter(kind, strength):
    """Physical parameter at `strength`: 0 is the mild end of severity 1, 1 the end of 3."""
    mild, strong = _ends(kind)
    if DEGRADATIONS[kind].log_axis:
        return float(mild * (strong / mild) ** strength)
    return float(mild + (strong - mild) * strength)


def _parameter_to_strength(kind, parameter):
    mild, strong = _ends(kind)
    if DEGRADATIONS[kind].log_axis:
        share = np.log(parameter / mild) / np.log(strong / mild)
    else:
        share = (parameter - mild) / (strong - mild)
    return float(np.clip(share, 0, 1))


def _ends(kind):
    """Mildest and strongest parameter of the severity table."""
    return SEVERITY_RANGES[kind][1][0], SEVERITY_RANGES[kind][3][1]


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
        self._picture = LivePicture(_lay_out, _finish, PICTURE_INCHES)
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
            ends = [_parameter_to_strength(kind, p) for p in self._range()]
            parameter = _strength_to_parameter(kind, float(np.mean(ends)))
        with unobserved(self._strength, self._on_strength):
            self._strength.value = _parameter_to_strength(kind, parameter)
        self._show(parameter, row)

    def _on_strength(self, change):
        """A strength between the severities leaves the last one standing."""
        parameter = _strength_to_parameter(self._kind.value, change["new"])
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
        clean = read_wav(self._folder / self._clean_files[self._source.value])
        if row is not None:
            degraded = read_wav(self._folder / row["file"])
        else:
            degraded = degrade(clean, kind, parameter, np.random.default_rng(0))
        origin = "made now" if row is None else "clip of the study"
        self._strength_text.value = f"{parameter_text(kind, parameter)} ({origin})"
        self._players.value = switched_players({"degraded": degraded, "clean": clean}).data
        description = f"Source {self._source.value}, {kind}, {parameter_text(kind, parameter)}."
        true = _stated("true", *_truth(kind, parameter, row))
        if row is not None and "predicted_score" in row:
            predicted = (row["predicted_quality"], row["predicted_score"])
            true += " · " + _stated("predicted", *predicted)
            to_predict = None
        else:
            to_predict = self._predict
        self._facts.value = true
        self._picture.show([clean, degraded], description)
        if to_predict:  # takes longer than the picture, which need not wait
            self._facts.value = true + " · " + _stated("predicted", *to_predict(degraded))


def _truth(kind, parameter, row):
    """True class and score: of the clip in the table, else from pseudo-PESQ."""
    if row is not None:
        return row["quality"], row["score"]
    score = float(labels.pseudo_pesq(kind, parameter))
    return str(scale.class_of_score(score)), score


def _stated(what, quality_class, score):
    """Class and score as HTML."""
    return f"{what} <b>{html.escape(quality_class)} {number(score)}</b>"


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
        self._picture = LivePicture(_lay_out, _finish, PICTURE_INCHES)
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
            parameter = _strength_to_parameter(kind, strength)
            self._texts[kind].value = parameter_text(kind, parameter) if strength else "off"
            if strength:
                degraded = degrade(degraded, kind, parameter, np.random.default_rng(0))
        self._players.value = switched_players({"degraded": degraded, "clean": clean}).data
        self._picture.show([clean, degraded], f"{self._clip.value}, degraded by the sliders.")
        self._table.value = self._feature_table(clean, degraded)
        if self._predict:  # last, for it takes longest
            self._score.value = _stated("predicted", *self._predict(degraded))

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
