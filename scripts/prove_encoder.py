"""Measure what the embedded encoder is worth; writes aqp_utils/assets/encoder/proof.json.

    python scripts/prove_encoder.py --work outputs/proof            # everything
    python scripts/prove_encoder.py --work outputs/proof --only small   # without the 3,000 clips

Two studies of 300 clips (tones, speech-like) and one of 3,000, all in 5 folds grouped by source and
stratified by kind. A linear probe and the multi-task network are trained on 19 psychoacoustic
features, on embeddings, and on both. The default layer is chosen on sources of another seed, which
the proof never sees. Clips and features are kept under --work.
"""

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aqp_utils.core.audio import SAMPLE_RATE  # noqa: E402
from aqp_utils.core.files import atomic, write_json  # noqa: E402
from aqp_utils.core.randomness import rng_for  # noqa: E402
from aqp_utils.core.scale import CLASSES, quality_class  # noqa: E402
from aqp_utils.data.clips import FAMILIES, stream_of  # noqa: E402
from aqp_utils.data.labels import pseudo_pesq  # noqa: E402
from aqp_utils.data.split import grouped_folds  # noqa: E402
from aqp_utils.degradations.degrade import KINDS, degrade, sample_parameter  # noqa: E402
from aqp_utils.encoders.card import CARD, write_card  # noqa: E402
from aqp_utils.encoders.catalog import EMBEDDED_FOLDER  # noqa: E402
from aqp_utils.encoders.wav2vec2 import load_encoder  # noqa: E402
from aqp_utils.evaluation import counted  # noqa: E402
from aqp_utils.evaluation.bootstrap import difference_interval  # noqa: E402
from aqp_utils.features.psychoacoustics import psychoacoustic_features  # noqa: E402
from aqp_utils.model import Examples, MultiTaskNet, fit, fused  # noqa: E402
from aqp_utils.runs.environment import versions  # noqa: E402

DURATION_S = 3.0
N_FOLDS = 5
SEED, CHOICE_SEED = 0, 1  # of the proof, and of the sources that the default layer is chosen on
PENALTIES = (0.003, 0.03, 0.3)  # C of the logistic regression, chosen on one of the training folds
BOOTSTRAP = 1000
ENCODERS = ("random", "embedded")


def kept(path, compute):
    """The array in `path` (npy), computed and kept there if it is missing."""
    if not path.exists():
        array = compute()
        with atomic(path) as temporary, open(temporary, "wb") as file:
            np.save(file, array)
    return np.load(path)


def table_of_study(n_sources, seed):
    """The clips of a study: source, kind, severity and labels of each."""
    rows = []
    for source in range(n_sources):
        kind = KINDS[source % len(KINDS)]
        for severity in (1, 2, 3):
            row = {"source": source, "kind": kind, "severity": severity}
            row["parameter"] = sample_parameter(kind, severity, stream_of(seed, row))
            row["score"] = pseudo_pesq(kind, row["parameter"])
            row["quality"] = quality_class(severity)
            rows.append({"clip": f"src{source:04d}_{kind}_s{severity}", **row})
    return pd.DataFrame(rows)


def clips_of_study(family, table, seed):
    """What notebooks 01 and 02 would write for `table`: 16-bit samples, shape (n, n_samples)."""
    clips = []
    for row in tqdm(table.itertuples(), f"{family} clips", len(table), mininterval=5):
        if row.severity == 1:
            clean, _ = FAMILIES[family](DURATION_S, rng_for(seed, "clean", row.source))
            clean = np.round(clean * 2**15) / 2**15
        rng = stream_of(seed, row)
        degraded = degrade(clean, row.kind, sample_parameter(row.kind, row.severity, rng), rng)
        clips.append(np.round(degraded * 2**15).astype(np.int16))
    return np.array(clips)


def study(work, family, n_sources, seed):
    """Table of a study and its inputs by name, each (n, d); what was computed before is kept."""
    table = table_of_study(n_sources, seed)
    stem = f"{family}_{n_sources}_seed{seed}"
    clips = kept(work / f"{stem}_clips.npy", lambda: clips_of_study(family, table, seed))
    clips = clips / 2.0**15
    describe = psychoacoustic_features
    inputs = {"19": kept(work / f"{stem}_19.npy", lambda: np.array([describe(x) for x in clips]))}
    for name in ENCODERS:
        encoder = load_encoder(name, pooling="mean+std", verbose=False)
        path = work / f"{stem}_{name}_{encoder.weights_sha256[:8]}.npy"
        layers = kept(path, lambda encoder=encoder: encoder.embed_layers(list(clips)))
        for layer in range(encoder.n_layers + 1):
            inputs[f"{name} layer {layer}"] = layers[:, layer, : encoder.hidden_size]
            inputs[f"{name} layer {layer} mean+std"] = layers[:, layer]
    return table, inputs


