"""Writing-Zero: a reference drawn from the group raises the bar with the policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from toyrl.estimators.group import PRESETS
from toyrl.estimators.pairwise import Brpo, all_conditions
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.rollouts import Rollouts

G, STEP = 16, 0.05
SLOPE = "T1: slope of the rising bar against 1/sqrt(pi), relative error"
FILTERED = "T1: slope with the skew filter against its order statistics, relative error"
STUCK = "T1: fixed reference: quality at the end"
SATURATES = "T1: fixed reference against theta' = 2 phi(theta), error at half time"
ORDER = "T2: noisy judge: least gap in signal to noise, kept > BRPO > std-GRPO > mean baseline"
CLEAN = "T2: clean judge: std-GRPO's signal to noise over BRPO's"
PLAIN = "T3: BRPO keeps the plain answer: least final probability"
SPREAD = "T3: BRPO: spread of that over the exploit's size"
SCALAR = "T3: mean baseline follows an exploit of size 20: final P(plain)"
TIES = "T3: without noise, ties hold BRPO at an interior mixture: P(plain) from 0.865"
DRIFT = "T3: without noise: expected drift at the predicted mixture"
VOTES = "T5: a judge biased to one place: mean sign at equal quality, error in s.e."
KEPT = "T4: kept share against the closed form, largest error in standard errors"
RULE = "T4: kept ranks against |G + 1 - 2k| <= 0.6 G, mistakes"


@experiment(
    "42",
    card="42",
    slug="brpo",
    claim="A reference drawn from the current group keeps a constant signal however good the "
    "policy is; a fixed reference saturates. Signs of comparisons ignore the judge's scale and "
    "outliers, which scalar rewards follow.",
    source="Bootstrapped Relative Policy Optimization; theory derived: order statistics "
    "of the normal law",
    provenance="second-hand",
    smoke={"replicas": 60, "groups": 40_000, "updates": 300},
    mutants=(
        Mutant("the reference is never redrawn", {"redrawn": False}, (SLOPE, FILTERED)),
        Mutant("signs normalised by the group's std", {"centred": True}, (FILTERED,)),
        Mutant("ties count as nothing", {"ties": 0.0}, (TIES, DRIFT)),
    ),
)
def brpo(
    *,
    replicas: int = 400,
    groups: int = 200_000,
    updates: int = 400,
    redrawn: bool = True,
    centred: bool = False,
    ties: float = -1.0,
    seed: int = 0,
) -> Result:
    """Gaussian qualities, a noisy judge, an exploit.

    replicas : runs of T1; groups : simulated groups of T2 and T4; updates : of T1
    redrawn, centred, ties : mechanisms that mutants break
    """
    rng = np.random.default_rng(seed)
    bar, picture = _rising_bar(rng, replicas, updates, redrawn, centred)
    exploit, table = _exploit(rng, ties)
    return Result(
        (*bar, *_noisy(rng, groups), *exploit, *_filter(rng, groups), _votes(rng, groups)),
        (picture,),
        (table,),
    )


# -- T1 --------------------------------------------------------------------------------------------
def _advantages(score: np.ndarray, e: Any) -> np.ndarray:
    """(N, G) advantages of N groups under an estimator."""
    r = Rollouts(score, np.ones_like(score), 1.0)
    return np.asarray(e.apply({"quality": score}, r)[0])


def _climb(rng: Any, rule: Any, replicas: int, updates: int) -> np.ndarray:
    """(updates + 1,) mean quality theta over replicas; rule(z, theta) -> advantages."""
    theta = np.zeros(replicas)
    path = [0.0]
    for _ in range(updates):
        z = rng.standard_normal((replicas, G))
        theta = theta + STEP * (rule(z, theta) * z).mean(-1)
        path.append(float(theta.mean()))
    return np.array(path)


def kept_gain(size: int, skew: float = 0.6) -> tuple[float, float]:
    """(P(kept), E[sum_i R_i z_i] / size with dropped groups 0) for a clean judge, distinct scores.

    With the reference at rank k the sum is that of the ranks above less those below, in
    expectation -2 (m_1 + ... + m_{k-1}) - m_k over normal order statistics m (they sum to 0).
    """
    m = order_means(size)
    ranks = [k for k in range(1, size + 1) if abs(size + 1 - 2 * k) <= skew * size]
    gain = sum(-2 * m[: k - 1].sum() - m[k - 1] for k in ranks) / size
    return len(ranks) / size, gain / size


def order_means(size: int) -> np.ndarray:
    """(size,) expected standard normal order statistics, by quadrature."""
    x = np.linspace(-9, 9, 20001)
    dx = x[1] - x[0]
    out = []
    for k in range(1, size + 1):
        log = (
            math.lgamma(size + 1)
            - math.lgamma(k)
            - math.lgamma(size - k + 1)
            + norm.logpdf(x)
            + (k - 1) * norm.logcdf(x)
            + (size - k) * norm.logsf(x)
        )
        out.append(float((x * np.exp(log)).sum() * dx))
    return np.array(out)


def _rising_bar(
    rng: Any, replicas: int, updates: int, redrawn: bool, centred: bool
) -> tuple[list[Check], Picture]:
    free, skewed = Brpo(reference="first", skew=math.inf), Brpo(reference="first")
    std = PRESETS["grpo_exact"]

    def moving(e: Brpo) -> Any:
        def rule(z: np.ndarray, theta: np.ndarray) -> np.ndarray:
            if not redrawn:
                return np.sign(z + theta[:, None])
            a = _advantages(z, e)
            return _advantages(a, std) if centred else a

        return rule

    def fixed(z: np.ndarray, theta: np.ndarray) -> np.ndarray:
        return np.sign(z + theta[:, None])

    paths = {
        "BRPO": _climb(rng, moving(free), replicas, updates),
        "BRPO with the skew filter": _climb(rng, moving(skewed), replicas, updates),
        "fixed reference": _climb(rng, fixed, replicas, updates),
    }
    slope = STEP * (G - 1) / G / math.sqrt(math.pi)
    filtered = STEP * kept_gain(G)[1]
    half = updates // 2
    closed = _saturating(STEP * half)
    checks = [
        Check(
            SLOPE,
            abs(paths["BRPO"][-1] / updates / slope - 1),
            0.03,
            routes=("closed form", "simulation"),
        ),
        Check(
            FILTERED,
            abs(paths["BRPO with the skew filter"][-1] / updates / filtered - 1),
            0.03,
            routes=("order statistics", "simulation"),
        ),
        Check(STUCK, paths["fixed reference"][-1], 3.2, "<"),
        Check(
            SATURATES,
            abs(paths["fixed reference"][half] - closed),
            0.05,
            routes=("ODE", "simulation"),
        ),
    ]
    t = np.arange(updates + 1)
    curves = tuple(Curve(n, t.tolist(), p.tolist()) for n, p in paths.items())
    curves += (
        Curve("theory: t eta (G-1)/(G sqrt(pi))", t.tolist(), (slope * t).tolist(), style="dashed"),
    )
    return checks, Picture(
        "brpo-bar",
        "A bar that rises with the policy",
        "update",
        "mean quality",
        curves=curves,
        caption="Gaussian qualities, groups of 16, step 0.05.",
    )


def _saturating(time: float) -> float:
    """theta(time) of theta' = 2 phi(theta), the fixed reference, from 0."""
    from scipy.integrate import solve_ivp

    found = solve_ivp(lambda _, y: 2 * norm.pdf(y), (0, time), [0.0], rtol=1e-9, atol=1e-10)
    return float(found.y[0, -1])


