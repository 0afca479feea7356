"""The two feature sets: 19 psychoacoustic features, or 19 classic ones."""

from aqp_utils.features import classic, psychoacoustics

FEATURE_SETS = {
    "psychoacoustic": (psychoacoustics.FEATURES, psychoacoustics.psychoacoustic_features),
    "classic": (classic.FEATURES, classic.classic_features),
}


def feature_names(feature_set):
    """Names of the 19 features of a set, in order.

    Parameters
    ----------
    feature_set : str
        A key of `FEATURE_SETS`.

    Raises
    ------
    ValueError
        If there is no such set.
    """
    return [feature.name for feature in lookup(feature_set)[0]]


def lookup(feature_set):
    """Features and the function that computes them, of a set named in `FEATURE_SETS`.

    Raises
    ------
    ValueError
        If there is no such set.
    """
    if feature_set not in FEATURE_SETS:
        allowed = ", ".join(FEATURE_SETS)
        raise ValueError(f"no feature set '{feature_set}'; the sets are: {allowed}.")
    return FEATURE_SETS[feature_set]
