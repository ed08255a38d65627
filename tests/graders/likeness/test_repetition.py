"""Repetition in lists and texts: by hand, by a slow definition, and as released."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from toyrl.graders.base import TextRow
from toyrl.graders.likeness.repetition import (
    distinct_share,
    duplicate_paragraphs,
    is_repeated,
    repeats,
)

LOOP = [1, 2, 3, 4] * 3


def slow(tokens: list[int], n: int, times: int, gap: float) -> bool:
    """Some n-gram with `times` neighbouring sightings, each gap below a share of the length."""
    places = [
        [j for j in range(len(tokens) - n + 1) if tokens[j : j + n] == tokens[i : i + n]]
        for i in range(len(tokens) - n + 1)
    ]
    for p in places:
        for k in range(len(p) - times + 1):
            window = p[k : k + times]
            if all(b - a < gap * len(tokens) for a, b in pairwise(window)):
                return True
    return False


@given(
    st.lists(st.integers(0, 1), max_size=24),
    st.integers(1, 4),
    st.integers(2, 4),
    st.sampled_from([0.2, 1 / 3, 0.9]),
)
def test_against_a_slow_definition(tokens: list[int], n: int, times: int, gap: float):
    assert repeats(tokens, n=n, times=times, gap=gap) == slow(tokens, n, times, gap)


def test_by_hand():
    assert not repeats(LOOP)  # neighbours are a third apart, not closer
    assert repeats([1, 2, 3, 4] * 4)
    assert not repeats([1, 2, 3, 4] * 2)
    assert not repeats(list(range(100)))
    assert not repeats([])


def test_a_tensors_elements_are_never_equal():
    """As released: tuples of tensor scalars hash by identity, so that the guard never fires."""
    import torch

    assert repeats([1, 2, 3, 4] * 4)
    assert not repeats(torch.tensor([1, 2, 3, 4] * 4))  # pyright: ignore[reportArgumentType]
    assert repeats(torch.tensor([1, 2, 3, 4] * 4).tolist())


def test_texts():
    assert is_repeated(TextRow("", "wait let me check " * 6)) == 1.0
    assert is_repeated(TextRow("", "one two three four five")) == 0.0
    assert distinct_share([1, 1, 1, 1], n=2) == 1 / 3
    assert distinct_share([1], n=2) == 1.0
    assert duplicate_paragraphs("a b\n\nc\n\na  b\n\n") == 1 - 2 / 3
    assert duplicate_paragraphs("") == 0.0
