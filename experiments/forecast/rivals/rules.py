"""A short list of rules: expected accuracy as what training gains less what the reward costs.

Each rule is one mechanism, a function of `Facts` and of what is told. The numbers in it are orders
of magnitude from published budgets and runs, written down **with the ledger's outcomes in sight**:
its score on the ledger is a fit. What it is worth is seen on runs that were made later.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from toyrl.experiments.forecast.case import Forecast, Forecaster, Told
from toyrl.experiments.forecast.evidence import THINKING_FROM
from toyrl.experiments.forecast.facts import Facts

SPREAD = 0.05
"""Standard deviation of a run's end about what is expected, in shares of accuracy."""
UPDATES = 15.0
"""Change of log length at the end of a run, in multiples of the first update's drift."""
BELOW = 0.5
"""Completions end at about half of the length where the pull ends: they have to be under it."""
LOWEST = 0.1
RATE_THINKING, RATE_SHORT = 0.06, 0.2
"""What correctness-only training gains, in shares of what is wrong at the start."""
CUTS = (0.0, 0.35, 0.5, 0.6, 0.75, 0.9, 1.0)
"""Share of the tokens that is cut."""
LOSS_THINKING = (0.0, 0.0, 0.02, 0.05, 0.08, 0.12, 0.3)
LOSS_SHORT = (0.0, 0.03, 0.08, 0.12, 0.25, 0.5, 0.8)
"""Share of accuracy that goes with it, for bases that think at length and for the others."""

Rule = Callable[[Facts, Told], float]


def log_length(f: Facts, told: Told) -> float:
    """Expected change of log length: the first update's drift among rollouts that are right or
    wrong alike, as far as its pull goes."""
    drift = UPDATES * f.drift_alike
    if drift < 0:
        return max(drift, math.log(BELOW * max(f.floor, LOWEST)))
    room = math.log(max(told.limit / told.length, 1.0))
    return min(drift, room, math.log(max(f.ceiling, 1.0)))


# -- what is gained --------------------------------------------------------------------------------
def learns(f: Facts, told: Told) -> float:
    """Correctness-only training gains where there is room, a distilled reasoner less; this reward
    as much of it as of its signal speaks of correctness."""
    return _rate(told) * (1 - told.accuracy) * _of_correctness(f)


def _rate(told: Told) -> float:
    return RATE_THINKING if told.length >= THINKING_FROM else RATE_SHORT


def _of_correctness(f: Facts) -> float:
    return f.signal_mixed * min(max(f.gap, 0.0) / 2.0, 1.0)


# -- what it costs ---------------------------------------------------------------------------------
def cut(f: Facts, told: Told) -> float:
    """Tokens that are cut, beyond those that were free."""
    share = 1 - math.exp(min(log_length(f, told), 0.0))
    table = LOSS_THINKING if told.length >= THINKING_FROM else LOSS_SHORT
    return told.accuracy * float(np.interp(share, CUTS, table))


def answers_at_once(f: Facts, told: Told) -> float:
    """Wrong rollouts are charged for length: where most are wrong, the cheap way is to answer at
    once."""
    charged = f.signal_wrong if f.pull_wrong < 0 else 0.0
    return told.accuracy * charged * (1 - told.accuracy)


def fills_the_limit(f: Facts, _: Told) -> float:
    """A bonus without a ceiling: the limit is filled, then nothing is answered."""
    return 0.3 if math.isinf(f.ceiling) and f.drift_alike > 0 else 0.0


def pays_the_easiest(f: Facts, told: Told) -> float:
    """Wrong answers that are paid better than right ones, as far as groups tell the policy so."""
    return 0.5 * told.accuracy * (1 - f.crowd) if f.easiest > 1.5 else 0.0


def unpaid(f: Facts, told: Told) -> float:
    """Right answers at present lengths that get nothing: hard prompts stop being taught."""
    return 0.1 * told.accuracy * max(0.0, 0.5 - f.paid)


COSTS: tuple[Rule, ...] = (cut, answers_at_once, fills_the_limit, pays_the_easiest, unpaid)


def forecast(told: Told, *, costs: tuple[Rule, ...] = COSTS) -> Forecast | None:
    """Gain less costs, with a normal spread; `costs` leaves rules out for an ablation."""
    f = told.facts
    if f is None:
        return None
    gain, cost = learns(f, told), sum(rule(f, told) for rule in costs)
    alone = _rate(told) * (1 - told.accuracy)
    change = gain - cost
    return Forecast(
        below_base=float(ndtr(-change / SPREAD)),
        below_correctness=float(ndtr((alone - change) / SPREAD)),
        accuracy=change,
        length=math.exp(log_length(f, told)),
        low=change - 1.645 * SPREAD,
        high=change + 1.645 * SPREAD,
    )


FORECASTERS = (
    Forecaster(
        "rules",
        "expected accuracy: what training gains less what the reward costs, by five rules on exact "
        "functionals of the reward; numbers in them were written with the ledger in sight",
        forecast,
    ),
)
