"""Pay for a length within a range (cards 10 and 55)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import parse
from toyrl.graders.base import TextRow
from toyrl.graders.steps.phases import answer_words
from toyrl.rollouts import Rollouts
from toyrl.serving import ServedReward
from toyrl.shapers.length.band import band_score
from toyrl.testing import check_invariants


def slow(n: float, lower: float, upper: float, last: float) -> float:
    if lower <= n <= upper:
        return 1.0
    value = n / lower if n < lower else (last - n) / (last - upper)
    return min(1.0, max(0.0, value))


@given(st.integers(1, 50), st.integers(0, 50), st.integers(1, 50))
def test_against_its_cases(lower: int, width: int, room: int):
    upper = lower + width
    n = np.arange(0, 200.0)
    got = band_score(n, lower, upper, upper + room)
    assert got == pytest.approx([slow(x, lower, upper, upper + room) for x in n], abs=1e-12)
    assert np.all(np.diff(got[: lower + 1]) >= 0)
    assert np.all(np.diff(got[upper:]) <= 0)


@pytest.mark.parametrize("target", [10.0, 40.0])
def test_a_tolerance_around_a_target(target: float):
    """1 up to d = 0.1, then 1 - (d - 0.1)/0.9 down to 0 at length 0 and at twice the target."""
    n = np.linspace(0, 3 * target, 91)
    d = np.abs(n - target) / target
    want = np.where(d <= 0.1, 1.0, np.maximum(0, 1 - (d - 0.1) / 0.9))
    assert band_score(n, 0.9 * target, 1.1 * target, 2 * target) == pytest.approx(want, abs=1e-9)


def test_edges():
    assert band_score(np.array([0.0, 5.0, 6.0]), 0, 5, 5).tolist() == [1, 1, 0]
    assert band_score(np.array([0.0]), 3, 5, 9).tolist() == [0]
    r = Rollouts(np.zeros((1, 3)), np.array([[10.0, 40, 90]]), 100.0)
    assert parse("length_band(0.2, 50, alpha=2)").reward(r)[0].tolist() == pytest.approx(
        [1.0, 2.0, 0.4]
    )
    assert parse("length_band(20, 50, limit=80)").reward(r)[0].tolist() == [0.5, 1.0, 0.0]
    assert check_invariants("length_band()", invariants=["length_unit"], max_examples=30).ok


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<think>so many words here</think>\n<answer>two words</answer>", 2),
        ("<answer>no</answer> <answer> the last one </answer>", 3),
        ("<think>a b c</think> behind the tag", 3),
        ("<think>never closed", 0),
        ("plain text of five words", 5),
        ("", 0),
    ],
)
def test_words_are_those_of_the_answer_part(text: str, words: int):
    assert answer_words(TextRow("q", text)) == words


def test_a_band_in_words_as_served():
    """Of 3, 6 and 12 words with a band of 4 to 8 that ends at 16."""
    rows = [
        TextRow("q", f"<think>so</think><answer>{'w ' * n}</answer>", {"answer": "w"}, 30)
        for n in (3, 6, 12)
    ]
    served = ServedReward.of("word_band(4, 8, 16)", max_completion_length=50)
    assert served(rows, [0, 0, 0]).rewards == pytest.approx([0.75, 1.0, 0.5])
    laws = ["finite", "permutation"]
    assert check_invariants("word_band(20, 60, 200)", invariants=laws, max_examples=20).ok
