"""Sampled finite-group weights: against closed forms, and deterministic."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.dynamics.groups.siblings import draw_classes, frozen_uniforms, sibling_weights
from toyrl.estimators.group import PRESETS
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import HELLO, HELLO_LOGITS


@pytest.fixture(scope="module")
def prob():
    return class_probabilities(HELLO, HELLO.logits(**HELLO_LOGITS))[None]


def gather(index):
    W, B, S, G = index.shape
    flat = (W, B * S, G)
    correct = HELLO.class_correct()[index].reshape(flat)
    length = HELLO.class_length()[index].reshape(flat)
    return {"outcome": correct}, Rollouts(correct, length, HELLO.max_length)


def test_draws_follow_the_probabilities(prob):
    uniforms = frozen_uniforms(2, 500, 8, seed=1)
    index = draw_classes(prob, uniforms)
    counts = np.stack([np.bincount(index[0, b].ravel(), minlength=81) for b in range(2)])
    # Stratified draws: a class interval of mass p holds n p points give or take two.
    assert np.abs(counts - 4000 * prob[0]).max() <= 2


def test_rloo_matches_its_closed_form(prob):
    uniforms = frozen_uniforms(2, 4000, 8, seed=2)
    w, error = sibling_weights(prob, gather, PRESETS["rloo"], PolicyGradient("sum"), uniforms)
    right = HELLO.class_correct()
    p = (prob * right).sum(-1)
    found = (prob * w * right).sum(-1) / p
    sem = np.sqrt(((prob * error * right) ** 2).sum(-1)) / p
    # E[A | right] = 1 - p under RLOO, for every G.
    assert np.all(np.abs(found - (1 - p)) < 4 * sem)
    assert np.all(sem < 0.02)


def test_frozen_uniforms_make_it_deterministic(prob):
    args = (gather, PRESETS["grpo"], PolicyGradient("dapo"))
    one, _ = sibling_weights(prob, *args, frozen_uniforms(2, 16, 8, seed=3))
    two, _ = sibling_weights(prob, *args, frozen_uniforms(2, 16, 8, seed=3))
    other, _ = sibling_weights(prob, *args, frozen_uniforms(2, 16, 8, seed=4))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_worlds_do_not_mix(prob):
    second = np.roll(prob, 1, axis=-1)
    both = np.concatenate([prob, second])
    uniforms = frozen_uniforms(2, 32, 8, seed=5)
    together = draw_classes(both, uniforms)
    assert np.array_equal(together[:1], draw_classes(prob, uniforms))
    assert np.array_equal(together[1:], draw_classes(second, uniforms))
