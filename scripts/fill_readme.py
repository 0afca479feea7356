"""Write computed tables into README.md and docs/, between `<!-- name -->` and `<!-- /name -->`.

    python scripts/fill_readme.py           # rewrite where needed
    python scripts/fill_readme.py --check   # exit 1 if anything would change

Results come from outputs/showcase, everything else from the package itself.
"""

import json
import re
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aqp_utils.core import audio, scale  # noqa: E402
from aqp_utils.core.text import interval_text  # noqa: E402
from aqp_utils.data import clips, labels  # noqa: E402
from aqp_utils.degradations.degrade import DEGRADATIONS, KINDS, SEVERITY_RANGES  # noqa: E402
from aqp_utils.features import psychoacoustics  # noqa: E402
from aqp_utils.predict import shipped  # noqa: E402
from aqp_utils.runs import parameters  # noqa: E402
from aqp_utils.runs.notebooks import STUDY  # noqa: E402
from aqp_utils.runs.stage import read_manifest  # noqa: E402

SHOWCASE = ROOT / "outputs" / "showcase"


def markdown_table(header, rows):
    """A Markdown table; every cell becomes text."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def headline():
    """What the showcase run and the predictor that ships reach, in two sentences."""
    metrics = json.loads((SHOWCASE / "05_report" / "metrics.json").read_text("utf-8"))
    study = (
        f"On {metrics['n_test']} clips from {metrics['n_test_sources']} sources that training "
        f"never heard, the study's network names the right class with accuracy "
        f"{interval_text(metrics['classification']['accuracy'])}; its scores correlate with the "
        f"labels at {interval_text(metrics['score']['pcc'])}."
    )
    reached = [
        f"{interval_text(one['clip']['srcc'])} on {one['recordings']}" for one in shipped.measured()
    ]
    return (
        f"**{study}** The predictor that ships orders recordings as P.862.2 does with a rank "
        f"correlation of {'; '.join(reached)}."
    )


def badges():
    """Colab badge and executed copy of each notebook, as stamped into the notebooks."""
    rows = []
    for name in STUDY.values():
        first = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))["cells"][0]
        text = "".join(first["source"])
        badge = re.search(r"^\[!\[Open in Colab\].*$", text, re.M).group()
        goal = re.search(r"\*\*Goal\*\* \| (.*?) \|", text).group(1)
        made = (SHOWCASE / "notebooks" / f"{name}.ipynb").is_file()
        copy = f"[executed](outputs/showcase/notebooks/{name}.ipynb)" if made else "–"
        rows.append([f"[{name}](notebooks/{name}.ipynb)", goal, badge, copy])
    return markdown_table(["notebook", "goal", "Colab", "copy with outputs"], rows)


def sizes():
    """How many clips each preset makes."""
    rows = []
    for preset, values in parameters.PRESETS.items():
        if preset == "field":  # another study; the block recordings tells
            continue
        given = {name: values.get(name, p.default) for name, p in parameters.PARAMETERS.items()}
        kinds, severities = len(given["DEGRADATIONS"]), len(given["SEVERITIES"])
        sources = kinds * given["N_PER_CONDITION"]
        clips = sources * severities
        n_test = round(given["TEST_SHARE"] * given["N_PER_CONDITION"])
        test = max(1, n_test) * kinds * severities
        rows.append([f"`{preset}`", f"{given['DURATION_S']:g} s", sources, kinds, severities])
        rows[-1] += [clips, clips - test, test]
    header = ["preset", "clip", "clean sources", "kinds", "severities", "clips", "train", "test"]
    return markdown_table(header, rows)


def degradations():
    """Parameter range and score band of every kind and severity."""
    rows = []
    for kind in KINDS:
        facts, cells = DEGRADATIONS[kind], []
        for severity in scale.SEVERITY_CLASS:
            ends = SEVERITY_RANGES[kind][severity]
            low, high = sorted(labels.pseudo_pesq(kind, end) for end in ends)
            unit = "" if facts.unit == "1" else f" {facts.unit}"
            cells.append(f"{ends[0]:g} to {ends[1]:g}{unit} → {low:.1f}–{high:.1f}")
        rows.append([f"**{kind}**", facts.parameter, *cells])
    classes = [f"severity {s} ({name})" for s, name in scale.SEVERITY_CLASS.items()]
    return markdown_table(["kind", "parameter", *classes], rows)


def features():
    """Name, unit, meaning and source of the 19 psychoacoustic features."""
    rows = [
        [i, f"`{f.name}`", f.unit, f.meaning, f.source]
        for i, f in enumerate(psychoacoustics.FEATURES, start=1)
    ]
    return markdown_table(["#", "feature", "unit", "what it says", "source"], rows)


def results():
    """Headline numbers of the showcase run beside floors and oracle."""
    metrics = json.loads((SHOWCASE / "05_report" / "metrics.json").read_text("utf-8"))
    encoder = metrics["encoder"]
    network = f"**network, 19 + {encoder['name']} encoder**"
    rows = {network: metrics["classification"] | metrics["score"], **metrics["baselines"]}
    columns = {"accuracy": "accuracy", "macro_f1": "macro-F1", "pcc": "PCC", "srcc": "SRCC"}
    columns["rmse"] = "RMSE"
    table = markdown_table(
        ["", *columns.values()],
        [[name, *(interval_text(row[metric]) for metric in columns)] for name, row in rows.items()],
    )
    return (
        f"{table}\n\nClip level, {metrics['n_test']} test clips from {metrics['n_test_sources']} "
        f"sources that training never saw, seed {metrics['seed']}; brackets are 95 % intervals "
        f"from a bootstrap over sources. Encoder `{encoder['name']}`, weights "
        f"`{encoder['weights_sha256'][:12]}`, layer {encoder['layer']}."
    )


def encoder():
    """What the encoder that ships was trained on, and what it adds; from its card and proof."""
    folder = ROOT / "aqp_utils" / "assets" / "encoder"
    card, proof = (json.loads((folder / f"{n}.json").read_text("utf-8")) for n in ("card", "proof"))
    rows = {}
    for row in proof["results"]:
        if row["learner"] == "network" and row["inputs"] in ENCODER_INPUTS:
            cell = f"{row['class_accuracy']:.2f} ± {row['class_accuracy_sd']:.2f}"
            column = f"{row['family']}, {row['n_clips']} clips"
            rows.setdefault(column, {})[row["inputs"]] = cell
    table = markdown_table(
        ["class accuracy of the network on", *rows],
        [[name, *(rows[c].get(name, "–") for c in rows)] for name in ENCODER_INPUTS],
    )
    size_mb = (folder / "model.safetensors").stat().st_size / 1e6
    return (
        f"The embedded encoder ({size_mb:.0f} MB) was pretrained on {card['audio_hours_seen']:.0f} "
        "hours of our own synthesis, clean and under all five kinds of damage, without a score or "
        f"class. What it adds ({proof['protocol']}):\n\n"
        f"{table}"
    )


def model():
    """The network and its training, from the parameters' defaults."""
    value = {name: p.default for name, p in parameters.PARAMETERS.items()}
    layers = "".join(f" → Linear {width} → ReLU" for width in value["HIDDEN"])
    return (
        f"787 inputs, standardised on the training part{layers} → dropout {value['DROPOUT']:g} → "
        f"two heads: three classes and one score. Loss = cross-entropy + λ · squared error, "
        f"λ = {value['SCORE_WEIGHT']:g}; Adam at {value['LEARNING_RATE']:g}, {value['EPOCHS']} "
        "epochs. All of these are parameters."
    )


