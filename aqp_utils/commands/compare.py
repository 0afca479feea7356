"""The command `aqp compare`: any two or more runs side by side, paired by source."""

import math
from pathlib import Path

REPORT, PREDICTIONS, CLIPS = "05_report", "predictions.csv", "02_degraded"
DRAWS = 1000
SHOWN = {"accuracy": "accuracy", "pcc": "PCC", "srcc": "SRCC", "rmse": "RMSE"}


def add_arguments(parser):
    """Command-line arguments of `aqp compare`."""
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="run folders; the first is compared with"
    )
    parser.add_argument(
        "--out", metavar="DIR", default="outputs/comparison", help="default: outputs/comparison"
    )
    parser.epilog = (
        "Clips of the test part, 95 % intervals over sources. A difference is the run minus the\n"
        "first one, on the clips that both were tested on."
    )


def run(arguments):
    """Compare the runs that `arguments` name; print the table and keep it with its picture."""
    from aqp_utils.core.files import ensure_writable

    folders = {}
    for path in (Path(text) for text in arguments.runs):
        if path.resolve() in [one.resolve() for one in folders.values()]:
            raise ValueError(f"{path}: this run is named twice; name different ones.")
        name = path.name if path.name not in folders else str(path)
        folders[name] = path
    if len(folders) < 2:
        raise ValueError("one run alone cannot be compared; name two or more.")
    table = compared(folders)
    ensure_writable(arguments.out)
    print(as_text(table, settings_of(folders)))
    for kind, path in keep(table, arguments.out).items():
        print(f"{kind:7} {path}")
    return 0


def settings_of(folders):
    """Parameters in which runs differ: name of the run -> "HIDDEN [256], SEED 1"."""
    from aqp_utils.runs.stage import read_manifest

    values = {}
    for name, folder in folders.items():
        record, values[name] = read_manifest(folder, REPORT), {}
        while True:
            values[name] = record["parameters"] | values[name]
            if record["reads"] is None:
                break
            record = read_manifest(folder, record["reads"])
    names = sorted({key for one in values.values() for key in one} - {"OUT"})
    differing = [key for key in names if len({str(one.get(key)) for one in values.values()}) > 1]
    return {
        name: ", ".join(f"{key} {one[key]}" for key in differing if key in one)
        for name, one in values.items()
    }


def compared(folders):
    """Metrics of runs and their differences to the first one.

    Parameters
    ----------
    folders : dict
        Name -> run folder, finished up to 05.

    Returns
    -------
    DataFrame
        `comparison.summary` with a run as condition, one row per run and metric, and
        `comparison.differences` to the first run beside it (difference, difference_low,
        difference_high, clear, shared_clips); NaN for the first run itself and for those that were
        tested on other clips.

    Raises
    ------
    RunError
        If a run has no predictions, or they were changed.
    """
    import pandas as pd

    from aqp_utils.core.randomness import rng_for
    from aqp_utils.evaluation import comparison

    first, *others = (_tested(name, folder) for name, folder in folders.items())
    everything = pd.concat([first, *others], ignore_index=True)
    table = comparison.summary(everything, DRAWS, rng_for(0, "bootstrap"))
    pairs = [one for one in others if one["clip"].isin(first["clip"]).any()]
    if not pairs:
        return table.assign(difference=float("nan"), shared_clips=0)
    reference = ("run", next(iter(folders)))
    differences = comparison.differences(
        pd.concat([first, *pairs]), reference, DRAWS, rng_for(0, "bootstrap")
    )
    names = {"low": "difference_low", "high": "difference_high", "n_clips": "shared_clips"}
    differences = differences.rename(columns=names).drop(columns="n_seeds")
    return table.merge(differences, how="left", on=["experiment", "condition", "metric"])


def _tested(name, folder):
    """Predictions of the test part of one run, as `evaluation.comparison` takes them.

    Only they are checked: a run of which clips were thrown away can still be compared. A clip goes
    by the hash of its audio, so that what two runs share is what they both have heard.
    """
    import pandas as pd

    from aqp_utils.core.errors import RunError
    from aqp_utils.core.files import sha256
    from aqp_utils.runs.stage import read_manifest

    record, path = read_manifest(folder, REPORT), Path(folder) / REPORT / PREDICTIONS
    if not path.is_file() or sha256(path) != record["outputs"].get(PREDICTIONS):
        raise RunError(f"{path} is gone or was changed since it was made", "run 05_evaluate again.")
    table = pd.read_csv(path)
    table = table[table["part"] == "test"]
    audio = [record["inputs"][f"{CLIPS}/{file}"] for file in table["file"]]
    return table.assign(experiment="run", condition=name, seed=0, judged=True, clip=audio)


def as_text(table, settings):
    """The table as it is printed: a block for each run."""
    lines = []
    for number, (name, part) in enumerate(table.groupby("condition", sort=False)):
        about = f" ({settings[name]})" if settings[name] else ""
        lines.append(f"{name}{about}, {part['n_clips'].iloc[0]} clips")
        for row in part[part["metric"].isin(SHOWN)].to_dict("records"):
            lines.append(f"  {SHOWN[row['metric']]:9}{_value(row)}{_difference(row)}")
        if number and part["difference"].isna().all():
            lines.append("  tested on other clips than the first: no paired difference")
    return "\n".join(lines)


def _value(row):
    return f"{row['mean']:6.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def _difference(row):
    if math.isnan(row["difference"]):
        return ""
    ends = f"{row['difference']:+.3f} [{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
    return f"   {ends}{'  clear' if row['clear'] else ''}"


def keep(table, out):
    """Write comparison.csv and comparison.png into `out`; kind -> path."""
    import matplotlib.pyplot as plt

    from aqp_utils.core.files import atomic, write_table
    from aqp_utils.evaluation.comparison import as_rows
    from aqp_utils.views import plots

    out, rows = Path(out), as_rows(table, "run")
    kept = table.drop(columns=["experiment", "sd", "n_seeds"])
    write_table(out / "comparison.csv", kept.rename(columns={"condition": "run", "mean": "value"}))
    plots.set_style()
    fig = plots.intervals(rows, SHOWN, reference=next(iter(rows)))
    with atomic(out / "comparison.png") as temporary:
        fig.savefig(temporary, format="png", dpi=150)
    plt.close(fig)
    return {"table": out / "comparison.csv", "picture": out / "comparison.png"}
