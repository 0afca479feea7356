"""Score recordings with a trained model: load once, then a waveform, a file or a folder.

A recording is cut into equal parts, as near as can be to the length of the clips of training (so
between two thirds and one and a half of it, or all of a shorter recording); its score and class
probabilities are the means over the parts. Parts 40 dB below the loudest are pauses and left out.
The curve is made of windows of training length, one every second; the score does not depend on it.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

from aqp_utils.core.audio import ACTIVE_RANGE_DB, SAMPLE_RATE, rms_dbfs
from aqp_utils.core.device import n_threads
from aqp_utils.core.scale import CLASSES
from aqp_utils.core.side_by_side import side_by_side
from aqp_utils.core.text import shown
from aqp_utils.features.sets import FEATURE_SETS, feature_names
from aqp_utils.model import conformal
from aqp_utils.model.files import DESCRIPTION
from aqp_utils.model.fusion import fused
from aqp_utils.predict import familiarity, shipped
from aqp_utils.predict.heard import heard
from aqp_utils.predict.parts import load_parts
from aqp_utils.recordings.folders import find_recordings
from aqp_utils.recordings.reading import RecordingError, from_waveform
from aqp_utils.recordings.second_process import read_all

CLIP_S = 3.0  # length of the training clips where model.json does not say
CURVE_HOP_S = 1.0
WINDOWS_AT_ONCE = 16  # bounds memory on long recordings
FILES_AT_ONCE = 4  # hides what each does alone; their windows keep all processors busy
LONG_S = 60.0  # a longer recording has windows enough, and stops when the user wants it to

SCORE_COLUMNS = ["score", "score_low", "score_high"]
TABLE_COLUMNS = [
    "file",
    "quality",
    *(f"p_{name}" for name in CLASSES),
    *SCORE_COLUMNS,
    "duration_s",
    "domain_warning",
    "notes",
    "error",
]


@dataclass(frozen=True)
class QualityScore:
    """What the predictor says about one recording.

    Attributes
    ----------
    quality : str
        The most probable class: "low", "medium" or "high".
    probabilities : dict
        Class -> probability.
    score : float
        1.0 (bad) to 4.5 (untouched).
    interval : tuple of float, or None
        Low and high end; None if the model carries no conformal quantiles, for an interval is
        measured or not given.
    duration_s : float
    curve : DataFrame or None
        start_s, end_s and score of each window (NaN in pauses).
    domain : list of str
        In what way the recording is unlike the training clips; empty if it is not.
    notes : list of str
        What was done to it.
    """

    quality: str
    probabilities: dict
    score: float
    interval: tuple | None
    duration_s: float
    curve: pd.DataFrame | None = None
    domain: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def row(self):
        """One row of the table of `Predictor.files`, as a dict."""
        low, high = self.interval or (np.nan, np.nan)
        return {
            "quality": self.quality,
            **{f"p_{name}": value for name, value in self.probabilities.items()},
            **dict(zip(SCORE_COLUMNS, (self.score, low, high), strict=True)),
            "duration_s": self.duration_s,
            "domain_warning": "; ".join(self.domain),
            "notes": "; ".join(self.notes),
            "error": "",
        }


class Predictor:
    """A trained model with its encoder; made by `Predictor.load`.

    Attributes
    ----------
    folder : Path
        Where the model came from.
    model : QualityModel or LightModel
    encoder : Encoder or LightEncoder
    spectrogram : SpectrogramEncoder, LightSpectrogram or None
        A second encoder that some models bring along.
    clip_s : float
        Length of a window (s).
    level : float or None
        Coverage of the intervals.
    """

    def __init__(self, folder, model, encoder, spectrogram=None):
        self.folder, self.model = folder, model
        self.encoder, self.spectrogram = encoder, spectrogram
        self.clip_s = float(model.about.get("clip_s", CLIP_S))
        self.conformal = model.about.get("conformal")
        self.level = self.conformal["level"] if self.conformal else None
        self.feature_set = model.about["feature_set"]
        self.feature_names = feature_names(self.feature_set)
        self._features = FEATURE_SETS[self.feature_set][1]
        self._libraries = ThreadpoolController()

    @classmethod
    def load(cls, model=None, device="auto"):
        """Load a model and the encoder it was trained with.

        Parameters
        ----------
        model : path, optional
            Folder with model.json and model.safetensors, or a run folder; default: the predictor
            that ships with this package.
        device : str
            Where a run's model computes: "auto", "cpu" or "cuda". What ships computes on the
            processor.

        Raises
        ------
        FileNotFoundError
            If there is no model.
        ModuleNotFoundError
            If it is a run's model and PyTorch is not installed.
        ValueError
            If the model is damaged, or its encoder is not the one it was trained with.
        """
        folder = _model_folder(model)
        return cls(folder, *load_parts(folder, device))

    def __call__(self, waveform, sample_rate, curve=False):
        """Score audio in memory.

        Parameters
        ----------
        waveform : array_like, shape (n,) or (n, channels)
            Floats with full scale 1.0, or integers.
        sample_rate : int
            Hz; any.
        curve : bool
            Whether to score every second too.

        Returns
        -------
        QualityScore

        Raises
        ------
        RecordingError
            If this is nothing to score: too short, no signal, not finite …
        """
        return self.score(from_waveform(waveform, sample_rate), curve)

    def files(self, paths, progress=True, curve=False, each=None):
        """Score files, and all recordings in folders, some at a time.

        Parameters
        ----------
        paths : path or iterable of paths
        progress : bool
            Show a bar.
        curve : bool
            Add the column curve: per recording a list of [start_s, score].
        each : callable, optional
            Called with every row, a dict, as soon as it is there.

        Returns
        -------
        DataFrame, one row per recording
            file, quality, p_low, p_medium, p_high, score, score_low, score_high (NaN without
            conformal quantiles), duration_s, domain_warning, notes, error. A recording that cannot
            be scored has its sentence under error and nothing else. A file named twice is scored
            once; `attrs["duplicates"]` lists such files.
        """
        found = find_recordings(paths)
        scored = tqdm(
            self._rows(found.files, curve),
            total=len(found.files),
            desc="scoring",
            unit="file",
            disable=not progress,
        )
        rows = []
        with self._one_thread_a_product():
            for row in chain(scored, rows_of_problems(found)):
                rows.append(row)
                if each:
                    each(row)
        return table_of(rows, found, curve)

    def _rows(self, paths, curve):
        """Rows of some files in order, while the next ones are read and scored."""
        at_once, under_way = min(n_threads(), FILES_AT_ONCE), deque()
        with ThreadPoolExecutor(at_once) as pool:
            for path, recording in zip(paths, read_all(paths), strict=True):
                if getattr(recording, "duration_s", 0.0) > LONG_S:
                    yield from (row.result() for row in under_way)
                    under_way.clear()
                    yield self._row(path, recording, curve)
                    continue
                under_way.append(pool.submit(self._row, path, recording, curve))
                while len(under_way) > at_once or (under_way and under_way[0].done()):
                    yield under_way.popleft().result()
            yield from (row.result() for row in under_way)

    def _one_thread_a_product(self):
        """Keep NumPy's matrix products from threads of their own, which would wait for each other.

        A clip makes small matrices, and clips go side by side.
        """
        return self._libraries.limit(limits=1, user_api="blas")

    def score(self, recording, curve=False):
        """Score a `Recording`; see `__call__`."""
        with self._one_thread_a_product():
            return self._score(recording, curve)

    def parts(self, recording):
        """The parts of a `Recording` that are scored, as windows for `inputs`: a list."""
        return self._parts_of(heard(recording.audio)[1])[0]

    def _parts_of(self, within):
        """Parts that are no pauses, how many there are with these, and the level between (dBFS)."""
        parts = list(_parts(within, round(self.clip_s * SAMPLE_RATE)).values())
        levels_dbfs = [rms_dbfs(part) for part in parts]
        floor_dbfs = max(levels_dbfs) - ACTIVE_RANGE_DB
        kept = [p for p, level in zip(parts, levels_dbfs, strict=True) if level >= floor_dbfs]
        return kept, len(parts), floor_dbfs

    def _score(self, recording, curve):
        (whole, within), length = heard(recording.audio), round(self.clip_s * SAMPLE_RATE)
        parts, n_parts, floor_dbfs = self._parts_of(within)
        scores, probabilities, inputs = self._predict(parts)
        score, probabilities = float(scores.mean()), probabilities.mean(axis=0)
        notes, outside = self._remarks(recording, inputs)
        if pauses := n_parts - len(parts):
            notes.append(f"{pauses} of {n_parts} parts are pauses and left out")
        return QualityScore(
            quality=CLASSES[int(probabilities.argmax())],
            probabilities=dict(zip(CLASSES, map(float, probabilities), strict=True)),
            score=score,
            interval=self._interval(score, outside, notes),
            duration_s=recording.duration_s,
            curve=self._curve(_every_second(whole, length), floor_dbfs) if curve else None,
            domain=outside,
            notes=notes,
        )

    def _predict(self, windows):
        """Scores, shape (n,), probabilities, shape (n, 3), and the mean input of all windows."""
        predictions, inputs_sum = [], 0.0
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            inputs = self.inputs(windows[start : start + WINDOWS_AT_ONCE])
            predictions.append(self.model.predict(inputs))
            inputs_sum = inputs_sum + inputs.sum(axis=0, dtype=np.float64)
        scores = np.concatenate([prediction.score for prediction in predictions])
        probabilities = np.concatenate([prediction.probabilities for prediction in predictions])
        return scores, probabilities, inputs_sum / len(windows)

    def _interval(self, score, outside, notes):
        """Interval of a score, None without quantiles; wider, with a note, if unlike training."""
        if not self.conformal:
            return None
        factor = self.conformal.get("unlike", 1.0)
        if outside and factor >= 1.05:  # less would not be seen
            notes.append(f"unlike training: interval {factor:.2g} times as wide")
        return conformal.interval(self.conformal, score, unlike=bool(outside))

    def _curve(self, windows, floor_dbfs):
        """Start, end and score of windows (start -> audio); NaN in those below `floor_dbfs`."""
        starts, windows = list(windows), list(windows.values())
        table = pd.DataFrame(
            {
                "start_s": [start / SAMPLE_RATE for start in starts],
                "end_s": [
                    (start + len(x)) / SAMPLE_RATE for start, x in zip(starts, windows, strict=True)
                ],
                "score": np.nan,
            }
        )
        sounding = np.array([rms_dbfs(window) >= floor_dbfs for window in windows])
        if sounding.any():
            scores, _, _ = self._predict([windows[i] for i in np.flatnonzero(sounding)])
            table.loc[sounding, "score"] = scores
        return table

    def _row(self, path, recording, curve):
        try:
            if isinstance(recording, RecordingError):
                raise recording
            result = self._score(recording, curve)
        except (ValueError, ArithmeticError, MemoryError, OSError, RuntimeError) as error:
            # A RecordingError, what features and encoder refuse, or no memory to compute in: the
            # other files shall not pay for it.
            sentence, name = shown(error), shown(path)
            if not isinstance(error, ValueError):
                sentence = f"it cannot be scored ({type(error).__name__}: {sentence})."
            named = sentence if sentence.startswith(name) else f"{name}: {sentence}"
            return {"file": name, "error": named}
        row = {"file": shown(path), **result.row()}
        if curve:
            points = result.curve[["start_s", "score"]].astype(object)
            row["curve"] = points.where(points.notna(), None).to_numpy().tolist()
        return row

    def inputs(self, windows):
        """What the network is given of each window.

        Parameters
        ----------
        windows : list of array_like, each shape (n_i,)
            16 kHz, at the level of training; made arrays a few at a time.

        Returns
        -------
        ndarray, shape (len(windows), n_inputs)
            The features first, then the embeddings; not standardised.
        """
        parts = []
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            part = [np.asarray(window) for window in windows[start : start + WINDOWS_AT_ONCE]]
            features = side_by_side(self._features, part)  # while the encoders compute
            embedded = [self.encoder.embed(part)]
            if self.spectrogram is not None:
                embedded.append(self.spectrogram.embed(part))
            parts.append(fused(list(features), *embedded))
        return np.concatenate(parts)

    def _remarks(self, recording, inputs):
        n_features = len(self.feature_names)
        z, far = familiarity.distances(inputs, self.model.mean, self.model.scale, n_features)
        outside = familiarity.domain_warnings(z, far, self.feature_names)
        mean, scale = self.model.mean[n_features:], self.model.scale[n_features:]
        detector = self.model.about.get("speech")
        outside += familiarity.speech_warnings(inputs[n_features:], mean, scale, detector)
        return list(recording.notes), outside + familiarity.recording_warnings(
            recording, self.clip_s
        )


def rows_of_problems(found):
    """Rows of the table for the names that lead to no recording, a list of dict."""
    return [{"file": shown(path), "error": why} for path, why in found.problems.items()]


def table_of(rows, found, curve):
    """The table of `Predictor.files`.

    Parameters
    ----------
    rows : list of dict
        Of recordings and problems.
    found : Found
    curve : bool
        Whether there is a column of curves.

    Returns
    -------
    DataFrame
    """
    table = pd.DataFrame(rows, columns=TABLE_COLUMNS + ["curve"] * curve)
    texts = ["quality", "domain_warning", "notes", "error"]
    table = table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))
    numbers = [name for name in TABLE_COLUMNS[1:] if name not in texts]
    table = table.astype(dict.fromkeys(numbers, float))
    table.attrs["duplicates"] = [shown(path) for path in found.duplicates]
    return table


def _model_folder(model):
    if model is None:
        if not (shipped.FOLDER / DESCRIPTION).is_file():
            raise FileNotFoundError(
                f"the predictor that ships is missing from {shipped.FOLDER}: install the package "
                "again, or name one that a run has trained, e.g. --model outputs/run/04_model (in "
                "Python: Predictor.load('outputs/run/04_model'))."
            )
        return shipped.FOLDER
    folder = Path(model)
    if not folder.exists():
        raise FileNotFoundError(
            f"{folder} does not exist; a model is a folder with {DESCRIPTION}, such as "
            "outputs/run/04_model."
        )
    inside = [folder / "04_model", folder / "field" / "predictor"]
    return next((path for path in inside if (path / DESCRIPTION).is_file()), folder)


def _parts(audio, length):
    """Cut `audio` into equal parts nearest to `length` samples: start -> part.

    The remainder of the division, less than a sample per part, is not heard.
    """
    n_parts = max(1, round(len(audio) / length))
    size = len(audio) // n_parts
    return {start: audio[start : start + size] for start in range(0, n_parts * size, size)}


def _every_second(audio, length):
    """Windows of `length` samples (or all of a shorter `audio`), one a second: start -> window."""
    hop = round(CURVE_HOP_S * SAMPLE_RATE)
    last = max(0, len(audio) - length)
    return {start: audio[start : start + length] for start in range(0, last + 1, hop)}


def find_predictor(out=None):
    """The model of a run, or else the one that ships with the package.

    Parameters
    ----------
    out : path, optional
        Run folder; without a model in it, or without a folder, it is the one that ships.

    Returns
    -------
    predictor : Predictor or None
    problem : str or None
        Why there is none, in one sentence.
    """
    trained = out is not None and (Path(out) / "04_model" / DESCRIPTION).is_file()
    try:
        return Predictor.load(out if trained else None), None
    except (OSError, ValueError) as error:
        return None, f"No model to score with: {error}"
