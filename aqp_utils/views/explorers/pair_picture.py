"""The picture of a clip beside its clean source that explorers draw again and again."""

import html

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE
from aqp_utils.core.text import number
from aqp_utils.degradations.degrade import DEGRADATIONS, SEVERITY_RANGES
from aqp_utils.predict.predictor import Predictor
from aqp_utils.views import plots
from aqp_utils.views.explorers.live_picture import Panel

PICTURE_INCHES = (12, 6.2)
AMPLITUDE_LIMIT = 0.3  # clips have an active level of -26 dBFS; few peaks reach this
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


def answer_of(predict):
    """audio -> (class, score) of a predictor, or of a function that gives just that."""
    if not isinstance(predict, Predictor):
        return predict

    def answer(audio):
        result = predict(audio, SAMPLE_RATE)
        return result.quality, result.score

    return answer


def lay_out(figure):
    """Waveform, STFT and mel spectrogram of clean and degraded, and their difference."""
    axes = figure.subplots(3, 3, height_ratios=(1, 1.7, 1.7))
    return [Panel(ax, *drawing) for ax, drawing in zip(axes.flat, _DRAWINGS, strict=False)]


def finish(figure):
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


def _color_bars(figure, axes):
    """Both scales in the free corner of the grid."""
    axes[2, 2].set_axis_off()
    for ax, label, bottom in (
        (axes[1, 1], "level (dBFS)", 0.6),
        (axes[1, 2], "difference of the STFT levels (dB)", 0.1),
    ):
        inset = axes[2, 2].inset_axes((0.05, bottom, 0.9, 0.1))
        figure.colorbar(ax.images[0], cax=inset, orientation="horizontal", label=label)


def strength_to_parameter(kind, strength):
    """Physical parameter at `strength`: 0 is the mild end of severity 1, 1 the end of 3."""
    mild, strong = _ends(kind)
    if DEGRADATIONS[kind].log_axis:
        return float(mild * (strong / mild) ** strength)
    return float(mild + (strong - mild) * strength)


def parameter_to_strength(kind, parameter):
    """Strength from 0 to 1 at a physical parameter: the way back of `strength_to_parameter`."""
    mild, strong = _ends(kind)
    if DEGRADATIONS[kind].log_axis:
        share = np.log(parameter / mild) / np.log(strong / mild)
    else:
        share = (parameter - mild) / (strong - mild)
    return float(np.clip(share, 0, 1))


def _ends(kind):
    """Mildest and strongest parameter of the severity table."""
    return SEVERITY_RANGES[kind][1][0], SEVERITY_RANGES[kind][3][1]


def stated(what, quality_class, score):
    """Class and score as HTML."""
    return f"{what} <b>{html.escape(quality_class)} {number(score)}</b>"
