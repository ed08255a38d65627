"""DRPO, part T2: one policy for easy and hard prompts, under three ways to charge for length.

Easy prompts (a share rho) are solved by short and by long answers, hard ones by long answers
alone; the policy is one logit z, P(long) = q = sigmoid(z), and cannot tell the prompts apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Curve, Picture, Table
from toyrl.objectives.drpo import Drpo
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Gated
from toyrl.shapers.length.absolute import LinearLength
from toyrl.shapers.outcome import Outcome
from toyrl.theory.group import signs

SHORT, LONG, LIMIT = 1.0, 4.0, 8.0
SHARES, ALPHAS = (0.4, 0.6, 0.8), (0.05, 0.5)
CELLS = [(rho, alpha) for rho in SHARES for alpha in ALPHAS]
PROMPTS, GROUP, STEP = 16, 8, 0.2
ESTIMATORS = {"grpo": "grpo_exact", "dr_grpo": "dr_grpo", "drpo": ""}
UPDATES = {"grpo": 400, "dr_grpo": 2000, "drpo": 400}
NAMES = {"grpo": "GRPO, group std", "dr_grpo": "mean baseline", "drpo": "DRPO"}
DRPO_KEEPS = "T2: least P(long) that DRPO ends with"


def length_priced(alpha: Any) -> Shaper:
    """r = c (1 - alpha f), f = 0 for a short and 1 for a long answer."""
    per_token = alpha / (LONG - SHORT)
    return Outcome(right=1 + per_token * SHORT) - Gated(LinearLength(per_token, 1.0))


def update(name: str, r: Rollouts, is_long: np.ndarray, q: np.ndarray, alpha: Any,
           drpo: Drpo) -> np.ndarray:  # fmt: skip
    """(...,) the sampled update of z, mean over prompts; r (..., B, G)."""
    score = is_long - q[..., None, None]
    if name == "drpo":
        # A rollout is one decision here, so s = log P(answer).
        mean_logp = np.where(is_long, np.log(q)[..., None, None], np.log1p(-q)[..., None, None])
        coefficient = sum(drpo.pair_weights(r, mean_logp))
        return (coefficient * score).sum(-1).mean(-1)
    advantage, _ = PRESETS[ESTIMATORS[name]].apply(length_priced(alpha).apply(r).parts, r)
    return (advantage * score).mean((-2, -1))


def simulate(name: str, updates: int, replicas: int, seed: int, drpo: Drpo) -> np.ndarray:
    """(updates + 1, cells, replicas) P(long) from 0.5, groups sampled afresh at each update."""
    rng = np.random.default_rng([seed, list(ESTIMATORS).index(name)])
    rho, alpha = (np.array(x)[:, None, None, None] for x in zip(*CELLS, strict=True))
    z = np.zeros((len(CELLS), replicas))
    path = [np.full(z.shape, 0.5)]
    for _ in range(updates):
        q = path[-1]
        easy = rng.random((*z.shape, PROMPTS, 1)) < rho
        is_long = rng.random((*z.shape, PROMPTS, GROUP)) < q[..., None, None]
        length = np.where(is_long, LONG, SHORT)
        r = Rollouts((easy | is_long).astype(float), length, LIMIT)
        z = z + STEP * update(name, r, is_long, q, alpha, drpo)
        path.append(1 / (1 + np.exp(-z)))
    return np.array(path)


def expected(name: str, updates: int) -> np.ndarray:
    """(updates + 1, cells) P(long) under the closed expected update."""
    z = np.zeros(len(CELLS))
    path = [1 / (1 + np.exp(-z))]
    for _ in range(updates):
        drift = [
            signs.shared_drift(name, np.array(q), *cell, GROUP)
            for q, cell in zip(path[-1], CELLS, strict=True)
        ]
        z = z + STEP * np.array(drift)
        path.append(1 / (1 + np.exp(-z)))
    return np.array(path)


def drift_check(name: str, groups: int, seed: int, drpo: Drpo) -> Check:
    """Largest |sampled - closed| drift over a grid of q and all cells, in standard errors."""
    rng = np.random.default_rng([seed, 7, list(ESTIMATORS).index(name)])
    worst = 0.0
    for q in (0.03, 0.3, 0.5, 0.9):
        for rho, alpha in CELLS:
            easy = rng.random((groups, 1, 1)) < rho
            is_long = rng.random((groups, 1, GROUP)) < q
            r = Rollouts((easy | is_long).astype(float), np.where(is_long, LONG, SHORT), LIMIT)
            sample = update(name, r, is_long, np.full(groups, q), alpha, drpo)
            want = float(signs.shared_drift(name, np.array(q), rho, alpha, GROUP))
            error = sample.std() / np.sqrt(groups)
            worst = max(worst, abs(sample.mean() - want) / error)
    # The largest of 24 standard normals exceeds 4.2 with probability 6e-4.
    return Check(f"T2: drift of {NAMES[name]}, largest error in standard errors", worst, 4.2,
                 stderr=1.0, routes=("closed form", "simulation"))  # fmt: skip


def study(updates: dict[str, int], replicas: int, groups: int, seed: int, drpo: Drpo
          ) -> tuple[list[Check], Picture, Table]:  # fmt: skip
    """Who collapses, by closed drift and by simulation; a picture and a table."""
    checks, rows, curves = [], [], []
    for name in ESTIMATORS:
        exact = expected(name, UPDATES[name])[-1]
        path = simulate(name, updates[name], replicas, seed, drpo)
        final = path[-1].mean(-1)
        collapses = np.array([signs.shared_policy_collapses(name, *c) for c in CELLS])
        checks += [
            drift_check(name, groups, seed, drpo),
            Check(f"T2: cells where expected updates of {NAMES[name]} end on the wrong side",
                  float(((exact < 0.05) != collapses).sum() + ((exact > 0.95) == collapses).sum()),
                  0, "==", routes=("closed form",)),
            Check(f"T2: cells where {NAMES[name]} ends on the wrong side",
                  float(((final < 0.5) != collapses).sum()), 0, "==",
                  routes=("closed form", "simulation")),
        ]  # fmt: skip
        bound, op = {"grpo": (0.05, "<"), "dr_grpo": (0.98, ">"), "drpo": (0.99, ">")}[name]
        checks += [
            Check(f"T2: P(long) of {NAMES[name]} at rho 0.6, alpha 0.05",
                  float(final[CELLS.index((0.6, 0.05))]), bound, op, routes=("simulation",)),
            Check(f"T2: least P(long) of {NAMES[name]} at rho 0.4", float(final[:2].min()),
                  0.95 if updates[name] >= UPDATES[name] else 0.9, ">", routes=("simulation",)),
        ]  # fmt: skip
        if name == "drpo":
            checks.append(Check(DRPO_KEEPS, float(final.min()), 0.95, ">"))
        for (rho, alpha), e, f in zip(CELLS, exact, final, strict=True):
            rows.append([NAMES[name], rho, alpha, float(f), float(f + (1 - f) * rho), float(e)])
        keep = np.unique(np.linspace(0, len(path) - 1, 80).astype(int))
        cell = CELLS.index((0.6, 0.05))
        curves.append(Curve(NAMES[name], keep.tolist(), path[keep, cell].mean(-1).tolist()))
    picture = Picture(
        "shared", "One policy for easy and hard prompts", "update", "P(long)", tuple(curves),
        caption="A share 0.6 of prompts is easy, alpha = 0.05, groups of 8, 16 prompts per update.",
    )  # fmt: skip
    table = Table(
        "shared",
        ("estimator", "easy share", "alpha", "P(long) at the end", "accuracy",
         "P(long), expected updates"),
        rows,
        caption=f"From P(long) = 0.5; mean of {replicas} runs.",
    )  # fmt: skip
    return checks, picture, table
