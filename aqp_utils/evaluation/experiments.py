"""What each ingredient is worth: many small trainings, planned first and run together.

A plan is a list of `Trial`s. `run` trains one network per trial and returns the predictions of
all of them on their test clips; `comparison` turns those into tables. Everything works on arrays:
the arrays of features.npz and the table of degraded clips.
"""

from dataclasses import asdict, dataclass, field, replace

import joblib
import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from aqp_utils.core.scale import class_indices
from aqp_utils.data.split import TEST, TRAIN, check_disjoint, grouped_split
from aqp_utils.model.fusion import fused
from aqp_utils.model.network import Examples, MultiTaskNet, fit
from aqp_utils.model.prediction import from_logits, prediction_table

FUSED = "psychoacoustic + embedding"
INPUTS = (FUSED, "psychoacoustic", "embedding", "classic", "classic + embedding")
SCORE_WEIGHTS = (0.0, 0.1, 0.5, 1.0, 2.0)
UNUSED = "unused"  # clips that are neither trained on nor tested


@dataclass(frozen=True)
class Training:
    """Settings of one training; the arguments of `MultiTaskNet`, `fit` and `grouped_split`."""

    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 1e-4
    hidden: tuple = (512, 256)
    dropout: float = 0.3
    score_weight: float = 0.5
    class_weight: float = 1.0
    test_share: float = 0.2

    def __post_init__(self):
        object.__setattr__(self, "hidden", tuple(self.hidden))


@dataclass(frozen=True)
class Trial:
    """One network to train and test.

    Attributes
    ----------
    experiment, condition : str
        Where its results belong.
    seed : int
        Of the split, the initial weights, the order of the batches and dropout.
    inputs : str
        Features joined by " + ": embedding, psychoacoustic, classic, "layer 0", "layer 1", …
        (embedding of one hidden layer), or label (the score itself, for control).
    training : Training
    held_out : tuple, optional
        (column, value): clips with this value are never trained on.
    shuffled : bool
        Train and test on labels dealt out at random, for control.
    """

    experiment: str
    condition: str
    seed: int
    inputs: str = FUSED
    training: Training = field(default_factory=Training)
    held_out: tuple | None = None
    shuffled: bool = False


def plan_inputs(seeds, training, names=INPUTS):
    """Which features: embedding, psychoacoustic, classic, alone and fused."""
    return [Trial("inputs", name, seed, name, training) for name in names for seed in seeds]


def plan_layers(seeds, training, n_layers):
    """Which layer of the encoder: the embedding of each hidden layer, 0 the first, alone."""
    names = [f"layer {layer}" for layer in range(n_layers)]
    return [Trial("layers", name, seed, name, training) for name in names for seed in seeds]


def plan_losses(seeds, training, score_weights=SCORE_WEIGHTS, inputs=FUSED):
    """Which loss: λ from none (class head only) upward, and the score head only."""
    losses = {
        f"λ = {weight:g}" + (" (class only)" if weight == 0 else ""): replace(
            training, score_weight=weight, class_weight=1.0
        )
        for weight in score_weights
    }
    losses["score only"] = replace(training, score_weight=1.0, class_weight=0.0)
    return [
        Trial("losses", name, seed, inputs, loss) for name, loss in losses.items() for seed in seeds
    ]


def plan_held_out(seeds, training, clips, column, inputs=FUSED):
    """Leave one value of a column of `clips` out of the training, each in turn.

    "kind" leaves one degradation out, "severity" one severity; any other column serves as well.
    """
    values = pd.unique(clips[column]).tolist()
    return [
        Trial(f"unseen {column}", str(value), seed, inputs, training, held_out=(column, value))
        for value in values
        for seed in seeds
    ]


def plan_controls(seeds, training, inputs=FUSED):
    """Two answers known beforehand: labels dealt at random, and the label given as a feature."""
    return [
        trial
        for seed in seeds
        for trial in (
            Trial("controls", "labels shuffled", seed, inputs, training, shuffled=True),
            Trial("controls", "label as feature", seed, "label", training),
        )
    ]


def select_inputs(features, clips, names):
    """Columns of the named features side by side.

    Parameters
    ----------
    features : mapping of ndarray
        embedding (n, 768), psychoacoustic (n, 19), classic (n, 19), embedding_layers (n, L, 768);
        only those that are named need be there.
    clips : DataFrame, n rows
    names : str
        As `Trial.inputs`.

    Returns
    -------
    ndarray, shape (n, n_inputs)

    Raises
    ------
    ValueError
        If a name is unknown or an array has not one row per clip.
    """
    columns = [_input(features, clips, name) for name in names.split(" + ")]
    for name, array in zip(names.split(" + "), columns, strict=True):
        if len(array) != len(clips):
            raise ValueError(f"features {name!r} have {len(array)} rows for {len(clips)} clips.")
    return fused(*columns)


def _input(features, clips, name):
    if name == "label":
        return clips[["score"]].to_numpy()
    if name.startswith("layer ") and "embedding_layers" in features:
        layers = np.asarray(features["embedding_layers"])
        layer = int(name.removeprefix("layer "))
        if 0 <= layer < layers.shape[1]:
            return layers[:, layer]
    elif name in ("embedding", "psychoacoustic", "classic") and name in features:
        return np.asarray(features[name])
    raise ValueError(f"there are no features {name!r}; at hand: {', '.join(sorted(features))}.")


