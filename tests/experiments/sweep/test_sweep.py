"""Plans, folders and numbers of `toyrl sweep`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import toyrl
from toyrl import schemas
from toyrl.dynamics.chain.exact import LossOptions
from toyrl.experiments.cli import main
from toyrl.experiments.errors import UsageError
from toyrl.experiments.sweep import boundary, run, store
from toyrl.experiments.sweep.axes import axes_of
from toyrl.experiments.sweep.boundary import strides, wanted
from toyrl.experiments.sweep.chains import Chains
from toyrl.experiments.sweep.export import rounded, weighted
from toyrl.experiments.sweep.plan import Plan, changes
from toyrl.experiments.sweep.reward import given, reward_fields
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.reward_law.law import RewardLaw
from toyrl.expressions import parse_estimator
from toyrl.files import WriteError
from toyrl.objectives.policy_gradient import PolicyGradient

SUM = "outcome() - 0.5*linear_length()"
SHORT = {"updates": 40}


@pytest.fixture(scope="module")
def reward():
    return given((SUM,), 512)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A finished sweep and its folder."""
    out = tmp_path_factory.mktemp("sweep") / "out"
    found = toyrl.sweep(
        SUM, over={"weight": [0.0, 2.0, 4.0, 8.0], "rho": [0.2, 0.7]}, at={"updates": 300},
        estimator="dr_grpo", out=out,
    )  # fmt: skip
    return found, out


# -- numbers ---------------------------------------------------------------------------------------
def _cells(plan):
    return [plan.cell(p) for p in plan.places()]


def _plan(over, reward, **more):
    more = {"at": SHORT, "estimator": "dr_grpo", **more}
    fields = reward_fields(reward.law.shaper)
    fields["estimator.scale"] = boundary_range()
    return Plan(SUM, (SUM,), axes_of(over, fields), "chain", more.pop("draws", 1), **more)


def boundary_range():
    from toyrl.estimators.group import SCALES
    from toyrl.ranges import one_of

    return one_of(*SCALES)


def test_a_batch_of_cells_is_each_cell_trained_alone(reward):
    """By the definition: one chain, one reward table, one call of the trainer."""
    plan = _plan(["weight=0.5,3", "rho=0.3,0.8", "reward.linear_length.weight=-0.2,-0.5"], reward)
    model, cells = Chains({512: reward}), _cells(plan)
    found = model.solve(cells)
    for i in (0, 3, 5):
        own = cells[i]["weight"] * cells[i]["reward.linear_length.weight"]
        direct = given((f"outcome() - {-own}*linear_length()",), 512)
        base, _ = model.bases([cells[i]], 512)
        objective = PolicyGradient(aggregation="dr_grpo")
        runner = Runner(direct.law, parse_estimator("dr_grpo"), objective, 8, 0, LossOptions())
        made = runner.ends(base, runner.reward(base))
        accuracy = float((made.accuracy * base.batch.shares).sum(-1)[0])
        # fitted in another batch, the base differs by rounding that training may grow
        assert found.columns["accuracy"][i] == pytest.approx(accuracy, abs=1e-5)


def test_weight_zero_is_correctness_alone_and_one_is_the_reward_as_given(reward):
    plan = _plan(["weight=0,1", "rho=0.2,0.6"], reward)
    found = Chains({512: reward}).solve(_cells(plan)).columns
    zero = found["accuracy"][::2]
    np.testing.assert_array_equal(zero, found["alone_accuracy"][::2])
    assert (found["length"][1::2] < found["length"][::2]).all()


def test_group_size_goes_to_the_population_limit_and_kl_holds_the_base(reward):
    cells = _cells(_plan(["weight=2"], reward))
    model = Chains({512: reward})
    limit, small, large = (
        model.solve([{**cells[0], "group_size": g}]).columns["length"][0] for g in (None, 4, 64)
    )
    assert abs(large - limit) < abs(small - limit)
    free, held = (model.solve([{**cells[0], "beta": b}]).columns["kl"][0] for b in (0.0, 5.0))
    assert 0 < held < free


