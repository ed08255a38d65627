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


@dataclass(frozen=True)
class Variant:
    """A change of the reward, nearest first.

    describe : the variant in words a user can act on
    judge : () -> its collapse counts on the prior
    """

    name: str
    describe: str
    judge: Callable[[], Collapse]


def nearest_safe(variants: Sequence[Variant]) -> tuple[str, Section]:
    """Judge the variants in order until one is safe; "" if none is."""
    rows, best = [], ""
    for v in variants:
        count = v.judge()
        safe = count.worlds > 0 and count.share <= SAFE_SHARE
        rows.append([v.describe, f"{count.collapsed} of {count.worlds}", "yes" if safe else "no"])
        if safe:
            best = f"{v.describe} (collapses in {count.collapsed} of {count.worlds} worlds)"
            break
    table = Table(
        "variants",
        ("variant", "worlds collapsed", "safe"),
        rows,
        caption="Each variant was trained on the same prior of worlds.",
    )
    message = (
        f"Nearest safe variant: {best}."
        if best
        else ("None of the variants tried is safe on the prior; use the outcome reward alone.")
    )
    finding = Finding(7, "verdict/variant", "info", message)
    return best, Section(7, message, (finding,), (), (table,))


def of_reward(
    runner: Runner, worlds: Worlds, reference: Reference, facts: Facts, *, estimator_name: str
) -> list[Variant]:
    """Candidates, nearest first: a smaller weight, a gate, no std normalisation, both."""
    gap = runner.law.gap() if runner.law.scope == "rollout" else 1.0
    if runner.law.scope != "rollout":
        return []
    weight = safe_weight(facts.largest_safe)
    out = []
    auxiliary = abs(gap) < 1e-9

    def added(w: float, gate: bool, by: Runner) -> Collapse:
        term = by.reward(worlds)
        base = by.correct
        if auxiliary:
            reward = base + w * (base * term if gate else term)
        else:
            extra = term - gap * base
            reward = gap * base + w * (base * extra if gate else extra)
        short, long = by.population(worlds, reward)
        return judge(by.outcome_only(worlds) if by is not runner else reference, short, long).count

    what = "outcome + {w:g} x this reward" if auxiliary else ("{w:g} x the part beyond correctness")
    out.append(Variant("weight", what.format(w=weight), lambda: added(weight, False, runner)))
    gated = (
        "the part beyond correctness paid to right answers only"
        if not auxiliary
        else ("outcome x (1 + this reward)")
    )
    out.append(Variant("gate", gated, lambda: added(1.0, True, runner)))
    if runner.estimator.scale != "none":
        plain = replace(runner, estimator=replace(runner.estimator, scale="none"))
        out.append(
            Variant(
                "estimator",
                f"the same reward without std normalisation (dr_grpo for {estimator_name})",
                lambda: added(1.0, False, plain),
            )
        )
    out.append(Variant("gate and weight", f"{gated}, weight 0.1", lambda: added(0.1, True, runner)))
    return out


def safe_weight(limit: float) -> float:
    """A round weight a little below the largest safe one, at most half of the user's own."""
    target = min(0.9 * limit, 0.5)
    digits = 1 - int(np.floor(np.log10(target)))
    return float(np.floor(target * 10**digits) / 10**digits)
