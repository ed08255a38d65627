"""Laws of relevance and of capsules hold, and are broken by what breaks them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="needs the extra tasks")
from toyrl.experiments.papers.tasks.p39_r3 import RULES
from toyrl.graders.base import TextRow
from toyrl.graders.likeness.compression import Compressed, score
from toyrl.graders.likeness.relevance import Relevance
from toyrl.testing.laws.capsules import CAPSULE_LAWS, CapsuleCase
from toyrl.testing.laws.relevance import RELEVANCE_LAWS

TEXTS = st.lists(st.sampled_from(["a", "b", "c's", "so,", "été", "水"]), max_size=12).map(" ".join)
REWARD = Relevance(strip="none")
LONG = TextRow("what is b", "a b so, a b so, a b so, c's")
TOKENS = st.integers(0, 5)
LISTS = st.lists(TOKENS, max_size=8)


@settings(max_examples=25)
@given(TEXTS, TEXTS)
def test_laws_of_relevance(prompt, text):
    row = TextRow(prompt, text)
    assert {name: said for name, law in RELEVANCE_LAWS.items() if (said := law(REWARD, row))} == {}


@pytest.mark.parametrize(
    ("rule", "law"),
    [
        ("over all tokens", "variety"),
        ("length in both", "known"),
        ("length in both", "copies"),
        ("all on", "switches"),
        ("no relevance", "scale"),
    ],
)
def test_control_a_broken_relevance_is_caught(rule, law):
    row = TextRow("a b c", "a b c d e") if law == "variety" else LONG
    assert RELEVANCE_LAWS[law](RULES[rule](strip="none"), row)


def test_control_lengths_and_order_are_caught():
    class Cut(Relevance):
        def counted(self, text):
            return text.split()[:5]

    def first_word(texts):
        return np.array([[float(len(t.split(" ")[0]))] for t in texts])

    assert RELEVANCE_LAWS["lengths"](Cut(), LONG)
    assert RELEVANCE_LAWS["order"](Relevance(embed=first_word), LONG)


@settings(max_examples=25)
@given(LISTS, LISTS, st.lists(st.lists(TOKENS, min_size=1, max_size=2), min_size=1, max_size=3),
       st.integers(0, 9), st.randoms(use_true_random=False))  # fmt: skip
def test_laws_of_capsules(prompt, capsule, need, budget, rng):
    weights = [rng.uniform(0.5, 2) for _ in need]
    matrix = np.array([[rng.random() for _ in range(3)] for _ in range(6)])
    case = CapsuleCase(prompt, capsule, need, weights, matrix, budget)
    assert {name: said for name, law in CAPSULE_LAWS.items() if (said := law(score, case))} == {}


CASE = CapsuleCase([0, 1, 2, 3], [0, 2, 1], [[0], [3]], [1.0, 2.0], np.eye(4), 2)


def whole(*a, budget):
    return score(*a, budget=np.inf)


def dotted(prompt, capsule, need, weights, matrix, *, budget):
    found = score(prompt, capsule, need, weights, matrix, budget=budget)
    size = min(len(capsule), budget)
    return found._replace(semantic=found.semantic * size, reward=found.reward * size)


def counted(prompt, capsule, need, weights, matrix, *, budget):
    found = score(prompt, capsule, need, weights, matrix, budget=budget)
    read = capsule[: int(min(budget, len(capsule)))]
    return found._replace(utility=sum(map(read.count, (0, 3))) / 2, reward=found.reward)


def unweighted(prompt, capsule, need, weights, matrix, *, budget):
    found = score(prompt, capsule, need, weights, matrix, budget=budget)
    return found._replace(utility=found.utility * weights[0])


def newest(prompt, capsule, need, weights, matrix, *, budget):
    read = list(capsule[: int(min(budget, len(capsule)))])[-1:]
    return score(prompt, read, need, weights, matrix, budget=budget)


@pytest.mark.parametrize(
    ("broken", "law"),
    [(whole, "tail"), (dotted, "bounds"), (newest, "more"), (counted, "order"), (whole, "budget"),
     (unweighted, "weights"), (dotted, "whole")],
)  # fmt: skip
def test_control_a_broken_capsule_is_caught(broken, law):
    assert CAPSULE_LAWS[law](broken, CASE)


def test_a_token_at_the_front_of_a_full_capsule_can_cost_an_answer():
    full = replace(CASE, capsule=[0, 3])
    assert isinstance(full.by(score), Compressed)
    assert full.by(score).utility == 1.0
    assert replace(full, capsule=[1, 0, 3]).by(score).utility == pytest.approx(1 / 3)
