"""The command `aqp compare`: any two or more runs side by side, paired by source."""

from pathlib import Path

REPORT, PREDICTIONS = "05_report", "predictions.csv"
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
        "first one, on the clips that both were tested on: same SEED, same sources."
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
        One row per run and metric: run, metric, mean, sd, low, high, n_clips, then difference,
        difference_low, difference_high, clear and shared_clips; NaN for the first run and for
        those that were tested on other clips.

    Raises
    ------
    RunError
        If a run has no predictions, or they were changed.
    """
    import pandas as pd

    from aqp_utils.core.randomness import rng_for
    from aqp_utils.evaluation import comparison

    tables = [_tested(name, folder) for name, folder in folders.items()]
    everything = pd.concat(tables, ignore_index=True)
    table = comparison.summary(everything, DRAWS, rng_for(0, "bootstrap"))
    first = tables[0].set_index(["seed", "clip"]).index
    paired = [
        one for one in tables[1:] if len(first.intersection(one.set_index(["seed", "clip"]).index))
    ]
    if paired:
        pairs = comparison.differences(
            pd.concat([tables[0], *paired]),
            ("run", next(iter(folders))),
            DRAWS,
            rng_for(0, "bootstrap"),
        )
        pairs = pairs.rename(
            columns={
                "low": "difference_low",
                "high": "difference_high",
                "n_clips": "shared_clips",
            }
        ).drop(columns="n_seeds")
        table = table.merge(pairs, how="left", on=["experiment", "condition", "metric"])
    else:
        table = table.assign(difference=float("nan"), clear=False, shared_clips=0)
    return table.drop(columns=["experiment", "sd", "n_seeds"]).rename(columns={"condition": "run"})


def _tested(name, folder):
    """Predictions of the test part of one run, as `evaluation.comparison` takes them.

    Only they are checked: a run of which clips were thrown away can still be compared.
    """
    import pandas as pd

    from aqp_utils.core.files import sha256
    from aqp_utils.runs.lock import RunError
    from aqp_utils.runs.stage import read_manifest

    record, path = read_manifest(folder, REPORT), Path(folder) / REPORT / PREDICTIONS
    if not path.is_file() or sha256(path) != record["outputs"].get(PREDICTIONS):
        raise RunError(f"{path} is gone or was changed since it was made", "run 05_evaluate again.")
    table = pd.read_csv(path)
    table = table[table["part"] == "test"]
    seed = record["parameters"]["SEED"]
    return table.assign(experiment="run", condition=name, seed=seed, judged=True)


def as_text(table, settings):
    """The table as it is printed: a block for each run."""
    lines = []
    for name, part in table.groupby("run", sort=False):
        about = f" ({settings[name]})" if settings[name] else ""
        lines.append(f"{name}{about}, {part['n_clips'].iloc[0]} clips")
        for row in part[part["metric"].isin(SHOWN)].to_dict("records"):
            lines.append(f"  {SHOWN[row['metric']]:9}{_value(row)}{_difference(row)}")
        if name != table["run"].iloc[0] and part["difference"].isna().all():
            lines.append("  tested on other clips than the first: no paired difference")
    return "\n".join(lines)


def _value(row):
    return f"{row['mean']:6.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def _difference(row):
    if row["difference"] != row["difference"]:  # NaN
        return ""
    ends = f"{row['difference']:+.3f} [{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
    return f"   {ends}{'  clear' if row['clear'] else ''}"


def keep(table, out):
    """Write comparison.csv and comparison.png into `out`; kind -> path."""
    import matplotlib.pyplot as plt

    from aqp_utils.core.files import atomic, write_table
    from aqp_utils.views import plots

    out = Path(out)
    write_table(out / "comparison.csv", table)
    plots.set_style()
    rows = {}
    for row in table.to_dict("records"):
        ends = {"value": row["mean"], "low": row["low"], "high": row["high"]}
        rows.setdefault(row["run"], {})[row["metric"]] = ends
    fig = plots.intervals(rows, SHOWN, reference=table["run"].iloc[0])
    with atomic(out / "comparison.png") as temporary:
        fig.savefig(temporary, format="png", dpi=150)
    plt.close(fig)
    return {"table": out / "comparison.csv", "picture": out / "comparison.png"}
