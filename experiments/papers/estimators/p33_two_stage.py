"""Two stages of mass: the boundary shrinks first and grows later, if rewards are graded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.rollouts import Rollouts
from toyrl.theory.group import mass_dynamics as theory
from toyrl.theory.policies import softmax
from toyrl.theory.selection.best_of_k import success_of_best

REWARD = np.array([0.8, 1.0, 0.0])
RARE = (0.02, 0.01, 0.005, 0.002)
GROUP, STEP = 8, 0.1
LEAST = "T1: least probability of the best answer over (27/4) C, distance from 1, largest"
CLOSER = "T1: that ratio falls towards 1 as the answer gets rarer, least fall"
TURN = "T1: pi3/pi2 where it turns against 2 D'/D, largest error"
ROOT = "T1: square-root law while pi3 > 20 pi2, largest relative error"
SUM = "T1: sum of the logits moves by at most"
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


@experiment(
    "33",
    card="33",
    slug="two-stage-dynamics",
    claim="Mass first flows to the likely good answer while the rare best one shrinks, and later "
    "to the best; negative-only updates keep equally likely right answers equal.",
    source="Theorem 1; asymptotics derived in theory/group/mass_dynamics.py. With 0/1 rewards "
    "there is no second stage",
    provenance="second-hand",
    smoke={"replicas": 60, "rare": (0.02, 0.01)},
    mutants=(
        Mutant("updates not multiplied by pi", {"natural": True}, (SHRINKS,)),
        Mutant("advantages centred again after masking", {"recentred": True}, (EVEN,)),
        Mutant("rewards 0 and 1", {"graded": False}, (GROWS,)),
    ),
)
def two_stage(
    *,
    replicas: int = 400,
    rare: Sequence[float] = RARE,
    natural: bool = False,
    recentred: bool = False,
    graded: bool = True,
    seed: int = 0,
) -> Result:
    """replicas : sampled runs; rare : start of the best answer; mutants set the rest."""
    rng = np.random.default_rng(seed)
    stages, picture = _passes(natural, graded)
    many, table = _diversity(rng, replicas, recentred)
    finite = _finite(rng, replicas) if graded else []
    checks = (*_flow(rare), *stages, *finite, *many, *_binary(rng))
    return Result(checks, (picture,), (table,))


def _start(e: float) -> np.ndarray:
    return np.array([(1 - e) / 2, e, (1 - e) / 2])


# -- T1 --------------------------------------------------------------------------------------------
def _flow(rare: Sequence[float]) -> list[Check]:
    ratio, turn, root, total, rise, end = [], 0.0, 0.0, 0.0, np.inf, 1.0
    for e in rare:
        start = _start(e)
        t = theory.turning(start, REWARD)
        times = np.unique(np.r_[0, np.geomspace(0.1, 3 * t.escape, 4000)])
        z = theory.integrate(start, REWARD, times)
        pi = softmax(z)
        low = int(np.argmin(pi[:, 1]))
        ratio.append(float(pi[low, 1]) / t.least)
        turn = max(turn, abs(float(pi[low, 2] / pi[low, 1]) - t.ratio))
        early = pi[:, 2] > 20 * pi[:, 1]
        law = e * np.sqrt(pi[:, 0] * pi[:, 2] / (start[0] * start[2]))
        root = max(root, float(np.abs(pi[early, 1] / law[early] - 1).max()))
        total = max(total, float(np.abs(z.sum(-1) - z[0].sum()).max()))
        rise = min(rise, float(np.diff(pi @ REWARD).min()))
        end = min(end, float(pi[-1, 1]))
    return [
        Check(LEAST, max(abs(x - 1) for x in ratio), 0.15, routes=("asymptotics", "ODE")),
        Check(CLOSER, float((-np.diff(ratio)).min()), 0.0, ">", routes=("asymptotics", "ODE")),
        Check(TURN, turn, 0.02, routes=("asymptotics", "ODE")),
        Check(ROOT, root, 0.05, routes=("asymptotics", "ODE")),
        Check(SUM, total, 1e-8, routes=("conservation law", "ODE")),
        Check(RISES, rise, -1e-9, ">=", routes=("ODE",)),
        Check(ESCAPES, end, 0.99, ">", routes=("asymptotics", "ODE")),
        Check(DISCRETE, _discrete(), 0.01, routes=("ODE", "exact updates")),
    ]


def _discrete() -> float:
    """Largest difference of pi along 3,000 exact expected updates of step 0.1 and the flow."""
    start = _start(0.05)
    z = np.log(start)
    path = [z]
    for _ in range(3000):
        z = z + STEP * theory.flow(z, REWARD)
        path.append(z)
    exact = softmax(theory.integrate(start, REWARD, STEP * np.arange(3001)))
    return float(np.abs(softmax(np.array(path)) - exact).max())


# -- T2 --------------------------------------------------------------------------------------------
def _passes(natural: bool, graded: bool) -> tuple[list[Check], Picture]:
    start = _start(0.02)
    reward = REWARD if graded else np.array([1.0, 1.0, 0.0])
    end = 3 * theory.turning(start, REWARD).escape
    times = np.unique(np.r_[0, np.geomspace(0.1, end, 600)])
    if natural:  # every logit moves by its advantage, however rare
        z = _natural(start, reward, times)
    else:
        z = theory.integrate(start, reward, times)
    pi = softmax(z)
    passed = success_of_best(pi[:, 1], 64)
    t = times[1:].tolist()
    picture = Picture(
        "two-stage",
        "Mean reward rises while pass@64 falls and rises",
        "time",
        "",
        curves=(
            Curve("mean reward", t, (pi @ reward)[1:].tolist()),
            Curve("pass@64 of the best answer", t, passed[1:].tolist()),
            Curve("probability of the best answer", t, pi[1:, 1].tolist()),
        ),
        log_x=True,
        caption="Rewards 0.8, 1, 0; the best answer starts at 0.02.",
    )
    return [
        Check(SHRINKS, float(passed.min() / passed[0]), 0.5, "<", routes=("ODE",)),
        Check(GROWS, float(passed[-1]), 0.99, ">", routes=("ODE",)),
    ], picture


def _natural(start: np.ndarray, reward: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The flow z' = r - E r, solved: z = z0 + r t up to a constant."""
    return np.log(start) + np.outer(times, reward)


