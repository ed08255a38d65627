"""Completions of a small Llama, token by token, without what a general generator costs.

On a network of a million parameters most of the time of `generate` goes into its own code. Here
one loop does the same arithmetic on the same weights: each distinct prompt is read once, keys and
values go into arrays made beforehand, and completions that have ended leave the batch. Networks
of another kind are left to `generate` (`plain` says which are which).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

Tensor = torch.Tensor
ROOM = 64  # columns of the cache that are made at a time


def plain(network: Any) -> str:
    """Why a network is not the Llama that is decoded here, or ""."""
    config = network.config
    if type(network).__name__ != "LlamaForCausalLM":
        return f"it is a {type(network).__name__}"
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") != "default":
        return "its positions are scaled"
    if config.attention_bias or config.mlp_bias or config.hidden_act != "silu":
        return "it has biases or another activation"
    if next(network.parameters()).dtype != torch.float32:
        return "its weights are not float32"
    return ""


def complete(
    network: Any,
    prompts: Sequence[Sequence[int]],
    *,
    limit: int,
    ends: Collection[int],
    temperature: float = 1.0,
) -> list[list[int]]:
    """A completion of each prompt, sampled from the softmax of scores / temperature.

    prompts : token ids, none empty; equal ones are read once
    limit : tokens at most; ends : tokens that end a completion, which they belong to
    temperature : 0 takes the likeliest token; random numbers come from torch's global generator

    Raises ValueError for a network that `plain` refuses and for an empty prompt; RuntimeError of
    torch where the probabilities are not finite.
    """
    problem = plain(network)
    if problem:
        msg = f"the network can't be decoded here: {problem}; use its own generate"
        raise ValueError(msg)
    if not all(prompts):
        msg = f"prompt {list(map(len, prompts)).index(0)} has no token; give at least one"
        raise ValueError(msg)
    with torch.no_grad():
        return _Decoder(network).run(prompts, limit, ends, temperature)


@dataclass
class _Layer:
    """Weights of one layer; those that read the same input stand in one matrix."""

    before: Tensor
    qkv: Tensor
    out: Tensor
    after: Tensor
    up: Tensor
    down: Tensor


class _Decoder:
    """One call's weights and cache; rows are completions that go on."""

    def __init__(self, network: Any) -> None:
        config, body = network.config, network.model
        self.heads, self.shared = config.num_attention_heads, config.num_key_value_heads
        self.width = body.layers[0].self_attn.head_dim
        self.eps = config.rms_norm_eps
        self.embedding = body.embed_tokens.weight
        self.norm, self.head = body.norm.weight, network.lm_head.weight
        self.rotation, self.device = body.rotary_emb, self.embedding.device
        self.layers = [
            _Layer(
                layer.input_layernorm.weight,
                torch.cat([getattr(layer.self_attn, f"{n}_proj").weight for n in "qkv"]),
                layer.self_attn.o_proj.weight,
                layer.post_attention_layernorm.weight,
                torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight]),
                layer.mlp.down_proj.weight,
            )
            for layer in body.layers
        ]

    def run(
        self,
        prompts: Sequence[Sequence[int]],
        limit: int,
        ends: Collection[int],
        temperature: float,
    ) -> list[list[int]]:
        """See `complete`."""
        scores, cache, start, rows = self._read(prompts)
        made = torch.zeros((len(prompts), limit), dtype=torch.long, device=self.device)
        length = torch.full((len(prompts),), limit, device=self.device)
        final = torch.tensor(sorted(ends), device=self.device)
        first = cache[0][0].shape[2]
        for step in range(limit):
            token = chosen(scores, temperature)
            made[rows, step] = token
            going = ~torch.isin(token, final)
            if not bool(going.all()):
                length[rows[~going]] = step + 1
                keep = going.nonzero()[:, 0]
                if len(keep) == 0:
                    break
                rows, token, start = rows[keep], token[keep], start[keep]
                cache = [(k[keep], v[keep]) for k, v in cache]
            if step + 1 < limit:
                scores, cache = self._next(token, cache, start, first + step)
        return [m[:n] for m, n in zip(made.tolist(), length.tolist(), strict=True)]

    def _read(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, list, Tensor, Tensor]:
        """(scores of the first token, cache, start (N,) of each row's prompt, rows (N,))."""
        distinct = {tuple(p): i for i, p in enumerate(dict.fromkeys(map(tuple, prompts)))}
        width = max(map(len, distinct))
        ids = torch.zeros((len(distinct), width), dtype=torch.long, device=self.device)
        start = torch.zeros(len(distinct), dtype=torch.long, device=self.device)
        for own, i in distinct.items():
            ids[i, width - len(own) :] = torch.tensor(own, device=self.device)
            start[i] = width - len(own)
        place = torch.arange(width, device=self.device)
        seen = (place >= start[:, None])[:, None, :] & (place <= place[:, None])
        seen = seen | torch.eye(width, dtype=torch.bool, device=self.device)  # padding sees itself
        turn = self._turn((place - start[:, None]).clamp(min=0))
        x, cache = self.embedding[ids], []
        for layer in self.layers:
            q, k, v = self._qkv(layer, x, turn)
            x = self._after(layer, x, self._attend(q, k, v, seen[:, None]))
            cache.append((k, v))
        back = torch.tensor([distinct[tuple(p)] for p in prompts], device=self.device)
        wide = [(k[back], v[back]) for k, v in cache]
        rows = torch.arange(len(prompts), device=self.device)
        return self._scores(x[:, -1])[back], wide, start[back], rows

    def _next(self, token: Tensor, cache: list, start: Tensor, column: int) -> tuple[Tensor, list]:
        """(scores of the token after this one, cache with it in `column`)."""
        if column >= cache[0][0].shape[2]:
            cache = [tuple(F.pad(x, (0, 0, 0, ROOM)) for x in pair) for pair in cache]
        turn = self._turn((column - start)[:, None])
        seen = (torch.arange(column + 1, device=self.device) >= start[:, None])[:, None, None]
        x = self.embedding[token][:, None]
        for layer, (keys, values) in zip(self.layers, cache, strict=True):
            q, k, v = self._qkv(layer, x, turn)
            keys[:, :, column], values[:, :, column] = k[:, :, 0], v[:, :, 0]
            upto = keys[:, :, : column + 1], values[:, :, : column + 1]
            x = self._after(layer, x, self._attend(q, *upto, seen))
        return self._scores(x[:, -1]), cache

    def _turn(self, place: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = self.rotation(self.embedding, place)
        return cos[:, None], sin[:, None]

    def _qkv(
        self, layer: _Layer, x: Tensor, turn: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values, (N, heads, T, width), the first two turned by their place."""
        n, t, _ = x.shape
        every = F.linear(self._normal(x, layer.before), layer.qkv).view(n, t, -1, self.width)
        every = every.transpose(1, 2)
        turned, v = every.split([self.heads + self.shared, self.shared], dim=1)
        half = self.width // 2
        other = torch.cat([-turned[..., half:], turned[..., :half]], dim=-1)
        turned = turned * turn[0] + other * turn[1]
        q, k = turned.split([self.heads, self.shared], dim=1)
        return q, k, v

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
        if self.shared != self.heads:
            times = self.heads // self.shared
            k, v = k.repeat_interleave(times, dim=1), v.repeat_interleave(times, dim=1)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)

    def _after(self, layer: _Layer, x: Tensor, seen: Tensor) -> Tensor:
        n, t, _ = x.shape
        x = x + F.linear(seen.transpose(1, 2).reshape(n, t, -1), layer.out)
        gate, up = F.linear(self._normal(x, layer.after), layer.up).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, layer.down)

    def _scores(self, x: Tensor) -> Tensor:
        return F.linear(self._normal(x, self.norm), self.head)

    def _normal(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), weight, self.eps)


def chosen(scores: Tensor, temperature: float) -> Tensor:
    """(N,) tokens from scores (N, V): sampled, at temperature 0 the likeliest."""
    if temperature == 0:
        return scores.argmax(-1)
    return torch.multinomial(torch.softmax(scores / temperature, dim=-1), 1)[:, 0]
