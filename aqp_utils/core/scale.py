"""The scale of quality: three classes, scores from 1.0 to 4.5, and what ties them together."""

import numpy as np

CLASSES = ("low", "medium", "high")
SEVERITY_CLASS = {1: "high", 2: "medium", 3: "low"}
SCALE = (1.0, 4.5)
P862_2_RANGE = (1.02, 4.644)  # reached by speech that is lost, and by an untouched copy
CLASS_THRESHOLDS = (2.0, 3.1)  # scores from which a clip is "medium" and "high"
_POSITION = {name: position for position, name in enumerate(CLASSES)}


def quality_class(severity):
    """Class of a severity: 1 is "high", 2 "medium", 3 "low".

    Raises
    ------
    ValueError
        If `severity` is none of these.
    """
    if severity not in SEVERITY_CLASS:
        raise ValueError(f"Severity {severity!r} does not exist; allowed are 1, 2 and 3.")
    return SEVERITY_CLASS[severity]


def class_of_score(score):
    """Class of scores on the scale, by `CLASS_THRESHOLDS`; array of str, the shape of `score`."""
    return np.array(CLASSES)[np.searchsorted(CLASS_THRESHOLDS, score, side="right")]


def to_scale(p862_2):
    """Map P.862.2 scores linearly from 1.02..4.644 to 1.0..4.5 and clip to that; any shape."""
    return np.clip(np.interp(p862_2, P862_2_RANGE, SCALE), *SCALE)


def class_indices(quality):
    """Positions of class names in `CLASSES`, shape (n,).

    Raises
    ------
    ValueError
        Naming the first value that is no class.
    """
    try:
        return np.array([_POSITION[name] for name in quality], dtype=int)
    except KeyError as error:
        raise ValueError(
            f"{error} is no quality class; classes are {', '.join(CLASSES)}."
        ) from None
