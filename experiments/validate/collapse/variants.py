"""Safe variants of a reward: each candidate is itself trained in the worlds, then ranked.

Candidates: a smaller weight, a gate on correctness, a cap that keeps every right answer above
every wrong one, another normalisation, and a gate with a small weight. They are ranked by how near
they stay to the reward as given, the distance being that of STARC within prompts: 0 for the same
preferences, 2 for opposite ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from toyrl.dynamics.chain.prior import Worlds
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Table
from toyrl.experiments.forecast.word import word
from toyrl.experiments.validate.collapse.section import Facts, Reference
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.findings import PAY, Finding, Section
from toyrl.experiments.validate.verdict import SAFE_SHARE, Collapse

SCREEN = 32  # worlds in which every candidate is tried; the nearest safe ones go through all
CAP = 0.4  # of the gap between right and wrong, so that no wrong answer beats a right one


Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What a reward (or the part beyond correctness) becomes, given it and correctness."""


@dataclass(frozen=True)
class Variant:
    """A change of the reward.

    describe : the variant in words a user can act on
    judge : worlds' rows -> its collapse counts there
    distance : from the reward as given, 0..2; NaN where the change is not one of the reward
    formula : of the numbers `right` (1 or 0) and `reward` in Python; "" where that isn't changed
    whole, estimator : the changed reward (own reward, correctness) -> reward, and the estimator
        where that is what changes, for a forecast
    weight : of the part beyond correctness, where the variant is that alone
    """

    describe: str
    judge: Callable[[np.ndarray], Collapse]
    distance: float = float("nan")
    formula: str = ""
    whole: Change | None = None
    estimator: Estimator | None = None
    weight: float | None = None


WEIGHTS = (0.5, 0.2, 0.1, 0.05, 0.02)
"""Of the part beyond correctness, that are forecast."""
Foresee = Callable[[Variant], Mapping[str, Any]]
"""A variant -> its forecast (`toyrl.experiments.forecast.answer`)."""


def nearest_foreseen(
    variants: Sequence[Variant], foresee: Foresee, tell: Callable[[str], None] = lambda _: None
) -> tuple[str, Section]:
    """All variants, ranked, and the nearest whose forecast is SAFE ("" if none is)."""
    said = []
    for v in variants:
        tell(v.describe)
        said.append(foresee(v))
    words = [word(f) for f in said]
    order = sorted(range(len(variants)), key=lambda i: (WORDS.index(words[i]), _near(variants[i])))
    good = [i for i in order if words[i] == "SAFE"][:1]
    table = Table(
        "variants",
        ("variant", "forecast", "accuracy", "5 points below the base", "length",
         "distance from the reward as given"),
        [
            [variants[i].describe, words[i], f"{100 * said[i]['accuracy_change']['mean']:+.0f}",
             f"{said[i]['p_loss_5']:.0%}", f"x {said[i]['length_factor']['mean']:.2f}",
             _apart(variants[i])]
            for i in order
        ],
        caption="Each variant was forecast in the same worlds of behaviours; nearest safe first.",
    )  # fmt: skip
    best = formula = ""
    for i in good:
        formula, f = variants[i].formula, said[i]
        best = (
            f"{variants[i].describe} (forecast: accuracy {100 * f['accuracy_change']['mean']:+.0f} "
            f"points, length x {f['length_factor']['mean']:.2f})"
        )
    section = _told(best, formula, table, "forecast to be safe")
    return best, replace(section, findings=(*section.findings, *_largest(variants, words)))


def _largest(variants: Sequence[Variant], words: Sequence[str]) -> list[Finding]:
    """The largest weight tried whose forecast is SAFE."""
    tried = {v.weight: w for v, w in zip(variants, words, strict=True) if v.weight is not None}
    if not tried:
        return []
    safe = max((w for w, said in tried.items() if said == "SAFE"), default=None)
    told = ", ".join(f"{w:g} {tried[w]}" for w in sorted(tried, reverse=True))
    text = "No weight tried is forecast to be safe" if safe is None else (
        f"Largest weight that is forecast to be safe: {safe:g} times yours"
    )  # fmt: skip
    return [Finding(7, "verdict/weight", "info", f"{text} ({told}).", value=safe)]


WORDS = ("SAFE", "RISKY", "UNSAFE")


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
    return best, _told(best, formula, table, "safe on the prior")


def _told(best: str, formula: str, table: Table, what: str) -> Section:
    message = (
        f"Nearest safe variant: {best}."
        if best
        else f"None of the variants tried is {what}; use the outcome reward alone."
    )
    fix = f"{PAY}{formula}" if formula else ""
    finding = Finding(7, "verdict/variant", "info", message, fix=fix)
    return Section(7, message, (finding,), (), (table,))


def _row(v: Variant, count: Collapse) -> list[Any]:
    safe = "yes" if _safe(count) else "no"
    return [v.describe, f"{count.collapsed} of {count.worlds}", safe, _apart(v)]


