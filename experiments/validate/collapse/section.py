"""Section 4: does training on this reward collapse, over a prior of worlds.

A world collapses if some difficulty ends more than 0.1 below the outcome-only run of the same
world, at T and again at 4T updates (only one of the two: slow, counted apart). Worlds where
outcome-only training never learns are excluded and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.validate.collapse.statistics import Split, wilson
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.verdict import SAFE_SHARE, UNSAFE_SHARE, Collapse

DROP = 0.1  # accuracy of some difficulty below the outcome-only run
LEARNS = 0.05  # outcome-only training must gain this much mean accuracy, or end above SOLVED
SOLVED = 0.9
WEIGHTS = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
TRIED = (WEIGHTS[0], WEIGHTS[-1])
HALVINGS = 6

Trainer = Callable[[Any, np.ndarray, np.ndarray], np.ndarray]
"""(worlds, reward (W, B, K), updates (W,)) -> accuracy (W, B) after that many updates."""


@dataclass(frozen=True)
class Judged:
    """Outcome of one reward in each world.

    learnable, collapsed, slow : (W,) bool; `slow` are judged differently at T and at 4T
    accuracy, reference : (W, B) at 4T for the reward and for outcome-only training
    """

    learnable: np.ndarray
    collapsed: np.ndarray
    slow: np.ndarray
    accuracy: np.ndarray
    reference: np.ndarray

    @property
    def count(self) -> Collapse:
        """Collapsed among learnable worlds."""
        return Collapse(int(self.learnable.sum()), int((self.collapsed & self.learnable).sum()))


@dataclass(frozen=True)
class Reference:
    """Outcome-only runs of a set of worlds: accuracy (W, B) at start, T and 4T."""

    start: np.ndarray
    short: np.ndarray
    long: np.ndarray
    shares: np.ndarray

    @property
    def learnable(self) -> np.ndarray:
        """(W,) worlds in which outcome-only training learns."""
        gain = ((self.long - self.start) * self.shares).sum(-1)
        level = (self.long * self.shares).sum(-1)
        return (gain >= LEARNS) | (level >= SOLVED)

    def take(self, rows: np.ndarray) -> Reference:
        """The same for some worlds."""
        return Reference(self.start[rows], self.short[rows], self.long[rows], self.shares[rows])


def judge(reference: Reference, short: np.ndarray, long: np.ndarray) -> Judged:
    """Compare runs (W, B) at T and 4T with the outcome-only runs."""
    at_t, at_4t = dropped(reference.short, short), dropped(reference.long, long)
    return Judged(reference.learnable, at_t & at_4t, at_t ^ at_4t, long, reference.long)


def dropped(reference: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """(W,) worlds in which some difficulty ends more than `DROP` below the outcome-only run."""
    return np.any(reference - accuracy > DROP, axis=-1)


def mixed(correct: np.ndarray, reward: np.ndarray, gap: float, weight: Any) -> np.ndarray:
    """`gap * correct + weight * (reward - gap * correct)`: weight 1 is the user's own reward.

    Between 0 and 1 this is the mix (1-w) gap correct + w reward.
    """
    return gap * correct + np.asarray(weight) * (reward - gap * correct)


def critical_weights(
    collapses: Callable[[np.ndarray, np.ndarray], np.ndarray],
    n: int,
    *,
    grid: tuple[float, ...] = WEIGHTS,
    halvings: int = HALVINGS,
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest collapsing weight in each of n worlds, and whether collapse is monotone in it.

    collapses : weights (m,) in the worlds of these rows (m,) -> (m,) bool. A grid first, since
    collapse need not be monotone, then bisection (in log weight) between the last safe grid point
    before the first collapse and that collapse. inf: none on the grid; the lowest grid point, if it
    collapses already.
    """
    # All at once: worlds that train long then stand together, whatever their weight.
    every = np.tile(np.arange(n), len(grid))
    table = collapses(np.repeat(grid, n), every).reshape(len(grid), n)
    any_hit = np.any(table, axis=0)
    first = np.argmax(table, 0)
    monotone = np.array(
        [
            table[f:, i].all() if hit else True
            for i, (f, hit) in enumerate(zip(first, any_hit, strict=True))
        ]
    )
    steps = np.asarray(grid)
    high = steps[first].astype(float)
    low = np.where(first > 0, steps[np.maximum(first - 1, 0)], high)
    between = np.flatnonzero(any_hit & (first > 0))  # elsewhere there is nothing to halve
    for _ in range(halvings if len(between) else 0):
        middle = np.sqrt(low[between] * high[between])
        hit = collapses(middle, between)
        high[between] = np.where(hit, middle, high[between])
        low[between] = np.where(hit, low[between], middle)
    return np.where(any_hit, high, np.inf), monotone


@dataclass(frozen=True)
class Facts:
    """What later sections and the verdict need from this one."""

    judged: Judged
    critical: np.ndarray  # (n,) critical weights in multiples of the user's own
    explained: tuple[Split, ...]
    largest_safe: float  # weight at which at most SAFE_SHARE of worlds have collapsed
    tried: tuple[float, float] = TRIED  # smallest and largest weight tried


def inside(weight: float, tried: tuple[float, float]) -> float | None:
    """A weight that was found between those tried; None at an edge, which only bounds it."""
    return weight if tried[0] < weight <= tried[1] else None


def weight_words(weight: float, tried: tuple[float, float] = TRIED) -> str:
    """A critical weight in two digits, or the edge of those tried that it lies beyond."""
    low, high = tried
    if weight <= low:
        return f"below {low:g}, the smallest tried"
    return f"{weight:.2g}" if weight <= high else f"above {high:g}, the largest tried"


