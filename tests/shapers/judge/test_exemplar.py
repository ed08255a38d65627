"""Grades over an exemplar: by hand, the gaps that have a rule, laws, backends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends import to_torch
from toyrl.expressions import parse
from toyrl.graders.judged.comparisons import both_orders, comparison_grade, comparison_grades
from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.exemplar import (
    Exemplar,
    JudgeGrade,
    fill_gaps,
    grade,
    multilingual_reward,
    translation_reward,
)
from toyrl.testing import check_invariants

LAWS = ["judge_is_bounded", "higher_score_never_below", "common_shift", "references_in_any_order",
        "copy_in_the_middle", "off_pivot_ignores_quality"]  # fmt: skip
NAN = np.nan
SCORE = st.floats(-4, 4)


def rollouts(judge, exemplar, form: Any = 1.0, truncated=None, **fields) -> Rollouts:
    """One group; exemplar : (G, M)."""
    q = np.array([judge], dtype=float)
    cut = None if truncated is None else np.array([truncated])
    own = {"judge": q, "judge_references": np.array([exemplar], dtype=float),
           "format": np.broadcast_to(np.asarray(form, dtype=float), q.shape).copy()}  # fmt: skip
    more = {k: np.array([v], dtype=float) for k, v in fields.items()}
    return Rollouts(np.zeros_like(q), np.ones_like(q), 10.0, truncated=cut, fields=own | more)


def test_arms_by_hand():
    form, graded, thought, estimate = np.array(
        [(1, 5, 1, 0.78), (1, 3, 1, 0.82), (1, 1, 2, 0.5), (0, 5, 2, 0.8), (1, 3, 2, 0.79)]
    ).T
    paid = translation_reward(form, graded, thought, estimate)
    np.testing.assert_allclose(paid, [6.28, 4.32, 2.5, 0, 4.79], rtol=1e-15)
    np.testing.assert_array_equal(
        translation_reward(form, graded, thought, estimate, alpha=0, beta=0), form * graded
    )
    # The shaper pays the same for scores that earn these grades.
    r = rollouts([2, 0, -2, 2, 0], np.zeros((5, 1)), form, analysis=thought,
                 quality_estimate=estimate)  # fmt: skip
    np.testing.assert_allclose(np.asarray(Exemplar().reward(r))[0], paid, rtol=1e-15)
    np.testing.assert_allclose(np.asarray(Exemplar().reward(to_torch(r)))[0], paid, rtol=1e-6)


@settings(max_examples=40)
@given(st.lists(SCORE, min_size=1, max_size=4), SCORE)
def test_grades(scores, exemplar):
    lead = np.array(scores) - exemplar
    found = grade(lead)
    assert set(found) <= {1, 2, 3, 4, 5}
    off = ~np.isin(np.abs(lead), (0.5, 1.5))
    np.testing.assert_array_equal((found + grade(-lead))[off], 6)
    order = np.argsort(lead)
    assert np.all(np.diff(found[order]) >= 0)
    assert grade(np.zeros(1))[0] == 3
    assert np.isnan(grade(np.array([NAN]))[0])


def test_several_exemplars_and_the_absolute_grade():
    r = rollouts([0.0, 1.0, 2.0], [[0.0, -2.0], [0.0, np.inf], [-np.inf, np.inf]],
                 quality_estimate=[0.5, 0.5, 0.25])  # fmt: skip
    np.testing.assert_allclose(np.asarray(Exemplar().reward(r))[0], [4.5, 4.5, 0.25])
    assert np.asarray(JudgeGrade(level=1).reward(r)).tolist() == [[2, 3, 4]]


def test_each_gap_has_a_rule_and_is_counted():
    r = rollouts([NAN, NAN, NAN, 2.0, 2.0, 2.0], [[0.0]] * 4 + [[NAN], [0.0]],
                 [0, 1, 1, 1, 1, 1], truncated=[False] * 5 + [True],
                 quality_estimate=[0.5, 0.5, 0.5, NAN, 0.5, 0.5], pivot=[1, 1, 0, 1, 1, 1],
                 in_language=[1, 1, NAN, 1, 1, 1])  # fmt: skip
    filled, found = fill_gaps(r)
    assert found == {"judge": 3, "judge_references": 1, "quality_estimate": 1, "in_language": 1}
    paid = np.asarray(Exemplar().reward(filled))[0]
    # Broken format; unread where it counts; unsure language; no estimate; no exemplar; cut off.
    np.testing.assert_array_equal(paid, [0, NAN, 0, 5, 0.5, 0])
    # Without the rules a NaN is unscorable, as for every reward.
    np.testing.assert_array_equal(np.asarray(Exemplar().reward(r))[0], [NAN] * 5 + [0])


def test_other_directions_are_paid_for_form_alone():
    form, said = np.array([1.0, 1, 0, 1]), np.array([1.0, 0, 1, NAN])
    assert multilingual_reward(form * 6, form, said, 0 * form).tolist() == [1, 0, 0, 0]
    assert multilingual_reward(form * 6, form, said, 0 * form + 1).tolist() == [6, 6, 0, 6]
    with pytest.raises(KeyError, match="in_language"):
        Exemplar().reward(rollouts([1.0], [[0.0]], pivot=[0.0]))


def test_a_judge_s_answers():
    said = {"I compare.\n**Grade: 4**": 4, "clearly worse": 1, "Equal.": 3, "2/5\n\n": 2,
            "slightly better": 4, "better": 5}  # fmt: skip
    assert [comparison_grade(a) for a in said] == list(said.values())
    odd = ["", "3 or 4", "7", "equal in style, better in tone", "3.5", "x" * 10000]
    grades, share = comparison_grades([*odd, "3"])
    assert np.isnan(grades[:-1]).all()
    assert share == pytest.approx(6 / 7)
    assert comparison_grades([])[1] == 0
    # A judge that favours the first place by one grade: 3 becomes 4 in both orders.
    np.testing.assert_array_equal(both_orders([4, 4], [4, NAN]), [3, NAN])


@pytest.mark.parametrize("text", ["exemplar(tie=0)", "exemplar(step=-1)", "exemplar(alpha=-0.1)",
                                  "judge_grade(level=inf)"])  # fmt: skip
def test_constants_out_of_range_are_refused(text):
    with pytest.raises(ValueError, match="is not a finite number"):
        parse(text)


@pytest.mark.slow
def test_laws():
    assert check_invariants(Exemplar(), invariants=LAWS, max_examples=40).broken() == ()
    broken = check_invariants(JudgeGrade(), invariants=LAWS[:2], max_examples=20).broken()
    assert broken == ()
