"""Flipped verdicts: the channel's laws by sums over its cases, and the derivations in SymPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.group import PRESETS
from toyrl.rollouts.classes import class_rollouts
from toyrl.shapers.judge.verifier import Verified
from toyrl.theory.group.variance import gradient_variance, omega
from toyrl.theory.noise import channel, gradient, speed

RATE, INSIDE = st.floats(0, 1), st.floats(0.01, 0.99)


@given(RATE, RATE, RATE)
def test_the_channel_by_its_four_cases(p: float, up: float, down: float):
    accepted = p * (1 - up) + (1 - p) * down
    assert channel.noisy_success(p, up, down) == pytest.approx(accepted, abs=1e-15)
    assert channel.signal(up, down) == pytest.approx((1 - up) - down, abs=1e-15)
    assume(up + down > 1e-6)
    fixed = channel.fixed_point(up, down)
    assert channel.noisy_success(fixed, up, down) == pytest.approx(fixed, abs=1e-12)
    if up + down <= 1:
        low, high = sorted((p, fixed))
        assert low - 1e-12 <= channel.noisy_success(p, up, down) <= high + 1e-12


@given(INSIDE, RATE)
def test_critical_rates_are_where_the_budget_is_spent(p: float, up: float):
    budget = 1 / p
    down = channel.critical_rate(up, budget)
    if down >= 0:
        assert channel.signal(up, down) == pytest.approx(p, abs=1e-12)
    flip = channel.critical_symmetric_rate(budget)
    assert channel.signal(flip, flip) == pytest.approx(p, abs=1e-12)
    assert channel.critical_symmetric_rate() == 0.5


def verdict_groups(p: float, up: float, down: float, size: int):
    """Every group of outcomes and verdicts: (chance, right (G,), verdict (G,))."""
    chance = {(1, 1): p * (1 - up), (1, 0): p * up,
              (0, 1): (1 - p) * down, (0, 0): (1 - p) * (1 - down)}  # fmt: skip
    for group in itertools.product(chance, repeat=size):
        right, verdict = np.array(group, dtype=float).T
        yield math.prod(chance[x] for x in group), right, verdict


@pytest.mark.parametrize(("p", "up", "down"), [(0.2, 0.3, 0.1), (0.9, 0.0, 0.5), (0.5, 0.7, 0.6)])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_weight_and_variance_by_all_groups(p: float, up: float, down: float, size: int):
    mean = second = scaled = 0.0
    for chance, right, verdict in verdict_groups(p, up, down, size):
        a = verdict - verdict.mean()
        g = (a * (right - p)).sum() / (size - 1)
        mean, second = mean + chance * g, second + chance * g**2
        spread = verdict.std()
        scaled += chance * ((a / spread * (right - p)).mean() if spread > 0 else 0.0)
    c = channel.signal(up, down)
    assert mean == pytest.approx(c * p * (1 - p), abs=1e-14)
    assert second - mean**2 == pytest.approx(gradient.variance_by_output(p, up, down, size))
    want = gradient.noisy_omega(p, up, down, size, ddof=0) * p * (1 - p)
    assert scaled == pytest.approx(want, abs=1e-14)


@pytest.mark.parametrize("estimator", ["grpo_population", "rloo"])
@pytest.mark.parametrize("size", [2, 4])
def test_the_class_engine_pays_verdicts_as_the_formula_says(estimator: str, size: int):
    """A reward `verified()` on the four classes of outcome and verdict, exact in finite groups."""
    p, up, down = 0.15, 0.3, 0.1
    right, verdict = np.array([[1.0, 1, 0, 0]]), np.array([[1.0, 0, 1, 0]])
    chance = np.array([[p * (1 - up), p * up, (1 - p) * down, (1 - p) * (1 - down)]])
    r = class_rollouts(chance, correct=right, length=1.0, max_length=1.0, group_size=float(size),
                       fields={"verified": verdict})  # fmt: skip
    weights = class_weights(r, Verified(), PRESETS[estimator], group_size=size).w
    found = float((chance * weights * (right - p)).sum())
    scaled = gradient.noisy_omega(p, up, down, size, ddof=0)
    want = scaled if estimator == "grpo_population" else channel.signal(up, down)
    assert found == pytest.approx(float(want) * p * (1 - p), abs=1e-14)


@given(INSIDE, st.integers(2, 9))
def test_without_flips_both_variances_are_the_clean_one(p: float, size: int):
    clean = gradient_variance("rloo", p, size)
    assert gradient.variance_by_output(p, 0, 0, size) == pytest.approx(clean, rel=1e-9, abs=1e-15)
    assert gradient.variance_by_prompt("rloo", p, 0, size) == pytest.approx(clean, rel=1e-12)
    assert gradient.signal_kept(p, 0, 0, size) == 1
    assert gradient.noisy_omega(p, 0.0, 0.0, size) == omega(p, size)


@given(INSIDE, RATE, st.integers(2, 9), st.sampled_from(["rloo", "dr_grpo", "grpo"]))
def test_flips_of_a_prompt_leave_the_second_moment(p: float, flip: float, size: int, name: str):
    clean = gradient.variance_by_prompt(name, p, 0.0, size)
    gap = gradient.variance_by_prompt(name, p, flip, size) - clean
    mean2 = gradient.variance_by_prompt(name, p, 0.5, size) - clean  # c = 0: the whole mean
    c2 = (1 - 2 * flip) ** 2
    assert gap == pytest.approx((1 - c2) * mean2, abs=1e-14)
    assert gradient.noise_floor(mean2, flip) == pytest.approx(gap, abs=1e-14)


def test_large_groups_keep_the_prompts_noise_alone():
    sizes = [10, 10**3, 10**6]
    prompt = [gradient.variance_by_prompt("rloo", 0.2, 0.4, n) for n in sizes]
    output = [gradient.variance_by_output(0.2, 0.4, 0.4, n) for n in sizes]
    assert prompt[-1] == pytest.approx(gradient.noise_floor(0.16**2, 0.4), rel=1e-4)
    assert output[-1] * 1e3 == pytest.approx(output[1], rel=1e-2)


def test_quoted_numbers():
    """Relative variances at p = 0.2, a hard prompt, two times of the flow: found by hand before."""
    rates = np.arange(5) / 10
    found = gradient.relative_variance(0.2, rates, rates)
    assert found.round(3).tolist() == [2.25, 3.129, 5.028, 10.453, 39.75]
    assert gradient.signal_kept(0.01, 0.4, 0.4, np.inf) == pytest.approx(0.0406, abs=5e-5)
    assert speed.logit_flow_time(0.05, 0.72) == pytest.approx(28.9077, abs=5e-5)
    assert speed.logit_flow_time(0.05, 0.72, 0.2) == pytest.approx(144.539, abs=5e-4)


def test_time_of_the_flow_in_sympy():
    """Psi' = 1/(p(1 - p)) for Psi = 2x + 2 sinh x, and the form in p that the code evaluates."""
    x, p = sp.symbols("x p", positive=True)
    slope = sp.diff(2 * x + 2 * sp.sinh(x), x).rewrite(sp.exp)
    sigmoid = 1 / (1 + sp.exp(-x))
    assert sp.simplify(slope - 1 / (sigmoid * (1 - sigmoid))) == 0
    logit = sp.log(p / (1 - p))
    closed = 2 * logit + p / (1 - p) - (1 - p) / p
    assert sp.simplify((2 * logit + 2 * sp.sinh(logit)).rewrite(sp.exp) - closed) == 0


