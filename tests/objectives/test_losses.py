"""Loss values of every registered objective: their gradient is minus the coefficients.

By torch's autograd, by JAX's, and by finite differences where nothing is held without gradient.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import arrays_of, default_for, stack, to_torch
from toyrl import pytree, registry
from toyrl.objectives.base import Objective
from toyrl.objectives.compose import Corrected, OffPolicyMask, Sum, TopEntropy
from toyrl.objectives.drpo import Drpo
from toyrl.objectives.first_token import FirstToken, mode_hinge
from toyrl.objectives.kl import KlPenalty
from toyrl.objectives.outcome_cloning import Oreal
from toyrl.objectives.pairs import Dno, DnoPrct, Prdp, table_rates, win_rates
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.objectives.stopped_ratio import Dppo
from toyrl.rollouts import Rollouts
from toyrl.theory.preference.nash import cyclic_preference

pytestmark = pytest.mark.swept

torch = pytest.importorskip("torch")
B, G, T = 3, 4, 5
OBJECTIVES: dict[str, Any] = {e.name: default_for(e) for e in registry.entries("objective")}
OBJECTIVES |= {f"oreal, {w}": Oreal(weights=w) for w in ("token", "running", "top")}
OBJECTIVES |= {
    "drpo, hinge": Drpo(tau=0.5, beta=3.0, kl="low_var_kl"),
    "drpo, disco": Drpo(lambda_=math.inf, tau=math.inf, beta=0.0),
    "prdp, plain": Prdp(beta=0.7, eps=math.inf),
    "prime-rl": Dppo(cap=math.inf, beta=0.3),
    "masked ratios": Dppo("grpo", measure="ratio", low=0.6, high=1.5, two_sided=True),
    "nested": TopEntropy(OffPolicyMask(Corrected(mode="geometric_mask")), share=0.5),
    "two-sided clip": PolicyGradient(delta=1.5, dual_clip=2.0),
    "a sum": Sum((PolicyGradient("grpo"), KlPenalty(beta=0.04), Dno())),
    "k3, held": KlPenalty(beta=0.1, input_limit=0.3, output_limit=0.02),
}
HELD = {
    "cispo": "the truncated ratio",
    "cispo_verl": "the truncated ratio",
    "dppo_kl": "the truncated ratio",
    "dppo_tv": "the truncated ratio",
    "prime-rl": "the ratio",
    "masked ratios": "the ratio",
    "up": "the value is A, the gradient that of A log pi",
    "kl_k3_plus": "k3 has the value, k2 the gradient",
    "vespo": "the weight of the sequence",
}
NEEDS = ("ref_logprobs", "target_values", "credit_logit", "sampling_logprobs")


def case(seed: int) -> tuple[Rollouts, np.ndarray, np.ndarray, np.ndarray]:
    """(rollouts, scores, logp, old_logp), ragged, off-policy, all fields; two prompts mixed."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, T + 1, (B, G)).astype(float)
    mask = (np.arange(T) < length[..., None]) * 1.0
    correct = np.array([[1.0, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1]])
    old = -rng.exponential(1.0, (B, G, T)) - 0.05
    logp = old * np.exp(0.4 * rng.normal(size=old.shape))  # no two are equal: no kink is met
    fields = {n: old * np.exp(0.5 * rng.normal(size=old.shape)) for n in NEEDS}
    fields["credit_logit"] = rng.normal(0, 2, old.shape)
    fields["mode"] = np.tile([0.0, 0.0, 1.0, 1.0], (B, 1))
    fields["entropy"] = np.random.default_rng([seed, 1]).exponential(1.0, old.shape)
    weight = np.ones((B, G))
    weight[0, 3] = 0.0
    weight[0, 1] = 2.0
    r = Rollouts(correct, length, float(T), weight=weight, mask=mask, fields=fields)
    return r, correct - 0.5 + rng.normal(size=(B, G)), logp, old


EVERY = pytest.mark.parametrize("name", OBJECTIVES)


