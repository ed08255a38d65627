"""Trust-GRPO: a judge that rewards a hack, distrusted by group and faded out by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.shaped import ShapedReward
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.bandits import arm_classes, drift, train_two_arms
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import after, pick, replaced
from toyrl.experiments.lab.routes import alone, apart, same
from toyrl.experiments.lab.shared import shared
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts
from toyrl.shapers.judge.trust import RIGHT, Trust, TrustReleased

RIGHTS, SCORES = (0.8, 0.3), (0.6, 1.0)  # success and judge's score of the sound and the hack arm
NOISE, GROUP, RATE, HORIZON = 0.05, 8, 0.15, 600
CRITICAL = (RIGHTS[0] - RIGHTS[1]) / (SCORES[1] - SCORES[0])
ALPHAS, HONEST_ALPHAS = (0.3, 1.8, 2.5), (0.3, 1.8)
GRPO, MEAN = GroupEstimator(eps=1e-6), GroupEstimator(scale="none")
FOREVER = float("inf")
ENGINES = ("closed form", "class engine, infinite group")
TURN = "T1: update at which annealing turns the order, alpha 1.8"
HALF = "T1: the same with trust at half hack"
FIRST = "T1: alpha from which the hack wins"
NEITHER = "T2: alpha 1.8: final accuracy with neither"
BOTH = "T2: alpha 1.8: final accuracy with trust and annealing"
TRUST = "T2: alpha 1.8: final accuracy with trust alone"
NOT_SOUND = f"{TRUST}, at most"
BEYOND = "T2: alpha 2.5: trust and annealing over annealing alone, accuracy"
SMALL = "T2: alpha 0.3: least final accuracy of the five"
INTERIOR = "T1: share of the hack at which trust alone holds the policy, largest error"
BOUNDED = "T1: largest trust weight in random groups"
LEAST = "T1: least trust weight in random groups"
GAP = "T1: alpha 0.9: least gap between right and wrong of a group"
PUSHED = "T1: a = alpha gamma from which 7 right, one of them judged 0, push it down"
HONEST = "T2: a trustworthy judge: trust alone against none, accuracy"
INACTIVE = "T1: released rule, outcomes 0 and 1: largest reward of a wrong rollout"


# -- broken rules ----------------------------------------------------------------------------------
def uncapped(self: Trust, outcome: Any, judge: Any, w: Any) -> Any:
    """Mutant: gamma exceeds 1 where right rollouts are judged better."""
    right = outcome >= RIGHT
    n_right, n_wrong = ((w * x).sum(-1, keepdims=True) for x in (right, ~right))
    both = (n_right > 0) & (n_wrong > 0)
    gap = (w * right * judge).sum(-1, keepdims=True) / np.where(both, n_right, 1)
    gap = gap - (w * ~right * judge).sum(-1, keepdims=True) / np.where(both, n_wrong, 1)
    return np.exp(np.where(both, self.distrust * gap, 0.0))


def zeroed(self: Trust, r: Rollouts) -> Any:
    """Mutant: wrong rollouts are judged 0 "as the code does" and trust is still claimed."""
    return np.where(r.correct >= RIGHT, Trust.score(self, r), 0.0)


def without_outcome(parts: Parts) -> Parts:
    """Mutant: the judge's share takes the place of the outcome."""
    return {"trust": parts["trust"]}


RULES = {
    "trust": Trust,
    "doubled": after(Trust, trust=np.square),  # exp(2 x), which the released code logs
    "uncapped": replaced(Trust, trust=uncapped),
    "zeroed": replaced(Trust, score=zeroed),
    "ignored": after(Trust, trust=np.ones_like),
    "judge alone": after(Trust, parts=without_outcome),
}
RELEASED = {"released": TrustReleased, "paper": Trust}


# -- T1: the ordering of the two arms, exactly -----------------------------------------------------
def hack_drift(rule: Trust, hack: float, step: float = 0.0) -> float:
    """Expected update of the hack's logit, infinite group and mean baseline."""
    r = arm_classes([1 - hack, hack], RIGHTS, judge=SCORES, step=step)
    return float(drift(r, ShapedReward(rule, MEAN))[1])


def population_trust(hack: float) -> float:
    """gamma at a share of the hack, in closed form."""
    p, t, pi = np.array(RIGHTS), np.array(SCORES), np.array([1 - hack, hack])
    right, wrong = pi * p, pi * (1 - p)
    return float(np.exp(min(0.0, right @ t / right.sum() - wrong @ t / wrong.sum())))


