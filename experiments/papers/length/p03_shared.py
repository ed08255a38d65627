"""DRPO, part T2: one policy for easy and hard prompts, under three ways to charge for length.

Easy prompts (a share rho) are solved by short and by long answers, hard ones by long answers
alone; the policy is one logit z, P(long) = q = sigmoid(z), and cannot tell the prompts apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import comb
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Picture, Table
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.routes import deviation, mean_error, missed
from toyrl.objectives.drpo import Drpo
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Gated
from toyrl.shapers.length.absolute import LinearLength
from toyrl.shapers.outcome import Outcome
from toyrl.theory.group import signs

Found = tuple[list[Check], list[Picture], list[Table]]
SHORT, LONG, LIMIT = 1.0, 4.0, 8.0
SHARES, ALPHAS = (0.4, 0.6, 0.8), (0.05, 0.5)
CELLS = [(rho, alpha) for rho in SHARES for alpha in ALPHAS]
RHO, ALPHA = (np.array(x)[:, None, None, None] for x in zip(*CELLS, strict=True))
SHOWN = CELLS.index((0.6, 0.05))
PROMPTS, GROUP, STEP = 16, 8, 0.2
RULES = {"grpo": "grpo_exact", "dr_grpo": "dr_grpo", "drpo": "drpo"}
UPDATES = {"grpo": 400, "dr_grpo": 2000, "drpo": 400}
NAMES = {"grpo": "GRPO, group std", "dr_grpo": "mean baseline", "drpo": "DRPO"}
BOUNDS = {"grpo": (0.05, "<"), "dr_grpo": (0.98, ">"), "drpo": (0.99, ">")}
"""P(long) at the end of `SHOWN`."""
DRIFT, EXPECTED, SIDE, AT_SHOWN, FEW_EASY = CHECKS = [
    {name: f"T2: {text.format(label)}" for name, label in NAMES.items()}
    for text in (
        "drift of {}, largest error in standard errors",
        "cells where expected updates of {} end on the wrong side",
        "cells where {} ends on the wrong side",
        "P(long) of {} at rho 0.6, alpha 0.05",
        "least P(long) of {} at rho 0.4",
    )
]
DRPO_KEEPS = "T2: least P(long) that DRPO ends with"


def price(alpha: Any, payer: str = "right") -> Shaper:
    """r = c (1 - alpha f), f = 0 for a short and 1 for a long answer.

    payer : for mutants, "all" answers instead of right ones, or every "token" (alpha is taken for
        a token's price)
    """
    per_token = alpha if payer == "token" else alpha / (LONG - SHORT)
    cost = LinearLength(per_token, 1.0)
    return Outcome(right=1 + per_token * SHORT) - (cost if payer == "all" else Gated(cost))


@dataclass(frozen=True)
class Method:
    """rules : estimator -> the rule that works under its name; payer : of `price`"""

    rules: Mapping[str, str]
    payer: str
    drpo: Drpo

    def coefficients(self, name: str, r: Rollouts, mean_logp: Any, alpha: Any) -> np.ndarray:
        """(..., B, G) what the score of each rollout is multiplied by, summed over the group."""
        if self.rules[name] == "drpo":
            w, minus_v = self.drpo.pair_weights(r, mean_logp)
            return w + minus_v
        parts = price(alpha, self.payer).apply(r).parts
        return PRESETS[self.rules[name]].apply(parts, r)[0] / GROUP


# -- updates ---------------------------------------------------------------------------------------
def credit(m: Method, name: str, easy: Any, is_long: Any, q: Any, alpha: Any) -> np.ndarray:
    """(..., B, G) coefficients; easy (..., B, 1), is_long (..., B, G), q (..., 1, 1)."""
    r = Rollouts((easy | is_long) * 1.0, np.where(is_long, LONG, SHORT), LIMIT)
    # A rollout is one decision here, so s = log P(answer).
    return m.coefficients(name, r, np.where(is_long, np.log(q), np.log1p(-q)), alpha)


def simulate(m: Method, name: str, updates: int, replicas: int, seed: int) -> np.ndarray:
    """(updates + 1, cells, replicas) P(long) from 0.5, groups sampled afresh at each update."""
    rng, shape = draws(seed, list(RULES).index(name)), (len(CELLS), replicas)

    def step(z: np.ndarray, _: int) -> np.ndarray:
        q = sigmoid(z)[..., None, None]
        easy = rng.random((*shape, PROMPTS, 1)) < RHO
        is_long = rng.random((*shape, PROMPTS, GROUP)) < q
        a = credit(m, name, easy, is_long, q, ALPHA)
        return z + STEP * (a * (is_long - q)).sum(-1).mean(-1)

    return sigmoid(follow(step, np.zeros(shape), updates))


def expected(m: Method, names: Sequence[str]) -> dict[str, np.ndarray]:
    """(cells,) P(long) after expected updates: a mean over all groups, of easy and hard prompts.

    The coefficients of a group do not depend on q, as its wrong answers are alike.
    """
    n = np.arange(GROUP + 1)
    is_long = np.tile(np.arange(GROUP) < n[:, None], (len(CELLS), 2, 1))[:, :, None]
    easy = np.repeat([True, False], len(n))[None, :, None, None]
    a = np.stack([credit(m, k, easy, is_long, 0.5, ALPHA) for k in names])
    force, total = (
        x.sum((-2, -1)).reshape(len(names), len(CELLS), 2, -1) for x in (a * is_long, a)
    )
    share = np.stack([RHO[:, 0, 0], 1 - RHO[:, 0, 0]], 1)
    ways = np.array([comb(GROUP, k) for k in n])

    def step(z: np.ndarray, _: int) -> np.ndarray:
        q = sigmoid(z)[..., None, None]
        law = share * ways * q**n * (1 - q) ** (GROUP - n)
        return z + STEP * (law * (force - q * total)).sum((-2, -1))

    path = follow(step, np.zeros((len(names), len(CELLS))), max(UPDATES[k] for k in names))
    return {k: sigmoid(path[UPDATES[k], i]) for i, k in enumerate(names)}


def drift_check(m: Method, name: str, groups: int, seed: int) -> Check:
    """Largest |sampled - closed| drift over a grid of q and all cells, in standard errors."""
    rng, found, want = draws(seed, 7, list(RULES).index(name)), [], []
    for q in (0.03, 0.3, 0.5, 0.9):
        for rho, alpha in CELLS:
            easy = rng.random((groups, 1, 1)) < rho
            is_long = rng.random((groups, 1, GROUP)) < q
            a = credit(m, name, easy, is_long, q, alpha)
            found.append(mean_error((a * (is_long - q)).sum((-2, -1))))
            want.append(float(signs.shared_drift(name, np.array(q), rho, alpha, GROUP)))
    # The largest of 24 standard normals exceeds 4.2 with probability 6e-4.
    mean, error = np.array(found).T
    return deviation(DRIFT[name], mean, error, want, sigmas=4.2)


# -- who collapses ---------------------------------------------------------------------------------
def study(m: Method, names: Sequence[str], updates: Mapping[str, int], replicas: int, groups: int,
          seed: int) -> Found:  # fmt: skip
    """Who collapses, by closed drift, by expected updates and by simulation; picture and table."""
    why = "no closed form of a sampled path's end; expected updates are held to the same side"
    ended = partial(Check, routes=("simulation",), why_one_route=why)
    checks, rows, shown = [], [], {}
    exact = expected(m, names)
    for name in names:
        path = simulate(m, name, updates[name], replicas, seed).mean(-1)
        final, label = path[-1], NAMES[name]
        stays = np.array([not signs.shared_policy_collapses(name, *c) for c in CELLS])
        clear = np.select([exact[name] < 0.05, exact[name] > 0.95], [0, 1], -1)
        few = 0.95 if updates[name] >= UPDATES[name] else 0.9
        checks += [
            drift_check(m, name, groups, seed),
            missed(EXPECTED[name], clear, stays, ("closed form", "enumeration")),
            missed(SIDE[name], final >= 0.5, stays, ("closed form", "simulation")),
            ended(AT_SHOWN[name], float(final[SHOWN]), *BOUNDS[name]),
            ended(FEW_EASY[name], float(final[:2].min()), few, ">"),
        ]
        if name == "drpo":
            checks.append(ended(DRPO_KEEPS, float(final.min()), 0.95, ">"))
        rows += [[label, rho, alpha, float(f), float(f + (1 - f) * rho), float(e)]
                 for (rho, alpha), e, f in zip(CELLS, exact[name], final, strict=True)]  # fmt: skip
        shown[label] = path[:, SHOWN]
    picture = lines(
        "shared", "One policy for easy and hard prompts", ("update", "P(long)"), shown, most=80,
        caption="A share 0.6 of prompts is easy, alpha = 0.05, groups of 8, 16 prompts per update.",
    )  # fmt: skip
    columns = ("estimator", "easy share", "alpha", "P(long) at the end", "accuracy",
               "P(long), expected updates")  # fmt: skip
    caption = f"From P(long) = 0.5; mean of {replicas} runs."
    return checks, [picture], [Table("shared", columns, rows, caption=caption)]
