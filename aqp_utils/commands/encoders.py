"""`aqp encoders`: what can be used here, and how fast it is."""

import json
import time

from aqp_utils.encoders.catalog import (
    HUB_DEFAULT,
    EncoderError,
    cached_names,
    cached_weights,
    hub_reachable,
    resolve,
)


def measure_speed(encoder, duration_s=3.0, n_clips=4):
    """Seconds of audio embedded per second of computing, on this machine and right now."""
    import numpy as np

    from aqp_utils.core.audio import SAMPLE_RATE

    clips = list(np.random.default_rng(0).standard_normal((n_clips, int(duration_s * SAMPLE_RATE))))
    encoder.embed(clips[:1])  # the first call pays for set-up
    start = time.perf_counter()
    encoder.embed(clips, batch_size=n_clips)
    return n_clips * duration_s / (time.perf_counter() - start)


def list_encoders(folders=(), measure=True):
    """Table of the encoders that can be used here and now.

    Parameters
    ----------
    folders : iterable of str
        Local folders to list besides ``embedded``, ``random`` and the hub cache.
    measure : bool
        Load each one and time it; without, only files are looked at.

    Returns
    -------
    pandas.DataFrame
        Columns: name, where, size_mb (of the files), layers, hidden, x_real_time (seconds of
        audio per second), weights_sha256 (first 12 digits), problem.
    """
    import pandas as pd

    names = ["embedded", "random", *folders, *cached_names()]
    if HUB_DEFAULT not in names:
        names.append(HUB_DEFAULT)
    return pd.DataFrame([_row(name, measure) for name in names])


def _row(name, measure):
    """One line of `list_encoders`; a broken encoder is listed with its problem."""
    row = dict.fromkeys(
        ("name", "where", "size_mb", "layers", "hidden", "x_real_time", "weights_sha256"), ""
    )
    row |= {"name": name, "problem": ""}
    try:
        if name == HUB_DEFAULT and cached_weights(name)[0] is None:  # look, do not download
            reason = cached_weights(name)[1]
            hub = "the hub answers" if hub_reachable() else "the hub cannot be reached"
            return row | {"problem": f"{reason}; {hub}"}
        _, weights, _ = resolve(name)
        if weights is not None:
            row["size_mb"] = round(sum(file.stat().st_size for file in weights.files) / 1e6, 1)
            config = json.loads(weights.config.read_text())
            row |= {"layers": config["num_hidden_layers"], "hidden": config["hidden_size"]}
        row["where"] = weights.where if weights else "made from a seed"
        if measure:
            from aqp_utils.encoders.wav2vec2 import load_encoder

            encoder = load_encoder(name, hidden_size=None, verbose=False)
            row |= {"layers": encoder.n_layers, "hidden": encoder.hidden_size}
            row |= {"weights_sha256": encoder.weights_sha256[:12]}
            row["x_real_time"] = round(measure_speed(encoder))
    except EncoderError as error:
        row["problem"] = str(error)
    return row


def add_arguments(parser):
    """Arguments of ``python -m aqp_utils encoders``."""
    parser.add_argument("folder", nargs="*", help="also list the encoder in this folder")
    parser.add_argument("--no-speed", action="store_true", help="do not load and time them")


def run(args):
    """Print the table of encoders; returns the exit status."""
    import pandas as pd

    table = list_encoders(args.folder, measure=not args.no_speed)
    with pd.option_context("display.width", 160, "display.max_colwidth", 80):
        print(table.drop(columns="problem").to_string(index=False))
    for _, row in table[table.problem != ""].iterrows():
        print(f"{row['name']}: {row.problem}")
    return 0
