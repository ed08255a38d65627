"""Shapes that do not go together are refused in one message, by everything registered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.backends import arrays_of, default_for, to_strict, to_torch
from toyrl import pytree, registry
from toyrl.expressions import parse_estimator
from toyrl.objectives.drpo import Drpo
from toyrl.rollouts import FIELDS, Rollouts
from toyrl.rollouts.shapes import check_rollouts
from toyrl.shapers.base import Shaper

pytestmark = pytest.mark.swept

B, G, T = 2, 3, 4
ESTIMATORS = {e.name: e.target for e in registry.entries("estimator")}
OBJECTIVES = {e.name: e.target for e in registry.entries("objective")}
SHAPERS: dict[str, Any] = {e.name: default_for(e) for e in registry.entries("shaper")}


def rollouts(names: tuple[str, ...] = tuple(FIELDS)) -> Rollouts:
    """All (or these) fields, values within their ranges."""
    rng, extra = np.random.default_rng(0), {}
    for name in names:
        if name in FIELDS:
            spec = FIELDS[name]
            low = max(spec.low, -1.0)
            high = min(spec.high, low + 1.0)
            shape = (B, G, *(T if a == "T" else 2 for a in spec.axes))
            extra[name] = rng.uniform(low, high, shape)
    correct = np.array([[1.0, 0, 1], [0, 1, 0]])
    return Rollouts(correct, np.full((B, G), 3.0), float(T), mask=np.ones((B, G, T)), fields=extra)


def one_axis() -> Rollouts:
    r = rollouts()
    row = lambda x: x[0]  # noqa: E731
    return replace(arrays_of(r, row), fields={k: row(v) for k, v in r.fields.items()})


def uses(kind: str, name: str) -> tuple[Any, Any]:
    """(thing, call) with call(rollouts, rewards, log-probabilities)."""
    if kind == "estimator":
        thing = ESTIMATORS[name]
        return thing, lambda r, a, _: thing.apply({"reward": a}, r)
    if kind == "objective":
        thing = OBJECTIVES[name]
        return thing, lambda r, a, x: thing.coefficients(a, r, x, x)
    thing = SHAPERS[name]
    return thing, lambda r, _, __: thing.apply(r)


EVERY = [
    *(("estimator", n) for n in ESTIMATORS),
    *(("objective", n) for n in OBJECTIVES),
    *(("shaper", n) for n in SHAPERS),
]
IDS = [f"{kind}-{name}" for kind, name in EVERY]


@pytest.fixture(params=EVERY, ids=IDS)
def used(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@cache
def faults(kind: str) -> dict[str, tuple[Rollouts, Any, Any, str]]:
    """(rollouts, rewards, log-probabilities, what is said) by name."""
    r, a, x = rollouts(), np.ones((B, G)), -np.ones((B, G, T))
    out = {
        "one axis": (one_axis(), a[0], x[0], r"shape \(3,\), one axis"),
        "mask": (replace(r, mask=np.ones((B, G + 1, T))), a, x, r"mask has shape \(2, 4, 4\)"),
        "flat mask": (replace(r, mask=np.ones((B, G))), a, x, r"mask has shape \(2, 3\), not"),
        "field": (r.with_(judge=np.ones((B, 5))), a, x,
                  r"fields\['judge'\] has shape \(2, 5\), not \(2, 3\)"),
        "wide field": (r.with_(judge=np.ones((B, G, T))), a, x, r"fields\['judge'\]"),
        "flat token field": (r.with_(entropy=np.ones((B, G))), a, x, r"fields\['entropy'\]"),
        "tokens of a field": (r.with_(entropy=np.ones((B, G, T + 1))), a, x,
                              r"fields\['entropy'\] has shape \(2, 3, 5\), not \(2, 3, 4\)"),
        "flat references": (r.with_(judge_references=np.ones((B, G))), a, x,
                            r"fields\['judge_references'\] has shape \(2, 3\), not"),
        "no reference": (r.with_(judge_references=np.ones((B, G, 0))), a, x, "1 or more"),
    }  # fmt: skip
    what = {"estimator": "part 'reward'", "objective": "advantages"}.get(kind)
    if what:
        for shape in ((B, 5), (B, 1), (G,), (), (1, B, G), (B, G, T + 1), (B, G + 2, T)):
            said = f"{what} has shape \\({', '.join(map(str, shape))}{',' * (len(shape) == 1)}\\)"
            out[f"rewards {shape}"] = (r, np.ones(shape), x, said)
        out["a list"] = (r, [[1.0] * G] * B, x, f"{what} is a list")
    if kind == "objective":
        out["log-probabilities"] = (r, a, x[..., :-1], r"logp has shape \(2, 3, 3\)")
        out["flat log-probabilities"] = (r, a, x[..., 0], r"logp has shape \(2, 3\), not")
    return out


def test_wrong_shapes_are_refused(used: tuple[str, str]):
    thing, call = uses(*used)
    for case, (r, a, x, said) in faults(used[0]).items():
        with pytest.raises(ValueError, match=said) as caught:
            call(r, a, x)
        assert repr(thing) in str(caught.value), case
        assert "\n" not in str(caught.value)


def test_right_shapes_are_taken(used: tuple[str, str]):
    """Of rollouts, of their tokens where the thing reads tokens, with leading axes."""
    _, call = uses(*used)
    r, a, x = rollouts(), np.arange(6.0).reshape(B, G) / 6, -np.ones((B, G, T))
    call(r, a, x)
    lead = lambda v: np.stack([v, v])  # noqa: E731
    call(arrays_of(r, lead), lead(a), lead(x))
    if used[0] == "estimator":
        call(r, a[..., None] * np.ones(T), x)


@cache
def converted(kind: str, case: str, convert: Any) -> Rollouts:
    """A fault's rollouts in another library, of one kind for all names."""
    return convert(faults(kind)[case][0])