def ordering_checks(kind: type[Trust], horizon: float) -> list[Check]:
    """a*, the interior points of trust alone, and the update at which annealing turns the order."""
    found = root(lambda a: hack_drift(kind(a, FOREVER, 0.0), 0.5), 0.1, 5)
    edges, want = [], []
    for alpha in (1.3, 1.5, 1.7):
        rule = kind(alpha, FOREVER)
        for low, high in ((0.001, 0.4), (0.4, 0.999)):
            edges.append(root(lambda h, rule=rule: hack_drift(rule, h), low, high))
            want.append(root(lambda h, a=alpha: a * population_trust(h) - CRITICAL, low, high))
    there = ~(np.isnan(edges) & np.isnan(want))  # a root that only one of the two finds is NaN
    turn, both = (
        root(lambda t, rule=rule: hack_drift(rule, 0.5, t), low, 2000.0)
        for rule, low in ((kind(1.8, horizon, 0.0), 0.0), (kind(1.8, horizon), -600))
    )
    share = (1.0, population_trust(0.5))
    return [
        same(FIRST, found, CRITICAL, 1e-9, ENGINES),
        apart(INTERIOR, np.array(edges)[there], np.array(want)[there], 1e-9, ENGINES),
        Check("T1: points found", int(there.sum()), 3, ">=", claim=False),
        *(same(name, at, HORIZON * np.log(1.8 * g / CRITICAL), 1e-6, ENGINES)
          for name, at, g in zip((TURN, HALF), (turn, both), share, strict=True)),
    ]  # fmt: skip


def group_checks(kind: type[Trust], released: type[Trust], groups: int, seed: int) -> list[Check]:
    """Facts about single groups: a right rollout pushed down, classes kept apart, gamma's range."""
    rng = draws(seed, 1)
    outcome = (rng.random((groups, GROUP)) < rng.random((groups, 1))) * 1.0
    r = Rollouts(outcome, np.ones_like(outcome), 1.0,
                 fields={"judge": np.round(rng.random((groups, GROUP)), 1)})  # fmt: skip
    own = kind(alpha=0.9)
    as_released = released().reward(r)
    gamma, paid = own.trust(outcome, r.fields["judge"], r.w), own.reward(r)
    mixed = outcome.any(-1) & ~outcome.all(-1)
    right = np.where(outcome == 1, paid, np.inf).min(-1)[mixed]
    wrong = np.where(outcome == 0, paid, -np.inf).max(-1)[mixed]
    one = Rollouts(np.array([[1.0] * 7 + [0.0]]), np.ones((1, 8)), 1.0,
                   fields={"judge": np.array([[0.0] + [1.0] * 6 + [0.0]])})  # fmt: skip

    def first(a: float) -> float:
        estimator = ShapedReward(kind(alpha=a), MEAN)
        return float(estimator.apply({"outcome": one.correct}, one)[0][0, 0])

    fact = alone(
        "random groups", "a bound, not a number: gamma = exp(min(0, gap)) with gap in [-1, 1]"
    )
    return [
        fact(BOUNDED, float(gamma.max()), 1.0),
        fact(LEAST, float(gamma.min()), float(np.exp(-1)), ">="),
        fact(GAP, float((right - wrong).min()), 0.0, ">"),
        same(PUSHED, root(first, 0.01, 0.9), 1 / 6, 1e-9, ("closed form", "estimator")),
        fact(INACTIVE, float(as_released[outcome == 0].max()), 0.0, "=="),
    ]  # fmt: skip


