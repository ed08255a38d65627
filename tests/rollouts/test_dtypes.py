"""Halves, whole numbers, and arrays that are refused: everything registered, NumPy, JAX, torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.backends import arrays_of
from tests.rollouts.test_entrance import THINGS, B, G, T, answers, batch, fields_read
from toyrl import pytree
from toyrl.dtypes import as_floats, common_half, half, library
from toyrl.expressions import parse_estimator
from toyrl.rollouts import Rollouts

pytestmark = pytest.mark.swept

EPS = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24}
LONG = 72_000.0  # a completion limit above float16's range


@pytest.fixture(params=THINGS)
def thing(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return THINGS[request.param]


def grid(it: Any, seed: int = 0) -> tuple[Rollouts, dict[str, np.ndarray]]:
    """Numbers that every half dtype holds exactly, so that rounding is only what happens inside;
    of fields those that `it` says it reads.
    """
    r, n = batch(seed)
    r = fields_read(it, r)
    nice = lambda x: x if x.dtype == bool else np.round(x * 16) / 16  # noqa: E731
    r = arrays_of(r, nice)
    length = r.length * 16 + 128  # a sum of them is above 256, bfloat16's whole numbers
    r = replace(r, length=length, max_length=LONG)
    return r, {k: nice(v) for k, v in n.items()}


def in_dtype(name: str, convert: Any, r: Rollouts, n: dict[str, np.ndarray]) -> Any:
    cast = lambda x: convert(x, None if x.dtype == bool else name)  # noqa: E731
    return arrays_of(r, cast), {k: cast(v) for k, v in n.items()}


def torch_of(x: np.ndarray, name: str | None) -> Any:
    import torch

    return torch.tensor(x, dtype=getattr(torch, name) if name else None)


def jax_of(x: np.ndarray, name: str | None) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(x, dtype=name)


def numpy_of(x: np.ndarray, name: str | None) -> Any:
    return x if name is None else x.astype(name)


def as_numbers(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        return value.double().numpy()
    return np.asarray(value).astype(np.float64)


def agrees(got: Any, exact: np.ndarray, single: np.ndarray, name: str, said: str) -> None:
    """Within one rounding to the dtype, and what float32 itself is off, of the float64 answer."""
    off = np.abs(as_numbers(got) - exact)
    size = np.maximum(np.abs(exact), 6.2e-5)  # below float16's least normal number it has less
    room = EPS[name] * size + 2 * np.abs(single - exact) + 64 * EPS["float32"] * (1 + size)
    assert np.all(off <= room), f"{said}: off by {np.max(off / size):.3g}"


CONVERT = [("float16", numpy_of), ("float16", torch_of), ("bfloat16", torch_of)]


@pytest.mark.parametrize(("name", "convert"), CONVERT)
def test_halves_are_as_good_as_their_rounding(thing: tuple[str, Any], name: str, convert: Any):
    kind, it = thing
    r, n = grid(it)
    exact = answers(kind, it, r, n)
    single = answers(kind, it, *in_dtype("float32", numpy_of, r, n))
    for key, value in answers(kind, it, *in_dtype(name, convert, r, n)).items():
        assert str(value.dtype).endswith("float32" if key == "loss" else name), key
        agrees(value, exact[key], as_numbers(single[key]), name, key)


def test_halves_in_jax(thing: tuple[str, Any]):
    """Step by step: operations of one shape are compiled once for all."""
    kind, it = thing
    r, n = grid(it)
    exact = answers(kind, it, r, n)
    single = answers(kind, it, *in_dtype("float32", numpy_of, r, n))
    pytree.activate()
    for key, value in answers(kind, it, *in_dtype("bfloat16", jax_of, r, n)).items():
        assert str(value.dtype) == ("float32" if key == "loss" else "bfloat16"), key
        agrees(value, exact[key], as_numbers(single[key]), "bfloat16", key)


@pytest.mark.parametrize("convert", [numpy_of, torch_of, jax_of])
def test_whole_numbers_are_floats(convert: Any):
    """A batch of whole numbers gives what the same floats give, in the default dtype."""
    r = Rollouts(
        convert(np.array([[1, 0, 1]]), "int64" if convert is not jax_of else "int32"),
        convert(np.array([[5, 9, 300]]), "int32"),
        512.0,
        weight=convert(np.array([[2, 1, 1]]), "int32"),
        mask=convert(np.ones((1, 3, 2), dtype=bool), None),
        fields={"entropy": convert(np.ones((1, 3, 2)), "int32")},
    )
    kinds = {str(x.dtype) for x in (r.correct, r.length, r.weight, r.mask, *r.fields.values())}
    assert len(kinds) == 1
    assert kinds.pop().removeprefix("torch.") in ("float32", "float64")
    part = {"reward": convert(np.array([[1, 0, 3]]), "int32")}
    got = parse_estimator("reinforce_plus_plus_baseline").apply(part, r)[0]
    plain = Rollouts(np.array([[1.0, 0, 1]]), np.array([[5.0, 9, 300]]), 512.0,
                     weight=np.array([[2.0, 1, 1]]))  # fmt: skip
    want = parse_estimator("reinforce_plus_plus_baseline").apply(
        {"reward": np.array([[1.0, 0, 3]])}, plain
    )[0]
    np.testing.assert_allclose(as_numbers(got), want, rtol=1e-6)


def test_float32_correct_keeps_whole_numbers_float32_and_halves_get_the_default():
    single = np.ones((1, 2), dtype=np.float32)
    whole = np.ones((1, 2), dtype=np.int64)
    assert Rollouts(single, whole, 4.0).length.dtype == np.float32
    assert Rollouts(single.astype(np.float16), whole, 4.0).length.dtype == np.float64


def test_what_is_given_wider_stays_wider():
    e = parse_estimator("grpo")
    r = Rollouts(np.ones((1, 2), dtype=np.float16), np.ones((1, 2)), 4.0)
    out = e.apply({"reward": np.array([[1.0, 0.0]], dtype=np.float32)}, r)[0]
    assert out.dtype == np.float64 or out.dtype == np.float32


BAD = {
    "masked": (np.ma.masked_array(np.ones((B, G)), mask=np.eye(B, G) > 0), "is a masked array"),
    "object": (np.ones((B, G), dtype=object), "has dtype object; give real numbers"),
    "complex": (np.ones((B, G), dtype=complex), "has dtype complex128"),
    "text": (np.full((B, G), "1"), "has dtype <U1"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_holds_no_real_numbers_is_refused_where_it_comes_in(name: str):
    value, said = BAD[name]
    good = np.ones((B, G))
    for own in ("correct", "length", "weight", "truncated"):
        given = {"correct": good, "length": good} | {own: value}
        with pytest.raises(TypeError, match=f"^{own} {said}"):
            Rollouts(max_length=4.0, **given)
    with pytest.raises(TypeError, match=rf"^fields\['judge'\] {said}"):
        Rollouts(good, good, 4.0, fields={"judge": value})


@pytest.mark.parametrize("name", BAD)
def test_what_holds_no_real_numbers_is_refused_as_a_reward(thing: tuple[str, Any], name: str):
    kind, it = thing
    if kind == "shaper":
        return
    r, n = batch()
    with pytest.raises(TypeError, match=BAD[name][1]) as caught:
        answers(kind, it, r, n | {"reward": BAD[name][0]})
    assert repr(it) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_libraries_are_not_mixed():
    import jax.numpy as jnp
    import torch

    good = np.ones((1, 2))
    for other, name in ((torch.ones((1, 2)), "torch"), (jnp.ones((1, 2)), "JAX")):
        with pytest.raises(TypeError, match=f"length is of {name}, but correct is of NumPy"):
            Rollouts(good, other, 4.0)
        r = Rollouts(good, good, 4.0)
        said = rf"grpo\(\): part 'o' is of {name}, but the rollouts' correct is of NumPy"
        with pytest.raises(TypeError, match=said):
            parse_estimator("grpo").apply({"o": other}, r)


def test_lengths_that_a_half_cannot_hold_are_refused():
    import torch

    lengths = np.array([[70_000.0, 3.0]])
    with np.errstate(over="ignore"):
        short = lengths.astype(np.float16)
    for length in (short, torch.tensor(short)):
        correct = length * 0 + 1 if not isinstance(length, np.ndarray) else np.ones((1, 2))
        with pytest.raises(ValueError, match=r"length holds inf: .*float16 ends at 65504"):
            Rollouts(correct, length, LONG)
    Rollouts(np.ones((1, 2)), short, LONG, weight=np.array([[0.0, 1.0]]))  # nobody reads it


@pytest.mark.parametrize(("shape", "said"), [((0, 4), "no prompts"), ((2, 0), "no rollouts")])
def test_empty_batches_are_named(thing: tuple[str, Any], shape: tuple[int, int], said: str):
    kind, it = thing
    empty = Rollouts(np.ones(shape), np.ones(shape), 4.0, mask=np.ones((*shape, T)))
    n = {"reward": np.ones(shape)} | {k: np.ones((*shape, T)) for k in ("logp", "old_logp")}
    with pytest.raises(ValueError, match=said) as caught:
        answers(kind, it, empty, n)
    assert repr(it) in str(caught.value)


def test_the_helpers():
    assert library(np.ndarray) == "NumPy"
    assert half(np.dtype("float16"))
    assert not half(np.dtype("float32"))
    assert common_half(np.ones(1, np.float16), np.ones(1, int)) == np.float16
    assert common_half(np.ones(1, np.float16), np.ones(1, np.float32)) is None
    assert as_floats(3.0) == 3.0
