"""Damage and sounds that no training clip had: other noise colours, codecs, the other family.

For codecs and coloured noise on tones nobody has measured a score, so only the order can be
judged: a source damaged more must score lower. White noise, which is trained on, stands beside
them.
"""

import numpy as np
import pandas as pd

from aqp_utils.core.audio import SAMPLE_RATE, rms_dbfs, set_level_dbfs
from aqp_utils.core.randomness import rng_for
from aqp_utils.data.labels import pseudo_pesq
from aqp_utils.data.split import TEST, TRAIN, grouped_split
from aqp_utils.degradations.catalogue import TRAINED_ON, UNSEEN
from aqp_utils.degradations.degrade import KINDS
from aqp_utils.evaluation import counted
from aqp_utils.evaluation.bootstrap import bootstrap_interval
from aqp_utils.evaluation.experiments import UNUSED, select_inputs, train_and_predict
from aqp_utils.evaluation.metrics import spearman

# --- other damage --------------------------------------------------------------------------------


DAMAGES = UNSEEN  # the name that notebooks know it by
REFERENCE = "white-noise label"


def unseen_predictions(predictor, clips, seed=0, damages=UNSEEN):
    """Score clean sources under every damage at every step, back at the level of the source.

    Parameters
    ----------
    predictor : Predictor
    clips : dict
        Source (int) -> clean audio, shape (n,), 16 kHz.
    seed : int
        One stream of noise per source and damage: the steps differ in level alone.
    damages : dict
        Name -> UnseenDamage.

    Returns
    -------
    DataFrame
        source, damage, parameter, unit, step (0 the mildest), predicted_score, predicted_quality,
        and "white-noise label": for white and pink noise, the label of white noise at this SNR; for
        pink a rough reference only, as its colour hides elsewhere.
    """
    rows = []
    for position, (name, damage) in enumerate(damages.items()):
        for source, audio in clips.items():
            audio = np.asarray(audio, dtype=np.float64)
            for step, parameter in enumerate(damage.steps):
                rng = rng_for(seed, "degrade", source, len(KINDS) + position)
                damaged = set_level_dbfs(damage.apply(audio, parameter, rng), rms_dbfs(audio))
                result = predictor(damaged, SAMPLE_RATE)
                rows.append(
                    {
                        "source": source,
                        "damage": name,
                        "parameter": parameter,
                        "unit": damage.unit,
                        "step": step,
                        "predicted_score": result.score,
                        "predicted_quality": result.quality,
                        REFERENCE: _reference(name, parameter),
                    }
                )
    return pd.DataFrame(rows)


def _reference(name, parameter):
    return pseudo_pesq("noise", parameter) if name in (TRAINED_ON, "pink noise") else np.nan


def _order_of_sources(table):
    """How far the scores of each source follow the steps: one row per source."""
    scores = table.pivot(index="source", columns="step", values="predicted_score")
    scores = scores.loc[table["source"].unique()]
    mild, severe = np.triu_indices(scores.shape[1], k=1)
    steps, values = np.arange(scores.shape[1]), scores.to_numpy()
    return pd.DataFrame(
        {
            "source": scores.index,
            # One score for all steps has no order: 0.
            "spearman": np.nan_to_num([spearman(-steps, row) for row in values]),
            "pairs_in_order": (values[:, mild] > values[:, severe]).mean(axis=1),
        }
    )


def _mean_order(sources, counts):
    return {
        name: counted.mean(counts, sources[name].to_numpy())
        for name in ("spearman", "pairs_in_order")
    }


def unseen_order(table, n_draws, rng):
    """How far the scores follow each damage.

    Parameters
    ----------
    table : DataFrame
        From `unseen_predictions`.
    n_draws : int
        Bootstrap draws of sources.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame, one row per damage
        damage, n_sources; spearman (ρ of score and mildness per source, mean; 0 where all steps
        score the same) and pairs_in_order (share of pairs of steps; ties are not), each with _low
        and _high (95 % interval over sources); mildest and severest (mean score at the ends);
        reference_error (mean of score minus white-noise label, NaN where there is none).
    """
    rows = []
    for damage, part in table.groupby("damage", sort=False):
        sources = _order_of_sources(part)
        intervals = bootstrap_interval(_mean_order, sources, "source", n_draws, rng)
        ends = part.groupby("step")["predicted_score"].mean()
        row = {"damage": damage, "n_sources": len(sources)}
        for name, entry in intervals.iterrows():
            row |= {name: entry.estimate, f"{name}_low": entry.low, f"{name}_high": entry.high}
        row |= {"mildest": ends.iloc[0], "severest": ends.iloc[-1]}
        row["reference_error"] = (part["predicted_score"] - part[REFERENCE]).mean()
        rows.append(row)
    return pd.DataFrame(rows)


# --- the other family ----------------------------------------------------------------------------


def cross_family(families, inputs, training, seeds):
    """Train on each family and test on all of them.

    Both learn from as many sources per kind as the smaller family has, and both are tested on the
    same clips of a family, so that rows of one tested family differ in the training alone.

    Parameters
    ----------
    families : dict
        Name -> (features, clips), from `small_study.of_family`, or arrays and table of a run.
    inputs : str
        As `experiments.Trial.inputs`.
    training : experiments.Training
    seeds : iterable of int

    Returns
    -------
    DataFrame
        As `experiments.run`: experiment "family", condition "tones → speech" (trained → tested),
        seed, judged, then the columns of `prediction_table`, and n_train (clips).
    """
    arrays, clips = _side_by_side(families, inputs)
    tables = []
    for seed in seeds:
        own = pd.Series(index=clips.index, dtype=object)
        for _, part in clips.groupby("family", sort=False):
            own[part.index] = grouped_split(part, training.test_share, seed)
        for trained in families:
            is_trained = clips["family"] == trained
            parts = np.where(own == TEST, TEST, np.where(is_trained, TRAIN, UNUSED))
            table = train_and_predict(arrays, clips, parts, training, seed)
            table["condition"] = trained + " → " + table["family"]
            tables.append(table.assign(seed=seed, n_train=int(np.sum(parts == TRAIN))))
    return pd.concat(tables, ignore_index=True).assign(experiment="family", judged=True)


def _side_by_side(families, inputs):
    """Inputs (n, n_inputs) and clips of all families, the same number of sources per kind."""
    counts = [
        clips.groupby("kind")["source"].nunique().rename(name)
        for name, (_, clips) in families.items()
    ]
    n_sources = pd.concat(counts, axis=1).min(
        axis=1, skipna=False
    )  # NaN, so none, of a kind that one lacks
    arrays, tables, first_source = [], [], 0
    for name, (features, clips) in families.items():
        clips = clips.reset_index(drop=True)
        rank = clips.groupby("kind")["source"].rank(method="dense")
        taken = (rank <= clips["kind"].map(n_sources)).to_numpy()
        arrays.append(select_inputs(features, clips, inputs)[taken])
        table = clips[taken].assign(family=name, source=clips["source"][taken] + first_source)
        first_source = table["source"].max() + 1
        tables.append(table)
    return np.concatenate(arrays), pd.concat(tables, ignore_index=True)
