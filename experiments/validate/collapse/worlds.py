"""The worlds that section 4 trains in: of the prior, or those that can do what a log shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toyrl.dynamics.chain import observed
from toyrl.dynamics.chain.observed import Fitted, Observed
from toyrl.dynamics.chain.prior import PriorRanges, Worlds, from_unit_cube, prior
from toyrl.experiments.core import Table
from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.settings import Settings
from toyrl.worlds.chain.model import Chain

OFF = 0.15
"""Share by which the prior's mean length may miss what was asked, before it is said."""
TRIES = 4
"""Worlds that are tried for each one wanted, where they must look like a log."""


@dataclass(frozen=True)
class Drawn:
    """Worlds and what the report says of them.

    prior : parameter -> its range in words
    at : points of the unit cube (n, DIMENSIONS) -> the worlds there
    """

    worlds: Worlds
    prior: dict[str, str]
    at: Callable[[np.ndarray], Worlds]
    findings: tuple[Finding, ...] = ()
    tables: tuple[Table, ...] = ()


def drawn(chain: Chain, settings: Settings, n: int, seen: Observed | None) -> Drawn:
    """n worlds; with `seen` their base policies are fitted to it, and there may be fewer."""
    ranges = PriorRanges()
    if seen is not None:
        fitted = observed.worlds_like(
            seen, chain, n, most=TRIES * n, ranges=ranges, seed=settings.seed
        )
        return Drawn(
            fitted.worlds,
            _described(ranges, seen),
            lambda u: observed.worlds_at(seen, chain, u, ranges=ranges),
            _findings(fitted),
            (_table(fitted),),
        )
    worlds = prior(
        chain,
        n,
        seed=settings.seed,
        typical_length=settings.typical,
        ranges=ranges,
        success_rates=settings.success_rates,
    )
    return Drawn(
        worlds,
        ranges.describe(),
        lambda u: from_unit_cube(chain, u, typical_length=settings.typical, ranges=ranges),
        _lengths(worlds, settings, ranges),
    )


def _lengths(worlds: Worlds, settings: Settings, ranges: PriorRanges) -> tuple[Finding, ...]:
    """A warning where the worlds' base policies are longer or shorter than what was asked for."""
    asked = settings.typical * float(np.mean(ranges.length_ratio))
    mean = float(worlds.length.mean())
    if abs(mean / asked - 1) <= OFF:
        return ()
    text = (
        f"Base policies have {mean:.0f} tokens in the mean where {asked:.0f} were asked for: "
        f"worlds of {settings.limit} tokens in {worlds.batch.chain.H} actions can't hold a "
        f"typical length of {settings.typical}."
    )
    fix = "bring typical_length and max_completion_length nearer, or give a log with --rollouts"
    return (Finding(4, "collapse/lengths", "warn", text, value=mean, bound=asked, fix=fix),)


def _described(ranges: PriorRanges, seen: Observed) -> dict[str, str]:
    out = ranges.describe()
    del out["base length / typical length"]
    out["base success rate"] = "as in your rollouts"
    out["base length, right and wrong answers"] = "as in your rollouts"
    if seen.pair:
        out["difficulties"] = f"{seen.pair[0]} and {seen.pair[1]}, as in your rollouts"
        out["share of easy prompts"] = f"{seen.shares[0]:.2f}, as in your rollouts"
    return out


def _findings(fitted: Fitted) -> tuple[Finding, ...]:
    text = f"Base policies are fitted to your rollouts: {fitted.describe()}."
    status = "info" if fitted.within and not fitted.missed else "warn"
    out = [
        Finding(
            4,
            "collapse/base-policies",
            status,
            text,
            value=float(fitted.distance.mean()),
            bound=observed.TOLERANCE,
        )
    ]
    return tuple(out)


def _table(fitted: Fitted) -> Table:
    rows = [
        [observed.shown(k), observed.plain(k, v), observed.plain(k, fitted.fitted[k])]
        for k, v in fitted.seen.items()
    ]
    return Table(
        "base-policies",
        ("statistic", "your rollouts", "worlds, mean"),
        rows,
        "What the base policies were fitted to; lengths by prompt type are shown, not fitted.",
    )