# -- T2 --------------------------------------------------------------------------------------------
def _snr(a: np.ndarray, z: np.ndarray) -> float:
    """Mean over standard deviation of a group's gradient."""
    g = (a * z).mean(-1)
    return float(g.mean() / g.std())


def _noisy(rng: Any, groups: int) -> list[Check]:
    z = rng.standard_normal((groups // 4, G))
    noise = 3 * rng.standard_cauchy(z.shape)
    free, std, mean = Brpo("first", math.inf), PRESETS["grpo_exact"], PRESETS["dr_grpo"]
    seen = z + noise
    a = _advantages(seen, Brpo("first"))
    kept = np.any(a != 0, axis=-1)
    ladder = [
        _snr(a[kept], z[kept]),
        _snr(_advantages(seen, free), z),
        _snr(_advantages(seen, std), z),
        _snr(_advantages(seen, mean), z),
    ]
    clean = _snr(_advantages(z, std), z) / _snr(_advantages(z, free), z)
    return [
        Check(ORDER, float(min(-np.diff(ladder))), 0.0, ">", routes=("simulation",)),
        Check(CLEAN, clean, 1.0, ">", routes=("simulation",)),
    ]


# -- T3 --------------------------------------------------------------------------------------------
def _train(rng: Any, e: Any, size: float, noise: float, updates: int = 600) -> float:
    """Final P(plain) of a two-armed policy from even odds; mean over 32 runs."""
    runs = 32
    logit = np.zeros(runs)
    for _ in range(updates):
        p = 1 / (1 + np.exp(-logit))
        plain = rng.random((runs, G)) < p[:, None]
        hit = np.where(rng.random((runs, G)) < 0.1, 1 + size, 0.0)
        score = np.where(plain, 1.0, hit) + noise * rng.standard_normal((runs, G))
        a = _advantages(score, e)
        logit = logit + 0.1 * (a * (plain - p[:, None])).mean(-1)
    return float((1 / (1 + np.exp(-logit))).mean())


def _exploit(rng: Any, ties: float) -> tuple[list[Check], Table]:
    sizes: Sequence[float] = (5.0, 20.0, 200.0)
    rules = {
        "BRPO": Brpo("first"),
        "mean baseline": PRESETS["dr_grpo"],
        "group std": PRESETS["grpo_exact"],
    }
    final = {n: [_train(rng, e, m, 0.1) for m in sizes] for n, e in rules.items()}
    interior = _train(rng, Brpo("first", ties=ties), 20.0, 0.0)
    own = final["BRPO"]
    checks = [
        Check(PLAIN, min(own), 0.95, ">", routes=("simulation",)),
        Check(SPREAD, max(own) - min(own), 0.005, "<", routes=("simulation",)),
        Check(SCALAR, final["mean baseline"][1], 0.1, "<", routes=("simulation",)),
        Check(TIES, interior, 0.865, "~", 0.065, routes=("simulation",)),
        Check(DRIFT, abs(_tied_drift(ties)), 1e-12, routes=("closed form", "enumeration")),
    ]
    rows = [[n, *values] for n, values in final.items()]
    rows.append(["BRPO, no noise (ties)", "", interior, ""])
    table = Table(
        "exploit",
        ("advantage", *(f"exploit pays 1 + {m:g}" for m in sizes)),
        rows,
        "Final probability of the plain answer; the exploit is paid once in ten.",
    )
    return checks, table


def _tied_drift(ties: float) -> float:
    """Expected drift of the logit at P(plain) = 1.62/1.82, where -0.2 x + 1.62 (1 - x) = 0.

    Without noise two plain answers tie, and lose: plain has -x + 0.8 (1 - x), the exploit
    -0.8 x - 0.82 (1 - x). In an infinite group, by the estimator on the three outcomes.
    """
    x = 1.62 / 1.82
    score, plain = np.array([[1.0, 21.0, 0.0]]), np.array([1.0, 0.0, 0.0])
    weight = np.array([[x, 0.1 * (1 - x), 0.9 * (1 - x)]])
    r = Rollouts(score, np.ones_like(score), 1.0, weight=weight, group_size=math.inf)
    a = Brpo(skew=math.inf, ties=ties).apply({"quality": score}, r)[0]
    return float((weight * a * (plain - x)).sum())


# -- T5 --------------------------------------------------------------------------------------------
def _votes(rng: Any, groups: int) -> Check:
    """One vote for each order, each won with probability sigmoid(gap +- bias), at gap 0."""
    worst = 0.0
    for bias in (0.0, 0.5, 2.0):
        chance = 1 / (1 + np.exp(-np.array([bias, -bias])))
        won = (rng.random((2, groups)) < chance[:, None]) * 1.0
        sign = all_conditions(np.c_[won, [0.0, 0.0]], groups, np.full((2, groups + 1), 0.5))
        want = 2 * chance.prod() - 1
        error = math.sqrt((1 - want**2) / groups)
        worst = max(worst, abs(float(sign[:-1].mean()) - want) / error)
    return Check(VOTES, worst, 4.0, routes=("closed form", "simulation"))


# -- T4 --------------------------------------------------------------------------------------------
def _filter(rng: Any, groups: int) -> list[Check]:
    worst, wrong = 0.0, 0
    for size in (4, 8, 16, 32):
        z = rng.standard_normal((groups // size, size))
        kept = np.any(_advantages(z, Brpo("first")) != 0, axis=-1)
        rank = 1 + (z[:, 1:] < z[:, :1]).sum(-1)
        wrong += int((kept != (np.abs(size + 1 - 2 * rank) <= 0.6 * size)).sum())
        closed = kept_gain(size)[0]
        error = math.sqrt(closed * (1 - closed) / len(z)) or 1.0
        worst = max(worst, abs(kept.mean() - closed) / error)
    return [
        Check(KEPT, worst, 4.0, routes=("closed form", "simulation")),
        Check(RULE, wrong, 0, "==", routes=("closed form", "the estimator on every group")),
    ]