def probe_classes(train, test, labels, inner):
    """Linear probe: classes predicted for `test`; the penalty is chosen on one fold (`inner`) of
    the training part."""

    def fitted(penalty, rows):
        probe = LogisticRegression(C=penalty, max_iter=100, tol=1e-3)
        return make_pipeline(StandardScaler(), probe).fit(train[rows], labels[rows])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 100 iterations are enough for a probe
        right = [
            (fitted(c, ~inner).predict(train[inner]) == labels[inner]).mean() for c in PENALTIES
        ]
        return fitted(PENALTIES[int(np.argmax(right))], slice(None)).predict(test)


def probe_scores(train, test, scores):
    """Linear probe: scores predicted for `test` by ridge regression."""
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
    return model.fit(train, scores).predict(test)


def network_predictions(train, test, classes, scores):
    """The multi-task network at its defaults: classes and scores predicted for `test`."""
    scaler = StandardScaler().fit(train)
    network = MultiTaskNet(n_inputs=train.shape[1], seed=SEED)
    fit(network, Examples(scaler.transform(train), classes, scores), seed=SEED)
    with torch.no_grad():
        inputs = torch.tensor(scaler.transform(test), dtype=torch.float32)
        logits, predicted = network(inputs)
    return np.array(CLASSES)[logits.argmax(1).numpy()], predicted.numpy()


def predictions_of(inputs, table, learner):
    """Out-of-fold predictions of one learner: table with predicted quality, score and kind."""
    folds = grouped_folds(table, N_FOLDS, SEED)
    result = table.assign(fold=folds, predicted_quality="", predicted_kind="", predicted_score=0.0)
    for fold in range(N_FOLDS):
        test = folds == fold
        train, inner = ~test, folds[~test] == (fold + 1) % N_FOLDS
        a, b, known = inputs[train], inputs[test], table[train]
        if learner == "linear probe":
            for label in ("quality", "kind"):
                labels = known[label].to_numpy()
                result.loc[test, f"predicted_{label}"] = probe_classes(a, b, labels, inner)
            result.loc[test, "predicted_score"] = probe_scores(a, b, known.score)
        else:
            classes = known.quality.map(CLASSES.index).to_numpy()
            predicted = network_predictions(a, b, classes, known.score.to_numpy())
            result.loc[test, "predicted_quality"], result.loc[test, "predicted_score"] = predicted
    return result


def accuracy(predictions):
    """Share of clips whose class is right."""
    return float((predictions.predicted_quality == predictions.quality).mean())


def accuracy_of_draws(predictions, counts):
    """`accuracy` in every draw of the bootstrap."""
    return counted.mean(counts, (predictions.predicted_quality == predictions.quality).to_numpy())


def figures_of(predictions):
    """Mean and standard deviation over the folds of each figure of merit."""
    rows = []
    for _, fold in predictions.groupby("fold"):
        row = {"class_accuracy": accuracy(fold)}
        row["score_srcc"] = spearmanr(fold.predicted_score, fold.score).statistic
        if (fold.predicted_kind != "").all():
            right = fold.predicted_kind == fold.kind
            row["kind_accuracy"] = right.mean()
            for severity, part in right.groupby(fold.severity):
                row[f"kind_accuracy_s{severity}"] = part.mean()
        rows.append(row)
    rows = pd.DataFrame(rows)
    spread = rows.std(ddof=1).add_suffix("_sd")
    return {k: round(float(v), 4) for k, v in (*rows.mean().items(), *spread.items())}


def choose_layer(work):
    """Layer of the embedded encoder whose mean carries most, on sources kept for this choice."""
    rows = {}
    for family in FAMILIES:
        table, inputs = study(work, family, 100, CHOICE_SEED)
        for name in [n for n in inputs if n.startswith("embedded") and "std" not in n]:
            both = fused(inputs["19"], inputs[name])
            rows.setdefault(name, []).append(accuracy(predictions_of(both, table, "linear probe")))
    means = {name: round(float(np.mean(values)), 4) for name, values in rows.items()}
    best = max(means, key=means.get)
    return int(best.split()[-1]), means