@EVERY
def test_autograd_of_the_loss_is_minus_the_coefficients(name: str):
    o = OBJECTIVES[name]
    for seed in range(2):
        r, a, logp, old = case(seed)
        x = torch.tensor(logp, requires_grad=True)
        loss = o(torch.tensor(a), to_torch(r), x, torch.tensor(old))
        assert loss.shape == ()
        loss.backward()
        want = o.coefficients(a, r, logp, old)
        np.testing.assert_allclose(-x.grad.numpy(), want, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(loss.item(), o.loss(a, r, logp, old), rtol=1e-10, atol=1e-13)


def slope(o: Any, r: Rollouts, a: np.ndarray, logp: np.ndarray, old: np.ndarray) -> np.ndarray:
    """-d loss/d logp by central differences; kinks are not met by random numbers."""
    out, h = np.zeros_like(logp), 1e-6
    for at in zip(*np.nonzero(r.mask), strict=True):
        move = np.zeros_like(logp)
        move[at] = h
        out[at] = (o.loss(a, r, logp - move, old) - o.loss(a, r, logp + move, old)) / (2 * h)
    return out


@EVERY
def test_finite_differences(name: str):
    """Where the objective holds a number without gradient they must differ."""
    o = OBJECTIVES[name]
    gaps, size = [], []
    for seed in (4, 5):
        r, a, logp, old = case(seed)
        want = o.coefficients(a, r, logp, old)
        gaps.append(np.abs(slope(o, r, a, logp, old) - want).max())
        size.append(max(1.0, np.abs(want).max(), np.abs(o.loss(a, r, logp, old))))
    # Rounding of the loss over 2h, and the third derivative times h^2.
    bound = [1e-8 * x for x in size]
    assert (max(np.array(gaps) / bound) > 1) == (name in HELD)


@pytest.mark.parametrize("name", {type(o): n for n, o in OBJECTIVES.items()}.values())
def test_jax_under_jit(name: str):
    """One of each class."""
    import jax

    o = OBJECTIVES[name]
    r, a, logp, old = case(6)
    with jax.enable_x64(True):
        pytree.activate()
        run = jax.jit(jax.value_and_grad(lambda x, r, a, old: o.loss(a, r, x, old)))
        value, gradient = run(logp, arrays_of(r, jax.numpy.asarray), a, old)
        got = float(value), np.asarray(gradient)
    np.testing.assert_allclose(got[0], o.loss(a, r, logp, old), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(-got[1], o.coefficients(a, r, logp, old), rtol=1e-7, atol=1e-11)


@EVERY
def test_leading_axes_padding_and_absent_rows(name: str):
    o = OBJECTIVES[name]
    rollouts, *numbers = zip(*(case(seed) for seed in (7, 8)), strict=True)
    args = [np.stack(x) for x in numbers]
    got = o.loss(args[0], stack(list(rollouts)), *args[1:])
    want = [o.loss(args[0][k], r, args[1][k], args[2][k]) for k, r in enumerate(rollouts)]
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-13)
    r, a, logp, old = case(7)
    on = np.asarray(r.mask) > 0
    other = r.with_(**{n: np.where(on, r.fields[n], np.nan) for n in NEEDS})
    a[0, 3], logp[0, 3] = 5.0, -2.0  # absent
    noisy = o.loss(a, other, np.where(on, logp, 7.0), np.where(on, old, -9.0))
    np.testing.assert_allclose(noisy, want[0], rtol=1e-10, atol=1e-13)


@EVERY
def test_an_empty_batch_has_no_loss(name: str):
    r, a, logp, old = case(9)
    r = r.with_(mask=np.zeros((B, G, T)), length=np.zeros((B, G)))
    value = OBJECTIVES[name].loss(a, r, logp, old)
    assert np.isfinite(value)
    if name not in (*PAIRS, "first_token", "a sum"):
        assert value == 0


PAIRS = ("dno", "dno_prct", "prdp", "prdp, plain")  # rollouts without tokens are still pairs


# -- values by definition --------------------------------------------------------------------------
def test_drpos_value_is_the_paper_formula():
    r, a, logp, old = case(10)
    o = Drpo(lambda_=0.2, tau=0.7, delta=0.01, beta=2.0)
    s = (logp * r.mask).sum(-1) / r.mask.sum(-1)
    j = []
    for b in range(B):
        w, c = r.w[b], r.correct[b]
        right, wrong = (c == 1) & (w > 0), (c == 0) & (w > 0)
        if right.any() and wrong.any():
            u = w[right] * np.exp(-r.length[b, right] / (T * 0.2))
            down = np.average(np.exp(s[b, wrong] / 0.7), weights=w[wrong])
            j.append((u / u.sum()) @ s[b, right] - 0.7 * np.log(down))
        else:
            j.append(0.0)
    live = r.mask * r.w[..., None]
    kl = ((old - logp) * live).sum() / live.sum()
    want = -np.mean(j) + 2.0 / 2 * max(kl - 0.01, 0) ** 2
    assert o.loss(a, r, logp, old) == pytest.approx(want, rel=1e-12)
    assert o(None, r, logp, old) == o.loss(None, r, logp, old)
    # tau grows to the mean over wrong rollouts, which `inf` has exactly.
    far, end = (Drpo(tau=t, beta=0.0).loss(a, r, logp, old) for t in (1e6, math.inf))
    assert far == pytest.approx(end, abs=1e-5)


def test_first_tokens_value_is_the_hinge():
    r, _, logp, _ = case(11)
    o = FirstToken(margin=1.5, weight=0.3, theta=-2.0)  # no prompt is easy: long is preferred
    want = []
    for b in range(B):
        first, w, mode = logp[b, :, 0], r.w[b], r.fields["mode"][b]
        lead = np.average(first[mode == 1], weights=w[mode == 1])
        lead -= np.average(first[mode == 0], weights=w[mode == 0])
        solved = (r.correct[b] * w).max() > 0
        want.append(0.3 * mode_hinge(np.array(lead), np.array(0.0), 1.5)[0] * solved)
    assert o.loss(None, r, logp, None) == pytest.approx(np.mean(want), rel=1e-12)


def test_dnos_value_is_at_least_the_entropy_of_its_targets():
    r, _, logp, old = case(12)
    rate = win_rates(np.random.default_rng(0).normal(size=(B, G)), r)
    o = Dno(eta=0.5)

    def entropy() -> float:
        target = 1 / (1 + np.exp(-(rate[..., :, None] - rate[..., None, :])))
        each = -target * np.log(target) - (1 - target) * np.log1p(-target)
        pair = r.w[..., :, None] * r.w[..., None, :] - np.eye(G) * r.w[..., None, :]
        return float((pair * each).sum((-1, -2)) @ (1 / pair.sum((-1, -2))) / B)

    assert o.loss(rate, r, logp, old) > entropy()
    # Equality where h_i - h_j = r_i - r_j: all of it put on the first token.
    best = old + np.eye(1, T)[0] * (rate / 0.5)[..., None]
    assert o.loss(rate, r, best, old) == pytest.approx(entropy(), rel=1e-12)


def test_oreals_value():
    r, a, logp, old = case(13)
    o = Oreal(eta=0.5, weights="token")
    up, down = o.token_weights(r, logp)
    live, wide = r.mask * r.w[..., None], a[..., None]
    right, wrong = live * (wide > 0), live * (wide < 0)
    want = -(right * wide * up * logp).sum() / right.sum()
    want -= 0.5 * (wrong * wide * down * np.exp(logp - old)).sum() / wrong.sum()
    assert o.loss(a, r, logp, old) == pytest.approx(want, rel=1e-12)


def test_trainers_values_on_policy():
    """Ratio 1: -mean A by tokens; a KL to itself is 0; a sum adds."""
    r, a, logp, _ = case(14)
    live = r.mask * r.w[..., None]
    mean = (live * a[..., None]).sum() / live.sum()
    assert OBJECTIVES["dapo"].loss(a, r, logp, logp) == pytest.approx(-mean)
    same = r.with_(ref_logprobs=logp)
    assert KlPenalty(beta=1.0).loss(a, same, logp, logp) == 0
    both = Sum((PolicyGradient(), KlPenalty(beta=1.0)))
    want = PolicyGradient().loss(a, r, logp, logp) + KlPenalty(beta=1.0).loss(a, r, logp, logp)
    assert both.loss(a, r, logp, logp) == pytest.approx(want)


def test_objectives_without_a_value_say_so():
    class Own(Objective):
        pass

    r, a, logp, old = case(0)
    with pytest.raises(TypeError, match="Own has no loss value"):
        Own().loss(a, r, logp, old)
    with pytest.raises(TypeError, match="no sum over tokens"):
        Corrected(inner=Dno()).loss(a, r, logp, old)


# -- pairs by margin, tables of wins ---------------------------------------------------------------
SCORES = st.lists(st.integers(0, 6), min_size=2, max_size=6)


@given(SCORES, st.integers(1, 5), st.integers(0, 6))
def test_kept_pairs_are_those_by_hand(scores: list[int], margin: int, least: int):
    x = np.array([scores], dtype=float)
    r = Rollouts(x, np.ones_like(x), 1.0)
    pairs, some = DnoPrct(margin=margin, least=least).kept(x, r)
    want = [(i, j) for i, p in enumerate(scores) for j, q in enumerate(scores)
            if p - q >= margin and p >= least]  # fmt: skip
    assert set(zip(*np.nonzero(pairs[0]), strict=True)) == set(want)
    assert pairs.sum() == pytest.approx(1.0 if want else 0.0)
    assert some.item() == (1.0 if want else 0.0)


def test_prct_by_hand_and_margins_in_votes():
    o = DnoPrct(eta=0.5, margin=0.4)
    score = np.array([[0.8, 0.4, 0.3], [0.5, 0.5, 0.4]])  # 0.8 - 0.4 misses 0.4 by rounding alone
    r = Rollouts(score, np.ones_like(score), 1.0, mask=np.ones((2, 3, 1)))
    old, logp = np.zeros((2, 3, 1)), np.array([[[0.2], [-0.1], [0.0]]] * 2)
    sigma = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    gaps = 0.5 * np.array([0.3, 0.2])
    assert o.loss(score, r, logp, old) == pytest.approx(-np.log(sigma(gaps)).mean())
    c = o.coefficients(score, r, logp, old)[..., 0]
    push = 0.5 * sigma(-gaps) / 2
    assert c[0] == pytest.approx([push.sum(), -push[0], -push[1]])
    assert (c[1] == 0).all()  # no pair: the prompt is skipped, not averaged in
    assert o.loss(score, r, old, old) == pytest.approx(np.log(2))
    assert o.loss(0 * score, r, logp, old) == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [(lambda: DnoPrct(eta=0), "eta=0"), (lambda: DnoPrct(margin=0), "margin=0"),
     (lambda: Oreal(share=0), "share=0")],
)  # fmt: skip
def test_bad_fields_are_named(make: Any, said: str):
    with pytest.raises(ValueError, match=said):
        make()


