"""A served reward as OpenRLHF's `reward_func` (--reward.remote_url FILE; OpenRLHF 0.11).

OpenRLHF calls it with lists of length 1, the query being prompt and completion decoded with
special tokens, and drops the reward of a call that raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.serving import ServedReward, bare_text

RewardFunction = Callable[..., "dict[str, Any]"]


def reward_function(served: ServedReward) -> RewardFunction:
    """f(queries, prompts, labels) -> {"rewards", "scores", "extra_logs"}; scores = correctness.

    A list of several rollouts gives lists, each rollout a group by itself.
    """

    def reward_func(
        queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]
    ) -> dict[str, Any]:
        rows = [
            TextRow(prompt, text := _completion(query, prompt), {"label": label}, 0, _cut(text))
            for query, prompt, label in zip(queries, prompts, labels, strict=True)
        ]
        bare = [TextRow(r.prompt, bare_text(r.completion), r.columns, 0, r.truncated) for r in rows]
        answer = served(rows if served.tokenizer else bare, range(len(rows)))
        rewards, correct = answer.values, answer.correct
        logs = {n: _one(v) for n, v in {"accuracy": correct, **answer.parts}.items()}
        return {"rewards": _one(rewards), "scores": _one(correct), "extra_logs": logs}

    return reward_func


def _completion(query: str, prompt: str) -> str:
    """What follows the prompt; decoding may have changed the prompt's spaces and tokens."""
    if query.startswith(prompt):
        return query[len(prompt) :]
    before, tail, after = query.rpartition(prompt[-40:]) if prompt else ("", "", query)
    return after if tail or before else query


def _cut(completion: str) -> bool:
    """True without an end token: the completion ran into its limit."""
    return bare_text(completion) == completion


def _one(values: Sequence[Any]) -> Any:
    """The value itself for a single rollout."""
    return values[0] if len(values) == 1 else list(values)