def test_a_reward_parameter_counts_under_finite_groups_too(reward):
    weights = [-0.2, -2.0]
    cells = [{**_cells(_plan(["weight=1"], reward))[0], "group_size": 8,
              "reward.linear_length.weight": w} for w in weights]  # fmt: skip
    together = Chains({512: reward}).solve(cells).columns["length"]
    alone = [Chains({512: reward}).solve([c]).columns["length"][0] for c in cells]
    np.testing.assert_allclose(together, alone, rtol=1e-9)
    assert together[1] < together[0] - 1


def test_normalisation_changes_a_cell_and_draws_are_alike_in_each(reward):
    plan = _plan(["normalisation=none,group", "weight=0.2,2"], reward, draws=4)
    found = Chains({512: reward}, worlds=4).solve(_cells(plan)).columns
    none, std = found["length"].reshape(2, 2).T  # the first axis is fastest
    assert (std < none - 1).all()  # divided by a spread below 1, a step is longer
    assert np.ptp(found["base_accuracy"]) < 1e-9  # the same worlds under every cell


def test_behaviours_meet_the_same_draws_in_each_cell():
    found = toyrl.sweep("outcome() - 0.3*linear_length()", over="weight=0,1",
                        at={"length": 600, "limit": 2048}, worlds=4)  # fmt: skip
    assert found.plan.worlds == "behaviour"
    assert np.ptp(found.columns["base_accuracy"]) == 0.0
    zero = found.columns["accuracy"][0] - found.columns["alone_accuracy"][0]
    assert abs(zero) < 1e-12  # at weight 0 the run is that of correctness alone
    assert found.columns["length"][1] < found.columns["length"][0]


# -- the folder ------------------------------------------------------------------------------------
def test_the_answer_and_what_is_written(small):
    found, out = small
    assert found.safe in found.plan.axes[0].values
    assert "Largest weight whose forecast is good" in found.sentence
    assert found.export_line.startswith('toyrl export "outcome() - ')
    for name in ("cells.csv", "map.html", "sweep-accuracy.svg", "sweep-accuracy.png"):
        assert (out / name).stat().st_size > 100
    import fastjsonschema

    data = json.loads((out / "result.json").read_text())
    fastjsonschema.compile(schemas.document("sweep"))(data)
    plan = json.loads((out / "plan.json").read_text())
    fastjsonschema.compile(schemas.document("sweep-plan"))(plan)
    rows = (out / "cells.csv").read_text().splitlines()
    assert len(rows) == 1 + 8
    svg = (out / "sweep-accuracy.svg").read_text()
    assert "good to the left" in svg
    assert "as given" in svg


def test_parquet_says_what_the_csv_does(small):
    pq = pytest.importorskip("pyarrow.parquet")
    found, out = small
    table = pq.read_table(out / "cells.parquet").to_pylist()
    assert [list(row.values()) for row in table] == list(found.rows())


def test_a_finished_folder_trains_nothing_and_another_plan_is_refused(small, monkeypatch):
    found, out = small
    monkeypatch.setattr(Chains, "solve", lambda *_: pytest.fail("trained again"))
    options = {"at": {"updates": 300}, "estimator": "dr_grpo", "out": out}
    again = toyrl.sweep(SUM, over={"weight": [0.0, 2.0, 4.0, 8.0], "rho": [0.2, 0.7]}, **options)
    for name, grid in found.columns.items():
        np.testing.assert_array_equal(grid, again.columns[name])
    with pytest.raises(UsageError, match=r"axis easy: 2 values from 0\.2 to 0\.7 there, 2 values"):
        toyrl.sweep(SUM, over={"weight": [0.0, 2.0, 4.0, 8.0], "rho": [0.2, 0.8]}, **options)


def test_what_differs_between_plans_is_said():
    a = {"axes": [{"name": "weight", "values": [0, 1]}], "seed": 0, "files": {"r.py": "1"}}
    b = {"axes": [{"name": "weight", "values": [0, 1]}], "seed": 1, "files": {"r.py": "2"}}
    assert changes(a, b) == "the file r.py holds something else; seed: 0 there, 1 now"
    assert changes(a, a) == ""


