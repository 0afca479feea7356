"""A study made again from its seeds, without notebooks: clips, features, network, metrics."""

import json
from pathlib import Path

import numpy as np
from sklearn.preprocessing import StandardScaler

from aqp_utils.core.audio import read_clip
from aqp_utils.core.randomness import rng_for
from aqp_utils.core.scale import CLASSES, class_indices
from aqp_utils.data.clips import make_clean, make_degraded, plan_degraded
from aqp_utils.data.extraction import features_of
from aqp_utils.data.split import grouped_split
from aqp_utils.encoders.wav2vec2 import load_encoder
from aqp_utils.evaluation.baselines import answers, class_mean_score
from aqp_utils.evaluation.summary import summarize
from aqp_utils.model import Examples, MultiTaskNet, QualityModel, fused, train
from aqp_utils.runs.parameters import PARAMETERS, PRESETS

SHOWCASE = Path(__file__).parents[1] / "outputs" / "showcase"


def parameters_of(run):
    """All parameters that the stages of a run name, by name."""
    manifests = [json.loads(p.read_text("utf-8")) for p in sorted(run.glob("0*/manifest.json"))]
    return {name: v for record in manifests for name, v in record["parameters"].items()}


def parameters_of_preset(name):
    """All parameters of a preset, by name."""
    return {p.name: p.default for p in PARAMETERS.values()} | PRESETS[name]


def clips_again(p, folder, part=None):
    """Make the clips of a study, or of one part of it; returns their table with column part."""
    sources = p["N_PER_CONDITION"] * len(p["DEGRADATIONS"])
    clean, damaged = folder / "01_clean", folder / "02_degraded"
    made = make_clean(clean, sources, p["SOURCES"], p["DURATION_S"], p["SEED"])
    plan = plan_degraded(made, p["DEGRADATIONS"], p["SEVERITIES"])
    plan["part"] = grouped_split(plan, p["TEST_SHARE"], p["SEED"])
    plan = plan if part is None else plan[plan["part"] == part]
    return make_degraded(damaged, plan, p["LABEL"], p["SEED"], p["GAPS"])


def inputs_again(p, folder, clips):
    """Features of the clips, shape (n, 19), and all inputs of the network, (n, 19 + 768)."""
    files = [folder / "02_degraded" / name for name in clips["file"]]
    encoder = load_encoder(p["ENCODER"], p["LAYER"], p["POOLING"], device="cpu", verbose=False)
    features = features_of(files, p["FEATURES"], None)
    return features, fused(features, encoder.embed([read_clip(file) for file in files]))


def model_again(p, clips, inputs):
    """Train the network of notebook 04 on the training part."""
    is_train = (clips["part"] == "train").to_numpy()
    scaler = StandardScaler().fit(inputs[is_train])
    examples = scaler.transform(inputs), class_indices(clips["quality"]), clips["score"].to_numpy()
    parts = [Examples(*(array[rows] for array in examples)) for rows in (is_train, ~is_train)]
    net = MultiTaskNet(inputs.shape[1], p["HIDDEN"], p["DROPOUT"], seed=p["SEED"])
    names = ("epochs", "batch_size", "learning_rate", "score_weight", "seed")
    train(net, *parts, **{name: p[name.upper()] for name in names})
    return QualityModel(net, scaler.mean_, scaler.scale_)


def metrics_again(p, everything, features, inputs):
    """What metrics.json holds of network, floors and oracle, as notebook 05 computes it.

    `everything` are the predictions for all clips, as predictions.csv holds them.
    """
    learned, asked = (everything[everything["part"] == part] for part in ("train", "test"))
    test = asked.reset_index(drop=True)
    others = answers(features, inputs, everything)
    from_class = class_mean_score(learned, test[[f"p_{name}" for name in CLASSES]].to_numpy())
    error = from_class - test["score"].to_numpy()
    others["class head alone"] = test.assign(predicted_score=from_class, error=error)
    return summarize(test, others, p["BOOTSTRAP"], rng_for(p["SEED"], "bootstrap"))


def numbers(tree, name=""):
    """All numbers of nested dicts and lists, by path; None becomes NaN, texts are left out."""
    if isinstance(tree, dict):
        parts = tree.items()
    elif isinstance(tree, list):
        parts = enumerate(tree)
    else:
        given = tree is None or (isinstance(tree, int | float) and not isinstance(tree, bool))
        return {name: np.nan if tree is None else float(tree)} if given else {}
    return {k: v for key, part in parts for k, v in numbers(part, f"{name}/{key}").items()}
