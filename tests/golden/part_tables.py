"""The golden record's shapers, estimators and objectives: their numbers on fixed batches."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from tests.backends import default_for
from tests.golden.form import attempt, plain
from toyrl import registry
from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.experiments.validate.contract.shaper import run_shaper
from toyrl.experiments.validate.reward_law import bench
from toyrl.expressions import parse
from toyrl.rollouts import FIELDS, Rollouts
from toyrl.shapers.base import Shaper, sum_parts
from toyrl.worlds.chain.model import Chain

B, G, T, LIMIT = 3, 5, 6, 8.0
CHAIN = Chain(
    difficulties=(2, 8),
    shares=(0.5, 0.5),
    max_actions=8,
    depth=8,
    flag_noise=0.25,
    slip=0.05,
    guess=0.1,
    tokens_per_action=64.0,
)
VARIANTS = (
    "outcome() - 0.3*linear_length()",
    "outcome(right=2, wrong=-1) + 0.5*overlong(cache=128, limit=400)",
    "clipped(outcome() + overlong(), 0, 1)",
    "gated(-0.5*linear_length(unit=100))",
    "laser(target=0.3, alpha=0.2)",
    "laser(target=200, missing=0)",
    "truncation(target=0.25)",
    "l1_exact(target=100, alpha=0.001)",
    "l1_max(target=300, delta=0.2)",
    "cosine(max_len=256, min_value_wrong=-2)",
    "crf(alpha=0.25, s=linear(1, 0, 300))",
    "conciseness_additive(alpha=cosine_anneal(1, 0, 200))",
    "step_at(0, 1, 50)*linear_length() + outcome()",
    "kimi(alpha=0.3) + outcome()",
    "efficient_reasoning(alpha=0.5, ddof=1, eps=0.001)",
    "grpo_lambda(lam=0.5, min_rho=0.5)",
    "mode_reward(threshold=0.5, warmup=0.5)",
    "trust(alpha=0.5, horizon=100)",
    "trust_released(alpha=1) - 0.1*linear_length()",
    "potential(discount=0.9) + outcome()",
)
COUNTS = ("phrases", "steps", "fillers", "checks", "repeats")
YES_OR_NO = ("mode", "step_ends", "format", "answered")


def _drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values of one field: seeded by its name, so that no other field changes them."""
    rng, spec = np.random.default_rng(zlib.crc32(name.encode())), FIELDS[name]
    full = (*shape, *(T if a == "T" else 2 for a in spec.axes))
    if name in YES_OR_NO:
        return rng.integers(0, 2, full).astype(float)
    if name in COUNTS:
        return rng.poisson(2.0, full).astype(float)
    if name == "answer":
        return rng.integers(-1, 3, full).astype(float)
    if np.isfinite(spec.low) and np.isfinite(spec.high):
        return spec.low + (spec.high - spec.low) * rng.random(full)
    if np.isfinite(spec.high):
        return spec.high - rng.exponential(1.0, full)
    if np.isfinite(spec.low):
        return spec.low + rng.exponential(1.0, full)
    return rng.normal(size=full)


def rollouts(shape: tuple[int, ...] = (B, G)) -> Rollouts:
    """A ragged batch with every registered field."""
    registry.load()
    rng = np.random.default_rng(7)
    length = rng.integers(1, T + 1, shape).astype(float)
    length[0, 0], length[-1, -1] = T, 1
    correct = (rng.random(shape) < 0.5) * 1.0
    correct[0, :2] = [0.0, 1.0]
    return Rollouts(
        correct=correct,
        length=length,
        truncated=(length == T) & (correct == 0),
        max_length=LIMIT,
        mask=(np.arange(T) < length[..., None]) * 1.0,
        fields={name: _drawn(name, shape) for name in sorted(FIELDS)},
    )


def batches() -> dict[str, Rollouts]:
    """The batch as it is, and late in training with absent, doubled and unscorable rollouts."""
    whole = rollouts()
    weight = np.ones((B, G))
    weight[0, 2], weight[1, 0], weight[2, 3] = 0.0, 2.0, 3.0
    correct, concise = whole.correct.copy(), whole.fields["conciseness"].copy()
    correct[1, 4] = concise[2, 1] = np.nan
    late = whole.with_(correct=correct, conciseness=concise, weight=weight, step=100)
    return {"whole": whole, "late": late}


