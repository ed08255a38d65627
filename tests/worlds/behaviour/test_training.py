"""Training: gradients against finite differences, advantages in closed form, yardsticks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit

from toyrl import parse, parse_estimator
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.rollouts import UnseenError, as_rollouts, noise, played
from toyrl.worlds.behaviour.training import Plan, measured, train
from toyrl.worlds.behaviour.worlds import KNOBS, Worlds, fitted

PLAN = Plan(steps=20, looks=2)


def world(n: int = 4, kind: str = "short", accuracy=0.5, length=400.0, limit=1024.0) -> Worlds:
    return fitted(prior.drawn(n, kind, length), accuracy=accuracy, length=length, limit=limit)


W = world()
THINKING = world(kind="thinking", length=6000.0, limit=16384.0)


def run(w: Worlds, reward: str, estimator: str = "grpo", plan: Plan = PLAN):
    return train(w, parse(reward), parse_estimator(estimator), plan)


# -- the gradient ----------------------------------------------------------------------------------
@pytest.mark.parametrize("knob", KNOBS)
def test_drift_is_the_slope_of_the_expected_reward(knob):
    """E[R score] by drawing against a finite difference of the mean reward on common draws.

    R = correct - length/limit. The difference moves coins over thresholds, so that both sides have
    sampling noise; 5 standard errors of the first and a step of 0.25, whose bias is of its square.
    """
    w = world(1, length=700.0)
    draws = noise(w.size, 3000, np.random.default_rng(11))

    def paid(theta):
        p = played(w, theta, draws)
        return p, p.right - p.length / w.limit

    p, reward = paid(w.rest())
    centred = reward - reward.mean(-1, keepdims=True)
    terms = centred * p.scores[knob]
    h = 0.25
    up, down = ({**w.rest(), knob: np.full((1, 1, 1), s * h)} for s in (1, -1))
    slope = (paid(up)[1] - paid(down)[1]).mean() / (2 * h)
    error = terms.std() / np.sqrt(terms.size)
    assert abs(terms.mean() - slope) < 5 * error + 0.08 * abs(slope)


def test_a_gated_length_term_in_an_all_right_group():
    """Under GRPO its weight falls out: A = -(L - mean)/(sd + eps/weight), whatever the weight."""
    p = played(W, W.rest(), noise(W.size, 8, np.random.default_rng(2)))
    r = as_rollouts(replace(p, right=np.ones_like(p.right)), W.limit)
    length = r.length / W.limit
    centred = length - length.mean(-1, keepdims=True)
    for weight in (0.5, 1e-3):
        shaper = parse(f"outcome() - {weight}*gated(linear_length())")
        got, _ = parse_estimator("grpo").apply(shaper.apply(r).parts, r)
        want = -centred / (length.std(-1, ddof=1, keepdims=True) + 1e-4 / weight)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)


def test_the_estimators_eps_counts():
    """A tiny term is full-sized down to spreads near eps, and without std not at all."""
    tiny = "outcome() - 1e-5*linear_length()"
    factors = {e: run(W, tiny, e).factor.mean() for e in ("grpo", "grpo_verl", "rloo")}
    assert factors["grpo_verl"] < 0.97 * factors["grpo"]
    assert factors["rloo"] == pytest.approx(run(W, "outcome()", "rloo").factor.mean(), rel=0.01)


def test_steps_dont_depend_on_the_rewards_scale():
    one, ten = (run(W, f"outcome(right={k}) - {k}*linear_length()", "rloo") for k in (1, 10))
    np.testing.assert_allclose(one.accuracy, ten.accuracy, rtol=1e-9)


# -- what training does ----------------------------------------------------------------------------
def test_outcome_teaches_and_a_constant_does_nothing():
    path = run(W, "outcome()")
    assert np.all(path.change > 0.0)
    assert np.all(path.best >= path.change - 1e-12)
    still = run(W, "outcome(right=1, wrong=1)")
    np.testing.assert_allclose(still.accuracy, still.accuracy[:1].repeat(len(still.step), 0))


def test_who_is_charged_where_the_pull_ends_and_what_has_no_ceiling():
    """Right and wrong charged fall further than right alone; a target is a floor; a bonus a line
    fills the limit."""
    plan = Plan(steps=40, looks=2)
    both, right, floor, bonus = (
        run(THINKING, reward, plan=plan)
        for reward in (
            "outcome() - 0.5*linear_length()",
            "outcome() - 0.5*gated(linear_length())",
            "laser(target=5000, alpha=0.5)",
            "outcome() + 4*linear_length()",
        )
    )
    assert both.factor.mean() < right.factor.mean() < floor.factor.mean() < 1.0
    assert bonus.factor.mean() > 1.5
    assert bonus.cut[-1].mean() > 0.2
    assert bonus.change.mean() < -0.05


def test_the_kl_penalty_holds_back():
    free, held = (run(W, "outcome() - 1*linear_length()", plan=replace(PLAN, beta=b))
                  for b in (0.0, 0.1))  # fmt: skip
    assert np.all(held.kl[-1] < free.kl[-1])
    assert held.factor.mean() > free.factor.mean()


def test_a_held_behaviour_stays():
    path = run(W, "outcome() - 1*linear_length()", plan=replace(PLAN, still=("wording",)))
    assert np.all(path.theta["wording"] == 0.0)
    assert np.any(path.theta["depth"] != 0.0)


def test_deterministic_and_batch_scope():
    rewards = ("grpo_lambda(lam=0.2)", "kimi()", "crf()")
    for reward in rewards:
        a, b = (run(W, reward, "grpo_batch", Plan(steps=4, looks=1)) for _ in range(2))
        np.testing.assert_array_equal(a.accuracy, b.accuracy)


def test_what_is_not_served_is_not_forecast():
    with pytest.raises(UnseenError, match="mode"):
        run(W, "mode_reward()")
    with pytest.raises(UnseenError, match="tokens"):
        run(W, "outcome()", "gae()")


# -- measuring -------------------------------------------------------------------------------------
def test_a_fitted_world_is_what_was_told_where_all_is_drawn_again():
    """Its halvings draw once what neither lengths nor abilities change. Lengths are fitted first,
    at the abilities of the beta law."""
    w = THINKING  # one of the short worlds cannot be right half of the time
    draws = noise(w.size, 32, np.random.default_rng([0, 0]))
    before = replace(w, ability=logit(w.easy))
    length = played(before, w.rest(), draws).length.mean((1, 2))
    # 30 halvings of five logs and of twenty logits
    np.testing.assert_allclose(length, w.length, rtol=5 * 2.0**-29)
    accuracy = played(w, w.rest(), draws).chance.mean((1, 2))
    np.testing.assert_allclose(accuracy, 0.5, atol=20 * 2.0**-30)


def test_kl_of_a_policy_by_its_draws():
    """Closed forms plus the answers' own, against the mean log ratio over drawn rollouts."""
    w = world(2)
    theta = {**{k: np.full((2, 1, 1), 0.4) for k in KNOBS}, "lost": np.full((2, 1, 1), 0.3)}
    eyes = noise(w.size, 400, np.random.default_rng(5))
    told = measured(w, theta, eyes)["kl"]
    p = played(w, theta, eyes)
    ratio = np.zeros_like(p.length)
    solved = p.solved
    others = played(
        w, {**theta, "skill": theta["skill"] * 0, "lost": theta["lost"] * 0}, eyes
    ).solved
    right = eyes["answer"] < solved
    for name, family in w.families.items():
        value = family.drawn(theta[name], eyes[name])[0]
        tossed = ~right if name == "runaways" else 1.0
        ratio += tossed * _log_ratio(name, family, value)
    ratio += np.where(right, np.log(solved / others), np.log((1 - solved) / (1 - others)))
    error = ratio.std((1, 2)) / np.sqrt(ratio[0].size)
    assert np.all(np.abs(ratio.mean((1, 2)) - told) < 4 * error)


def _log_ratio(name, family, value):
    from scipy import stats as laws
    from scipy.special import expit

    from toyrl.worlds.behaviour.knobs import ROUNDS, Normal

    if isinstance(family, Normal):
        sd = family.spread
        return laws.norm.logpdf(value, 0.4 * sd, sd) - laws.norm.logpdf(value, 0.0, sd)
    p, q = expit(family.base + 0.4), expit(family.base)
    if name == "re-checks":
        return laws.binom.logpmf(value, ROUNDS, p) - laws.binom.logpmf(value, ROUNDS, q)
    if name == "padding":
        return laws.geom.logpmf(value + 1, 1 - p) - laws.geom.logpmf(value + 1, 1 - q)
    return laws.bernoulli.logpmf(value, p) - laws.bernoulli.logpmf(value, q)
