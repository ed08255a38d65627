"""Agreement of two wordings by slow counting; certainty rewards."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tests.backends import arrays_of, to_strict, to_torch
from toyrl.expressions import parse
from toyrl.rollouts import Rollouts
from toyrl.shapers.label_free.certainty import certainty_of
from toyrl.shapers.label_free.co_reward import CoReward
from toyrl.testing import assert_invariants

RNG = np.random.default_rng(4)


def rollouts(answer, pair=None, view=None, **kw) -> Rollouts:
    answer = np.asarray(answer, dtype=float)
    pair = np.arange(len(answer)) // 2 if pair is None else pair
    view = np.arange(len(answer)) % 2 if view is None else view
    wide = {n: np.repeat(np.asarray(v, float)[:, None], answer.shape[1], 1)
            for n, v in (("pair_id", pair), ("view", view))}  # fmt: skip
    return Rollouts((answer == 0) * 1.0, np.ones(answer.shape), 4.0,
                    fields={"answer": answer, **wide}, **kw)  # fmt: skip


def slow(answer, pair, view, *, first: bool) -> np.ndarray:
    """As released: a Counter of the other view, ties to the one seen first (or shared)."""
    out = np.zeros(np.shape(answer))
    for b, row in enumerate(answer):
        other = [c for c in range(len(answer)) if pair[c] == pair[b] and view[c] != view[b]]
        if not other:
            continue
        count = collections.Counter(a for a in answer[other[0]] if a >= 0)
        if not count:
            continue
        top = max(count.values())
        lead = [a for a in count if count[a] == top]
        lead = lead[:1] if first else lead
        out[b] = [(a in lead) / len(lead) for a in row]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_by_counting_on_every_backend(first):
    import jax.numpy as jnp

    for case in range(30):
        answer = RNG.integers(-1, 4, (8, 1 + case % 6))
        pair, view = RNG.permutation([0, 0, 1, 1, 2, 2, 3, 4]), np.zeros(8)
        for name in range(3):
            view[np.flatnonzero(pair == name)[1]] = 1
        want = slow(answer, pair, view, first=first)
        r = rollouts(answer, pair, view)
        moves = (lambda r: r, to_strict, to_torch, lambda r: arrays_of(r, jnp.asarray))
        for move in moves if case < 3 else moves[:1]:
            found = np.asarray(CoReward(2.0, first=first).reward(move(r)))
            np.testing.assert_allclose(found, 2 * want, atol=1e-12)


def test_invariants_of_two_wordings():
    answer = RNG.integers(-1, 4, (2, 7))
    own = CoReward()
    paid = np.asarray(own.reward(rollouts(answer)))
    assert (np.asarray(own.reward(rollouts(answer[::-1])))[::-1] == paid).all()
    names = np.array([9.0, 2, 5, 0, -1])  # injective, no answer stays none
    assert (np.asarray(own.reward(rollouts(names[answer]))) == paid).all()
    alike = np.array([[0, 0, 1, 2], [2, 0, 1, 0]])
    votes = np.asarray(parse("majority()").reward(rollouts(alike)))
    assert (np.asarray(own.reward(rollouts(alike))) == votes).all()
    empty = np.array([[0, 0, 1], [-1, -1, -1]])
    assert not np.asarray(own.reward(rollouts(empty))).any()
    sizes = rollouts(np.array([[0, 1, 1, 0], [1, 1, 9, 9]]),
                     weight=np.array([[1.0] * 4, [1.0, 1, 0, 0]]))  # fmt: skip
    assert np.asarray(own.reward(sizes)).tolist() == [[0, 1, 1, 0], [0.5, 0.5, 0, 0]]


def test_without_a_pair_id_both_wordings_are_rollouts_of_one_prompt():
    answer, view = np.array([[0.0, 1, 1, 0, 0, -1]]), np.array([[0.0, 0, 0, 1, 1, 1]])
    r = Rollouts(1 - answer.clip(0), answer * 0 + 1, 4.0, fields={"answer": answer, "view": view})
    assert np.asarray(CoReward().reward(r)).tolist() == [[1, 0, 0, 0, 0, 0]]
    lone = r.with_(view=0 * view)
    assert not np.asarray(CoReward().reward(lone)).any()


def test_certainty():
    p = RNG.dirichlet(np.ones(6), (2, 3, 4))
    kl = (np.log(1 / 6) - np.log(p)).mean(-1)
    assert certainty_of(p) == pytest.approx(kl, abs=1e-12)
    assert certainty_of(np.full(5, 0.2)) == pytest.approx(0, abs=1e-15)
    assert certainty_of(np.array([0.0, 1.0])) == np.inf
    mask = np.array([[[1.0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]] * 2)
    entropy = -(p * np.log(p)).sum(-1)
    r = Rollouts(mask[..., 0], mask.sum(-1), 4.0, mask=mask,
                 fields={"entropy": entropy, "self_certainty": kl})  # fmt: skip
    for name, sign, field in (("rent", -1, entropy), ("self_certainty", 1, kl)):
        want = sign * (field * mask).sum(-1) / np.maximum(mask.sum(-1), 1)
        assert np.asarray(parse(f"{name}()").reward(r)) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("name", ["co_reward()", "rent()", "self_certainty()"])
def test_laws(name):
    assert_invariants(name, max_examples=10)
