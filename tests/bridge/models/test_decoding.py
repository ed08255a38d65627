"""Own decoding against `generate`: the same tokens, the same scores, the same frequencies."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra llm")
import torch

from tests.bridge import tiny_lm
from toyrl.bridge.models import decoding
from toyrl.bridge.models.padding import by_length

pytestmark = [
    pytest.mark.bridge,
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning"),
]
PROMPTS = ["1+2=", "17+5-3*2=", "9="]
ENDS = [1]


def sharp(seed: int = 0, heads: int = 2):
    """A random model that is sure enough of its tokens for ties not to matter."""
    from transformers import LlamaConfig, LlamaForCausalLM

    network = tiny_lm.model(seed)
    if heads != 2:  # fewer keys than queries
        options = {**network.config.to_dict(), "num_attention_heads": 4, "head_dim": 8}
        torch.manual_seed(seed)
        network = LlamaForCausalLM(LlamaConfig(**{**options, "num_key_value_heads": 2}))
    with torch.no_grad():
        for p in network.parameters():
            if p.ndim > 1:
                p.mul_(6)
    return network.eval()


def asked(texts=PROMPTS) -> list[list[int]]:
    return tiny_lm.tokenizer()(list(texts), add_special_tokens=False)["input_ids"]


def padded(prompts):
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    return ids, torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])


@pytest.mark.parametrize("heads", [2, 4], ids=["heads alike", "shared keys"])
def test_the_likeliest_tokens_are_those_of_generate(heads):
    network, lengths = sharp(heads=heads), set()
    for seed in range(4):
        torch.manual_seed(seed)
        prompts = [torch.randint(2, 40, (n,)).tolist() for n in (1, 4, 9, 4)] + asked()
        ids, mask = padded(prompts)
        out = network.generate(
            input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=80, pad_token_id=0
        )
        want = out[:, ids.shape[1] :].tolist()
        want = [w[: w.index(1) + 1] if 1 in w else w for w in want]
        made = decoding.complete(network, prompts, limit=80, ends=ENDS, temperature=0)
        assert made == want
        lengths |= set(map(len, made))
    assert max(lengths) == 80  # past the cache's first columns
    ends = {int(t) for w in made for t in w[-1:]}  # and with ends of another kind
    cut = decoding.complete(network, prompts, limit=80, ends=[1, *ends], temperature=0)
    assert all(c == w[: len(c)] and len(c) < 80 for c, w in zip(cut, want, strict=True))


def test_scores_on_the_way_are_those_of_a_whole_pass(monkeypatch):
    """Each token's scores, prompts unlike and rows leaving, against one pass a row."""
    network, seen = sharp(), []
    monkeypatch.setattr(
        decoding, "chosen", lambda s, _: seen.append(s) or torch.multinomial(s.softmax(-1), 1)[:, 0]
    )
    torch.manual_seed(3)
    prompts = asked() * 2
    made = decoding.complete(network, prompts, limit=20, ends=[1, *range(4, 12)])
    assert len(set(map(len, made))) > 1
    slack = 200 * torch.finfo(torch.float32).eps  # a hundred sums of numbers near 1, each way
    for step, scores in enumerate(seen):
        going = [i for i, m in enumerate(made) if len(m) > step]
        for row, i in enumerate(going):
            whole = network(torch.tensor([prompts[i] + made[i][:step]])).logits[0, -1].detach()
            assert float((scores[row] - whole).abs().max()) < slack * float(whole.abs().max())


def test_tokens_have_the_frequencies_of_the_softmax():
    """Of 4000 first tokens and of 4000 second ones after a given first: chi square."""
    network = tiny_lm.model().eval()
    prompt = asked()[1]
    torch.manual_seed(0)
    made = np.array(
        decoding.complete(network, [prompt] * 4000, limit=1, ends=ENDS, temperature=0.7)
    )
    scores = network(torch.tensor([prompt])).logits[0, -1].detach().double() / 0.7
    p = torch.softmax(scores, -1).numpy()
    count = np.bincount(made[:, 0], minlength=len(p))
    square = ((count - 4000 * p) ** 2 / (4000 * p)).sum()
    free = len(p) - 1
    assert abs(square - free) < 5 * math.sqrt(2 * free)
    wrong = np.roll(p, 1)
    assert ((count - 4000 * wrong) ** 2 / (4000 * wrong)).sum() > free + 5 * math.sqrt(2 * free)


def test_siblings_are_drawn_each_for_itself():
    made = decoding.complete(tiny_lm.model().eval(), asked()[:1] * 8, limit=12, ends=ENDS)
    assert len(set(map(tuple, made))) == 8


