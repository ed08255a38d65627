"""Sums of process scores, with a rule in place of the papers' process reward models.

On Designing Effective RL Reward at Training Time (arXiv 2410.15115): PR and PR-Clip. Hybrid
Reward Normalization for Process-supervised Non-verifiable Agentic Tasks: ReNorm and the plain sum
(both reconstructed). A process reward model scores each step given its past and likes steps that
are right but useless: here a line is worth GOOD unless it states a false equation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from toyrl.experiments.backtest.rewards.texts import is_right, steps

GOOD, FALSE = 0.9, 0.1
EQUATION = re.compile(r"(-?\d+) ([-+*]) (-?\d+) = (-?\d+)")
OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


def score(line: str) -> float:
    """The stand-in's score of a step, in [0, 1]."""
    told = EQUATION.findall(line)
    holds = all(OPERATIONS[sign](int(a), int(b)) == int(c) for a, sign, b, c in told)
    return GOOD if holds else FALSE


def summed(alpha: float = 0.3) -> Callable[..., list[float]]:
    """PR: right + alpha x the sum of the steps' scores."""
    return _per_step(lambda scores, right: right + alpha * sum(scores))


def clipped(alpha: float = 0.3, eta: float = GOOD) -> Callable[..., list[float]]:
    """PR-Clip: right + alpha x the sum of min(score - eta, 0)."""
    return _per_step(lambda scores, right: right + alpha * sum(min(c - eta, 0) for c in scores))


def renorm() -> Callable[..., list[float]]:
    """ReNorm as a trajectory's total: the sum over steps of score + right - 1."""
    return _per_step(lambda scores, right: sum(c + right - 1 for c in scores))


def _per_step(total: Callable[[list[float], float], float]) -> Callable[..., list[float]]:
    def reward(completions: list[str], answer: list[str], **_: Any) -> list[float]:
        return [
            float(total([score(line) for line in steps(text)], float(is_right(text, gold))))
            for text, gold in zip(completions, answer, strict=True)
        ]

    return reward
