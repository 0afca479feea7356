"""Score a recording of your own: see what the model says about it, and how far to trust that."""

import contextlib
import html
import re
import tempfile
from pathlib import Path

import ipywidgets
import numpy as np

from aqp_utils.core.audio import level_of_training, without_silent_ends
from aqp_utils.core.text import number
from aqp_utils.features.sets import FEATURE_SETS
from aqp_utils.predict import familiarity
from aqp_utils.recordings.reading import RecordingError, extensions
from aqp_utils.recordings.second_process import read_all
from aqp_utils.views.explorers import recorder
from aqp_utils.views.explorers.feature_table import feature_cells, feature_tables
from aqp_utils.views.explorers.live_picture import figure_html
from aqp_utils.views.explorers.sliders import bar, beside
from aqp_utils.views.players import player_table
from aqp_utils.views.plots.evaluation import score_curve

LONGEST_S = 120.0  # scored while someone waits
SHOWN_AS_RANGE = familiarity.FAR_Z  # standard deviations from the middle to the end of a bar


def your_audio(predictor):
    """Choose a file or record one; see class, score, score over time, features beside training.

    Whatever is wrong with a file becomes one sentence in the widget.

    Parameters
    ----------
    predictor : Predictor

    Returns
    -------
    ipywidgets.VBox
    """
    return _YourAudio(predictor).widget


def uploaded(value):
    """Name and content of the file in a FileUpload's `value`, or None.

    ipywidgets 7 gives a dict, name -> {"content": bytes}; 8 a tuple of dicts with "name" and
    "content", a memoryview.
    """
    if not value:
        return None
    if isinstance(value, dict):
        name, file = list(value.items())[-1]
    else:
        file = value[-1]
        name = file["name"]
    return name, bytes(file["content"])


def read_upload(name, content):
    """The recording in an uploaded file.

    Parameters
    ----------
    name : str
        As the browser gave it; only its ending is used.
    content : bytes

    Raises
    ------
    RecordingError
        Begins with `name`.
    """
    ending = re.sub(r"[^.\w]", "", Path(name).suffix)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{ending}"
        path.write_bytes(content)
        return _read(path, name)


def _read(path, name):
    """The recording at `path`, which errors call `name`."""
    with contextlib.closing(read_all([path])) as results:
        result = next(results)
    if isinstance(result, RecordingError):
        raise RecordingError(str(result).replace(str(path), name, 1))
    if result.duration_s > LONGEST_S:
        raise RecordingError(
            f"{name}: {result.duration_s / 60:.1f} minutes long, here at most "
            f"{LONGEST_S / 60:g} are scored; for longer ones run python -m aqp_utils predict FILE."
        )
    return result


class _YourAudio:
    """Ways in, and what is said about the recording, of `your_audio`."""

    def __init__(self, predictor):
        self._predictor = predictor
        accept = ",".join(extensions())
        self._upload = ipywidgets.FileUpload(accept=accept, multiple=False, description="Choose")
        # Jupyter drops messages over 10 MB without a word: large files come in by their path.
        self._path = ipywidgets.Text(
            description="or its path",
            placeholder="on the machine that computes; Enter",
            continuous_update=False,
            layout=ipywidgets.Layout(width="400px"),
        )
        self._said, self._player = ipywidgets.HTML(), ipywidgets.HTML()
        self._picture, self._table = ipywidgets.HTML(), ipywidgets.HTML()
        self.widget = ipywidgets.VBox(
            [
                beside(self._upload, recorder.recorder(self._on_recording), self._path),
                self._said,
                self._player,
                self._picture,
                self._table,
            ]
        )
        self._upload.observe(self._on_upload, "value")
        self._path.observe(self._on_path, "value")
        self._say(
            "WAV, FLAC, Ogg, MP3 or AIFF, any rate, any channels, up to two minutes; or record "
            f"{recorder.LONGEST_S} s. Sound goes to the machine that computes, and nowhere else."
        )

    def _on_upload(self, change):
        if file := uploaded(change["new"]):
            self._score(file[0], lambda: read_upload(*file))

    def _on_recording(self, content):
        self._score(recorder.NAME, lambda: read_upload(recorder.NAME, content))

    def _on_path(self, change):
        if name := change["new"].strip():
            self._score(name, lambda: _read(Path(name).expanduser(), name))

    def _score(self, name, read):
        """Show everything about the recording that `read` returns, or why there is nothing."""
        for part in (self._player, self._picture, self._table):
            part.value = ""
        self._say(f"Scoring {name} …")
        try:
            recording = read()
            result = self._predictor.score(recording, curve=True)
        except (ValueError, OSError, MemoryError) as error:
            self._say(str(error) or f"{name}: too large for the memory of this machine.", "#b00020")
            return
        audio = np.clip(recording.audio, -1, 1)  # as any 16-bit player does
        self._said.value = _verdict(name, result, self._predictor.level)
        self._player.value = player_table({name: audio}).data
        description = f"Spectrogram of {name} and its score over time, {result.score:.2f} overall."
        self._picture.value = figure_html(score_curve(audio, result.curve), description)
        self._table.value = _feature_table(self._predictor, recording.audio)

    def _say(self, sentence, color="inherit"):
        self._said.value = f'<p role="status" style="color:{color}">{html.escape(sentence)}</p>'


def _verdict(name, result, level):
    """Class, score with interval, probabilities, warnings and notes as HTML."""
    shares = ", ".join(f"{q} {p:.0%}" for q, p in result.probabilities.items())
    score = f"<b>{result.quality}</b> · score <b>{number(result.score)}</b>"
    if result.interval:
        low, high = result.interval
        score += f", {level:.0%} interval {number(low)} to {number(high)}"
    lines = [f"{html.escape(name)}: {score} · {shares} · {result.duration_s:.1f} s"]
    if result.domain:
        outside = html.escape("; ".join(result.domain))
        lines.append(f'<b style="color:#b00020">Unlike the training clips</b>: {outside}.')
    if result.notes:
        lines.append(html.escape("; ".join(result.notes)) + ".")
    return '<div role="status">' + "".join(f"<p>{line}</p>" for line in lines) + "</div>"


def _feature_table(predictor, audio):
    """The features of the whole recording and where they lie in the range of training."""
    features, describe = FEATURE_SETS[predictor.feature_set]
    values = describe(without_silent_ends(level_of_training(audio)))
    mean, scale = (x[: len(values)] for x in (predictor.model.mean, predictor.model.scale))
    z = (values - mean) / scale
    rows = list(map(_feature_row, features, values, mean, scale, z))
    span = f"in standard deviations, ±{SHOWN_AS_RANGE:g}"
    return feature_tables(("feature", "unit", "here", "training: mean ± sd", span), rows)


def _feature_row(feature, value, mean, scale, z):
    color = "#b00020" if abs(z) > familiarity.FAR_Z else "#0173b2"
    place = f"{bar(z / SHOWN_AS_RANGE, color)} {number(z, 1)}"
    return *feature_cells(feature), number(value), f"{number(mean)} ± {number(scale)}", place
