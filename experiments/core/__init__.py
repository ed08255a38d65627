"""Results, checks and experiments.

An experiment is a pure function of JSON-able keywords that returns curves, tables and checks.
It registers a small `smoke` configuration and at least one mutant: an argument that breaks the
mechanism, with the names of the checks that must then fail. A check that no mutant is shown to
break is *unproven*.
"""

from toyrl.experiments.core.registry import Experiment, Mutant, experiment, load, select
from toyrl.experiments.core.results import Check, Curve, Picture, Result, Table
from toyrl.experiments.core.running import (
    Broken,
    Outcome,
    execute,
    run_mutant,
    shortfalls,
    to_jsonable,
    versions,
)

__all__ = [
    "Broken",
    "Check",
    "Curve",
    "Experiment",
    "Mutant",
    "Outcome",
    "Picture",
    "Result",
    "Table",
    "execute",
    "experiment",
    "load",
    "run_mutant",
    "select",
    "shortfalls",
    "to_jsonable",
    "versions",
]
