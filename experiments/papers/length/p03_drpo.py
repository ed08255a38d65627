"""DRPO: right answers are never pushed down, and are shortened at a price in log-odds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from toyrl.dynamics.groups.compositions import moments
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.answers import log_policy
from toyrl.experiments.lab.bandits import arm_classes, arm_gradient, flow_end
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, several
from toyrl.experiments.papers.length import p03_shared as shared
from toyrl.experiments.papers.length.p03_shared import GROUP, LIMIT, LONG, SHORT, Method
from toyrl.objectives.drpo import Drpo
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.theory.group import signs
from toyrl.theory.policies import softmax

LONG_SHARE = 0.4
CELLS = ((0.3, 0.53), (0.5, 0.31), (0.5, 0.73), (0.8, 0.11), (0.9, 0.31), (0.95, 0.93))
"""(p, alpha) checked by all routes; no alpha makes a tie, alpha (G - m) = G - K."""
SUCCESS, LENGTH = np.array([0.9, 0.95, 0.6]), np.array([1.0, 4.0, 0.5])  # of the three arms
SETTINGS = ((0.1, 1.0), (0.5, 1.0), (0.5, 3.0), (2.0, 0.5), (1e9, 1.0))
closed = partial(signs.drpo_fixed_point, SUCCESS, LENGTH, LIMIT)  # (lambda, tau) -> policy (A,)
NEGATIVE = [f"T1: P(A < 0 | right, long) at p {p}, alpha {alpha}" for p, alpha in CELLS]
SIGNS = [f"{name}, {route}" for name in NEGATIVE for route in ("enumerated", "sampled")]
POSITIVE = "T1: least coefficient DRPO gives a right rollout"
SUMS = "T1: right and wrong coefficients sum to 1 and -1, largest error"
FIXED = "T3: stationary policy, largest error"
SHORTENS = "T3: mean length falls as lambda rises, at most by"
CLOSED_SHORTENS = "T3: closed form's mean length falls as lambda rises, at most by"
FACTOR = "T3: lambda 0.05 against 10 shortens by a factor"


# -- broken objectives -----------------------------------------------------------------------------
def centred(self: Drpo, r: Rollouts, mean_logp: Any) -> tuple[Any, Any]:
    """Mutant: the length weight taken as a reward and centred on the group."""
    w, _ = Drpo.pair_weights(self, r, mean_logp)
    mean = 1 / r.w.sum(-1, keepdims=True)  # weights sum to 1 over right rollouts
    mixed = (w > 0).any(-1, keepdims=True)
    return np.where(w > 0, w - mean, 0), np.where(mixed & (w <= 0), -mean, 0)


def over(self: Drpo, r: Rollouts, members: Any) -> Any:
    """The length softmax normalised over the `members`."""
    e = np.exp((r.length.min() - r.length) / (r.max_length * self.lambda_)) * members
    total = (e * r.w).sum(-1, keepdims=True)
    return e / np.where(total > 0, total, 1)


def over_all(self: Drpo, r: Rollouts, mean_logp: Any) -> tuple[Any, Any]:
    """Mutant: the length softmax normalised over all rollouts of the prompt, wrong ones too."""
    w, minus_v = Drpo.pair_weights(self, r, mean_logp)
    return np.where(w > 0, over(self, r, 1.0), 0), minus_v


def unmixed(self: Drpo, r: Rollouts, mean_logp: Any) -> tuple[Any, Any]:
    """Mutant: groups without a wrong rollout count too."""
    return over(self, r, r.correct == 1), Drpo.pair_weights(self, r, mean_logp)[1]


OBJECTIVES = {"drpo": Drpo} | {
    name: replaced(Drpo, pair_weights=rule)
    for name, rule in (("centred", centred), ("over all", over_all), ("unmixed", unmixed))
}


# -- T1: negative advantages -----------------------------------------------------------------------
def enumerated(m: Method, p: float, alpha: float) -> float:
    """P(A < 0 | right and long) over all multisets of right-long, right-short and wrong."""
    prob = np.array([p * LONG_SHARE, p * (1 - LONG_SHARE), 1 - p])

    def advantage(counts: np.ndarray) -> np.ndarray:
        r = class_rollouts(counts[:, None] * 1.0, correct=np.array([1.0, 1, 0]), max_length=LIMIT,
                           length=np.array([LONG, SHORT, LONG]), group_size=None)  # fmt: skip
        return m.coefficients("grpo", r, np.zeros(r.shape), alpha)[:, 0]

    return float(moments(prob, GROUP, advantage).negative[0])


def simulated(m: Method, p: float, alpha: float, groups: int, seed: int) -> np.ndarray:
    """(groups,) whether A < 0 in sampled groups whose first rollout is right and long."""
    rng = draws(seed, round(1000 * p), round(1000 * alpha))
    correct = rng.random((groups, GROUP)) < p
    long = rng.random((groups, GROUP)) < LONG_SHARE
    correct[:, 0] = long[:, 0] = True
    r = Rollouts(correct.astype(float), np.where(long, LONG, SHORT), LIMIT)
    return m.coefficients("grpo", r, np.zeros(r.shape), alpha)[:, 0] < 0


def sign_checks(m: Method, groups: int, seed: int, cells: int) -> Items:
    """Closed double sum against enumeration and simulation."""
    for name, (p, alpha) in zip(NEGATIVE, CELLS, strict=True):
        closed = signs.negative_probability(p, LONG_SHARE, alpha, GROUP)
        yield from several(name, closed=closed, enumerated=enumerated(m, p, alpha),
                           draws=simulated(m, p, alpha, groups, seed), tolerance=1e-12)  # fmt: skip
    yield sign_picture(cells)


def coefficient_checks(objective: Drpo, groups: int, seed: int) -> list[Check]:
    """Signs and sums of DRPO's coefficients in random groups."""
    rng = draws(seed, 3)
    correct = rng.random((groups, GROUP)) < rng.random((groups, 1))
    length = rng.integers(1, 8193, (groups, GROUP)).astype(float)
    r = Rollouts(correct.astype(float), length, 8192.0)
    w, minus_v = objective.pair_weights(r, -rng.exponential(1.0, (groups, GROUP)))
    mixed = np.any(correct, axis=-1) & ~np.all(correct, axis=-1)
    off = np.abs(np.stack([w.sum(-1) - 1, minus_v.sum(-1) + 1]))[:, mixed]
    fact = alone("random groups", "holds in every group: both are softmaxes")
    return [
        fact(POSITIVE, float((w + minus_v)[correct & mixed[:, None]].min()), 0.0, ">"),
        fact(SUMS, float(off.max()), 1e-12),
    ]


