import json

import numpy as np
import pandas as pd
import pytest

from aqp_utils.core.package import PACKAGE
from aqp_utils.core.scale import class_of_score, to_scale
from aqp_utils.degradations.catalogue import DAMAGES
from aqp_utils.degradations.draws import HELD_OUT
from aqp_utils.runs import code
from aqp_utils.runs.stage import Stage
from aqp_utils.training.field import __main__ as command
from aqp_utils.training.field import clips, recipe, sources
from aqp_utils.training.field.clips import key_of, kind_of, load_clips, make_clips, split_by_speaker
from aqp_utils.training.field.recipe import (
    ALL_VERSIONS,
    FIRST_OTHER,
    FIRST_RARE,
    FIRST_STRETCHED,
    PARTS,
    TEST_VERSIONS,
    VERSIONS,
    make_source,
    part_of,
)

pytest.importorskip("pesq")


@pytest.fixture(scope="module", autouse=True)
def own_voices_only():
    """The same sources on every machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "synthesizers", dict)
        yield


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "SOURCES_PER_SHARD", 10)
        yield


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return make_clips(folder, 12, 1.0, 0, 1)


def test_a_source_is_clean_once_and_damaged_otherwise():
    audio, features, rows = make_source(0, 3, 1.0)
    versions = ALL_VERSIONS if rows[0]["part"] == "train" else TEST_VERSIONS
    assert audio.shape == (versions, 16_000) and audio.dtype == np.int16
    assert features.shape == (versions, 19) and np.isfinite(features).all()
    assert [row["version"] for row in rows] == list(range(versions))
    assert rows[0]["p862_2"] == pytest.approx(4.64, abs=0.01) and rows[0]["history"] == "[]"
    assert all(json.loads(row["history"]) for row in rows[1:])
    assert len({row["speaker"] for row in rows}) == 1


def test_a_source_is_the_same_whenever_it_is_made():
    for first, again in zip(make_source(0, 5, 1.0), make_source(0, 5, 1.0), strict=True):
        if isinstance(first, list):
            assert json.dumps(first) == json.dumps(again)
        else:
            np.testing.assert_array_equal(first, again)


def test_shards_are_kept_and_only_missing_ones_made(shards, monkeypatch, capsys):
    before = [path.read_bytes() for path in shards]
    shards[1].unlink()
    again = make_clips(shards[0].parent, 12, 1.0, 0, 1)
    assert again == shards and "resuming: 1 of 2 shards" in capsys.readouterr().out
    assert [path.read_bytes() for path in again] == before
    assert not list(shards[0].parent.glob("*.part"))


def test_more_sources_leave_the_ones_before_as_they_are(shards, tmp_path):
    (fewer,) = make_clips(tmp_path, 10, 1.0, 0, 1)
    assert fewer.name == shards[0].name and fewer.read_bytes() == shards[0].read_bytes()


def test_labels_are_measured_and_what_cannot_be_is_counted(shards, monkeypatch, tmp_path):
    clips = load_clips(shards, 0)
    made = pd.concat([pd.DataFrame(json.loads(str(np.load(path)["table"]))) for path in shards])
    sizes = made.groupby("source").agg(part=("part", "first"), size=("part", "size"))
    learned = sizes["part"] == "train"
    assert sizes["size"].tolist() == np.where(learned, ALL_VERSIONS, TEST_VERSIONS).tolist()
    assert 0 < learned.sum() < 12
    stretched = made["version"].between(FIRST_STRETCHED, FIRST_OTHER - 1)
    stretched = made.loc[stretched, "history"].map(json.loads)
    assert len(stretched) == learned.sum() * (FIRST_OTHER - FIRST_STRETCHED)
    assert {DAMAGES[one["name"]].family for met in stretched for one in met} == {"tempo"}
    assert len(clips.table) + clips.left_out == len(made) == len(clips.audio) + clips.left_out
    heard = np.concatenate([np.load(path)["audio"] for path in shards])
    np.testing.assert_array_equal(clips.audio, heard[made["p862_2"].notna()])
    np.testing.assert_allclose(clips.table["score"], to_scale(clips.table["p862_2"]))
    assert (clips.table["quality"] == class_of_score(clips.table["score"])).all()

    def refuse(clean, heard):
        raise ValueError("no utterance")

    monkeypatch.setattr(recipe, "measured_pesq", refuse)
    rows = make_source(0, 0, 1.0)[2]
    assert all(np.isnan(row["p862_2"]) for row in rows)


def test_no_voice_is_in_two_parts():
    speakers = np.repeat([f"voice {i}" for i in range(40)], 5)
    table = pd.DataFrame({"speaker": speakers})
    table["part"] = split_by_speaker(table, 0)
    assert table.groupby("speaker")["part"].nunique().eq(1).all()
    assert table["part"].value_counts(normalize=True).to_dict() == pytest.approx(
        {"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.03
    )


def test_kinds_are_named_by_their_family():
    assert kind_of([]) == "clean"
    assert kind_of([{"name": "opus"}]) == "codec"
    assert kind_of([{"name": "opus"}, {"name": "white_noise"}]) == "several"


def test_the_key_changes_with_seed_voices_and_code(monkeypatch):
    key = clips.key_of(0, 3.0)
    assert clips.key_of(1, 3.0) != key != clips.key_of(0, 2.0)
    monkeypatch.setattr(clips, "code_behind", lambda module: "other code")
    assert clips.key_of(0, 3.0) != key


def test_the_recipe_includes_what_makes_clips_and_not_what_learns_from_them():
    files = code.files_behind(["aqp_utils.training.field.recipe"])
    behind = {path.relative_to(PACKAGE).as_posix() for path in files}
    assert {
        "degradations/catalogue.py",
        "degradations/draws.py",
        "assets/catalogue_curves.json",
        "assets/hardness.json",
        "training/field/sources.py",
        "data/labels.py",
        "sources/formant_voice.py",
        "features/roughness.py",
    } <= behind
    rooms = {name.split("/")[0] for name in behind}
    assert not {"model", "predict", "views", "runs"} & rooms
    assert "training/field/training.py" not in behind


def test_speakers_have_one_part_each_in_about_their_shares():
    parts = [part_of(f"voice {number}") for number in range(2_000)]
    assert parts == [part_of(f"voice {number}") for number in range(2_000)]
    shares = [np.mean(np.array(parts) == part) for part in PARTS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_only_versions_for_the_last_training_meet_mechanisms_held_out(shards):
    rows = pd.concat([pd.DataFrame(json.loads(str(np.load(path)["table"]))) for path in shards])
    for row in rows.itertuples():
        names = {damage["name"] for damage in json.loads(row.history)}
        is_other = FIRST_OTHER <= row.version < FIRST_RARE
        if is_other:  # for the last training
            assert row.part == "train" and names <= set(HELD_OUT)
        assert row.part != "train" or is_other or not names & set(HELD_OUT)
        first_rare = FIRST_RARE if row.part == "train" else VERSIONS
        assert (row.version >= first_rare) == any(not DAMAGES[name].weight for name in names)


def test_a_run_goes_on_from_the_clips_that_the_command_made(tmp_path, capsys):
    made = ["--out", str(tmp_path), "--sources", "11", "--duration-s", "1", "--processes", "1"]
    made += ["--seed", "0"]
    with pytest.raises(SystemExit, match="no part 2 of 2"):
        command.main([*made, "--part", "2", "--of", "2"])
    assert not list(tmp_path.iterdir())
    command.main([*made, "--part", "1", "--of", "2"])
    assert "1 of 2 shards are in" in capsys.readouterr().out
    stage = Stage.begin("field", out=str(tmp_path), parameters={"SEED": 0})
    shards = make_clips(stage.checkpoints / f"clips_{key_of(0, 1.0)}", 11, 1.0, 0, 1)
    assert "resuming: 1 of 2 shards" in capsys.readouterr().out and len(shards) == 2


def test_the_command_leaves_a_folder_of_others_alone(tmp_path):
    (tmp_path / "field").mkdir()
    (tmp_path / "field" / "notes.txt").write_text("mine")
    with pytest.raises(SystemExit, match="was not made by a run: it holds notes.txt"):
        command.main(["--out", str(tmp_path), "--sources", "1", "--duration-s", "0.5"])
