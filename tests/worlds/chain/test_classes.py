"""Differentiable class laws: JAX = NumPy reference = enumeration; gradients; counters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chains import STRUCTURES, any_structure, chains, class_law, enumerate_paths, logits
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.chain import forward
from toyrl.worlds.chain.classes import (
    ClassSpace,
    StateLimitError,
    class_probabilities,
    classes_for,
    probabilities,
    probabilities_and_gradient,
    refine,
)
from toyrl.worlds.chain.model import ACTIONS, COUNTERS, HELLO, HELLO_LOGITS, Chain

EPS = float(np.finfo(float).eps)
FULL = Chain(
    difficulties=(1, 3),
    shares=(0.4, 0.6),
    max_actions=4,
    actions=ACTIONS,
    slip=0.2,
    flag_noise=0.2,
)


@pytest.mark.slow
@given(chains(), st.integers(0, 1000))
def test_jax_is_the_numpy_reference(chain, seed):
    theta = logits(chain, seed)
    found = probabilities(chain, theta)
    assert found == pytest.approx(forward.class_probabilities(chain, theta), abs=200 * EPS)
    assert found.sum(-1) == pytest.approx(np.ones(2), abs=200 * EPS)


@pytest.mark.slow
@given(chains(any_structure()), st.integers(0, 1000))
@settings(max_examples=15)
def test_jax_is_the_numpy_reference_for_any_structure(chain, seed):
    theta = logits(chain, seed)
    found = probabilities(chain, theta)
    assert found == pytest.approx(forward.class_probabilities(chain, theta), abs=200 * EPS)


@pytest.fixture(scope="module")
def paths():
    theta = logits(FULL, 3)
    return theta, [enumerate_paths(FULL, theta, d) for d in FULL.difficulties]


COUNTED = [("fillers",), ("checks", "steps"), tuple(COUNTERS)]


@pytest.mark.parametrize("counters", COUNTED)
@pytest.mark.parametrize("cap", [2, 16])
def test_counters_are_those_of_the_enumeration(counters, cap, paths):
    theta, laws = paths
    space = ClassSpace(FULL, counters, cap)
    found = space.probabilities(theta)
    bins = min(cap, FULL.H)
    for b, law in enumerate(laws):
        wanted = class_law(FULL, law, counters, bins)
        assert found[b] == pytest.approx(wanted, abs=1e4 * EPS)
    assert space.exact == (cap >= FULL.H)


@pytest.mark.slow
@given(
    chains(st.just(STRUCTURES[3])), st.sampled_from([("fillers",), ("repeats", "steps")]),
    st.integers(0, 1000),
)  # fmt: skip
@settings(max_examples=25)
def test_counters_marginalise_to_the_plain_classes(chain, counters, seed):
    theta = logits(chain, seed)
    joint = probabilities(chain, theta, counters=counters, cap=2)
    plain = joint.reshape(2, chain.n_classes, -1).sum(-1)
    assert plain == pytest.approx(forward.class_probabilities(chain, theta), abs=200 * EPS)


def test_class_tables_hold_what_the_classes_mean():
    space = ClassSpace(HELLO.with_(max_actions=2), ("fillers", "checks"), 1)
    assert space.n_classes == 5 * 2  # this chain has no CHECK: its counter is always 0
    assert space.correct.tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert space.length.tolist() == [1, 1, 2, 2, 1, 1, 2, 2, 2, 2]
    assert space.counter("fillers").tolist() == [0, 1] * 5
    assert space.counter("checks").tolist() == [0] * 10
    r = space.rollouts(space.probabilities(HELLO.with_(max_actions=2).logits(**HELLO_LOGITS)))
    assert r.weight.sum() == pytest.approx(1, abs=8 * EPS)
    assert set(r.fields) == {"fillers", "checks", "answered"}
    with pytest.raises(KeyError, match="'repeats' is not carried"):
        space.counter("repeats")


def test_rollouts_agree_with_the_chains_own():
    theta = HELLO.logits(**HELLO_LOGITS)
    space = ClassSpace(HELLO)
    prob = space.probabilities(theta)
    one, two = space.rollouts(prob), HELLO.rollouts(prob)
    for name in ("correct", "length", "truncated", "weight"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


# -- derivatives ----------------------------------------------------------------------------------
def weights_for(space, seed):
    shape = (len(space.chain.difficulties), space.n_classes)
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("counters", [(), ("steps", "checks")])
def test_gradient_is_the_finite_difference(counters):
    theta = logits(FULL, 1)
    w = weights_for(ClassSpace(FULL, counters, 2), 2)
    prob, value, gradient = probabilities_and_gradient(FULL, theta, w, counters=counters, cap=2)
    assert value == pytest.approx((prob * w).sum(), abs=1e3 * EPS)
    h = 1e-5  # central difference: error h**2 |f'''| ~ 1e-10 + eps / h ~ 1e-11
    # Along ways that move every logit: a wrong entry is wrong along each of them.
    for way in np.random.default_rng(3).normal(size=(12, *theta.shape)):
        way /= np.linalg.norm(way)
        up = probabilities(FULL, theta + h * way, counters=counters, cap=2)
        down = probabilities(FULL, theta - h * way, counters=counters, cap=2)
        slope = ((up - down) * w).sum() / (2 * h)
        assert (gradient * way).sum() == pytest.approx(slope, abs=1e-8)
    assert np.abs(gradient).max() > 1e-3


def test_both_reverse_rules_and_forward_mode_agree():
    """The host entry's fused rule, the implicit rule of `class_probabilities`, and jvp."""
    theta = logits(FULL, 4)
    w = weights_for(ClassSpace(FULL), 5)
    _, _, fused = probabilities_and_gradient(FULL, theta, w)
    with jax.enable_x64(True):
        t = jnp.asarray(theta)

        @jax.jit
        def total(t):
            return jnp.sum(class_probabilities(FULL, t) * w)

        assert np.asarray(jax.grad(total)(t)) == pytest.approx(fused, abs=1e4 * EPS)
        way = np.random.default_rng(6).normal(size=theta.shape)
        _, slope = jax.jvp(total, (t,), (jnp.asarray(way),))
        assert float(slope) == pytest.approx((fused * way).sum(), abs=1e4 * EPS)


