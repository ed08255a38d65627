"""Capsules: what is read, answered and combined; edges of the paper, bad columns."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra tasks")
from toyrl.expressions import parse_grader
from toyrl.graders.base import TextRow
from toyrl.graders.likeness.compression import (
    Capsule,
    answered_share,
    combined,
    contains,
    masked_scores,
    score,
)

E = np.eye(4)
TEXT = "Anna met Bob in Rome in 1997"
ASK = {"answers": ["Bob", "Rome", "1997"], "context": TEXT}


def test_scores_of_token_lists():
    got = score([0, 1, 2, 3], [0, 1, 3], [[0], [3], [1, 2]], [1.0, 2.0, 1.0], E, budget=2)
    assert got == pytest.approx((0.25, 1 / np.sqrt(2), 0.25 / np.sqrt(2), 2, 0.5))
    assert score([0], [], [[0]], [1], E, budget=5) == (0.0, 0.0, 0.0, 0, 1.0)
    assert score([0], [1], [[]], [1], E, budget=0) == (1.0, 0.0, 0.0, 0, 1.0)
    zero = score([0], [0], [[0]], [1], np.zeros((1, 3)), budget=5)
    assert (zero.utility, zero.semantic, zero.reward) == (1.0, 0.0, 0.0)
    assert score([0, 1], [0, 1], [[0]], [1], E, budget=1, overflow="zero").reward == 0.0
    with pytest.raises(ValueError, match="budget=-1"):
        score([0], [0], [[0]], [1], E, budget=-1)


def test_a_cosine_below_zero_never_pays_a_product():
    # u, s, weight -> product, sum, utility, semantic
    found = [combined(0.5, -0.4, combine=c, weight=0.25)
             for c in ("product", "sum", "utility", "semantic")]  # fmt: skip
    assert found == pytest.approx([0.0, 0.125 - 0.3, 0.5, -0.4])
    with pytest.raises(ValueError, match="combine='mean' is not one of"):
        combined(1.0, 1.0, combine="mean")


def test_shares_of_answers():
    assert answered_share([1, 0, math.nan, 1], [1, 1, 1, 2]) == pytest.approx(3 / 5)
    assert math.isnan(answered_share([]))
    for weights in ([1.0, 0.0], [1.0], [1.0, math.inf]):
        with pytest.raises(ValueError, match=r"weights"):
            answered_share([1, 1], weights)


def test_masks_are_lists():
    prompt, need = np.array([2, 0, 2, 1]), np.array([0, 1])
    keep = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)
    u, s, kept = masked_scores(prompt, keep, need, E, 2)
    for i, mask in enumerate(keep):
        want = score(prompt.tolist(), prompt[mask].tolist(), [[0], [1]], [1, 1], E, budget=2)
        assert (u[i], s[i], kept[i]) == pytest.approx((want.utility, want.semantic, want.kept))


@pytest.mark.parametrize(
    ("text", "answer", "whole", "found"),
    [
        ("in 1997 and 12", "1", True, False), ("in 1997", "1", False, True),
        ("so BOB\n Smith left", "Bob  smith", True, True), ("it is $4.5.", "$4.5", True, True),
        ("答案是北京市", "北京", True, False), ("答案是北京市", "北京", False, True),
        ("anything", "", True, True), ("a.b", "a+b", True, False),
    ],
)  # fmt: skip
def test_planted_answers(text, answer, whole, found):
    assert contains(text, answer, whole=whole) == found


def test_the_cut_decides_and_the_tail_is_not_read():
    reward = Capsule(budget=4, combine="utility")
    texts = ["Bob Rome 1997", "Bob Rome 1997 x", "x x x Bob Rome 1997", "Bob x Rome x 1997", ""]
    found = reward.grade_parts([TextRow("", t, ASK) for t in texts])
    assert [f.total for f in found] == pytest.approx([1, 1, 1 / 3, 2 / 3, 0])
    assert [f.facts["kept"] for f in found] == [3, 4, 4, 4, 0]
    assert found[0].facts["ratio"] == pytest.approx(1 - 3 / 7)
    own = TextRow("", texts[3], {**ASK, "budget": 5})
    assert reward.grade([own]) == [1.0]
    zero = replace(reward, overflow="zero")
    assert zero.grade([TextRow("", t, ASK) for t in texts]) == [1, 1, 0, 0, 0]
    letters = replace(reward, unit="characters", budget=3, match="substring")
    assert letters.grade([TextRow("", "北京市长", {"answers": "京"})]) == [1.0]
    free = replace(reward, budget=None)
    assert free.grade([TextRow("", texts[2], ASK)]) == [1.0]


class Letters:
    """A tokenizer whose tokens are characters."""

    def encode(self, text, add_special_tokens=True):
        assert not add_special_tokens
        return list(map(ord, text))

    def decode(self, ids):
        return "".join(map(chr, ids))


def test_tokens_are_cut_as_the_trainer_counts_them():
    reward = Capsule(unit="tokens", tokenizer=Letters(), budget=3, combine="utility")
    assert reward.grade([TextRow("", "Bobby", ASK)])[0] == pytest.approx(1 / 3)
    ids = {**ASK, "completion_ids": list(map(ord, "BobRome"))}
    found = reward.grade_parts([TextRow("", "unused", ids)])[0]
    assert (found.total, found.facts["kept"]) == (pytest.approx(1 / 3), 3)
    with pytest.raises(ValueError, match="unit='tokens' needs a tokenizer"):
        Capsule(unit="tokens")


def test_a_model_downstream_is_asked_once_and_may_fail():
    asked = []

    def model(texts, questions):
        asked.append(list(zip(texts, questions, strict=True)))
        return ["bob.", None, math.nan, 0.5]

    reward = Capsule(budget=2, combine="utility", downstream=model)
    rows = [
        TextRow("", "a b c", {**ASK, "questions": ["who?", "where?", "when?"]}),
        TextRow("", "d", {"answers": "x", "questions": "what?"}),
    ]
    found = reward.grade_parts(rows)
    pairs = [("a b", "who?"), ("a b", "where?"), ("a b", "when?"), ("d", "what?")]
    assert asked == [pairs]
    assert [f.total for f in found] == pytest.approx([1 / 3, 0.5])
    assert found[0].facts["failed"] == 2
    assert found[0].problem == "2 of 3 questions failed downstream"
    with pytest.raises(ValueError, match="`questions`, one for each"):
        reward.grade([TextRow("", "a", ASK)])
    with pytest.raises(ValueError, match="gave 4 answers to 1 questions"):
        reward.grade([rows[1]])


def test_what_cannot_be_read():
    reward = Capsule()
    none, empty = reward.grade_parts([
        TextRow("p", "x", {"answers": []}), TextRow("", "Bob", {"answers": ["Bob"]})])  # fmt: skip
    assert (math.isnan(none.total), none.problem) == (True, "no answers")
    assert (empty.total, empty.problem, empty.facts["ratio"]) == (0.0, "an empty context", 0.0)
    for budget in (-1, math.nan, "ten", True):
        with pytest.raises(ValueError, match="budget="):
            reward.grade([TextRow("p", "x", {**ASK, "budget": budget})])
    with pytest.raises(KeyError, match="capsule reads the column 'answers'"):
        reward.grade([TextRow("p", "x", {"questions": []})])
    for options in ({"budget": -1}, {"combine": "mean"}, {"embed": 3}, {"weight": 2.0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            Capsule(**options)


def test_a_trainer_calls_it():
    reward = parse_grader("capsule(budget=3, combine='utility')")
    calls = reward(["p", "p"], ["Bob Rome", "no"], answers=[["Bob", "Rome"]] * 2)
    assert calls == [1.0, 0.0]
