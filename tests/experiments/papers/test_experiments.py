"""Every registered experiment: its smoke configuration holds, its mutants are caught.

A check proves something only if it can fail: under each mutant the checks that the mutant names
must fail, and without it the same checks must hold.
"""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from tests.experiments.papers.runs import BY_EXPERIMENT, EXPERIMENTS, broken, smoke
from toyrl.experiments import core
from toyrl.experiments.core import Experiment, Mutant, Result
from toyrl.experiments.render.svg.pictures import svg
from toyrl.experiments.render.text import dumps

MUTANTS = [
    pytest.param(
        e,
        m,
        id=f"{e.id}-{m.name}",
        marks=[pytest.mark.slow, pytest.mark.xdist_group(f"experiment-{e.id}")],
    )
    for e in EXPERIMENTS.values()
    for m in e.mutants
]


def failures(result: Result) -> list[str]:
    return [f"{c.name}: {c.value} {c.op} {c.bound}" for c in result.checks if not c.holds]


def test_there_are_experiments():
    assert EXPERIMENTS


@pytest.mark.swept
@pytest.mark.parametrize("name", BY_EXPERIMENT)
def test_smoke_configuration_holds(name: str):
    e = EXPERIMENTS[name]
    result = smoke(e.id)[0]
    assert result.checks
    assert failures(result) == []
    doubled = [n for n, k in Counter(c.name for c in result.checks).items() if k > 1]
    assert doubled == []  # mutants and readers refer to checks by name


@pytest.mark.parametrize(("e", "m"), MUTANTS)
def test_mutant_is_caught(e: Experiment, m: Mutant):
    holding = {c.name for c in smoke(e.id)[0].checks if c.holds}
    assert m.breaks
    assert set(m.breaks) <= holding
    assert set(m.breaks) <= set(broken(e.id, m.name)[0].failed)


@pytest.mark.parametrize("name", BY_EXPERIMENT)
def test_arguments_and_outcome_are_jsonable_and_pictures_can_be_drawn(name: str):
    e = EXPERIMENTS[name]
    arguments = {**e.smoke, **{k: v for m in e.mutants for k, v in m.arguments.items()}}
    json.dumps(arguments, allow_nan=False)
    result = smoke(e.id)[0]
    data = json.loads(dumps(core.Outcome(e, result).to_dict()))
    assert [c["name"] for c in data["checks"]] == [c.name for c in result.checks]
    for k, picture in enumerate(result.pictures):
        assert "no values to draw" not in svg(picture, name=f"p{k}")
    for table in result.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)


@pytest.mark.parametrize("e", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_experiment_can_be_asked_for_and_cites_its_source(e: Experiment):
    assert re.fullmatch(r"(\d\d)?", e.card)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", e.slug)
    assert e in core.select([e.id])
    assert e in core.select([e.slug])
    assert not e.card or e in core.select([str(int(e.card))])
    assert e.claim
    assert e.source


def test_two_runs_agree():
    """An experiment is a pure function: same arguments and seed, same numbers."""
    name = next(iter(EXPERIMENTS))
    e = EXPERIMENTS[name]
    again = e.run(**{**e.smoke, "seed": 0})
    assert [c.to_dict() for c in again.checks] == [c.to_dict() for c in smoke(name)[0].checks]
