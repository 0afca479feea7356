"""All of the published metrics.json made again from its seeds: clips, features, floors, oracle."""

import json

import numpy as np
from record import record
from remade import SHOWCASE, clips_again, inputs_again, metrics_again, numbers, parameters_of

from aqp_utils.model import load_model, prediction_table

METRICS_WITHIN = 0.01


def test_the_published_metrics_are_made_again(tmp_path):
    p = parameters_of(SHOWCASE)
    clips = clips_again(p, tmp_path)
    features, inputs = inputs_again(p, tmp_path, clips)
    answers = prediction_table(clips, load_model(SHOWCASE / "04_model").predict(inputs))
    again = numbers(metrics_again(p, answers, features, inputs))
    published = numbers(json.loads((SHOWCASE / "05_report" / "metrics.json").read_text("utf-8")))
    shared = [name for name in again if name in published]
    apart = np.array([again[name] - published[name] for name in shared])
    missing = np.array([np.isnan(again[n]) and np.isnan(published[n]) for n in shared])
    held = missing | (np.abs(apart) <= METRICS_WITHIN)
    about = f"numbers of metrics.json (largest difference {np.nanmax(np.abs(apart)):.1e})"
    row = dict(fault="published numbers", about=about, tried=len(shared), held=int(held.sum()))
    record("showcase", [row | {"seed": p["SEED"]}])
    assert len(shared) > 400 and held.all()