def largest_safe(critical: np.ndarray) -> float:
    """Largest weight under which at most `SAFE_SHARE` of the worlds collapse; inf if none do."""
    ordered = np.sort(critical)
    return float(ordered[int(np.floor(SAFE_SHARE * len(ordered)))]) if len(ordered) else np.inf


def findings(
    facts: Facts,
    *,
    disagreements: int,
    finite_worlds: int,
    group_size: int,
    unit: str,
) -> tuple[Finding, ...]:
    """The section's findings in words."""
    judged, count = facts.judged, facts.judged.count
    interval = wilson(count.collapsed, count.worlds)
    status = (
        "fail" if count.share >= UNSAFE_SHARE else "pass" if count.share <= SAFE_SHARE else "warn"
    )
    excluded = int((~judged.learnable).sum())
    out = [
        Finding(
            4,
            "collapse/probability",
            status,
            f"Accuracy collapses in {count.collapsed} of {count.worlds} learnable worlds "
            f"({count.share:.0%}, 95 % interval {interval[0]:.0%} to {interval[1]:.0%}); "
            f"{excluded} worlds excluded because outcome-only training does not learn there, "
            f"{int((judged.slow & judged.learnable).sum())} slow ones (T and 4T disagree).",
            value=count.share,
            interval=interval,
            bound=SAFE_SHARE,
            fix=""
            if status == "pass"
            else "lower the weight, gate the term on correctness, or "
            "train without std normalisation (see the nearest safe variant)",
        )
    ]
    out += [
        Finding(
            4,
            "collapse/explained",
            "info",
            f"Collapse comes with {s.sentence()}.",
            value=s.threshold,
        )
        for s in facts.explained
    ]
    finite = facts.critical[np.isfinite(facts.critical)]
    if len(facts.critical):
        share = len(finite) / len(facts.critical)
        middle = float(np.median(facts.critical))
        middle_words = weight_words(middle, facts.tried)
        text = (
            f"Weight at which half of the worlds have collapsed: {middle_words}"
            if np.isfinite(middle)
            else f"{share:.0%} of the worlds collapse at some weight up to {facts.tried[1]:g}"
        )
        safe = facts.largest_safe
        out.append(
            Finding(
                4,
                "collapse/critical-weight",
                "info",
                f"{text}; {SAFE_SHARE:.0%}: {weight_words(safe, facts.tried)} ({unit}).",
                value=inside(middle, facts.tried),
                bound=inside(safe, facts.tried),
            )
        )
    out.append(
        Finding(
            4,
            "collapse/finite-group",
            "info",
            f"With groups of {group_size} instead of the population limit, {disagreements} of "
            f"{finite_worlds} worlds are judged differently; the finite result counts there.",
            value=disagreements,
            bound=finite_worlds,
        )
    )
    return tuple(out)


def critical_picture(critical: np.ndarray, unit: str) -> Picture:
    """Share of worlds collapsed by each weight, the user's own at 1."""
    finite = np.sort(critical[np.isfinite(critical)])
    x = np.concatenate([[WEIGHTS[0]], np.repeat(finite, 2), [WEIGHTS[-1]]])
    share = np.arange(len(finite) + 1) / max(len(critical), 1)
    y = np.repeat(share, 2)
    return Picture(
        "collapse-critical",
        "How much of this reward collapses accuracy",
        f"weight ({unit})",
        "share of worlds collapsed",
        curves=(
            Curve("collapsed", x.tolist(), y.tolist()),
            Curve("your weight", [1.0, 1.0], [0.0, 1.0], style="dashed"),
        ),
        log_x=True,
        caption="Each step is one world's critical weight.",
    )


def outcome_picture(judged: Judged, feature: np.ndarray, name: str) -> Picture:
    """Worst accuracy difference in each world against the parameter that explains it best."""
    worst = (judged.accuracy - judged.reference).min(-1)
    groups = (
        ("kept", ~judged.collapsed & ~judged.slow & judged.learnable),
        ("undecided", judged.slow & judged.learnable),
        ("collapsed", judged.collapsed & ~judged.slow & judged.learnable),
    )
    return Picture(
        "collapse-worlds",
        "Accuracy against outcome-only training, world by world",
        name,
        "worst difficulty: accuracy minus outcome-only",
        curves=tuple(
            Curve(label, feature[rows].tolist(), worst[rows].tolist(), style="points")
            for label, rows in groups
            if rows.any()
        ),
        caption=f"A world counts as collapsed below -{DROP}, at training time T and at 4T; "
        "undecided where only one of the two is.",
    )


def prior_table(description: Any) -> Table:
    """The ranges that the worlds were drawn from."""
    return Table(
        "prior",
        ("parameter", "range"),
        [[k, str(v)] for k, v in description.items()],
        caption="The prior of worlds (Sobol points).",
    )


def section(
    facts: Facts,
    found: tuple[Finding, ...],
    pictures: tuple[Picture, ...],
    tables: tuple[Table, ...],
) -> Section:
    """Section 4 from its parts."""
    count = facts.judged.count
    if count.share <= SAFE_SHARE:
        summary = f"Training keeps accuracy in all but {count.collapsed} of {count.worlds} worlds."
    else:
        summary = (
            f"Training on this reward loses accuracy in {count.share:.0%} of the worlds "
            "where correctness alone would learn."
        )
        if facts.explained:
            summary += f" Mostly where {facts.explained[0].sentence()}."
    return Section(4, summary, found, pictures, tables)
