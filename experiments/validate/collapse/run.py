"""Runs section 4: the user's reward in every world, finite groups, critical weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from toyrl.dynamics.chain.prior import Worlds
from toyrl.experiments.validate.collapse import section as collapse
from toyrl.experiments.validate.collapse import sensitivity
from toyrl.experiments.validate.collapse.statistics import explain
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.findings import Finding, Section

FINITE = 32
WEIGHED = 64


def run(
    runner: Runner,
    worlds: Worlds,
    *,
    auxiliary: bool,
    thorough: bool,
    prior: Mapping[str, str],
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Section, collapse.Facts, collapse.Reference]:
    """The section, its facts and the outcome-only reference (for variants).

    prior : parameter of the worlds -> its range in words
    auxiliary : the reward ignores the gold answer; its critical weights are then those of
        outcome + w x reward, while the verdict stays that of the reward as given

    Rollout-scope rewards are judged in the population limit in all worlds and with finite groups
    in the first 32, where the finite result counts. Group and batch rewards have no population
    limit: they are judged with finite groups alone, in 64 worlds (256 with `thorough`).
    """
    auxiliary = auxiliary and runner.law.scope == "rollout"
    gap = mix_gap(runner, auxiliary)
    if runner.law.scope != "rollout" and not thorough:
        worlds = worlds.take(np.arange(min(WEIGHED, len(worlds))))
    tell("outcome-only training in every world")
    reference = runner.outcome_only(worlds)
    tell("the reward in every world")
    judged, disagreements, finite = _judge(runner, worlds, reference, gap, tell)
    unit = weight_unit(auxiliary)
    tell("critical weights")
    rows = np.arange(len(worlds) if thorough else min(WEIGHED, len(worlds)))
    rows = rows[reference.learnable[rows]]
    weights, monotone = critical(runner, worlds.take(rows), reference.take(rows), gap, auxiliary)
    learnable = judged.learnable
    explained = explain(
        {k: v[learnable] for k, v in worlds.parameters.items()}, judged.collapsed[learnable]
    )
    grid = weights_tried(runner)
    facts = collapse.Facts(
        judged, weights, tuple(explained), collapse.largest_safe(weights), (grid[0], grid[-1])
    )
    found = list(
        collapse.findings(
            facts,
            disagreements=disagreements,
            finite_worlds=finite,
            group_size=runner.group_size,
            unit=unit,
        )
    )
    if not monotone.all():
        found.append(
            Finding(
                4,
                "collapse/not-monotone",
                "info",
                f"In {int((~monotone).sum())} worlds collapse is not monotone in the weight; the "
                "smallest collapsing weight is quoted.",
            )
        )
    if auxiliary:
        found.append(_auxiliary(facts))
    indices = sensitivity.indices(
        {k: v[learnable] for k, v in worlds.parameters.items()},
        judged.collapsed[learnable],
        seed=runner.seed,
    )
    decisive, table = sensitivity.describe(indices)
    small = sensitivity.picture(indices)
    found.append(decisive)
    tables = () if table is None else (table,)
    name = explained[0].name if explained else "share of easy prompts"
    pictures = (
        collapse.outcome_picture(judged, worlds.parameters[name], name),
        collapse.critical_picture(weights, unit),
        *(() if small is None else (small,)),
    )
    section = collapse.section(
        facts, tuple(found), pictures, (*tables, collapse.prior_table(prior))
    )
    return section, facts, reference


def weights_tried(runner: Runner) -> tuple[float, ...]:
    """Grid of the critical weights; smaller where each is trained in finite groups."""
    return collapse.WEIGHTS if runner.law.scope == "rollout" else collapse.WEIGHTS[2:7]


def weight_unit(auxiliary: bool) -> str:
    """What critical weights are multiples of."""
    return "times the term, added to the outcome reward" if auxiliary else "times your weight"


def mix_gap(runner: Runner, auxiliary: bool) -> float:
    """a in the mix (1-w) a correct + w reward: 0 for a reward that ignores the gold answer."""
    if auxiliary:
        return 0.0
    return runner.law.gap() if runner.law.scope == "rollout" else 1.0


def _auxiliary(facts: collapse.Facts) -> Finding:
    safe, (low, high) = facts.largest_safe, facts.tried
    start = "This reward ignores the gold answer. As an auxiliary term, outcome + w x term, it "
    if safe <= low:
        text = (
            f"{start}loses accuracy in more than {collapse.SAFE_SHARE:.0%} of the worlds even at "
            f"w = {low:g}, the smallest tried."
        )
        fix = "leave it out, or pay it to right answers only"
    else:
        limit = f"{safe:.3g}" if safe <= high else f"{high:g}, the largest tried, and perhaps above"
        text = f"{start}keeps accuracy in 98 % of the worlds up to w = {limit}."
        fix = "add it to a correctness reward with a weight below that"
    value = collapse.inside(safe, facts.tried)
    return Finding(4, "collapse/auxiliary", "info", text, value=value, fix=fix)


def _judge(
    runner: Runner,
    worlds: Worlds,
    reference: collapse.Reference,
    gap: float,
    tell: Callable[[str], None],
) -> tuple[collapse.Judged, int, int]:
    """Population and finite judgements merged; disagreements and finite worlds counted."""
    if runner.law.scope != "rollout":
        short, long = runner.finite(worlds, 1.0, gap)
        return collapse.judge(reference, short, long), 0, len(worlds)
    short, long = runner.at_weight(worlds, np.ones(len(worlds)), gap, short_only=False)
    judged = collapse.judge(reference, short, long)
    n = min(FINITE, len(worlds))
    some = np.arange(n)
    tell(f"the same with groups of {runner.group_size}")
    finite_short, finite_long = runner.finite(worlds.take(some), 1.0, gap)
    own = runner.outcome_only_finite(worlds.take(some))
    finite_reference = replace(reference.take(some), short=own[0], long=own[1])
    finite = collapse.judge(finite_reference, finite_short, finite_long)
    differ = (finite.collapsed != judged.collapsed[:n]) & judged.learnable[:n]
    collapsed, slow = judged.collapsed.copy(), judged.slow.copy()
    collapsed[:n], slow[:n] = finite.collapsed, finite.slow
    accuracy = judged.accuracy.copy()
    accuracy[:n] = finite.accuracy
    return replace(judged, collapsed=collapsed, slow=slow, accuracy=accuracy), int(differ.sum()), n


def critical(
    runner: Runner,
    worlds: Worlds,
    reference: collapse.Reference,
    gap: float,
    auxiliary: bool,
    *,
    halvings: int = collapse.HALVINGS,
) -> tuple[np.ndarray, np.ndarray]:
    """Critical weights (judged at T) in multiples of the user's own."""
    if len(worlds) == 0:
        return np.zeros(0), np.ones(0, dtype=bool)

    grid = weights_tried(runner)
    halvings = halvings if runner.law.scope == "rollout" else 2
    n, tell = len(worlds), runner.moved
    total, size, behind = n * (len(grid) + halvings), 0, 0

    def moved(done: float, of: float, _unit: str) -> None:
        tell(behind + size * done / of, total, "trainings")

    runner = replace(runner, moved=moved)

    def trained(weight: np.ndarray, rows: np.ndarray) -> np.ndarray:
        some = worlds.take(rows)
        if runner.law.scope != "rollout":
            return runner.finite(some, weight, gap, short_only=True)[0]
        if not auxiliary:
            return runner.at_weight(some, weight, gap)[0]
        w = weight[:, None, None]
        reward, variance = runner.changed(some, lambda own, right: right + w * own)
        return runner.population(some, reward, variance=variance, short_only=True)[0]

    def collapses(weight: np.ndarray, rows: np.ndarray) -> np.ndarray:
        nonlocal size, behind
        # Groups are held in memory: of as many runs at once as there are worlds, no more.
        most = len(rows) if runner.law.scope == "rollout" else n
        hit = []
        for part in np.split(np.arange(len(rows)), range(most, len(rows), most)):
            size = len(part) if len(rows) > n else n
            accuracy = trained(weight[part], rows[part])
            hit.append(collapse.dropped(reference.short[rows[part]], accuracy))
            behind += size
        return np.concatenate(hit)

    return collapse.critical_weights(collapses, len(worlds), grid=grid, halvings=halvings)
