"""OREAL: token weights, sides, gradient; the theory's edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.objectives.outcome_cloning import Oreal
from toyrl.rollouts import Rollouts
from toyrl.theory.selection import bon_cloning as theory
from toyrl.theory.selection.best_of_k import success_of_best

SHAPE = (2, 3, 4)


def case(seed: int = 0):
    rng = np.random.default_rng(seed)
    length = np.array([[4.0, 2, 3], [1, 4, 0]])
    mask = (np.arange(4) < length[..., None]) * 1.0
    r = Rollouts(
        np.zeros((2, 3)), length, 4.0, mask=mask, fields={"credit_logit": rng.normal(0, 2, SHAPE)}
    )
    a = np.array([[1.0, -0.5, 0.0], [-1.0, 2.0, 1.0]])
    return r, a, -rng.random(SHAPE), -rng.random(SHAPE)


@given(st.floats(-40, 40))
def test_token_weights_are_exclusive_and_mirrored(logit):
    r = Rollouts(
        np.ones((1, 1)),
        np.ones((1, 1)),
        1.0,
        mask=np.ones((1, 1, 1)),
        fields={"credit_logit": np.full((1, 1, 1), logit)},
    )
    e = Oreal(weights="token")
    up, down = e.token_weights(r, np.zeros((1, 1, 1)))
    sigma = 1 / (1 + np.exp(-logit))
    assert up.item() == pytest.approx(max(2 * sigma - 1, 0), abs=1e-12)
    assert down.item() == pytest.approx(max(1 - 2 * sigma, 0), abs=1e-12)
    assert min(up.item(), down.item()) == 0


@pytest.mark.parametrize("weights", ["none", "token", "running"])
def test_coefficients_are_the_stated_averages(weights):
    r, a, logp, old = case()
    e = Oreal(eta=0.5, weights=weights)
    c = e.coefficients(a, r, logp, old)
    up, down = e.token_weights(r, logp)
    right, wrong = r.mask * (a > 0)[..., None], r.mask * (a < 0)[..., None]
    want = a[..., None] * right * up / right.sum()
    want = want + 0.5 * a[..., None] * wrong * down * np.exp(logp - old) / wrong.sum()
    assert c == pytest.approx(want)
    assert (c[r.mask == 0] == 0).all()


def test_no_sign_is_ever_turned_and_one_side_alone_is_no_fault():
    r, a, logp, old = case(3)
    for weights in ("none", "token", "running"):
        c = Oreal(weights=weights).coefficients(a, r, logp, old)
        assert (c * np.sign(a)[..., None] >= 0).all()
    only = Oreal().coefficients(np.abs(a), r, logp, old)
    assert np.isfinite(only).all()
    assert (Oreal().coefficients(0 * a, r, logp, old) == 0).all()


def test_running_means_are_of_tokens_so_far():
    r, _, logp, _ = case(1)
    up, _ = Oreal(weights="running").token_weights(r, logp)
    w = r.fields["credit_logit"][0, 0]
    mean = np.cumsum(w) / np.arange(1, 5)
    assert up[0, 0] == pytest.approx(np.maximum(np.tanh(mean / 2), 0))


def test_theorys_edges():
    pi0, right = np.array([0.2, 0.3, 0.5]), np.array([1.0, 0, 0])
    assert theory.best_of_n(pi0, right, 1) == pytest.approx(pi0)
    assert theory.best_of_n(pi0, np.zeros(3), 9).tolist() == pi0.tolist()
    assert theory.inverse_temperature(0.2, 1) == pytest.approx(0, abs=1e-15)
    steps = [theory.inverse_temperature(0.2, n) for n in range(1, 20)]
    assert (np.diff(steps) > 0).all()
    assert theory.anchored_mass(0.2, 0.3) == pytest.approx(0.907708, abs=1e-6)
    assert success_of_best(1e-12, 3) == pytest.approx(3e-12)
    with pytest.raises(ValueError, match="scheme='best'"):
        theory.prompt_weight(0.5, "best")
    with pytest.raises(ValueError, match="weights='all'"):
        Oreal(weights="all")


def weights_by_sorting(q, share):
    """The kept tokens of one rollout, by the stated rule."""
    kept = sorted(range(len(q)), key=lambda t: (-q[t], t))[: max(1, int(share * len(q) + 1e-12))]
    low, high = min(q[t] for t in kept), max(q[t] for t in kept)
    out = np.zeros(len(q))
    for t in kept:
        out[t] = (q[t] - low) / (high - low) if high > low else 1.0
    return out


@given(
    st.lists(st.integers(-30, 30), min_size=1, max_size=12),
    st.sampled_from([0.25, 0.5, 0.3, 1.0]),
)
def test_top_weights_keep_the_largest_running_means(logits, share):
    w = np.array(logits, dtype=float) / 10
    n = len(w)
    pad = np.r_[w, np.nan][None, None]  # what stands off the mask says nothing
    mask = np.r_[np.ones(n), 0.0][None, None]
    r = Rollouts(np.ones((1, 1)), np.full((1, 1), float(n)), float(n + 1), mask=mask,
                 fields={"credit_logit": pad})  # fmt: skip
    up, down = Oreal(weights="top", share=share).token_weights(r, np.zeros((1, 1, n + 1)))
    lean = np.tanh(np.cumsum(w) / np.arange(1, n + 1) / 2)
    assert up[0, 0] == pytest.approx(np.r_[weights_by_sorting(lean, share), 0], abs=1e-12)
    assert down[0, 0] == pytest.approx(np.r_[weights_by_sorting(-lean, share), 0], abs=1e-12)


def test_top_weights_of_ties_and_short_rollouts():
    r, a, logp, old = case(2)
    flat = r.with_(credit_logit=np.zeros(SHAPE))
    e = Oreal(weights="top", share=0.5)
    up, down = e.token_weights(flat, logp)
    assert up.sum(-1).tolist() == [[2, 1, 1], [1, 2, 0]]  # half of 4, 2, 3, 1, 4, 0 tokens
    assert (up == down).all()
    c = e.coefficients(a, r, logp, old)
    assert (c * np.sign(a)[..., None] >= 0).all()
    assert np.abs(c).max() > 0
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match="is not a number in"):
            Oreal(share=share)