def _start_of(card):
    """From whose weights training went on; a voice held out now may have been heard by it."""
    if not (start := card.get("started_from")):
        return ""
    seen = f"{start['clips']:,} clips, {start['epochs']} epochs"
    return f", from the weights of {start['version']} ({seen})"


def _held_out_of(card):
    """What of the test part was news to this training."""
    is_last = card["settings"].get("everything", False)
    return "unheard voices" if is_last else "unheard voices, half with unheard mechanisms,"


def recordings():
    """What the shipped predictor learned from, and what it reached on recordings."""
    card = shipped.card()
    size_mb = sum(path.stat().st_size for path in shipped.FOLDER.rglob("*.*")) / 1e6
    parts = [
        f"Version {card['version']} (commit {card['made']['git_commit'][:7]}), {size_mb:.0f} MB: "
        f"{card['clips']:,} clips, {card['audio_hours']} hours, {card['training_hours']} hours of "
        f"training on {card['machine']}{_start_of(card)}. On {_held_out_of(card)} of the same "
        f"synthesis PCC is {interval_text(card['held_out']['pcc'])}. On recordings, clip level:"
    ]
    for one in shipped.measured():
        rows = [
            ["**all**", one["n"], "", "", *(interval_text(one["clip"][m]) for m in SCORE_METRICS)]
        ]
        for group in one["groups"]:
            numbers = [f"{group[k]:.2f}" for k in ("label", "predicted")]
            metrics = ["–" if group[m] is None else f"{group[m]:.2f}" for m in SCORE_METRICS]
            rows.append([group["condition"], group["n"], *numbers, *metrics])
        table = markdown_table(["damage", "clips", "label", "score", "PCC", "SRCC", "RMSE"], rows)
        worst = sorted(one["groups"], key=lambda group: -abs(group["bias"]))[:2]
        errors = " and ".join(f"{group['condition']} {group['bias']:+.1f}" for group in worst)
        about = (
            f"{one['recordings']}; labels: {one['labels']}; measured {one['date'][:10]}. On "
            f"average it errs most on {errors}: trust the order of recordings more than single "
            "scores."
        )
        parts.append(f"{table}\n\n{about}")
    return "\n\n".join(parts)


