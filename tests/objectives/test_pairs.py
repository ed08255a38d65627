"""PRDP and DNO: coefficients are gradients, invariants of pairs, win rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.objectives.pairs import Dno, Prdp, win_rates
from toyrl.rollouts import Rollouts

B, G, T = 3, 4, 5


def case(seed: int, scale: float = 1.0):
    """(rollouts with ragged masks, rewards, logp, old logp)."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, T + 1, (B, G)).astype(float)
    mask = (np.arange(T) < length[..., None]) * 1.0
    shape = (B, G, T)
    r = Rollouts(
        np.zeros((B, G)),
        length,
        float(T),
        mask=mask,
        fields={"ref_logprobs": -rng.random(shape)},
    )
    old = -rng.random(shape)
    return r, rng.standard_normal((B, G)), old + scale * rng.standard_normal(shape), old


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("eps", [0.3, math.inf])
def test_prdps_coefficients_are_minus_the_losss_gradient(seed, eps):
    r, reward, logp, old = case(seed)
    e = Prdp(beta=0.7, eps=eps)
    c = e.coefficients(reward, r, logp, old)
    assert (c[r.mask == 0] == 0).all()
    for at in zip(*np.nonzero(r.mask), strict=True):
        move = np.zeros_like(logp)
        move[at] = 1e-6
        up, down = (float(e.loss(reward, r, logp + s * move, old)) for s in (1, -1))
        assert c[at] == pytest.approx(-(up - down) / 2e-6, abs=1e-5)


@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(0.1, 5))
def test_prdps_invariants(seed, shift, scale):
    r, reward, logp, old = case(seed, 0.3)
    e = Prdp(beta=0.5, eps=0.2)
    base = float(e.loss(reward, r, logp, old))
    assert float(e.loss(reward + shift, r, logp, old)) == pytest.approx(base)
    scaled = Prdp(beta=0.5 * scale, eps=0.2)
    assert float(scaled.loss(scale * reward, r, logp, old)) == pytest.approx(base)
    plain = float(Prdp(beta=0.5, eps=math.inf).loss(reward, r, logp, old))
    assert base >= plain - 1e-12
    # At the old policy the clip is idle, in value and gradient.
    assert float(e.loss(reward, r, old, old)) == pytest.approx(
        float(Prdp(beta=0.5, eps=math.inf).loss(reward, r, old, old))
    )


def test_the_pair_loss_is_twice_the_sample_variance():
    r, reward, logp, old = case(5)
    u = ((logp - r.fields["ref_logprobs"]) * r.mask).sum(-1) - reward / 0.5
    want = (2 * u.var(-1, ddof=1)).mean()
    assert float(Prdp(0.5, math.inf).loss(reward, r, logp, old)) == pytest.approx(want)


def test_absent_rollouts_and_lonely_prompts_give_nothing():
    r, reward, logp, old = case(1)
    weight = np.ones((B, G))
    weight[0, 1:] = 0  # one rollout left
    reward[1, 2] = np.nan
    r = r.with_(weight=weight)
    for e in (Prdp(), Dno()):
        c = e.coefficients(reward, r, logp, old)
        assert np.isfinite(c).all()
        assert (c[0] == 0).all()
        assert (c[1, 2] == 0).all()
        assert np.abs(c[2]).max() > 0
        moved = logp.copy()
        moved[1, 2] += 1.0  # an absent rollout's probability says nothing
        assert e.coefficients(reward, r, moved, old)[2] == pytest.approx(c[2])


@pytest.mark.parametrize("seed", range(3))
def test_dnos_coefficients_are_its_objectives_gradient(seed):
    r, reward, logp, old = case(seed)
    rates = 1 / (1 + np.exp(-reward))
    e = Dno(eta=0.4)

    def value(logp):
        h = 0.4 * ((logp - old) * r.mask).sum(-1)
        gap = h[..., :, None] - h[..., None, :]
        target = 1 / (1 + np.exp(-(rates[..., :, None] - rates[..., None, :])))
        each = target * -np.logaddexp(0, -gap) + (1 - target) * -np.logaddexp(0, gap)
        each = each * (1 - np.eye(G))
        return (each.sum((-1, -2)) / (G * (G - 1))).mean()

    c = e.coefficients(rates, r, logp, old)
    for at in list(zip(*np.nonzero(r.mask), strict=True))[::4]:
        move = np.zeros_like(logp)
        move[at] = 1e-6
        slope = (value(logp + move) - value(logp - move)) / 2e-6
        assert c[at] == pytest.approx(slope, abs=1e-7)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=7), st.sampled_from([0.0, 0.5]))
def test_win_rates_average_one_half_and_rise_with_the_score(scores, temperature):
    x = np.array([scores], dtype=float)
    r = Rollouts(x, np.ones_like(x), 1.0)
    rates = win_rates(x, r, temperature=temperature)
    assert rates.mean() == pytest.approx(0.5)
    assert (rates >= 0).all()
    assert (rates <= 1).all()
    order = np.argsort(x[0], kind="stable")
    assert (np.diff(rates[0][order]) >= -1e-12).all()


def test_win_rates_of_worked_groups():
    x = np.array([[3.0, 1.0, 1.0, np.nan], [2.0, 2.0, 2.0, 2.0]])
    rates = win_rates(x, Rollouts(x, np.ones_like(x), 1.0))
    assert rates[0, :3] == pytest.approx([1.0, 0.25, 0.25])
    assert np.isnan(rates[0, 3])
    assert (rates[1] == 0.5).all()
    one = np.array([[4.0]])
    assert win_rates(one, Rollouts(one, np.ones_like(one), 1.0)).tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Prdp(beta=0), "beta=0"),
        (lambda: Prdp(eps=-1), "eps=-1"),
        (lambda: Dno(eta=0), "eta=0"),
    ],
)
def test_bad_fields_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()
