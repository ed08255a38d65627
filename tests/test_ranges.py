"""Arguments have ranges: every one of the registry, in and out, built and read."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.backends import default_for
from toyrl import pytree, ranges, registry
from toyrl.expressions import ExpressionError, parse, parse_estimator, parse_objective
from toyrl.expressions.write import _text
from toyrl.messages import shortened
from toyrl.ranges import (
    COUNT,
    FINITE,
    NOT_NEGATIVE_OR_INF,
    PART,
    POSITIVE,
    SHARE,
    Range,
    check_fields,
    declared,
    one_of,
    told,
)
from toyrl.shapers.base import Shaper
from toyrl.shapers.length.truncation import Laser
from toyrl.shapers.schedules import SCHEDULES, Constant, Cosine, Linear, Step
from toyrl.testing.strategies import inside, outside

PARSE = {"shaper": parse, "estimator": parse_estimator, "objective": parse_objective}
THINGS: dict[str, tuple[str, str, Any]] = {
    f"{kind} {e.name}": (kind, e.name, default_for(e))
    for kind in PARSE
    for e in registry.entries(kind)
}
ARGUMENTS = {f"{key}.{name}": (key, name) for key, (_, _, it) in THINGS.items()
             for name in declared(type(it))}  # fmt: skip
TOGETHER = ("low", "high", "floor", "cap", "zero_std", "eps")  # checked against each other too
MEMBERS = ("Shaper", "tuple[Shaper", "Estimator", "Objective", "Mapping", "tuple[Objective")
FREE = {"metric"}  # any registered field


@pytest.fixture(params=ARGUMENTS)
def argument(request: pytest.FixtureRequest) -> tuple[Any, str, Range, bool]:
    key, name = ARGUMENTS[request.param]
    it = THINGS[key][2]
    return it, name, *declared(type(it))[name]


def test_every_argument_of_the_registry_says_its_range():
    for kind, name, it in THINGS.values():
        for f in fields(it):
            member = str(f.type).startswith(MEMBERS) or f.name in FREE
            assert member or f.name in declared(type(it)), f"{kind} {name}: {f.name}"
    for cls in SCHEDULES.values():
        assert {f.name for f in fields(cls)} == set(declared(cls))


def test_defaults_lie_in_their_ranges():
    for _, _, it in THINGS.values():
        check_fields(it)


@given(st.data())
def test_values_in_range_are_taken_and_others_refused(data: st.DataObject):
    """Of one argument of the whole registry at a time, when built and when read."""
    key, field = data.draw(st.sampled_from(list(ARGUMENTS.values())))
    kind, name, it = THINGS[key]
    allowed = declared(type(it))[field][0]
    good = data.draw(inside(allowed))
    if field not in TOGETHER:
        assert getattr(replace(it, **{field: good}), field) == good
    bad = data.draw(outside(allowed))
    said = f"{field}={shortened(bad)} is not {allowed}"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        replace(it, **{field: bad})
    if name in ("sum", "scaled", "gated", "clipped") or isinstance(bad, tuple):
        return
    assume(bad == bad)  # no NaN is written
    with pytest.raises(ExpressionError, match="column") as caught:
        PARSE[kind](f"{name}({field}={_text(bad)})")
    assert field in caught.value.problem


def test_both_sides_of_each_end(argument: tuple[Any, str, Range, bool]):
    it, name, allowed, _ = argument
    if not allowed.interval:
        return
    low, high, left, right = allowed.ends
    cases = [(low, left), (high, right), (math.nan, False)]
    cases += [(math.nextafter(low, -math.inf), False)] * math.isfinite(low)
    cases += [(math.nextafter(high, math.inf), False)] * math.isfinite(high)
    for value, taken in cases:
        assert (ranges.fault(it, name, value) is None) == taken, (name, value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("laser(alpha=inf)", "laser: alpha=inf is not a finite number >= 0 (column 13"),
        ("linear_length(unit=0)", "unit=0 is not a finite number > 0 or None (column 20"),
        ("overlong(cache=-1)", "overlong: cache=-1 is not a finite number >= 0 (column 16"),
        ("clipped(outcome(), 1, 0)", "low=1 is above high=0"),
        ("crf(s=linear(1, 0, -5))", "linear: steps=-5 is not a finite number >= 0"),
        ("crf(s=linear(2, 0, 5))", "s=2 is not a number in [0, 1] (of Linear("),
        ("cosine(max_len=linear(1, 2, 3))", "a schedule isn't read here"),
        ("1e400*outcome()", "weight=inf is not a finite number (column 1"),
        ("outcome() - 0*inf*linear_length()", "weight=nan is not a finite number"),
        ("outcome(right=None)", "right=None is not a finite number"),
        ("scaled(outcome(), (1, 2))", "weight=(1, 2) is not a finite number"),
    ],
)
def test_rewards_are_refused_by_field_value_and_range(text: str, said: str):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["grpo(eps=-1)", "grpo(eps=inf)", "grpo(ddof=99)", "canon(mu=2)"])
def test_estimators_are_refused(text: str):
    with pytest.raises(ExpressionError, match="is not a"):
        parse_estimator(text)


def test_words_beside_numbers_are_read():
    assert parse_estimator("canon(mu='accuracy')") == registry.get("estimator", "canon").make(
        mu="accuracy"
    )


def test_traced_arrays_and_rebuilt_trees_are_not_looked_at():
    import jax

    pytree.activate()
    r = Laser(alpha=0.5)
    bad = jax.tree_util.tree_map(lambda x: -x, r)  # numbers of no meaning pass through a tree
    assert bad.alpha == -0.5
    out = jax.jit(lambda a: Laser(alpha=a).alpha + 0.0)(-1.0)
    assert float(out) == -1.0


def test_arrays_of_numpy_are_looked_at_entry_by_entry():
    Laser(alpha=np.array([[0.5], [1.0]]))
    with pytest.raises(ValueError, match="alpha=array"):
        Laser(alpha=np.array([[0.5], [-1.0]]))
    with pytest.raises(ValueError, match="alpha="):
        Laser(alpha=np.float32(-1.0))


def test_a_users_own_fields_are_checked_and_inherited():
    @dataclass(frozen=True)
    class Mine(Shaper):
        width: Annotated[float, POSITIVE] = 1.0

        def parts(self, r: Any, memory: Any) -> Any:
            return {"mine": r.correct * self.width}

    @dataclass(frozen=True)
    class Wider(Mine):
        width: float = 2.0

    assert told(Wider) == {"width": "a finite number > 0"}
    for cls in (Mine, Wider):
        with pytest.raises(ValueError, match=r"^width=0 is not a finite number > 0$"):
            cls(width=0)


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (FINITE, "a finite number"),
        (SHARE.or_none, "a number in [0, 1] or None"),
        (Range("(0, inf]"), "a number > 0 (inf allowed)"),
        (Range("[2, inf)", whole=True), "a whole number >= 2"),
        (Range("[-inf, inf]"), "a number"),
        (one_of("a", "b"), "one of a, b"),
        (Range("[0, 1]", words=("a",)), "a number in [0, 1] or a"),
        (ranges.FLAG, "True or False"),
    ],
)
def test_ranges_in_words(allowed: Range, said: str):
    assert str(allowed) == said


def test_kinds_of_numbers():
    assert SHARE.allows(Fraction(1, 2))
    assert SHARE.allows(np.int64(1))
    assert not SHARE.allows(True)
    assert not Range("[0, inf)").allows(10**400)
    assert "..." in FINITE.refusal("x", "y" * 500)


@given(st.sampled_from((Constant, Linear, Cosine, Step)), st.data())
def test_a_schedule_stays_between_its_ends(cls: type, data: st.DataObject):
    own = {name: data.draw(inside(allowed)) for name, (allowed, _) in declared(cls).items()}
    schedule = cls(**own)
    value = schedule(data.draw(st.integers(-3, 10**6)))
    low, high = min(schedule.ends), max(schedule.ends)
    slack = 4 * np.finfo(float).eps * max(abs(low), abs(high))
    assert low - slack <= value <= high + slack


@pytest.mark.parametrize("allowed", [FINITE, POSITIVE, NOT_NEGATIVE_OR_INF, COUNT, PART])
@pytest.mark.parametrize("odd", [0.0, 1.0, 1.5, -1.0, np.inf, -np.inf, np.nan])
def test_a_long_array_is_allowed_where_each_of_its_entries_is(allowed, odd):
    many = np.ones(20)
    many[7] = odd
    assert allowed.allows(many) == (allowed.allows(1.0) and allowed.allows(odd))