# -- T2: training ----------------------------------------------------------------------------------
@shared
def accuracy(rule: str, settings: Sequence[Any], replicas: int, seed: int) -> np.ndarray:
    """(HORIZON + 1, S) mean over replicas; GRPO on the two arms from the uniform policy.

    rule : of `RULES` or `RELEASED`
    settings : S times the horizon in updates, alpha, the judge's scores of both arms, and distrust
    """
    rng, p = draws(seed, 2), np.array(RIGHTS)
    horizon, alpha, scores, distrust = (np.array(x) for x in zip(*settings, strict=True))
    row = np.repeat(np.arange(len(settings)), replicas)[:, None]
    own = {"alpha": alpha[row], "horizon": horizon[row], "distrust": distrust[row]}
    e = ShapedReward(replace(pick({**RULES, **RELEASED}, rule)(), **own), GRPO)

    def group(hack: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        # The same draws for every setting: the runs differ by what is set alone.
        shared, shape = (len(settings), 1), (replicas, GROUP)
        arm = (np.tile(rng.random(shape), shared) < hack) * 1
        outcome = (np.tile(rng.random(shape), shared) < p[arm]) * 1.0
        noise = np.tile(rng.standard_normal(shape), shared)
        judge = np.clip(scores[row, arm] + NOISE * noise, 0, 1)
        r = Rollouts(outcome, np.ones_like(outcome), 1.0, step=step, fields={"judge": judge})
        return arm, e.apply({"outcome": outcome}, r)[0]

    hack = train_two_arms(group, np.zeros(len(row)), HORIZON, rate=RATE)
    return (p[0] + (p[1] - p[0]) * hack).reshape(HORIZON + 1, len(settings), replicas).mean(-1)


def training(rule: str, released: str, horizon: float, honest: Sequence[float],
             replicas: int, seed: int) -> tuple[list[Check], list[Picture], Table]:  # fmt: skip
    """Final accuracy of five variants at three weights, against the published pattern."""
    fading = [(horizon, a, SCORES) for a in ALPHAS]
    each = [(FOREVER, a, SCORES) for a in ALPHAS] + fading
    each += [(FOREVER, a, tuple(honest)) for a in HONEST_ALPHAS]
    blind, wary = ([(*x, distrust) for x in each] for distrust in (0.0, 1.0))
    none, anneal, plain, trust, full, trusting = np.split(
        accuracy(rule, blind + wary, replicas, seed), [3, 6, 8, 11, 14], 1
    )
    runs = {"none": none, "trust": trust, "anneal": anneal, "both": full,
            "released": accuracy(released, [(*x, 1.0) for x in fading], replicas, seed)
            }  # fmt: skip
    end = {k: dict(zip(ALPHAS, run[-1].tolist(), strict=True)) for k, run in runs.items()}
    trained = alone("simulation", "the end of a path of sampled groups has no closed form; T1 "
                    "gives its direction")  # fmt: skip
    checks = [
        trained(NEITHER, end["none"][1.8], 0.45, "<"),
        trained(TRUST, end["trust"][1.8], 0.5, ">"),
        trained(NOT_SOUND, end["trust"][1.8], 0.75, "<"),
        trained(BOTH, end["both"][1.8], 0.75, ">"),
        trained(BEYOND, end["both"][2.5] - end["anneal"][2.5], 0.2, ">"),
        trained(SMALL, min(v[0.3] for v in end.values()), 0.78, ">"),
        trained(HONEST, float(np.abs(plain[-1] - trusting[-1]).max()), 0.01, "<"),
    ]
    path = lines("training", "A judge that rewards a hack, alpha 1.8", ("update", "accuracy"),
                 {k: run[:, 1] for k, run in runs.items()}, most=61,
                 caption=f"{replicas} replicas, G {GROUP}, group std.")  # fmt: skip
    time = np.arange(0, 2 * HORIZON + 1, 20)
    trust = {"annealing": 1.0} | {f"trust and annealing, {h:.0%} hack": population_trust(h)
                                  for h in (0.1, 0.5, 0.9)}  # fmt: skip
    safe = lines("safe alpha", "Largest alpha at which the sound arm gains", ("update", "alpha"),
                 {k: CRITICAL / g * np.exp(time / HORIZON) for k, g in trust.items()},
                 x=time.tolist(), log_y=True, caption="Mean baseline; exact.")  # fmt: skip
    columns = ("alpha", *runs, *(f"{k}, update {HORIZON // 2}" for k in runs))
    rows = [[a, *(run[t, i] for t in (-1, HORIZON // 2) for run in runs.values())]
            for i, a in enumerate(ALPHAS)]  # fmt: skip
    return checks, [path, safe], Table("accuracy", columns, rows)


@experiment(
    "13",
    card="13",
    slug="trust-grpo",
    claim="Weighing a judge by how it separates right from wrong rollouts, and fading it out, "
    "keeps a judge that rewards a hack from taking over; as released, the trust weight is "
    "inactive for outcomes 0 and 1 and only right rollouts are paid.",
    source="Eqs. 1-6; code kxfan2002/SophiaVL-R1",
    provenance="code",
    smoke={"replicas": 32, "groups": 5000},
    mutants=[
        Mutant("exp(2 x) applied", {"rule": "doubled", "train": False}, (INTERIOR, HALF, LEAST)),
        Mutant("gamma above 1", {"rule": "uncapped", "train": False}, (BOUNDED, GAP, PUSHED)),
        Mutant(
            "wrong rollouts judged 0", {"rule": "zeroed"}, (FIRST, INTERIOR, NEITHER, NOT_SOUND)
        ),
        Mutant("trust ignored", {"rule": "ignored"}, (INTERIOR, HALF, TRUST, BEYOND)),
        Mutant("no annealing", {"horizon": 1e12}, (TURN, HALF, BOTH)),
        Mutant("the judge alone is paid", {"rule": "judge alone"}, (FIRST, SMALL)),
        Mutant("the trustworthy judge rewards the hack", {"honest": SCORES}, (HONEST,)),
        Mutant(
            "the released rule pays wrong rollouts",
            {"released": "paper", "train": False},
            (INACTIVE,),
        ),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "trust",
    released: str = "released",
    horizon: float = HORIZON,
    honest: Sequence[float] = SCORES[::-1],
    train: bool = True,
    replicas: int = 300,
    groups: int = 50_000,
    seed: int = 0,
) -> Result:
    """Exact ordering of a sound and a hacking arm, facts about groups, and training.

    replicas : training runs per variant and alpha; groups : random groups looked at
    rule : "trust", or one of the broken ones in `RULES`; released, horizon, honest : the released
    code's variant, updates of annealing and a trustworthy judge's scores; train : with T2
    """
    kind, other = pick(RULES, rule), pick(RELEASED, released)
    checks = [*ordering_checks(kind, horizon), *group_checks(kind, other, groups, seed)]
    notes = (
        "Trust alone stretches the safe range by at most e and lets go as the policy becomes "
        "pure: for alpha above the critical one it holds an interior mix, not the sound arm.",
        "At update T the judge still has 37 % of its weight.",
    )
    if not train:
        return Result(tuple(checks), notes=notes)
    t2, pictures, table = training(rule, released, horizon, honest, replicas, seed)
    return Result((*checks, *t2), tuple(pictures), (table,), notes)
