"""PEAR (card 15) against its own words, token by token; corners and invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import parse
from toyrl.graders.steps.phases import think_end
from toyrl.rollouts import Rollouts
from toyrl.rollouts.phases import phase_entropies, phases
from toyrl.shapers.length.phase_entropy import Pear
from toyrl.testing import check_invariants
from toyrl.testing.strategies import rollouts

READS = ("entropy", "think_end")


def slow(
    h: list[float], end: int | None, correct: float, alpha: float = 1.0, s: float = 1.0,
    fmt: float = 0.0,
) -> float:  # fmt: skip
    """The card's steps 1 to 3: `end` is k - 1, the place of the tag."""
    think = h[:-1] if end is None else h[:end]
    answer = [] if end is None else h[end + 1 :]
    mean = [sum(x) / len(x) if x else 0.0 for x in (think, answer)]
    penalty = max(0.0, mean[0] - alpha * mean[1])
    return min(1.0, s - penalty) if correct else fmt


def one(h: list[float], end: int | None, correct: float = 1.0, pad: int = 2) -> Rollouts:
    """One rollout, with NaN as entropy behind its end."""
    n = len(h)
    marks = np.zeros(n + pad)
    if end is not None:
        marks[end] = 1.0
    entropy = np.array([*h, *[np.nan] * pad])
    return Rollouts(
        np.array([[correct]]), np.array([[float(n)]]), 16.0,
        mask=((np.arange(n + pad) < n) * 1.0)[None, None],
        fields={"entropy": entropy[None, None], "think_end": marks[None, None]},
    )  # fmt: skip


@given(
    st.lists(st.floats(0, 3), min_size=1, max_size=8), st.data(), st.sampled_from([0.0, 1.0]),
    st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]),
)  # fmt: skip
def test_against_its_words(h: list[float], data: st.DataObject, correct: float, alpha: float):
    end = data.draw(st.one_of(st.none(), st.integers(0, len(h) - 1)))
    got = Pear(alpha, right=0.9, wrong=0.1).reward(one(h, end, correct)).item()
    assert got == pytest.approx(slow(h, end, correct, alpha, 0.9, 0.1), abs=1e-12)


def test_corners():
    assert Pear().reward(one([2.0, 1.0, 5.0], None)).item() == 1 - 1.5  # k = T: mean to T - 1
    assert Pear().reward(one([5.0, 1.0, 1.0], 0)).item() == 1.0  # empty thinking
    assert Pear().reward(one([0.25, 0.75, 9.0], 2)).item() == 0.5  # nothing behind the tag
    assert Pear().reward(one([1.0], None)).item() == 1.0  # a single token
    assert Pear(right=1.5).reward(one([0.25, 0.0], 1)).item() == 1.0  # the upper clip
    deep = one([3.0, 0.0, 0.0], 1)
    assert Pear().reward(deep).item() == -2.0  # below a wrong rollout, as published
    assert Pear(floor=0.0).reward(deep).item() == 0.0
    assert Pear(floor=0.0, wrong=-1.0).reward(one([3.0, 0.0, 0.0], 1, 0.0)).item() == -1.0
    assert math.isnan(Pear().reward(one([math.nan, 1.0, 1.0], 1)).item())
    empty = one([], None)
    assert Pear().reward(empty).item() == 1.0


def test_several_closing_tokens_belong_to_neither_phase():
    mask, marks = np.ones(6), np.array([0.0, 0, 1, 1, 0, 0])
    think, answer = phases(mask, marks)
    assert think.tolist() == [1, 1, 0, 0, 0, 0]
    assert answer.tolist() == [0, 0, 0, 0, 1, 1]
    later = phases(mask, np.array([0.0, 0, 1, 0, 1, 0]))  # a tag inside the answer counts nowhere
    assert [x.tolist() for x in later] == [[1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 1]]
    outside = phases(np.array([1.0, 1, 0]), np.array([0.0, 0, 1]))
    assert [x.tolist() for x in outside] == [[1, 0, 0], [0, 0, 0]]


@given(rollouts(needs=READS, weights="none"), st.floats(0, 2), st.floats(0, 2))
def test_invariants_one_to_seven(r: Rollouts, alpha: float, more: float):
    think, answer = phase_entropies(r, by="test")
    paid = Pear(alpha).reward(r)
    assert np.all(paid[r.correct == 0] == 0)
    assert np.all(paid <= 1)
    none = think <= alpha * answer
    np.testing.assert_array_equal((paid == 1)[r.correct == 1], none[r.correct == 1])
    assert np.all(Pear(alpha + more).reward(r) >= paid - 1e-12)
    high = r.with_(entropy=r.fields["entropy"] * 3.0)
    charged = [Pear(alpha).apply(x).parts["entropy"] for x in (r, high)]
    np.testing.assert_allclose(charged[1], 3 * charged[0], atol=1e-12)
    inside, behind = phases(r.mask, r.fields["think_end"])
    for phase, sign in ((inside, -1), (behind, 1)):
        moved = r.with_(entropy=r.fields["entropy"] + more * phase)
        assert np.all(sign * (Pear(alpha).reward(moved) - paid) >= -1e-12)
    quiet = r.with_(entropy=r.fields["entropy"] * (1 - behind))
    np.testing.assert_array_equal(Pear(0.0).reward(quiet), Pear(0.0).reward(r))


def test_enough_alpha_is_the_outcome():
    rng = np.random.default_rng(0)
    fields = {"entropy": rng.random((2, 4, 6)), "think_end": np.tile(np.arange(6) == 3, (2, 4, 1))}
    r = Rollouts(np.ones((2, 4)), np.full((2, 4), 6.0), 6.0, mask=np.ones((2, 4, 6)),
                 fields={k: v * 1.0 for k, v in fields.items()})  # fmt: skip
    think, answer = phase_entropies(r, by="test")
    alpha = float((think / answer).max())
    assert np.all(Pear(alpha * (1 + 1e-12)).reward(r) == 1)
    assert Pear(alpha * 0.99).reward(r).min() < 1


@pytest.mark.slow
def test_laws():
    for law in ("phases_are_means", "thinking_twice_costs_nothing", "length_unit"):
        assert check_invariants("pear()", invariants=[law], max_examples=60).ok
        assert check_invariants("pear(floor=0)", invariants=[law], max_examples=60).ok
    law = ["wrong_never_above_right"]
    assert check_invariants("pear()", invariants=law, max_examples=200).broken() == tuple(law)
    assert check_invariants("pear(floor=0)", invariants=law, max_examples=200).ok


def test_where_thinking_ends_is_read_off_tokens():
    assert think_end(["so", " 2", "</think>", "2"]).tolist() == [0, 0, 1, 0]
    assert think_end(["so", "</", "thi", "nk>", "2"]).tolist() == [0, 1, 1, 1, 0]
    assert think_end(["so", "", " x</think>y", ""]).tolist() == [0, 0, 1, 0]
    assert think_end(["so", "</thi"]).tolist() == [0, 0]
    assert think_end([]).tolist() == []
    assert think_end(["a", "###", "b"], tag="###").tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="is empty"):
        think_end(["a"], tag="")


def test_the_expression_and_what_is_missing():
    assert parse("pear(alpha=2, floor=0)") == Pear(2, floor=0)
    with pytest.raises(KeyError, match="think_end"):
        Pear().reward(one([1.0], None).with_(fields={"entropy": np.ones((1, 1, 3))}))
