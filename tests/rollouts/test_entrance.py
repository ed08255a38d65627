"""What stands in absent rows and tokens reaches nothing: values, gradients, any dtype's statistics.

Tried on everything registered, so a new shaper, estimator or objective is tested by being there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.backends import arrays_of, default_for
from toyrl import pytree, registry
from toyrl.estimators.tokens import Gae
from toyrl.objectives.outcome_cloning import Oreal
from toyrl.rollouts import FIELDS, Rollouts
from toyrl.rollouts.fields import behind
from toyrl.shapers.base import Shaper
from toyrl.shapers.potential import PotentialShaping

pytestmark = pytest.mark.swept

B, G, T = 3, 5, 4
JUNK = (np.nan, np.inf, -np.inf, 1e300, -7.0)
KINDS = ("estimator", "objective", "shaper")
THINGS: dict[str, tuple[str, Any]] = {
    f"{kind} {e.name}": (kind, default_for(e)) for kind in KINDS for e in registry.entries(kind)
}
THINGS |= {f"oreal, {w}": ("objective", Oreal(weights=w)) for w in ("token", "running", "top")}
Numbers = dict[str, np.ndarray]


@pytest.fixture(params=THINGS)
def thing(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return THINGS[request.param]


def batch(seed: int = 0, *, masked: bool = True) -> tuple[Rollouts, Numbers]:
    """Rollouts with every field, absent rows and tokens; and rewards and log-probabilities."""
    rng, extra = np.random.default_rng(seed), {}
    for name, spec in FIELDS.items():
        low = max(spec.low, -1.0)
        shape = (B, G, T) if spec.axes else (B, G)
        extra[name] = rng.uniform(low, min(spec.high, low + 1.0), shape)
    extra["mode"] = np.tile([0.0, 1.0, 0.0, 1.0, 1.0], (B, 1))
    weight = np.array([[1.0, 0, 1, 2, 1], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1]])
    correct = np.array([[1.0, 1, 0, 1, 0], [1, 0, 1, 1, 0], [0, 1, 1, 0, 1]])
    length = rng.integers(1, T + 1, (B, G)) * 1.0
    mask = (np.arange(T) < length[..., None]) * 1.0
    r = Rollouts(
        correct,
        length,
        float(T + 1),
        truncated=length == T,
        weight=weight,
        mask=mask if masked else None,
        fields=extra,
    )
    old = -rng.exponential(1.0, (B, G, T)) - 0.05
    new = np.minimum(old + 0.3 * rng.normal(size=old.shape), -0.01)
    return r, {"reward": rng.normal(size=(B, G)), "logp": new, "old_logp": old}


def present(r: Rollouts, shape: tuple[int, ...]) -> np.ndarray:
    """True where a number of that shape counts: its row takes part, its token is of the mask."""
    here = np.asarray(r.w) > 0
    if len(shape) == 2:
        return here
    return here[..., None] & (np.asarray(r.mask) > 0 if r.mask is not None else True)


def arrays(r: Rollouts, n: Numbers) -> tuple[str, ...]:
    """Names of all arrays that can hold something."""
    return ("correct", "length", "truncated", "mask", *r.fields, *n)


def spoilt(
    r: Rollouts, numbers: Numbers, junk: float, names: Collection[str] | None = None
) -> tuple[Rollouts, Numbers]:
    """Junk in the absent places of the arrays named (None: of all)."""
    names = arrays(r, numbers) if names is None else names
    own: dict[str, Any] = {}
    for key in ("correct", "length", "truncated", "mask", *r.fields):
        value = r.fields[key] if key in r.fields else getattr(r, key)
        if value is not None and key in names:
            # A mask's absent tokens are those where it isn't above 0: no junk but in absent rows.
            rows = (r.w > 0) if key != "mask" else (r.w > 0)[..., None] & np.full(value.shape, True)
            on = rows if key == "mask" else present(r, value.shape)
            if behind(key) == "M":  # references are no tokens: a row has all of them or none
                on = np.broadcast_to((r.w > 0)[..., None], value.shape)
            own[key] = ~value if value.dtype == bool else np.where(on, value, junk)
            if value.dtype == bool:
                own[key] = np.where(on, value, own[key])
    more = {
        key: np.where(present(r, v.shape), v, junk) if key in names else v
        for key, v in numbers.items()
    }
    return r.with_(**own), more


def answers(kind: str, it: Any, r: Rollouts, n: dict[str, Any]) -> dict[str, Any]:
    """Everything that it answers, by name."""
    if kind == "estimator":
        return {"advantages": it.apply({"reward": n["reward"]}, r)[0]}
    if kind == "shaper":
        return dict(it.apply(r).parts)
    out = {"coefficients": it.coefficients(n["reward"], r, n["logp"], n["old_logp"])}
    return out | {"loss": it.loss(n["reward"], r, n["logp"], n["old_logp"])}


def reads(it: Any) -> tuple[str, ...]:
    """Fields that it says it reads; of objectives, which say nothing, OREAL alone reads one."""
    if isinstance(it, Shaper):
        return (*it.all_needs(), *it.all_wants())
    own = (*getattr(it, "needs", ()), *getattr(it, "wants", ()))
    return (*own, "credit_logit") if isinstance(it, Oreal) else own


def fields_read(it: Any, r: Rollouts) -> Rollouts:
    """`r` with the fields alone that it says it reads."""
    return replace(r, fields={k: v for k, v in r.fields.items() if k in reads(it)})


def cases(it: Any, r: Rollouts, n: Numbers) -> Iterator[tuple[tuple[str, ...], float]]:
    """All junk in all arrays at once; NaN or infinity, by turns, in each array alone that may be
    read, and in all fields together that it doesn't say it reads.
    """
    yield from ((arrays(r, n), junk) for junk in JUNK)
    unsaid = tuple(name for name in r.fields if name not in reads(it))
    yield from ((unsaid, junk) for junk in JUNK[:2])
    for i, name in enumerate(arrays(r, n)):
        if name not in unsaid:
            yield (name,), JUNK[i % 2]


def test_absent_rows_and_tokens_reach_nothing(thing: tuple[str, Any]):
    """To the bit, array by array and all at once; and the answer there is 0."""
    kind, it = thing
    r, n = batch()
    want = answers(kind, it, r, n)
    for value in want.values():
        assert np.all(np.isfinite(value))
        if np.ndim(value) > 1:
            assert np.all(value[~present(r, value.shape)] == 0)
    for names, junk in cases(it, r, n):
        got = answers(kind, it, *spoilt(r, n, junk, names))
        for key, value in want.items():
            np.testing.assert_array_equal(got[key], value, err_msg=f"{names}={junk}: {key}")


def test_absent_rows_reach_nothing_without_a_mask(thing: tuple[str, Any]):
    kind, it = thing
    if kind == "objective" or "mask" in getattr(it, "needs", ()):
        return
    r, n = batch(masked=False)
    want = answers(kind, it, r, n)
    for junk in JUNK:
        got = answers(kind, it, *spoilt(r, n, junk))
        for key, value in want.items():
            np.testing.assert_array_equal(got[key], value, err_msg=f"{junk}: {key}")


READS = {"estimator": ("reward",), "objective": ("reward", "logp"), "shaper": ("correct", "length")}


def _total(kind: str, it: Any, r: Rollouts, n: dict[str, Any], seeds: Numbers, like: Any) -> Any:
    """A weighted sum of all answers, whose gradient looks at each."""
    out = answers(kind, it, r, n)
    return sum((v * like(seeds[str(v.ndim)])).sum() for v in out.values())


def _seeds() -> Numbers:
    rng = np.random.default_rng(7)
    return {"0": np.ones(()), "2": rng.normal(size=(B, G)), "3": rng.normal(size=(B, G, T))}


def _torch_gradients(kind: str, it: Any, r: Rollouts, n: Numbers) -> Numbers:
    import torch

    numbers = {k: torch.tensor(v) for k, v in n.items()}
    on = arrays_of(r, torch.tensor)
    leaves = {}
    for name in READS[kind]:
        value = numbers[name] if name in numbers else getattr(on, name)
        leaves[name] = value.requires_grad_(True)
    # Signs and counts have no gradient at all, which torch refuses to take.
    nothing = sum(0.0 * v.sum() for v in leaves.values())
    total = _total(kind, it, on, numbers, _seeds(), torch.tensor) + nothing
    found = torch.autograd.grad(total, list(leaves.values()))
    return {k: g.numpy() for k, g in zip(leaves, found, strict=True)}


def _jax_gradients(kind: str, it: Any) -> Callable[[Rollouts, Numbers], Numbers]:
    import jax

    def total(leaves: Any, r: Rollouts, n: Any) -> Any:
        own = {k: v for k, v in leaves.items() if k in ("correct", "length")}
        return _total(kind, it, replace(r, **own), n | leaves, _seeds(), jax.numpy.asarray)

    run = jax.jit(jax.grad(total))

    def gradients(r: Rollouts, n: Numbers) -> Numbers:
        on = arrays_of(r, jax.numpy.asarray)
        numbers = {k: jax.numpy.asarray(v) for k, v in n.items()}
        leaves = {k: numbers[k] if k in numbers else getattr(on, k) for k in READS[kind]}
        return {k: np.asarray(v) for k, v in run(leaves, on, numbers).items()}

    return gradients


def _same_gradients(gradients: Callable[[Rollouts, Numbers], Numbers], it: Any, said: str) -> None:
    """With the fields alone that it says it reads; that no other reaches it is tried above."""
    r, n = batch()
    r = fields_read(it, r)
    want = gradients(r, n)
    for junk in JUNK[:2]:
        got = gradients(*spoilt(r, n, junk))
        for name, value in want.items():
            assert np.all(np.isfinite(value)), f"{said}: {name}"
            assert np.all(value[~present(r, value.shape)] == 0), f"{said}: {name}"
            np.testing.assert_array_equal(got[name], value, err_msg=f"{said}, {junk}: {name}")


def test_absent_places_reach_no_gradient_in_torch(thing: tuple[str, Any]):
    _same_gradients(lambda r, n: _torch_gradients(*thing, r, n), thing[1], "torch")


def test_absent_places_reach_no_gradient_in_jax(thing: tuple[str, Any]):
    import jax

    with jax.enable_x64(True):
        pytree.activate()
        _same_gradients(_jax_gradients(*thing), thing[1], "JAX")


def test_what_stands_between_turns_is_no_token_of_a_potential():
    """phi of the next token on the mask follows, so the total stays -phi(prompt)."""
    phi = np.array([[[0.5, np.nan, 2.0, 9.0]]])
    mask = np.array([[[1.0, 0, 1, 0]]])
    r = Rollouts(np.ones((1, 1)), np.full((1, 1), 2.0), 4.0, mask=mask, fields={"potential": phi})
    got = PotentialShaping(discount=0.5).apply(r).parts["potential"]
    np.testing.assert_array_equal(got, [[[0.5 * 2.0 - 0.5, 0.0, 0.0 - 2.0, 0.0]]])


def test_the_critics_targets_and_batch_numbers_are_as_blind():
    r, n = batch()
    other, more = spoilt(r, n, np.nan)
    want, got = (Gae().returns({"reward": x["reward"]}, y) for x, y in ((n, r), (more, other)))
    np.testing.assert_array_equal(got, want)
    for name in ("reinforce_plus_plus", "dler", "gpg", "canon", "normalize_then_sum"):
        e = registry.get("estimator", name).target
        want, got = (
            e.in_batch({"reward": x["reward"]}, y, 4.0) for x, y in ((n, r), (more, other))
        )
        assert got == want
        assert "nan" not in repr(got)
