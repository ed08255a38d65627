"""A frozen language model that reads follow-ups behind a completion (paper 49).

    scorer = FollowUps(model, tokenizer, {"correctness": DIMENSIONS["correctness"]})
    ShapedGRPOTrainer(..., graders=scorer.graders())    # fields of flr()
    scorer.likelihoods(["What is 1+1?", "2"])    # {dimension: (approving, disapproving)}

The model is a copy that doesn't train; the base checkpoint is enough. The follow-ups of a
completion are one batch. A conversation that is longer than the window loses its beginning, never
its follow-up. Cost: follow-ups x (conversation + follow-up) tokens a completion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from toyrl.graders.base import TextRow
from toyrl.models.follow_ups import (
    DIMENSIONS,
    fields_of,
    follow_up_likelihood,
    follow_up_messages,
    released_score,
    switched_messages,
    token_logprobs,
)

KEPT = 4096
"""Completions whose numbers are remembered: both fields are one pass."""


class FollowUps:
    """Fields of a reward by follow-ups, from a causal model and its fast tokenizer.

    dimensions : name -> (approving, disapproving) follow-ups, one at least on each side
    window : tokens that the model is given at most; None: its `max_position_embeddings`
    switched : the model was tuned to write feedback, so that the follow-up is the assistant's turn
    released : the released score, of raw logits, in place of likelihoods

    Without a chat template a turn is a line, "user: ..." or "assistant: ...". Raises ValueError for
    a tokenizer without offsets and for a dimension without follow-ups on a side.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        dimensions: Mapping[str, tuple[Sequence[str], Sequence[str]]] | None = None,
        *,
        window: int | None = None,
        switched: bool = False,
        released: bool = False,
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            msg = "tokenizer is no fast one; without offsets a follow-up can't be found in a text"
            raise ValueError(msg)
        self.dimensions = dict(DIMENSIONS if dimensions is None else dimensions)
        for name, both in self.dimensions.items():
            if len(both) != 2 or not all(both):
                msg = f"dimensions[{name!r}] must hold approving and disapproving follow-ups"
                raise ValueError(msg)
        self.model, self.tokenizer, self.switched = model.eval(), tokenizer, switched
        self.released = released
        self.window = int(window or model.config.max_position_embeddings)
        self._known: dict[tuple[str, str], dict[str, float]] = {}

    def likelihoods(self, turns: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """{dimension: (approving (n,), disapproving (m,))} nats per token; the response is last.

        Raises ValueError for no turn before the response, and for a follow-up that is empty or that
        the window doesn't hold.
        """
        said = [f for both in self.dimensions.values() for side in both for f in side]
        scores = iter(self._scores(turns, said))
        return {
            name: (
                np.array([next(scores) for _ in both[0]]),
                np.array([next(scores) for _ in both[1]]),
            )
            for name, both in self.dimensions.items()
        }

    def fields(self, prompt: str, completion: str) -> dict[str, float]:
        """The two fields that `flr()` reads (`flr_released()` with `released`), remembered."""
        key = (prompt, completion)
        if key not in self._known:
            own = self.likelihoods([prompt, completion])
            both = fields_of({k: x for k, (x, _) in own.items()},
                             {k: x for k, (_, x) in own.items()})  # fmt: skip
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = {self._named(k): float(x) for k, x in both.items()}
        return self._known[key]

    def graders(self) -> dict[str, Callable[[Sequence[TextRow]], list[float]]]:
        """Field -> function of rows, as `ShapedGRPOTrainer` takes them."""

        def grader(name: str) -> Callable[[Sequence[TextRow]], list[float]]:
            return lambda rows: [self.fields(r.prompt, r.completion)[name] for r in rows]

        return {n: grader(n) for n in map(self._named, ("approval", "disapproval"))}

    def _named(self, field: str) -> str:
        return f"{field}_logit" if self.released else field

    def _scores(self, turns: Sequence[str], said: Sequence[str]) -> list[float]:
        placed = [self._placed(turns, f) for f in said]
        rows = [torch.tensor(ids) for ids, _, _ in placed]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self.model.device)
        live = torch.tensor([[t < len(x) for t in range(ids.shape[1])] for x in rows])
        with torch.no_grad():
            logits = self.model(input_ids=ids, attention_mask=live.to(ids)).logits.double()
        return [
            self._score(logits[i, : len(row)], row.to(ids.device), start, end, f)
            for i, (row, (_, start, end), f) in enumerate(zip(rows, placed, said, strict=True))
        ]

    def _score(self, logits: Any, ids: Any, start: int, end: int, follow_up: str) -> float:
        if self.released:
            own = torch.tensor(self.tokenizer(follow_up).input_ids, device=ids.device)
            return float(released_score(logits, own, special=()))
        return float(follow_up_likelihood(token_logprobs(logits[:end], ids[:end], start=start)))

    def _placed(self, turns: Sequence[str], follow_up: str) -> tuple[list[int], int, int]:
        """Tokens of the conversation, the follow-up's first and the one behind its last."""
        text = self._text(turns, follow_up)
        said = follow_up.strip()
        first = text.rfind(said)
        got = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        inside = [t for t, (a, b) in enumerate(got.offset_mapping)
                  if b > first and a < first + len(said) and b > a]  # fmt: skip
        ids, start, end = list(got.input_ids), inside[0], inside[-1] + 1
        cut = max(0, len(ids) - self.window)
        if start - cut < 1:
            msg = f"window={self.window} doesn't hold the follow-up {said!r} and a token before it"
            raise ValueError(msg)
        return ids[cut:], start - cut, end - cut

    def _text(self, turns: Sequence[str], follow_up: str) -> str:
        if self.switched and len(turns) > 1:
            messages = switched_messages(turns[-2], turns[-1], follow_up)
        else:
            messages = follow_up_messages(turns, follow_up)
        if getattr(self.tokenizer, "chat_template", None):
            return self.tokenizer.apply_chat_template(messages, tokenize=False)
        return "".join(f"{m['role']}: {m['content']}\n" for m in messages)
