"""The reward under every estimator: what collapses, and at which weight, in each.

A shaper is safe only under an estimator. The same worlds are trained with each registered
estimator (population limit, learning rates made comparable by each objective's reference length),
and each is compared with outcome-only training under the same estimator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from toyrl import registry
from toyrl.dynamics.chain.prior import Worlds
from toyrl.experiments.core import Table
from toyrl.experiments.validate.collapse import section as collapse
from toyrl.experiments.validate.collapse.run import critical, mix_gap, weight_unit
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.refused import refusal
from toyrl.expressions import parse_estimator
from toyrl.objectives.policy_gradient import PolicyGradient

if TYPE_CHECKING:
    from toyrl.experiments.validate.pipeline import Pipeline

AGGREGATION = {
    **dict.fromkeys(("rloo", "reinforce", "reinforce_mean"), "sum"),
    **dict.fromkeys(("dr_grpo", "canon", "canon_entropy"), "dr_grpo"),
}
"""Token aggregation that goes with an estimator; the others use TRL's default, dapo."""
WORLDS = 32
HALVINGS = 3  # of the critical weights; the verdict's own has 6
COLUMNS = ("estimator", "collapsed", "median critical weight", "largest safe weight", "remark")


@dataclass(frozen=True)
class Under:
    """One estimator's answer; `refused` says why there is none.

    critical : (n,) weights, in multiples of the reward's own, at which a world collapses
    """

    name: str
    collapsed: int = 0
    worlds: int = 0
    critical: np.ndarray | None = None
    refused: str = ""

    @property
    def row(self) -> list[object]:
        """name, collapsed, median and largest safe weight, remark."""
        if self.critical is None or not self.worlds:
            return [self.name, "", "", "", self.refused or "outcome-only training never learns"]
        limit = collapse.largest_safe(self.critical)
        return [
            self.name,
            f"{self.collapsed} of {self.worlds}",
            collapse.weight_words(float(np.median(self.critical))),
            collapse.weight_words(limit),
            "",
        ]


def objective_for(name: str) -> PolicyGradient:
    """The token aggregation that goes with an estimator (`name` or `name(field=...)`)."""
    return PolicyGradient(aggregation=AGGREGATION.get(name.partition("(")[0].strip(), "dapo"))


def every(
    runner: Runner,
    worlds: Worlds,
    *,
    auxiliary: bool,
    n: int = WORLDS,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Under]:
    """The reward under each registered estimator in the first n worlds."""
    some = worlds.take(np.arange(min(n, len(worlds))))
    out = []
    for entry in registry.entries("estimator"):
        tell(f"under {entry.name}")
        other = replace(
            runner, estimator=parse_estimator(entry.name), objective=objective_for(entry.name)
        )
        out.append(_under(entry.name, other, some, auxiliary))
    return out


def _under(name: str, runner: Runner, worlds: Worlds, auxiliary: bool) -> Under:
    reason = refusal(runner.estimator)
    if reason:
        return Under(name, refused=reason)
    gap = mix_gap(runner, auxiliary)
    reference = runner.outcome_only(worlds)
    rows = np.flatnonzero(reference.learnable)
    if not len(rows):
        return Under(name)
    few, own = worlds.take(rows), reference.take(rows)
    count = runner.count_at(few, np.ones(len(rows)), gap, own)
    found = critical(runner, few, own, gap, auxiliary, halvings=HALVINGS)[0]
    return Under(name, count.collapsed, len(rows), found)


def describe(found: list[Under], unit: str) -> tuple[list[Finding], Table]:
    """A finding for each estimator, one that sums them up, and the table."""
    table = Table("estimators", COLUMNS, [u.row for u in found], caption=f"Weights in {unit}.")
    out = []
    for u in found:
        if u.refused:
            text = f"Not run under {u.name}: {u.refused}."
            out.append(Finding(4, f"collapse/under-{u.name}", "info", text))
        elif u.critical is not None:
            half = float(np.median(u.critical))
            safe = collapse.largest_safe(u.critical)
            text = (
                f"Under {u.name} {u.collapsed} of {u.worlds} worlds collapse. Weight at which half "
                f"have: {collapse.weight_words(half)}; {collapse.SAFE_SHARE:.0%}: "
                f"{collapse.weight_words(safe)} ({unit})."
            )
            name = f"collapse/under-{u.name}"
            value, bound = (collapse.inside(w, collapse.TRIED) for w in (half, safe))
            out.append(Finding(4, name, "info", text, value, bound=bound))
        else:
            text = f"Under {u.name} outcome-only training learns in no world: nothing to compare."
            out.append(Finding(4, f"collapse/under-{u.name}", "info", text))
    ran = [u for u in found if u.critical is not None and u.worlds]
    if ran:
        best = min(ran, key=lambda u: (u.collapsed, -collapse.largest_safe(_weights(u))))
        worst = max(ran, key=lambda u: (u.collapsed, -collapse.largest_safe(_weights(u))))
        text = f"Of {len(ran)} estimators {best.name} is gentlest, {worst.name} harshest."
        out.append(Finding(4, "collapse/estimators", "info", text))
    return out, table


def _weights(u: Under) -> np.ndarray:
    return np.zeros(0) if u.critical is None else u.critical


def added(pipeline: Pipeline, section: Section) -> Section:
    """Section 4 of a pipeline with a table over all estimators."""
    auxiliary = pipeline.contract_facts.auxiliary
    if pipeline.law.scope != "rollout":
        said = "A reward that looks at its group has no population limit, in which the "
        finding = Finding(4, "collapse/estimators", "info", said + "estimators are compared.")
        return replace(section, findings=(*section.findings, finding))
    found = every(
        pipeline.runner,
        pipeline.worlds,
        auxiliary=auxiliary,
        tell=lambda message: pipeline.tell(4, message),
    )
    more, table = describe(found, weight_unit(auxiliary))
    return replace(section, findings=(*section.findings, *more), tables=(table, *section.tables))
