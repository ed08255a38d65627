"""Cells of a sweep: what each is, and what is found of it.

A cell is a setting: every parameter by its full name (`parameters`), fields of the reward and of
the estimator under `reward.` and `estimator.`. Whatever trains the cells answers with `Found`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from toyrl.estimators.base import Estimator
from toyrl.experiments.errors import UsageError
from toyrl.experiments.forecast.word import BEHIND, LOSS, word
from toyrl.expressions import parse_estimator
from toyrl.objectives.policy_gradient import PolicyGradient

Cell = Mapping[str, Any]
COLUMNS = (
    "base_accuracy",
    "accuracy",
    "alone_accuracy",
    "base_length",
    "length",
    "kl",
    "p_loss_5",
    "p_loss_5_error",
    "p_behind_10",
)
"""What is found of a cell, beside its word: accuracies and mean lengths (tokens) of the base, under
the reward and under correctness alone; nats a completion from the base; probabilities that
accuracy ends 5 points below the base (with standard error) and 10 below correctness alone."""


@dataclass(frozen=True)
class Found:
    """What is found of n cells: (n,) arrays by `COLUMNS`."""

    columns: dict[str, np.ndarray]

    @property
    def words(self) -> list[str]:
        """SAFE, RISKY or UNSAFE of each, by the rule of the forecasts."""
        c = self.columns
        return [
            word({"p_loss_5": p, "p_behind_10": q})
            for p, q in zip(c["p_loss_5"], c["p_behind_10"], strict=True)
        ]


def found(runs: Mapping[str, np.ndarray], luck: np.ndarray | float = 0.0) -> Found:
    """Of runs in n cells with W worlds each: means over worlds, and shares of them that are lost.

    runs : (n, W) by the names of `COLUMNS` that are no probabilities
    luck : (n, W) standard deviation of a run's end about its world's; 0: a world ends where it ends
    """
    change = runs["accuracy"] - runs["base_accuracy"]
    behind = runs["accuracy"] - runs["alone_accuracy"]
    lost, lag = _below(-LOSS - change, luck), _below(-BEHIND - behind, np.sqrt(2.0) * luck)
    n = lost.shape[1]
    error = lost.std(1, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(len(lost))
    out = {name: runs[name].mean(1) for name in COLUMNS if name in runs}
    out |= {"p_loss_5": lost.mean(1), "p_loss_5_error": error, "p_behind_10": lag.mean(1)}
    return Found({name: out[name] for name in COLUMNS})


def _below(gap: np.ndarray, luck: np.ndarray | float) -> np.ndarray:
    """The chance that a run ends below, where its world's end is `gap` under the line."""
    spread = np.broadcast_to(luck, gap.shape)
    return np.where(spread > 0, ndtr(gap / np.where(spread > 0, spread, 1.0)), gap > 0)


def joined(parts: Sequence[tuple[Sequence[int], Found]], n: int) -> Found:
    """One answer for n cells from answers for some of them each."""
    out = {name: np.full(n, np.nan) for name in COLUMNS}
    for rows, part in parts:
        for name in COLUMNS:
            out[name][list(rows)] = part.columns[name]
    return Found(out)


def grouped(cells: Sequence[Cell], key: Callable[[Cell], Hashable]) -> list[list[int]]:
    """Places of the cells by a key, in the order in which keys are met."""
    out: dict[Hashable, list[int]] = {}
    for i, cell in enumerate(cells):
        out.setdefault(key(cell), []).append(i)
    return list(out.values())


def own_fields(cell: Cell, of: str) -> dict[str, Any]:
    """The cell's values for fields of the reward (`reward.`) or the estimator (`estimator.`)."""
    return {k: v for k, v in cell.items() if k.startswith(of)}


def estimator_of(cell: Cell) -> Estimator:
    """The estimator of a cell; UsageError for fields that it can't have."""
    made: Any = parse_estimator(str(cell["estimator"]))
    values = {k.removeprefix("estimator."): v for k, v in own_fields(cell, "estimator.").items()}
    try:
        return replace(made, **values) if values else made
    except (TypeError, ValueError) as error:
        msg = f"over: {cell['estimator']} has no such form: {error}"
        raise UsageError(msg) from error


def objective_of(cell: Cell) -> PolicyGradient:
    """The token aggregation that goes with a cell's estimator."""
    from toyrl.experiments.validate.collapse.estimators import objective_for

    return objective_for(str(cell["estimator"]))
