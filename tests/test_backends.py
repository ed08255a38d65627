"""One property suite over every registered shaper and estimator, on four array libraries.

NumPy is the reference. The laws are those of `toyrl.testing`; here they are tried on every entry
of the catalogue, so a new shaper is tested by being registered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends import (
    arrays_of,
    cases_for,
    default_for,
    fixed_shape,
    reads,
    stack,
    to_numpy,
    to_strict,
    to_torch,
)
from toyrl import pytree, registry
from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.rollouts.memory import Store
from toyrl.shapers.base import Shaper
from toyrl.testing import CONTRACT, affine_difference, arrays, rewards, rollouts
from toyrl.testing.check import search

pytestmark = pytest.mark.swept

SHAPERS = {e.name: e for e in registry.entries("shaper")}
ESTIMATORS = {e.name: e for e in registry.entries("estimator")}
CASES = 30  # of the laws, for each shaper; `toyrl.testing` and each shaper's own tests try more
SAME = 1.0  # arrays.difference counts in units of its tolerance


@pytest.fixture(params=SHAPERS)
def shaper(request: pytest.FixtureRequest) -> Shaper:
    return default_for(SHAPERS[request.param])


@pytest.fixture(params=ESTIMATORS)
def estimator(request: pytest.FixtureRequest) -> Any:
    return default_for(ESTIMATORS[request.param])


def whole_weights(r: Rollouts) -> bool:
    """Weights are counts of rollouts."""
    return r.group_size is None and bool(np.all(r.w == np.floor(r.w)))


# -- shapers -------------------------------------------------------------------------------------
def test_contract(shaper: Shaper) -> None:
    """Finite, repeatable, additive, permutable, paddable, NaN-safe, within scope."""
    for case in cases_for(reads(shaper), min(CASES, settings().max_examples)):
        for law in CONTRACT:
            if not law.applies(shaper):
                continue
            if law.weights == "multiplicity" and not whole_weights(case.rollouts):
                continue
            if law.law(shaper, case) is not None:
                shrunk = search(law, shaper)
                pytest.fail(str(shrunk) if not shrunk.holds else f"{law.name}: {case}")


def test_leading_axes(shaper: Shaper) -> None:
    """Rewards of a stack are the stack of rewards."""
    examples = fixed_shape(reads(shaper))
    whole = shaper.apply(stack(examples)).parts
    for i, r in enumerate(examples):
        gap = arrays.part_difference(shaper.apply(r).parts, {k: v[i] for k, v in whole.items()})
        assert gap <= SAME


@pytest.mark.parametrize("convert", [to_torch, to_strict])
def test_eager_backends_equal_numpy(shaper: Shaper, convert: Any) -> None:
    for r in fixed_shape(reads(shaper)):
        want, got = shaper.apply(r), shaper.apply(convert(r))
        assert arrays.part_difference(want.parts, to_numpy(got.parts)) <= SAME
        assert arrays.part_difference(want.memory, to_numpy(got.memory)) <= SAME


def test_jax_equals_numpy(shaper: Shaper) -> None:
    """Under jit with rollouts and shaper as arguments: their numbers are traced too; x64."""
    import jax

    examples = fixed_shape(reads(shaper))
    with jax.enable_x64(True):
        pytree.activate()
        batch = arrays_of(stack(examples), jax.numpy.asarray)
        got = jax.jit(lambda r, reward: reward.apply(r))(batch, shaper)
    for i, r in enumerate(examples):
        want = shaper.apply(r)
        for a, b in ((want.parts, got.parts), (want.memory, got.memory)):
            assert arrays.part_difference(a, {k: np.asarray(v[i]) for k, v in b.items()}) <= SAME


def test_float32_stays_float32(shaper: Shaper) -> None:
    """Rewards have the dtype of the rollouts; nothing is widened or narrowed on the way."""
    r = fixed_shape(reads(shaper))[-1]
    narrow = arrays_of(r, lambda x: x.astype(np.float32) if x.dtype == np.float64 else x)
    for batch in (narrow, to_torch(narrow)):
        for value in shaper.apply(batch).parts.values():
            assert str(value.dtype).removeprefix("torch.") == "float32"


def test_vmap_over_numbers(shaper: Shaper) -> None:
    """Every float of a shaper is a leaf: one vmap gives the rewards of three weights at once."""
    import jax

    r = fixed_shape(reads(shaper))[-1]
    factors = np.array([0.5, 0.75, 1.0])

    def scaled(t: Any) -> Shaper:
        return jax.tree_util.tree_map(lambda x: x * t if isinstance(x, float) else x, shaper)

    with jax.enable_x64(True):
        pytree.activate()
        on_jax = arrays_of(r, jax.numpy.asarray)
        got = jax.jit(jax.vmap(lambda t: scaled(t).apply(on_jax).parts))(factors)
        for i, t in enumerate(factors.tolist()):
            want = scaled(t).apply(r).parts
            here = {k: np.asarray(v[i]) for k, v in got.items()}
            assert arrays.part_difference(to_numpy(want), here) <= SAME


def test_memory_round_trip(shaper: Shaper) -> None:
    """What a visit adds to a store survives JSON, and the store is gathered per prompt."""
    store, r = Store.of(shaper), fixed_shape(reads(shaper))[-1]
    prompts = ["a", "b"]
    state = store.gather(prompts)
    store.merge(prompts, shaper.apply(r, state))
    again = Store.from_json(store.to_json())
    assert again.to_json() == store.to_json()
    for name, value in store.gather(prompts).items():
        assert np.array_equal(again.gather(prompts)[name], value, equal_nan=True)
        assert value.shape == (2, 1)
    assert set(store.slots) == {m.name for m in shaper.all_memory()}


# -- estimators ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Batch:
    """Rollouts with two reward parts."""

    r: Rollouts
    parts: dict[str, np.ndarray]


def batches(estimator: Any, n: int = 60) -> list[Batch]:
    """Parts on a grid, made of the drawn rollouts: ties are common."""
    out = []
    for case in cases_for(tuple(sorted({"correct", "length", *estimator.needs})), n):
        out.append(with_parts(case.rollouts))
    return out


def with_parts(r: Rollouts) -> Batch:
    return Batch(r, {"a": r.correct, "b": -0.25 * np.round(r.length / 2)})


def advantages(estimator: Any, b: Batch) -> np.ndarray:
    return np.asarray(estimator.apply(b.parts, b.r)[0])


def test_estimator_order_of_group(estimator: Any) -> None:
    for b in batches(estimator):
        order = list(range(b.r.shape[1]))[::-1]
        mixed = Batch(arrays.take(b.r, order), {k: v[:, order] for k, v in b.parts.items()})
        gap = arrays.difference(advantages(estimator, b)[:, order], advantages(estimator, mixed))
        assert gap <= SAME


def test_estimator_padding_and_nan(estimator: Any) -> None:
    """A row of weight 0 and a row of NaN reward are both absent: advantage 0, others unmoved."""
    for b in batches(estimator):
        n = b.r.shape[1]
        wide = arrays.padded(b.r, [0], length=float(b.r.max_length))
        parts = {k: np.concatenate([v, v[:, :1] + 5.0], axis=1) for k, v in b.parts.items()}
        got = advantages(estimator, Batch(wide, parts))
        assert arrays.difference(got[:, :n], advantages(estimator, b)) <= SAME
        assert np.all(got[:, n:] == 0)

        broken = {k: v.copy() for k, v in b.parts.items()}
        broken["a"][0, 0] = np.nan
        gone = advantages(estimator, Batch(arrays.without(b.r, (0, 0)), b.parts))
        got = advantages(estimator, Batch(b.r, broken))
        assert np.all(got[0, 0] == 0)
        assert arrays.difference(got, gone) <= SAME


def test_estimator_multiplicity(estimator: Any) -> None:
    """Weight n gives the same advantages as n rows."""
    for b in batches(estimator):
        if not whole_weights(b.r):
            continue
        spelled, origin = arrays.repeated(b.r)
        want, got = advantages(estimator, b), advantages(estimator, with_parts(spelled))
        for row, rows in enumerate(origin):
            assert arrays.difference(want[row, rows], got[row, : len(rows)]) <= SAME


@pytest.mark.parametrize("convert", [to_torch, to_strict])
def test_estimator_eager_backends(estimator: Any, convert: Any) -> None:
    for r in fixed_shape(tuple(sorted({"correct", "length", *estimator.needs}))):
        b, other = with_parts(r), convert(r)
        xp = other.xp
        parts = {k: xp.asarray(v) for k, v in b.parts.items()}
        got = np.asarray(estimator.apply(parts, other)[0])
        assert arrays.difference(advantages(estimator, b), got) <= SAME


@pytest.mark.parametrize("name", ["grpo_exact", "grpo_population"])
@given(data=st.data(), scale=st.integers(1, 8), shift=st.integers(-4, 4))
def test_affine_invariance(name: str, data: st.DataObject, scale: int, shift: int) -> None:
    r = data.draw(rollouts())
    reward = data.draw(rewards(r.shape))
    assert affine_difference(PRESETS[name], reward, r, scale=scale, shift=shift) <= SAME


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "rloo", "reinforce"])
def test_control_other_estimators_see_the_scale(name: str) -> None:
    """eps in the divisor, or no divisor: a reward of a thousandth of the size matters."""
    r = Rollouts(np.array([[1.0, 0.0, 0.0]]), np.ones((1, 3)), 4.0)
    assert affine_difference(PRESETS[name], r.correct, r, scale=1e-3, shift=0.0) > SAME


def test_estimator_jax(estimator: Any) -> None:
    import jax

    examples = fixed_shape(tuple(sorted({"correct", "length", *estimator.needs})))
    batch = stack(examples)
    parts = with_parts(batch).parts
    with jax.enable_x64(True):
        pytree.activate()
        batch = arrays_of(batch, jax.numpy.asarray)
        got = np.asarray(jax.jit(lambda own, r: estimator.apply(own, r)[0])(parts, batch))
    for i, r in enumerate(examples):
        assert arrays.difference(advantages(estimator, with_parts(r)), got[i]) <= SAME
