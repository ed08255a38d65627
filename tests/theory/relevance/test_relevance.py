"""Closed forms of relevance and compression against slow definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.graders.likeness.repetition import distinct_share
from toyrl.theory.relevance.compression import best_capsule, every_capsule
from toyrl.theory.relevance.retrieval import (
    best_open_reward,
    longest_varied,
    repeated_block,
    varied_text,
)


def test_no_text_of_two_words_beats_the_best():
    for limit in (1, 4, 9):
        texts = itertools.product("ab", repeat=limit)
        best = max(limit / 100 * distinct_share(t, 3) for t in texts)
        assert best == pytest.approx(best_open_reward(limit, 2, 1.0, again=True), rel=1e-12)
    twelve = max(0.12 * distinct_share(t, 3) for t in itertools.product("ab", repeat=12))
    assert twelve < best_open_reward(12, 2, 1.0, again=True) == 0.1  # ten tokens are the best


@pytest.mark.parametrize(("words", "n"), [(1, 3), (2, 3), (3, 2), (5, 1), (4, 4)])
def test_varied_texts_are_as_long_as_can_be(words, n):
    whole = varied_text(words, 10**6, n)
    assert len(whole) == longest_varied(words, n)
    assert set(whole) == set(range(words))
    assert distinct_share(whole, n) == 1.0
    assert len(set(itertools.pairwise(whole))) == words**2 or n == 1
    assert varied_text(words, 4, n) == whole[:4]
    for more in range(words):  # one token more repeats
        assert distinct_share([*whole, more], n) < 1.0


def test_blocks_by_counting():
    for n, k in itertools.product((1, 2, 3, 7), (1, 2, 5)):
        block = list(range(n)) * k
        want = len(block) / 100 * distinct_share(block, 3)
        assert repeated_block(n, k) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("budget", [0, 3, 7, 12])
def test_the_best_capsule_by_enumeration(budget):
    utility, semantic = every_capsule(budget, n_facts=4, kinds=3).T
    best = best_capsule(budget, n_facts=4, kinds=3)
    assert best[0] == pytest.approx(float((utility * semantic).max()), abs=1e-12)
    assert np.isin(best[1] / 4, utility)
