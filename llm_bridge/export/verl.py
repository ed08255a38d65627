"""A served reward in verl 0.9: `compute_score` and a registered advantage estimator.

verl's reward functions see one rollout without its length; its estimators see correctness (the
score), lengths and groups. So `compute_score` answers with correctness where the estimator can
shape it, and shapes by itself where the reward reads other columns instead of lengths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from toyrl.estimators.base import Estimator
from toyrl.expressions import parse_estimator
from toyrl.graders.base import TextRow
from toyrl.graders.parts import is_blank
from toyrl.rollouts import Rollouts
from toyrl.rollouts.texts import flat_rollouts, ran_out
from toyrl.serving import ServedReward, text_of
from toyrl.shapers.base import Shaper


def score_function(served: ServedReward, *, shaped: bool) -> Callable[..., dict[str, float]]:
    """compute_score(data_source, solution_str, ground_truth, extra_info) -> {"score", "correct"}.

    shaped : the score is the shaped reward, else correctness

    The function raises KeyError where the reward reads the prompt and extra_info holds none.
    """
    plain = replace(served, estimator=None)
    asks = "prompt" in getattr(served.shaper, "asks", ())

    def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: Any,
        extra_info: Any = None,
        **_: Any,
    ) -> dict[str, float]:
        del data_source
        lent = extra_info if isinstance(extra_info, Mapping) else {}
        if asks and all(is_blank(lent.get(name)) for name in ("prompt", "query", "context")):
            msg = "the reward reads the prompt, and verl gives none: put it in extra_info['prompt']"
            raise KeyError(msg)
        row = TextRow(
            text_of(lent.get("prompt", "")), solution_str, {**lent, "ground_truth": ground_truth}
        )
        correct = plain.correctness(row)
        if not shaped:
            return {"score": correct, "correct": correct}
        value = plain([row], [0]).values[0]
        known = {} if math.isnan(correct) else {"correct": correct}
        return {"score": float("nan") if value is None else value, **known}

    return compute_score


def advantage_estimator(
    shaper: Shaper | None, estimator: Estimator | str, *, max_completion_length: int
) -> Callable[..., tuple[Any, Any]]:
    """f(token_level_rewards, response_mask, index) -> (advantages, returns), each (bs, T).

    shaper : None = token_level_rewards hold the shaped reward already
    estimator : itself or written as name(field=value)
    """
    chosen = parse_estimator(estimator) if isinstance(estimator, str) else estimator

    def estimate(
        token_level_rewards: Any, response_mask: Any, index: Any, **_: Any
    ) -> tuple[Any, Any]:
        import torch

        with torch.no_grad():
            r, place = _rollouts(token_level_rewards, response_mask, index, max_completion_length)
            if shaper is None:
                parts = {"reward": r.correct}
            else:
                _check_correctness(r.correct)
                parts = shaper.apply(r).parts
            advantages = chosen.apply(parts, r)[0][place]
            wide = advantages if advantages.ndim > 1 else advantages[:, None]
            wide = wide * response_mask
            return wide, wide

    return estimate


def _rollouts(
    rewards: Any, mask: Any, index: Any, max_completion_length: int
) -> tuple[Rollouts, tuple[Any, Any]]:
    """Rollouts (groups, largest group) whose `correct` is the score, and each row's place."""

    mask = mask.float()
    length = mask.sum(dim=-1)
    return flat_rollouts(
        [str(uid) for uid in index],
        correct=rewards.sum(dim=-1).float(),
        length=length,
        truncated=ran_out(length, limit=max_completion_length),
        max_length=float(max_completion_length),
        mask=mask,
    )


def register(name: str, estimate: Callable[..., tuple[Any, Any]]) -> None:
    """Make an estimator known as `algorithm.adv_estimator=name`; a second time changes nothing."""
    from verl.trainer.ppo import core_algos

    if name not in core_algos.ADV_ESTIMATOR_REGISTRY:
        core_algos.register_adv_est(name)(estimate)


def _check_correctness(score: Any) -> None:
    known = score[~score.isnan()]
    if len(known) and (known.min() < -1e-6 or known.max() > 1 + 1e-6):
        low, high = float(known.min()), float(known.max())
        msg = (
            f"scores reach from {low:g} to {high:g}, but must be correctness, in [0, 1]: set "
            "algorithm.use_kl_in_reward=False and let this file's compute_score be the reward"
        )
        raise ValueError(msg)