# -- shapers -----------------------------------------------------------------------------------
def _contract(shaper: Shaper) -> dict[str, Any]:
    section, facts = run_shaper(shaper)
    shown = {f.name: [f.status, f.message] for f in section.findings}
    return {"auxiliary": facts.auxiliary, "auc": facts.auc, "findings": shown}


def _classes(shaper: Shaper) -> Any:
    """Rewards of the outcome classes as `validate` sees them; one row if difficulties agree."""
    law, _ = bench.law_of(CHAIN, [(shaper, 1.0)], None, dialect="", thorough=False, seed=0)
    table = law.table()
    return table[0] if np.array_equal(table, table[[0]].repeat(len(table), 0)) else table


def _paid(shaper: Shaper, r: Rollouts) -> dict[str, Any]:
    shaped = shaper.apply(r)
    return {"parts": shaped.parts, "memory": shaped.memory, "reward": shaper.reward(r)}


def _shaper(shaper: Shaper) -> dict[str, Any]:
    return {
        "scope": shaper.all_scope(),
        "needs": list(shaper.all_needs()),
        "contract": attempt(lambda: _contract(shaper)),
        "classes": attempt(lambda: _classes(shaper)),
        **{name: attempt(lambda r=r: _paid(shaper, r)) for name, r in batches().items()},
    }


def record_shapers() -> dict[str, Any]:
    """Every registered shaper, and expressions with arguments of their own."""
    named = {e.name: _shaper(default_for(e)) for e in registry.entries("shaper")}
    return {"registered": named, "expressions": {x: _shaper(parse(x)) for x in VARIANTS}}


# -- estimators and objectives ---------------------------------------------------------------------
def parts_of(r: Rollouts) -> dict[str, Any]:
    """Two reward parts: the outcome and a price of length."""
    return {"outcome": r.correct, "length": -0.3 * r.length / r.max_length}


class Paid:
    """The same parts, known to look at their own rollout only."""

    scope = "rollout"

    def __call__(self, r: Rollouts) -> dict[str, Any]:
        return parts_of(r)


def classes() -> Rollouts:
    """Two prompts of four classes with their probabilities, fields included."""
    prob = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]]) / 2
    return rollouts((2, 4)).with_(weight=prob)


def _advantages(estimator: Any, r: Rollouts) -> dict[str, Any]:
    advantages, state = estimator.apply(parts_of(r), r)
    return {"advantages": advantages, "state": dict(state)}


def _weights(estimator: Any, r: Rollouts, size: float, objective: Any = None) -> dict[str, Any]:
    more = {} if objective is None else {"objective": objective}
    found = class_weights(r, Paid(), estimator, group_size=size, samples=64, **more)
    return {"w": found.w, "method": found.method}


def _estimator(estimator: Any) -> dict[str, Any]:
    table, bare = classes(), classes()
    bare = Rollouts(bare.correct, bare.length, LIMIT, weight=bare.weight)
    return {
        **{name: attempt(lambda r=r: _advantages(estimator, r)) for name, r in batches().items()},
        **{
            f"classes, groups of {size:g}": attempt(lambda n=size: _weights(estimator, table, n))
            for size in (1, 3, float("inf"))
        },
        "classes without fields": attempt(lambda: _weights(estimator, bare, 3)),
    }


def _objective(objective: Any) -> dict[str, Any]:
    r, grpo = rollouts(), default_for(registry.get("estimator", "grpo"))
    rng = np.random.default_rng(11)
    logp = np.minimum(r.fields["logprobs"] + 0.3 * rng.normal(size=(B, G, T)), -0.01)
    old, advantages = r.fields["logprobs"], grpo.apply(parts_of(r), r)[0]
    return {
        "coefficients": attempt(lambda: objective.coefficients(advantages, r, logp, old)),
        "sequence_weight": attempt(lambda: objective.sequence_weight(r)),
        "classes, groups of 3": attempt(lambda: _weights(grpo, classes(), 3, objective)),
    }


def record_estimators() -> dict[str, Any]:
    """Every registered estimator and objective."""
    r = rollouts()
    return {
        "reward": plain(sum_parts(parts_of(r), r)),
        "estimators": {e.name: _estimator(default_for(e)) for e in registry.entries("estimator")},
        "objectives": {e.name: _objective(default_for(e)) for e in registry.entries("objective")},
    }
