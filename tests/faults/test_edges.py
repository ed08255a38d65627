"""No tokens at all, half precision in the statistics themselves, long values in echoes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backends import arrays_of, default_for, to_torch
from toyrl import pytree, registry, stats
from toyrl.experiments.calls import call_of
from toyrl.messages import both_ends, quoted, shortened
from toyrl.rollouts import FIELDS, Rollouts

pytestmark = pytest.mark.swept
B, G = 2, 3
THINGS = {f"{kind} {e.name}": default_for(e) for kind in ("estimator", "shaper", "objective")
          for e in registry.entries(kind)}  # fmt: skip


def without_tokens(thing: Any) -> Rollouts:
    """Completions of no token: per-token arrays are (B, G, 0)."""
    needs = thing.needs
    if hasattr(thing, "all_needs"):
        needs = (*thing.all_needs(), *thing.all_wants())
    rng, extra = np.random.default_rng(0), {}
    for name in needs:
        if name in FIELDS:
            low = max(FIELDS[name].low, -1.0)
            shape = (B, G, *(0 if a == "T" else 2 for a in FIELDS[name].axes))
            extra[name] = rng.uniform(low, min(FIELDS[name].high, low + 1), shape)
    correct = np.array([[1.0, 0, 0], [0, 1, 1]])
    return Rollouts(correct, np.zeros((B, G)), 8.0, mask=np.ones((B, G, 0)), fields=extra)


def used(thing: Any, r: Rollouts) -> list[Any]:
    if hasattr(thing, "apply") and hasattr(thing, "all_needs"):
        return list(thing.apply(r).parts.values())
    if hasattr(thing, "apply"):
        return [thing.apply({"a": r.correct * 1.0}, r)[0]]
    logp = r.xp.zeros((B, G, 0), dtype=r.correct.dtype)
    return [thing.coefficients(r.correct * 1.0, r, logp, logp)]


@pytest.mark.parametrize("name", THINGS)
def test_a_batch_without_a_token(name):
    want = used(THINGS[name], without_tokens(THINGS[name]))
    for value in want:
        assert value.shape in ((B, G), (B, G, 0))
        assert np.isfinite(value).all()
    pytest.importorskip("torch", reason="needs the extra llm")
    for a, b in zip(want, used(THINGS[name], to_torch(without_tokens(THINGS[name]))), strict=True):
        np.testing.assert_allclose(np.asarray(b), a)


@pytest.mark.parametrize("name", ["estimator gae", "estimator reinforce_plus_plus_tokens"])
def test_a_batch_without_a_token_in_jax(name):
    import jax

    thing = THINGS[name]
    with jax.enable_x64(True):
        pytree.activate()
        r = arrays_of(without_tokens(thing), jax.numpy.asarray)
        assert jax.jit(lambda r: used(thing, r)[0])(r).shape == (B, G, 0)


def test_statistics_along_an_axis_of_length_0():
    x = np.ones((2, 0))
    assert stats.maximum(x, x).tolist() == [[-np.inf]] * 2
    assert stats.minimum(x, x).tolist() == [[np.inf]] * 2
    for statistic in (stats.total, stats.mean, stats.std):
        assert statistic(x, x).tolist() == [[0.0]] * 2
    assert stats.tied(x, x).all()


# -- half precision ------------------------------------------------------------------------------
N = 1000
LAWS = {
    "total": lambda x, w: stats.total(x, w),
    "mean": lambda x, w: stats.mean(x, w),
    "std": lambda x, w: stats.std(x, w, ddof=1.0),
    "mass": lambda x, w: stats.mass(w + 0 * x),
    "rank": lambda x, w: stats.rank(x, w),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_statistics_of_halves_are_as_good_as_their_rounding(law, kind):
    torch = pytest.importorskip("torch", reason="needs the extra llm")
    rng = np.random.default_rng(0)
    dtype = getattr(torch, kind)
    x = torch.tensor(rng.random((1, N)), dtype=dtype)
    w = torch.ones((1, N), dtype=dtype)
    got, want = LAWS[law](x, w), LAWS[law](x.double(), w.double())
    assert got.dtype == dtype
    room = 2 * torch.finfo(dtype).eps
    np.testing.assert_allclose(got.double().numpy(), want.numpy(), rtol=room, atol=room)


def test_statistics_of_halves_in_numpy_and_jax():
    import jax.numpy as jnp

    tenths = np.full((1, 4096), 0.1)
    for x in (tenths.astype(np.float16), jnp.asarray(tenths, dtype=jnp.bfloat16)):
        w = x * 0 + 1
        total = stats.total(x, w)
        assert total.dtype == x.dtype
        assert float(total[0, 0]) == pytest.approx(4096 * float(x[0, 0]), rel=2**-8)
        assert float(stats.mean(x, w)[0, 0]) == pytest.approx(float(x[0, 0]), rel=2**-8)


def test_weights_of_half_precision_beside_wider_values():
    x, w = np.linspace(0, 1, 5000)[None], np.ones((1, 5000), dtype=np.float16)
    assert stats.mean(x, w).dtype in (np.float32, np.float64)
    assert float(stats.mean(x, w)[0, 0]) == pytest.approx(0.5, rel=1e-6)


# -- echoes ---------------------------------------------------------------------------------------
def test_echoes_of_calls_are_short():
    huge = [0.5] * 100_000
    said = call_of("validate", ["x" * 9000, {"y" * 9000: 1.0}], {"success_rates": huge, "seed": 3})
    assert len(said) < 1200
    assert said.startswith("toyrl.validate('xxx")
    assert "success_rates=[0.5, 0.5" in said
    assert said.endswith("seed=3)")


def test_the_ways_to_show_a_text():
    assert quoted(r"\boxed{}") == r"'\boxed{}'"
    assert shortened(r"\boxed{}") == r"'\\boxed{}'"
    assert quoted("a\nb") == r"'a\nb'"
    assert quoted("x" * 500, 20) == "'" + "x" * 16 + "..."
    assert both_ends("short") == "'short'"
    assert both_ends("a" * 30 + "b" * 470).startswith("'" + "a" * 30 + "...")
