"""Section 5, token by token: rewards against correctness over all policies of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import toyrl
from toyrl.experiments.validate.reward_law import bench, process
from toyrl.experiments.validate.reward_law.law import RewardLaw
from toyrl.experiments.validate.settings import LIMIT, TYPICAL
from toyrl.shapers.base import Shaper

CHAIN = bench.template(LIMIT)
REFERENCE, _ = bench.reference(CHAIN, bench.REFERENCE_SUCCESS, TYPICAL)


def section(reward: str):
    findings, tables = process.run(RewardLaw(CHAIN, toyrl.parse(reward)), REFERENCE)
    (finding,) = findings
    return finding, tables


@pytest.mark.parametrize("reward", ["outcome()", "3*outcome()", "outcome(right=2, wrong=1)"])
def test_equivalent_rewards_are_called_so(reward):
    finding, tables = section(reward)
    assert finding.message.startswith("Equivalent: it orders all policies")
    assert finding.value == pytest.approx(0, abs=1e-6)
    assert tables == []


def test_the_opposite():
    finding, _ = section("outcome(right=0, wrong=1)")
    assert finding.message.startswith("It orders all policies the opposite way")


def test_the_policies_are_in_the_wrong_order_by_the_class_table():
    """Accuracy and reward of both, from their class probabilities instead of the process."""
    finding, (table,) = section("outcome() - 0.5*linear_length()")
    assert "Distance 0.11 from correctness" in finding.message
    (_, right, length, _, pay), (_, right_too, length_too, _, pay_too) = table.rows
    assert right > right_too + 0.3
    assert pay_too >= pay - 1e-6
    assert length > length_too
    # each is paid its accuracy less half its length over the limit
    for r, n, p in ((right, length, pay), (right_too, length_too, pay_too)):
        assert p == pytest.approx(r - 0.5 * n / LIMIT, abs=1e-9)


def test_what_an_end_pays_alone_is_told():
    """Paid for ending cut off, whatever the length."""
    law = RewardLaw(CHAIN, toyrl.parse("outcome()"))
    H = CHAIN.H
    table = np.repeat(law.table()[:1], 8, axis=0)
    table[:, 2 * H] = -0.5

    class Cut(RewardLaw):
        def table(self):
            return table

    findings, tables = process.run(Cut(CHAIN, toyrl.parse("outcome()")), REFERENCE)
    assert "potential-based but for the terminal" in findings[0].message
    assert len(tables) == 1


def test_group_rewards_say_what_is_frozen():
    finding, _ = section("kimi()")
    assert "siblings are frozen as the base policy writes them" in finding.message


@pytest.mark.slow  # a process of 72,000 states
def test_counts_are_those_of_the_policy():
    """Half a point for each of up to 40 fillers: the worst policy fills, and is paid for it."""

    @dataclass(frozen=True)
    class Filling(Shaper):
        needs: ClassVar[tuple[str, ...]] = ("correct", "fillers")

        def parts(self, r, memory):
            return {"filling": r.correct + 0.5 * r.need("fillers", by="Filling")}

    findings, (table,) = process.run(RewardLaw(CHAIN, Filling()), REFERENCE)
    worse = table.rows[1]
    assert "0% of the time" in findings[0].message
    assert worse[3] == pytest.approx(1)  # cut off
    assert worse[4] >= table.rows[0][4] - 1e-6


def test_it_is_in_the_report():
    report = toyrl.validate("laser()", only="order")
    names = [f.name for f in report.findings]
    assert process.NAME in names
    assert any(t.name == "order-policies" for s in report.sections for t in s.tables)
