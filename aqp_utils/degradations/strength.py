"""From a severity of 0 to 1 to a physical parameter: a straight line, on a plain or a log axis."""

import numpy as np


def linear(severity, mild, severe):
    """Value at `severity` (0 to 1) on the straight line from `mild` to `severe`."""
    return float(mild + severity * (severe - mild))


def geometric(severity, mild, severe):
    """The same line on a log axis, as for hertz, seconds and shares."""
    value = np.exp(linear(severity, np.log(mild), np.log(severe)))
    return float(np.clip(value, min(mild, severe), max(mild, severe)))  # exact at the ends


def blurred(severity, rng, spread=0.15):
    """`severity` with a normal deviation, kept in 0 to 1: lets two parameters go their own ways."""
    return float(np.clip(severity + spread * rng.standard_normal(), 0, 1))
