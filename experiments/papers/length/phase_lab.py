"""Length rewards and planes of the phase maps, and one map of them with the work counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import toyrl
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.behaviour import ROLLOUT, STEP
from toyrl.experiments.lab.chains import CLASS
from toyrl.experiments.sweep.axes import Axis
from toyrl.experiments.sweep.parameters import BEHAVIOUR, CHAIN
from toyrl.experiments.sweep.plan import Plan
from toyrl.experiments.sweep.result import Sweep
from toyrl.experiments.sweep.reward import Given
from toyrl.experiments.sweep.run import run as swept
from toyrl.experiments.validate.reward_law.bench import H, template
from toyrl.experiments.validate.reward_law.law import RewardLaw


@dataclass(frozen=True)
class Form:
    """A length reward: its expression, the field that is its weight, and what it needs.

    published : the weight in its papers or trainers; size : group size, where it reads siblings
    """

    text: str
    axis: str
    published: float
    size: int | None = None


FORMS: Mapping[str, Form] = {
    "additive": Form("outcome() - linear_length()", "weight", 0.3),
    "gated": Form("outcome() + gated(-1*linear_length())", "reward.linear_length.alpha", 0.3),
    "Kimi k1.5": Form("kimi()", "weight", 1.0, 8),
    "cosine": Form("cosine()", "weight", 1.0),
    "DAPO overlong": Form("outcome() + overlong()", "weight", 1.0),
}
"""The five length rewards that are met most. `weight` multiplies all that is not correctness: their
own weight where that is a term's, of `cosine`, which has none, the whole. What is gated is no such
term."""
PARTNERS: Mapping[str, tuple[str, float, float]] = {
    "easy": ("share of easy prompts", 0.05, 0.95),
    "redundancy": ("share of redundant tokens", 0.02, 0.6),
    "ability": ("accuracy of the base", 0.1, 0.8),
    "group": ("rollouts a prompt", 2, 64),
    "guess": ("guessing rate", 0.0, 0.5),
    "flag": ("done-flag noise", 0.0, 0.5),
    "normalisation": ("divided by", 0, 0),
}
AXES = {"group": "group_size", "flag": "flag_noise", "normalisation": "estimator.scale"}
SCALES = ("none", "group", "batch")
LOW, HIGH = 0.05, 16.0
STANDARD = {"updates": 1000}


@lru_cache(maxsize=32)
def given(text: str, limit: int = 512) -> Given:
    """A catalogue reward on the chain's classes."""
    return Given(text, (text,), RewardLaw(template(limit), toyrl.parse(text)), limit, False)


@dataclass(frozen=True)
class Size:
    """Cells along the weight and along the other axis, and worlds of behaviours in each."""

    x: int = 25
    y: int = 12
    worlds: int = 16


def swept_map(
    form: Form, weights: Any, partner: str, values: Sequence[Any],
    at: Mapping[str, Any], *, estimator: str = "dr_grpo", worlds: int = 1, kind: str = CHAIN,
) -> Sweep:  # fmt: skip
    """A map of a form: its weight to the right, one more parameter upwards; the work is counted."""
    own = dict(at)
    if form.size is not None and partner != "group":
        own["group_size"] = form.size
    axes = (
        Axis(form.axis, tuple(map(float, weights)), log=True),
        Axis(AXES.get(partner, partner), tuple(values), log=partner == "group"),
    )
    plan = Plan(form.text, (form.text,), axes, kind, worlds, own, estimator)
    found = swept(plan, given(form.text, int(plan.base["limit"])), None)
    cells = len(weights) * len(values)
    if kind == CHAIN:
        spend(cells * worlds * float(own.get("updates", 500)) * 2 * (2 * H + 1) * CLASS / 2)
    else:
        spend(len(values) * 40 * UPDATE + 60 * (STEP + ROLLOUT * cells * worlds * 24 * 8))
    marks = (("as published" if form.published == 1 else "usual", {form.axis: form.published}),)
    return Sweep(plan, found.columns, found.words, published=marks, trained=found.trained)


def weights_of(n: int) -> np.ndarray:
    """Weights of the maps that are shown, even in the logarithm."""
    return np.geomspace(LOW, HIGH, n)


def partner_values(partner: str, n: int) -> tuple[Any, ...]:
    """The other axis of a map."""
    if partner == "normalisation":
        return SCALES
    low, high = PARTNERS[partner][1:]
    if partner == "group":
        return tuple(int(2**k) for k in range(1, 7))
    return tuple(np.linspace(low, high, n).tolist())


def shown_map(size: Size, form: Form, partner: str) -> Sweep | None:
    """One map as it is shown; None where the form has no such axis."""
    # there every value of a reward's own field is a training by itself
    by_field = partner in ("group", "redundancy") and form.axis != "weight"
    weights = weights_of(min(size.x, 9) if by_field else size.x)
    values = partner_values(partner, size.y)
    if partner == "redundancy":
        at = {"length": 600.0, "limit": 2048, "ability": 0.5}
        few = values[::2] if len(values) > 6 else values
        return swept_map(form, weights, partner, few, at, worlds=size.worlds, kind=BEHAVIOUR)
    estimator = "grpo" if partner == "normalisation" else "dr_grpo"
    return swept_map(form, weights, partner, values, STANDARD, estimator=estimator)