@pytest.fixture(scope="module")
def batch():
    """Eight rows of unlike prompts (5 columns) and completions (9)."""
    torch.manual_seed(5)
    ids = torch.randint(2, 40, (8, 14))
    mask = torch.zeros_like(ids)
    ends = [(0, 14), (3, 6), (2, 9), (4, 6), (1, 6), (0, 7), (3, 14), (4, 8)]
    for i, (first, last) in enumerate(ends):
        mask[i, first:last] = 1
    return ids, mask


@pytest.fixture
def trainer(tmp_path):
    from toyrl.bridge.training.trainer import ShapedGRPOTrainer

    return ShapedGRPOTrainer(
        tiny_lm.model(),
        "outcome()",
        args=tiny_lm.config(tmp_path),
        train_dataset=tiny_lm.data(),
        processing_class=tiny_lm.tokenizer(),
    )


def gradient(network):
    return torch.cat([p.grad.flatten() for p in network.parameters()])


def close(one, other) -> bool:
    scale = float(other.abs().max())
    assert scale > 1e-3
    return float((one - other).abs().max()) < 100 * torch.finfo(torch.float32).eps * scale


def test_log_probabilities_in_parts_are_those_of_one_pass(trainer, batch, monkeypatch):
    """Values and gradients, for rows of unlike prompts and completions."""
    from toyrl.bridge.training import lean

    ids, mask = batch
    found = {}
    for rows in (2, 8):  # four parts, and one
        monkeypatch.setattr(lean, "ROWS", rows)
        trainer.model.zero_grad()
        logps, entropies, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model, ids, mask, 9, compute_entropy=True
        )
        assert logps.shape == entropies.shape == (8, 9)
        (logps * mask[:, 5:]).sum().backward()
        kept = (logps * mask[:, 5:]).detach(), (entropies * mask[:, 5:]).detach()
        found[rows] = (*kept, gradient(trainer.model))
    assert all(close(one, other) for one, other in zip(found[2], found[8], strict=True))


@pytest.mark.parametrize("still", [(0, 3, 5), (), tuple(range(8))], ids=["some", "none", "all"])
def test_rows_without_advantage_cost_no_gradient_and_change_none(
    trainer, batch, monkeypatch, still
):
    from toyrl.bridge.training import lean

    ids, mask = batch
    advantages = torch.linspace(-1, 1, 8)
    advantages[list(still)] = 0
    found, passes = {}, []
    parent = lean.GRPOTrainer._get_per_token_logps_and_entropies

    def counted(self, model, own, *args, **options):
        passes.append((len(own), torch.is_grad_enabled()))
        return parent(self, model, own, *args, **options)

    monkeypatch.setattr(lean.GRPOTrainer, "_get_per_token_logps_and_entropies", counted)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    for rows in (2, 8):
        monkeypatch.setattr(lean, "ROWS", rows)
        trainer.model.zero_grad()
        inputs = {
            "prompt_ids": ids[:, :5], "prompt_mask": mask[:, :5],
            "completion_ids": ids[:, 5:], "completion_mask": mask[:, 5:],
            "advantages": advantages, "num_items_in_batch": mask[:, 5:].sum(),
        }  # fmt: skip
        loss = trainer._compute_loss(trainer.model, inputs)
        loss.backward()
        found[rows] = loss.detach(), gradient(trainer.model)
        if rows == 2:
            learnt = sum(n for n, grad in passes if grad)
            assert learnt == (8 if len(still) == 8 else 8 - len(still))
            assert sum(n for n, _ in passes) == 8
    if len(still) < 8:
        assert close(found[2][1], found[8][1])
    else:
        assert not found[2][1].any()
    slack = 1e-6  # ratios are 1, so that the loss is a mean of advantages near 1
    assert abs(float(found[2][0] - found[8][0])) < slack


@pytest.mark.parametrize("change", ["bias", "half", "kind", "empty"])
def test_what_is_not_decoded_here(change):
    from transformers import GPT2Config, GPT2LMHeadModel

    network, prompts = tiny_lm.model(), asked()
    if change == "bias":
        network.config.attention_bias = True
    elif change == "half":
        network = network.to(torch.bfloat16)
    elif change == "kind":
        network = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=60))
    else:
        prompts = [[3], []]
    assert bool(decoding.plain(network)) == (change != "empty")
    with pytest.raises(ValueError, match="prompt 1" if change == "empty" else "own generate"):
        decoding.complete(network, prompts, limit=2, ends=ENDS)


def test_rows_of_like_length_cover_everything_once():
    mask = torch.tensor(
        [[0, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1], [0, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0]]
    )
    mask[2, 1] = 1
    parts = by_length(mask, 2, 2)
    assert sorted(torch.cat([own for own, _, _ in parts]).tolist()) == [0, 1, 2, 3]
    for own, first, last in parts:
        assert last > 2
        outside = mask[own].clone()
        outside[:, first:last] = 0
        assert int(outside.sum()) == 0
    assert [int(own[0]) for own, _, _ in parts] == [2, 3]
    assert len(by_length(mask, 2, 99)) == 4
