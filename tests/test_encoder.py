"""Encoders: every kind that can be loaded, every way to fail, what an embedding promises."""

import json
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoder import TINY
from transformers import (
    BertConfig,
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2ForPreTraining,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

from aqp_utils.commands.encoders import list_encoders
from aqp_utils.encoders import catalog
from aqp_utils.encoders.catalog import EncoderError, cached_weights
from aqp_utils.encoders.hub import random_encoder
from aqp_utils.encoders.wav2vec2 import load_encoder, normalized

CLASSES = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "hubert": (HubertConfig, HubertModel),
    "wavlm": (WavLMConfig, WavLMModel),
}
RNG = np.random.default_rng(0)
CLIPS = [0.1 * RNG.standard_normal(n) for n in (8000, 6000, 8000, 8000)]


def save_tiny(folder, model_type="wav2vec2", norm="group", **changes):
    """Save a tiny untrained model of one class and norm; stable layer norm goes with "layer"."""
    config_class, model_class = CLASSES[model_type]
    shape = TINY | {"feat_extract_norm": norm, "do_stable_layer_norm": norm == "layer"} | changes
    torch.manual_seed(0)
    model_class(config_class(**shape)).save_pretrained(folder)
    return folder


def load_tiny(folder, **settings):
    return load_encoder(str(folder), hidden_size=None, verbose=False, device="cpu", **settings)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub cache on a machine whose hub does not answer."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalog, "_hub_answers", lambda _: False)
    return tmp_path / "cache"


def put_in_cache(hub, name="facebook/wav2vec2-base", **settings):
    snapshot = hub / f"models--{name.replace('/', '--')}" / "snapshots" / "abc"
    return save_tiny(snapshot, **settings)


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("model_type", CLASSES)
def test_every_class_and_norm_embeds_what_the_model_computes(tmp_path, model_type, norm):
    encoder = load_tiny(save_tiny(tmp_path, model_type, norm))
    layers = encoder.embed_layers(CLIPS, batch_size=2)
    embedding = encoder.embed(CLIPS, batch_size=2)
    assert embedding.shape == (4, 32) and layers.shape == (4, 3, 32)
    _, model_class = CLASSES[model_type]
    model = model_class.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        output = model(torch.from_numpy(normalized(CLIPS[1]))[None], output_hidden_states=True)
    for layer in (0, 1):
        expected = output.hidden_states[layer].mean(dim=1)[0]
        np.testing.assert_allclose(layers[1, layer], expected, atol=1e-5)
    np.testing.assert_allclose(layers[1, 2], output.last_hidden_state.mean(dim=1)[0], atol=1e-5)
    np.testing.assert_array_equal(embedding, layers[:, 1])  # the default is the middle layer


def test_pooling_and_layer_choose_what_is_embedded(tmp_path):
    folder = save_tiny(tmp_path)
    top = load_tiny(folder, layer=-1, pooling="mean+std")
    embedding, layers = top.embed(CLIPS), top.embed_layers(CLIPS)
    assert embedding.shape == (4, 64) and layers.shape == (4, 3, 64)
    np.testing.assert_array_equal(embedding, layers[:, 2])
    mean = load_tiny(folder, layer=-1).embed(CLIPS)
    np.testing.assert_array_equal(embedding[:, :32], mean)
    assert (embedding[:, 32:] >= 0).all()
    with pytest.raises(EncoderError, match=r"LAYER 3.*hidden states 0 to 2"):
        load_tiny(folder, layer=3)
    with pytest.raises(EncoderError, match=r"POOLING max: allowed are mean and mean\+std"):
        load_tiny(folder, pooling="max")


def test_embeddings_do_not_depend_on_batch_order_level_or_rerun(tmp_path):
    encoder = load_tiny(save_tiny(tmp_path))
    embedding = encoder.embed(CLIPS, batch_size=8)
    np.testing.assert_array_equal(embedding, load_tiny(tmp_path).embed(CLIPS, batch_size=8))
    np.testing.assert_allclose(embedding, encoder.embed(CLIPS, batch_size=1), atol=1e-5)
    np.testing.assert_allclose(embedding[::-1], encoder.embed(CLIPS[::-1]), atol=1e-5)
    quiet = encoder.embed([0.1 * clip + 0.01 for clip in CLIPS])  # and a constant offset
    np.testing.assert_allclose(embedding, quiet, atol=1e-3)


