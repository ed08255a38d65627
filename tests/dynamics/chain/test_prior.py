"""The prior of worlds: its draws lie in the ranges and base policies do what was asked."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.dynamics.chain.exact import class_probabilities
from toyrl.dynamics.chain.prior import PriorRanges, prior
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.worlds.chain.forward import class_probabilities as reference_probabilities
from toyrl.worlds.chain.model import Chain

CHAIN = Chain(max_actions=40, tokens_per_action=12.8, flag_noise=0.1)
RANGES = PriorRanges()


@pytest.fixture(scope="module")
def worlds():
    return prior(CHAIN, 64, typical_length=150)


def test_parameters_lie_in_their_ranges_and_fill_them(worlds):
    p = worlds.parameters
    for name, span in {
        "share of easy prompts": RANGES.easy_share,
        "done-flag noise": RANGES.flag_noise,
        "slip": RANGES.slip,
        "guessing rate": RANGES.guess,
        "progress per step": RANGES.progress,
    }.items():
        x = p[name]
        assert (x >= span[0]).all()
        assert (x <= span[1]).all()
        # 64 Sobol points: every quarter of a range holds exactly 16
        share = (x - span[0]) / (span[1] - span[0])
        assert np.histogram(share, 4, (0, 1))[0].tolist() == [16] * 4
    assert (p["easy difficulty"] < p["hard difficulty"]).all()
    assert set(p["updates T"]) == set(RANGES.updates)


def test_base_policies_reach_their_targets(worlds):
    """Most of them: some pairs of success and length no policy of this form has."""
    asked = prior(CHAIN, 64, typical_length=150, success_rates=(0.3,))
    near = np.abs(asked.success - 0.3) < 0.01
    assert near.mean() > 0.7
    assert np.median(worlds.length) == pytest.approx(150 * 1.1, rel=0.1)


def test_reported_success_is_the_policys_by_another_route(worlds):
    for i in (0, 17, 40):
        b = worlds.batch
        one = CHAIN.with_(
            difficulties=tuple(int(d) for d in b.difficulties[i]),
            shares=tuple(b.shares[i]),
            depth=RANGES.depth,
            progress=float(b.progress[i]),
            slip=float(b.slip[i]),
            guess=float(b.guess[i]),
            flag_noise=float(b.flag_noise[i]),
        )
        prob = reference_probabilities(one, worlds.theta[i])
        assert (prob @ one.class_correct() * b.shares[i]).sum() == pytest.approx(worlds.success[i])
        assert (prob @ one.class_length() * b.shares[i]).sum() == pytest.approx(worlds.length[i])


def test_draws_repeat_with_the_seed_and_change_with_it(worlds):
    again, other = (prior(CHAIN, 64, typical_length=150, seed=s) for s in (0, 1))
    assert (again.theta == worlds.theta).all()
    assert not (other.batch.slip == worlds.batch.slip).any()


def test_taking_some_worlds_takes_all_their_parts(worlds):
    some = worlds.take(np.array([5, 2]))
    assert len(some) == 2
    for name, values in some.parameters.items():
        assert (values == worlds.parameters[name][[5, 2]]).all()
    assert class_probabilities(some.batch, some.theta) == pytest.approx(
        class_probabilities(worlds.batch, worlds.theta)[[5, 2]]
    )


def test_reference_lengths_make_first_updates_comparable(worlds):
    assert (worlds.reference_length(PolicyGradient("sum")) == 1).all()
    assert (worlds.reference_length(PolicyGradient("dr_grpo")) == CHAIN.max_length).all()
    assert (worlds.reference_length(PolicyGradient("dapo")) == worlds.length).all()


def test_a_narrowed_prior_says_so():
    ranges = PriorRanges(easy_share=(0.8, 0.9))
    few = prior(CHAIN, 16, typical_length=150, ranges=ranges)
    assert (few.batch.shares[:, 0] >= 0.8).all()
    assert ranges.describe()["share of easy prompts"] == "0.8 to 0.9"
