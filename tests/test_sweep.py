"""A grid of runs shares stages and goes on; comparisons are paired and refuse what was changed."""

import json

import fake_series
import numpy as np
import pandas as pd
import pytest

from aqp_utils.commands import cli, compare, sweep
from aqp_utils.core.files import sha256
from aqp_utils.runs.stage import fingerprint

FILES = {"preset": "default", "grid": {"EPOCHS": [1, 2], "SEED": [0, 1]}}


def write_sweep(folder, **entries):
    path = folder / "grid.yaml"
    path.write_text(json.dumps(FILES | {"out": str(folder / "out")} | entries))  # JSON is YAML
    return path


def test_every_combination_is_a_run_and_the_later_share_with_the_earlier(tmp_path):
    root = fake_series.write(tmp_path)
    preset, points = sweep.read_sweep(write_sweep(tmp_path))
    sweep.plan(root, preset, points)
    assert [point.name for point in points] == [
        "EPOCHS=1_SEED=0",
        "EPOCHS=1_SEED=1",
        "EPOCHS=2_SEED=0",
        "EPOCHS=2_SEED=1",
    ]
    assert [point.parent and point.parent.name for point in points] == [
        None,
        None,
        "EPOCHS=1_SEED=0",
        "EPOCHS=1_SEED=1",
    ]
    assert [point.shared for point in points] == [0, 0, 3, 3]


def test_shared_stages_are_made_once_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
    root = fake_series.write(tmp_path)
    monkeypatch.setattr(sweep, "find_root", lambda: root)
    monkeypatch.setattr(compare, "compared", lambda folders: pd.DataFrame({"run": list(folders)}))
    monkeypatch.setattr(compare, "as_text", lambda *_: "table")
    monkeypatch.setattr(compare, "settings_of", lambda folders: {})
    monkeypatch.setattr(compare, "keep", lambda *_: {})
    path = write_sweep(tmp_path, grid={"EPOCHS": [1, 2]})
    assert cli.main(["sweep", str(path)]) == 0
    assert "EPOCHS=2: made, 3 stages shared" in capsys.readouterr().out
    first, second = (tmp_path / "out" / f"EPOCHS={n}" for n in (1, 2))
    shared, own = "03_features/manifest.json", "04_model/history.csv"
    assert (first / shared).read_bytes() == (second / shared).read_bytes()
    assert ((first / own).read_text(), (second / own).read_text()) == ("1", "2")
    assert "01_synthesize: unchanged, kept" in (second / "log.txt").read_text()
    made = (second / "04_model" / "manifest.json").stat().st_mtime_ns
    assert cli.main(["sweep", str(path)]) == 0
    assert (second / "04_model" / "manifest.json").stat().st_mtime_ns == made


def test_one_run_that_stops_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    root = fake_series.write(tmp_path, {"04_model": "assert EPOCHS != 1, 'not one'"})
    monkeypatch.setattr(sweep, "find_root", lambda: root)
    path = write_sweep(tmp_path, grid={"EPOCHS": [1, 2]})
    assert cli.main(["sweep", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "[1/2] EPOCHS=1: stopped: " in printed and "not one" in printed
    assert "[2/2] EPOCHS=2: made, 3 stages shared" in printed


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"grid": {}}, "a sweep has an entry grid"),
        ({"grid": {"EPOCHS": 3}}, "EPOCHS is 3; allowed is a list of values"),
        ({"grid": {"EPOCH": [3]}}, "did you mean EPOCHS"),
        ({"grid": {"OUT": ["a", "b"]}}, "OUT cannot vary here"),
        ({"grid": {"EPOCHS": [3, 3]}}, "names a value twice"),
        ({"grid": {"EPOCHS": [0, 1]}}, "EPOCHS = 0: allowed is"),
        ({"gird": {}}, "gird: allowed are preset, out, fixed, grid"),
        ({"preset": "field"}, "preset is 'field'; allowed are smoke, default"),
        ({"fixed": 3}, "fixed is 3; allowed are parameters"),
    ],
)
def test_a_wrong_sweep_is_one_sentence_and_touches_nothing(tmp_path, entries, sentence, capsys):
    assert cli.main(["sweep", str(write_sweep(tmp_path, **entries))]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def fake_report(run, seed, shift, sources=range(8)):
    """05_report of a run: clips of some sources, scored with an error that grows with `shift`."""
    folder = run / "05_report"
    folder.mkdir(parents=True)
    rows = []
    for source in sources:
        for severity, (quality, score) in enumerate((("high", 4.0), ("medium", 3.0), ("low", 1.5))):
            error = shift * (-1) ** (source + severity)
            shares = dict(p_low=0.0, p_medium=0.0, p_high=0.0) | {f"p_{quality}": 1.0}
            rows.append(
                dict(
                    clip=f"{source}_{severity}",
                    file=f"clips/{source}_{severity}.wav",
                    source=source,
                    kind="noise",
                    severity=severity + 1,
                    quality=quality,
                    score=score + 0.01 * source,
                    part="test",
                    predicted_quality=quality,
                    predicted_score=score + error,
                    **shares,
                )
            )
    pd.DataFrame(rows).to_csv(folder / "predictions.csv", index=False)
    record = {
        "stage": "05_report",
        "parameters": {"SEED": seed},
        "reads": None,
        # The audio of a clip is known by its hash; another seed gives other audio.
        "inputs": {f"02_degraded/{row['file']}": f"{seed} {row['clip']}" for row in rows},
        "outputs": {"predictions.csv": sha256(folder / "predictions.csv")},
        "code": "",
    }
    record["fingerprint"] = fingerprint(record)
    (folder / "manifest.json").write_text(json.dumps(record))
    return run


def test_differences_are_paired_on_shared_clips_only(tmp_path):
    runs = {
        "good": fake_report(tmp_path / "good", 0, 0.1),
        "worse": fake_report(tmp_path / "worse", 0, 0.3),
        "elsewhere": fake_report(tmp_path / "elsewhere", 1, 0.1),
    }
    table = compare.compared(runs).set_index(["condition", "metric"])
    rmse = table.xs("rmse", level="metric")
    assert rmse.loc["worse", "difference"] == pytest.approx(
        rmse.loc["worse", "mean"] - rmse.loc["good", "mean"]
    )
    assert rmse.loc["worse", "clear"] and rmse.loc["worse", "shared_clips"] == 24
    assert np.isnan(rmse.loc["elsewhere", "difference"])


def test_the_command_prints_and_keeps_the_comparison(tmp_path, capsys):
    good, worse = (fake_report(tmp_path / name, 0, by) for name, by in (("a", 0.1), ("b", 0.3)))
    assert cli.main(["compare", str(good), str(worse), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "a, 24 clips" in printed and "clear" in printed
    kept = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert set(kept["run"]) == {"a", "b"}
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 5_000


def test_what_cannot_be_compared_is_one_sentence(tmp_path, capsys):
    good = fake_report(tmp_path / "a", 0, 0.1)
    assert cli.main(["compare", str(good)]) == 2
    assert "name two or more" in capsys.readouterr().err
    assert cli.main(["compare", str(good), str(good)]) == 2
    assert "named twice" in capsys.readouterr().err
    assert cli.main(["compare", str(good), str(tmp_path / "none")]) == 2
    assert "run 05_evaluate first" in capsys.readouterr().err
    other = fake_report(tmp_path / "b", 0, 0.3)
    path = other / "05_report" / "predictions.csv"
    path.write_text(path.read_text().replace("high", "low ", 1))
    assert cli.main(["compare", str(good), str(other)]) == 2
    assert "was changed since it was made" in capsys.readouterr().err
