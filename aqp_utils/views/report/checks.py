"""What the report shows beside its headline: controls, levels, order, probabilities and seeds.

Each function takes the contents of metrics.json and gives a `CheckTable`, or None where that says
nothing. As in `content`: plain text, no HTML.
"""

from dataclasses import dataclass

from aqp_utils.core.text import MISSING, number
from aqp_utils.views.report.content import METRICS, estimate, flat

# What each control of notebook 06 has to come out as, for the evaluation to be sound.
EXPECTED_PCC = {"labels shuffled": 0, "label as feature": 1}
LEVEL_METRICS = ("pcc", "srcc", "rmse", "mae")


@dataclass(frozen=True)
class CheckTable:
    """A small table with a sentence that says how to read it.

    Attributes
    ----------
    title, sentence : str
    columns : list of str
        The first one heads the rows.
    rows : list of list of str
    """

    title: str
    sentence: str
    columns: list
    rows: list


def check_tables(metrics):
    """All tables that these metrics can fill, in the order to show."""
    tables = (controls(metrics), levels(metrics), order(metrics), seeds(metrics))
    return [table for table in tables if table is not None]


def controls(metrics):
    """Answers known in advance: the correlation with shuffled and with given labels."""
    rows = []
    for name, entry in metrics.get("controls", {}).items():
        shown = estimate(entry, (-1, 1))
        expected = number(EXPECTED_PCC[name], 0) if name in EXPECTED_PCC else MISSING
        rows.append([name, shown.value, shown.interval or MISSING, expected])
    if not rows:
        return None
    return CheckTable(
        "Controls",
        "With labels dealt out at random nothing can be learned: more would be a leak; with the "
        "label given as a feature everything can: less would be broken training.",
        ["training", "PCC", "95 % interval", "expected"],
        rows,
    )


def levels(metrics):
    """Single clips beside conditions."""
    condition = metrics.get("condition_level")
    if not condition:
        return None
    rows = [
        [f"{_count(count)} {what}"] + [_value(group.get(m)) for m in LEVEL_METRICS]
        for what, count, group in (
            ("clips", metrics.get("n_test"), metrics.get("score", {})),
            ("conditions", condition.get("n"), condition),
        )
    ]
    return CheckTable(
        "Two levels",
        "A condition is one kind at one severity, its clips averaged first; that hides the scatter "
        "of single clips, so compare only numbers of the same level.",
        ["level"] + [METRICS[m][1] for m in LEVEL_METRICS],
        rows,
    )


def order(metrics):
    """Order of the severities, and how far the probabilities can be taken at their word."""
    found = metrics.get("monotonicity", {})
    n_sources = f"{_count(found.get('monotone_n'))} sources"
    rows = [
        ["sources with all severities in order", _share(found.get("monotone")), n_sources],
        ["pairs of severities in order", _share(found.get("monotone_pairs")), n_sources],
    ]
    rows = rows if found else []
    error = metrics.get("reliability", {}).get("ece")
    if error is not None:
        n_clips = f"{_count(metrics.get('n_test'))} clips"
        rows.append(["expected calibration error", _value(error), n_clips])
    if not rows:
        return None
    return CheckTable(
        "Order and probabilities",
        "More of the same damage should never score higher; the calibration error is how far the "
        "probabilities are from the share of right answers, 0 at best.",
        ["check", "result", "over"],
        rows,
    )


def seeds(metrics):
    """The run beside the mean and spread over other splits and initial weights."""
    repeats = metrics.get("repeats", {})
    own = flat(metrics)
    rows = [
        [METRICS[name][1], _value(own[name]), number(entry.get("mean")), number(entry.get("sd"))]
        for name, entry in repeats.items()
        if name in METRICS
    ]
    if not rows:
        return None
    return CheckTable(
        "Other seeds",
        f"The same training with {_count(repeats.get('n_seeds'))} splits and initial weights: this "
        "run is one draw from such a spread.",
        ["metric", "this run", "mean", "sd"],
        rows,
    )


def _value(entry):
    return estimate(entry, (0, 1)).value


def _share(value):
    return MISSING if value is None else f"{number(100 * value, 0)}\N{NO-BREAK SPACE}%"


def _count(value):
    return MISSING if value is None else str(value)
