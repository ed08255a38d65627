"""The nearest safe variant of a reward, each candidate itself validated on the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.core import Table
from experiments.validate.collapse import Facts, Reference, judge
from experiments.validate.findings import Finding, Section
from experiments.validate.train_worlds import Runner
from experiments.validate.verdict import SAFE_SHARE, Collapse
from toyrl.dynamics.worlds import Worlds
from toyrl.estimators.group import GroupEstimator


@dataclass(frozen=True)
class Variant:
    """A change of the reward.

    describe : the variant in words a user can act on
    judge : worlds' rows -> its collapse counts there
    """

    describe: str
    judge: Callable[[np.ndarray], Collapse]


SCREEN = 64  # worlds on which a variant is tried before it is judged on all


def nearest_safe(variants: Sequence[Variant], worlds: int) -> tuple[str, Section]:
    """Judge the variants in order, nearest first, until one is safe; "" if none is.

    Each is tried on the first 64 worlds and, where it is safe there, judged on all of them.
    """
    rows, best = [], ""
    for v in variants:
        count = v.judge(np.arange(min(SCREEN, worlds)))
        if _safe(count) and worlds > SCREEN:
            count = v.judge(np.arange(worlds))
        rows.append(
            [v.describe, f"{count.collapsed} of {count.worlds}", "yes" if _safe(count) else "no"]
        )
        if _safe(count):
            best = f"{v.describe} (collapses in {count.collapsed} of {count.worlds} worlds)"
            break
    table = Table(
        "variants",
        ("variant", "worlds collapsed", "safe"),
        rows,
        caption="Each variant was trained on the same worlds as the reward.",
    )
    message = (
        f"Nearest safe variant: {best}."
        if best
        else "None of the variants tried is safe on the prior; use the outcome reward alone."
    )
    finding = Finding(7, "verdict/variant", "info", message)
    return best, Section(7, message, (finding,), (), (table,))


def _safe(count: Collapse) -> bool:
    return count.worlds > 0 and count.share <= SAFE_SHARE


def of_reward(
    runner: Runner,
    worlds: Worlds,
    reference: Reference,
    facts: Facts,
    *,
    auxiliary: bool,
    estimator_name: str,
) -> list[Variant]:
    """Candidates, nearest first: a smaller weight, a gate, no std normalisation, both."""
    if runner.law.scope != "rollout":
        return []
    gap = 0.0 if auxiliary else runner.law.gap()

    def count(rows: np.ndarray, weight: float, gate: bool, by: Runner) -> Collapse:
        some = worlds.take(rows)
        outcome = by.correct if auxiliary else gap * by.correct
        extra = by.reward(some) - gap * by.correct
        reward = outcome + weight * (by.correct * extra if gate else extra)
        short, long = by.population(some, reward)
        own = reference.take(rows) if by is runner else by.outcome_only(some)
        return judge(own, short, long).count

    weight = safe_weight(facts.largest_safe)
    if auxiliary:
        light, gated = f"outcome + {weight:g} x this reward", "outcome x (1 + this reward)"
    else:
        light = f"{weight:g} x the part beyond correctness"
        gated = "the part beyond correctness paid to right answers only"
    out = [
        Variant(light, lambda rows: count(rows, weight, False, runner)),
        Variant(gated, lambda rows: count(rows, 1.0, True, runner)),
    ]
    e = runner.estimator
    if isinstance(e, GroupEstimator) and e.scale != "none" and not auxiliary:
        plain = replace(runner, estimator=replace(e, scale="none"))
        out.append(
            Variant(
                f"the same reward without std normalisation (dr_grpo for {estimator_name})",
                lambda rows: count(rows, 1.0, False, plain),
            )
        )
    out.append(Variant(f"{gated}, weight 0.1", lambda rows: count(rows, 0.1, True, runner)))
    return out


def safe_weight(limit: float) -> float:
    """A round weight a little below the largest safe one, at most half of the user's own."""
    target = min(0.9 * limit, 0.5)
    digits = 1 - int(np.floor(np.log10(target)))
    return float(np.floor(target * 10**digits) / 10**digits)
