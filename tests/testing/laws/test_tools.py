"""Laws of tool-call rewards: they hold for the released ones and see broken ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.graders.tools.calls import GRANULARITIES, SoundToolCalls, ToolCalls
from toyrl.testing.laws import tools as laws

FINE, SOUND = ToolCalls(), SoundToolCalls()
COARSE = ToolCalls(granularity="coarse")


@given(laws.calls(), laws.calls(least=0), st.sampled_from(GRANULARITIES),
       st.sampled_from(["max3", "max1", "two_stage", "smooth", "smooth_paper"]),
       st.integers(0, 200), st.sampled_from([FINE, SOUND]))  # fmt: skip
def test_pay_lies_within_the_scale(gold, said, granularity, scale, step, base):
    reward = replace(base, granularity=granularity, scale=scale)
    if said:
        assert laws.within_scale(reward, gold, said, step) is None
    assert laws.within_scale(reward, gold, gold, step) is None


@given(laws.calls(), st.randoms())
def test_the_right_calls_in_any_order(gold, random):
    order = sorted(range(len(gold)), key=lambda _: random.random())
    for reward in (FINE, replace(FINE, granularity="intermediate"), SOUND):
        assert laws.right_in_any_order(reward, gold, order) is None
    assert laws.right_in_any_order(replace(COARSE, call_order="free"), gold, order) is None


@given(laws.calls(), laws.calls(distinct=True), st.randoms())
def test_order_and_extra_calls(gold, said, random):
    order = sorted(range(len(said)), key=lambda _: random.random())
    extra = {"name": "other", "parameters": {"a": 1}}
    for reward in (FINE, SOUND):
        assert laws.order_never_counts(reward, gold, said, order) is None
        assert laws.absent_name_never_pays(reward, gold, said, extra) is None
        assert laws.coarse_never_above(reward, COARSE, gold, said) is None
        assert laws.format_reads_no_json(reward, gold, said) is None


@given(laws.calls(distinct=True), st.integers(0, 2), st.sampled_from("abc"))
def test_one_value(gold, place, key):
    place %= len(gold)
    if key in gold[place]["parameters"]:
        for reward in (FINE, SOUND, replace(FINE, granularity="refined", scale="max1")):
            assert laws.one_value_more(reward, gold, place, key, "none of these") is None


@given(st.floats(0, 1000), st.integers(0, 5000), st.floats(1, 2000))
def test_scales_and_length(step, words, cap):
    for scale in ("smooth", "smooth_paper"):
        assert laws.smooth_sum(step, scale=scale) is None
    assert laws.length_in_unit(words, cap) is None


def test_broken_rewards_are_seen():
    f, g = ({"name": n, "parameters": {"a": 1}} for n in "fg")

    class Overpaid(ToolCalls):
        def score(self, gold, said):
            return super().score(gold, said)._replace(names=2.0 * len(said))

    class Reads(ToolCalls):
        def grade_parts(self, rows, step=0.0):
            found = super().grade_parts(rows, step)
            paid = [{**x.parts, "format": float("{" in r.completion)}
                    for x, r in zip(found, rows, strict=True)]  # fmt: skip
            return [x._replace(parts=p) for x, p in zip(found, paid, strict=True)]

    assert "broken JSON" in (laws.format_reads_no_json(Reads(), [f], [f]) or "")
    assert "outside" in (laws.within_scale(Overpaid(), [f], [g, g]) or "")
    assert "not 3.0" in (laws.right_in_any_order(COARSE, [f, g], [1, 0]) or "")
    ordered = replace(FINE, granularity="refined")
    assert "another order" in (laws.order_never_counts(ordered, [f, g], [f, g], [1, 0]) or "")
    assert "raises" in (laws.absent_name_never_pays(Overpaid(), [f], [f, g], g) or "")
    assert "is worth" in (laws.one_value_more(COARSE, [f], 0, "a", 2) or "")
    assert "neither" in (laws.coarse_never_above(FINE, FINE, [f], [f | {"parameters": {}}]) or "")
    assert laws.smooth_sum(10, scale="max1") is not None


@pytest.mark.parametrize("words", [2, 3, 509, 510, 511, 512])
def test_the_rounding(words: int):
    assert laws.length_in_unit(words) is None
