"""What should not change a score, and by how much it does.

Every change leaves what is heard as good as it was: louder or softer, another sample rate, silence
around, more or less of the same, two equal channels. Clips go through the predictor as a user's
recording would.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import soxr

from aqp_utils.core.audio import (
    ACTIVE_LEVEL_DBFS,
    SAMPLE_RATE,
    level_of_training,
    without_silent_ends,
)
from aqp_utils.recordings.reading import from_waveform
from aqp_utils.recordings.survey import FAR_OVER

WORTH_A_WORD = 0.1  # mean |change| of the score
SILENCE_S = 1.0
NOISE_FLOOR_DBFS = ACTIVE_LEVEL_DBFS - 60  # of a quiet room in a good recording
FADE_S = 0.01  # at the joins of a repeated clip


@dataclass(frozen=True)
class Change:
    """A change that leaves the quality: audio (n,) at 16 kHz -> audio (m,) or (m, 2) at `rate_hz`.

    Attributes
    ----------
    group, name : str
    apply : callable
    rate_hz : int
    """

    group: str
    name: str
    apply: callable
    rate_hz: int = SAMPLE_RATE

    def __call__(self, audio):
        """The changed clip and its rate, as `Predictor` takes them."""
        return self.apply(audio), self.rate_hz


def gained(audio, gain_db):
    """`audio` louder by `gain_db`; what exceeds full scale stays a float and is not clipped."""
    return audio * 10 ** (gain_db / 20)


def resampled(audio, *rates_hz):
    """`audio` from 16 kHz through the given rates, ending at the last."""
    for start, end in zip((SAMPLE_RATE, *rates_hz), rates_hz, strict=False):
        audio = soxr.resample(audio, start, end)
    return audio


def with_silence(audio, before_s=0.0, after_s=0.0, level_dbfs=None):
    """`audio` with silence around: zeros, or white noise at `level_dbfs`, the same each time."""
    rng = np.random.default_rng(0)
    around = []
    for seconds in (before_s, after_s):
        silence = np.zeros(round(seconds * SAMPLE_RATE))
        if level_dbfs is not None:
            silence = 10 ** (level_dbfs / 20) * rng.standard_normal(len(silence))
        around.append(silence)
    return np.concatenate([around[0], audio, around[1]])


def of_length(audio, duration_s):
    """The first `duration_s` of `audio`, repeated end to end where it is shorter.

    Repeats overlap by 10 ms and are crossfaded with equal power, so that no join clicks.
    """
    n, fade = round(duration_s * SAMPLE_RATE), round(FADE_S * SAMPLE_RATE)
    rise = np.sqrt(np.linspace(0, 1, fade))
    longer = np.array(audio, dtype=np.float64)
    while len(longer) < n:
        join = longer[-fade:] * rise[::-1] + audio[:fade] * rise
        longer = np.concatenate([longer[:-fade], join, audio[fade:]])
    return longer[:n]


def _two_channels(audio, second):
    return np.stack([audio, second * audio], axis=1)


CHANGES = (
    *(
        Change("gain", f"{gain_db:+d} dB", lambda x, gain_db=gain_db: gained(x, gain_db))
        for gain_db in (-20, -6, 6, 20)
    ),
    Change("rate", "16 → 48 kHz", lambda x: resampled(x, 48_000), 48_000),
    Change("rate", "48 → 16 → 48 kHz", lambda x: resampled(x, 48_000, 16_000, 48_000), 48_000),
    Change("rate", "16 → 44.1 kHz", lambda x: resampled(x, 44_100), 44_100),
    Change("silence", "1 s zeros before", lambda x: with_silence(x, SILENCE_S)),
    Change("silence", "1 s zeros after", lambda x: with_silence(x, 0, SILENCE_S)),
    Change("silence", "1 s zeros around", lambda x: with_silence(x, SILENCE_S, SILENCE_S)),
    Change(
        "silence",
        "1 s quiet noise around",
        lambda x: with_silence(x, SILENCE_S, SILENCE_S, NOISE_FLOOR_DBFS),
    ),
    *(
        Change("length", f"{seconds} s", lambda x, seconds=seconds: of_length(x, seconds))
        for seconds in (1, 2, 3, 5, 10)
    ),
    Change("channels", "two equal", lambda x: _two_channels(x, 1.0)),
    Change("channels", "second silent", lambda x: _two_channels(x, 0.0)),
    Change("other", "polarity reversed", np.negative),
    Change("other", "constant offset 0.01", lambda x: x + 0.01),
)


def invariance_table(predictor, clips, changes=CHANGES):
    """Score clips as they are and changed.

    Parameters
    ----------
    predictor : Predictor
        Anything that takes (waveform, sample rate) and returns an object with score and quality.
    clips : list of ndarray, each shape (n,)
        At 16 kHz. Gains are applied to floats, which keep what exceeds full scale; a clip that
        comes out beyond ±4 is no recording any more and is left out of that row (see n).
    changes : sequence of Change

    Returns
    -------
    DataFrame, one row per change
        group, change, n (clips), mean_change and sd (of the score, changed minus as it is),
        mean_abs_change, max_abs_change, class_changes (share of clips that get another class).

    Raises
    ------
    ValueError
        If there are no clips.
    """
    if not len(clips):
        raise ValueError("there are no clips to change; give at least one.")
    clips = [np.asarray(clip, dtype=np.float64) for clip in clips]
    before = [predictor(clip, SAMPLE_RATE) for clip in clips]
    rows = []
    for change in changes:
        pairs = [
            (result, predictor(*changed))
            for clip, result in zip(clips, before, strict=True)
            if np.max(np.abs((changed := change(clip))[0])) <= FAR_OVER
        ]
        rows.append({"group": change.group, "change": change.name, **_summary(pairs)})
    return pd.DataFrame(rows)


def _summary(pairs):
    moved = np.array([after.score - before.score for before, after in pairs])
    if not len(moved):
        nothing = ("mean_change", "sd", "mean_abs_change", "max_abs_change", "class_changes")
        return {"n": 0, **dict.fromkeys(nothing, np.nan)}
    return {
        "n": len(moved),
        "mean_change": moved.mean(),
        "sd": moved.std(ddof=1) if len(moved) > 1 else np.nan,
        "mean_abs_change": np.abs(moved).mean(),
        "max_abs_change": np.abs(moved).max(),
        "class_changes": np.mean([after.quality != before.quality for before, after in pairs]),
    }


def explain(predictor, clips, change):
    """Which inputs carry a change of the score: each is changed alone, the rest stay.

    Inputs are taken over whole clips; a predictor that cuts a long one into parts and averages can
    differ a little.

    Parameters
    ----------
    predictor : Predictor
        With its model, encoder, feature_set and feature_names.
    clips : list of ndarray, each shape (n,)
    change : Change

    Returns
    -------
    DataFrame
        input (each feature by name, "embedding", "all together"), z_change (mean change in
        standard deviations of the training clips; for the embedding, and all, its root mean
        square), score_change and abs_score_change (means over clips of the change and of its
        size); the largest size first, "all together" last.
    """
    before = np.array([_inputs(predictor, clip, SAMPLE_RATE) for clip in clips])
    after = np.array([_inputs(predictor, *change(clip)) for clip in clips])
    n_features, n_inputs = len(predictor.feature_names), before.shape[1]
    columns = {name: slice(i, i + 1) for i, name in enumerate(predictor.feature_names)}
    columns |= {"embedding": slice(n_features, n_inputs), "all together": slice(0, n_inputs)}
    z = (after - before) / predictor.model.scale
    score = predictor.model.predict(before).score
    rows = []
    for name, column in columns.items():
        mixed = before.copy()
        mixed[:, column] = after[:, column]
        moved = z[:, column]
        one = moved.shape[1] == 1
        change_of_score = predictor.model.predict(mixed).score - score
        rows.append(
            {
                "input": name,
                "z_change": moved.mean() if one else np.sqrt(np.mean(moved**2)),
                "score_change": np.mean(change_of_score),
                "abs_score_change": np.mean(np.abs(change_of_score)),
            }
        )
    table = pd.DataFrame(rows)
    ranked = table[:-1].sort_values("abs_score_change", ascending=False)
    return pd.concat([ranked, table[-1:]], ignore_index=True)


def _inputs(predictor, waveform, rate_hz):
    audio = without_silent_ends(level_of_training(from_waveform(waveform, rate_hz).audio))
    return predictor.inputs([audio])[0]


def reasons(predictor, clips, table, changes=CHANGES, threshold=WORTH_A_WORD):
    """Why the score moves, for each group of changes that moves it by more than `threshold`.

    Parameters
    ----------
    predictor : Predictor
        This, `clips` and `changes` are those of `invariance_table`.
    clips : list of ndarray
    table : DataFrame
        From `invariance_table`.
    changes : sequence of Change
    threshold : float
        Mean |change| of the score.

    Returns
    -------
    DataFrame
        One row per group, for its strongest change: group, change, mean_abs_change, and the input
        that alone moves the score most, with its columns of `explain`.
    """
    by_name = {(change.group, change.name): change for change in changes}
    strong = table[table["mean_abs_change"] > threshold]
    strong = strong.sort_values("mean_abs_change", ascending=False).drop_duplicates("group")
    rows = []
    for row in strong.itertuples():
        change = by_name[row.group, row.change]
        kept = [clip for clip in clips if np.max(np.abs(change(clip)[0])) <= FAR_OVER]
        cause = explain(predictor, kept, change).iloc[0].to_dict()
        named = {"group": row.group, "change": row.change, "mean_abs_change": row.mean_abs_change}
        rows.append(named | cause)
    measured = ["z_change", "score_change", "abs_score_change"]
    return pd.DataFrame(rows, columns=["group", "change", "mean_abs_change", "input", *measured])


def verdict(table, causes, threshold=WORTH_A_WORD):
    """One sentence on what moves the score by more than `threshold`, and why.

    Parameters
    ----------
    table : DataFrame
        From `invariance_table`.
    causes : DataFrame
        From `reasons`.
    threshold : float
    """
    still = [group for group in table["group"].unique() if group not in set(causes["group"])]
    quiet = f"{_listed(still)} move it by {threshold:g} or less on average" if still else ""
    if causes.empty:
        return f"Nothing here matters: {quiet}."
    moving = "; ".join(map(_because, causes.itertuples()))
    return f"The score moves with {moving}" + (f"; {quiet}." if quiet else ".")


def _because(row):
    whole = row.input == "embedding"
    by = f"{row.z_change:.1f} sd per value" if whole else f"{row.z_change:+.1f} sd"
    return (
        f"{row.group} ({row.change}: {row.mean_abs_change:.2f} on average, most of it through "
        f"{'the ' * whole}{row.input}, which moves by {by} and alone shifts the score by "
        f"{row.abs_score_change:.2f})"
    )


def _listed(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
