"""DRPO: right answers are never pushed down, and are shortened at a price in log-odds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from toyrl.dynamics.groups.compositions import moments
from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.papers.length import p03_shared as shared
from toyrl.experiments.papers.length.p03_shared import LIMIT, LONG, SHORT, length_priced
from toyrl.objectives.drpo import Drpo
from toyrl.rollouts import Rollouts
from toyrl.theory.group import signs

GROUP = 8
LONG_SHARE = 0.4
CELLS = ((0.3, 0.53), (0.5, 0.31), (0.5, 0.73), (0.8, 0.11), (0.9, 0.31), (0.95, 0.93))
"""(p, alpha) checked by all routes; no alpha makes a tie, alpha (G - m) = G - K."""
ARMS = {"success": (0.9, 0.95, 0.6), "length": (1.0, 4.0, 0.5), "limit": 8.0}
SETTINGS = ((0.1, 1.0), (0.5, 1.0), (0.5, 3.0), (2.0, 0.5), (1e9, 1.0))
POSITIVE = "T1: least coefficient DRPO gives a right rollout"
SUMS = "T1: right and wrong coefficients sum to 1 and -1, largest error"
FIXED = "T3: stationary policy, largest error"
SHORTENS = "T3: mean length falls as lambda rises, at most by"


# -- broken objectives -----------------------------------------------------------------------------
@dataclass(frozen=True)
class Centred(Drpo):
    """Mutant: the length weight taken as a reward and centred on the group."""

    def pair_weights(self, rollouts: Rollouts, mean_logp: Any) -> tuple[Any, Any]:
        w, _ = super().pair_weights(rollouts, mean_logp)
        mean = 1 / rollouts.w.sum(-1, keepdims=True)  # weights sum to 1 over right rollouts
        mixed = (w > 0).any(-1, keepdims=True)
        return np.where(w > 0, w - mean, 0), np.where(mixed & (w <= 0), -mean, 0)


@dataclass(frozen=True)
class OverAll(Drpo):
    """Mutant: the length softmax normalised over all rollouts of the prompt, wrong ones too."""

    def pair_weights(self, rollouts: Rollouts, mean_logp: Any) -> tuple[Any, Any]:
        w, minus_v = super().pair_weights(rollouts, mean_logp)
        e = np.exp((rollouts.length.min() - rollouts.length) / (rollouts.max_length * self.lambda_))
        total = (e * rollouts.w).sum(-1, keepdims=True)
        return np.where(w > 0, e / total, 0), minus_v


@dataclass(frozen=True)
class Unmixed(Drpo):
    """Mutant: groups without a wrong rollout count too."""

    def pair_weights(self, rollouts: Rollouts, mean_logp: Any) -> tuple[Any, Any]:
        _, minus_v = super().pair_weights(rollouts, mean_logp)
        right = rollouts.correct == 1
        e = np.exp(-rollouts.length / (rollouts.max_length * self.lambda_)) * right
        total = (e * rollouts.w).sum(-1, keepdims=True)
        return e / np.where(total > 0, total, 1), minus_v


OBJECTIVES = {"drpo": Drpo, "centred": Centred, "over all": OverAll, "unmixed": Unmixed}


# -- T1: negative advantages -----------------------------------------------------------------------
def enumerated(p: float, alpha: float) -> float:
    """P(A < 0 | right and long) over all multisets of right-long, right-short and wrong."""
    prob = np.array([p * LONG_SHARE, p * (1 - LONG_SHARE), 1 - p])
    correct, length = np.array([1.0, 1.0, 0.0]), np.array([LONG, SHORT, LONG])

    def advantage(counts: np.ndarray) -> np.ndarray:
        shape = (len(counts), 1, 3)
        r = Rollouts(
            np.broadcast_to(correct, shape).copy(),
            np.broadcast_to(length, shape).copy(),
            LIMIT,
            weight=counts[:, None].astype(float),
        )
        return PRESETS["grpo_exact"].apply(length_priced(alpha).apply(r).parts, r)[0][:, 0]

    return float(moments(prob, GROUP, advantage).negative[0])


def simulated(p: float, alpha: float, groups: int, seed: int) -> tuple[float, float]:
    """The same by sampling groups whose first rollout is right and long, and its error."""
    rng = np.random.default_rng([seed, round(1000 * p), round(1000 * alpha)])
    correct = rng.random((groups, GROUP)) < p
    long = rng.random((groups, GROUP)) < LONG_SHARE
    correct[:, 0] = long[:, 0] = True
    r = Rollouts(correct.astype(float), np.where(long, LONG, SHORT), LIMIT)
    a, _ = PRESETS["grpo_exact"].apply(length_priced(alpha).apply(r).parts, r)
    share = float((a[:, 0] < 0).mean())
    return share, float(np.sqrt(max(share * (1 - share), 1 / groups) / groups))


def sign_checks(groups: int, seed: int) -> list[Check]:
    """Closed double sum against enumeration and simulation."""
    out = []
    for p, alpha in CELLS:
        closed = signs.negative_probability(p, LONG_SHARE, alpha, GROUP)
        found, error = simulated(p, alpha, groups, seed)
        name = f"T1: P(A < 0 | right, long) at p {p}, alpha {alpha}"
        out += [
            Check(f"{name}, enumerated", enumerated(p, alpha), closed, "~", 1e-12,
                  routes=("closed form", "enumeration")),
            Check(f"{name}, sampled", found, closed, "~", 4 * error, error,
                  ("closed form", "simulation")),
        ]  # fmt: skip
    return out


def coefficient_checks(objective: Drpo, groups: int, seed: int) -> list[Check]:
    """Signs and sums of DRPO's coefficients in random groups."""
    rng = np.random.default_rng([seed, 3])
    correct = rng.random((groups, GROUP)) < rng.random((groups, 1))
    length = rng.integers(1, 8193, (groups, GROUP)).astype(float)
    r = Rollouts(correct.astype(float), length, 8192.0)
    w, minus_v = objective.pair_weights(r, -rng.exponential(1.0, (groups, GROUP)))
    mixed = np.any(correct, axis=-1) & ~np.all(correct, axis=-1)
    right = correct & mixed[:, None]
    off = np.abs(np.stack([w.sum(-1) - 1, minus_v.sum(-1) + 1]))[:, mixed]
    return [
        Check(POSITIVE, float((w + minus_v)[right].min()), 0.0, ">"),
        Check(SUMS, float(off.max()), 1e-12),
    ]