# -- T3, T4: sampled groups ------------------------------------------------------------------------
def _advantages(reward: np.ndarray, rule: str) -> np.ndarray:
    e = PRESETS["dr_grpo" if rule == "mean baseline" else "grpo_exact"]
    a = np.asarray(e.apply({"r": reward}, Rollouts(reward, np.ones_like(reward), 1.0))[0])
    if rule.startswith("negative"):
        a = np.minimum(a, 0.0)
    if rule == "positive only":
        a = np.maximum(a, 0.0)
    if rule.endswith("recentred"):
        a = a - a.mean(-1, keepdims=True)
    return a


def _update(rng: Any, z: np.ndarray, reward: np.ndarray, rule: str, step: float) -> np.ndarray:
    """One sampled update of N policies z (N, K)."""
    pi = softmax(z)
    u = rng.random((len(z), GROUP, 1))
    drawn = np.minimum((u > np.cumsum(pi, -1)[:, None]).sum(-1), z.shape[1] - 1)
    a = _advantages(reward[drawn], rule) / GROUP
    g = np.zeros_like(z)
    np.add.at(g, (np.arange(len(z))[:, None], drawn), a)
    return z + step * (g - pi * a.sum(-1, keepdims=True))


def _finite(rng: Any, replicas: int) -> list[Check]:
    ends = {}
    for rule in ("group std", "mean baseline", "negative only"):
        z = np.tile(np.log([0.49, 0.02, 0.49]), (replicas, 1))
        for _ in range(2000):
            z = _update(rng, z, REWARD, rule, STEP)
        ends[rule] = float(success_of_best(softmax(z)[:, 1], 64).mean())
    order = [ends[r] for r in ("group std", "mean baseline", "negative only")]
    return [
        Check(STD, order[0], 0.95, ">", routes=("simulation",)),
        Check(ORDER, float(min(-np.diff(order))), 0.0, ">", routes=("simulation",)),
    ]


def _diversity(rng: Any, replicas: int, recentred: bool) -> tuple[list[Check], Table]:
    """Eight right answers of equal probability, four wrong; trained until p > 0.95."""
    start = np.log(np.r_[np.full(8, 0.2 / 8), np.full(4, 0.8 / 4)])
    reward = np.r_[np.ones(8), np.zeros(4)]
    negative = "negative only, recentred" if recentred else "negative only"
    rows, ends = [], {}
    runs = max(replicas // 8, 20)
    for rule in ("group std", "positive only", negative):
        z = np.tile(start, (runs, 1))
        steps = np.zeros(runs)
        for _ in range(1500):
            open_ = softmax(z)[:, :8].sum(-1) <= 0.95
            if not open_.any():
                break
            z[open_] = _update(rng, z[open_], reward, rule, 0.5)
            steps[open_] += 1
        ends[rule] = theory.effective_number(softmax(z)[:, :8])
        rows.append([rule, float(ends[rule].mean()), float(steps.mean())])
    table = Table(
        "diversity",
        ("updates", "right answers in use", "updates needed"),
        rows,
        "Until the success rate passes 0.95; step 0.5, groups of eight.",
    )
    even = float(np.abs(ends[negative] - 8).max())
    return [
        Check(EVEN, even, 1e-6, routes=("symmetry", "simulation")),
        Check(DRIFT, float(ends["group std"].mean()), 7.9, "<", routes=("simulation",)),
        Check(
            URN,
            float(ends["group std"].mean() - ends["positive only"].mean()),
            0.0,
            ">",
            routes=("simulation",),
        ),
    ], table


# -- T5 --------------------------------------------------------------------------------------------
def _binary(rng: Any) -> list[Check]:
    worst = 0.0
    for _ in range(20):
        z, right = rng.standard_normal(5), np.array([1.0, 1, 0, 0, 0])
        pi = softmax(z)
        p = float(pi @ right)
        a = right - p
        score = np.eye(5) - pi
        whole = (pi * a) @ score
        negative = (pi * np.minimum(a, 0)) @ score
        positive = (pi * np.maximum(a, 0)) @ score
        worst = max(
            worst,
            float(np.abs(negative - p * whole).max()),
            float(np.abs(positive - (1 - p) * whole).max()),
        )
    pi = softmax(theory.integrate([0.3, 0.1, 0.6], [1.0, 1.0, 0.0], np.linspace(0, 500, 400)))
    share = pi[:, 1] / (pi[:, 0] + pi[:, 1])
    return [
        Check(BINARY, worst, 1e-14, routes=("closed form", "enumeration")),
        Check(NEVER, float(np.diff(share).max()), 1e-9, routes=("conservation law", "ODE")),
    ]
