"""The command `aqp verify`: whether a run folder is what it was when it was made."""

import time
from pathlib import Path

REMADE = ("01_clean", "02_degraded", "03_features")
_SHOWN = 20  # problems that are printed one by one


def add_arguments(parser):
    """Command-line arguments of `aqp verify`."""
    parser.add_argument("run", metavar="RUN", help="run folder, e.g. outputs/run")
    parser.add_argument(
        "--sample",
        type=int,
        default=1,
        metavar="N",
        help="clips of every kind and severity made again from the seed (default 1, 0: none)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="which clips these are (default 0)"
    )
    parser.epilog = (
        "Every file is read again and compared with the hash that was recorded; a sample of clips\n"
        "and features is made again from the seed of the run. Exit code 0: all is right; 1: not."
    )


def run(arguments):
    """Verify from parsed `arguments`; print what was checked and what is wrong.

    Raises
    ------
    ValueError
        If the folder is no run folder, or the sample is negative.
    """
    from aqp_utils.runs import verification

    began, out = time.monotonic(), Path(arguments.run)
    if arguments.sample < 0 or arguments.seed < 0:
        raise ValueError("--sample and --seed: allowed are integers from 0 on.")
    if not verification.stages_of(out):
        raise ValueError(f"{out}: this is no run folder, no notebook has written in it.")
    problems, notes, records = [], [], {}
    for name, record, found in verification.check(out):
        bad = f", {len(found.problems)} wrong" if found.problems else ""
        print(f"{name:14} {found.checked} files read again{bad}", flush=True)
        records[name] = record
        problems += found.problems
        notes += found.notes
    if arguments.sample:
        _make_again(out, records, arguments, problems, notes)
    for note in notes:
        print(f"note: {note}.")
    for problem in problems[:_SHOWN]:
        print(f"wrong: {problem}")
    if len(problems) > _SHOWN:
        print(f"wrong: and {len(problems) - _SHOWN} more")
    verdict = f"failed, {len(problems)} wrong" if problems else "passed"
    print(f"{verdict}; {time.monotonic() - began:.1f} s")
    return 1 if problems else 0


def _make_again(out, records, arguments, problems, notes):
    """Make clips and features again, as far as what they depend on is there and intact."""
    import numpy as np

    from aqp_utils.data import remade

    clean, degraded, features = (records.get(name) for name in REMADE)
    if problems:
        notes.append("no clip was made again, since files are wrong")
        return
    if not clean or not degraded:
        notes.append("only clips of 01 and 02 are made again, and they are not here")
        return
    rng = np.random.default_rng(arguments.seed)
    results, clips = remade.remade_clips(out, records, arguments.sample, rng)
    _judge("clips", results, problems, notes)
    path = out / "03_features" / "features.npz"
    if features and path.is_file():
        _judge("features", remade.remade_features(path, clips, _encoder(features)), problems, notes)
    else:
        notes.append("features.npz is not here: no features were compared")


def _encoder(record):
    """The encoder that ships, if the run used it; others may be gone or want a network."""
    values = record["parameters"]
    if values["ENCODER"] != "embedded":
        return None
    from aqp_utils.encoders.wav2vec2 import load_encoder

    return load_encoder(
        "embedded", layer=values["LAYER"], pooling=values["POOLING"], device="cpu", verbose=False
    )


def _judge(what, results, problems, notes):
    """Say how far things made again are from those that are there."""
    unknown = [r.name for r in results if r.difference is None]
    known = [r for r in results if r.difference is not None]
    if known:
        furthest = max(known, key=lambda r: r.difference)
        unit = {"steps": "steps of 16 bit", "sd": "sd of the feature"}[furthest.unit]
        same = sum(r.difference == 0 for r in known)
        print(
            f"{what:14} {len(known)} made again from the seed, {same} to the bit; "
            f"furthest off by {furthest.difference:.2g} {unit} ({furthest.name})"
        )
    problems += [
        f"{r.name} made again differs by {r.difference:.2g} {r.unit}" for r in known if not r.agrees
    ]
    if unknown:
        notes.append(
            f"{len(unknown)} of the {what} made again have other bits than were recorded, and the "
            "files are not here to be compared"
        )
