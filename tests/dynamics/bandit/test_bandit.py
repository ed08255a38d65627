"""Bandit training: many groups against class weights, one group member by member, runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl import registry
from toyrl.dynamics.bandit import sampled
from toyrl.dynamics.bandit.exact import (
    expected_update,
    informative_share,
    mean_over_runs,
    outcomes,
    train_expected,
)
from toyrl.dynamics.bandit.sampled import mean_and_error, train_sampled
from toyrl.dynamics.bandit.softmax import Bandit, Recipe, entropy
from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.dynamics.groups.compositions import multisets
from toyrl.estimators.group import PRESETS
from toyrl.objectives.compose import Sum
from toyrl.objectives.kl import KlPenalty
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts

SHARE = np.array([0.3, 0.7])
REWARD = np.array([[1.0, 0, 0.5, 0], [0, 1, 0, 1]])
TWO = Bandit(REWARD, share=SHARE)
START = np.array([[0.3, -0.5, 0.9, 0.1], [1.0, 0.0, -1.0, 0.5]])
COIN = Bandit(np.array([0.0, 1.0]))
NEEDY = {"gae", "remax", "renorm", "trust_grpo", "trust_grpo_released", "canon_entropy",
         "near_grpo"}  # fmt: skip
NEEDY |= {
    "reinforce_plus_plus_tokens",
    "fine_grained_gae",
    "step_returns",
    "attempt_returns",
    "prime",
    "prime_released",
    "prime_verl",
}  # token-level: no class weights to compare with
NAMES = [e.name for e in registry.entries("estimator") if e.name not in NEEDY]
FEW = {"grpo", "grpo_batch", "loo_std", "negative_only"}
# Two read what a bandit has not; kl_cov breaks ties of covariance by a token's place in the batch,
# so that groups of the same members in another order are not alike.
APART = ("first_token", "soft_q", "kl_cov")
LOSSES = [e.name for e in registry.entries("objective") if e.name not in APART]


def few(names, quick):
    """All names as parameters, those not in `quick` marked slow."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


def built(kind: str, name: str):
    return registry.get(kind, name).target


def one_of_each(kind, names, quick):
    """A name of each class and aggregation: others of it run the same lines with other numbers.

    Of several the one in `quick` is kept. Every name on its own is held in `tests/test_backends.py`
    and `tests/objectives/test_backends.py`.
    """
    found = {}
    for name in sorted(names, key=lambda n: n not in quick):
        made = built(kind, name)
        how = [getattr(made, key, None) for key in ("scope", "aggregation")]
        found.setdefault((type(made), *map(str, how)), name)
    return sorted(found.values())


ESTIMATORS = one_of_each("estimator", NAMES, FEW)
OBJECTIVES = one_of_each("objective", LOSSES, {"dapo", "prdp", "sum", "dno"})


class Paid:
    """Rewards of TWO as parts."""

    scope = "rollout"

    def __call__(self, r):
        return {"reward": TWO.mean_reward + 0 * r.correct}


@pytest.mark.parametrize("name", few(ESTIMATORS, FEW))
def test_one_inner_step_is_the_class_weights_update(name):
    e = built("estimator", name)
    found = expected_update(TWO, START, Recipe(estimator=e, group_size=4, rate=1.0)) - START
    pi = TWO.policy(START)
    r = Rollouts((REWARD > 0) * 1.0, np.ones((2, 4)), 1.0, weight=pi * SHARE[:, None])
    by_arm = pi * class_weights(r, Paid(), e, group_size=4).w
    want = SHARE[:, None] * (by_arm - pi * by_arm.sum(-1, keepdims=True))
    assert found == pytest.approx(want, rel=1e-11, abs=1e-12)


def test_an_infinite_group_is_the_gradient_of_the_mean_reward():
    recipe = Recipe(group_size=np.inf, rate=1.0)
    pi, r = TWO.policy(START), TWO.mean_reward
    want = SHARE[:, None] * pi * (r - (pi * r).sum(-1, keepdims=True))
    assert expected_update(TWO, START, recipe) - START == pytest.approx(want, abs=1e-14)


FOUR = Bandit(np.array([1.0, 0, 0, 0.0]))
BEGIN = np.array([0.1, 0.7, -0.4, 0.0])


def four(name: str) -> Recipe:
    return Recipe(PRESETS["grpo"], built("objective", name), group_size=4, rate=0.5, inner=4)


def log_softmax(z):
    z = z - z.max()  # drpo's steps are far ones here
    return z - np.log(np.exp(z).sum())


def by_hand(members, recipe):
    """Logits after the inner loop on one group of FOUR, in NumPy, each member on its own."""

    def logp(z):
        return log_softmax(z)[members][None, :, None]

    old, z = logp(BEGIN), BEGIN.copy()
    spread = -(np.exp(log_softmax(BEGIN)) * log_softmax(BEGIN)).sum()
    fields = {"logprobs": old, "sampling_logprobs": old, "ref_logprobs": logp(np.zeros(4)),
              "entropy": np.full(old.shape, spread)}  # fmt: skip
    reward = FOUR.mean_reward[:, members]
    one = np.ones((1, 4))
    r = Rollouts((reward > 0) * one, one, 1.0, mask=one[..., None], fields=fields)
    advantage, _ = recipe.estimator.apply({"reward": reward}, r)
    for _ in range(recipe.inner):
        slope = recipe.objective.coefficients(advantage, r, logp(z), old)[0, :, 0]
        z += recipe.rate * (slope @ (np.eye(4)[members] - np.exp(log_softmax(z))))
    return z


