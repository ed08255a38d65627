"""A served reward as a function of a verifiers Rubric (verifiers 0.1; pin verifiers<0.2).

A rubric tells group functions from individual ones by plural parameter names, and scores a
function that raises 0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.serving import ServedReward, text_of


def reward_function(served: ServedReward, *, name: str = "toyrl_reward") -> Callable[..., float]:
    """f(prompt, completion, answer, state, info, task) -> float, for rewards of one rollout."""

    def reward(
        prompt: Any,
        completion: Any,
        answer: Any = "",
        state: Any = None,
        info: Any = None,
        task: Any = None,
    ) -> float:
        row = _row(served, prompt, completion, answer, state, (info, task))
        return _number(served([row], [0]).values[0])

    reward.__name__ = name
    return reward


def group_function(
    served: ServedReward, *, name: str = "toyrl_reward"
) -> Callable[..., list[float]]:
    """f(prompts, completions, answers, states, infos, tasks) -> list, for rewards of a group."""

    def reward(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        answers: Sequence[Any],
        states: Sequence[Any],
        infos: Sequence[Any] = (),
        tasks: Sequence[Any] = (),
    ) -> list[float]:
        lent = [*zip(infos, tasks, strict=False)] or [(None, None)] * len(states)
        rows = [
            _row(served, *values)
            for values in zip(prompts, completions, answers, states, lent, strict=True)
        ]
        return [_number(v) for v in served(rows, [0] * len(rows)).values]

    reward.__name__ = name
    return reward


def _row(
    served: ServedReward, prompt: Any, completion: Any, answer: Any, state: Any, lent: Any
) -> TextRow:
    columns: dict[str, Any] = {}
    for extra in lent:
        columns.update(extra if isinstance(extra, Mapping) else {})
    if answer not in (None, ""):
        columns["answer"] = answer
    tokens, cut = _tokens(state)
    if tokens is None and served.tokenizer is None and "length" in served.shaper.all_needs():
        msg = (
            "the reward reads the length, but the rollout's state has neither usage nor token ids; "
            "give the served reward a tokenizer"
        )
        raise ValueError(msg)
    tokens = min(tokens or 0, served.max_completion_length)
    return TextRow(text_of(prompt), text_of(completion), columns, tokens, cut)


def _tokens(state: Any) -> tuple[int | None, bool]:
    """(completion tokens or None, truncated) of a rollout's state."""
    if state is None:
        return None, False
    cut = bool(state.get("is_truncated", False))
    steps = state.get("trajectory") or []
    ids = [step.get("tokens") for step in steps]
    if ids and all(ids):
        return sum(len(t["completion_ids"]) for t in ids), cut
    usage = state.get("usage")
    if usage:
        return int(usage["output_tokens"]), cut
    return None, cut


def _number(value: float | None) -> float:
    """Rubrics know no unscorable rollout; NaN would spoil the group, so it is 0."""
    return 0.0 if value is None else value
