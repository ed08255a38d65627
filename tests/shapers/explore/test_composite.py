"""Simple rewards and the sums that they replace: by hand, on texts, where they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.explore.composite import (
    Carl,
    CarlAdditive,
    CarlProduct,
    CarlSurvival,
    TextProduct,
    TextSum,
)

ROUTE = [0.1, 0.1, 0.3, 0.6, 0.8]
SOFT = {"speed": [1, 1, 0.5, 1, 1], "ttc": [1, 1, 0.5, 1, 1], "comfort": [1, 0.5, 1, 0.5, 1]}


def drive(**fields: Any) -> Rollouts:
    """One episode of five steps; a collision in the fourth unless told otherwise."""
    own = {"route": ROUTE, "hard": [0, 0, 0, 2, 0], **SOFT} | fields
    one, fields = np.ones((1, 1)), {k: np.array([[v]], dtype=float) for k, v in own.items()}
    return Rollouts(one, 5 * one, 5.0, mask=np.ones((1, 1, 5)), fields=fields)


def paid(shaper: Shaper, r: Rollouts) -> list[float]:
    return np.asarray(sum(shaper.apply(r).parts.values()))[0, 0].tolist()


def test_the_step_that_crashes_pays_its_progress_and_ends_it():
    assert paid(Carl(), drive()) == pytest.approx([10, 0, 5, 15 - 1, 0])
    assert paid(Carl(), drive(hard=[0, 0, 0, 1, 0])) == pytest.approx([10, 0, 5, 15, 0])
    assert paid(CarlProduct(), drive()) == pytest.approx([10, 0, 5, 0, 0])
    assert paid(CarlProduct(terminal_penalty=-0.5), drive())[3:] == [-50, 0]


def test_survival_and_the_sum_pay_for_time():
    a = 100 * 0.6 / 150
    assert paid(CarlSurvival(), drive()) == pytest.approx([4 + a, a, 2 + a, 0, 0])
    full, close, rough = 11 / 150, (5 * 0 + 4 * 0.5 + 2) / 150, 9 / 150
    want = [0.5 + full, rough, 1.0 + close]
    assert paid(CarlAdditive(), drive()) == pytest.approx([100 / 16 * x for x in want] + [0, 0])
    gated = drive(lane=[0.5] * 5, off_route=[0, 1, 1, 1, 1], hard=[0] * 5)
    assert paid(CarlAdditive(), gated)[:2] == pytest.approx([0, 100 / 32 * rough])


def test_tokens_of_a_tool_are_no_steps_of_the_route():
    route, mask = [0.2, 0.4, 0.0, 0.6], [1.0, 1, 0, 1]
    for hole in (0.0, 0.9, np.nan):
        route[2] = hole
        own = {"mask": np.array([[mask]]), "fields": {"route": np.array([[route]])}}
        r = Rollouts(np.ones((1, 1)), np.full((1, 1), 3.0), 4.0, **own)
        assert paid(Carl(), r) == pytest.approx([20, 20, 0, 20])


def test_steps_back_cost_unless_the_route_is_monotone():
    back = drive(route=[0.2, 0.1, 0.1, 0.1, 0.1], hard=[0] * 5)
    assert paid(Carl(), back) == pytest.approx([20, -5, 0, 0, 0])
    for kind in (Carl, CarlProduct, CarlSurvival, CarlAdditive):
        steps = np.array(paid(kind(monotone=True), back)) - paid(kind(), back)  # type: ignore[call-arg]
        assert steps[1] > 0
        assert not steps[[0, 2, 3, 4]].any()


def test_what_is_missing_is_not_guessed():
    unread = drive(speed=[1, np.nan, 1, 1, 1])
    assert np.isnan(Carl().reward(unread)).all()
    bare = Rollouts(np.ones((1, 1)), np.full((1, 1), 5.0), 5.0, mask=np.ones((1, 1, 5)),
                    fields={"route": np.array([[ROUTE]])})  # fmt: skip
    assert Carl().reward(bare)[0, 0] == pytest.approx(80)
    with pytest.raises(
        KeyError, match=r"Carl needs rollouts.fields\['route'\].*verified sub-goals"
    ):
        Carl().parts(bare.with_(fields={}), {})
    with pytest.raises(ValueError, match="w_ttc=-1"):
        CarlAdditive(w_ttc=-1.0)


def texts(**fields: Any) -> Rollouts:
    """Right and short; right, 60 of 100 tokens; wrong and short; right, cut off."""
    own = {"format": [1.0, 0, 1, 1], "repeated": [0.0, 1, 0, 0]} | fields
    return Rollouts(np.array([[1.0, 1, 0, 1]]), np.array([[20.0, 60, 20, 100]]), 100.0,
                    truncated=np.array([[False, False, False, True]]),
                    fields={k: np.array([v]) for k, v in own.items()})  # fmt: skip


def test_texts_as_a_product_and_as_a_sum():
    r = texts()
    assert TextProduct().reward(r)[0].tolist() == pytest.approx([1, 0.5 * 0.6 * 0.5, 0, 0])
    want = [1, (5 + 2.5 + 4 * 0.6 + 1) / 16, 11 / 16, 0]
    assert TextSum().reward(r)[0].tolist() == pytest.approx(want)
    at_once = TextProduct(budget=50, slack=0)
    assert at_once.reward(r)[0].tolist() == [1, 0, 0, 0]
    assert at_once.reward(r.with_(fields={}))[0].tolist() == [1, 0, 0, 0]


def test_an_all_wrong_group_moves_nobody_under_the_product_alone():
    wrong = texts().with_(correct=np.zeros((1, 4)))
    assert not TextProduct().reward(wrong).any()
    assert np.ptp(TextSum().reward(wrong)) > 0.3
