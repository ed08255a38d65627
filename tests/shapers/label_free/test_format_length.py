"""Format-Only and Format-Length (card 02): released code's cases, shape of the bump, invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import parse
from toyrl.graders.base import TextRow
from toyrl.graders.steps.phases import is_thought
from toyrl.rollouts import Rollouts
from toyrl.serving import ServedReward
from toyrl.shapers.label_free.format_length import FormatLength, FormatOnly, bump
from toyrl.testing import check_invariants
from toyrl.testing.strategies import rollouts
from toyrl.theory.length.format_length import bump_zero

READS = ("thought", "answered")
TURN = st.floats(0.05, 0.95)


def one(thought: float, answered: float, length: float, limit: float = 100.0) -> Rollouts:
    flags = {"thought": np.array([[thought]]), "answered": np.array([[answered]])}
    return Rollouts(np.zeros((1, 1)), np.array([[length]]), limit, fields=flags)


@given(TURN)
def test_the_bump(p: float):
    """Invariant 2: values, both slopes at p, the zero, concave."""
    ends = bump(np.array([0.0, p, 1.0, float(bump_zero(p))]), p)
    assert ends == pytest.approx([0, 1, -1, 0], abs=1e-9)
    h = 1e-6
    around = bump(np.array([p - h, p + h]), p)
    assert (1 - around) / h == pytest.approx([0, 0], abs=1e-3)
    x = np.linspace(0, 1, 201)
    assert np.all(np.diff(bump(x, p), 2) <= 1e-12)


def test_corners():
    reward = FormatLength()
    assert reward.reward(one(1, 1, 50)).item() == 2.0
    assert reward.reward(one(0, 1, 100)).item() == -0.5
    assert reward.reward(one(1, 1, 100)).item() == 0.0
    assert reward.reward(one(1, 0, 100)).item() == -1.0
    assert reward.reward(one(1, 0, 150)).item() == -7.0  # not clipped
    assert reward.reward(one(1, 0, 30)).item() == 0.0
    assert reward.reward(one(0, 0, 0)).item() == 0.0
    assert reward.reward(one(1, 1, 0)).item() == 1.0
    assert FormatOnly().reward(one(1, 0, 30)).item() == 0.5
    assert np.isnan(reward.reward(one(1, 1, np.nan)).item())
    for turn in (0.0, 1.0):
        with pytest.raises(ValueError, match="turn"):
            FormatLength(turn=turn)


@given(rollouts(needs=READS, weights="none", floats=False), TURN)
def test_invariants(r: Rollouts, p: float):
    binary = {n: np.round(r.fields[n]) for n in READS}
    r = r.with_(**binary)
    form, both = FormatOnly().reward(r), FormatLength(turn=p).reward(r)
    assert set(np.unique(form)) <= {0.0, 0.5, 1.0}
    assert np.all((both >= -1 - 1e-12) & (both <= 2 + 1e-12))
    none, there = binary["answered"] == 0, binary["answered"] == 1
    assert np.all(both[none] <= 0)
    other = FormatLength(turn=p).reward(r.with_(thought=1 - binary["thought"]))
    np.testing.assert_array_equal(both[none], other[none])
    np.testing.assert_allclose((both - form)[there], bump(r.length / r.max_length, p)[there])
    higher = FormatLength(turn=p).reward(r.with_(answered=np.ones_like(r.length)))
    assert np.all(higher >= both - 1e-12)


def test_laws():
    for reward in ("format_only()", "format_length()", "format_length(turn=0.25, alpha=2)"):
        for law in ("labels_unseen", "length_unit"):
            assert check_invariants(reward, invariants=[law], max_examples=60).ok
    assert check_invariants("majority()", invariants=["labels_unseen"], max_examples=60).ok


def test_the_format_is_read_off_texts():
    texts = ["<think>2 + 2</think> <answer>4</answer>", "<think></think>", "<answer>5</answer>",
             "<think>never closed"]  # fmt: skip
    rows = [TextRow("q", t, {"correct": 0.0}, 50, False) for t in texts]
    assert [is_thought(r) for r in rows] == [1, 1, 0, 0]
    served = ServedReward(parse("format_length()"), 100)
    assert served(rows, [0] * 4).rewards == [2.0, 0.0, 1.5, 0.0]
    told = [TextRow("q", t, {"correct": 0.0, "thought": 0.0}, 50, False) for t in texts]
    assert ServedReward(parse("format_only()"), 100)(told, [0] * 4).rewards == [0.5, 0, 0.5, 0]