def _recipe_table(found):
    """Rows of `scripts/compare_recipes.py` as a table, and where they were measured."""
    places = list(dict.fromkeys(column.partition(": ")[0] for column in found))
    header = ["recipe", *(f"{place}: {m}" for place in places for m in ("SRCC", "PCC"))]
    wanted = [f"{place}: {metric}" for place in places for metric in ("srcc", "pcc")]
    rows = []
    for name, row in found.iterrows():
        ends = [dict(value=row[w], low=row[f"{w}_low"], high=row[f"{w}_high"]) for w in wanted]
        rows.append([name, *map(interval_text, ends)])
    return markdown_table(header, rows), places


def later_recipes():
    """What some recipes reach as variants of the one of 2.1.0, on other clips than `recipes`."""
    return _recipe_table(pd.read_csv(SHOWCASE / "later_recipes.csv").set_index("recipe"))[0]


def recipes():
    """What each recipe of `training.field.variants` reached after a short training."""
    found = pd.read_csv(SHOWCASE / "recipes.csv").set_index("recipe")
    table, (synthetic, *others) = _recipe_table(found)
    agree = " and ".join(
        f"{found[f'{synthetic}: srcc'].corr(found[f'{place}: srcc']):.2f} with {place}"
        for place in others
    )
    return (
        f"{table}\n\nOver these {len(found)} recipes the SRCC on "
        f"{synthetic} correlates at {agree}: how far held-out mechanisms tell which recipe is "
        "better for people."
    )


def faults():
    """What the long tests tried and what held, from the tables in tests/faults/counts."""
    tables = [pd.read_csv(path) for path in sorted((ROOT / "tests/faults/counts").glob("*.csv"))]
    found = pd.concat(tables)
    if unknown := sorted(set(found["fault"]) - FAULTS.keys()):
        sys.exit(f"tests/faults/counts: FAULTS does not know {', '.join(unknown)}.")
    rows = []
    for fault, promise in FAULTS.items():
        part = found[found["fault"] == fault]
        for row in part.itertuples():
            rows.append([fault, row.about, promise, f"{row.tried:,}", f"{row.held:,}", row.seed])
        if part.empty:
            rows.append([fault, "not measured yet", promise, *["–"] * 3])
    return markdown_table(["fault", "done to", "what has to hold", "tried", "held", "seed"], rows)


