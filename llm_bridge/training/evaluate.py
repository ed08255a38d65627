"""Where a policy stands: accuracy, length, entropy and its distance from the base, on held-out
prompts, at temperature 1.

The distance is the KL divergence from the base in nats a completion, on the policy's own samples:
at each token exact over the vocabulary, summed over the completion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from toyrl.bridge.models import decoding
from toyrl.bridge.models.padding import by_length
from toyrl.bridge.training import state as trainer_state
from toyrl.graders.base import TextRow
from toyrl.rollouts.texts import ran_out
from toyrl.serving import text_of

CHUNK = 32  # sequences to a forward pass
SCORES = 2**24  # and at most so many scores (sequences x tokens x vocabulary)


@dataclass(frozen=True)
class Point:
    """A policy after `step` updates.

    kl, entropy : nats a completion, nats a token; length in tokens, the end token included;
    accuracy_by : difficulty (as text) -> accuracy
    """

    step: int
    accuracy: float
    length: float
    truncated: float
    kl: float
    entropy: float
    accuracy_by: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class Sampled:
    """Completions of prompts: rows (text with columns, length, truncated), and their tokens.

    ids (N, P + T), mask likewise; width T of the completion part
    """

    rows: list[TextRow]
    ids: Any
    mask: Any
    width: int


def sample(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Mapping[str, Any]],
    *,
    times: int,
    limit: int,
    seed: int,
    batch: int = 256,
) -> Sampled:
    """`times` completions of each prompt, neighbours in the result; global random states stay.

    prompts : rows with `prompt` (text or chat messages) and columns; limit : tokens
    """
    import torch

    states = trainer_state.random_states()
    was_training = model.training
    try:
        torch.manual_seed(seed)
        model.eval()
        asked = [row for row in prompts for _ in range(times)]
        parts = [
            _generate(model, tokenizer, asked[i : i + batch], limit)
            for i in range(0, len(asked), batch)
        ]
    finally:
        model.train(was_training)
        trainer_state.set_random_states(states)
    return _joined(parts, tokenizer.pad_token_id)


def _generate(model: Any, tokenizer: Any, rows: list[Mapping[str, Any]], limit: int) -> Sampled:
    """Completions of rows, prompts padded left and completions right."""
    import torch

    texts = [as_text(row["prompt"], tokenizer) for row in rows]
    asked = tokenizer(texts, add_special_tokens=False)["input_ids"]
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    if decoding.plain(model):
        made = _by_transformers(model, tokenizer, texts, limit)
    else:
        made = decoding.complete(model, asked, limit=limit, ends=[end])
    before, width = max(map(len, asked)), max(map(len, made))
    ids = torch.full((len(rows), before + width), pad)
    mask = torch.zeros_like(ids)
    done = []
    for i, (row, prompt, own) in enumerate(zip(rows, asked, made, strict=True)):
        ids[i, before - len(prompt) : before + len(own)] = torch.tensor([*prompt, *own])
        mask[i, before - len(prompt) : before + len(own)] = 1
        columns = {k: v for k, v in row.items() if k != "prompt"}
        text = tokenizer.decode(own, skip_special_tokens=True)
        cut = ran_out(len(own), ended=end in own, limit=limit)
        done.append(TextRow(text_of(row["prompt"]), text, columns, len(own), cut))
    return Sampled(done, ids.to(model.device), mask.to(model.device), width)


def _by_transformers(model: Any, tokenizer: Any, texts: list[str], limit: int) -> list[list[int]]:
    """Completions by the network's own generator, each up to its end token."""
    import torch

    given = tokenizer(
        texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
    ).to(model.device)
    with torch.no_grad():
        out = model.generate(
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=limit,
            pad_token_id=tokenizer.pad_token_id,
        )
    end, made = tokenizer.eos_token_id, out[:, given["input_ids"].shape[1] :].tolist()
    return [ids[: ids.index(end) + 1] if end in ids else ids for ids in made]


def _joined(parts: list[Sampled], pad: int) -> Sampled:
    import torch

    before = max(p.ids.shape[1] - p.width for p in parts)
    width = max(p.width for p in parts)

    def wide(p: Sampled, x: Any, fill: int) -> Any:
        left = before - (p.ids.shape[1] - p.width)
        return torch.nn.functional.pad(x, (left, width - p.width), value=fill)

    return Sampled(
        [row for p in parts for row in p.rows],
        torch.cat([wide(p, p.ids, pad) for p in parts]),
        torch.cat([wide(p, p.mask, 0) for p in parts]),
        width,
    )


def distance(model: Any, base: Any, sampled: Sampled) -> tuple[float, float]:
    """(KL from the base in nats a completion, entropy in nats a token) on sampled completions."""
    import torch

    n, asked = len(sampled.rows), sampled.ids.shape[1] - sampled.width
    size = max(1, min(CHUNK, SCORES // (sampled.ids.shape[1] * model.config.vocab_size)))
    total_kl = total_entropy = tokens = 0.0
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for rows, first, last in by_length(sampled.mask, asked, -(-n // size)):
            ids, mask = sampled.ids[rows, first:last], sampled.mask[rows, first:last]
            own = _log_probs(model, ids, mask, last - asked)
            there = _log_probs(base, ids, mask, last - asked)
            keep = mask[:, asked - last :].to(own.dtype)
            total_kl += float((((own.exp() * (own - there)).sum(-1)) * keep).sum())
            total_entropy -= float(((own.exp() * own).sum(-1) * keep).sum())
            tokens += float(keep.sum())
    model.train(was_training)
    return total_kl / n, total_entropy / max(tokens, 1.0)


def _log_probs(model: Any, ids: Any, mask: Any, width: int) -> Any:
    """(N, T, vocabulary) log-probabilities of the completion's tokens."""
    import torch

    place = (mask.cumsum(dim=1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=place).logits
    return torch.log_softmax(logits[:, -width - 1 : -1].float(), dim=-1)


def point(
    step: int,
    model: Any,
    base: Any,
    tokenizer: Any,
    prompts: Sequence[Mapping[str, Any]],
    correct: Callable[[TextRow], float],
    *,
    times: int,
    limit: int,
    seed: int,
) -> Point:
    """The policy's standing on held-out prompts."""
    drawn = sample(model, tokenizer, prompts, times=times, limit=limit, seed=seed)
    kl, entropy = distance(model, base, drawn)
    right = [correct(row) for row in drawn.rows]
    kinds: dict[str, list[float]] = {}
    for row, value in zip(drawn.rows, right, strict=True):
        if "difficulty" in row.columns:
            kinds.setdefault(str(row.columns["difficulty"]), []).append(value)
    n = len(right)
    return Point(
        step,
        sum(right) / n,
        sum(row.tokens for row in drawn.rows) / n,
        sum(bool(row.truncated) for row in drawn.rows) / n,
        kl,
        entropy,
        {k: sum(v) / len(v) for k, v in sorted(kinds.items())},
    )


def as_text(asked: Any, tokenizer: Any) -> str:
    """A prompt as the model reads it: chat messages by the tokenizer's template."""
    if isinstance(asked, str):
        return asked
    return tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
