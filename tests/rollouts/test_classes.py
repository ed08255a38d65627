"""Class rollouts: weights, shares, drawn groups, fields per rollout and per token."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl.rollouts.classes import (
    class_rollouts,
    drawn_rollouts,
    joined,
    picked,
    token_mask,
)

PROB = np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
TABLES = {
    "correct": np.array([1.0, 0.0, 0.0]),
    "length": np.array([2.0, 1.0, 3.0]),
    "truncated": np.array([False, False, True]),
    "max_length": 3.0,
}
PHI = np.arange(18.0).reshape(2, 3, 3)


def test_weights_are_share_times_probability():
    r = class_rollouts(PROB, **TABLES, shares=(0.25, 0.75))
    np.testing.assert_array_equal(r.weight, PROB * [[0.25], [0.75]])
    np.testing.assert_array_equal(r.correct, [TABLES["correct"]] * 2)
    assert math.isinf(r.group_size)
    assert r.mask is None
    r.validate()


def test_an_answer_is_known_to_be_there_unless_cut_off():
    r = class_rollouts(PROB, **TABLES)
    np.testing.assert_array_equal(r.fields["answered"], [[1, 1, 0]] * 2)
    told = class_rollouts(PROB, **TABLES, fields={"answered": np.array([1.0, 0.0, 0.0])})
    np.testing.assert_array_equal(told.fields["answered"], [[1, 0, 0]] * 2)
    whole = class_rollouts(PROB, **{**TABLES, "truncated": None})
    np.testing.assert_array_equal(whole.fields["answered"], np.ones((2, 3)))


def test_per_token_fields_bring_a_mask():
    r = class_rollouts(PROB, **TABLES, fields={"potential": PHI})
    assert r.fields["potential"].shape == (2, 3, 3)
    np.testing.assert_array_equal(r.mask[0], [[1, 1, 0], [1, 0, 0], [1, 1, 1]])
    r.validate()
    assert token_mask({"judge": PROB}, r.length) is None


@pytest.mark.parametrize("library", ["torch", "array_api_strict", "jax.numpy"])
def test_the_backend_is_that_of_the_probabilities(library):
    xp = pytest.importorskip(library)
    prob = xp.asarray(PROB)
    made = class_rollouts(prob, **TABLES, shares=(0.5, 0.5), fields={"judge": PROB})
    assert type(made.weight) is type(prob)
    assert type(made.weight) is type(made.correct) is type(made.fields["answered"])
    np.testing.assert_allclose(np.asarray(made.weight), PROB / 2, rtol=1e-6)


def test_drawn_classes_are_rows():
    index, prompt = np.array([[2, 0, 0], [1, 2, 1]]), np.array([[0], [1]])
    r = drawn_rollouts(
        index, **TABLES, fields={"judge": PROB, "format": TABLES["correct"]}, prompt=prompt
    )
    np.testing.assert_array_equal(r.length, [[3, 2, 2], [1, 3, 1]])
    np.testing.assert_array_equal(r.truncated, index == 2)
    np.testing.assert_array_equal(r.fields["judge"], [[0.5, 0.2, 0.2], [0.4, 0.0, 0.4]])
    np.testing.assert_array_equal(r.fields["format"], r.correct)
    np.testing.assert_array_equal(r.fields["answered"], index != 2)
    wide = drawn_rollouts(index, **TABLES, fields={"potential": PHI}, prompt=prompt)
    np.testing.assert_array_equal(wide.fields["potential"][1, 1], PHI[1, 2])


def test_picking_keeps_everything_but_what_is_given():
    r = class_rollouts(PROB, **TABLES, fields={"potential": PHI})
    place = (np.array([[1], [0]]), np.array([[0, 0], [2, 1]]))
    some = picked(r, place, weight=None, group_size=None)
    np.testing.assert_array_equal(some.length, [[2, 2], [3, 1]])
    np.testing.assert_array_equal(some.fields["potential"][1, 0], PHI[0, 2])
    np.testing.assert_array_equal(some.mask[1, 1], [1, 0, 0])
    assert some.weight is None
    assert some.max_length == 3.0


def test_joined_batches_hold_every_row():
    r = class_rollouts(PROB, **TABLES, fields={"potential": PHI, "judge": PROB})
    some = [picked(r, [i]) for i in (1, 0)]
    both = joined(some, step=7)
    assert both.step == 7
    np.testing.assert_array_equal(both.weight, PROB[::-1])
    np.testing.assert_array_equal(both.truncated, r.truncated)
    np.testing.assert_array_equal(both.fields["potential"], PHI[::-1])
    np.testing.assert_array_equal(both.fields["judge"], PROB[::-1])
    np.testing.assert_array_equal(both.mask, r.mask)