@pytest.mark.parametrize("convert", [to_torch, to_strict])
def test_eager_backends_say_the_same(used: tuple[str, str], convert: Any):
    thing, call = uses(*used)
    for case in ("one axis", "field", "rewards (2, 5)"):
        if case in faults(used[0]):
            _, a, x, said = faults(used[0])[case]
            other = converted(used[0], case, convert)
            with pytest.raises(ValueError, match=said) as caught:
                call(other, other.xp.asarray(a), other.xp.asarray(x))
            assert repr(thing) in str(caught.value)


@pytest.mark.parametrize("kind", ["estimator", "objective", "shaper"])
def test_jax_says_the_same_while_tracing(kind: str):
    """Under jit, vmap over a leading axis, and both; the check is the same code for all names."""
    import jax

    names = {"estimator": "grpo", "objective": "grpo", "shaper": "laser"}
    _, call = uses(kind, names[kind])
    bare = rollouts(("judge", "entropy"))
    with jax.enable_x64(True):
        pytree.activate()
        r = arrays_of(bare, jax.numpy.asarray)
        a, x = jax.numpy.ones((B, G)), -jax.numpy.ones((B, G, T))

        def first(r: Rollouts, a: Any, x: Any) -> Any:
            out = call(r, a, x)
            return out[0] if isinstance(out, tuple) else getattr(out, "parts", out)

        def lead(t: Any) -> Any:
            return jax.tree.map(lambda v: jax.numpy.stack([v, v]), t)

        for run, wrap in ((jax.jit(first), lambda t: t), (jax.vmap(first), lead),
                          (jax.jit(jax.vmap(first)), lead)):  # fmt: skip
            run(*wrap((r, a, x)))
            wrong = r.with_(judge=jax.numpy.ones((B, 5)))
            with pytest.raises(ValueError, match=r"fields\['judge'\] has shape \(2, 5\)"):
                run(*wrap((wrong, a, x)))
            if kind != "shaper":
                with pytest.raises(ValueError, match=r"has shape \(2, 5\), not \(2, 3\)"):
                    run(*wrap((r, jax.numpy.ones((B, 5)), x)))
        row = jax.tree.map(lambda v: v[0] if getattr(v, "ndim", 0) else v, (r, a, x))
        with pytest.raises(ValueError, match="one axis"):
            jax.jit(first)(*row)


def test_memory_of_a_shaper_is_one_number_a_prompt():
    @dataclass(frozen=True)
    class Keeps(Shaper):
        def parts(self, r: Rollouts, memory: Any) -> Any:
            return {"kept": r.correct + memory["best"]}

    r = rollouts(())
    assert Keeps().apply(r, {"best": np.ones((B, 1))}).parts["kept"].shape == (B, G)
    with pytest.raises(ValueError, match=r"memory\['best'\] has shape \(2,\)"):
        Keeps().apply(r, {"best": np.ones(B)})


def test_a_users_own_estimator_is_checked_and_what_is_not_read_may_be_none():
    from toyrl.estimators.base import Estimator

    @dataclass(frozen=True)
    class Mine(Estimator):
        def apply(self, parts: Any, rollouts: Rollouts, state: Any = None) -> Any:
            return parts["reward"] + rollouts.correct, {}

    r = rollouts(())
    assert Mine().apply({"reward": np.ones((B, G))}, r)[0].shape == (B, G)
    with pytest.raises(ValueError, match="part 'reward' has shape"):
        Mine().apply({"reward": np.ones((B, 1))}, r)
    Drpo(beta=0.0).coefficients(None, r, -np.ones((B, G, T)), -np.ones((B, G, T)))
    with pytest.raises(ValueError, match="no axis"):
        check_rollouts(Rollouts(np.array(1.0), np.array(1.0), 1.0), by="me")


def test_five_rewards_for_three_rollouts():
    """What was once silently taken."""
    r = rollouts(())
    with pytest.raises(ValueError, match="part 'reward' has shape") as caught:
        parse_estimator("grpo").apply({"reward": np.ones((B, 5))}, r)
    want = "part 'reward' has shape (2, 5), not (2, 3); numbers of a rollout are"
    assert want in str(caught.value)
