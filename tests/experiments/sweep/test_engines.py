"""Engines: the same numbers to the bit, every cell once, though a worker is killed midway."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

import toyrl
from tests.experiments.sweep.ray_jobs import Dies, written
from toyrl.experiments.errors import UsageError
from toyrl.experiments.sweep import engines, run
from toyrl.experiments.sweep.axes import axes_of
from toyrl.experiments.sweep.cells import COLUMNS
from toyrl.experiments.sweep.plan import Plan
from toyrl.experiments.sweep.reward import given
from toyrl.extras import MissingExtra

SUM = "outcome() - 0.5*linear_length()"


@pytest.fixture(scope="module")
def work():
    """A plan in eight parts, its solver, the parts by name, and the numbers of this process."""
    axes = axes_of(["weight=0:6:16", "rho=0.2:0.8:8"], {})
    plan = Plan(SUM, (SUM,), axes, "chain", 1, {"updates": 60}, "dr_grpo")
    solve = run.solver(plan, given((SUM,), 512))
    places = list(plan.places())
    parts = {f"{k}": [plan.cell(p) for p in places[k : k + 16]] for k in range(0, 128, 16)}
    return plan, solve, parts, {name: solve(part) for name, part in parts.items()}


def _held(work, tmp_path, engine):
    """Two workers, one of which is killed in the third part."""
    _, solve, parts, want = work
    deadly = {**parts, "32": [{**parts["32"][0], "dies": True}, *parts["32"][1:]]}
    job = Dies(solve, str(tmp_path / "died"))
    found = list(engines.each(job, deadly, engine=engine, workers=2))
    assert (tmp_path / "died").exists()
    names = [name for name, _ in found]
    assert sorted(names) == sorted(parts)  # every part once
    for name, value in found:
        for column in COLUMNS:
            np.testing.assert_array_equal(value.columns[column], want[name].columns[column])


@pytest.mark.slow
def test_two_processes_of_which_one_is_killed(work, tmp_path):
    _held(work, tmp_path, "local")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_workers_of_ray_of_which_one_is_killed(work, tmp_path):
    pytest.importorskip("ray")
    _held(work, tmp_path, "ray")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_sweep_on_ray_is_the_local_one(tmp_path):
    pytest.importorskip("ray")
    options = {"over": ["weight=0:6:12", "rho=0.2,0.8"], "at": {"updates": 60}, "model": "chain",
               "estimator": "dr_grpo"}  # fmt: skip
    toyrl.sweep(SUM, out=tmp_path / "local", **options)
    toyrl.sweep(SUM, out=tmp_path / "ray", engine="ray", workers=2, **options)
    one, other = ((tmp_path / n / "cells.csv").read_bytes() for n in ("local", "ray"))
    assert one == other


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_runs_of_a_transfer_take_the_same_engine(tmp_path):
    pytest.importorskip("ray")
    from types import SimpleNamespace

    from toyrl.experiments.transfer import training

    rewards = [SimpleNamespace(name=f"r{k}") for k in range(4)]
    jobs = [(tmp_path / r.name, r, SimpleNamespace(seed=k)) for k, r in enumerate(rewards)]
    heard = []
    training.every(written, jobs, 2, heard.append, engine="ray")
    assert [(tmp_path / f"r{k}" / "curve.json").read_text() for k in range(4)] == [
        f"r{k} {k}" for k in range(4)
    ]
    assert len(heard) == 4


def test_workers_that_always_die_are_told_and_not_waited_for(monkeypatch):
    class Broken:
        def __init__(self, *_, **__):
            raise engines.BrokenProcessPool

    monkeypatch.setattr(engines.concurrent.futures, "ProcessPoolExecutor", Broken)
    with pytest.raises(
        UsageError, match="workers died 3 times or their machine did, 1 parts are not trained"
    ):
        list(engines.each(len, {"a": [1]}, workers=2))


def test_ray_without_the_extra_is_said(monkeypatch):
    real = builtins.__import__

    def gone(name, *rest, **more):
        if name == "ray":
            raise ModuleNotFoundError(name="ray")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", gone)
    with pytest.raises(MissingExtra, match=r"engine='ray' needs ray: pip install .*\[sweep\]"):
        toyrl.sweep("outcome()", over="weight=0,1", engine="ray")


def test_an_engine_that_is_none(tmp_path):
    with pytest.raises(UsageError, match="one of local, ray"):
        toyrl.sweep("outcome()", over="weight=0,1", engine="dask")
    with pytest.raises(UsageError, match="goes with engine='ray'"):
        toyrl.sweep("outcome()", over="weight=0,1", ray_address="auto")