def compared_inputs(inputs, layer, small):
    """Name -> columns of everything that a study compares; the large one only what matters."""
    features = inputs["19"]
    random, embedded = (inputs[f"{name} layer {layer}"] for name in ENCODERS)
    spread = inputs[f"embedded layer {layer} mean+std"]
    chosen = {"19": features, "random": random, "embedded": embedded}
    chosen["19 + embedded"] = fused(features, embedded)
    if small:
        chosen["19 + random"] = fused(features, random)
        chosen["19 + embedded mean+std"] = fused(features, spread)
        chosen |= {name: inputs[name] for name in inputs if name != "19"}
    return chosen


def prove(work, family, n_sources, layer, small):
    """Rows of results of one study, and the gain of 19 + embedded over 19 with its interval."""
    table, inputs = study(work, family, n_sources, SEED)
    rows, gains = [], []
    for learner in ("linear probe", "network"):
        predictions = {}
        for name, columns in compared_inputs(inputs, layer, small).items():
            if learner == "network" and "layer" in name:
                continue  # every layer is probed; the network gets the chosen one
            start = time.perf_counter()
            predictions[name] = predictions_of(columns, table, learner)
            row = {"family": family, "n_clips": len(table), "learner": learner, "inputs": name}
            rows.append(row | figures_of(predictions[name]))
            print({**rows[-1], "seconds": round(time.perf_counter() - start, 1)}, flush=True)
        for first, second in (("19 + embedded", "19"), ("embedded", "random")):
            interval = difference_interval(
                accuracy_of_draws, predictions[first], predictions[second], "source", BOOTSTRAP,
                rng_for(SEED, "split", 1),
            )  # fmt: skip
            gain = {"family": family, "n_clips": len(table), "learner": learner}
            gains.append(gain | {"of": first, "over": second, **interval})
    return rows, gains


def time_side_by_side():
    """Seconds of audio per second, embedded and wav2vec2-base's shape, taking turns."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    from aqp_utils.commands.encoders import measure_speed
    from aqp_utils.encoders.wav2vec2 import Encoder

    base = Encoder(Wav2Vec2Model(Wav2Vec2Config()), "base", "", ("", None), 6, "mean", "cpu")
    embedded = load_encoder("embedded", device="cpu", verbose=False)
    turns = [(measure_speed(embedded), measure_speed(base)) for _ in range(3)]
    return {
        "threads": torch.get_num_threads(),
        "embedded_x_real_time": round(float(np.median([turn[0] for turn in turns])), 1),
        "wav2vec2_base_x_real_time": round(float(np.median([turn[1] for turn in turns])), 1),
        "ratio": round(float(np.median([turn[0] / turn[1] for turn in turns])), 1),
    }


def main(work, only):
    """Run the proof and write proof.json; sets the default layer in card.json."""
    work.mkdir(parents=True, exist_ok=True)
    layer, means = choose_layer(work)
    print(f"default layer: {layer} of {means}")
    studies = [("tones", 100), ("speech", 100)] + ([] if only == "small" else [("tones", 1000)])
    rows, gains = [], []
    for family, n_sources in studies:
        more_rows, more_gains = prove(work, family, n_sources, layer, small=n_sources == 100)
        rows, gains = rows + more_rows, gains + more_gains
    card = json.loads((EMBEDDED_FOLDER / CARD).read_text()) | {"default_layer": layer}
    write_card(EMBEDDED_FOLDER, card)
    proof = {
        "weights_sha256": card["weights_sha256"],
        "protocol": f"{N_FOLDS} folds grouped by source and stratified by kind; sd over folds; "
        f"clips of {DURATION_S} s at {SAMPLE_RATE} Hz, seed {SEED}",
        "default_layer": {"layer": layer, "seed": CHOICE_SEED, "accuracy_of_19_with": means},
        "random_n_parameters": load_encoder("random", verbose=False).describe()["n_parameters"],
        "speed": time_side_by_side(),
        "results": rows,
        "gains": gains,
        "versions": versions(),
        "processors": os.cpu_count(),
    }
    write_json(EMBEDDED_FOLDER / "proof.json", proof)
    write_card(EMBEDDED_FOLDER, card)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for computed features")
    parser.add_argument("--only", choices=("small",), help="leave the 3,000 clips out")
    arguments = parser.parse_args()
    main(arguments.work, arguments.only)