@pytest.mark.parametrize("name", few(OBJECTIVES, {"dapo", "prdp"}))
def test_outcomes_of_one_group_are_those_of_its_members_one_by_one(name):
    """Every group of 4 from 4 answers, inner loop and all; its chance is the multinomial's."""
    recipe, pi = four(name), np.exp(log_softmax(BEGIN))
    chance, after = outcomes(FOUR, BEGIN, recipe, reference=np.zeros((1, 4)))
    counts = multisets(4, 4)
    ways = 24 / np.array([[1, 1, 2, 6, 24][n] for n in counts.ravel()]).reshape(-1, 4).prod(-1)
    assert chance == pytest.approx(ways * (pi**counts).prod(-1), rel=1e-12)
    want = np.stack([by_hand(np.repeat(np.arange(4), n), recipe) for n in counts])
    assert after[:, 0] == pytest.approx(want, rel=1e-11, abs=1e-11)


# A mean over the batch, pairs in a group, a region on the batch, tokens picked from the batch.
@pytest.mark.parametrize("name", few(["dapo", "prdp", "drpo", "top_entropy"], {"dapo", "prdp"}))
def test_outcomes_of_one_group_are_what_runs_meet(name):
    """Means over 4,000 runs, inner loop and all, within 4 standard errors of the enumeration."""
    chance, after = outcomes(FOUR, BEGIN, four(name), reference=np.zeros((1, 4)))
    assert chance.sum() == pytest.approx(1, abs=1e-12)
    reference = np.zeros((1, 4))
    drawn = train_sampled(FOUR, BEGIN, four(name), 1, runs=4000, reference=reference).logits
    mean, error = mean_and_error(np.moveaxis(drawn, 0, -1))
    gap = np.abs(mean - np.tensordot(chance, after, 1))
    assert (gap <= 4 * error + 1e-12).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sum", "dno", "prdp"])
def test_very_many_groups_come_to_the_limit(name):
    bandit, start = Bandit(np.array([1.0, 0, 0, 0.0])), np.array([[0.1, 0.7, -0.4, 0.0]])
    recipe = Recipe(PRESETS["grpo"], built("objective", name), group_size=4, rate=0.3, inner=3,
                    groups=2000)  # fmt: skip
    zero = np.zeros((1, 4))
    want = expected_update(bandit, start, recipe, reference=zero) - start
    found = train_sampled(bandit, start, recipe, 1, runs=24, reference=zero).logits - start
    assert found.mean(0) == pytest.approx(want, abs=0.03 * np.abs(want).max())


