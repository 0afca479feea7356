"""The command `aqp evaluate`: recordings with labels in, agreement with them out."""

from pathlib import Path


def add_arguments(parser):
    """Command-line arguments of `aqp evaluate`."""
    parser.add_argument("labels", metavar="LABELS.csv", help="table of recordings with scores")
    for role, what in {
        "score": "the labels, e.g. mos",
        "file": "the recordings' names",
        "condition": "the conditions to average over",
        "source": "what is drawn as a whole in the bootstrap, e.g. the clean reference",
    }.items():
        parser.add_argument(
            f"--{role}-column", metavar="NAME", help=f"column with {what}; default: by name"
        )
    parser.add_argument("--folder", metavar="DIR", help="recordings; default: where LABELS.csv is")
    parser.add_argument(
        "--outside", action="store_true", help="read recordings outside that folder, too"
    )
    parser.add_argument("--model", metavar="DIR", help="trained model; default: the shipped one")
    parser.add_argument("--out", metavar="DIR", help="default: outputs/evaluation/LABELS")
    parser.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="draws (1000)")
    parser.add_argument("--no-peers", action="store_true", help="do not run installed peers")
    parser.add_argument("--device", default="auto", help="of a model of a run: auto, cpu or cuda")
    parser.epilog = (
        "Tables of NISQA, TCD-VoIP, MOS-Bench and VoiceMOS (no header) are understood as they\n"
        "are. Peers run where installed: pip install speechmos distillmos\n"
        "Exit code: 0 every label used, 1 some left out (named in the report), 2 wrong use."
    )


def run(arguments):
    """Evaluate as `arguments` say and print the agreement.

    Returns
    -------
    int
        0 if every labelled recording counts in the metrics, 1 if not.
    """
    # These take seconds to import; wrong arguments are told before.
    from aqp_utils.core.files import ensure_writable, sha256
    from aqp_utils.predict.predictor import Predictor
    from aqp_utils.recordings.label_tables import read_labels
    from aqp_utils.views.report.agreement_page import as_text, evaluate

    path = Path(arguments.labels)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file of labels.")
    if arguments.bootstrap < 1:
        raise ValueError(f"--bootstrap is {arguments.bootstrap}; at least 1 draw is needed.")
    out = Path(arguments.out or Path("outputs", "evaluation", path.stem))
    roles = ("file", "score", "condition", "source")
    named = {role: getattr(arguments, f"{role}_column") for role in roles}
    labels = read_labels(path, arguments.folder, arguments.outside, **named)
    print(f"{len(labels.table)} labelled recordings; columns: {_columns(labels)}")
    predictor = Predictor.load(arguments.model, arguments.device)
    ensure_writable(out)
    result = evaluate(
        labels,
        predictor,
        {"file": str(path), "sha256": sha256(path), "folder": arguments.folder},
        out,
        peers=[] if arguments.no_peers else None,
        n_draws=arguments.bootstrap,
    )
    print(as_text(result))
    print(f"\nreport  {out / 'report.html'}\nnumbers {out / 'metrics.json'}")
    left_out = ("label without recording", "score is no number", "not scored")
    return 1 if any(name in result["problem_counts"] for name in left_out) else 0


def _columns(labels):
    return ", ".join(f"{role} = {name}" for role, name in labels.columns.items() if name)