def test_scalar_may_be_a_function():
    theta = HELLO.logits(**HELLO_LOGITS)
    right = HELLO.class_correct()

    def log_success(prob):
        return jnp.sum(jnp.log(prob @ right))

    prob, value, gradient = probabilities_and_gradient(HELLO, theta, log_success)
    p = prob @ right
    assert value == pytest.approx(np.log(p).sum(), abs=1e3 * EPS)
    _, _, weighted = probabilities_and_gradient(HELLO, theta, right / p[:, None])
    assert gradient == pytest.approx(weighted, abs=1e4 * EPS)


def test_differentiable_in_the_chains_numbers():
    theta = logits(FULL, 7)
    w = weights_for(ClassSpace(FULL), 8)
    names = ("progress", "slip", "repair", "guess", "flag_noise")
    at, h = {n: getattr(FULL, n) for n in names}, 1e-5
    with jax.enable_x64(True):

        @jax.jit
        def total(numbers):
            return jnp.sum(class_probabilities(FULL, jnp.asarray(theta), numbers=numbers) * w)

        slopes = {n: float(v) for n, v in jax.grad(total)(at).items()}
        ones = dict.fromkeys(names, 1.0)
        assert float(jax.jvp(total, (at,), (ones,))[1]) == pytest.approx(
            sum(slopes.values()), abs=1e4 * EPS
        )
    for n in names:
        up = forward.class_probabilities(FULL.with_(**{n: at[n] + h}), theta)
        down = forward.class_probabilities(FULL.with_(**{n: at[n] - h}), theta)
        assert slopes[n] == pytest.approx(((up - down) * w).sum() / (2 * h), abs=1e-8)
        assert abs(slopes[n]) > 1e-4


def test_vmap_over_worlds_is_one_at_a_time():
    thetas = np.stack([logits(FULL, s) for s in range(3)])
    slips = np.array([0.0, 0.1, 0.4])
    with jax.enable_x64(True):
        found = jax.vmap(lambda t, s: class_probabilities(FULL, t, numbers={"slip": s}))(
            jnp.asarray(thetas), jnp.asarray(slips)
        )
    for i in range(3):
        wanted = forward.class_probabilities(FULL.with_(slip=float(slips[i])), thetas[i])
        assert np.asarray(found[i]) == pytest.approx(wanted, abs=200 * EPS)


def test_follows_the_dtype_it_is_given():
    found = class_probabilities(HELLO, jnp.zeros(HELLO.policy_shape, jnp.float32))
    assert found.dtype == jnp.float32
    wanted = forward.class_probabilities(HELLO, np.zeros(HELLO.policy_shape))
    # 40 steps of sums of 5 products in float32
    assert np.asarray(found) == pytest.approx(wanted, abs=200 * float(np.finfo(np.float32).eps))


# -- what a reward needs
class Padding(Outcome):
    needs = ("correct", "fillers", "length")


def test_classes_carry_only_what_the_shaper_reads():
    assert classes_for(FULL, Outcome()).counters == ()
    assert classes_for(FULL, Padding() + Outcome()).counters == ("fillers",)


def test_refine_doubles_until_the_answer_stands():
    chain = HELLO.with_(difficulties=(2,), shares=(1.0,), max_actions=64)
    theta = chain.logits(STEP=0.0, FILL=1.0, ANSWER=-3.0)

    def fillers(cap):
        space = ClassSpace(chain, ("fillers",), cap)
        return float((space.probabilities(theta) * space.counter("fillers")).sum())

    found = refine(fillers, start=4, limit=chain.H)
    exact = fillers(chain.H)
    assert found.cap in (32, 64)
    assert found.value == pytest.approx(exact, rel=0.01)
    assert abs(fillers(4) / exact - 1) > 0.2  # the start alone would have been wrong
    assert refine(lambda cap: 0.0 * cap).change == 0.0


def test_too_many_states_name_the_counters():
    chain = Chain(actions=ACTIONS, max_actions=64)
    with pytest.raises(StateLimitError, match=r"'steps', 'fillers', 'checks', 'repeats'.*cap 16"):
        probabilities(chain, chain.logits(), counters=tuple(COUNTERS))


def test_bad_arguments_are_named():
    theta = HELLO.logits()
    with pytest.raises(ValueError, match=r"\['words'\] unknown"):
        probabilities(HELLO, theta, counters=("words",))
    with pytest.raises(ValueError, match="cap=0"):
        probabilities(HELLO, theta, cap=0)
    with pytest.raises(ValueError, match=r"theta has shape \(3,\)"):
        probabilities(HELLO, np.zeros(3))
    with pytest.raises(ValueError, match="numbers="):
        class_probabilities(HELLO, jnp.asarray(theta), numbers={"speed": 1.0})


def test_benchmark_agrees_with_its_peer():
    from benchmarks.chain_classes import measure

    for cap in (0, 3):
        got = measure(HELLO.with_(difficulties=(3,), shares=(1.0,), max_actions=8), cap, 5)
        assert got["ours"][1] > 0
        assert got["plain scan"][1] > 0