@pytest.mark.parametrize("inner", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_the_backward_equation_is_the_mean_over_runs_at_every_update(inner):
    recipe = Recipe(PRESETS["grpo_exact"], PolicyGradient("sum"), 4, rate=0.2, inner=inner)
    start = np.log([[0.8, 0.2]])

    def both(p):
        return np.stack([p, p**2, entropy(np.stack([p, 1 - p], -1))], -1)

    exact = mean_over_runs(COIN, start, recipe, 60, both, points=2801)
    runs = train_sampled(COIN, start, recipe, 60, runs=4000, seed=1)
    for found, want in ((runs.value, exact[:, 0]), (runs.entropy, exact[:, 2])):
        mean, error = mean_and_error(found)
        assert (np.abs(mean - want)[1:] <= 4 * error[1:]).all()
    spread = np.sqrt(exact[-1, 1] - exact[-1, 0] ** 2)
    assert runs.value[-1].std() == pytest.approx(spread, rel=0.1)


@pytest.mark.slow
def test_refilling_draws_what_the_closed_form_says_and_rescales_the_update():
    bandit = Bandit(np.array([[1.0, 0], [1.0, 0]]))
    start = np.log([[0.1, 0.9], [0.5, 0.5]])
    plain = Recipe(group_size=4, rate=1e-6)
    full = Recipe(group_size=4, rate=1e-6, refill=True, groups=8)
    share = informative_share(bandit, start, 4)
    assert share == pytest.approx([1 - 0.1**4 - 0.9**4, 1 - 2 * 0.5**4])
    kept = share @ bandit.share
    a = expected_update(bandit, start, plain) - start
    b = expected_update(bandit, start, full) - start
    assert b == pytest.approx(a / kept, rel=1e-6)
    runs = train_sampled(bandit, start, full, 1, runs=4000)
    assert (runs.kept == 8).all()
    mean, error = mean_and_error(runs.drawn[0] / 8)
    assert abs(mean - 1 / kept) <= 4 * error


@pytest.mark.slow
def test_numbers_drawn_ahead_in_blocks_are_the_same_numbers(monkeypatch):
    recipe = Recipe(group_size=2, rate=0.3)
    whole = train_sampled(TWO, START, recipe, 5, runs=6)
    monkeypatch.setattr(sampled, "DICE", 8 * 6 * 3 * 2)  # two updates a block, the last has one
    parts = train_sampled(TWO, START, recipe, 5, runs=6)
    assert (whole.value == parts.value).all()
    assert (whole.drawn == parts.drawn).all()


@given(st.integers(0, 10_000), st.floats(-3, 3))
@settings(max_examples=20)
def test_logits_keep_their_sum_and_unsampled_ones_stay(seed, shift):
    """Full centred advantages: a logit whose answer was not drawn does not move."""
    rng = np.random.default_rng(seed)
    bandit = Bandit(np.array([1.0, 0, 0.5, 0, 0]))
    z = rng.standard_normal((1, 5)) + shift
    recipe = Recipe(PRESETS["grpo"], group_size=2, rate=0.7)
    _, after = outcomes(bandit, z, recipe)
    assert after.sum((-1, -2)) == pytest.approx(z.sum(), abs=1e-9)
    moved = (np.abs(after - z) > 1e-12).sum((-1, -2))
    assert moved.max() == 2


def test_negative_only_lifts_every_unsampled_logit():
    recipe = Recipe(built("estimator", "negative_only"), group_size=2, rate=1.0)
    z = np.array([[0.2, -0.3, 0.5]])
    _, after = outcomes(Bandit(np.array([1.0, 0, 0])), z, recipe)
    mixed = np.abs(after - z).max((-1, -2)) > 0
    assert mixed.any()
    change = np.sort((after - z)[mixed][:, 0], axis=-1)
    assert (change[:, 1:] > 0).all()  # all but the wrong answer drawn
    assert (change[:, 0] < 0).all()


def test_random_rewards_by_chance_and_shared_rows():
    noisy = Bandit(np.broadcast_to([0.0, 1.0], (1, 3, 2)), chance=np.full((1, 3, 2), 0.5))
    z = np.array([[0.1, 0.2, 0.3]])
    still = expected_update(noisy, z, Recipe(group_size=2, rate=1.0))
    assert still == pytest.approx(z, abs=1e-15)
    shared = Bandit(np.array([[1.0, 0], [0, 1.0]]), share=np.array([0.7, 0.3]), row=np.zeros(2))
    end = train_expected(shared, [[0.0, 0]], Recipe(rate=1.0), 400)[-1]
    assert shared.value(end) == pytest.approx(0.7, abs=0.01)


def test_a_penalty_pulls_to_the_reference():
    recipe = Recipe(objective=Sum((PolicyGradient("sum"), KlPenalty("sum", kind="k2", beta=5.0))),
                    rate=0.2)  # fmt: skip
    end = train_expected(COIN, [[2.0, 0]], recipe, 500, reference=[[0.0, 0]])[-1]
    assert COIN.policy(end)[0] == pytest.approx([0.5, 0.5], abs=0.06)


def test_per_answer_fields_reach_those_that_need_them():
    judged = Bandit(np.array([1.0, 0, 0]), fields={"judge": np.array([0.9, 0.5, 0.1])})
    recipe = Recipe(built("estimator", "trust_grpo"), group_size=3, rate=1.0)
    assert np.abs(expected_update(judged, np.zeros((1, 3)), recipe)).max() > 0
    with pytest.raises(KeyError, match="judge"):
        expected_update(Bandit(np.array([1.0, 0, 0])), np.zeros((1, 3)), recipe)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: Bandit(np.zeros((1, 2, 2))), "give their chance"),
        (lambda: Bandit(np.array([np.nan, 0])), "finite"),
        (lambda: Bandit(np.zeros((1, 2, 2)), chance=np.ones((1, 2, 2))), "not to 1"),
        (lambda: Bandit(np.zeros((2, 2)), row=np.array([0, 2])), "leave none"),
        (lambda: Bandit(np.zeros((2, 2)), share=np.array([1.0])), "one per prompt"),
        (lambda: Bandit(np.zeros(2), fields={"nonsense": np.zeros(2)}), "not registered"),
        (lambda: Bandit(np.zeros(2), correct=np.zeros(3)), "correct has shape"),
        (lambda: Recipe(inner=0), "inner=0"),
        (lambda: outcomes(COIN, [[0, 0]], Recipe(group_size=np.inf)), "no single groups"),
        (lambda: train_sampled(COIN, [[0, 0]], Recipe(group_size=np.inf), 1), "cannot be sampled"),
        (lambda: outcomes(Bandit(np.arange(40.0)), np.zeros((1, 40)), Recipe()), "kinds of groups"),
        (lambda: mean_over_runs(TWO, START, Recipe(), 1, np.asarray), "two answers"),
        (
            lambda: train_expected(COIN, [[0, 0]], Recipe(objective=built("objective", "drpo")), 1),
            "batch as a whole",
        ),
    ],
)
def test_what_cannot_be_is_refused(build, match):
    with pytest.raises((ValueError, KeyError), match=match):
        build()
