"""Published outcomes, each with its own configuration: what the ledger is generated from.

Outcome and configuration follow the papers and are never changed in the light of a verdict; what
explains a hit or a miss is in `ledger_why`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toyrl.papers import Paper

KEPT = 5.0
"""Points of accuracy that a setting may lose and still count as kept: half of the loss at one
difficulty that `validate` calls a collapse."""
COLLAPSE = 10.0
OUTCOMES = ("kept", "lost", "collapsed")
OURS = "toyrl.experiments.backtest.rewards."


@dataclass(frozen=True)
class Setting:
    """One published training run that the class model can speak about.

    id : number of the paper and a slug
    what : the run in a few words, with its model
    section : where the paper states reward and outcome
    rewards : specifications as on the command line of `validate`
    settings : fields of `Settings` that the paper gives
    published : the outcome in numbers or words, paraphrased
    change : points of accuracy against `against`; None where the paper gives words only
    said : the outcome of a paper without such a number
    assumed : what the paper does not say and what was taken instead
    alternatives : other values of what was assumed, as rewards; the answer counts only if all agree
    control : the outcome reward itself, so that no verdict but SAFE was to be expected
    """

    id: str
    paper: Paper
    section: str
    what: str
    rewards: tuple[str, ...]
    published: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    change: float | None = None
    against: str = ""
    said: str = ""
    assumed: tuple[str, ...] = ()
    alternatives: tuple[tuple[str, ...], ...] = ()
    control: bool = False

    @property
    def outcome(self) -> str:
        """kept | lost | collapsed, by the number where there is one."""
        if self.change is None:
            return self.said
        if self.change > -KEPT:
            return "kept"
        return "lost" if self.change > -COLLAPSE else "collapsed"


@dataclass(frozen=True)
class OutOfReach:
    """A published run that outcome classes can't represent; never counted."""

    id: str
    paper: Paper
    what: str
    published: str
    reason: str