def sign_picture(cells: int) -> Picture:
    """P(A < 0 | right, long) over accuracy and weight, with the boundary of an infinite group."""
    p, alpha = ((np.arange(cells) + place) / cells for place in (0.5, 0.37))
    grid = [[signs.negative_probability(x, LONG_SHARE, a, GROUP) for x in p] for a in alpha]
    return lines(
        "signs", "GRPO punishes long right answers",
        ("p, probability of a right answer", "alpha, weight of the length penalty"),
        {"infinite group": (signs.population_boundary(alpha, LONG_SHARE), alpha)},
        grid=grid, grid_x=p.tolist(), grid_y=alpha.tolist(),
        grid_label="P(advantage < 0 | right and long)",
        caption=f"Groups of {GROUP}; a share {LONG_SHARE} of right answers is long. DRPO's map "
        "is 0 everywhere.",
    )  # fmt: skip


# -- T3: DRPO shortens -----------------------------------------------------------------------------
def stationary(objective: Drpo, horizon: float = 30_000.0) -> np.ndarray:
    """Policy (A,) at the end of the population's logit flow from the uniform policy."""

    def gradient(z: np.ndarray) -> np.ndarray:
        r = arm_classes(softmax(z), SUCCESS, length=LENGTH, max_length=LIMIT)
        return arm_gradient(r, objective.advantages(r, np.tile(log_policy(z), 2)[None]))

    # The end attracts: errors on the way to it die out.
    return flow_end(gradient, np.zeros(3), horizon, rtol=1e-5, atol=1e-7)


def flow_checks(objective: type[Drpo], weight: bool) -> Items:
    """The end of the flow against the closed form; mean length against lambda.

    weight : lambda is taken for the weight of length, not for its temperature, where it is varied
    """
    found = np.array([stationary(objective(*x)) for x in SETTINGS])
    want = np.array([closed(*x) for x in SETTINGS])
    power = -1 if weight else 1
    ends = np.array([stationary(objective(x**power, 1.0)) for x in (0.05, 0.2, 1.0, 10.0)])
    lengths = ends @ LENGTH
    fine = np.array([closed(x**power, 1.0) @ LENGTH for x in np.geomspace(0.05, 10, 200)])
    why = "an order along lambda; the policies themselves are found by two routes"
    integrated, exact = alone("integration", why), alone("closed form", why)
    rows = [[f"{lambda_:g}", tau, *f.tolist(), *w.tolist()]
            for (lambda_, tau), f, w in zip(SETTINGS, found, want, strict=True)]  # fmt: skip
    arms = [f"{kind} {i + 1}" for kind in ("integrated", "closed") for i in range(3)]
    return [
        apart(FIXED, found, want, 1e-4, ("closed form", "integration")),
        integrated(SHORTENS, float(np.maximum(-np.diff(lengths), 0).max()), 1e-6),
        exact(CLOSED_SHORTENS, float(np.maximum(-np.diff(fine), 0).max()), 1e-12),
        integrated(FACTOR, float(lengths[0] / lengths[-1]), 0.5, "<"),
        trade_picture(),
        Table("stationary", ("lambda", "tau", *arms), rows,
              caption=f"Share of each arm; success {SUCCESS.tolist()}, "
              f"length {LENGTH.tolist()} of {LIMIT:g} tokens."),
    ]  # fmt: skip