def test_sharded_and_single_safetensors_give_the_same_model(tmp_path):
    single = save_tiny(tmp_path / "single")
    model = Wav2Vec2Model.from_pretrained(single)
    model.save_pretrained(tmp_path / "sharded", max_shard_size="40KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    sharded = load_tiny(tmp_path / "sharded")
    np.testing.assert_array_equal(sharded.embed(CLIPS), load_tiny(single).embed(CLIPS))
    assert len(sharded.weights_sha256) == 64


def test_a_pretraining_checkpoint_loads_without_its_heads(tmp_path):
    model = Wav2Vec2ForPreTraining(Wav2Vec2Config(**TINY, num_codevectors_per_group=8))
    model.save_pretrained(tmp_path)
    expected = model.wav2vec2.eval()(torch.from_numpy(normalized(CLIPS[0]))[None])[0]
    top = load_tiny(tmp_path, layer=-1).embed(CLIPS[:1])
    np.testing.assert_allclose(top[0], expected.mean(dim=1)[0].detach(), atol=1e-5)


def test_half_precision_weights_are_computed_in_float32(tmp_path):
    Wav2Vec2Model(Wav2Vec2Config(**TINY)).half().save_pretrained(tmp_path)
    encoder = load_tiny(tmp_path)
    assert {p.dtype for p in encoder.model.parameters()} == {torch.float32}


def test_random_is_the_same_everywhere_and_says_what_it_is(capsys):
    before = torch.get_rng_state()
    first, second = random_encoder(), random_encoder()
    assert torch.equal(before, torch.get_rng_state())
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    encoder = load_encoder("random", device="cpu")
    assert encoder.name == "random" and encoder.hidden_size == 768
    assert capsys.readouterr().out.startswith("encoder: random (asked for)")
    assert json.dumps(encoder.describe())


def test_auto_prefers_the_hub_model_then_the_embedded_one_then_random(hub, monkeypatch, capsys):
    monkeypatch.setattr(catalog, "EMBEDDED_FOLDER", Path("/nowhere"))
    assert load_encoder("auto", device="cpu").name == "random"
    line = capsys.readouterr().out
    assert "is not in the local cache and the hub does not answer" in line
    put_in_cache(hub)
    assert load_encoder("auto", hidden_size=None, device="cpu").name == "facebook/wav2vec2-base"
    assert "facebook/wav2vec2-base (the default, available here)" in capsys.readouterr().out


def test_auto_takes_the_embedded_encoder_without_a_hub(hub):
    if not catalog.embedded_available():
        pytest.skip("the embedded encoder is not in this checkout")
    encoder = load_encoder("auto", device="cpu", verbose=False)
    assert encoder.name == "embedded" and "not in the local cache" in encoder.why


def ask_a_hub_that(answers, monkeypatch):
    """Point at a local server that sends `answers` (bytes; none: it stays silent), then ask it."""
    monkeypatch.setattr(catalog, "HUB_WAIT_S", 1.5)
    catalog._hub_answers.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)

        def serve():
            connection, _ = server.accept()
            if answers:
                connection.recv(4096)
                connection.sendall(answers)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        reached = catalog.hub_reachable("owner/model")
    catalog._hub_answers.cache_clear()
    return reached


