"""Machines: runs by hand, rows replayed, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.testing.laws.traces import run_is_its_trace
from toyrl.worlds.traces.machine import Row, learned, random_machine, replayed, run_tm
from toyrl.worlds.traces.tasks.loops import INCREMENT


@pytest.mark.parametrize(
    ("tape", "want", "steps"),
    [("1011", "1100", 8), ("111", "1000", 8), ("", "1", 2), ("0", "1", 3)],
)
def test_increment_by_hand(tape, want, steps):
    run = run_tm(INCREMENT, tape, "right", "end")
    assert ("".join(run.tape), run.steps, run.halted) == (want, steps, True)
    assert "".join(run.answer or ()) == want
    assert f"after {steps} steps" in run.says
    assert run == run_tm(INCREMENT, tape, "right", {"end", "other"})
    assert run_is_its_trace(run, tape, q0="right") is None


def test_a_machine_that_never_halts_says_so():
    run = run_tm({"q,_": ("q", "_", 1)}, "", "q", "end", max_steps=50)
    assert (run.halted, run.steps, run.tape, run.answer, run.head) == (False, 50, (), None, 50)
    assert "did not halt within 50 steps" in run.says
    assert run_tm(INCREMENT, "1", "end", "end").steps == 0


def test_rows_chain_and_a_changed_one_is_found():
    rng = np.random.default_rng(0)
    delta = random_machine(rng, 3, 2)
    run = run_tm(delta, "1_1", "q0", "end", max_steps=40)
    assert run_is_its_trace(run, "1_1", q0="q0") is None
    assert learned([run]).items() <= delta.items()
    row = run.trace[7]
    broken = (*run.trace[:7], Row(row.q, row.head + 1, row.a, row.b, row.move, row.to))
    with pytest.raises(ValueError, match="row 7 stands in"):
        replayed("1_1", broken, q0="q0")


def test_what_is_missing_or_wrong_is_refused():
    with pytest.raises(KeyError, match="step 1: no transition for 's,0'"):
        run_tm({"s,1": ("s", "1", 1)}, "10", "s", "end")
    with pytest.raises(ValueError, match="a move is -1, 0 or 1"):
        run_tm({"s,1": ("s", "1", 2)}, "1", "s", "end")
    with pytest.raises(ValueError, match="max_steps=-1"):
        run_tm({}, "1", "s", "end", max_steps=-1)