def trade_picture() -> Picture:
    """Accuracy against mean length, traced by lambda and by GRPO's penalty."""
    drpo = np.array([closed(x, 1.0) for x in np.geomspace(0.05, 10, 60)])
    # A single prompt's GRPO ends on the arm of largest expected reward b (1 - alpha l/C).
    best = [np.argmax(SUCCESS * (1 - a * LENGTH / LIMIT)) for a in np.linspace(0, 0.999, 60)]
    ends, grpo = sorted(set(best), key=best.index), "GRPO, alpha 0 to 1"
    return lines(
        "trade", "Accuracy against length", ("mean length (tokens)", "accuracy"),
        {"DRPO, lambda 0.05 to 10": (drpo @ LENGTH, drpo @ SUCCESS),
         grpo: (LENGTH[ends], SUCCESS[ends])}, points=(grpo,),
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
    smoke={"groups": 14_000, "random_groups": 7000, "replicas": 2, "mean_updates": 1200,
           "cells": 10},
    mutants=[
        Mutant("DRPO in GRPO's place", {"rules": {"grpo": "drpo"}, "parts": ["signs"]},
               tuple(SIGNS)),
        Mutant("wrong answers pay for length too", {"payer": "all", "parts": ["signs"]},
               (*SIGNS[:6], *SIGNS[8:])),
        Mutant("weights centred on the group",
               {"objective": "centred", "parts": ["coefficients", "flow"]}, (POSITIVE, FIXED)),
        Mutant("weights normalised over all rollouts",
               {"objective": "over all", "parts": ["coefficients", "flow"]}, (SUMS, FIXED)),
        Mutant("the std is left out",
               {"rules": {"grpo": "dr_grpo"}, "names": ["grpo"], "parts": ["shared"]},
               tuple(x["grpo"] for x in shared.CHECKS)),
        Mutant("the std stays in",
               {"rules": {"dr_grpo": "grpo_exact"}, "names": ["dr_grpo"], "parts": ["shared"]},
               tuple(x["dr_grpo"] for x in shared.CHECKS[:-1])),
        Mutant("alpha is charged for every token",
               {"payer": "token", "names": ["dr_grpo"], "parts": ["shared"]},
               tuple(x["dr_grpo"] for x in (*shared.CHECKS[:3], shared.CHECKS[4]))),
        Mutant("mean baseline in DRPO's place",
               {"rules": {"drpo": "dr_grpo"}, "names": ["drpo"], "parts": ["shared"]},
               (*(x["drpo"] for x in shared.CHECKS), shared.DRPO_KEEPS)),
        Mutant("all-right groups count",
               {"objective": "unmixed", "names": ["drpo"], "parts": ["shared"]},
               (shared.DRIFT["drpo"], shared.EXPECTED["drpo"], shared.DRPO_KEEPS)),
        Mutant("lambda is taken for the weight of length",
               {"weight": True, "parts": ["flow"]}, (SHORTENS, CLOSED_SHORTENS, FACTOR)),
    ],
)  # fmt: skip
def run(
    *,
    objective: str = "drpo",
    rules: Mapping[str, str] | None = None,
    payer: str = "right",
    weight: bool = False,
    parts: Sequence[str] = ("signs", "coefficients", "shared", "flow"),
    names: Sequence[str] = tuple(shared.RULES),
    groups: int = 200_000,
    random_groups: int = 100_000,
    replicas: int = 8,
    mean_updates: int = 2000,
    cells: int = 40,
    seed: int = 0,
) -> Result:
    """Signs of advantages, a policy shared by easy and hard prompts, and DRPO's fixed point.

    groups : sampled groups per cell; random_groups : groups whose coefficients are looked at;
    replicas : runs of the shared policy; mean_updates : updates of the mean baseline, the slowest
    objective : "drpo", or one of the broken ones in `OBJECTIVES`; rules : estimators that stand in
    for others; payer : who pays for length, see `Method`; weight : how lambda is read
    parts, names : what is run, and which estimators train the shared policy; all for mutants
    """
    kind = pick(OBJECTIVES, objective)
    m = Method(shared.RULES | dict(rules or {}), payer, kind())
    updates = {n: mean_updates if n == "dr_grpo" else shared.UPDATES[n] for n in names}
    return run_parts(
        {
            "signs": lambda: sign_checks(m, groups, seed, cells),
            "coefficients": lambda: coefficient_checks(m.drpo, random_groups, seed),
            "shared": lambda: shared.study(m, updates, replicas, groups // 10, seed),
            "flow": lambda: flow_checks(kind, weight),
        },
        parts,
        (
            "In the shared-policy toy the sign of every expected update holds for all P(long), not "
            "only near 0: std-GRPO drifts as (1 - 2 rho) sqrt((G-1)/G) E sqrt(p_hat (1 - p_hat)).",
        ),
    )