def sign_picture(cells: int) -> Picture:
    """P(A < 0 | right, long) over accuracy and weight, with the boundary of an infinite group."""
    p = (np.arange(cells) + 0.5) / cells
    alpha = (np.arange(cells) + 0.37) / cells
    grid = [[signs.negative_probability(x, LONG_SHARE, a, GROUP) for x in p] for a in alpha]
    boundary = signs.population_boundary(alpha, LONG_SHARE)
    return Picture(
        "signs", "GRPO punishes long right answers", "p, probability of a right answer",
        "alpha, weight of the length penalty",
        (Curve("infinite group", boundary.tolist(), alpha.tolist()),),
        grid=grid, grid_x=p.tolist(), grid_y=alpha.tolist(),
        grid_label="P(advantage < 0 | right and long)",
        caption=f"Groups of {GROUP}; a share {LONG_SHARE} of right answers is long. DRPO's map "
        "is 0 everywhere.",
    )  # fmt: skip


# -- T3: DRPO shortens -----------------------------------------------------------------------------
def flow(objective: Drpo, logits: np.ndarray) -> np.ndarray:
    """(A,) gradient of the population objective in the logits of a softmax over arms."""
    pi = np.exp(logits - logits.max())
    pi /= pi.sum()
    b = np.array(ARMS["success"])
    r = Rollouts(
        np.array([[1.0] * 3 + [0.0] * 3]), np.array([ARMS["length"] * 2]), ARMS["limit"],
        weight=np.concatenate([pi * b, pi * (1 - b)])[None], group_size=np.inf,
    )  # fmt: skip
    coefficient = sum(objective.pair_weights(r, np.tile(np.log(pi), 2)[None]))
    by_arm = (r.w * coefficient)[0].reshape(2, 3).sum(0)
    return by_arm - pi * by_arm.sum()


def stationary(objective: Drpo, horizon: float = 30_000.0) -> np.ndarray:
    """Policy (A,) at the end of the logit flow from the uniform one."""
    from scipy.integrate import solve_ivp

    end = solve_ivp(lambda _, z: flow(objective, z), (0, horizon), np.zeros(3), method="LSODA",
                    rtol=1e-8, atol=1e-10).y[:, -1]  # fmt: skip
    pi = np.exp(end - end.max())
    return pi / pi.sum()


def closed(lambda_: float, tau: float) -> np.ndarray:
    """Policy (A,) by the closed form."""
    return signs.drpo_fixed_point(
        np.array(ARMS["success"]), np.array(ARMS["length"]), ARMS["limit"], lambda_, tau
    )


