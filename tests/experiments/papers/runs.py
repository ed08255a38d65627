"""Smoke runs and mutants, each run once for all tests of a worker, with their work."""

from __future__ import annotations

from functools import cache

import pytest

from toyrl.experiments import core
from toyrl.experiments.core import Broken, Result
from toyrl.experiments.core.work import counted

EXPERIMENTS = core.load()
BY_EXPERIMENT = [
    pytest.param(name, id=name, marks=pytest.mark.xdist_group(f"experiment-{name}"))
    for name in EXPERIMENTS
]
"""Parameters that keep one experiment's tests on one worker under `--dist loadgroup`."""


@cache
def smoke(name: str) -> tuple[Result, float]:
    """The smoke run and its units of work."""
    e = EXPERIMENTS[name]
    with counted() as tally:
        result = e.run(**{**e.smoke, "seed": 0})
    return result, tally.units


@cache
def broken(name: str, mutant: str) -> tuple[Broken, float]:
    """A mutant's run and its units of work."""
    e = EXPERIMENTS[name]
    with counted() as tally:
        found = core.run_mutant(e, next(m for m in e.mutants if m.name == mutant))
    return found, tally.units
