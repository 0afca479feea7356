"""What the report shows, prepared as plain text and positions: no HTML here, no files.

Every function takes the contents of metrics.json, predictions.csv or the manifests and gives what
the template prints. What a metrics.json leaves out or could not be computed (null) shows as "–".
"""

import math
from dataclasses import dataclass

from aqp_utils.core.scale import CLASSES, SCALE
from aqp_utils.core.text import MISSING, number
from aqp_utils.degradations.degrade import DEGRADATIONS
from aqp_utils.runs.parameters import PARAMETERS

# Metrics in the order of every table: path in metrics.json, short name, what it is, best end.
METRICS = {
    "accuracy": ("classification", "Accuracy", "share of clips given their true class", "high"),
    "macro_f1": ("classification", "Macro-F1", "F1 averaged over the three classes", "high"),
    "pcc": ("score", "PCC", "Pearson correlation of predicted and true score", "high"),
    "srcc": ("score", "SRCC", "Spearman rank correlation of predicted and true score", "high"),
    "rmse": ("score", "RMSE", "root mean squared error of the score", "low"),
    "mae": ("score", "MAE", "mean absolute error of the score", "low"),
}
HEADLINE = ("accuracy", "macro_f1", "pcc", "srcc", "rmse")
PER_DEGRADATION = ("accuracy", "mae", "rmse", "pcc", "srcc")
BASELINE = ("accuracy", "macro_f1", "rmse", "pcc", "srcc")


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval, as text and as positions (%) on the axis of its column."""

    value: str
    interval: str
    at: float | None = None
    low: float | None = None
    high: float | None = None


def _parts(entry):
    """(value, low, high) of a metric, which may be a bare number or an object with an interval."""
    if not isinstance(entry, dict):
        entry = {"value": entry}
    values = [entry.get(key) for key in ("value", "low", "high")]
    return [v if v is not None and math.isfinite(v) else None for v in values]


def percent(entry):
    """A share as a percentage with its interval."""
    value, low, high = (number(None if v is None else 100 * v, 1) for v in _parts(entry))
    return f"{value} %" if MISSING in (low, high) else f"{value} % ({low} to {high} %)"


def axis(name, entries):
    """Ends of the common axis on which all `entries` of metric `name` are drawn."""
    known = [v for entry in entries for v in _parts(entry) if v is not None]
    if METRICS[name][3] == "low":
        return 0.0, max([*known, 0.1]) * 1.05
    return math.floor(min([*known, 0.0])), 1.0


def estimate(entry, ends, digits=2):
    """`Estimate` of one metric on an axis with these ends."""
    start, stop = ends
    value, low, high = _parts(entry)

    def position(x):
        return None if x is None else round(100 * (x - start) / (stop - start), 2)

    interval = "" if low is None or high is None else f"{number(low, digits)} to "
    if interval:
        interval += number(high, digits)
    return Estimate(number(value, digits), interval, position(value), position(low), position(high))


def table(rows, names):
    """One row of `Estimate`s per entry of `rows` (label -> metrics), each column on one axis."""
    ends = {name: axis(name, [row.get(name) for row in rows.values()]) for name in names}
    return {
        label: [estimate(row.get(name), ends[name]) for name in names]
        for label, row in rows.items()
    }


def flat(metrics):
    """The model's own metrics as one dict, name -> entry."""
    return {name: metrics.get(METRICS[name][0], {}).get(name) for name in METRICS}


def headline(metrics):
    """The main metrics: name, meaning, `Estimate`, and the naive floor to compare with."""
    own = flat(metrics)
    floor_name, floor = next(iter(metrics.get("baselines", {}).items()), (None, {}))
    cards = []
    for name in HEADLINE:
        _, label, meaning, best = METRICS[name]
        ends = axis(name, [own[name], floor.get(name)])
        base = estimate(floor.get(name), ends)
        cards.append(
            dict(
                label=label,
                meaning=meaning,
                best=best,
                estimate=estimate(own[name], ends),
                ends=[number(e, 0 if float(e).is_integer() else 1) for e in ends],
                floor=base if base.at is not None else None,
                floor_name=floor_name,
            )
        )
    return cards


def comparison(metrics):
    """The model beside every baseline, or nothing if there is none."""
    baselines = metrics.get("baselines", {})
    return table({"this model": flat(metrics), **baselines}, BASELINE) if baselines else {}


def per_degradation(metrics):
    """Row per kind: (number of clips, `Estimate`s)."""
    groups = metrics.get("per_degradation", {})
    order = [*DEGRADATIONS, *groups]
    groups = {kind: groups[kind] for kind in sorted(groups, key=order.index)}
    return {
        kind: (groups[kind].get("n", MISSING), cells)
        for kind, cells in table(groups, PER_DEGRADATION).items()
    }


