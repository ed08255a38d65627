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

import numpy as np

from toyrl.estimators.renorm import ReNorm
from toyrl.experiments.backtest.rewards.texts import is_right, steps
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.outcome import Outcome
from toyrl.shapers.process.clip_delta import StepClip
from toyrl.shapers.process.summaries import StepSum

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
    return _rewarded(Outcome() + StepSum(alpha))


def clipped(alpha: float = 0.3, eta: float = GOOD) -> Callable[..., list[float]]:
    """PR-Clip: right + alpha x the sum of min(score - eta, 0)."""
    return _rewarded(Outcome() + StepClip(alpha, eta))


def renorm() -> Callable[..., list[float]]:
    """ReNorm as a trajectory's total: the sum over steps of score + right - 1."""
    return _totals(lambda r: ReNorm().rewards(r.correct, r).sum(-1))


def _rewarded(shaper: Shaper) -> Callable[..., list[float]]:
    return _totals(shaper.reward)


def _totals(paid: Callable[[Rollouts], Any]) -> Callable[..., list[float]]:
    """A reward of texts out of one of rollouts whose tokens are the steps of a text."""

    def reward(completions: list[str], answer: list[str], **_: Any) -> list[float]:
        scores = [[score(line) for line in steps(text)] for text in completions]
        right = [
            float(is_right(text, gold)) for text, gold in zip(completions, answer, strict=True)
        ]
        return np.asarray(paid(_rollouts(scores, right)))[0].tolist()

    return reward


def _rollouts(scores: list[list[float]], right: list[float]) -> Rollouts:
    count = np.array([[len(own) for own in scores]], dtype=float)
    wide = np.zeros((1, len(scores), max(1, int(count.max(initial=0)))))
    for row, own in zip(wide[0], scores, strict=True):
        row[: len(own)] = own
    mask = (np.arange(wide.shape[-1]) < count[..., None]) * 1.0
    return Rollouts(np.array([right]), count, float(wide.shape[-1]), mask=mask,
                    fields={"step_scores": wide})  # fmt: skip
