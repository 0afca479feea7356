"""What the network takes: one order of the inputs, for training, scoring and explaining alike."""

import numpy as np


def fused(features, *embeddings):
    """Hand-crafted features first, then the embeddings, side by side.

    Parameters
    ----------
    features : array_like, shape (n, n_features)
    *embeddings : array_like, each shape (n, size_i)

    Returns
    -------
    ndarray, shape (n, n_features + Σ size_i)
        Not standardised.

    Raises
    ------
    ValueError
        If the arrays have not one row per clip each.
    """
    columns = [np.asarray(array) for array in (features, *embeddings)]
    n_rows = [len(array) for array in columns]
    if len(set(n_rows)) > 1:
        raise ValueError(
            f"features and embeddings of {' and '.join(map(str, n_rows))} clips cannot be fused: "
            "each needs one row per clip."
        )
    return np.hstack(columns)


def standardised(inputs, mean, scale):
    """Inputs in standard deviations of the training part.

    Parameters
    ----------
    inputs : array_like, shape (n, n_inputs)
        From `fused`.
    mean, scale : ndarray, shape (n_inputs,)

    Returns
    -------
    ndarray of float64, shape (n, n_inputs)

    Raises
    ------
    ValueError
        If the shape is not the network's or a value is not finite.
    """
    inputs = np.asarray(inputs, dtype=np.float64)
    if inputs.ndim != 2 or inputs.shape[1] != len(mean):
        raise ValueError(f"features have shape {inputs.shape}; this model takes (n, {len(mean)}).")
    bad = np.flatnonzero(~np.isfinite(inputs).all(axis=1))
    if len(bad):
        raise ValueError(
            f"features of {len(bad)} of {len(inputs)} clips are not finite numbers, "
            f"first at row {bad[0]}; no score is given."
        )
    return (inputs - mean) / scale
