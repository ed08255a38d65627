"""Countdown: expressions that make the target without the given numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiments.validate.text_probes import probes
from toyrl.experiments.validate.contract.golds import settle
from toyrl.experiments.validate.hacks.expressions import findings
from toyrl.rewards.user import load
from toyrl.worlds.text.render import base_rows

CALLED = Path(__file__).parents[1] / "called_rewards.py"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("makes_the_target", ["hacks/target-alone", "hacks/other-numbers"]),
        ("countdown", []),
        ("with_its_parts", []),
    ],
)
def test_numbers_that_were_not_given_are_no_answer(name, found):
    with load(f"{CALLED}:{name}") as reward:
        settle(reward, probes(12))
        told = findings(reward, base_rows("tag", 16, 0))
    assert [f.name for f in told] == found
    for f in told:
        assert f.status == "fail"
        assert (f.value, f.bound) == (1.0, 1.0)
        assert "<answer>" in f.counterexample