def held_out_parts(clips, column, value, test_share, seed):
    """Parts of a training that never meets one value of a column.

    Where sources have the value or not as a whole (kinds: one per source), all sources with it
    are tested. Where every source has all values (severities), the test sources of the usual
    split are tested, and neither side of the split trains on the value.

    Returns
    -------
    ndarray of str, shape (n,)
        "train", "test" or "unused". Test holds the siblings of the held-out clips as well.

    Raises
    ------
    ValueError
        If no clip has the value, or none is left to train on.
    """
    has_value = (clips[column] == value).to_numpy()
    if not has_value.any():
        raise ValueError(f"no clip has {column} {value!r}; there is nothing to hold out.")
    tested = clips["source"].isin(clips["source"][has_value]).to_numpy()
    if (tested != has_value).any() or tested.all():
        tested = grouped_split(clips, test_share, seed) == TEST
    parts = np.where(tested, TEST, np.where(has_value, UNUSED, TRAIN))
    if not (parts == TRAIN).any():
        raise ValueError(f"without {column} {value!r} no clip is left to train on.")
    return parts


def train_and_predict(inputs, clips, parts, training, seed):
    """Train on one part, predict the other.

    Parameters
    ----------
    inputs : ndarray, shape (n, n_inputs)
        Not standardised; the scaler is fitted on the training part.
    clips : DataFrame, n rows
        Columns source, quality, score.
    parts : ndarray of str, shape (n,)
        "train", "test"; other rows are left out.
    training : Training
    seed : int

    Returns
    -------
    DataFrame
        `prediction_table` of the test clips. A head with weight 0 was not trained: its
        predictions are missing (NaN, None).

    Raises
    ------
    ValueError
        If a source stands on both sides.
    """
    used = np.isin(parts, (TRAIN, TEST))
    check_disjoint(clips["source"][used], parts[used])
    train, test = parts == TRAIN, parts == TEST
    scaler = StandardScaler().fit(inputs[train])
    examples = Examples(
        scaler.transform(inputs[train]), class_indices(clips["quality"][train]),
        clips["score"][train].to_numpy(),
    )  # fmt: skip
    network = MultiTaskNet(inputs.shape[1], training.hidden, training.dropout, seed=seed)
    settings = asdict(training)
    for name in ("hidden", "dropout", "test_share"):
        del settings[name]
    fit(network, examples, seed=seed, **settings)
    prediction = _predict(network, scaler.transform(inputs[test]), training)
    return prediction_table(clips[test], prediction)


def _predict(network, inputs, training):
    with torch.no_grad():
        logits, score = network(torch.as_tensor(inputs, dtype=torch.float32))
    prediction = from_logits(logits, score)
    if training.class_weight == 0:
        missing = np.full_like(prediction.probabilities, np.nan)
        prediction = prediction._replace(probabilities=missing, quality=[None] * len(inputs))
    if training.score_weight == 0:
        prediction = prediction._replace(score=np.full(len(inputs), np.nan))
    return prediction


def run(trials, features, clips, jobs=1, progress=False):
    """Train every trial and gather the predictions on its test clips.

    Trials that differ only in the name they go by are trained once. Each training runs on one
    thread, so the numbers do not depend on `jobs`.

    Parameters
    ----------
    trials : list of Trial
    features : mapping of ndarray
        As `select_inputs`.
    clips : DataFrame, n rows
        Columns clip, source, kind, severity, quality, score.
    jobs : int
        Processes to train in; -1 for one per core.
    progress : bool
        Show a bar over the trainings.

    Returns
    -------
    DataFrame
        Columns experiment, condition, seed, judged, then those of `prediction_table`. judged is
        False for test clips of a held-out trial that do not have the held-out value.
    """
    unique = list(dict.fromkeys(replace(trial, experiment="", condition="") for trial in trials))
    inputs = {t.inputs: select_inputs(features, clips, t.inputs) for t in unique}
    work = (joblib.delayed(_run_one)(trial, inputs[trial.inputs], clips) for trial in unique)
    # The arrays are small: sent along, rather than mapped from files in a temporary folder.
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator", max_nbytes=None)
    bar = tqdm(parallel(work), total=len(unique), desc="trainings", disable=not progress)
    tables = dict(zip(unique, bar, strict=True))
    return pd.concat(
        [
            tables[replace(trial, experiment="", condition="")].assign(
                experiment=trial.experiment, condition=trial.condition, seed=trial.seed
            )
            for trial in trials
        ],
        ignore_index=True,
    )


def _run_one(trial, inputs, clips):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        training = trial.training
        if trial.shuffled:
            clips = shuffle_labels(clips, trial.seed)
        if trial.held_out is None:
            parts = grouped_split(clips, training.test_share, trial.seed)
        else:
            parts = held_out_parts(clips, *trial.held_out, training.test_share, trial.seed)
        table = train_and_predict(inputs, clips, parts, training, trial.seed)
    finally:
        torch.set_num_threads(threads)
    column, value = trial.held_out or (None, None)
    return table.assign(judged=True if column is None else table[column] == value)


def shuffle_labels(clips, seed):
    """Clips with their (quality, score) pairs dealt out anew; any skill left is a leak."""
    order = np.random.default_rng(seed).permutation(len(clips))
    labels = clips[["quality", "score"]].iloc[order]
    return clips.assign(quality=labels["quality"].array, score=labels["score"].array)
