"""Is a recording like what the model was trained on? A score outside that range is a guess.

The scaler in `model.json` knows mean and spread of every input over the training clips. Far from
them in any of the 19 features, or as far in the embedding as no training clip, means outside.
Inside these limits a recording can still be unlike the training clips in ways no mean shows.
"""

import numpy as np

from aqp_utils.core.audio import SAMPLE_RATE

FAR_Z = 4.0  # standard deviations; 1 in 16,000 of a normal feature
FAR_EMBEDDING = 2.0  # root mean square of z over the embedding; 1 on average in training
NAMED_FEATURES = 3  # in one sentence
SHORT_SHARE = 0.5  # of the training clips' length


def distances(inputs, mean, scale, n_features):
    """Distance from the training clips.

    Parameters
    ----------
    inputs : ndarray, shape (n_inputs,)
        The `n_features` features first, then the embedding; not standardised.
    mean, scale : ndarray, shape (n_inputs,)
        Of the training part.
    n_features : int

    Returns
    -------
    z : ndarray, shape (n_features,)
        Of each feature, in standard deviations.
    embedding : float
        Root mean square of the embedding's z; 0 without embedding.
    """
    z = (np.asarray(inputs, dtype=float) - mean) / scale
    rest = z[n_features:]
    return z[:n_features], float(np.sqrt(np.mean(rest**2))) if len(rest) else 0.0


def domain_warnings(z, embedding, names):
    """Sentences on features and embedding far from training; none if all is near.

    Parameters
    ----------
    z : ndarray, shape (n_features,)
        From `distances`.
    embedding : float
        From `distances`.
    names : sequence of str
        Of the features.
    """
    warnings = []
    far = [i for i in np.argsort(-np.abs(z)) if abs(z[i]) > FAR_Z]
    if far:
        worst = ", ".join(f"{names[i]} {z[i]:+.1f} sd" for i in far[:NAMED_FEATURES])
        more = f" and {len(far) - NAMED_FEATURES} more" if len(far) > NAMED_FEATURES else ""
        warnings.append(f"{len(far)} of {len(z)} features outside training ({worst}{more})")
    if embedding > FAR_EMBEDDING:
        warnings.append(f"embedding {embedding:.1f} times as far out as training clips")
    return warnings


def recording_warnings(recording, clip_s):
    """Sentences on a recording's rate and length against those of the training clips.

    Parameters
    ----------
    recording : Recording
    clip_s : float
        Length of the training clips (s).
    """
    warnings = []
    rate_hz = recording.original["sample_rate_hz"]
    if rate_hz < SAMPLE_RATE:
        warnings.append(
            f"recorded at {rate_hz:g} Hz: nothing above {rate_hz / 2000:g} kHz, which counts as "
            "a loss of band"
        )
    if recording.duration_s < SHORT_SHARE * clip_s:
        warnings.append(f"{recording.duration_s:.2f} s long, trained on clips of {clip_s:g} s")
    return warnings


def speech_warnings(embedding, mean, scale, detector):
    """A sentence if the embedding is not that of speech.

    Parameters
    ----------
    embedding : ndarray, shape (n,)
        Not standardised.
    mean, scale : ndarray, shape (n,)
        Of the training part.
    detector : dict or None
        weights (n,), bias and threshold of the logit; None (a model that has none) never warns.
    """
    if detector is None:
        return []
    logit = ((embedding - mean) / scale) @ np.asarray(detector["weights"]) + detector["bias"]
    if logit >= detector["threshold"]:
        return []
    return ["does not sound like speech: the score is a guess, for its scale was made for speech"]
