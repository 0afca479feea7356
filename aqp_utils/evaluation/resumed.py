"""The many trainings of `experiments`, so that a killed run goes on where it was."""

import hashlib
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from aqp_utils.core.files import atomic, sha256
from aqp_utils.evaluation import experiments
from aqp_utils.runs.code import code_behind

AT_ONCE = 16  # trainings between two checkpoints: the most that a killed run loses


def run(trials, features, clips, folder, jobs=1, progress=False):
    """As `experiments.run`, keeping what is trained in `folder`; the predictions are the same bits.

    Parameters
    ----------
    trials : sequence of Trial
    features : dict
    clips : DataFrame
        These three as in `experiments.run`.
    folder : Path
        `Stage.checkpoints`. A training is taken from there only if its settings, inputs, clips and
        code are those asked for.
    jobs : int
        Processes.
    progress : bool
        Show a bar.

    Returns
    -------
    DataFrame
        As `experiments.run`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plain = [replace(trial, experiment="", condition="") for trial in trials]
    digests = _digests(plain, features, clips)
    tables = {trial: _load(folder, digests[trial]) for trial in digests}
    missing = [trial for trial, table in tables.items() if table is None]
    if len(missing) < len(tables):
        print(f"trainings: resuming: {len(tables) - len(missing)} of {len(tables)}", flush=True)
    for start in range(0, len(missing), AT_ONCE):
        batch = missing[start : start + AT_ONCE]
        # Named by position, to tell the trainings of one batch apart.
        named = [replace(trial, condition=str(i)) for i, trial in enumerate(batch)]
        made = experiments.run(named, features, clips, jobs, progress)
        for i, trial in enumerate(batch):
            tables[trial] = made[made["condition"] == str(i)].reset_index(drop=True)
            _save(folder, digests[trial], tables[trial])
    return pd.concat(
        [
            tables[key].assign(experiment=trial.experiment, condition=trial.condition)
            for trial, key in zip(trials, plain, strict=True)
        ],
        ignore_index=True,
    )


def _digests(trials, features, clips):
    """SHA-256 of all that each training depends on."""
    table = hashlib.sha256(pd.util.hash_pandas_object(clips).to_numpy().tobytes()).hexdigest()
    code = code_behind("evaluation.experiments")
    inputs = {}
    for trial in trials:
        if trial.inputs not in inputs:
            array = np.ascontiguousarray(experiments.select_inputs(features, clips, trial.inputs))
            inputs[trial.inputs] = hashlib.sha256(array.tobytes()).hexdigest()
    return {
        trial: hashlib.sha256(
            "\0".join([repr(trial), inputs[trial.inputs], table, code]).encode()
        ).hexdigest()
        for trial in trials
    }


def _save(folder, digest, table):
    with atomic(folder / f"training-{digest[:20]}.joblib") as temporary:
        joblib.dump(table, temporary)
    checksum = sha256(folder / f"training-{digest[:20]}.joblib")
    with atomic(folder / f"training-{digest[:20]}.sha256") as temporary:
        temporary.write_text(checksum)


def _load(folder, digest):
    """The predictions of one training, or None if it has to be done."""
    path, seal = (folder / f"training-{digest[:20]}.{end}" for end in ("joblib", "sha256"))
    if path.is_file() and seal.is_file() and seal.read_text() == sha256(path):
        return joblib.load(path)
    return None
