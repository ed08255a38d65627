"""Models and tokenizers that transformers loads and that can't be used, or not as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("trl", reason="needs the extra llm")
import torch

from tests.bridge import tiny_lm
from tests.experiments.commands.command import call
from tests.faults.limits import largest_file
from tests.faults.training.small_run import SETTINGS, start
from toyrl.bridge.models import sampling
from toyrl.bridge.models.load import ModelError, load
from toyrl.bridge.tasks import load_task
from toyrl.bridge.training import evaluate, run

pytestmark = [pytest.mark.bridge, pytest.mark.filterwarnings("default")]
SIZE = 3 + len(tiny_lm.ALPHABET)
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 16}  # fmt: skip


def llama(kind: str = "LlamaForCausalLM", **changes):
    import transformers

    config = tiny_lm.model().config
    for name, value in changes.items():
        setattr(config, name, value)
    torch.manual_seed(0)
    return getattr(transformers, kind)(config)


def encoder():
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    sizes = {"vocab_size": SIZE, "max_position_embeddings": 64, "initializer_range": 0.5}
    return BertForMaskedLM(BertConfig(**sizes, **SMALL))


def vision():
    from transformers import ViTConfig, ViTModel

    return ViTModel(ViTConfig(image_size=32, patch_size=16, **SMALL))


def translator():
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    return T5ForConditionalGeneration(T5Config(vocab_size=SIZE, **sizes))


def spoilt():
    made = tiny_lm.model()
    with torch.no_grad():
        made.model.norm.weight[0] = float("nan")
    return made


def characters(**tokens):
    """The character tokenizer with other special tokens."""
    made = tiny_lm.tokenizer()
    for name, value in tokens.items():
        setattr(made, name, value)
    return made


def saved(place, model, tokenizer):
    model.save_pretrained(place)
    if tokenizer is not None:
        tokenizer.save_pretrained(place)
    return place


@pytest.mark.parametrize(
    ("model", "tokenizer", "says"),
    [
        (vision, None, "is a vit model, no causal language model"),
        (vision, characters, "is a vit model, no causal language model"),
        (translator, characters, "is a t5 model, no causal language model"),
        (encoder, characters, "depends on later ones, so it is not causal"),
        (lambda: llama("LlamaForSequenceClassification", tie_word_embeddings=False), characters,
         "the weights of lm_head.weight are missing"),
        (lambda: llama("LlamaModel", tie_word_embeddings=False), characters,
         "the weights of lm_head.weight are missing"),
        (lambda: llama(vocab_size=20), characters, "tokenizer has 51 tokens, the network knows 20"),
        (spoilt, characters, "its scores are not finite"),
        (tiny_lm.model, lambda: characters(eos_token=None), "has no end token (eos_token)"),
        (tiny_lm.model, None, "no tokenizer was found"),
    ],
)  # fmt: skip
def test_what_is_no_causal_model_is_refused(tmp_path, model, tokenizer, says):
    place = saved(tmp_path / "m", model(), tokenizer and tokenizer())
    with pytest.raises(ModelError) as caught:
        load(str(place))
    said = str(caught.value)
    assert says in said
    assert said.startswith(f"model={str(place)!r}")
    assert said.endswith("name tiny, smollm2, a folder, or the id of a causal model on the hub")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", None, "model_type"),
        ("config.json", b"{", "not a valid JSON file"),
        ("config.json", b"{}", "model_type"),
        ("model.safetensors", None, "no file named model.safetensors"),
        ("model.safetensors", b"", "the file of weights is damaged"),
        ("model.safetensors", 5000, "the file of weights is damaged"),
        ("tokenizer.json", b"{", "can't be loaded"),
    ],
)
def test_damaged_folders_are_refused(tmp_path, name, content, says):
    place = saved(tmp_path / "m", tiny_lm.model(), tiny_lm.tokenizer())
    file = place / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:content] if isinstance(content, int) else content)
    with pytest.raises(ModelError, match=r"can't be loaded") as caught:
        load(str(place))
    assert says in str(caught.value)


def test_weights_below_float32_are_taken(tmp_path):
    place = saved(tmp_path / "m", tiny_lm.model().to(torch.bfloat16), tiny_lm.tokenizer())
    network, _ = load(str(place))
    assert network.dtype == torch.bfloat16
    assert run.load(str(place))[0].dtype == torch.float32


# -- a tokenizer without a pad token --------------------------------------------------------------
def test_without_a_pad_token_the_end_token_pads_and_nothing_changes(tmp_path):
    own = saved(tmp_path / "own", tiny_lm.model(), tiny_lm.tokenizer())
    none = saved(tmp_path / "none", tiny_lm.model(), characters(pad_token=None))
    task = load_task("shorthand:easy=1,hard=2", prompts=4, held_out=4)
    drawn = []
    for place in (own, none):
        network, tokenizer = run.load(str(place))
        drawn.append(evaluate.sample(network, tokenizer, task.held_out, times=8, limit=12, seed=1))
    assert tokenizer.pad_token == tokenizer.eos_token == "<eos>"
    one, other = ([(r.completion, r.tokens, r.truncated) for r in d.rows] for d in drawn)
    assert one == other
    assert len({tokens for _, tokens, _ in one}) > 2  # some ended before the limit


@pytest.mark.slow
def test_a_run_without_a_pad_token(tmp_path):
    own = saved(tmp_path / "own", tiny_lm.model(), tiny_lm.tokenizer())
    none = saved(tmp_path / "none", tiny_lm.model(), characters(pad_token=None))
    short = replace(SETTINGS, steps=2)
    one, other = (start(tmp_path / f"{p.name}-r", str(p), short)["points"] for p in (own, none))
    assert [p["step"] for p in one] == [0, 2]
    assert one == other


# -- validate --model -----------------------------------------------------------------------------
LIMITS = ("--max-completion-length", "8", "--typical-length", "4", "--no-report", "-q")


@pytest.fixture
def folder(tmp_path):
    return str(saved(tmp_path / "m", tiny_lm.model(), tiny_lm.tokenizer()))


def test_validate_refuses_what_is_no_causal_model(tmp_path, capsys):
    place = saved(tmp_path / "v", vision(), None)
    code, _, said = call(capsys, "validate", "outcome()", "--model", str(place), *LIMITS)
    assert code == 2
    assert "is a vit model, no causal language model" in said


def test_validate_says_where_memory_ran_out(folder, capsys, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(sampling, "_complete", full)
    code, _, said = call(capsys, "validate", "outcome()", "--model", folder, *LIMITS)
    assert code == 2
    assert "out of memory while sampling; lower group_size or max_completion_length" in said


def test_validate_says_where_the_disk_is_full(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with largest_file(100):
        code, _, said = call(capsys, "validate", "outcome()", "--model", folder, *LIMITS)
    assert code == 2
    assert "sampled-rollouts.jsonl: no space left under the file size limit" in said
    assert not [*tmp_path.rglob("sampled-rollouts.jsonl")]
