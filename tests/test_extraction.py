import numpy as np
import pytest

from aqp_utils.core.audio import write_wav
from aqp_utils.core.randomness import rng_for
from aqp_utils.data import extraction, in_shards
from aqp_utils.data.embedding import embeddings_of
from aqp_utils.data.extraction import extract_one
from aqp_utils.encoders.wav2vec2 import load_encoder
from aqp_utils.features.sets import FEATURE_SETS
from aqp_utils.sources.tones import tone_clip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    paths = [folder / f"{i}.wav" for i in range(3)]
    for i, path in enumerate(paths):
        write_wav(path, tone_clip(1.0, rng_for(0, "clean", i))[0])
    return paths


def test_rows_are_those_of_the_files(files, tmp_path):
    table = extraction.features_of(files, "psychoacoustic", tmp_path)
    assert table.shape == (3, 19)
    assert np.array_equal(table[1], extract_one(files[1], "psychoacoustic"))


def test_a_second_call_resumes_from_what_is_there(files, tmp_path, capsys):
    first = extraction.features_of(files, "classic", tmp_path)
    again = extraction.features_of(files, "classic", tmp_path)
    assert np.array_equal(first, again)
    assert "resuming: 1 of 1 shards" in capsys.readouterr().out


def test_rows_do_not_depend_on_the_number_of_processes(files, tmp_path, monkeypatch):
    monkeypatch.setattr(in_shards, "FEWEST", 1)
    for feature_set in FEATURE_SETS:
        tables = []
        for cores in (1, 2):
            monkeypatch.setattr(in_shards.os, "cpu_count", lambda n=cores: n)
            tables.append(extraction.features_of(files, feature_set, None))
        np.testing.assert_array_equal(*tables)


def test_without_files_there_is_nothing_to_describe():
    with pytest.raises(ValueError, match="classic features: there are no clips"):
        extraction.features_of([], "classic", None)


def test_embedding_is_the_chosen_layer(files, tmp_path):
    encoder = load_encoder("random", layer=2, verbose=False)
    embedding, layers = embeddings_of(files, encoder, tmp_path)
    assert embedding.shape == (3, 768)
    assert layers.shape == (3, encoder.n_layers + 1, 768)
    assert np.array_equal(embedding, layers[:, 2])
