"""Harder tasks gain less from more draws: where the law 1/k^2 ends.

Best of k by the teacher has the error pi s^2 e^(b^2/s^2)/k^2 on a prompt whose truth is b away from
the mean draw. Over prompts let b ~ N(0, v s^2): v, the variance of the mean's error over that of
the draws, is the difficulty. E e^(b^2/s^2) = 1/sqrt(1 - 2v) is finite for v < 1/2 alone. Beyond,
prompts with b^2 near 2 s^2 log k decide, where k draws just reach the truth: the error falls as the
mass of those prompts, k^(-1/v) up to logarithms. So the exponent is min(2, 1/v): a phase transition
in difficulty, and averaging over prompts does not commute with the limit in k.

Formulas: docs/theory/judge.md.

Source: paper 07, Results 2, 3 and its last section (harder tasks degrade); derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.judge.nearest import nearest_error

Array = Any


@entry(
    "judge_averaged_error",
    kind="theorem",
    cards=("07",),
    provenance="derived",
    formula="E_b delta(k), b ~ N(0, v s^2)",
)
def averaged_error(k: Array, difficulty: float, spread: float = 1.0, *, nodes: int = 160
                   ) -> np.ndarray:  # fmt: skip
    """Error of the draw nearest to the truth, averaged over prompts, for each k >= 1 (any shape).

    difficulty v >= 0; spread s >= 0; nodes : of the rule over prompts.

    Raises ValueError for k below 1 and a negative difficulty or spread.
    """
    k = np.asarray(k, dtype=float)
    if not difficulty >= 0:
        msg = f"difficulty={difficulty} must be at least 0: it is a ratio of variances"
        raise ValueError(msg)
    # b sqrt(v) from 0 to 12 on one side: beyond, prompts have a mass below e^-72.
    x, w = np.polynomial.legendre.leggauss(nodes)
    z = 6 * (x + 1)
    mass = w * np.exp(-(z**2) / 2)
    far = z * np.sqrt(difficulty) * spread
    found = nearest_error(k[..., None], 0.0, spread, far, far)
    return (found * (mass / mass.sum())).sum(-1)


@entry(
    "judge_difficulty_exponent",
    kind="theorem",
    cards=("07",),
    provenance="derived",
    formula="min(2, 1/v)",
)
def difficulty_exponent(difficulty: Array) -> np.ndarray:
    """e in error ~ k^-e (up to logarithms from v = 1/2 on); difficulty v >= 0, any shape.

    Raises ValueError for a negative difficulty.
    """
    v = np.asarray(difficulty, dtype=float)
    if not np.all(v >= 0):
        msg = f"difficulty={v.tolist()} must be at least 0: it is a ratio of variances"
        raise ValueError(msg)
    return np.where(v > 0.5, 1 / np.maximum(v, 0.5), 2.0)[()]


@entry(
    "judge_averaged_coefficient",
    kind="theorem",
    cards=("07",),
    section="Result 3, averaged",
    provenance="code",
    formula="pi s^2/sqrt(1 - 2v)",
)
def averaged_coefficient(difficulty: Array, spread: Array = 1.0) -> np.ndarray:
    """Limit of k^2 times the averaged error: finite for difficulty v < 1/2, else inf; broadcast.

    Raises ValueError for a negative difficulty.
    """
    v, s = np.asarray(difficulty, dtype=float), np.asarray(spread, dtype=float)
    if not np.all(v >= 0):
        msg = f"difficulty={v.tolist()} must be at least 0: it is a ratio of variances"
        raise ValueError(msg)
    easy = v < 0.5
    return np.where(easy, np.pi * s**2 / np.sqrt(np.where(easy, 1 - 2 * v, 1.0)), np.inf)[()]
