"""Trust-GRPO: a judge that rewards a hack, distrusted by group and faded out by time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.trust import TrustGrpo
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.trust import RIGHT
from toyrl.shapers.outcome import Outcome

RIGHTS, SCORES = (0.8, 0.3), (0.6, 1.0)  # success and judge's score of the sound and the hack arm
NOISE, GROUP, RATE, HORIZON = 0.05, 8, 0.15, 600
CRITICAL = (RIGHTS[0] - RIGHTS[1]) / (SCORES[1] - SCORES[0])
ALPHAS = (0.3, 1.8, 2.5)
GRPO, MEAN = GroupEstimator(eps=1e-6), GroupEstimator(scale="none")
FOREVER = float("inf")
BOTH = "T2: alpha 1.8: final accuracy with trust and annealing"
TRUST = "T2: alpha 1.8: final accuracy with trust alone"
NOT_SOUND = f"{TRUST}, at most"
BEYOND = "T2: alpha 2.5: trust and annealing over annealing alone, accuracy"
INTERIOR = "T1: share of the hack at which trust alone holds the policy, largest error"
BOUNDED = "T1: largest trust weight in random groups"
HONEST = "T2: a trustworthy judge: trust alone against none, accuracy"
INACTIVE = "T1: released rule, outcomes 0 and 1: largest reward of a wrong rollout"


# -- broken trust weights --------------------------------------------------------------------------
@dataclass(frozen=True)
class Doubled(TrustGrpo):
    """Mutant: exp(2 x), which the released code logs, is applied."""

    def trust(self, outcome: Any, judge: Any, w: Any) -> Any:
        return super().trust(outcome, judge, w) ** 2


@dataclass(frozen=True)
class Uncapped(TrustGrpo):
    """Mutant: gamma exceeds 1 where right rollouts are judged better."""

    def trust(self, outcome: Any, judge: Any, w: Any) -> Any:
        def mean(x: Any, w: Any) -> Any:
            n = w.sum(-1, keepdims=True)
            return (x * w).sum(-1, keepdims=True) / np.where(n > 0, n, 1)

        right = outcome >= RIGHT
        gap = mean(judge, w * right) - mean(judge, w * ~right)
        both = (w * right).any(-1, keepdims=True) & (w * ~right).any(-1, keepdims=True)
        return np.exp(np.where(both, gap, 0.0))


@dataclass(frozen=True)
class Zeroed(TrustGrpo):
    """Mutant: wrong rollouts are judged 0 "as the code does" and trust is still claimed."""

    def reward(self, outcome: Any, r: Rollouts) -> Any:
        judge = np.where(outcome >= RIGHT, r.fields["judge"], 0.0)
        return super().reward(outcome, r.with_(judge=judge))


RULES = {"trust": TrustGrpo, "doubled": Doubled, "uncapped": Uncapped, "zeroed": Zeroed}


def variants(kind: type[TrustGrpo]) -> dict[str, TrustGrpo]:
    """The five runs by name; the horizon is a number of updates."""
    return {
        "none": TrustGrpo("untrusted", horizon=FOREVER, inner=GRPO),
        "trust": kind(horizon=FOREVER, inner=GRPO),
        "anneal": TrustGrpo("untrusted", horizon=HORIZON, inner=GRPO),
        "both": kind(horizon=HORIZON, inner=GRPO),
        "released": TrustGrpo("released", horizon=HORIZON, inner=GRPO),
    }


# -- T1: the ordering of the two arms, exactly -----------------------------------------------------
def drift(e: TrustGrpo, hack: float, step: float = 0.0) -> float:
    """Expected update of the hack's logit, infinite group and mean baseline."""
    p, t = np.array(RIGHTS), np.array(SCORES)
    pi = np.array([1 - hack, hack])
    prob = np.concatenate([pi * p, pi * (1 - p)])[None]
    r = Rollouts(
        np.array([[1.0, 1, 0, 0]]), np.ones((1, 4)), 1.0, weight=prob, step=step,
        fields={"judge": np.tile(t, 2)[None]},
    )  # fmt: skip
    w = class_weights(r, Outcome(), replace(e, inner=MEAN)).w
    return float((w * prob * (np.array([0, 1, 0, 1]) - hack)).sum())


def population_trust(hack: float) -> float:
    """gamma at a share of the hack, in closed form."""
    p, t, pi = np.array(RIGHTS), np.array(SCORES), np.array([1 - hack, hack])
    right, wrong = pi * p, pi * (1 - p)
    return float(np.exp(min(0.0, right @ t / right.sum() - wrong @ t / wrong.sum())))


def root(f: Any, low: float, high: float) -> float:
    """Where f changes sign between low and high; NaN where it does not."""
    from scipy.optimize import brentq

    if f(low) * f(high) > 0:
        return float("nan")
    return cast("float", brentq(f, low, high, xtol=1e-13))


