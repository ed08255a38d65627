"""Safe variants of a reward: each candidate is itself trained in the worlds, then ranked.

Candidates: a smaller weight, a gate on correctness, a cap that keeps every right answer above
every wrong one, another normalisation, and a gate with a small weight. They are ranked by how near
they stay to the reward as given, the distance being that of STARC within prompts: 0 for the same
preferences, 2 for opposite ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.dynamics.chain.prior import Worlds
from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Table
from toyrl.experiments.validate.collapse.section import Facts, Reference
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.verdict import SAFE_SHARE, Collapse

SCREEN = 32  # worlds in which every candidate is tried; the nearest safe ones go through all
PAY = "pay "
"""What stands before a variant's formula in a finding."""
CAP = 0.4  # of the gap between right and wrong, so that no wrong answer beats a right one


@dataclass(frozen=True)
class Variant:
    """A change of the reward.

    describe : the variant in words a user can act on
    judge : worlds' rows -> its collapse counts there
    distance : from the reward as given, 0..2; NaN where the change is not one of the reward
    formula : of the numbers `right` (1 or 0) and `reward` in Python; "" where that isn't changed
    """

    describe: str
    judge: Callable[[np.ndarray], Collapse]
    distance: float = float("nan")
    formula: str = ""


def nearest_safe(
    variants: Sequence[Variant], worlds: int, tell: Callable[[str], None] = lambda _: None
) -> tuple[str, Section]:
    """All variants, ranked, and the nearest that is safe in all worlds ("" if none is).

    tell : hears which variant is trained next
    """
    few, counts = np.arange(min(SCREEN, worlds)), []
    for v in variants:
        tell(v.describe)
        counts.append(v.judge(few))
    order = sorted(range(len(variants)), key=lambda i: (not _safe(counts[i]), _near(variants[i])))
    best = formula = ""
    for i in order:
        if not _safe(counts[i]):
            break
        if worlds > len(few):
            tell(f"in all worlds: {variants[i].describe}")
            more = variants[i].judge(np.arange(len(few), worlds))
            counts[i] = Collapse(
                counts[i].worlds + more.worlds, counts[i].collapsed + more.collapsed
            )
        if _safe(counts[i]):
            c = counts[i]
            formula = variants[i].formula
            best = f"{variants[i].describe} (collapses in {c.collapsed} of {c.worlds} worlds)"
            break
    order.sort(key=lambda i: (not _safe(counts[i]), _near(variants[i])))
    table = Table(
        "variants",
        ("variant", "worlds collapsed", "safe", "distance from the reward as given"),
        [_row(variants[i], counts[i]) for i in order],
        caption="Each variant was trained in the same worlds as the reward; nearest safe first.",
    )
    message = (
        f"Nearest safe variant: {best}."
        if best
        else "None of the variants tried is safe on the prior; use the outcome reward alone."
    )
    fix = f"{PAY}{formula}" if formula else ""
    finding = Finding(7, "verdict/variant", "info", message, fix=fix)
    return best, Section(7, message, (finding,), (), (table,))


def _row(v: Variant, count: Collapse) -> list[Any]:
    apart = "the reward is unchanged" if np.isnan(v.distance) else round(v.distance, 3)
    return [
        v.describe,
        f"{count.collapsed} of {count.worlds}",
        "yes" if _safe(count) else "no",
        apart,
    ]


def _near(v: Variant) -> float:
    return 0.0 if np.isnan(v.distance) else v.distance


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
    distance: Callable[[np.ndarray], float],
) -> list[Variant]:
    """Candidates for a reward of the rollout alone.

    distance : of a reward (D, N) by difficulty and point of the law from the one as given
    """
    if runner.law.scope != "rollout":
        return []
    gap = 0.0 if auxiliary else runner.law.gap()
    base = 1.0 if auxiliary else gap

    def variant(text: str, change: Change, formula: str = "", by: Runner = runner) -> Variant:
        def whole(own: np.ndarray, right: np.ndarray) -> np.ndarray:
            return base * right + change(own - gap * right, right)

        def count(rows: np.ndarray) -> Collapse:
            some = worlds.take(rows)
            reward, variance = by.changed(some, whole)
            own = reference.take(rows) if by is runner else by.outcome_only(some)
            return by.count(some, reward, own, variance=variance)

        if by is not runner:
            return Variant(text, count)
        apart = distance(whole(runner.law.values(), runner.law.correct))
        return Variant(text, count, apart, formula)

    def gate(weight: float) -> Change:
        return lambda extra, right: weight * right * extra

    weight = safe_weight(facts.largest_safe)
    light = (
        f"outcome + {weight:g} x this reward"
        if auxiliary
        else f"{weight:g} x the part beyond correctness"
    )
    gated = (
        "outcome x (1 + this reward)"
        if auxiliary
        else "the part beyond correctness paid to right answers only"
    )
    limit = CAP * (abs(gap) or 1.0)
    pays = Formulas(base, gap)
    out = [
        variant(light, lambda extra, _: weight * extra, pays.light(weight)),
        variant(gated, gate(1.0), pays.gated(1.0)),
        variant(
            f"outcome + this reward cut off at +-{limit:.2g}"
            if auxiliary
            else f"the part beyond correctness cut off at +-{limit:.2g}",
            lambda extra, _: np.clip(extra, -limit, limit),
            pays.capped(limit),
        ),
        variant(f"{gated}, weight 0.1", gate(0.1), pays.gated(0.1)),
    ]
    e = runner.estimator
    if isinstance(e, GroupEstimator) and e.scale != "none" and not auxiliary:
        plain = replace(runner, estimator=replace(e, scale="none"))
        text = f"the same reward without std normalisation (dr_grpo for {estimator_name})"
        out.append(variant(text, lambda extra, _: extra, by=plain))
    return out


@dataclass(frozen=True)
class Formulas:
    """What variants pay, in Python: base right + change(reward - gap right).

    base : worth of being right in the variant; gap : in the reward as given
    """

    base: float
    gap: float

    def light(self, weight: float) -> str:
        """The part beyond correctness at another weight."""
        return _sum(self.base - weight * self.gap, "right", f"{weight:g} * reward")

    def gated(self, weight: float) -> str:
        """The part beyond correctness for right answers alone; there `right` is 1."""
        worth = self.base - weight * self.gap
        term = "reward" if weight == 1 else f"{weight:g} * reward"
        return f"right * {term}" if abs(worth) < TINY else f"right * ({worth:.4g} + {term})"

    def capped(self, limit: float) -> str:
        """The part beyond correctness cut off."""
        part = _sum(-self.gap, "right", "reward")
        return _sum(self.base, "right", f"max(-{limit:.2g}, min({limit:.2g}, {part}))")


TINY = 1e-9


def _sum(weight: float, name: str, rest: str) -> str:
    """`rest + weight * name`, the weight left out where it is 0 or 1."""
    if abs(weight) < TINY:
        return rest
    size = "" if abs(abs(weight) - 1) < TINY else f"{abs(weight):.4g} * "
    return f"{rest} {'-' if weight < 0 else '+'} {size}{name}"


Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What the part beyond correctness becomes, given it and correctness."""


def safe_weight(limit: float) -> float:
    """A round weight a little below the largest safe one, at most half of the user's own."""
    target = min(0.9 * limit, 0.5)
    digits = 1 - int(np.floor(np.log10(target)))
    return float(np.floor(target * 10**digits) / 10**digits)