def per_class(metrics):
    """Row per class, best first: precision, recall, F1 and support as text."""
    rows = metrics.get("classification", {}).get("per_class", {})
    return {
        name: [number(_parts(rows[name].get(key))[0]) for key in ("precision", "recall", "f1")]
        + [str(rows[name].get("support", MISSING))]
        for name in reversed(CLASSES)
        if name in rows
    }


def confusion(metrics):
    """Row per true class, best first: (count, share of the row) per predicted class."""
    counts = metrics.get("classification", {}).get("confusion")
    if counts is None:
        return {}
    rows = {}
    for name, row in zip(reversed(CLASSES), reversed(counts), strict=True):
        total = max(sum(row), 1)
        rows[name] = [(int(count), round(count / total, 3)) for count in reversed(row)]
    return rows


def scatter(rows, size=100.0):
    """Position of each clip (true score to the right, predicted upward) in a square of `size`."""
    low, high = SCALE[0] - 0.1, SCALE[1] + 0.1

    def place(value):
        return round(size * (min(max(value, low), high) - low) / (high - low), 2)

    return {
        "points": [
            dict(row, x=place(row["score"]), y=round(size - place(row["predicted_score"]), 2))
            for row in rows
        ],
        "ticks": [(number(t, 0), place(t)) for t in range(1, 5)],
        "ends": (place(SCALE[0]), place(SCALE[1])),
    }


def command(manifests):
    """The command that makes this run again, with the parameters that are not the default."""
    values = {}
    for record in manifests.values():
        values |= record.get("parameters", {})
    parts = ["python -m aqp_utils run"]
    for name, value in values.items():
        if name in PARAMETERS and value != PARAMETERS[name].default:
            shown = ",".join(map(str, value)) if isinstance(value, list) else value
            parts.append(f"-p {name} {shown}")
    return " ".join(parts)


def stages(manifests):
    """Row per stage: notebook, end, wall time, peak memory, device."""
    return [
        [
            record.get("notebook", name),
            record.get("finished", MISSING).replace("T", " ")[:16],
            number(record.get("wall_time_s"), 1) + " s",
            number(record.get("peak_memory_mb"), 0) + " MB",
            record.get("device", MISSING),
        ]
        for name, record in manifests.items()
    ]


def limits(metrics, manifests):
    """Sentences that say what the numbers do not show, from how this run was made."""
    values = {}
    for record in manifests.values():
        values |= record.get("parameters", {})
    n_clips, n_sources = metrics.get("n_test", MISSING), metrics.get("n_test_sources", MISSING)
    sentences = [
        f"{n_clips} clips from {n_sources} sources are few: read the intervals, not the second "
        "digit, above all in the rows of single degradations.",
        "The intervals come from drawing the test sources again. They do not include what another "
        "training seed or another split would change." + _repeats(metrics.get("repeats", {})),
        _source_limit(values.get("SOURCES")),
        _label_limit(values.get("LABEL")),
        "Every test clip carries one damage of a kind that training had too. Other damages, and "
        "several at once, are not tested here.",
        "Degraded clips have the level of their source, so neither the model nor this page says "
        "anything about loudness as a flaw.",
    ]
    if metrics.get("level", "clip") == "clip":
        sentences.append(
            "Every number is at the level of single clips. Averaging over conditions first, as "
            "many papers do, gives higher correlations that cannot be compared with these."
        )
    if metrics.get("encoder", {}).get("name") == "random":
        sentences.append(
            "The encoder is untrained: its weights are random numbers. What the network takes from "
            "it is not what a pretrained Wav2Vec2 would give."
        )
    return [sentence for sentence in sentences if sentence]


def _repeats(repeats):
    """What training again with other seeds changed, if that was tried."""
    known = {name: repeats[name] for name in METRICS if isinstance(repeats.get(name), dict)}
    if not known:
        return ""
    spreads = ", ".join(
        f"{METRICS[name][1]} {number(entry.get('mean'))} ± {number(entry.get('sd'))}"
        for name, entry in known.items()
    )
    return f" Over {repeats.get('n_seeds', MISSING)} training seeds (mean ± sd): {spreads}."


def _source_limit(family):
    known = {"tones": "phrased synthetic tones", "speech": "synthetic speech-like signals"}
    sources = known.get(family, "synthetic signals")
    return (
        f"All clips are {sources}. How well the scores carry over to recordings of speech or music "
        "is not shown by any number on this page."
    )


def _label_limit(label):
    if label == "measured":
        return (
            "The true scores are P.862.2 (PESQ-WB) of each clip against its clean source, mapped "
            "to the scale; they are an algorithm's judgement, not listeners'."
        )
    return (
        "The true scores are pseudo-PESQ: a curve from the strength of the damage to the P.862.2 "
        "score that speech damaged so much gets. They are not listeners' opinions, and two clips "
        "with the same damage get the same score whatever they contain."
    )
