"""KL penalty and truncation mask in exact training: one update by another route, fixed points."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.exact import Batch, LossOptions
from toyrl.estimators.group import PRESETS
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.worlds.chain.edges import edge_table
from toyrl.worlds.chain.model import Chain

CHAINS = {
    "flag": Chain(max_actions=12, difficulties=(1, 3), shares=(0.3, 0.7), slip=0.1, flag_noise=0.2),
    "phases": Chain(
        max_actions=12,
        difficulties=(1, 3),
        shares=(0.3, 0.7),
        slip=0.1,
        actions=("STEP", "FILL", "CHECK", "REPEAT", "END_THINK", "ANSWER"),
    ),
    "plain": Chain(max_actions=12, difficulties=(1, 3), shares=(0.3, 0.7)),
}


def policies(chain: Chain):
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (2, *chain.policy_shape))


def expected_step(chain, theta, reference, aggregation, form):
    """Visits from the edge table times each row's KL gradient, in NumPy."""
    pi, ref = chain.policy(theta), chain.policy(reference)
    prob = exact.class_probabilities(Batch.of(chain), theta[None])[0]
    length = prob @ chain.class_length()
    pooled = np.dot(chain.shares, length)
    out = np.zeros_like(theta)
    for b, d in enumerate(chain.difficulties):
        zero = np.zeros(chain.n_classes)
        visits = edge_table(chain, theta, d, zero).occupancy.sum((0, 2))  # (phases, D+1, flags)
        scale = {"sum": 1.0, "dapo": 1 / pooled, "grpo": 1 / length[b], "dr_grpo": 1 / 12}
        row = np.moveaxis(visits, -1, 1)[..., None] * scale[aggregation] * chain.shares[b]
        if form == "reverse":
            gap = np.log(np.maximum(pi, 1e-300)) - np.log(np.maximum(ref, 1e-300))
            out += row * pi * (gap - (pi * gap).sum(-1, keepdims=True))
        else:
            out += row * (pi - ref)
    return out


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("aggregation", ["sum", "dapo", "grpo", "dr_grpo"])
@pytest.mark.parametrize("form", ["reverse", "forward"])
def test_one_update_of_the_kl_term_is_the_edge_tables(name, aggregation, form):
    chain = CHAINS[name]
    theta, reference = policies(chain)
    made = exact.train(
        Batch.of(chain),
        theta[None],
        np.zeros((1, 2, chain.n_classes)),
        updates=1,
        rate=1.0,
        estimator=PRESETS["dr_grpo"],
        objective=PolicyGradient(aggregation),
        loss=LossOptions(beta=0.25, kl=form, reference=reference[None]),
    )
    want = -0.25 * expected_step(chain, theta, reference, aggregation, form)
    assert made.theta[0] - theta == pytest.approx(want, abs=1e-12)


def test_weights_from_outside_see_the_same_term():
    chain = CHAINS["flag"]
    theta, reference = policies(chain)
    options = LossOptions(beta=0.25, reference=reference[None])
    made = exact.train_with_weights(
        Batch.of(chain),
        theta[None],
        lambda prob, _: np.zeros_like(prob),
        updates=1,
        refresh=1,
        rate=1.0,
        objective=PolicyGradient("dapo"),
        loss=options,
    )
    want = -0.25 * expected_step(chain, theta, reference, "dapo", "reverse")
    assert made.theta[0] - theta == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("form", ["reverse", "forward"])
def test_without_reward_the_penalty_leads_home(form):
    chain = CHAINS["plain"]
    theta, reference = 0.5 * policies(chain)
    made = exact.train(
        Batch.of(chain),
        theta[None],
        np.zeros((1, 2, chain.n_classes)),
        updates=6000,
        rate=1.0,
        estimator=PRESETS["dr_grpo"],
        objective=PolicyGradient("sum"),
        loss=LossOptions(beta=1.0, kl=form, reference=reference[None]),
        tolerance=0.0,
    )
    home = exact.class_probabilities(Batch.of(chain), reference[None])
    assert made.prob == pytest.approx(home, abs=1e-4)


def test_a_penalty_keeps_the_policy_near_its_start():
    chain = CHAINS["flag"]
    theta = 0.5 * policies(chain)[:1]
    reward = np.broadcast_to(chain.class_correct(), (1, 2, chain.n_classes))

    def moved(beta):
        made = exact.train(
            Batch.of(chain),
            theta,
            reward,
            updates=300,
            estimator=PRESETS["grpo_exact"],
            objective=PolicyGradient("sum"),
            loss=LossOptions(beta=beta),
        )
        return np.abs(made.prob - exact.class_probabilities(Batch.of(chain), theta)).sum()

    assert moved(0.0) > moved(0.1) > moved(10.0) > 0


def test_masked_truncation_is_never_pushed():
    """With a reward that punishes truncation alone, the masked run has nothing to learn from it."""
    chain = CHAINS["plain"]
    theta = 0.2 * policies(chain)[:1]
    reward = -np.broadcast_to(chain.class_truncated() * 1.0, (1, 2, chain.n_classes))
    settings = {
        "updates": 1,
        "rate": 1.0,
        "estimator": PRESETS["dr_grpo"],
        "objective": PolicyGradient("sum"),
    }
    plain = exact.train(Batch.of(chain), theta, reward, **settings)
    masked = exact.train(
        Batch.of(chain), theta, reward, loss=LossOptions(mask_truncated=True), **settings
    )
    start = exact.class_probabilities(Batch.of(chain), theta)
    share = np.array(chain.shares)[:, None]
    w = reward[0] - (start[0] * reward[0]).sum(-1, keepdims=True)
    w = w * (1 - chain.class_truncated())
    want = exact.update_direction(Batch.of(chain), theta, w[None])
    assert masked.theta - theta == pytest.approx(want, abs=1e-12)
    assert np.abs(plain.theta - masked.theta).max() > 1e-3
    assert share.sum() == pytest.approx(1)


@pytest.mark.parametrize(("bad", "said"), [({"kl": "k4"}, "kl='k4'"), ({"beta": -1.0}, "beta=-1")])
def test_bad_options_are_named(bad, said):
    with pytest.raises(ValueError, match=said):
        LossOptions(**bad)