def test_prompts_needed_in_sympy():
    """N in Var/N = delta^2 mean^2, with the flips over that without."""
    M, m, c, delta = sp.symbols("M m c delta", positive=True)
    need = (M - c**2 * m) / (delta**2 * c**2 * m)
    ratio = sp.simplify(need / need.subs(c, 1))
    assert sp.simplify(ratio - (M - c**2 * m) / (c**2 * (M - m))) == 0
    assert gradient.prompts_ratio(3.0, 1.0, 0.4) == pytest.approx(
        float(ratio.subs({M: 3, m: 1, c: sp.Rational(1, 5)}))
    )
    assert gradient.prompts_ratio(1.0, 1.0, 0.0) == 1
    assert gradient.prompts_ratio(1.0, 1.0, 0.1) == np.inf
    assert gradient.prompts_ratio(2.0, 0.0, 0.5) == np.inf


def test_a_sign_step_is_what_a_batch_of_prompts_gives():
    """P(right sign) - P(wrong sign) of 32 flipped groups; Berry and Esseen bound the error."""
    p, size, flip, batch, n = 0.4, 8, 0.4, 32, 40_000
    rng = np.random.default_rng(3)
    share = rng.binomial(size, p, (n, batch)) / size
    clean = share * (1 - share) * size / (size - 1)
    g = np.where(rng.random(clean.shape) < flip, -clean, clean)
    M, m = (clean**2).mean(), (p * (1 - p)) ** 2
    snr = speed.batch_snr(M, m, channel.signal(flip, flip), batch)
    centred = np.abs(g - g.mean())
    bound = 2 * 0.56 * (centred**3).mean() / (g.std() ** 3 * np.sqrt(batch))
    found = np.sign(g.mean(-1)).mean()
    assert abs(found - speed.sign_step(snr)) <= bound + 4 / np.sqrt(n)
    assert speed.sign_step(2.0) > 0.95
    assert speed.sign_step(1e-3) == pytest.approx(1e-3 * math.sqrt(2 / math.pi), rel=1e-6)


