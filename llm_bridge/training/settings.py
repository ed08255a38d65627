"""What a training run is like, apart from model, task and reward; read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from toyrl.ranges import COUNT, POSITIVE, Range, check_fields, one_of

LOSS_TYPE = {"grpo": "grpo", "dapo": "dapo", "dr_grpo": "dr_grpo", "sum": "dr_grpo"}
"""TRL's name of each token aggregation; `sum` and Dr. GRPO differ by a constant factor."""


@dataclass(frozen=True)
class RunSettings:
    """What a run is like, apart from model, task and reward.

    steps : updates; completions : a step, in groups of group_size; limit : tokens a completion
    rate : learning rate; every : updates between evaluations, of `times` completions of each
    held-out prompt; keep : updates between checkpoints, none where it is not below steps

    Raises ValueError for a number out of its range, an aggregation that doesn't exist, and
    completions that are no whole groups.
    """

    steps: Annotated[int, COUNT] = 80
    completions: Annotated[int, COUNT] = 48
    group_size: Annotated[int, Range("[2, 65536]", whole=True)] = 8
    limit: Annotated[int, Range("[1, 1e7]", whole=True)] = 96
    rate: Annotated[float, POSITIVE] = 2e-4
    beta: Annotated[float, Range("[0, 1e6]")] = 0.0
    temperature: Annotated[float, POSITIVE] = 1.0
    estimator: str = "grpo"
    aggregation: Annotated[str, one_of(*LOSS_TYPE)] = "grpo"
    every: Annotated[int, COUNT] = 8
    times: Annotated[int, COUNT] = 2
    keep: Annotated[int, COUNT] = 40
    seed: Annotated[int, Range("[0, 9e18]", whole=True)] = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.completions % self.group_size:
            msg = f"group_size={self.group_size} must divide completions={self.completions}"
            raise ValueError(msg)