def speed():
    """Every row of the benchmark, and the machine that it was measured on."""
    found = pd.read_csv(SHOWCASE / "benchmarks.csv", dtype={"cores": str, "commit": str})
    rows = []
    for row in found.itertuples():
        numbers = [
            "–" if pd.isna(value) else form.format(value)
            for value, form in (
                (row.ms_per_clip, "{:,.2f}"),
                (row.plain_ms_per_clip, "{:,.2f}"),
                (row.ratio, "{:.1f}×"),
                (row.share_of_matrix_peak, "{:.0%}"),
                (row.peak_mb, "{:,.0f}"),
            )
        ]
        rows.append([row.stage, row.what, row.cores, numbers[0], row.plain_way, *numbers[1:]])
    header = ["stage", "what", "cores", "ms a clip", "plain way", "ms a clip", "ratio"]
    limits = "; ".join(
        f"{one.matrix_peak_gflops:,.0f} GFLOP/s and {one.bandwidth_gb_s:.0f} GB/s on "
        f"{one.cores} core{'s' * (one.cores != '1')}"
        for one in found[found["stage"] == "embedding"].itertuples()
    )
    last = found.iloc[-1]
    commits = ", ".join(sorted(set(found["commit"])))
    return (
        f"{markdown_table([*header, 'of the peak', 'peak MB'], rows)}\n\nClips of 3 s. Measured "
        f"{last['date']} at commit {commits} on {last['machine']}. "
        f"Limits of matrix product and copy: {limits}."
    )


def notebooks():
    """What each notebook of the published run took, from its manifest, and all of them."""
    found = [json.loads(p.read_text("utf-8")) for p in sorted(SHOWCASE.glob("0*/manifest.json"))]
    seconds = [one["wall_time_s"] for one in found]
    rows = [
        [one["notebook"], f"{one['wall_time_s']:.0f}", f"{one['peak_memory_mb']:,}"]
        for one in found
    ]
    most = max(one["peak_memory_mb"] for one in found)
    rows.append(["all of them", f"{sum(seconds):.0f}", f"{most:,}"])
    n_clips = len(pd.read_csv(SHOWCASE / "02_degraded" / "clips.csv"))
    table = markdown_table(["notebook", "seconds", "peak MB"], rows)
    return (
        f"{table}\n\nThe published run with its {n_clips:,} degraded clips, on {found[0]['cpus']} "
        f"processors; from the start of a notebook's work to its end, kernels not counted. "
        f"{_least_of_trainings(n_clips)}"
    )


# Passes over the weights in a step: read forward; a gradient written; Adam reads that, the weights
# and two moments, and writes all but the gradient.
PASSES = 1 + 1 + 4 + 3