def test_a_silent_network_and_a_blocking_proxy_are_told_from_a_hub(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    empty = b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    start = time.perf_counter()
    assert not ask_a_hub_that(b"", monkeypatch)
    assert time.perf_counter() - start < 5
    assert not ask_a_hub_that(b"HTTP/1.1 403 Forbidden" + empty, monkeypatch)
    assert not ask_a_hub_that(b"HTTP/1.1 404 Not Found" + empty, monkeypatch)
    unknown = b"HTTP/1.1 404 Not Found\r\nX-Error-Code: RepoNotFound"
    assert ask_a_hub_that(unknown + empty, monkeypatch)
    assert ask_a_hub_that(b"HTTP/1.1 200 OK" + empty, monkeypatch)


def test_offline_environment_is_respected(hub, monkeypatch):
    monkeypatch.setattr(catalog, "_hub_answers", lambda _: pytest.fail("asked the hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EncoderError, match="HF_HUB_OFFLINE is set; connect once"):
        load_encoder("facebook/wav2vec2-base")


def test_download_takes_the_conversion_bots_safetensors_when_main_has_none(hub, monkeypatch):
    """Older models: config on main, safetensors on the hub's own conversion pull request."""
    whole = put_in_cache(hub, "owner/whole")
    main, converted = (hub / "models--owner--old" / "snapshots" / name for name in ("a", "b"))

    def fetch(name, revision=None, **_):
        folder = converted if revision else main
        file = "model.safetensors" if revision else "config.json"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes((whole / file).read_bytes())
        return str(folder)

    class Request:
        is_pull_request, title, git_reference = True, "Adding `safetensors` variant", "refs/pr/1"

    monkeypatch.setattr(catalog, "_hub_answers", lambda _: True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    monkeypatch.setattr("huggingface_hub.get_repo_discussions", lambda *_, **__: [Request])
    old = load_tiny("owner/old")
    np.testing.assert_array_equal(old.embed(CLIPS), load_tiny("owner/whole").embed(CLIPS))
    monkeypatch.setattr(catalog, "_hub_answers", lambda _: False)
    assert load_tiny("owner/old").weights_sha256 == old.weights_sha256  # from the cache now


def test_half_downloaded_cache_is_named(hub):
    snapshot = put_in_cache(hub)
    (snapshot / "model.safetensors").unlink()
    assert cached_weights("facebook/wav2vec2-base")[1] == "is half-downloaded"
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(EncoderError, match="half-downloaded: model-00001-of-00002"):
        load_encoder("facebook/wav2vec2-base")


def test_failed_download_is_one_sentence(hub, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("broken")

    monkeypatch.setattr(catalog, "_hub_answers", lambda _: True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(EncoderError, match=r"cannot be downloaded \(ConnectionError\)"):
        load_encoder("owner/model")


def test_missing_folder_wrong_architecture_and_pickle_are_refused(tmp_path):
    with pytest.raises(EncoderError, match="there is no such folder"):
        load_encoder(str(tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderError, match="no config.json"):
        load_encoder(str(tmp_path / "empty"))
    folder = save_tiny(tmp_path / "pickle")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="pickle checkpoint .* never opened"):
        load_tiny(folder)
    folder = save_tiny(tmp_path / "bert")
    (folder / "config.json").write_text(BertConfig().to_json_string(use_diff=False))
    with pytest.raises(EncoderError, match="this is a bert model; ENCODER takes wav2vec2, hubert"):
        load_tiny(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(EncoderError, match="is not a model's config.json"):
        load_tiny(folder)


def test_wrong_hidden_size_says_what_to_set(tmp_path):
    folder = save_tiny(tmp_path)
    with pytest.raises(EncoderError, match=r"hidden size is 32, this study fuses 768 values; set"):
        load_encoder(str(folder))
    config = json.loads((folder / "config.json").read_text()) | {"hidden_size": 64}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderError, match="set config.json to what the weights have"):
        load_tiny(folder)


def test_corrupt_or_incomplete_weights_are_refused(tmp_path):
    folder = save_tiny(tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EncoderError, match="cannot be read .*truncated or corrupt"):
        load_tiny(folder)
    save_tiny(folder, num_hidden_layers=1)
    config = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": 2}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderError, match="tensors are missing in the weights, encoder.layers.1"):
        load_tiny(folder)
    model = Wav2Vec2Model(Wav2Vec2Config(**TINY))
    model.encoder.layer_norm.weight.data[0] = float("nan")
    model.save_pretrained(folder)
    with pytest.raises(EncoderError, match="encoder.layer_norm.weight holds NaN or Inf"):
        load_tiny(folder)


def test_clips_that_cannot_be_embedded_are_refused(tmp_path):
    encoder = load_tiny(save_tiny(tmp_path))
    with pytest.raises(EncoderError, match=r"clip 1: 10 samples; .* needs 160 \(0.010 s"):
        encoder.embed([CLIPS[0], CLIPS[0][:10]])
    with pytest.raises(EncoderError, match="clip 0: holds NaN"):
        encoder.embed([np.full(8000, np.nan)])
    with pytest.raises(EncoderError, match="clip 0: 2 axes"):
        encoder.embed([np.zeros((2, 8000))])
    assert np.isfinite(encoder.embed([np.zeros(8000)])).all()  # silence is not an error here


def test_padding_and_masking_changes_nothing_in_the_shipped_shape():
    """Layer norm in the convolutions: a padded, masked clip embeds as the clip itself."""
    model = random_encoder().eval()
    clip = torch.from_numpy(normalized(RNG.standard_normal(24_000)))[None]
    padded = torch.nn.functional.pad(clip, (0, 12_345))
    mask = torch.zeros(padded.shape, dtype=torch.long)
    mask[:, : clip.shape[1]] = 1
    with torch.inference_mode():
        alone = model(clip).last_hidden_state
        masked = model(padded, attention_mask=mask).last_hidden_state[:, : alone.shape[1]]
    assert (alone.mean(dim=1) - masked.mean(dim=1)).abs().max() < 1e-5


def test_what_ships_computes_the_same_with_and_without_transformers():
    shipped = load_encoder("embedded", device="cpu", verbose=False)
    folder = str(catalog.EMBEDDED_FOLDER)
    by_transformers = load_encoder(folder, layer=shipped.layer, device="cpu", verbose=False)
    assert type(by_transformers.model).__module__.startswith("transformers")
    assert shipped.weights_sha256 == by_transformers.weights_sha256
    for name in ("shortest_clip", "frame_rate_hz", "n_layers", "hidden_size", "model_type"):
        assert getattr(shipped, name) == getattr(by_transformers, name)
    first, second = (one.embed_layers(CLIPS) for one in (shipped, by_transformers))
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_the_list_names_what_is_here_and_what_is_wrong(hub, tmp_path):
    put_in_cache(hub, "owner/small")
    folder = save_tiny(tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"nonsense")
    table = list_encoders([str(folder)]).set_index("name")
    assert table.loc["owner/small", "hidden"] == 32 and table.loc["owner/small", "problem"] == ""
    assert table.loc["owner/small", "x_real_time"] > 1
    assert "truncated or corrupt" in table.loc[str(folder), "problem"]
    assert "hub cannot be reached" in table.loc["facebook/wav2vec2-base", "problem"]


@pytest.mark.skipif(not catalog.embedded_available(), reason="not in this checkout")
def test_changed_embedded_weights_are_noticed(tmp_path, monkeypatch):
    for file in catalog.EMBEDDED_FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-3] ^= 1
    (tmp_path / "model.safetensors").write_bytes(bytes(weights))
    monkeypatch.setattr(catalog, "EMBEDDED_FOLDER", tmp_path)
    with pytest.raises(EncoderError, match="was changed"):
        load_encoder("embedded")
