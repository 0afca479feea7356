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
