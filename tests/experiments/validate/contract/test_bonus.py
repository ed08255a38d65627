"""`validate` on intrinsic bonuses: judged where they end, with a witness; what trainers carry."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from toyrl.bridge.export.carry import CannotCarry, plan
from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer.own import own_rewards
from toyrl.experiments.validate.contract.bonus import findings, paid
from toyrl.experiments.validate.reward_law.bench import as_shaper
from toyrl.expressions import parse
from toyrl.rollouts.classes import class_rollouts
from toyrl.worlds.chain.latents.declared import supplied


def of(text: str, weight: float = 1.0):
    return findings([(parse(text), weight)])


def test_an_annealed_bonus_is_judged_by_its_end():
    (found,) = of("outcome() + count_bonus(weight=linear(0.5, 0, 300))")
    assert (found.status, found.value) == ("info", 0)
    assert of("outcome() - linear(1, 0, 9)*linear_length()") == []
    shaper = as_shaper([(parse("outcome() + rdd(weight=linear(0.5, 0, 300))"), 1.0)])
    r = class_rollouts(None, correct=np.array([[1.0, 0.0]]), length=np.ones((1, 2)), max_length=8.0,
                       group_size=None)  # fmt: skip
    assert shaper.reward(supplied(r, shaper)).tolist() == [[1, 0]]


@pytest.mark.parametrize(("text", "scale"), [("outcome() + count_bonus(weight=0.5)", 1.0),
                                             ("outcome() + 0.5*count_bonus(weight=1)", 1.0),
                                             ("linear(2, 0.5, 9)*count_bonus(weight=1)", 1.0),
                                             ("count_bonus(weight=1)", 0.5)])  # fmt: skip
def test_the_witness_loses_what_it_says(text, scale):
    (found,) = of(text, scale)
    assert found.status == "warn"
    told = found.counterexample
    right, wrong = 0.5 / np.sqrt(31), 0.5 / np.sqrt(3)  # 30 and 2 visits before
    assert told["bonus"] == pytest.approx({"right": right, "wrong": wrong})
    base = told["base_reward"]
    assert base["right"] > base["wrong"]
    assert base["right"] + told["bonus"]["right"] < base["wrong"] + told["bonus"]["wrong"]
    assert base["right"] - base["wrong"] == pytest.approx(told["regret"])
    assert told["regret"] == pytest.approx(0.99 * found.value)
    assert paid([(parse(text), scale)]).last == pytest.approx(0.5)


def test_a_bonus_alike_for_both_is_still_no_potential():
    (found,) = of("oni()")
    assert found.status == "warn"
    assert "paid alike" in found.message


def test_what_trainers_carry():
    assert plan(parse("outcome() + count_bonus()"), None, "trl").mode == "rewards"
    assert plan(parse("oni()"), None, "trl").mode == "rewards"
    annealed = parse("outcome() + count_bonus(weight=linear(0.5, 0, 300))")
    assert plan(annealed, None, "trl").mode == "rewards"
    for target, why in (("verl", "update number"), ("openrlhf", "update number")):
        with pytest.raises(CannotCarry, match=why):
            plan(annealed, None, target)
    with pytest.raises(CannotCarry, match="visits"):
        plan(parse("outcome() + count_bonus()"), None, "openrlhf")


@pytest.mark.parametrize("text", ["oni()", "outcome() + count_bonus()", "novelty()"])
def test_a_run_on_texts_alone_is_refused_with_the_field(text):
    with pytest.raises(UsageError, match=r"(helpful|visits|novelty).*texts don't show.*graders="):
        own_rewards([text], contextlib.ExitStack())