def flow_checks(objective: type[Drpo]) -> tuple[list[Check], Table]:
    """The end of the flow against the closed form; mean length against lambda."""
    rows, worst = [], 0.0
    for lambda_, tau in SETTINGS:
        found, want = stationary(objective(lambda_, tau)), closed(lambda_, tau)
        worst = max(worst, float(np.abs(found - want).max()))
        rows.append([f"{lambda_:g}", tau, *map(float, found), *map(float, want)])
    lengths = [float(stationary(objective(x, 1.0)) @ ARMS["length"]) for x in (0.05, 0.2, 1, 10)]
    fall = max(0.0, *(a - b for a, b in pairwise(lengths)))
    fine = np.array([closed(x, 1.0) @ ARMS["length"] for x in np.geomspace(0.05, 10, 200)])
    checks = [
        Check(FIXED, worst, 1e-4, routes=("closed form", "integration")),
        Check(SHORTENS, fall, 1e-6, routes=("integration",)),
        Check("T3: closed form's mean length falls as lambda rises, at most by",
              float(np.maximum(-np.diff(fine), 0).max()), 1e-12, routes=("closed form",)),
        Check("T3: lambda 0.05 against 10 shortens by a factor", lengths[0] / lengths[-1], 0.5,
              "<"),
    ]  # fmt: skip
    arms = [f"{kind} {i + 1}" for kind in ("integrated", "closed") for i in range(3)]
    table = Table("stationary", ("lambda", "tau", *arms), rows,
                  caption=f"Share of each arm; success {ARMS['success']}, length "
                  f"{ARMS['length']} of {ARMS['limit']:g} tokens.")  # fmt: skip
    return checks, table


def trade_picture() -> Picture:
    """Accuracy against mean length, traced by lambda and by GRPO's penalty."""
    b, length = np.array(ARMS["success"]), np.array(ARMS["length"])
    drpo = np.array([closed(x, 1.0) for x in np.geomspace(0.05, 10, 60)])
    # A single prompt's GRPO ends on the arm of largest expected reward b (1 - alpha l/C).
    best = [np.argmax(b * (1 - a * length / ARMS["limit"])) for a in np.linspace(0, 0.999, 60)]
    ends = sorted(set(best), key=best.index)
    return Picture(
        "trade", "Accuracy against length", "mean length (tokens)", "accuracy",
        (Curve("DRPO, lambda 0.05 to 10", (drpo @ length).tolist(), (drpo @ b).tolist()),
         Curve("GRPO, alpha 0 to 1", length[ends].tolist(), b[ends].tolist(), style="points")),
        caption="One prompt, three arms; GRPO ends on a single arm, DRPO spreads.",
    )  # fmt: skip


@experiment(
    "03",
    card="03",
    slug="drpo",
    claim="With a length penalty GRPO pushes long right answers down and, on easy prompts, "
    "collapses a shared policy however small the penalty; DRPO never pushes a right answer down "
    "and trades length linearly against the log-odds of being right.",
    provenance="code",
    smoke={"groups": 20_000, "random_groups": 10_000, "replicas": 2, "mean_updates": 1200,
           "cells": 12},
    mutants=[
        Mutant("weights centred on the group", {"objective": "centred"}, (POSITIVE, FIXED)),
        Mutant("weights normalised over all rollouts", {"objective": "over all"}, (SUMS, FIXED)),
        Mutant("all-right groups count", {"objective": "unmixed"}, (shared.DRPO_KEEPS,)),
    ],
)  # fmt: skip
def run(
    *,
    objective: str = "drpo",
    groups: int = 200_000,
    random_groups: int = 100_000,
    replicas: int = 8,
    mean_updates: int = 2000,
    cells: int = 40,
    seed: int = 0,
) -> Result:
    """Signs of advantages, a policy shared by easy and hard prompts, and DRPO's fixed point.

    objective : "drpo", or one of the broken ones in `OBJECTIVES`
    groups : sampled groups per cell; random_groups : groups whose coefficients are looked at;
    replicas : runs of the shared policy; mean_updates : updates of the mean baseline, the slowest
    """
    chosen = OBJECTIVES[objective]
    updates = {**shared.UPDATES, "dr_grpo": mean_updates}
    t2, shared_picture, shared_table = shared.study(updates, replicas, groups // 10, seed, chosen())
    t3, table = flow_checks(chosen)
    return Result(
        (
            *sign_checks(groups, seed),
            *coefficient_checks(chosen(), random_groups, seed),
            *t2,
            *t3,
        ),
        (sign_picture(cells), shared_picture, trade_picture()),
        (shared_table, table),
        notes=(
            "In the shared-policy toy the sign of every expected update holds for all P(long), not "
            "only near 0: std-GRPO drifts as (1 - 2 rho) sqrt((G-1)/G) E sqrt(p_hat (1 - p_hat)).",
        ),
    )
