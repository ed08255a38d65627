"""Engines: the same numbers to the bit, every cell once, though a worker is killed midway."""

from __future__ import annotations

import builtins

import pytest

import toyrl
from tests.experiments.sweep.ray_jobs import Dies, totals, written
from toyrl.experiments.errors import UsageError
from toyrl.experiments.sweep import engines
from toyrl.extras import MissingExtra

SUM = "outcome() - 0.5*linear_length()"


OPTIONS = {"over": ["weight=0:6:12", "rho=0.2,0.8"], "at": {"updates": 60}, "model": "chain",
           "estimator": "dr_grpo"}  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> bytes:
    """The cells of a sweep that this process trained."""
    out = tmp_path_factory.mktemp("here")
    toyrl.sweep(SUM, out=out / "o", **OPTIONS)
    return (out / "o" / "cells.csv").read_bytes()


@pytest.fixture(scope="module")
def cluster():
    """A Ray of two workers that is here before an engine asks for it; the engine leaves it so."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    yield ray
    assert ray.is_initialized()
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_sweep_of_two_workers_is_that_of_this_process(here, tmp_path, engine):
    """Each engine starts its own workers and ends them."""
    if engine == "ray":
        ray = pytest.importorskip("ray")
    toyrl.sweep(SUM, out=tmp_path / "o", engine=engine, workers=2, **OPTIONS)
    assert (tmp_path / "o" / "cells.csv").read_bytes() == here
    if engine == "ray":
        assert not ray.is_initialized()


def _held(tmp_path, engine):
    """Two workers, one of which is killed in the third of eight parts."""
    cells = [{"weight": float(k // 8), "rho": 0.1 * (k % 8)} for k in range(128)]
    parts = {f"{k}": cells[k : k + 16] for k in range(0, 128, 16)}
    deadly = {**parts, "32": [{**parts["32"][0], "dies": True}, *parts["32"][1:]]}
    job = Dies(totals, str(tmp_path / "died"))
    found = list(engines.each(job, deadly, engine=engine, workers=2))
    assert (tmp_path / "died").exists()
    assert len(found) == len(parts)  # every part once
    assert dict(found) == {name: totals(part) for name, part in parts.items()}


def test_two_processes_of_which_one_is_killed(tmp_path):
    _held(tmp_path, "local")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_workers_of_ray_of_which_one_is_killed(cluster, tmp_path):
    _held(tmp_path, "ray")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_runs_of_a_transfer_take_the_same_engine(cluster, tmp_path):
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


@pytest.mark.slow
def test_an_engine_that_is_none(tmp_path):
    with pytest.raises(UsageError, match="one of local, ray"):
        toyrl.sweep("outcome()", over="weight=0,1", engine="dask")
    with pytest.raises(UsageError, match="goes with engine='ray'"):
        toyrl.sweep("outcome()", over="weight=0,1", ray_address="auto")
