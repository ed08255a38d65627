"""What an emitter has gained, how wide it samples, and the bound by which turns are chosen.

Formulas: docs/theory/population.md. Source: paper 24, code core/evolvers/emitter_evolver.py,
core/schedulers/ucb.py.
"""

from __future__ import annotations

from typing import Any

from toyrl.dynamics.population import emitters, schedule
from toyrl.registry import entry

Array = Any


@entry(
    "emitter_improvement",
    kind="theorem",
    cards=("24",),
    section="code core/evolvers/emitter_evolver.py",
    provenance="code",
    formula="max(mean of the last rows - mean of the first rows, 0)",
)
def emitter_improvement(values: Array, window: int = 3) -> float:
    """Rise of an emitter's rewards (n, m) over its n generations, never negative.

    Raises ValueError for no rows, a window below 1 and NaN.
    """
    return emitters.improvement(values, window)


@entry(
    "emitter_step",
    kind="theorem",
    cards=("24",),
    section="code core/evolvers/emitter_evolver.py",
    provenance="code",
    formula="distance to the nearest other genome / 3; the default where it is 0",
)
def emitter_step(genomes: Array, index: int, number_of_std: float = 3.0,
                 sigma_default: float = 0.05) -> float:  # fmt: skip
    """Standard deviation of the mutations of an emitter that starts at genome `index` of (n, m).

    Raises ValueError for an index that is not there.
    """
    return emitters.emitter_sigma(genomes, index, number_of_std=number_of_std,
                                  sigma_default=sigma_default)  # fmt: skip


@entry(
    "turn_bound",
    kind="theorem",
    cards=("24",),
    section="code core/schedulers/ucb.py",
    provenance="code",
    formula="Q + c sqrt(ln t / n)",
)
def turn_bound(value: float, pulls: int, total: int, c: float = 1.0) -> float:
    """Upper confidence bound of an arm that was pulled n of t times; inf before its first pull.

    Raises ValueError for n outside 0 to t.
    """
    if not 0 <= pulls <= total:
        msg = f"pulls={pulls} must lie in 0 to total={total}"
        raise ValueError(msg)
    return schedule.upper_confidence(value, pulls, total, c)