def ordering_checks(kind: type[TrustGrpo]) -> list[Check]:
    """a*, the interior points of trust alone, and the update at which annealing turns the order."""
    found = root(lambda a: drift(TrustGrpo("untrusted", a, FOREVER), 0.5), 0.1, 5)
    edges, want = [], []
    for alpha in (1.3, 1.5, 1.7):
        for low, high in ((0.001, 0.4), (0.4, 0.999)):
            edges.append(root(lambda h, a=alpha: drift(kind(alpha=a, horizon=FOREVER), h),
                              low, high))  # fmt: skip
            want.append(root(lambda h, a=alpha: a * population_trust(h) - CRITICAL, low, high))
    # A root that only one of the two finds is NaN in the difference, and fails.
    apart = [abs(x - y) for x, y in zip(edges, want, strict=True)
             if not (np.isnan(x) and np.isnan(y))]  # fmt: skip
    turn = root(lambda t: drift(TrustGrpo("untrusted", 1.8, HORIZON), 0.5, t), 0.0, 2000.0)
    both = root(lambda t: drift(kind(alpha=1.8, horizon=HORIZON), 0.5, t), -600.0, 2000.0)
    routes = ("closed form", "class engine, infinite group")
    return [
        Check("T1: alpha from which the hack wins", found, CRITICAL, "~", 1e-9, routes=routes),
        Check(INTERIOR, float(np.max(apart)) if apart else float("nan"), 1e-9, routes=routes),
        Check("T1: points found", len(apart), 3, ">="),
        Check("T1: update at which annealing turns the order, alpha 1.8", turn,
              HORIZON * np.log(1.8 / CRITICAL), "~", 1e-6, routes=routes),
        Check("T1: the same with trust at half hack", both,
              HORIZON * np.log(1.8 * population_trust(0.5) / CRITICAL), "~", 1e-6, routes=routes),
    ]  # fmt: skip


def group_checks(kind: type[TrustGrpo], groups: int, seed: int) -> list[Check]:
    """Facts about single groups: a right rollout pushed down, classes kept apart, gamma's range."""
    rng = np.random.default_rng([seed, 1])
    outcome = (rng.random((groups, GROUP)) < rng.random((groups, 1))) * 1.0
    judge = np.round(rng.random((groups, GROUP)), 1)
    r = Rollouts(outcome, np.ones_like(outcome), 1.0, fields={"judge": judge})
    own = kind(alpha=0.9)
    gamma = own.trust(outcome, judge, r.w)
    paid = own.reward(outcome, r)
    mixed = outcome.any(-1) & ~outcome.all(-1)
    right = np.where(outcome == 1, paid, np.inf).min(-1)[mixed]
    wrong = np.where(outcome == 0, paid, -np.inf).max(-1)[mixed]
    released = TrustGrpo("released").reward(outcome, r)
    one = Rollouts(np.array([[1.0] * 7 + [0.0]]), np.ones((1, 8)), 1.0,
                   fields={"judge": np.array([[0.0] + [1.0] * 6 + [0.0]])})  # fmt: skip

    def first(a: float) -> float:
        return float(kind(alpha=a, inner=MEAN).apply({"outcome": one.correct}, one)[0][0, 0])

    return [
        Check(BOUNDED, float(gamma.max()), 1.0),
        Check("T1: least trust weight in random groups", float(gamma.min()), float(np.exp(-1)),
              ">="),
        Check("T1: alpha 0.9: least gap between right and wrong of a group",
              float((right - wrong).min()), 0.0, ">"),
        Check("T1: a = alpha gamma from which 7 right, one of them judged 0, push it down",
              root(first, 0.01, 0.9), 1 / 6, "~", 1e-9, routes=("closed form", "estimator")),
        Check(INACTIVE, float(released[outcome == 0].max()), 0.0, "=="),
    ]  # fmt: skip


# -- T2: training ----------------------------------------------------------------------------------
def train(
    e: TrustGrpo, alphas: tuple[float, ...], replicas: int, seed: int, *, swap: bool = False
) -> np.ndarray:
    """(HORIZON + 1, A) mean accuracy over replicas; GRPO on the bandit from the uniform policy."""
    rng = np.random.default_rng([seed, 2])
    p, t = np.array(RIGHTS), np.array(SCORES[::-1] if swap else SCORES)
    runs = len(alphas) * replicas
    e = replace(e, alpha=np.repeat(alphas, replicas)[:, None])
    logit = np.zeros((runs, 1))  # of the hack over the sound arm
    out = []
    for step in range(HORIZON + 1):
        hack = 1 / (1 + np.exp(-logit))
        out.append((p[0] + (p[1] - p[0]) * hack).reshape(len(alphas), replicas).mean(-1))
        # The same draws for every alpha: the runs of one variant differ by alpha alone.
        shared = (len(alphas), 1)
        arm = (np.tile(rng.random((replicas, GROUP)), shared) < hack) * 1
        outcome = (np.tile(rng.random((replicas, GROUP)), shared) < p[arm]) * 1.0
        noise = np.tile(rng.standard_normal((replicas, GROUP)), shared)
        judge = np.clip(t[arm] + NOISE * noise, 0, 1)
        r = Rollouts(outcome, np.ones_like(outcome), 1.0, step=step, fields={"judge": judge})
        a, _ = e.apply({"outcome": outcome}, r)
        # Two logits, each moved by its own score: their difference moves twice.
        logit = logit + 2 * RATE * (a * (arm - hack)).mean(-1, keepdims=True)
    return np.array(out)


