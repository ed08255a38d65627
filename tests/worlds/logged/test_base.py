"""A log as a base policy, how far it carries, and how its groups are drawn again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import parse, parse_estimator
from toyrl.rollouts import Rollouts
from toyrl.theory import policies
from toyrl.worlds.logged.base import base_of, form, moved, nats, support
from toyrl.worlds.logged.reach import HALF, reach
from toyrl.worlds.logged.redraw import drawn, times
from toyrl.worlds.logged.training import Plan


def ragged() -> Rollouts:
    return Rollouts.from_lists(
        [[1, 0, 1], [1], [0, 0]], [[10, 20, 30], [5], [7, 9]], max_length=30.0
    )


def test_features_are_centred_and_measured_within_prompts():
    r = ragged()
    base = base_of(r, {"length": np.log(np.maximum(r.length, 1)), "flat": np.ones(r.shape)})
    assert base.names == ("length",)
    assert base.flat == ("flat",)
    np.testing.assert_allclose((base.share * base.features[..., 0]).sum(-1), 0, atol=1e-12)
    first = [np.log([10, 20, 30]).std(), 0.0, np.log([7, 9]).std()]
    assert base.units["length"] == pytest.approx(np.sqrt(np.mean(np.square(first))))
    assert (base.share[0] > 0).sum() == 6


def test_what_is_no_log_is_refused():
    r = ragged()
    with pytest.raises(ValueError, match="feature 'x' has the shape"):
        base_of(r, {"x": np.ones(3)})
    with pytest.raises(ValueError, match="not empty"):
        base_of(Rollouts(r.correct[None], r.length[None], 30.0), {})


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.integers(1, 4))
def test_moved_policies_by_the_theorems_of_softmax_and_kl(z, absent):
    share = np.ones(len(z) + absent)
    share[len(z) :] = 0
    share /= share.sum()
    prob, ratio = moved(share[None], np.array([[*z, *[9.0] * absent]]))
    there = policies.softmax(np.array(z))
    np.testing.assert_allclose(prob[0, : len(z)], there, rtol=1e-9)
    assert np.all(prob[0, len(z) :] == 0)
    assert nats(prob, ratio) == pytest.approx(policies.kl(there, share[: len(z)]), abs=1e-9)
    assert nats(prob, ratio) <= np.log(len(z)) + 1e-9  # n rollouts carry log n nats
    assert 1 / len(z) - 1e-9 <= support(prob, share[None]) <= 1 + 1e-9


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_groups_hold_each_rollout_as_often_as_it_is_likely(seed, group):
    rng = np.random.default_rng(seed)
    prob = rng.dirichlet(np.ones(5), (1, 3))
    many = 400
    found = drawn(prob, float(group), many, rng)
    assert np.all(found == np.rint(found))
    np.testing.assert_array_equal(found.sum(-1), group)
    np.testing.assert_allclose(found.mean(0), group * prob, atol=1.5 / many + 1e-9)
    assert np.all(np.abs(found - group * prob) < 1)  # down or up to the next whole number


def test_a_group_in_proportion_is_the_log_itself():
    offset = np.linspace(1e-6, 1 - 1e-6, 50)[:, None]
    for n in range(1, 40):
        assert np.all(times(np.full((1, n), 1 / n), float(n), offset) == 1), n


def test_a_log_of_a_known_law_is_believed_while_it_is_near_it():
    """Log lengths of a normal law, tilted by length: at the end the log has moved a tenth too
    little, as `reach` says, and the law has gone sqrt(2 nats) standard deviations."""
    rng = np.random.default_rng(0)
    length = np.exp(6 + 0.3 * rng.standard_normal((4000, 8)))
    r = Rollouts(np.ones(length.shape), length, 1e6)
    paid = parse("-1.0*linear_length()")
    found = reach(base_of(r, {"length": np.log(length)}), paid, parse_estimator("dr_grpo"),
                  Plan(tilt=0.0, groups="whole"), draws=8)  # fmt: skip
    law = np.sqrt(2 * found.nats[1:]) * 0.3
    # mean log length against the log of the mean: the variance that tilting takes away is second
    short = -found.change["length"][1:] / law
    assert not found.stopped
    assert 0.3 < found.end < 0.7
    assert np.all((short > 0.85) & (short < 1.0))
    assert found.theta["length"] < 0


def test_bands_cover_what_other_prompts_would_have_said():
    """Of 20 logs of one law, the band of each against the mean path of all: 90 % of them."""
    rng = np.random.default_rng(1)
    paid, judged, there = parse("outcome()"), parse_estimator("grpo"), []
    for _ in range(20):
        p = rng.beta(0.6, 0.6, (30, 1))
        right = (rng.random((30, 6)) < p) * 1.0
        length = np.exp(5 + 0.3 * rng.standard_normal((30, 6)) - 0.2 * right)
        base = base_of(Rollouts(right, length, 1e4), {"length": np.log(length)})
        found = reach(base, paid, judged, Plan(steps=10, groups="whole"), draws=32)
        at = [np.interp(0.1, found.nats, x["accuracy"])
              for x in (found.change, found.low, found.high)]  # fmt: skip
        there.append(at)
    mid = np.mean([x[0] for x in there])
    hits = sum(low <= mid <= high for _, low, high in there)
    # binomial(20, 0.9): below 14 in one of 400; a band of a third of the width would hold 8
    assert hits >= 14


def test_a_large_log_is_resampled_in_part_and_its_band_shrunk():
    rng = np.random.default_rng(2)
    right = (rng.random((2000, 4)) < rng.beta(0.6, 0.6, (2000, 1))) * 1.0
    length = np.exp(5 + 0.3 * rng.standard_normal((2000, 4)) - 0.2 * right)

    def width(prompts: int) -> float:
        base = base_of(Rollouts(right[:prompts], length[:prompts], 1e4), {"right": right[:prompts]})
        found = reach(
            base, parse("outcome()"), parse_estimator("grpo"), Plan(steps=5, groups="whole")
        )
        return float((found.high["accuracy"] - found.low["accuracy"])[-1])

    # sqrt(8) narrower from 250 to 2000 prompts; each width from 48 draws is known to a fifth
    assert width(250) / width(2000) == pytest.approx(np.sqrt(8), rel=0.5)


def test_a_log_without_signal_has_no_path():
    r = Rollouts(np.ones((6, 4)), np.full((6, 4), 9.0), 30.0)
    found = reach(base_of(r, {}), parse("outcome()"), parse_estimator("grpo"))
    assert found.end == 0
    assert found.stopped
    assert np.all(found.change["accuracy"] == 0)
    assert np.all(found.high["accuracy"] == 0)


def test_the_end_is_where_half_of_the_sample_is_left():
    rng = np.random.default_rng(3)
    right = (rng.random((100, 8)) < 0.2) * 1.0
    r = Rollouts(right, np.full(right.shape, 9.0), 30.0)
    found = reach(base_of(r, {}), parse("outcome()"), parse_estimator("reinforce"),
                  Plan(tilt=0.0, groups="whole"))  # fmt: skip
    z = np.linspace(0, 6, 3001)[:, None, None] * right  # the tilted path, by hand
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    left = (1 / (p**2).sum(-1) / 8).mean(-1)
    at = int(np.flatnonzero(left < HALF)[0])
    assert found.end == pytest.approx((p[at] * np.log(p[at] * 8)).sum(-1).mean(), rel=0.02)


def test_form_is_the_first_that_is_known():
    cut = np.array([[True, False]])
    r = Rollouts(np.ones((1, 2)), np.ones((1, 2)), 9.0, cut)
    np.testing.assert_array_equal(form(r), [[0.0, 1.0]])
    answered = r.with_(answered=np.array([[1.0, 0.0]]))
    np.testing.assert_array_equal(form(answered), [[1.0, 0.0]])
    np.testing.assert_array_equal(form(answered.with_(format=np.zeros((1, 2)))), [[0.0, 0.0]])