def _apart(v: Variant) -> str | float:
    return "the reward is unchanged" if np.isnan(v.distance) else round(v.distance, 3)


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
    weights: Sequence[float] = (),
) -> list[Variant]:
    """Candidates for a reward of the rollout alone.

    weights : of the part beyond correctness; none: one below the largest safe one in the worlds
    distance : of a reward (D, N) by difficulty and point of the law from the one as given
    """
    if runner.law.scope != "rollout":
        return []
    gap = 0.0 if auxiliary else runner.law.gap()
    make = _Maker(runner, worlds, reference, distance, 1.0 if auxiliary else gap, gap)
    what = "this reward" if auxiliary else "the part beyond correctness"
    gated = (
        "outcome x (1 + this reward)"
        if auxiliary
        else "the part beyond correctness paid to right answers only"
    )
    limit = CAP * (abs(gap) or 1.0)
    pays = Formulas(make.base, gap)

    def light(weight: float) -> Variant:
        text = f"{'outcome + ' if auxiliary else ''}{weight:g} x {what}"
        made = make.variant(text, lambda extra, _: weight * extra, pays.light(weight))
        return replace(made, weight=weight)

    def cut(extra: np.ndarray, _: np.ndarray) -> np.ndarray:
        return np.clip(extra, -limit, limit)

    out = [
        *map(light, weights or (safe_weight(facts.largest_safe),)),
        make.variant(gated, _gate(1.0), pays.gated(1.0)),
        make.variant(
            f"{'outcome + ' if auxiliary else ''}{what} cut off at +-{limit:.2g}",
            cut,
            pays.capped(limit),
        ),
        make.variant(f"{gated}, weight 0.1", _gate(0.1), pays.gated(0.1)),
    ]
    e = runner.estimator
    if isinstance(e, GroupEstimator) and e.scale != "none" and not auxiliary:
        plain = replace(runner, estimator=replace(e, scale="none"))
        text = f"the same reward without std normalisation (dr_grpo for {estimator_name})"
        out.append(make.variant(text, lambda extra, _: extra, by=plain))
    return out


def _gate(weight: float) -> Change:
    return lambda extra, right: weight * right * extra


@dataclass(frozen=True)
class _Maker:
    """Makes variants that pay base right + change(reward - gap right) in the worlds."""

    runner: Runner
    worlds: Worlds
    reference: Reference
    distance: Callable[[np.ndarray], float]
    base: float
    gap: float

    def variant(
        self, text: str, change: Change, formula: str = "", by: Runner | None = None
    ) -> Variant:
        """by : trains in the place of the runner of the reward as given"""
        runner = by or self.runner

        def whole(own: np.ndarray, right: np.ndarray) -> np.ndarray:
            return self.base * right + change(own - self.gap * right, right)

        def count(rows: np.ndarray) -> Collapse:
            some = self.worlds.take(rows)
            reward, variance = runner.changed(some, whole)
            own = self.reference.take(rows) if by is None else runner.outcome_only(some)
            return runner.count(some, reward, own, variance=variance)

        if by is not None:
            return Variant(text, count, whole=whole, estimator=by.estimator)
        apart = self.distance(whole(runner.law.values(), runner.law.correct))
        return Variant(text, count, apart, formula, whole)


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


def safe_weight(limit: float) -> float:
    """A round weight a little below the largest safe one, at most half of the user's own."""
    target = min(0.9 * limit, 0.5)
    digits = 1 - int(np.floor(np.log10(target)))
    return float(np.floor(target * 10**digits) / 10**digits)


# -- of a run --------------------------------------------------------------------------------------
def of_run(run: Any) -> tuple[str, Section]:
    """The nearest safe variant of a reward: forecast where there is a forecast, else trained in
    the chain's worlds. run : a `Pipeline` whose sections have run"""
    from toyrl.experiments.validate import forecast

    candidates = of_reward(
        run.runner,
        run.worlds,
        run.outcome_runs,
        run.facts,
        auxiliary=run.contract_facts.auxiliary,
        estimator_name=run.settings.estimator,
        distance=partial(_from_own, run),
        weights=() if run.forecast is None else WEIGHTS,
    )

    def tell(message: str) -> None:
        run.tell(7, message)

    if run.forecast is not None:
        return nearest_foreseen(candidates, partial(forecast.of_variant, run), tell)
    return nearest_safe(candidates, len(run.facts.judged.learnable), tell=tell)


def _from_own(run: Any, table: np.ndarray) -> float:
    """Distance of a reward (D, N) on the law's points from the one as given, under the base."""
    from toyrl.theory.distance.order import distance

    prob, own, _ = run.reference_points
    rows = np.asarray(run.reference.difficulties) - 1
    return float(distance(prob, table[rows], own, run.reference.shares))
