"""ACE-RL's reward: laws, verdicts and lengths at their edges, rules that decide by themselves."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.expressions import parse_grader, to_expression
from toyrl.graders.base import TextRow
from toyrl.graders.writing.checklist import (
    Checklist,
    constraint_score,
    counted_words,
    read_verdicts,
    target_length_score,
    verdict_score,
)
from toyrl.graders.writing.constraints import met
from toyrl.testing.laws import routed as laws

GIVEN = Checklist()


def reward(said, words, target, made: Checklist = GIVEN) -> float:
    columns = {"checklist": ["c"] * len(said), "verdicts": said, "target_len": target}
    return made.grade([TextRow("p", "w " * words, columns)])[0]


@given(laws.verdicts(), st.integers(0, 40), st.integers(1, 20))
def test_the_laws_of_a_checklist(said, words, target):
    for made in (GIVEN, Checklist(length_shape="exp")):

        def checked(said, words, target, made=made):
            return reward(said, words, target, made)

        assert laws.broken(laws.CHECKLIST_LAWS, checked, said, words, target) == []
    n = len(said)
    assert (2 * n * constraint_score(said)) == pytest.approx(round(2 * n * constraint_score(said)))
    bare = {"checklist": ["c"] * n, "verdicts": said}
    free = GIVEN.grade([TextRow("p", "w " * words, bare)])[0]
    assert free == pytest.approx((1 + constraint_score(said)) / 2)


def test_controls_of_a_checklist_are_caught():
    def short_alone(said, words, target):
        return (constraint_score(said) + min(1, words / (0.9 * target))) / 2

    def summed(said, words, target):
        return (sum(said) + float(target_length_score(np.array(float(words)), target))) / 2

    def product(said, words, target):
        return (math.prod(said) + float(target_length_score(np.array(float(words)), target))) / 2

    for rule, law in ((short_alone, "length_counts_on_both_sides"),
                      (summed, "order_and_size_do_not_count"),
                      (product, "one_level_is_worth_alike")):  # fmt: skip
        assert getattr(laws, law)(rule, [0.5, 1.0, 0.5], 18, 10) is not None
        assert getattr(laws, law)(reward, [0.5, 1.0, 0.5], 18, 10) is None


def test_shapes_of_the_length():
    words = np.array([0.0, 225, 450, 550, 775, 1000, 1500])
    linear = target_length_score(words, 500.0)
    assert linear == pytest.approx([0, 0.5, 1, 1, 0.5, 0, 0])
    d = np.abs(words - 500) / 500
    assert linear == pytest.approx(np.where(d <= 0.1, 1, np.maximum(0, 1 - (d - 0.1) / 0.9)))
    exp = target_length_score(words, 500.0, shape="exp")
    assert exp == pytest.approx(np.exp(-np.maximum(d - 0.1, 0) / 0.25))
    with pytest.raises(ValueError, match="delta=1"):
        target_length_score(words, 500.0, delta=1.0)
    assert counted_words("東京 is big") == 3
    assert counted_words("東京 is big", "signs") == 4
    assert reward([1], 5, 10, Checklist(length_weight=1.0)) == pytest.approx(5 / 9)


@pytest.mark.parametrize(
    ("label", "score"),
    [
        ("Fully Met", 1), ("**partially met**.", 0.5), (" NOT  MET ", 0), (0.5, 0.5), ("1", 1),
        (True, 1), ("met", None), (0.7, None), ("", None), (None, None), ("fully met or not", None),
    ],
)  # fmt: skip
def test_a_verdict_is_one_of_three_or_unread(label, score):
    found = verdict_score(label)
    assert math.isnan(found) if score is None else found == score


def test_verdicts_come_as_lists_and_as_lines():
    lines = "1. Fully Met\nConstraint 2: Partially Met\n\n3) tone: **Not Met**\nwho knows"
    assert [verdict_score(v) for v in read_verdicts(lines)][:3] == [1, 0.5, 0]
    assert len(read_verdicts(lines)) == 4
    assert read_verdicts('["Fully Met", 0]') == ["Fully Met", 0]
    assert read_verdicts(np.array([1.0, 0.5])) == [1.0, 0.5]
    with pytest.raises(ValueError, match="a verdict is nan"):
        constraint_score([1.0, math.nan])


def test_what_is_missing_or_unread_counts_nothing_and_stays_in_n():
    def graded(said, asked=("a", "b", "c", "d")):
        columns = {"checklist": list(asked), "verdicts": said}
        return GIVEN.grade_parts([TextRow("p", "w", columns)])[0]

    found = graded(["Fully Met", "?", "Fully Met", "Not Met"])
    assert (found.facts["R_C"], found.facts["unread"]) == (0.5, 1)
    assert found.problem == "1 of 4 verdicts can't be read"
    assert graded(["Fully Met"]).facts["R_C"] == 0.25
    assert graded([1] * 9).parts["constraints"] == 0.5
    assert graded([1] * 9).problem == "9 verdicts for 4 constraints"
    none = graded([], ())
    assert (none.parts["constraints"], none.problem) == (0, "no constraints")
    half = {"checklist": ["a", "b"], "verdicts": [1, 0.5]}
    assert Checklist(over="all").grade([TextRow("p", "w", half)]) == [0.5]


@pytest.mark.parametrize("target", [0, -5, "long", math.inf])
def test_a_target_that_is_no_length_is_refused(target):
    with pytest.raises(ValueError, match="target_len="):
        reward([1], 5, target)
    assert reward([1], 5, None) == reward([1], 5, math.nan) == reward([1], 5, "") == 1


def test_a_static_checklist_and_a_verifier_of_ones_own():
    static = Checklist(static=("contains: kite|bay", "ends: dusk."), verifier="constraints")
    assert static.reads == ()
    assert static.grade([TextRow("p", "A kite at dusk.")]) == [0.875]
    assert parse_grader(to_expression(static)) == static
    heard = []

    def verifier(prompt, text, constraints):
        heard.append((prompt, text, list(constraints)))
        return "1. Fully Met\n2. Not Met"

    own = Checklist(verifier=verifier)
    label = json.dumps({"checklist": ["short", "kind"], "target_len": 2})
    rows = [TextRow("q", "<think>long thoughts</think>two words", {"ground_truth": label}),
            TextRow("q", "x", {"checklist": []})]  # fmt: skip
    assert own.grade(rows) == [0.75, 0.5]
    assert heard == [("q", "two words", ["short", "kind"])]
    with pytest.raises(ValueError, match="verifier='gpt' must be"):
        Checklist(verifier="gpt")
    with pytest.raises(ValueError, match="is no list of constraints"):
        own.grade([TextRow("q", "x", {"checklist": 3})])


TEXT = "# Плавание\n\n- один\n- два\n\nA red kite at DUSK."


@pytest.mark.parametrize(
    ("constraint", "score"),
    [
        ("contains: kite|dusk|bay", 0.5), ("contains: kite|dusk", 1), ("contains: sea|bay|red", 0),
        ("contains: плавание", 1), ("forbids: sorry|bay", 1), ("forbids: kite", 0),
        ("headings: 1", 1), ("headings: 2", 0.5), ("headings: 3", 0), ("bullets: 2", 1),
        ("Bullets: 4", 0.5), ("paragraphs: 3", 1), ("paragraphs: 7", 0), ("begins: #", 1),
        ("ends: dusk.", 1), ("ends: dawn", 0),
    ],
)  # fmt: skip
def test_constraints_that_decide_themselves(constraint, score):
    assert met(TEXT, constraint) == score


@pytest.mark.parametrize(
    "bad",
    [
        "tone: warm", "contains", "contains: ", "headings: 0", "bullets: many", "paragraphs: ٣",
        "headings: 99999999999",
    ],
)  # fmt: skip
def test_constraints_of_another_form_are_refused(bad):
    with pytest.raises(ValueError, match=r"can't be decided|no whole number"):
        met("x", bad)


def test_an_empty_text_meets_no_constraint_but_what_it_may_not_say():
    asked = ("contains: kite", "begins: a", "ends: b", "headings: 1", "bullets: 1", "paragraphs: 1")
    assert [met("", c) for c in asked] == [0.0] * len(asked)
    assert met("", "forbids: kite") == 1
