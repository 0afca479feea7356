"""What the network has to beat, and what no model without the clip itself can beat.

Each baseline is fitted on features and clips of the training part and gives the same `Prediction`
as the network: `Ridge().fit(features[train], clips[train]).predict(features[test], clips[test])`.
Features are raw (not standardised), shape (n, n_features); `clips` is a DataFrame of n rows with
quality, score and source, for the oracle also kind and severity.
"""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aqp_utils.core.scale import CLASSES, SCALE
from aqp_utils.data.split import TEST
from aqp_utils.model.prediction import Prediction, from_probabilities, prediction_table

ALPHAS = np.logspace(-1, 5, 7)  # ridge penalties tried; inputs have unit variance
FOLDS = 5  # of the search for the penalty
FEATURES_PER_SPLIT = 64  # tried by each split of a tree; of 787, all would take ten times as long


class Constant:
    """Mean training score and majority class for every clip: what to get without listening."""

    def fit(self, features, clips):
        """Keep the mean score and the share of each class."""
        self.score = clips["score"].mean()
        self.shares = _class_shares(clips["quality"])
        return self

    def predict(self, features, clips):
        """The same answer for every clip."""
        probabilities = np.tile(self.shares, (len(clips), 1))
        return from_probabilities(probabilities, np.full(len(clips), self.score))


class Ridge:
    """Ridge regression for the score, ridge classifier for the class.

    The penalty is chosen by cross-validation on the training part, in folds that keep sources
    whole. A ridge classifier has no probabilities: they are NaN.
    """

    def fit(self, features, clips):
        """Choose the penalty and fit both models on all clips."""
        n_folds = min(FOLDS, clips["source"].nunique())
        folds = list(GroupKFold(n_folds).split(features, groups=clips["source"]))
        self.regressor = make_pipeline(StandardScaler(), RidgeCV(ALPHAS, cv=folds))
        self.classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(ALPHAS, cv=folds))
        self.regressor.fit(features, clips["score"])
        self.classifier.fit(features, clips["quality"])
        return self

    def predict(self, features, clips):
        """Score inside the scale, class without probabilities."""
        return Prediction(
            np.full((len(clips), len(CLASSES)), np.nan),
            self.classifier.predict(features).tolist(),
            np.clip(self.regressor.predict(features), *SCALE),
        )


class Boosting:
    """Histogram gradient boosting of trees, one model per task; settings of scikit-learn.

    Of more than 64 features, every split of a tree chooses among a random 64.
    """

    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, features, clips):
        """Fit one model per task."""
        share = min(1.0, FEATURES_PER_SPLIT / features.shape[1])
        settings = {"random_state": self.seed, "max_features": share}
        self.regressor = HistGradientBoostingRegressor(**settings)
        self.classifier = HistGradientBoostingClassifier(**settings)
        self.regressor.fit(features, clips["score"])
        self.classifier.fit(features, clips["quality"])
        return self

    def predict(self, features, clips):
        """Score, and probabilities in the order of `CLASSES`."""
        probabilities = np.zeros((len(clips), len(CLASSES)))
        columns = [CLASSES.index(name) for name in self.classifier.classes_]
        probabilities[:, columns] = self.classifier.predict_proba(features)
        return from_probabilities(probabilities, self.regressor.predict(features))


class Oracle:
    """Knows kind and severity, not the clip: mean score and class shares of the training cell.

    A model that only recognises the recipe can at best tie with it. What a model does better it
    must have heard in the clip.
    """

    def fit(self, features, clips):
        """Keep mean score and class shares of each kind and severity."""
        cells = clips.groupby(["kind", "severity"], observed=True)
        self.score = cells["score"].mean().to_dict()
        self.shares = {cell: _class_shares(part) for cell, part in cells["quality"]}
        return self

    def predict(self, features, clips):
        """What training had on average for the clip's kind and severity.

        Raises
        ------
        ValueError
            For a kind and severity that training did not have.
        """
        cells = list(zip(clips["kind"], clips["severity"], strict=True))
        for kind, severity in cells:
            if (kind, severity) not in self.score:
                raise ValueError(f"the oracle has no training clip of {kind} severity {severity}.")
        probabilities = np.array([self.shares[cell] for cell in cells])
        return from_probabilities(probabilities, np.array([self.score[cell] for cell in cells]))


BASELINES = {
    "mean score, majority class": Constant,
    "ridge": Ridge,
    "gradient boosting": Boosting,
    "oracle (kind and severity)": Oracle,
}


ON_FEATURES = ("ridge", "gradient boosting")  # these listen; the others ignore the features


def answers(features, inputs, clips):
    """Every baseline fitted on the training part, asked about the test part.

    Parameters
    ----------
    features : ndarray, shape (n, 19)
    inputs : ndarray, shape (n, n_inputs)
        All that the network gets. What listens answers twice, once on each.
    clips : DataFrame, n rows
        With the column part, "train" or "test", beside those that the baselines need.

    Returns
    -------
    dict
        Name -> `prediction_table` of the test clips.
    """
    asked = (clips["part"] == TEST).to_numpy()
    found = {}
    for name, baseline in BASELINES.items():
        for title, given in {"19": features, "all inputs": inputs}.items():
            listens = name in ON_FEATURES
            if listens or title == "19":
                fitted = baseline().fit(given[~asked], clips[~asked])
                answer = fitted.predict(given[asked], clips[asked])
                table = prediction_table(clips[asked], answer).reset_index(drop=True)
                found[f"{name} ({title})" if listens else name] = table
    return found


def _class_shares(quality):
    return np.array([np.mean(quality == name) for name in CLASSES])


def class_mean_score(train, probabilities):
    """Score that the class alone gives: Σ p(class) · mean training score of the class.

    What a score head reaches beyond it is what it hears inside the bands.

    Parameters
    ----------
    train : DataFrame
        Training clips with quality and score.
    probabilities : ndarray, shape (n, 3)
        In the order of `CLASSES`; NaN gives NaN.

    Returns
    -------
    ndarray, shape (n,)
    """
    means = train.groupby("quality")["score"].mean().reindex(CLASSES)
    # A class without a training clip has no mean; its probability counts at the middle.
    return np.asarray(probabilities) @ means.fillna(np.mean(SCALE)).to_numpy()
