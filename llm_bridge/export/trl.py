"""A served reward as a reward function of TRL's GRPOTrainer (written against TRL 1.16)."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.rollouts.texts import ran_out
from toyrl.serving import Served, ServedReward, run_groups, text_of

RewardFunction = Callable[..., "list[float | None]"]


def reward_function(
    served: ServedReward,
    *,
    name: str = "toyrl_reward",
    group_size: int | None = None,
    eos_token_ids: Collection[int] = (),
    batch: bool = False,
) -> RewardFunction:
    """f(prompts, completions, completion_ids, **columns) -> one value a row, None = unscorable.

    group_size : num_generations (None: read off the runs of equal prompts)
    eos_token_ids : with them, a completion of full length that ends in one isn't truncated
    batch : the reward or estimator looks at the whole batch, so that one process must hold it
    """

    def reward(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        trainer_state: Any = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        if processes > 1 and (batch or group_size is None):
            what = "looks at the whole batch" if batch else "needs group_size=num_generations"
            msg = f"{name} {what}, but {processes} processes each call it on their own rows"
            raise ValueError(msg)
        gold = {k: v for k, v in columns.items() if isinstance(v, list) and len(v) == len(prompts)}
        rows = [
            _row(served, prompt, text, ids, {k: v[i] for k, v in gold.items()}, eos_token_ids)
            for i, (prompt, text, ids) in enumerate(
                zip(prompts, completions, completion_ids, strict=True)
            )
        ]
        alone = served.estimator is None and served.shaper.all_scope() == "rollout"
        groups = (
            list(range(len(prompts)))
            if alone  # no row's value depends on the others
            else run_groups([repr(p) for p in prompts], group_size)
        )
        answer = served(rows, groups, getattr(trainer_state, "global_step", 0))
        if log_metric is not None:
            _log(answer, log_metric)
        return answer.values

    reward.__name__ = name
    return reward


def _row(
    served: ServedReward,
    prompt: Any,
    completion: Any,
    ids: Sequence[int],
    columns: dict[str, Any],
    eos_token_ids: Collection[int],
) -> TextRow:
    ended = len(ids) > 0 and ids[-1] in eos_token_ids
    cut = ran_out(len(ids), ended=ended, limit=served.max_completion_length)
    return TextRow(text_of(prompt), text_of(completion), columns, len(ids), cut)


def _log(answer: Served, log_metric: Callable[[str, float], None]) -> None:
    """Means over scorable rows; the trainer's own "reward" may show advantages."""
    shown = {"reward": answer.rewards, "accuracy": answer.correct, **answer.parts}
    for name, values in shown.items():
        there = [v for v in values if v is not None]
        if there:
            log_metric(f"toyrl/{name}", sum(there) / len(there))
