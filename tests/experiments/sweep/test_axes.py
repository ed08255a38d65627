"""Axes of `toyrl sweep`: values, refusals, fields of terms."""

from __future__ import annotations

import numpy as np
import pytest

import toyrl
from toyrl.experiments.errors import UsageError
from toyrl.experiments.sweep.axes import axes_of
from toyrl.experiments.sweep.reward import given, replaced, reward_fields

SUM = "outcome() - 0.5*linear_length()"


@pytest.fixture(scope="module")
def reward():
    return given((SUM,), 512)


def test_values_of_ranges_lists_and_logs():
    a, b, c = axes_of(["weight=0:2:5", "beta=log:0.01:1:3", "G=4,8"], {})
    assert a.values == (0.0, 0.5, 1.0, 1.5, 2.0)
    assert not a.log
    np.testing.assert_allclose(b.values, [0.01, 0.1, 1.0], rtol=1e-12)
    assert b.log
    assert (c.name, c.values) == ("group_size", (4, 8))


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("wieght=0:1:3", "did you mean weight"),
        ("weight=0:1:0", "empty range"),
        ("weight=1:1:3", "the ends differ"),
        ("weight=0:inf:3", "not finite"),
        ("weight=0,nan", "not finite"),
        ("beta=log:0:1:3", "ends above 0"),
        ("weight=,", "is empty"),
        ("weight=0:1", "no range"),
        ("rho=0:2:3", "in [0, 1]"),
        ("weight", "is no axis"),
    ],
)
def test_a_wrong_axis_is_refused_with_the_way_out(told, says):
    with pytest.raises(UsageError, match=r"\w") as error:
        axes_of([told], {})
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_an_axis_is_given_once_and_worlds_know_all(reward):
    with pytest.raises(UsageError, match="given twice"):
        axes_of(["rho=0,1", "easy=0,1"], {})
    with pytest.raises(UsageError, match="chain alone"):
        toyrl.sweep(SUM, over=["rho=0:1:3", "redundancy=0:0.5:3"])
    with pytest.raises(UsageError, match="doesn't know easy"):
        toyrl.sweep(SUM, over="rho=0:1:3", model="behaviour")
    with pytest.raises(UsageError, match="is an axis too"):
        toyrl.sweep(SUM, over="weight=0:1:3", at="weight=1")


def test_fields_of_terms_are_axes(reward):
    fields = reward_fields(reward.law.shaper)
    assert "reward.linear_length.weight" in fields
    assert axes_of(["weight=0:1:2"], fields)[0].name == "weight"
    changed = replaced(reward.law.shaper, {"linear_length.weight": -0.25})
    assert changed == toyrl.parse("outcome() - 0.25*linear_length()")
