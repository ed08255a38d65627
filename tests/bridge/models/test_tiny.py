"""The built-in model: deterministic, kept with checksums, rebuilt when damaged."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra llm")
import torch

from toyrl.bridge.models import choose as models
from toyrl.bridge.models import tiny
from toyrl.bridge.models.load import ModelError

pytestmark = pytest.mark.bridge
SMALL = tiny.Recipe(hidden=16, layers=1, heads=2, feed_forward=32, steps=3, batch=4)


def test_it_has_about_a_million_parameters():
    count = sum(p.numel() for p in tiny.network(tiny.Recipe()).parameters())
    assert 0.9e6 < count < 1.1e6


def test_pretraining_is_deterministic_and_leaves_random_states_alone():
    before = torch.get_rng_state()
    one, other = (tiny.pretrain(SMALL).state_dict() for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[k], other[k]) for k in one)
    fresh = tiny.network(SMALL).state_dict()
    assert any(not torch.equal(one[k], fresh[k]) for k in one)


def test_only_completions_are_learnt_and_texts_round_trip():
    tokenizer = tiny.character_tokenizer()
    ids, labels = next(tiny._batches(SMALL))
    learnt = labels != tiny.IGNORED
    assert torch.equal(labels[learnt], ids[learnt])
    for row, keep in zip(ids, learnt, strict=True):
        text = tokenizer.decode(row[keep], skip_special_tokens=True)
        asked = tokenizer.decode(row[~keep & (row != tiny.PAD)])
        assert asked.endswith("=\n")
        assert "=\n" not in text
        assert tokenizer(text)["input_ids"] == row[keep][: len(text)].tolist()
        assert tokenizer.unk_token_id not in tokenizer(asked + text)["input_ids"]


def test_a_damaged_copy_is_built_anew(tmp_path):
    told = []
    place = tiny.folder(SMALL, cache=tmp_path, tell=told.append)
    weights = place / "model.safetensors"
    kept = weights.read_bytes()
    assert tiny.folder(SMALL, cache=tmp_path, tell=told.append) == place
    assert not any("is damaged" in line for line in told)
    weights.write_bytes(kept[:-1] + b"!")
    assert "checksum" in tiny.damage(place)
    assert tiny.folder(SMALL, cache=tmp_path, tell=told.append) == place
    assert any("is damaged" in line for line in told)
    assert weights.read_bytes() == kept
    (place / tiny.MANIFEST).unlink()
    assert tiny.damage(place)
    assert [p.name for p in tmp_path.iterdir()] == [place.name]  # no temporary folders are left


def test_the_cache_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TOYRL_CACHE", str(tmp_path))
    assert tiny.cache_folder() == tmp_path
    monkeypatch.delenv("TOYRL_CACHE")
    assert tiny.cache_folder().name == "toyrl"


def test_other_recipes_have_other_names():
    assert tiny.Recipe(seed=1).key != tiny.Recipe().key == tiny.Recipe().key


def test_models_by_name(tmp_path, monkeypatch):
    assert models.prepare("smollm2") == models.SMOLLM2
    assert models.prepare("someone/model") == "someone/model"
    with pytest.raises(ModelError, match=r"without config\.json"):
        models.prepare(str(tmp_path))
    with pytest.raises(ModelError, match="does not exist"):
        models.prepare("smollm2", gguf=tmp_path / "no.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"not a model")
    monkeypatch.setenv("TOYRL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="can't be read"):
        models.prepare("smollm2", gguf=tmp_path / "bad.gguf")
