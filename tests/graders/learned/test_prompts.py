"""Rewards of prompts: margins and their ties, bootstrapped maxima, z-scores within an input."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from toyrl.expressions import parse_grader
from toyrl.graders.base import TextRow
from toyrl.graders.learned.prompts import (
    PromptClassification,
    PromptStyle,
    bootstrapped_maximum,
    class_gap,
    gap_reward,
    input_zscore,
    piecewise_reward,
    shaped,
    style_score,
    zscore,
)

SMALL = settings(max_examples=30)
GAPS = arrays(float, 6, elements=st.floats(-1, 1))
SCORES = arrays(float, 12, elements=st.floats(0, 100))


def two(*gaps: float) -> dict:
    return {"probs": [[(1 + g) / 2, (1 - g) / 2] for g in gaps], "labels": [0] * len(gaps)}


def row(text: str = "z", prompt: str = "p", **columns) -> TextRow:
    return TextRow(prompt, text, columns)


# --- margins --------------------------------------------------------------------------------------
def test_convexity_ranks_the_uneven_prompt_first():
    rows = [row(**two(0.3, -0.1)), row(**two(0.1, 0.1))]
    assert PromptClassification().grade(rows) == pytest.approx([21, 20])
    assert PromptClassification(right=180.0).grade(rows) == pytest.approx([18, 18])
    assert PromptClassification(wrong=200.0, right=180.0).grade(rows) == pytest.approx([17, 18])


def test_a_tie_is_masked_with_the_label_as_released_and_a_gap_of_0_soundly():
    even = np.full((1, 3), 1 / 3)
    assert class_gap(even, np.array([1])) == pytest.approx([4 / 3])
    assert class_gap(even, np.array([1]), others="label") == [0.0]
    part = np.array([[0.4, 0.4, 0.2]])
    assert class_gap(part, np.array([0])) == pytest.approx([0.2])
    assert gap_reward(even, np.array([1]))[1:] == (pytest.approx(800 / 3), 1.0)
    assert gap_reward(even, np.array([1]), others="label")[1:] == (0.0, 0.0)
    with pytest.raises(ValueError, match="others='all' is not one of equality, label"):
        class_gap(even, np.array([1]), others="all")


@SMALL
@given(GAPS, GAPS, st.floats(0, 300), st.floats(0, 300))
def test_the_reward_is_increasing_bounded_and_convex_where_right_is_steeper(a, b, wrong, more):
    def r(gap):
        return piecewise_reward(gap, wrong=wrong, right=wrong + more)

    room = 1e-9 * (1 + wrong + more)
    assert np.all((r(a) >= -wrong - room) & (r(a) <= wrong + more + room))
    assert np.all(np.where(a <= b, r(b) - r(a), r(a) - r(b)) >= -room)
    assert np.all(r((a + b) / 2) <= (r(a) + r(b)) / 2 + room)
    np.testing.assert_allclose(piecewise_reward(a, wrong=wrong, right=wrong), wrong * a)


@SMALL
@given(arrays(float, (5, 3), elements=st.floats(0.01, 1)), st.permutations(range(5)))
def test_a_gap_above_0_is_a_unique_argmax_and_the_order_of_inputs_is_nothing(x, order):
    probs, labels = x / x.sum(-1, keepdims=True), np.array([0, 1, 2, 0, 1])
    gap, reward, accuracy = gap_reward(probs, labels, others="label")
    best = probs == probs.max(-1, keepdims=True)
    alone = best[np.arange(5), labels] & (best.sum(-1) == 1)
    assert np.array_equal(gap > 0, alone)
    assert accuracy == pytest.approx(alone.mean())
    again = gap_reward(probs[order], labels[order], others="label")
    assert again[1] == pytest.approx(reward)


@pytest.mark.parametrize("module", ["jax.numpy", "torch"])
def test_all_backends_agree(module):
    xp = pytest.importorskip(module)
    rng = np.random.default_rng(0)
    probs, labels = rng.dirichlet(np.ones(3), (2, 4)), rng.integers(0, 3, 4)

    def found(convert):
        p, y = convert(probs), convert(labels)
        each = (gap_reward(p, y)[1], input_zscore(p), zscore(p), bootstrapped_maximum(p, 3)[1],
                style_score(p - 0.5, p), shaped(p))  # fmt: skip
        return [np.asarray(x) for x in each]

    for got, want in zip(found(xp.asarray), found(np.asarray), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-4)


# --- rewrites -------------------------------------------------------------------------------------
@SMALL
@given(SCORES, st.sampled_from([1, 2, 3, 4, 6, 12]), st.integers(0, 11), st.floats(0, 50))
def test_a_bootstrapped_maximum_lies_between_mean_and_best_and_is_monotone(x, k, i, more):
    maxima, reward = bootstrapped_maximum(x, k)
    assert maxima.shape == (k,)
    assert x.mean() - 1e-9 <= reward <= x.max() + 1e-9
    higher = x.copy()
    higher[i] += more
    assert bootstrapped_maximum(higher, k)[1] >= reward
    assert bootstrapped_maximum(x, 1)[1] == x.max()
    assert bootstrapped_maximum(x, 12)[1] == pytest.approx(x.mean())


def test_scores_are_cut_in_order():
    maxima, reward = bootstrapped_maximum(np.array([9.0, 1, 2, 3, 4, 5, 6, 7]))
    assert maxima.tolist() == [9, 3, 5, 7]
    assert reward == 6
    with pytest.raises(ValueError, match="7 scores are not 4 segments"):
        bootstrapped_maximum(np.ones(7))
    content, style = [1.0, -0.5, 0.5, 0], [0.0, 1, 0.5, 0]
    assert PromptStyle().grade([row(content=content, style=style)]) == [37.5]


@SMALL
@given(arrays(float, (5, 4), elements=st.floats(0, 100)), st.floats(-50, 50), st.floats(0.5, 20))
def test_z_scores_are_blind_to_an_inputs_offset_and_scale(maxima, b, s):
    z = input_zscore(maxima)
    assert z.sum() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(input_zscore(maxima + b), z, atol=1e-6)
    if maxima.std() > 1:
        np.testing.assert_allclose(input_zscore(s * maxima + b), z, atol=1e-3)
    plain = zscore(maxima[:, 0])
    assert np.abs(plain).max() <= math.sqrt(4) + 1e-9
    assert np.argmax(shaped(z)) == np.argmax(z)


def test_a_z_score_is_taken_among_prompts_of_one_input():
    grader = PromptStyle(zscore=True)
    of = {(p, z): [10.0 * z + 100 * (p == "b")] * 4 for p in "ab" for z in range(3)}
    found = grader.grade([row("z", p, scores=x) for (p, _), x in of.items()])
    assert found[:3] == pytest.approx(found[3:])
    assert found[1] == pytest.approx(-20)
    assert found[2] == pytest.approx(-20 + 100 * math.sqrt(1.5), rel=1e-4)
    (lone,) = grader.grade_parts([row(scores=[1.0, 2, 3, 4])])
    assert (lone.total, lone.problem) == (-20, "one prompt for this input: its z-score is 0")
    same = PromptClassification(zscore=True).grade([row(**two(0.2))] * 3)
    assert same == pytest.approx([0, 0, 0])


# --- columns --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"probs": [[0.5, 0.5]], "labels": [2]}, "labels aren't places among 2 classes"),
        ({"probs": [[0.5, 0.5]], "labels": [0, 1]}, "1 inputs, but 2 labels"),
        ({"probs": [[0.5, 0.1]], "labels": [0]}, "sum to 0.6, not 1"),
        ({"probs": [[1.0]], "labels": [0]}, "not (inputs, 2 classes or more)"),
        ({"probs": [[math.nan, 1]], "labels": [0]}, "probs has NaN"),
        ({"probs": [], "labels": []}, "labels is empty"),
        ({"probs": "[" * 100_000, "labels": [0]}, "probs is no table of numbers"),
        ({"probs": [[0.5], [0.2, 0.8]], "labels": [0, 1]}, "probs is no table of numbers"),
    ],
)
def test_what_cannot_be_read_has_no_reward_and_a_reason(columns, said):
    (found,) = PromptClassification().grade_parts([row(**columns)])
    assert math.isnan(found.total)
    assert said in found.problem


def test_columns_may_be_logits_json_or_under_a_trainers_name():
    logits = np.log(two(0.3)["probs"])
    reward = parse_grader("prompt_classification()")
    assert reward.grade([row(logits=logits, labels=[0])]) == pytest.approx([60])
    as_text = row(probs=json.dumps(two(0.3)["probs"]), ground_truth="[0]")
    assert reward.grade([as_text]) == pytest.approx([60])
    with pytest.raises(KeyError, match="reads the column 'probs'"):
        reward.grade([row(labels=[0])])
    with pytest.raises(ValueError, match="probs has NaN"):
        PromptClassification(nan="raise").grade([row(probs=[[math.nan, 1]], labels=[0])])
    assert "no table" in PromptStyle().grade_parts([row(scores="many")])[0].problem