@given(SCORES, st.sampled_from([0.0, 0.5]))
def test_a_table_of_scores_has_their_win_rates(scores: list[int], temperature: float):
    x = np.array([scores], dtype=float)
    r = Rollouts(x, np.ones_like(x), 1.0)
    gap = x[..., :, None] - x[..., None, :]
    table = (1 + np.sign(gap)) / 2 if temperature == 0 else 1 / (1 + np.exp(-gap / temperature))
    want = win_rates(x, r, temperature=temperature)
    assert table_rates(table, r) == pytest.approx(want, abs=1e-12)


def test_tables_of_cycles_bias_and_gaps():
    r = Rollouts(np.zeros((1, 3)), np.ones((1, 3)), 1.0)
    cycle = cyclic_preference(3, 0.4)[None]
    assert table_rates(cycle, r) == pytest.approx(0.5)  # no score could tell these apart
    uneven = r.with_(weight=np.array([[1.0, 3.0, 1.0]]))
    assert table_rates(cycle, uneven)[0] == pytest.approx([0.7, 0.5, 0.3])
    biased = np.clip(cycle + 0.05, 0, 1)  # the judge prefers the first place
    assert table_rates(biased, r) == pytest.approx(0.5)
    broken = cycle.copy()
    broken[0, 2, 0] = np.nan
    rates = table_rates(broken, r)
    assert np.isnan(rates[0, 2])
    assert rates[0, :2] == pytest.approx([0.9, 0.1])
    lone = table_rates(np.full((1, 1, 1), np.nan), Rollouts(np.ones((1, 1)), np.ones((1, 1)), 1.0))
    assert lone.tolist() == [[0.5]]
    with pytest.raises(ValueError, match=r"table has shape \(1, 2, 2\), not \(1, 3, 3\)"):
        table_rates(np.zeros((1, 2, 2)), r)