def training(
    kind: type[TrustGrpo], replicas: int, seed: int
) -> tuple[list[Check], list[Picture], Table]:
    """Final accuracy of the five variants at three weights, against the published pattern."""
    runs = {k: train(e, ALPHAS, replicas, seed) for k, e in variants(kind).items()}
    end = {k: dict(zip(ALPHAS, run[-1].tolist(), strict=True)) for k, run in runs.items()}
    honest = [train(variants(kind)[k], (0.3, 1.8), replicas, seed, swap=True)[-1]
              for k in ("none", "trust")]  # fmt: skip
    checks = [
        Check("T2: alpha 1.8: final accuracy with neither", end["none"][1.8], 0.45, "<"),
        Check(TRUST, end["trust"][1.8], 0.5, ">"),
        Check(NOT_SOUND, end["trust"][1.8], 0.75, "<"),
        Check(BOTH, end["both"][1.8], 0.75, ">"),
        Check(BEYOND, end["both"][2.5] - end["anneal"][2.5], 0.2, ">"),
        Check("T2: alpha 0.3: least final accuracy of the five", min(v[0.3] for v in end.values()),
              0.78, ">"),
        Check(HONEST, float(np.abs(honest[0] - honest[1]).max()), 0.01, "<"),
    ]  # fmt: skip
    every = list(range(0, HORIZON + 1, 10))
    curves = [Curve(k, every, run[every, 1].tolist()) for k, run in runs.items()]
    path = Picture("training", "A judge that rewards a hack, alpha 1.8", "update", "accuracy",
                   curves, caption=f"{replicas} replicas, G {GROUP}, group std.")  # fmt: skip
    time = np.arange(0, 2 * HORIZON + 1, 20)
    lines = (("annealing", 1.0), *((f"trust and annealing, {h:.0%} hack", population_trust(h))
                                   for h in (0.1, 0.5, 0.9)))  # fmt: skip
    safe = [
        Curve(name, time.tolist(), (CRITICAL / g * np.exp(time / HORIZON)).tolist())
        for name, g in lines
    ]
    frontier = Picture("safe alpha", "Largest alpha at which the sound arm gains", "update",
                       "alpha", safe, log_y=True, caption="Mean baseline; exact.")  # fmt: skip
    columns = ("alpha", *runs, *(f"{k}, update {HORIZON // 2}" for k in runs))
    rows = [[a, *(run[-1, i] for run in runs.values()),
             *(run[HORIZON // 2, i] for run in runs.values())]
            for i, a in enumerate(ALPHAS)]  # fmt: skip
    return checks, [path, frontier], Table("accuracy", columns, rows)


@experiment(
    "13",
    card="13",
    slug="trust-grpo",
    claim="Weighing a judge by how it separates right from wrong rollouts, and fading it out, "
    "keeps a judge that rewards a hack from taking over; as released, the trust weight is "
    "inactive for outcomes 0 and 1 and only right rollouts are paid.",
    source="Eqs. 1-6; code kxfan2002/SophiaVL-R1",
    provenance="code",
    smoke={"replicas": 40, "groups": 5000},
    mutants=[
        Mutant("exp(2 x) applied", {"rule": "doubled"}, (INTERIOR,)),
        Mutant("gamma above 1", {"rule": "uncapped"}, (BOUNDED,)),
        Mutant("wrong rollouts judged 0", {"rule": "zeroed"}, (INTERIOR, NOT_SOUND)),
    ],
)
def run(*, rule: str = "trust", replicas: int = 300, groups: int = 50_000, seed: int = 0) -> Result:
    """Exact ordering of a sound and a hacking arm, facts about groups, and training.

    rule : "trust", or one of the broken weights in `RULES`
    replicas : training runs per variant and alpha; groups : random groups looked at
    """
    kind = RULES[rule]
    t2, pictures, table = training(kind, replicas, seed)
    return Result(
        (*ordering_checks(kind), *group_checks(kind, groups, seed), *t2),
        tuple(pictures),
        (table,),
        notes=(
            "Trust alone stretches the safe range by at most e and lets go as the policy becomes "
            "pure: for alpha above the critical one it holds an interior mix, not the sound arm.",
            "At update T the judge still has 37 % of its weight.",
        ),
    )
