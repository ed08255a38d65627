"""Reasoning patterns: as released, laws, loops, and scores that they calibrate."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.expressions import parse_grader, to_expression
from toyrl.graders.base import TextRow
from toyrl.graders.patterns import (
    PHRASES,
    STEPS,
    Calibrated,
    ReasoningPatterns,
    calibrate,
    pattern_score,
    phrase_hits,
)
from toyrl.testing.laws import writing as laws

FEW = settings(max_examples=40, deadline=None)
REWARD = ReasoningPatterns()


def paid(text: str, **fields) -> float:
    return ReasoningPatterns(**fields).grade([TextRow("", text)])[0]


def released(text: str, phrases: tuple[str, ...], turns: bool) -> float:
    """The published lines, read plainly, of what stands behind <think>."""
    low = text.lower()
    score = min(1, sum(float(p in low) for p in phrases) / 20)
    words = low.split()
    grams = [tuple(words[i : i + 20]) for i in range(len(words) - 19)]
    often = sum(1 for g in set(grams) if grams.count(g) > 1)
    score -= often / len(grams) if grams else 0
    return max(0, score - (low.count("user: ") if turns else 0))


BITS = st.sampled_from([*PHRASES[:8], *STEPS[:6], "a ", "\n", "İ", "user: ", "x y z " * 9])


@FEW
@given(st.lists(BITS, max_size=12).map("".join))
def test_as_released(text):
    assert paid("<think>" + text) == pytest.approx(released(text, PHRASES, True), abs=1e-12)
    score, alpha = 0.25, 0.1
    row = TextRow("", f"<think>{text}</think> <answer>{text}</answer>", {"score": score})
    found = Calibrated(alpha=alpha).grade([row])[0]
    both = released(text * 2, (*PHRASES, *STEPS), False)
    assert found == pytest.approx(score + alpha * both if text else 0.0, abs=1e-12)


def test_by_hand():
    assert (len(PHRASES), len(STEPS)) == (40, 13)
    assert paid("") == paid("nothing of it") == 0.0
    assert paid("<think>Wait, THUS</think> hence") == pytest.approx(3 / 20)
    assert paid("<think>Wait, THUS</think> hence", scope="thought") == pytest.approx(2 / 20)
    assert paid("wait, thus", divisor=40) == pytest.approx(2 / 40)
    assert paid("wait. user: thus") == 0.0
    assert paid("wait. user: thus", turns=False) == pytest.approx(2 / 20)
    assert paid("wait", answered=True) == 0.0
    assert paid("wait <answer>3</answer>", answered=True) == pytest.approx(1 / 20)
    assert paid("Hmm, hmm", phrases=("HMM", "uh")) == pytest.approx(1 / 20)
    with pytest.raises(ValueError, match=r"phrases=.*one of 'reasoning'"):
        ReasoningPatterns(phrases="all")
    with pytest.raises(ValueError, match="divisor=0"):
        ReasoningPatterns(divisor=0)
    own = ReasoningPatterns(phrases=("hmm",), repetition="distinct")
    assert parse_grader(to_expression(own)) == own


@FEW
@given(st.lists(st.integers(0, 39), max_size=25))
def test_law_of_phrases(chosen):
    assert laws.phrases_count_once(ReasoningPatterns(repetition="none"), chosen) is None


def test_loops_pass_as_released():
    loop = "we know that " * 400
    facts = [ReasoningPatterns(repetition=r).grade_parts([TextRow("", loop)])[0].facts
             for r in ("released", "distinct", "none")]  # fmt: skip
    assert [f["repetition"] for f in facts] == pytest.approx([3 / 1181, 1 - 3 / 1181, 0.0])


@FEW
@given(st.floats(0, 1), st.sampled_from(["wait", "thus, hence " * 3, "因此 等一下", "so " * 50]))
def test_law_of_calibration(score, text):
    assert laws.low_scores_alone(Calibrated(), score, text) is None


def test_laws_see_what_breaks_them():
    class Higher(Calibrated):
        def grade(self, rows):
            return [x + 0.2 for x in super().grade(rows)]

    assert "became" in (laws.low_scores_alone(Higher(), 0.2, "wait") or "")
    assert "became" in (laws.low_scores_alone(Higher(), 0.7, "wait") or "")
    assert "are paid" in (laws.phrases_count_once(ReasoningPatterns(divisor=3, n=1), [1, 1]) or "")


def test_calibration_by_hand():
    assert calibrate(0.49, 1.0) == pytest.approx(0.59)  # overtakes 0.55
    assert calibrate(np.array([0.4, 0.5, 0.97]), 1.0, tau=1.0, alpha=0.8).tolist() == [
        1.0,
        1.0,
        1.0,
    ]
    assert calibrate(np.array([0.5, 2.0, -1.0]), 1.0).tolist() == [0.5, 2.0, -0.9]
    many = jnp.array([0.1, 0.6])
    assert np.allclose(calibrate(many, jnp.array([1.0, 1.0])), [0.2, 0.6])
    assert np.allclose(pattern_score(jnp.array([5.0, 90.0]), 0.1), [0.15, 0.9])
    text = "<think>wait</think><answer>1</answer>"
    part = Calibrated().grade_parts([TextRow("", text, {"score": "0.3"})])[0]
    assert part.parts == pytest.approx({"model": 0.3, "patterns": 0.005})
    for bare in ("wait", "<think></think><answer>1</answer>", "<answer>1</answer><think>a</think>"):
        row = TextRow("", bare, {"score": 0.9})
        assert Calibrated().grade([row]) == [0.0]
        assert Calibrated(tags="ignored").grade([row]) == [0.9]
    with pytest.raises(ValueError, match="calibrated: the model's score"):
        Calibrated().grade([TextRow("", "a", {"score": "high"})])
    unread = Calibrated(nan="nan").grade_parts([TextRow("", text, {"score": math.nan})])[0]
    assert math.isnan(unread.total)
    assert unread.problem
    assert Calibrated(model=lambda pairs: [0.2 for _ in pairs]).grade([TextRow("", text)])


@pytest.mark.parametrize(
    "text", ["", "\x00\ud800", "<think>" * 10**5, "等一下" * 10**5, "a " * 10**5]
)
def test_texts_that_are_hard_to_read(text):
    assert REWARD.grade([TextRow("", text)])[0] == 0.0
    assert phrase_hits(text) == 0
    assert Calibrated().grade([TextRow("", text, {"score": 0.4})]) == [0.0]
