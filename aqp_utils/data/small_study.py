"""A study beside the run's own: clips, labels and features in one go; only checkpoints stay."""

import tempfile
from pathlib import Path

from aqp_utils.core.scale import SEVERITY_CLASS
from aqp_utils.data.clips import make_clean, make_degraded, plan_degraded
from aqp_utils.data.embedding import embeddings_of
from aqp_utils.data.extraction import features_of
from aqp_utils.degradations.degrade import KINDS

SEVERITIES = tuple(SEVERITY_CLASS)


def of_family(
    family, n_sources, duration_s, encoder, feature_set, checkpoints, seed, label="pseudo_pesq"
):
    """A small study of one family of sources.

    Parameters
    ----------
    family : str
        "tones" or "speech".
    n_sources : int
        Each is damaged by one kind at three severities.
    duration_s : float
    encoder : Encoder
    feature_set : str
        "psychoacoustic" or "classic".
    checkpoints : Path
        `Stage.checkpoints`: what was computed before is read from there.
    seed : int
    label : str
        As `clips.make_degraded`: that of the run which this family is compared with.

    Returns
    -------
    features : dict of ndarray
        embedding and `feature_set`, as in features.npz.
    clips : DataFrame
        As the table of 02_degraded.
    """
    with _passing(checkpoints) as folder:
        clean_folder, degraded_folder = (Path(folder) / n for n in ("01_clean", "02_degraded"))
        clean = make_clean(clean_folder, n_sources, family, duration_s, seed)
        clips = make_degraded(degraded_folder, plan_degraded(clean, KINDS, SEVERITIES), label, seed)
        files = [degraded_folder / file for file in clips["file"]]
        return described(files, encoder, feature_set, checkpoints, family), clips


def redrawn(folder, clips, gaps, encoder, feature_set, checkpoints, seed, label="pseudo_pesq"):
    """The clips of a run made again from the same sources, their amounts of damage drawn anew.

    Parameters
    ----------
    folder : Path
        02_degraded of the run.
    clips : DataFrame
        Its table.
    gaps : bool
        As `clips.make_degraded`: leave gaps between the severities, or draw without.
    encoder : Encoder
    feature_set : str
    checkpoints : Path
    seed : int
    label : str
        These five as in `of_family`.

    Returns
    -------
    features : dict of ndarray
    clips : DataFrame
        As `of_family`, row by row the source, kind and severity of `clips`.
    """
    plan = clips[["clip", "file", "source", "kind", "severity"]].copy()
    plan["clean_file"] = [str((Path(folder) / file).resolve()) for file in clips["clean_file"]]
    with _passing(checkpoints) as again:
        made = make_degraded(again, plan, label, seed, gaps)
        files = [Path(again) / file for file in made["file"]]
        name = "with gaps" if gaps else "without gaps"
        return described(files, encoder, feature_set, checkpoints, name), made


def _passing(checkpoints):
    """A folder for clips of which only the description is kept, where a cluster sees it too."""
    Path(checkpoints).mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=checkpoints)


def described(files, encoder, feature_set, checkpoints, name):
    """Features and embedding of clips, as in features.npz; `name` labels the progress bars.

    Returns
    -------
    dict of ndarray
    """
    embedding, _ = embeddings_of(files, encoder, checkpoints, label=f"{name}: embedding")
    features = features_of(files, feature_set, checkpoints, f"{name}: features")
    return {feature_set: features, "embedding": embedding}
