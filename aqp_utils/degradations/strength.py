"""From a strength of 0 to 1 to a physical parameter: a straight line, on a plain or a log axis."""

import numpy as np


def linear(strength, mild, severe):
    """Value at `strength` (0 to 1) on the straight line from `mild` to `severe`."""
    return float(mild + strength * (severe - mild))


def geometric(strength, mild, severe):
    """The same line on a log axis, as for hertz, seconds and shares."""
    value = np.exp(linear(strength, np.log(mild), np.log(severe)))
    return float(np.clip(value, min(mild, severe), max(mild, severe)))  # exact at the ends


def blurred(strength, rng, spread=0.15):
    """`strength` with a normal deviation, kept in 0 to 1: lets two parameters go their own ways."""
    return float(np.clip(strength + spread * rng.standard_normal(), 0, 1))