def test_two_runs_into_one_folder_do_not_mix(small):
    found, out = small
    first = store.Store(out, found.plan)
    with first.opened(), pytest.raises(UsageError, match=f"process {os.getpid()}"):
        store.Store(out, found.plan).opened().__enter__()


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        toyrl.sweep("outcome()", over="weight=0,1", out=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lock", "thesis.tex"]


def test_a_damaged_part_is_trained_again(small, tmp_path):
    found, out = small
    kept = store.Store(out, found.plan)
    places = list(found.plan.places())
    path = next((out / "parts").glob("*.npz"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert kept.read(path.stem, places) is None
    path.write_bytes(whole)
    assert kept.read(path.stem, places) is not None
    assert kept.read(path.stem, places[:-1]) is None


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Plan, "part", 2)
    real, written = store.write_file, []

    def write(path, content):
        if path.suffix == ".npz" and len(written) == 2:
            raise WriteError(path, OSError(28, "No space left on device"))
        written.append(path.name) if path.suffix == ".npz" else None
        real(path, content)

    monkeypatch.setattr(store, "write_file", write)
    options = {"over": "weight=0:4:8", "at": SHORT, "estimator": "dr_grpo", "model": "chain"}
    with pytest.raises(WriteError, match="no space left"):
        toyrl.sweep(SUM, out=tmp_path / "o", **options)
    monkeypatch.setattr(store, "write_file", real)
    moved = []
    toyrl.sweep(SUM, out=tmp_path / "o", progress=lambda *x: moved.append(x), **options)
    assert moved[0] == (4, 8, 4)


@pytest.mark.slow
def test_a_reward_file_that_changes_is_noticed_and_cells_are_kept(tmp_path, monkeypatch):
    file = tmp_path / "mine.py"
    code = "def reward(completions, answer, **kw):\n"
    code += "    return [float(a in c) for a, c in zip(answer, completions)]\n"
    file.write_text(code)
    monkeypatch.setattr(Plan, "part", 1)
    options = {"over": "weight=0,1,2", "at": SHORT, "model": "chain", "out": tmp_path / "o"}

    def edit(done, total, before):
        if done == 1:
            file.write_text(code + "# edited\n")

    with pytest.raises(UsageError, match="was changed while the sweep ran"):
        toyrl.sweep(f"{file}:reward", progress=edit, **options)
    with pytest.raises(UsageError, match=r"the file .*mine.py holds something else"):
        toyrl.sweep(f"{file}:reward", **options)
    file.write_text(code)
    moved = []
    toyrl.sweep(f"{file}:reward", progress=lambda *x: moved.append(x), **options)
    assert moved[0] == (1, 3, 1)


@pytest.mark.slow
def test_a_kill_loses_no_finished_cell(tmp_path):
    """kill -9 in the middle: what was there stays, the numbers are those of an undisturbed run."""
    over = ["--over", "weight=0:4:64", "--over", "rho=0.2:0.8:6", "--at", "updates=100"]
    line = ["sweep", SUM, *over, "--estimator", "dr_grpo", "-q", "--out"]
    root = str(Path(toyrl.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": root}
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "toyrl.experiments.cli", *line, str(out)]
    process = subprocess.Popen(command, env=env, cwd=tmp_path)
    while not list(out.glob("parts/*.npz")):
        time.sleep(0.05)
        assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {p.name: p.read_bytes() for p in out.glob("parts/*.npz")}
    assert 0 < len(kept) < 3
    assert main([*line, str(out)]) == 0
    for name, data in kept.items():
        assert (out / "parts" / name).read_bytes() == data
    assert main([*line, str(tmp_path / "whole")]) == 0
    one, other = ((tmp_path / n / "cells.csv").read_bytes() for n in ("killed", "whole"))
    assert one == other
    assert one.count(b"\n") == 1 + 384


# -- refinement, edges, export ---------------------------------------------------------------------
def _refined(truth):
    """Cells that refinement trains on a map of known words, and the map it makes."""
    n, m = truth.shape
    plan = Plan("x", ("x",), axes_of([f"weight=0:1:{n}", f"rho=0:1:{m}"], {}), "chain", 1)
    words, count = np.full(truth.shape, "", dtype="<U6"), 0
    for step in strides(plan):
        places = wanted(plan, step, words)
        count += len(places)
        for p in places:
            words[p] = truth[p]
    return boundary.filled(words, {})[0], count


@pytest.mark.parametrize("shape", [(64, 64), (33, 20), (16, 16)])
def test_refinement_finds_the_boundary_for_less(shape):
    x, y = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    truth = np.where(
        x > 0.3 + 0.4 * y**2, "UNSAFE", np.where(x > 0.2 + 0.4 * y**2, "RISKY", "SAFE")
    )
    made, count = _refined(truth)
    assert (made == truth).all()
    assert count < {64: 0.4, 33: 0.75, 16: 1.0}[shape[0]] * truth.size


def test_refined_and_whole_maps_agree_on_real_cells():
    options = {"over": ["weight=0:8:17", "rho=0.1:0.9:9"], "estimator": "dr_grpo",
               "at": {"updates": 150}, "model": "chain"}  # fmt: skip
    whole, fine = (toyrl.sweep(SUM, refine=r, **options) for r in (False, True))
    assert fine.trained < whole.trained
    assert (fine.whole[0] == whole.words).all()
    assert [e.safe for e in fine.edges] == [e.safe for e in whole.edges]


def test_cells_farther_than_runs_go_are_said(small):
    from dataclasses import replace

    found, _ = small
    near = replace(found, columns={**found.columns, "kl": np.full_like(found.columns["kl"], 40.0)})
    assert near.distance == ""
    kl = near.columns["kl"].copy()
    kl.flat[:2] = 84.0, 116.0
    far = replace(found, columns={**found.columns, "kl": kl})
    assert far.distance.startswith("2 of 8 cells end more than 40 nats a completion from the base")
    assert "(up to 116)" in far.distance
    assert far.distance in far.lines()


def test_edges_by_hand():
    plan = Plan("x", ("x",), axes_of(["weight=0,1,2,3", "rho=0,1"], {}), "chain", 1)
    words = np.array([["SAFE", "SAFE"], ["SAFE", "RISKY"], ["UNSAFE", "UNSAFE"], ["SAFE", "SAFE"]])
    p = np.array([[0.0, 0.0], [0.1, 0.3], [0.9, 0.9], [0.0, 0.0]])
    columns = {"p_loss_5": p, "p_loss_5_error": np.full((4, 2), 0.1), "p_behind_10": 0 * p}
    one, two = boundary.edges(plan, columns, words)
    assert (one.safe, one.safe_high, one.lost, one.lost_low) == (1.0, 2.0, 2.0, 1.0)
    # 0.3 with an error of 0.1 may still be under the fifth that asks for a pilot
    assert (two.safe, two.safe_high, two.lost) == (0.0, 2.0, 2.0)


def test_export_pays_what_the_map_says(reward):
    rng = np.random.default_rng(0)
    for text in (SUM, "outcome() + gated(-0.5*linear_length())", "l1_max()"):
        own = given((text,), 512)
        for w in (0.25, 1.0, 3.0):
            own_table = own.mixed(own.law.table(), own.law.correct, w)
            made = RewardLaw(own.law.chain, weighted(own, w)).table()
            np.testing.assert_allclose(made, own_table, atol=1e-5)
    assert rounded(2.7399) == 2.73
    assert rounded(0.0) == 0.0
    x = float(rng.random())
    assert 0 <= x - rounded(x) < 0.01 * x


def test_sums_of_worlds_are_shares():
    from toyrl.experiments.sweep.cells import found

    runs = {"base_accuracy": np.full((2, 4), 0.5), "accuracy": np.array([[0.5, 0.5, 0.4, 0.4]] * 2),
            "alone_accuracy": np.full((2, 4), 0.7), "base_length": np.ones((2, 4)),
            "length": np.ones((2, 4)), "kl": np.ones((2, 4))}  # fmt: skip
    made = found(runs)
    assert made.columns["p_loss_5"].tolist() == [0.5, 0.5]
    assert made.columns["p_loss_5_error"][0] == pytest.approx(np.sqrt(1 / 3) / 2)
    assert made.words == ["UNSAFE", "UNSAFE"]
    assert run.Engine().name == "local"