@pytest.mark.parametrize("size", [2, 8, np.inf])
def test_time_under_grpo(size: float):
    clean = speed.grpo_flow_time(0.05, 0.72, 0, 0, size)
    together = speed.grpo_flow_time(0.05, 0.72, 0.3, 0.3, size, by="prompt")
    assert together == pytest.approx(clean / 0.4, rel=1e-12)
    found = speed.grpo_flow_time(0.05, 0.72, 0.3, 0.1, size)
    theta, dt = np.log(0.05 / 0.95), 1e-3  # the same by Heun's steps
    time = 0.0

    def rise(x: float) -> float:
        p = 1 / (1 + np.exp(-x))
        return float(gradient.noisy_omega(p, 0.3, 0.1, size) * p * (1 - p))

    while 1 / (1 + np.exp(-theta)) < 0.72:
        half = rise(theta)
        theta += dt * found * (half + rise(theta + dt * found * half)) / 2
        time += dt * found
    assert found == pytest.approx(time, rel=2e-3)  # whole steps of 1/1000
    if size == np.inf:  # hard prompts wait longer than 1/c times
        assert speed.grpo_flow_time(0.01, 0.02, 0.3, 0.3, size) > (
            3 * speed.grpo_flow_time(0.01, 0.02, 0.3, 0.3, size, by="prompt")
        )


def test_refusals_name_the_argument():
    for call, said in (
        (lambda: channel.signal(-0.1, 0.2), r"false_negative=-0\.1 must lie in \[0, 1\]"),
        (lambda: channel.noisy_success(np.nan, 0.1, 0.2), "p=nan must lie in"),
        (lambda: channel.fixed_point(0.0, 0.0), "are both 0"),
        (lambda: channel.critical_rate(0.0, 0.5), r"budget=0\.5 must be at least 1"),
        (lambda: gradient.variance_by_prompt("reinforce", 0.2, 0.1, 8), "is not centred"),
        (lambda: gradient.variance_by_output(0.2, 0.1, 0.1, 1), "group_size=1"),
        (lambda: gradient.prompts_ratio(1.0, 2.0, 0.1), r"second_moment=1\.0 must be at least"),
        (lambda: speed.logit_flow_time(0.2, 1.2), r"p_to=1\.2 must lie in"),
        (lambda: speed.batch_snr(1.0, 2.0, 0.1, 4), "second_moment"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
