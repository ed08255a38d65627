"""The toy fitted to a model's own rollouts before training.

What the rollouts don't show is drawn from a prior wider than that of `validate`; in each world the
base policy is fitted to success by prompt type and to the lengths of right and of wrong answers
(`toyrl.dynamics.chain.observed`), and worlds that come near the rollouts are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toyrl.dynamics.chain.observed import Fitted, Observed, observe, worlds_like
from toyrl.dynamics.chain.prior import PriorRanges
from toyrl.experiments.errors import UsageError
from toyrl.graders.answers import is_correct
from toyrl.graders.base import TextRow
from toyrl.rollouts import Rollouts
from toyrl.rollouts.texts import text_rollouts
from toyrl.worlds.behaviour.own_texts import USUAL, Reading
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text import shorthand

Grader = Callable[[TextRow], float]
"""A fact of one text."""
WANTED, MOST = 64, 2048
"""Worlds kept, and tried at most."""


@dataclass(frozen=True)
class BaseLog:
    """Rollouts of the base model: (B, G) with texts, and each prompt's difficulty where known.

    truth : row -> 1.0 for a right answer; reading : how answers are read, as the task says
    """

    rollouts: Rollouts
    rows: list[TextRow]
    difficulty: np.ndarray  # (B,), NaN where unknown
    truth: Grader = is_correct
    reading: Reading = USUAL

    @property
    def success(self) -> float:
        """Mean accuracy."""
        return float(np.mean(self.rollouts.correct))

    @property
    def length(self) -> float:
        """Mean length in tokens."""
        return float(np.mean(self.rollouts.length))


def log_of(
    rows: list[TextRow],
    correct: list[float],
    group: int,
    limit: float,
    *,
    truth: Grader = is_correct,
    reading: Reading = USUAL,
) -> BaseLog:
    """A log from rows in groups of `group` neighbours."""
    groups = np.arange(len(rows)) // group
    made, _ = text_rollouts(rows, groups.tolist(), correct=correct, max_length=limit)
    known = [float(row.columns.get("difficulty", np.nan)) for row in rows[::group]]
    return BaseLog(made, rows, np.array(known), truth, reading)


def read_base(
    path: Path,
    group: int,
    limit: float,
    *,
    truth: Grader = is_correct,
    reading: Reading = USUAL,
) -> BaseLog:
    """The log of sampled rollouts as it was written, a row with "correct" a line.

    Raises UsageError for a file that was damaged.
    """
    rows, correct = [], []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            correct.append(float(row.pop("correct")))
            rows.append(TextRow(**row))
    except (ValueError, TypeError, KeyError) as error:
        bad = f"line {len(rows) + 1} can't be read ({type(error).__name__})"
        msg = f"{path}: {bad}; remove the file, and --resume samples the same rollouts again"
        raise UsageError(msg) from error
    return log_of(rows, correct, group, limit, truth=truth, reading=reading)


def template(limit: int, *, chain: bool, hardest: int = 8) -> Chain:
    """The chain whose classes stand for completions of at most `limit` tokens."""
    actions = max(4, round(limit / shorthand.CHARACTERS)) if chain else 40
    return Chain(
        difficulties=(1, hardest),
        shares=(0.5, 0.5),
        max_actions=actions,
        depth=hardest,
        flag_noise=0.25,
        slip=0.05,
        guess=0.1,
        tokens_per_action=limit / actions,
    )


def calibrate(
    log: BaseLog, chain: Chain, *, wanted: int = WANTED, most: int = MOST, seed: int = 0
) -> Fitted:
    """Worlds that do what the log shows; `most` are tried at most."""
    seen = observe(log.rollouts, log.difficulty, depth=chain.D)
    return fit(seen, chain, wanted=wanted, most=most, seed=seed)


def fit(
    seen: Observed, chain: Chain, *, wanted: int = WANTED, most: int = MOST, seed: int = 0
) -> Fitted:
    """Worlds that do what was seen."""
    ranges = PriorRanges(
        guess=(0.0, 0.3), slip=(0.0, 0.3), progress=(0.6, 1.0), updates=(500,), depth=chain.D
    )
    return worlds_like(seen, chain, wanted, most=most, ranges=ranges, seed=seed)
