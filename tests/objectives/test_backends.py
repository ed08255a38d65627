"""Objectives that take more than advantages: one law book for every registered one.

The surrogate losses of card 00 have their own tests; these read rewards, outcomes, modes or
references, so each is given all fields and the same batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backends import arrays_of, default_for, stack, to_strict, to_torch
from toyrl import pytree, registry
from toyrl.objectives.outcome_cloning import Oreal
from toyrl.rollouts import Rollouts

pytestmark = pytest.mark.swept

B, G, T = 3, 4, 5
OBJECTIVES: dict[str, Any] = {
    e.name: default_for(e) for e in registry.entries("objective") if e.cards != ("00",)
}
OBJECTIVES |= {f"oreal, {w}": Oreal(weights=w) for w in ("token", "running", "top")}
NEEDS = ("ref_logprobs", "target_values", "credit_logit", "sampling_logprobs")


def case(seed: int) -> tuple[Rollouts, np.ndarray, np.ndarray, np.ndarray]:
    """(rollouts, advantages or rewards (B, G), logp, old_logp), ragged, every prompt mixed."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, T + 1, (B, G)).astype(float)
    mask = (np.arange(T) < length[..., None]) * 1.0
    mode = np.tile([0.0, 0.0, 1.0, 1.0], (B, 1))
    correct = np.tile([1.0, 0.0, 1.0, 0.0], (B, 1))
    old = -rng.exponential(1.0, (B, G, T)) - 0.05
    logp = np.minimum(old + 0.4 * rng.normal(size=old.shape), -0.01)
    fields = {n: np.minimum(old + 0.5 * rng.normal(size=old.shape), -0.01) for n in NEEDS}
    r = Rollouts(correct, length, float(T), mask=mask, fields=fields | {"mode": mode})
    return r, correct - 0.5 + 0.2 * rng.normal(size=(B, G)), logp, old


@pytest.fixture(params=OBJECTIVES)
def objective(request: pytest.FixtureRequest) -> Any:
    return OBJECTIVES[request.param]


def test_something_is_pushed_and_nothing_off_the_mask(objective: Any):
    r, a, logp, old = case(0)
    c = objective.coefficients(a, r, logp, old)
    assert c.shape == (B, G, T)
    assert np.abs(c).max() > 1e-4
    assert np.all(c[np.asarray(r.mask) == 0] == 0)


def test_padding_says_nothing(objective: Any):
    """Whatever stands off the mask, NaN included."""
    r, a, logp, old = case(1)
    on = np.asarray(r.mask) > 0
    other = r.with_(**{n: np.where(on, r.fields[n], np.nan) for n in NEEDS})
    got = objective.coefficients(a, other, np.where(on, logp, 7.0), np.where(on, old, -9.0))
    np.testing.assert_array_equal(got, objective.coefficients(a, r, logp, old))


def test_absent_rows_say_nothing(objective: Any):
    r, a, logp, old = case(2)
    weight = np.ones((B, G))
    weight[1, 3] = 0.0
    want = objective.coefficients(a, r.with_(weight=weight), logp, old)
    a[1, 3], logp[1, 3] = 9.0, -3.0
    got = objective.coefficients(a, r.with_(weight=weight), logp, old)
    np.testing.assert_allclose(got, want, atol=1e-14)
    assert np.all(got[1, 3] == 0)


def test_order_of_the_group(objective: Any):
    r, a, logp, old = case(3)
    order = [2, 0, 3, 1]
    mixed = Rollouts(
        r.correct[:, order],
        r.length[:, order],
        r.max_length,
        mask=np.asarray(r.mask)[:, order],
        fields={k: v[:, order] for k, v in r.fields.items()},
    )
    want = objective.coefficients(a, r, logp, old)[:, order]
    got = objective.coefficients(a[:, order], mixed, logp[:, order], old[:, order])
    np.testing.assert_allclose(got, want, atol=1e-14)


def test_an_empty_batch(objective: Any):
    r, a, logp, old = case(4)
    r = r.with_(mask=np.zeros((B, G, T)), length=np.zeros((B, G)))
    assert np.all(objective.coefficients(a, r, logp, old) == 0)


def test_leading_axes(objective: Any):
    """Coefficients of a stack of batches are the stack of coefficients."""
    rollouts, *numbers = zip(*(case(seed) for seed in (5, 6)), strict=True)
    args = [np.stack(x) for x in numbers]
    got = objective.coefficients(args[0], stack(list(rollouts)), *args[1:])
    for k, r in enumerate(rollouts):
        want = objective.coefficients(args[0][k], r, args[1][k], args[2][k])
        np.testing.assert_allclose(got[k], want, atol=1e-14)


@pytest.mark.parametrize("convert", [to_torch, to_strict])
def test_eager_backends(objective: Any, convert: Any):
    r, a, logp, old = case(7)
    other = convert(r)
    args = [other.xp.asarray(x) for x in (a, logp, old)]
    got = objective.coefficients(args[0], other, *args[1:])
    np.testing.assert_allclose(
        np.asarray(got), objective.coefficients(a, r, logp, old), rtol=1e-9, atol=1e-13
    )


def test_jax(objective: Any):
    import jax

    r, a, logp, old = case(8)
    with jax.enable_x64(True):
        pytree.activate()
        run = jax.jit(lambda a, r, new, was: objective.coefficients(a, r, new, was))
        got = np.asarray(run(a, arrays_of(r, jax.numpy.asarray), logp, old))
    np.testing.assert_allclose(got, objective.coefficients(a, r, logp, old), rtol=1e-9, atol=1e-13)


def test_float32_stays_float32(objective: Any):
    r, a, logp, old = case(9)
    narrow = arrays_of(r, lambda x: x.astype(np.float32))
    args = [x.astype(np.float32) for x in (a, logp, old)]
    assert objective.coefficients(args[0], narrow, *args[1:]).dtype == np.float32
