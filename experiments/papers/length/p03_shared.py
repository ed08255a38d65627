"""DRPO, part T2: one policy for easy and hard prompts, under three ways to charge for length.

Easy prompts (a share rho) are solved by short and by long answers, hard ones by long answers
alone; the policy is one logit z, P(long) = q = sigmoid(z), and cannot tell the prompts apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Table
from toyrl.experiments.lab.bandits import climb, expect_two_arms
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import Draws, draws
from toyrl.experiments.lab.groups import every_count
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import alone, deviation, mean_error, missed
from toyrl.objectives.drpo import Drpo
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Gated
from toyrl.shapers.length.absolute import LinearLength
from toyrl.shapers.outcome import Outcome
from toyrl.theory.group import signs

SHORT, LONG, LIMIT = 1.0, 4.0, 8.0
CELLS = list(product((0.4, 0.6, 0.8), (0.05, 0.5)))  # share of easy prompts, alpha
RHO, ALPHA = np.array(CELLS).T[..., None, None, None]
SHOWN = CELLS.index((0.6, 0.05))
PROMPTS, GROUP, STEP = 16, 8, 0.2
RULES = {"grpo": "grpo_exact", "dr_grpo": "dr_grpo", "drpo": "drpo"}
UPDATES = {"grpo": 400, "dr_grpo": 2000, "drpo": 400}
NAMES = {"grpo": "GRPO, group std", "dr_grpo": "mean baseline", "drpo": "DRPO"}
BOUNDS = {"grpo": (0.05, "<"), "dr_grpo": (0.98, ">"), "drpo": (0.99, ">")}  # at `SHOWN`
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
ended = alone("simulation", "a sampled path has no closed end; expected updates hold its side")


@dataclass(frozen=True)
class Method:
    """rules : estimator -> the rule that works under its name
    payer : of length, "right" answers; for mutants "all", or every "token" of right ones (alpha is
        taken for a token's price)
    """

    rules: Mapping[str, str]
    payer: str
    drpo: Drpo

    def price(self, alpha: Any) -> Shaper:
        """r = c (1 - alpha f), f = 0 for a short and 1 for a long answer."""
        per_token = alpha if self.payer == "token" else alpha / (LONG - SHORT)
        cost = LinearLength(per_token, 1.0)
        return Outcome(right=1 + per_token * SHORT) - (cost if self.payer == "all" else Gated(cost))

    def coefficients(self, name: str, r: Rollouts, mean_logp: Any, alpha: Any) -> np.ndarray:
        """(..., B, G) what the score of each rollout is multiplied by, summed over the group."""
        if self.rules[name] == "drpo":
            return self.drpo.advantages(r, mean_logp) / GROUP
        return PRESETS[self.rules[name]].apply(self.price(alpha).apply(r).parts, r)[0] / GROUP

    def credit(self, name: str, easy: Any, is_long: Any, q: Any, alpha: Any) -> np.ndarray:
        """The same of easy (..., B, 1) prompts, is_long (..., B, G) answers and q (..., 1, 1)."""
        r = Rollouts((easy | is_long) * 1.0, np.where(is_long, LONG, SHORT), LIMIT)
        # A rollout is one decision here, so s = log P(answer).
        return self.coefficients(name, r, np.where(is_long, np.log(q), np.log1p(-q)), alpha)

    def pull(self, name: str, shape: tuple[int, ...], q: Any, cell: Any, rng: Draws) -> np.ndarray:
        """`shape` sampled gradients of z, each from a prompt's group; cell : rho, alpha"""
        easy = rng.random((*shape, 1)) < cell[0]
        is_long = rng.random((*shape, GROUP)) < q
        return (self.credit(name, easy, is_long, q, cell[1]) * (is_long - q)).sum(-1)


# -- who collapses ---------------------------------------------------------------------------------
def simulate(m: Method, name: str, updates: int, replicas: int, seed: int) -> np.ndarray:
    """(updates + 1, cells) mean P(long) from 0.5, groups sampled afresh at each update."""
    rng, shape = draws(seed, list(RULES).index(name)), (len(CELLS), replicas, PROMPTS)

    def change(q: np.ndarray, _: int) -> np.ndarray:
        return STEP * m.pull(name, shape, q[..., None, None], (RHO, ALPHA), rng).mean(-1)

    return climb(change, np.zeros(shape[:2]), updates).mean(-1)


def expected(m: Method, names: Sequence[str]) -> dict[str, np.ndarray]:
    """(cells,) P(long) after expected updates: a mean over all groups, of easy and hard prompts."""
    is_long = np.tile(every_count(GROUP) == 1, (len(CELLS), 2, 1, 1))
    easy = np.array([True, False])[:, None, None]
    # The coefficients of a group do not depend on q, as its wrong answers are alike.
    a = np.stack([m.credit(k, easy, is_long, 0.5, ALPHA) for k in names])
    share, start = np.c_[RHO.ravel(), 1 - RHO.ravel()], np.zeros((len(names), len(CELLS)))
    path = expect_two_arms(a, share, start, max(UPDATES[k] for k in names), rate=STEP)
    return {k: path[UPDATES[k], i] for i, k in enumerate(names)}


def study(m: Method, updates: Mapping[str, int], replicas: int, groups: int, seed: int) -> Items:
    """By closed drift, by expected updates and by simulation."""
    found, rows, shown, exact = [], [], {}, expected(m, list(updates))
    grid = list(product((0.03, 0.3, 0.5, 0.9), CELLS))
    for name, most in updates.items():
        path = simulate(m, name, most, replicas, seed)
        rng = draws(seed, 7, list(RULES).index(name))
        drift = np.array([mean_error(m.pull(name, (groups, 1), q, cell, rng)) for q, cell in grid])
        closed = [signs.shared_drift(name, q, rho, alpha, GROUP) for q, (rho, alpha) in grid]
        final, label = path[-1], NAMES[name]
        stays = np.array([not signs.shared_policy_collapses(name, *c) for c in CELLS])
        clear = np.select([exact[name] < 0.05, exact[name] > 0.95], [0, 1], -1)
        few = 0.95 if most >= UPDATES[name] else 0.9
        found += [
            # The largest of 24 standard normals exceeds 4.2 with probability 6e-4.
            deviation(DRIFT[name], drift[:, 0], drift[:, 1], closed, sigmas=4.2),
            missed(EXPECTED[name], clear, stays, ("closed form", "enumeration")),
            missed(SIDE[name], final >= 0.5, stays, ("closed form", "simulation")),
            ended(AT_SHOWN[name], float(final[SHOWN]), *BOUNDS[name]),
            ended(FEW_EASY[name], float(final[:2].min()), few, ">"),
        ]
        found += [ended(DRPO_KEEPS, float(final.min()), 0.95, ">")] if name == "drpo" else []
        rows += [[label, rho, alpha, float(f), float(f + (1 - f) * rho), float(e)]
                 for (rho, alpha), e, f in zip(CELLS, exact[name], final, strict=True)]  # fmt: skip
        shown[label] = path[:, SHOWN]
    columns = ("estimator", "easy share", "alpha", "P(long) at the end", "accuracy",
               "P(long), expected updates")  # fmt: skip
    return [*found, lines(
        "shared", "One policy for easy and hard prompts", ("update", "P(long)"), shown, most=80,
        caption="A share 0.6 of prompts is easy, alpha = 0.05, groups of 8, 16 prompts per update.",
    ), Table("shared", columns, rows, f"From P(long) = 0.5; mean of {replicas} runs.")]  # fmt: skip