def _least_of_trainings(n_clips):
    """How long the trainings of 06 take at least, by what they move through memory."""
    value = {name: p.default for name, p in parameters.PARAMETERS.items()}
    found = pd.read_csv(SHOWCASE / "06_stress" / "experiments.csv")
    n = found.groupby(["experiment", "condition"]).ngroups * value["SEEDS"]
    steps = value["EPOCHS"] * -(-n_clips * (1 - value["TEST_SHARE"]) // value["BATCH_SIZE"])
    widths = [787, *value["HIDDEN"]]
    weights = sum(a * b for a, b in zip(widths[:-1], widths[1:], strict=True))
    megabytes = PASSES * 4 * weights / 1e6
    speeds = pd.read_csv(SHOWCASE / "benchmarks.csv").set_index("cores")["bandwidth_gb_s"]
    speed = speeds[2].max()
    return (
        f"What 06 takes is its trainings, {n} in the main study alone: each of the {steps:,.0f} "
        f"steps of one moves {megabytes:.0f} MB, as weights, gradients and Adam's moments are "
        f"passed {PASSES} times, and at the {speed:.0f} GB/s of a copy all of them take about "
        f"{n * steps * megabytes / 1e3 / speed:.0f} s, however they are batched. Stacking them in "
        "one computation was tried, saved less than a third and was dropped: it takes a second "
        "training loop."
    )


DOLLARS_PER_CORE_HOUR = 0.04  # what clouds ask for a shared one; replace it by yours
BYTES = {"clips, 16-bit PCM": 2 * 16_000 * 3, "features": 8 * 19, "embedding": 4 * 768}


FLAC = "clips as FLAC (tones and their damage)"


FLAC_CLIPS = 60  # made again to see how large they are: twenty sources, each kind of damage


def bytes_as_flac():
    """Mean size of some degraded clips of the published run as FLAC; they are made again."""
    values = read_manifest(SHOWCASE, "01_clean")["parameters"]
    family, duration_s, seed = (values[name] for name in ("SOURCES", "DURATION_S", "SEED"))
    sizes = []
    for _, row in pd.read_csv(SHOWCASE / "02_degraded" / "clips.csv").head(FLAC_CLIPS).iterrows():
        clean = clips.clean_clip(family, duration_s, seed, row["source"])[0].astype(float)
        degraded, _ = clips.degraded_clip(row, clean, seed)
        sizes.append(len(audio.clip_bytes(degraded, "flac")))
    return sum(sizes) / len(sizes)


def scaling():
    """A million clips of 3 s: hours, cores, bytes and money, from the benchmark on one core."""
    found = pd.read_csv(SHOWCASE / "benchmarks.csv")
    one = found[found["cores"] == 1].groupby("stage")["ms_per_clip"]
    wanted = {
        "clean clips (mean of the families)": one.mean().get("synthesis"),
        "degraded clips (mean of the kinds)": one.mean().get("degradation"),
        "both sets of 19 features": one.sum().get("19 features"),
        "embeddings": one.mean().get("embedding"),
        "clips of the field training, labels included": one.mean().get("field clips"),
        "scores for recordings": one.mean().get("predict"),
    }
    rows = []
    for what, ms in wanted.items():
        if ms is None:
            rows.append([what, *["not measured"] * 4])
            continue
        hours = ms * 1e6 / 3.6e6
        cells = (f"{hours:,.1f}", f"{hours / 100:,.2f}", f"{hours * DOLLARS_PER_CORE_HOUR:,.2f} $")
        rows.append([what, f"{ms:,.1f}", *cells])
    table = markdown_table(
        ["a million of", "ms each, one core", "core hours", "hours on 100 cores", "money"], rows
    )
    sizes = ", ".join(
        f"{what} {size / 1e3:,.2g} GB" for what, size in (BYTES | {FLAC: bytes_as_flac()}).items()
    )
    fit = 64e9 / BYTES["clips, 16-bit PCM"]
    return (
        f"{table}\n\nMoney at {DOLLARS_PER_CORE_HOUR} $ a core and hour. On disk: {sizes}. Memory "
        f"of 64 GB holds {fit:,.0f} clips."
    )


# In the order of the table: each kind of fault, and what the tests hold a program to.
FAULTS = {
    "kills": "the same command goes on, and the results are the same bits",
    "flips": "the changed file is named",
    "mutants": "no crash, no hang, no score for lost content without a word",
    "good files": "read to their end, without an alarm",
    "model flips": "refused in one sentence",
    "disk full": "one sentence with path and need, nothing half-written",
    "read-only": "one sentence with the path, nothing changed",
    "concurrent runs": "one of the two runs, the other says why not",
    "decoder stopped or killed": "one row with a reason, the rest is scored",
    "published numbers": "made again from their seeds within 0.01",
    "other threads, processors, Pythons": "the same numbers within the stated tolerance",
}
SCORE_METRICS = ("pcc", "srcc", "rmse")
ENCODER_INPUTS = ("19", "random", "embedded", "19 + embedded")
FILLED = {
    f.__name__: f
    for f in (
        headline,
        badges,
        sizes,
        degradations,
        features,
        encoder,
        model,
        results,
        recordings,
        recipes,
        later_recipes,
        faults,
        speed,
        notebooks,
        scaling,
    )
}


def pages():
    """README.md and the pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text):
    """`text` with every marked block replaced by what its function computes."""
    for name, compute in FILLED.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        if block.search(text):
            text = block.sub(lambda match, c=compute: f"{match[1]}\n{c()}\n\n{match[2]}", text)
    return text


def main():
    """Fill or check all pages; a block that stands nowhere, or twice, is a mistake."""
    before = {page: page.read_text("utf-8") for page in pages()}
    for name in FILLED:
        if (n := sum(f"<!-- {name} -->" in text for text in before.values())) != 1:
            sys.exit(f"the block {name} stands in {n} pages; it belongs in one.")
    after = {page: filled(text) for page, text in before.items()}
    changed = [page for page in before if before[page] != after[page]]
    if "--check" in sys.argv[1:]:
        names = ", ".join(page.relative_to(ROOT).as_posix() for page in changed)
        sys.exit(f"{names}: run scripts/fill_readme.py" if changed else 0)
    for page in changed:
        page.write_text(after[page], "utf-8")


if __name__ == "__main__":
    main()
