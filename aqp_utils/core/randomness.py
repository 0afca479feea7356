"""One seed, one independent random stream per clip; a draw on a log axis."""

import numpy as np

STAGES = {
    "clean": 1,
    "degrade": 2,
    "split": 3,
    "pretrain": 4,
    "field": 5,
    "bootstrap": 6,
    "speech": 7,
}


def rng_for(seed, stage, source=0, kind=0, severity=0):
    """Random generator of one clip at one stage.

    The stream depends only on its address (stage, source, kind, severity), so adding clips never
    changes others and any clip can be remade alone.

    Parameters
    ----------
    seed : int
        The study's `SEED`.
    stage : str
        A key of `STAGES`.
    source, kind, severity : int
        Position of the clip; 0 where it does not apply.
    """
    key = (STAGES[stage], source, kind, severity)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def log_uniform(rng, low, high):
    """A random value between `low` and `high`, all octaves alike."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
