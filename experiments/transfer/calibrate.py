"""The toy fitted to a model's own rollouts before training: which worlds look like this run?

Worlds are drawn from the prior of `validate`, with the base policy's success and length set to
the log's; of these the nearest are kept, by success and length of each prompt type and by the
lengths of right and of wrong answers (approximate Bayesian computation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import qmc

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.prior import DIMENSIONS, PriorRanges, Worlds, fit_base, from_unit_cube
from toyrl.graders.base import TextRow
from toyrl.rollouts import Rollouts
from toyrl.rollouts.texts import text_rollouts
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text import shorthand

DRAWN, KEPT = 2048, 64
FLAG_BONUS = (0.5, 5.0)
"""Logit by which a policy that sees itself done prefers to answer."""
SPREAD = {"success": 0.05, "length": 0.1}
"""What counts as one unit of distance: absolute for success, in the logarithm for lengths."""


@dataclass(frozen=True)
class BaseLog:
    """Rollouts of the base model: (B, G) with texts, and each prompt's difficulty where known."""

    rollouts: Rollouts
    rows: list[TextRow]
    difficulty: np.ndarray  # (B,), NaN where unknown

    @property
    def success(self) -> float:
        """Mean accuracy."""
        return float(np.mean(self.rollouts.correct))

    @property
    def length(self) -> float:
        """Mean length in tokens."""
        return float(np.mean(self.rollouts.length))


def log_of(rows: list[TextRow], correct: list[float], group: int, limit: float) -> BaseLog:
    """A log from rows in groups of `group` neighbours."""
    groups = np.arange(len(rows)) // group
    made, _ = text_rollouts(rows, groups.tolist(), correct=correct, max_length=limit)
    known = [float(row.columns.get("difficulty", np.nan)) for row in rows[::group]]
    return BaseLog(made, rows, np.array(known))


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


@dataclass(frozen=True)
class Calibrated:
    """Worlds that look like the log, nearest first.

    distance (n,) of each; seen, fitted : statistic -> its value in the log, its mean over worlds
    """

    worlds: Worlds
    distance: np.ndarray
    seen: dict[str, float]
    fitted: dict[str, float]


def calibrate(
    log: BaseLog,
    chain: Chain,
    *,
    drawn: int = DRAWN,
    kept: int = KEPT,
    seed: int = 0,
) -> Calibrated:
    """The `kept` of `drawn` worlds that are nearest to the log."""
    pair = np.unique(log.difficulty[~np.isnan(log.difficulty)])
    ranges = PriorRanges(
        guess=(0.0, 0.3),
        slip=(0.0, 0.3),
        progress=(0.6, 1.0),
        success=(_inside(log.success),) * 2,
        length_ratio=(1.0, 1.0),
        updates=(500,),
        depth=chain.D,
    )
    u = qmc.Sobol(DIMENSIONS + 1, rng=seed).random(drawn)
    worlds = from_unit_cube(chain, u[:, :-1], typical_length=log.length, ranges=ranges)
    batch = worlds.batch
    if len(pair) == 2:
        share = float(np.mean(log.difficulty == pair[0]))
        batch = replace(
            batch,
            difficulties=np.tile(pair.astype(int), (drawn, 1)),
            shares=np.tile([share, 1 - share], (drawn, 1)),
        )
    bonus = FLAG_BONUS[0] + u[:, -1] * (FLAG_BONUS[1] - FLAG_BONUS[0])
    ones = np.ones(drawn)
    theta = fit_base(batch, ones * _inside(log.success), ones * log.length, flag_bonus=bonus)
    worlds = replace(worlds, batch=batch, theta=theta)
    seen = statistics(log, pair)
    table = _of_worlds(worlds, with_pair=len(pair) == 2)
    names = [n for n in seen if np.isfinite(seen[n])]
    unit = np.array([SPREAD[n.split()[0]] for n in names])
    gap = np.stack([table[n] - seen[n] for n in names], axis=-1) / unit
    distance = np.sqrt(np.nanmean(gap**2, axis=-1))
    order = np.argsort(distance, kind="stable")[:kept]
    fitted = {n: float(np.nanmean(table[n][order])) for n in names}
    return Calibrated(worlds.take(order), distance[order], {n: seen[n] for n in names}, fitted)


def statistics(log: BaseLog, pair: np.ndarray) -> dict[str, float]:
    """What is compared; lengths as logarithms."""
    r = log.rollouts
    right = r.correct > 0.5
    out = {
        "length of right": _log_mean(r.length[right]),
        "length of wrong": _log_mean(r.length[~right]),
    }
    names = ("easy", "hard") if len(pair) == 2 else ()
    for name, d in zip(names, pair, strict=False):
        rows = log.difficulty == d
        out[f"success {name}"] = float(np.mean(r.correct[rows]))
        out[f"length {name}"] = _log_mean(r.length[rows])
    if not names:
        out["success all"] = log.success
        out["length all"] = float(np.log(log.length))
    return out


def _of_worlds(worlds: Worlds, *, with_pair: bool) -> dict[str, np.ndarray]:
    chain = worlds.batch.chain
    prob = exact.class_probabilities(worlds.batch, worlds.theta)
    mix = (prob * worlds.batch.shares[..., None]).sum(1)
    right, length = chain.class_correct(), chain.class_length()
    with np.errstate(divide="ignore", invalid="ignore"):
        out = {
            "length of right": np.log(mix @ (right * length) / (mix @ right)),
            "length of wrong": np.log(mix @ ((1 - right) * length) / (mix @ (1 - right))),
        }
    if with_pair:
        for i, name in enumerate(("easy", "hard")):
            out[f"success {name}"] = prob[:, i] @ right
            out[f"length {name}"] = np.log(prob[:, i] @ length)
    else:
        out["success all"] = mix @ right
        out["length all"] = np.log(mix @ length)
    return out


def _log_mean(x: Any) -> float:
    return float(np.log(np.mean(x))) if np.size(x) else float("nan")


def _inside(p: float) -> float:
    return float(np.clip(p, 0.01, 0.99))
