"""Two stages of mass: the boundary shrinks first and grows later, if rewards are graded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.bandits import ascend, flow_path
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import Draws, draws
from toyrl.experiments.lab.groups import advantages
from toyrl.experiments.lab.mutants import pick, pick_all
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart
from toyrl.experiments.lab.tables import Rule, expect_rules, train_rules
from toyrl.theory.group import mass_dynamics as theory
from toyrl.theory.policies import softmax
from toyrl.theory.selection.best_of_k import success_of_best

Array = np.ndarray
REWARD, EQUAL = np.array([0.8, 1.0, 0.0]), np.array([1.0, 1.0, 0.0])
RARE = (0.02, 0.01, 0.005, 0.002)
GROUP, STEP = 8, 0.1
LEAST = "T1: least probability of the best answer over (27/4) C, distance from 1, largest"
CLOSER = "T1: that ratio falls towards 1 as the answer gets rarer, least fall"
TURN = "T1: pi3/pi2 where it turns against 2 D'/D, largest error"
ROOT = "T1: square-root law while pi3 > 20 pi2, largest relative error"
SUM = "T1: sum of the logits moves by at most"
RATE = "T1: rate of the mean reward along the flow against sum pi^2 a^2, largest error"
RISES = "T1: the mean reward never falls, least rise"
ESCAPES = "T1: probability of the best answer at 3 escape times"
DISCRETE = "T1: expected updates of step 0.1 against the flow, largest difference"
SHRINKS = "T2: pass@64 at its least over its start"
GROWS = "T2: pass@64 at the end"
STD = "T3: pass@64 with group std after 2000 updates"
ORDER = "T3: least gap in group std > mean baseline > negative only"
EVEN = "T4: negative only: right answers in use, distance from 8"
DRIFT = "T4: group std: right answers in use"
URN = "T4: positive only uses fewer than all advantages, gap"
BINARY = "T5: rewards 0 and 1: negative part = p times the whole, largest error"
NEVER = "T5: equal rewards: largest rise of the rarer right answer's share"
ASYMPTOTIC = ("asymptotics", "ODE")
NEGATIVE, POSITIVE = "negative only", "positive only"
FLOW = ("T1", "T2")

Move = Callable[[Array, Array], Array]
FLOWS: dict[str, Move] = {
    "softmax": theory.flow,
    "without pi": lambda z, r: r - softmax(z) @ r,
    "drawn logit alone": lambda z, r: softmax(z) * r,
    "minimised": lambda z, r: -theory.flow(z, r),
}
"""dz/dt from logits and rewards: the mechanism and three broken ones."""


def start_of(e: float) -> Array:
    """(3,) likely good, rare best, likely bad."""
    return np.array([(1 - e) / 2, e, (1 - e) / 2])


def path_of(move: Move, start: Array, reward: Array, times: Array) -> Array:
    """(T, K) logits along the flow from probabilities `start`."""
    return flow_path(lambda z: move(z, reward), np.log(start), times)


# -- T1, T2: the flow ------------------------------------------------------------------------------
def stages(e: float, move: Move) -> tuple[float, ...]:
    """What is measured along the flow from a best answer of probability e, as in `flow_checks`."""
    start = start_of(e)
    t = theory.turning(start, REWARD)
    times = np.unique(np.r_[0, np.geomspace(0.1, 3 * t.escape, 4000)])
    z = path_of(move, start, REWARD, times)
    pi = softmax(z)
    mean, low = pi @ REWARD, int(np.argmin(pi[:, 1]))
    early = pi[:, 2] > 20 * pi[:, 1]
    law = e * np.sqrt(pi[:, 0] * pi[:, 2] / (start[0] * start[2]))
    dz = np.array([move(x, REWARD) for x in z])
    rate = (pi * (dz - (pi * dz).sum(-1, keepdims=True))) @ REWARD
    return (
        pi[low, 1] / t.least,
        abs(np.exp(z[low, 2] - z[low, 1]) - t.ratio),
        np.abs(pi[early, 1] / law[early] - 1).max(),
        np.abs(z.sum(-1) - z[0].sum()).max(),
        np.abs(rate - ((pi * (REWARD - mean[:, None])) ** 2).sum(-1)).max(),
        np.diff(mean).min(),
        pi[-1, 1],
    )


def flow_checks(rare: Sequence[float], move: Move, updates: int) -> Items:
    """The flow against its asymptotics, its conservation law, and exact updates."""
    ratio, turn, root, total, rate, rise, end = np.array([stages(e, move) for e in rare]).T
    often, times = start_of(0.05), STEP * np.arange(updates + 1)
    exact = ascend(lambda pi, _: STEP * pi * (REWARD - pi @ REWARD), np.log(often), updates)
    return [
        Check(LEAST, np.abs(ratio - 1).max(), 0.15, routes=ASYMPTOTIC),
        Check(CLOSER, (-np.diff(ratio)).min(), 0.0, ">", routes=ASYMPTOTIC),
        Check(TURN, turn.max(), 0.02, routes=ASYMPTOTIC),
        Check(ROOT, root.max(), 0.05, routes=ASYMPTOTIC),
        Check(SUM, total.max(), 1e-8, routes=("conservation law", "ODE")),
        Check(RATE, rate.max(), 1e-14, routes=("closed form", "chain rule")),
        Check(RISES, rise.min(), -1e-9, ">=", why_one_route="its rate is found twice above"),
        Check(ESCAPES, end.min(), 0.99, ">", routes=ASYMPTOTIC),
        apart(DISCRETE, exact, softmax(path_of(move, often, REWARD, times)), 0.01,
              ("ODE", "exact updates")),
    ]  # fmt: skip


def pass_checks(move: Move, reward: Array) -> Items:
    """pass@64 along the flow: down, then up; its least also by the asymptotics."""
    start = start_of(0.02)
    t = theory.turning(start, REWARD)
    times = np.unique(np.r_[0, np.geomspace(0.1, 3 * t.escape, 600)])
    pi = softmax(path_of(move, start, reward, times))
    passed, least = success_of_best(pi[:, 1], 64), float(success_of_best(t.least, 64))
    return [
        Check(SHRINKS, max(passed.min(), least) / passed[0], 0.5, "<", routes=ASYMPTOTIC),
        Check(GROWS, float(passed[-1]), 0.99, ">", routes=ASYMPTOTIC),
        lines("two-stage", "Mean reward rises while pass@64 falls and rises", ("time", ""),
              {"mean reward": (pi @ reward)[1:], "pass@64 of the best answer": passed[1:],
               "probability of the best answer": pi[1:, 1]},
              x=times[1:].tolist(), most=600, log_x=True,
              caption="Rewards 0.8, 1, 0; the best answer starts at 0.02."),
    ]  # fmt: skip


# -- T3, T4: groups --------------------------------------------------------------------------------
def rule(preset: str = "grpo_exact", change: Callable[[Array], Array] = np.asarray) -> Rule:
    """Changed advantages (M, G) of rewards (M, G)."""
    return lambda x: change(advantages(PRESETS[preset], x))


RULES: dict[str, Rule] = {
    "group std": rule(),
    "mean baseline": rule("dr_grpo"),
    NEGATIVE: rule(change=lambda a: np.minimum(a, 0)),
    POSITIVE: rule(change=lambda a: np.maximum(a, 0)),
    "recentred": rule(change=lambda a: np.minimum(a, 0) - np.minimum(a, 0).mean(-1, keepdims=True)),
}


def finite_checks(swaps: Mapping[str, str], runs: int, rng: Draws) -> Items:
    """pass@64 of three rules after sampled updates, and after fewer and larger expected ones."""
    used = pick_all(RULES, ("group std", "mean baseline", NEGATIVE), swaps)
    task = ([0.49, 0.02, 0.49], REWARD, used)
    drawn = train_rules(*task, 2000, size=GROUP, step=STEP, runs=runs, rng=rng)[-1]
    exact = expect_rules(*task, 200, size=GROUP, step=10 * STEP)[-1]
    ends = np.array([success_of_best(drawn[..., 1], 64).mean(-1), success_of_best(exact[:, 1], 64)])
    found = ((STD, ends[:, 0].min(), 0.95), (ORDER, -np.diff(ends).max(), 0.0))
    return [Check(*x, ">", routes=("simulation", "expected updates")) for x in found]


def diversity_checks(swaps: Mapping[str, str], runs: int, most: int, rng: Draws) -> Items:
    """Eight right answers of equal probability, four wrong; trained until p > 0.95."""
    names = ("group std", POSITIVE, NEGATIVE)
    start, right = np.repeat([0.2 / 8, 0.8 / 4], [8, 4]), np.repeat([1.0, 0.0], [8, 4])
    path = train_rules(start, right, pick_all(RULES, names, swaps), most, size=GROUP, step=0.5,
                       runs=runs, rng=rng, until=0.95)  # fmt: skip
    used = theory.effective_number(path[-1, ..., :8])
    needed = (path[:-1] @ right <= 0.95).sum(0)
    rows = list(zip(names, used.mean(-1).tolist(), needed.mean(-1).tolist(), strict=True))
    caption = "Until the success rate passes 0.95; step 0.5, groups of eight."
    every, positive, _ = used.mean(-1)
    drawn = alone("simulation", "by sampling alone: expected updates keep equal answers equal")
    return [
        Check(EVEN, np.abs(used[2] - 8).max(), 1e-6, routes=("symmetry", "simulation")),
        drawn(DRIFT, every, 7.9, "<"),
        drawn(URN, every - positive, 0.0, ">"),
        Table("diversity", ("updates", "right answers in use", "updates needed"), rows, caption),
    ]


# -- T5 --------------------------------------------------------------------------------------------
def binary_checks(right: Array, rng: Draws) -> Items:
    """The parts of the gradient at 20 random policies; two right answers along the flow."""
    reward = np.r_[right, np.zeros(3)]
    pi = softmax(rng.standard_normal((20, 5)))
    p = (pi @ reward)[:, None]
    parts = (np.minimum(reward - p, 0), np.maximum(reward - p, 0), reward - p)
    negative, positive, whole = (pi * a - pi * (pi * a).sum(-1, keepdims=True) for a in parts)
    z = path_of(theory.flow, np.array([0.3, 0.1, 0.6]), reward[:3], np.linspace(0, 500, 400))
    u, v = np.exp(-z[:, 0]), np.exp(-z[0, 1])
    shares = np.array([softmax(z[:, :2])[:, 1], u / (2 * u - u[0] + v)])  # e^-z1 - e^-z2 is kept
    return [
        apart(BINARY, [negative, positive], [p * whole, (1 - p) * whole], 1e-14),
        Check(NEVER, np.diff(shares).max(), 1e-9, routes=("conservation law", "ODE")),
    ]


@experiment(
    "33",
    card="33",
    slug="two-stage-dynamics",
    claim="Mass first flows to the likely good answer while the rare best one shrinks, and later "
    "to the best; negative-only updates keep equally likely right answers equal.",
    source="Theorem 1; asymptotics derived in theory/group/mass_dynamics.py. With 0/1 rewards "
    "there is no second stage",
    provenance="second-hand",
    smoke={"replicas": 40, "rare": (0.02, 0.01), "updates": 400, "most": 800},
    mutants=[
        Mutant("updates not multiplied by pi", {"flow": "without pi", "parts": FLOW},
               (LEAST, CLOSER, TURN, ROOT, SUM, DISCRETE, SHRINKS)),
        Mutant("only the drawn logit moves", {"flow": "drawn logit alone", "parts": FLOW},
               (RATE, ESCAPES, GROWS)),
        Mutant("the reward descended like a loss", {"flow": "minimised", "parts": ("T1",)},
               (RATE, RISES)),
        Mutant("rewards 0 and 1", {"graded": False, "parts": ("T2",)}, (GROWS,)),
        Mutant("no division by the group's std",
               {"swaps": {"group std": "mean baseline"}, "parts": ("T3",)}, (STD, ORDER)),
        Mutant("positive advantages masked everywhere",
               {"swaps": {"group std": NEGATIVE}, "parts": ("T4",)}, (DRIFT,)),
        Mutant("the other sign masked", {"swaps": {NEGATIVE: POSITIVE, POSITIVE: NEGATIVE},
               "parts": ("T4",)}, (EVEN, URN)),
        Mutant("advantages centred again after masking",
               {"swaps": {NEGATIVE: "recentred"}, "parts": ("T4",)}, (EVEN,)),
        Mutant("a right answer gets part of the reward", {"right": (0.8, 1.0), "parts": ("T5",)},
               (BINARY, NEVER)),
    ],
)  # fmt: skip
def two_stage(
    *,
    replicas: int = 400,
    rare: Sequence[float] = RARE,
    updates: int = 3000,
    most: int = 1500,
    flow: str = "softmax",
    graded: bool = True,
    swaps: Mapping[str, str] | None = None,
    right: Sequence[float] = (1.0, 1.0),
    parts: Sequence[str] = (*FLOW, "T3", "T4", "T5"),
    seed: int = 0,
) -> Result:
    """replicas : sampled runs; rare : start of the best answer; updates : exact ones of T1; most :
    updates of a run of T4
    flow : one of `FLOWS`; swaps : other `RULES` behind a name; graded : rewards of T2; right :
    rewards of T5's right answers; parts : that are run; all for mutants
    """
    move, swaps = pick(FLOWS, flow), swaps or {}
    work = {
        "T1": lambda: flow_checks(rare, move, updates),
        "T2": lambda: pass_checks(move, REWARD if graded else EQUAL),
        "T3": lambda: finite_checks(swaps, replicas, draws(seed, 3)),
        "T4": lambda: diversity_checks(swaps, max(replicas // 8, 20), most, draws(seed, 4)),
        "T5": lambda: binary_checks(np.array(right), draws(seed, 5)),
    }
    return run_parts(work, parts)
