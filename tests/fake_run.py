"""A run folder with real clips and invented predictions, made in about a second."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from aqp_utils.core.audio import write_wav
from aqp_utils.core.scale import CLASSES, quality_class
from aqp_utils.degradations.degrade import KINDS, degrade, sample_parameter
from aqp_utils.evaluation import metrics
from aqp_utils.sources.tones import tone_clip

SCORES = {1: 3.9, 2: 2.8, 3: 1.6}


def make_fake_run(run, n_sources=20, duration_s=3.0, seed=0):
    """Write the parts of a run that the report reads; return the path of its 05_report."""
    rng = np.random.default_rng(seed)
    report = run / "05_report"
    (report / "figures").mkdir(parents=True)
    predictions = _predict(_make_clips(run, n_sources, duration_s, rng), rng)
    predictions.to_csv(report / "predictions.csv", index=False)
    (report / "metrics.json").write_text(json.dumps(_metrics(predictions)))
    fig, ax = plt.subplots()
    ax.plot(predictions.score, predictions.predicted_score, "o")
    fig.savefig(report / "figures" / "scatter.png", dpi=60)
    plt.close(fig)
    _write_manifests(run)
    return report


def _make_clips(run, n_sources, duration_s, rng):
    rows = []
    for folder in ("01_clean", "02_degraded"):
        (run / folder / "clips").mkdir(parents=True)
    for source in range(n_sources):
        clean, _ = tone_clip(duration_s, rng)
        write_wav(run / "01_clean" / "clips" / f"src{source:04d}.wav", clean)
        kind = KINDS[source % len(KINDS)]
        for severity in (1, 2, 3):
            clip = f"src{source:04d}_{kind}_s{severity}"
            parameter = sample_parameter(kind, severity, rng)
            audio = degrade(clean, kind, parameter, rng)
            write_wav(run / "02_degraded" / "clips" / f"{clip}.wav", np.clip(audio, -1, 1))
            rows.append(
                dict(
                    clip=clip,
                    file=f"clips/{clip}.wav",
                    source=source,
                    clean_file=f"../01_clean/clips/src{source:04d}.wav",
                    kind=kind,
                    severity=severity,
                    parameter=parameter,
                    unit="",
                    quality=quality_class(severity),
                    score=SCORES[severity] + rng.uniform(-0.3, 0.3),
                    part="test",
                )
            )
    return pd.DataFrame(rows)


def _predict(clips, rng):
    predicted = np.clip(clips["score"] + rng.normal(0, 0.35, len(clips)), 1, 4.5)
    distance = np.abs(predicted.to_numpy()[:, None] - [SCORES[3], SCORES[2], SCORES[1]])
    shares = np.exp(-2 * distance) / np.exp(-2 * distance).sum(axis=1, keepdims=True)
    return clips.assign(
        **{f"p_{name}": shares[:, i] for i, name in enumerate(CLASSES)},
        predicted_quality=[CLASSES[i] for i in shares.argmax(axis=1)],
        predicted_score=predicted,
        error=predicted - clips["score"],
    )


def _with_interval(values, width=0.06):
    return {
        name: {"value": value, "low": value - width, "high": value + width}
        for name, value in values.items()
    }


def _metrics(table):
    own = metrics.clip_metrics(table)
    classes = {name: own[name] for name in ("accuracy", "macro_f1")}
    score = {name: own[name] for name in ("mae", "mse", "rmse", "pcc", "srcc")}
    floor = {"accuracy": 1 / 3, "macro_f1": 1 / 6, "rmse": 0.97, "pcc": None, "srcc": None}
    ridge = {"accuracy": 0.7, "macro_f1": 0.69, "rmse": 0.6, "pcc": 0.8, "srcc": 0.79}
    return {
        "level": "clip",
        "n_test": len(table),
        "n_test_sources": table["source"].nunique(),
        "encoder": {"name": "random", "weights_sha256": "0" * 64, "layer": -1, "pooling": "mean"},
        "features": "psychoacoustic",
        "classification": {
            **_with_interval(classes),
            "per_class": metrics.per_class(table.quality, table.predicted_quality)
            .astype(object)
            .to_dict("index"),
            "confusion": metrics.confusion(table.quality, table.predicted_quality)
            .to_numpy()
            .tolist(),
            "off_by_two": own["off_by_two"],
        },
        "score": {**_with_interval(score), "rmse_mapped": own["rmse_mapped"]},
        "reliability": {"ece": own["ece"]},
        "monotonicity": {name: own[name] for name in ("monotone", "monotone_pairs", "monotone_n")},
        "condition_level": metrics.condition_metrics(table),
        "controls": _with_interval({"labels shuffled": -0.02, "label as feature": 0.93}),
        "per_degradation": {
            kind: {"n": len(part), **_with_interval(_few(part), 0.1)}
            for kind, part in table.groupby("kind", sort=False)
        },
        "baselines": {
            "mean score, majority class": floor,
            "ridge": _with_interval(ridge),
        },
    }


def _few(part):
    values = metrics.clip_metrics(part)
    return {name: values[name] for name in ("accuracy", "mae", "rmse", "pcc", "srcc")}


def _write_manifests(run):
    parameters = {
        "01_clean": {"SEED": 0, "SOURCES": "tones", "N_PER_CONDITION": 4},
        "02_degraded": {"SEED": 0, "LABEL": "pseudo_pesq"},
    }
    for name, values in parameters.items():
        record = {
            "stage": name,
            "notebook": f"{name}.ipynb",
            "parameters": values,
            "versions": {"python": "3.11.0", "numpy": "2.0.0"},
            "device": "cpu (x86_64)",
            "git_commit": "0123456789abcdef",
            "git_clean": False,
            "finished": "2026-01-01T12:00:00+00:00",
            "wall_time_s": 12.3,
            "peak_memory_mb": 456,
        }
        (run / name / "manifest.json").write_text(json.dumps(record))
