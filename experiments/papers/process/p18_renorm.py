"""ReNorm: process scores normalised with the outcome, against a process judge that is fooled."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.renorm import ReNorm
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import follow, sigmoid, train_two_arms
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, gather
from toyrl.experiments.lab.routes import alone, apart, missed, same
from toyrl.rollouts import Rollouts

HONEST, HACK = (2, 0.7, 0.8), (4, 1.0, 0.2)  # steps, mean score, success
RETURNS = {
    "outcome": lambda _n, _m, p: p,
    "add": lambda n, m, p: n * m + p,
    "broadcast": lambda n, m, p: n * (m + p),
    "renorm": lambda n, m, p: n * (m + p - 1),
    "mean": lambda _n, m, p: m + p,
}
MEAN = GroupEstimator(scale="none")
CHAIN, LEFT = 6, 3.5  # decisions, and the mean number of steps left
SIGNS = "T1: step rewards of the wrong sign for their outcome, of random rollouts"
RETURN = "T1: expected returns, largest error"
LEARNS = "T1: ReNorm: final success rate"
ADDED = "T1: adding the outcome at the end: final success rate"
BROADCAST = "T1: broadcast: final success rate"
MISSING = "T1: a missing score in a failed rollout is paid"
NESTED = "T2: points where the hack wins under ReNorm and not under add, n_k >= n_h"
INSIDE = "T2: points where it wins under add alone, n_k >= n_h"
NOT_NESTED = "T2: with fewer steps than the honest arm the regions are not nested, points"
SIDES = "T2: signs by closed form and enumeration that differ"
SAME = "T2: fixed length: advantages of ReNorm and broadcast apart by at most"
PRICE = "T2: E[steps] falls for success 0.1, 0.25 and rises for 0.35, 0.8 (of 4 signs)"
CREDIT = "T3: first update per decision against the closed form, largest error"
FASTER = "T3: ReNorm (judge wrong 10 %) over outcome only, updates to 90 %"
RESCALED = "T3: ReNorm (judge wrong 10 %) over the rescaled outcome, updates to 90 %"
USELESS = "T3: ReNorm with a useless judge over the rescaled outcome, updates to 90 %"
trained = alone("simulation", "the end of a path of sampled groups has no closed form; returns and "
                "first updates give its direction")  # fmt: skip
counted = alone(
    "random points", "inequalities of closed forms, whose signs an enumeration confirms"
)


# -- broken rules ----------------------------------------------------------------------------------
def standardised(self: ReNorm, outcome: Any, r: Rollouts) -> Any:
    """Mutant: process scores are standardised over the group first."""
    s, mask = np.nan_to_num(r.fields["step_scores"], nan=0.5), r.need("mask", by="mutant")
    n = np.maximum(mask.sum((-2, -1), keepdims=True), 1)
    mean = (s * mask).sum((-2, -1), keepdims=True) / n
    spread = np.sqrt((mask * (s - mean) ** 2).sum((-2, -1), keepdims=True) / n)
    z = (s - mean) / np.where(spread > 0, spread, 1.0)
    return ReNorm.rewards(self, outcome, r.with_(step_scores=z + 0.5))


def missing_zero(self: ReNorm, outcome: Any, r: Rollouts) -> Any:
    """Mutant: a missing score counts as 0."""
    scores = np.nan_to_num(r.fields["step_scores"])
    return ReNorm.rewards(self, outcome, r.with_(step_scores=scores))


RULES = {
    "renorm": ReNorm(),
    "standardised": replaced(ReNorm, rewards=standardised)(),
    "at the end": ReNorm("add"),  # the outcome is added at the last step, and called ReNorm
    "missing is 0": replaced(ReNorm, rewards=missing_zero)(),
}


def steps_of(outcome: np.ndarray, scores: np.ndarray, count: np.ndarray, **more: Any) -> Rollouts:
    """Rollouts (B, G) of `count` steps with scores (B, G, T)."""
    mask = (np.arange(scores.shape[-1]) < count[..., None]) * 1.0
    return Rollouts(outcome, count.astype(float), float(scores.shape[-1]), mask=mask,
                    fields={"step_scores": scores}, **more)  # fmt: skip


# -- T1: a bandit with a fooled judge --------------------------------------------------------------
def enumerated_return(e: ReNorm, steps: int, mean: float, success: float) -> float:
    """Expected sum of step rewards over all scores (0 or 1) and outcomes."""
    rows = np.array(list(itertools.product((0.0, 1.0), repeat=steps + 1)))
    scores, outcome = rows[:, :steps], rows[:, steps]
    weight = np.prod(np.where(scores == 1, mean, 1 - mean), axis=-1)
    weight = weight * np.where(outcome == 1, success, 1 - success)
    r = steps_of(outcome[None], scores[None], np.full((1, len(rows)), steps))
    return float(weight @ e.rewards(r.correct, r)[0].sum(-1))


def return_check(rule: ReNorm) -> Check:
    """Expected returns of both arms under each design, by closed form and enumeration."""
    found = [[enumerated_return(rule if name == "renorm" else ReNorm(name), *arm)
              for arm in (HONEST, HACK)] for name in RETURNS]  # fmt: skip
    return apart(RETURN, found, [[f(*arm) for arm in (HONEST, HACK)] for f in RETURNS.values()],
                 1e-12)  # fmt: skip


def bandit_checks(rule: ReNorm, judge: float, replicas: int, seed: int, updates: int = 400
                  ) -> Items:  # fmt: skip
    """What each design teaches: two arms, mean baseline, G = 8, the same draws for all designs."""
    rng, shape, hack = draws(seed, 1), (replicas, 8), (HACK[0], judge, HACK[2])
    steps, mean, success = (np.array(x) for x in zip(HONEST, hack, strict=True))
    rules = [rule if name == "renorm" else ReNorm(name) for name in RETURNS]

    def group(chance: np.ndarray, _: int) -> tuple[np.ndarray, np.ndarray]:
        u, v, w = rng.random(shape), rng.random(shape), rng.random((*shape, 4))
        arms, found = [], []
        for e, p in zip(rules, np.split(chance, len(rules)), strict=True):
            arm = (u < p) * 1
            outcome, scores = (v < success[arm]) * 1.0, (w < mean[arm][..., None]) * 1.0
            r = steps_of(outcome, scores, steps[arm])
            found.append(MEAN.advantages(e.rewards(outcome, r).sum(-1), r))
            arms.append(arm)
        return np.concatenate(arms), np.concatenate(found)

    path = train_two_arms(group, np.zeros(replicas * len(rules)), updates, rate=0.2)
    rate = (success[0] + (success[1] - success[0]) * path).reshape(-1, len(rules), replicas)
    paths = dict(zip(RETURNS, rate.mean(-1).T, strict=True))
    end = {k: float(v[-1]) for k, v in paths.items()}
    checks = [
        trained(LEARNS, end["renorm"], 0.7, ">"),
        trained(ADDED, end["add"], 0.3, "<"),
        trained(BROADCAST, end["broadcast"], 0.3, "<"),
        trained("T1: outcome only: final success rate", end["outcome"], 0.7, ">", claim=False),
        trained("T1: mean of the steps: final success rate", end["mean"], 0.7, ">", claim=False),
    ]
    picture = lines("bandit", "A process judge that is fooled", ("update", "success rate"), paths,
                    most=401, caption="Honest: 2 steps, score 0.7, success 0.8; hack: 4 steps, "
                    f"1.0, 0.2. {replicas} replicas.")  # fmt: skip
    columns = ("design", "return honest", "return hack", "final success rate")
    rows = [[k, f(*HONEST), f(*hack), end[k]] for k, f in RETURNS.items()]
    return [*checks, picture, Table("designs", columns, rows)]


def sign_checks(rule: ReNorm, groups: int, seed: int) -> list[Check]:
    """Signs of step rewards, and what a missing score is paid."""
    rng = draws(seed, 2)
    outcome = rng.integers(0, 2, (groups, 8)) * 1.0
    scores = np.round(rng.random((groups, 8, CHAIN)), 1)
    r = steps_of(outcome, scores, rng.integers(1, CHAIN + 1, outcome.shape))
    signed = rule.rewards(outcome, r) * np.where(outcome == 1, 1, -1)[..., None]
    lost = steps_of(np.zeros((1, 1)), np.full((1, 1, 1), np.nan), np.ones((1, 1)))
    return [
        missed(SIGNS, signed < 0, np.zeros(signed.shape), ("random rollouts", "score <= 1")),
        same(MISSING, rule.rewards(lost.correct, lost)[0, 0, 0], -0.5, 0.0,
             ("closed form", "estimator")),
    ]  # fmt: skip


# -- T2: where the hack wins, and what the constant does -------------------------------------------
def region_checks(rule: ReNorm, shorter: bool, points: int, seed: int
                  ) -> tuple[list[Check], Picture]:  # fmt: skip
    """ReNorm's hack region lies inside that of `add`, for whole numbers of steps n_k >= n_h."""
    rng = draws(seed, 3)
    n_h, n_k = rng.integers(1, 9, (2, points))
    m_h, p_h = rng.random((2, points))
    p_k = rng.random(points) * p_h  # the hack succeeds less often, and is judged perfect

    def hack_wins(design: str) -> np.ndarray:
        return RETURNS[design](n_k, 1.0, p_k) > RETURNS[design](n_h, m_h, p_h)

    own, add = hack_wins(rule.design), hack_wins("add")
    more = n_k >= n_h
    outside, inside = own & ~add, add & ~own
    found = [enumerated_return(rule, n, 1.0, p) > enumerated_return(rule, h, m, q)
             for n, p, h, m, q in zip(n_k[:100], p_k, n_h, m_h, p_h, strict=False)]  # fmt: skip
    checks = [
        counted(NESTED, float((outside & (more | shorter)).sum()), 0, "=="),
        counted(INSIDE, float((inside & more).sum()), 0, ">"),
        counted(NOT_NESTED, float((outside & ~more).sum()), 0, ">"),
        missed(SIDES, found, own[:100]),
    ]
    p = np.linspace(0.01, 0.8, 80)
    n, m, success = HONEST
    edges = (
        Curve("ReNorm", (n * (m + success - 1) / p).tolist(), p.tolist()),
        Curve("add", (n * m + success - p).tolist(), p.tolist(), style="dashed"),
    )
    return checks, Picture(
        "regions", "The hack wins to the right of a line", "steps of the hack",
        "success rate of the hack", edges,
        caption="Hack judged perfect; honest: 2 steps, score 0.7, success 0.8.",
    )  # fmt: skip


def constant_checks(rule: ReNorm, groups: int, seed: int) -> list[Check]:
    """At fixed length the "- 1" is invisible; with free length it is a price per step."""
    rng = draws(seed, 4)
    outcome = rng.integers(0, 2, (groups, 8)) * 1.0
    r = steps_of(outcome, rng.random((groups, 8, CHAIN)), np.full(outcome.shape, CHAIN))
    mine, other = (e.apply({"outcome": outcome}, r)[0] for e in (rule, ReNorm("broadcast")))
    # A policy that picks 1 to 6 steps of score 0.7, uniformly: how E[steps] moves at first.
    n, success = np.arange(1, CHAIN + 1), np.array([0.1, 0.25, 0.35, 0.8])
    drift = [np.cov(n, [enumerated_return(rule, int(k), 0.7, p) for k in n])[0, 1] for p in success]
    falls = np.sign(0.7 + success - 1)
    return [
        apart(SAME, mine, other, 1e-12, ("ReNorm", "broadcast")),
        Check(PRICE, float((np.sign(drift) == falls).sum()), 4, "==",
              routes=("closed form", "enumeration")),
    ]  # fmt: skip


# -- T3: credit for each decision ------------------------------------------------------------------
def credit_check(rule: ReNorm) -> Check:
    """First update of each decision at probability 1/2, infinite group, by every judge's view.

    It is worth the judge's view of it, and the outcome's share for each step that is left.
    """
    act = np.array(list(itertools.product((0, 1), repeat=CHAIN)))
    flip, left = np.array([[0.0], [0.1], [0.5]]), CHAIN - np.arange(CHAIN)
    chance = flip ** act.sum(-1) * (1 - flip) ** (CHAIN - act.sum(-1))
    weight = np.repeat(chance / len(act), len(act), axis=-1)
    seen = np.tile((act[None] ^ act[:, None]).reshape(-1, CHAIN) * 1.0, (len(flip), 1, 1))
    chosen = np.tile(act, (len(flip), len(act), 1))
    solved = np.asarray(chosen.all(-1), dtype=float)
    r = steps_of(solved, seen, np.full(weight.shape, CHAIN), weight=weight, group_size=np.inf)
    found = (weight[..., None] * rule.apply({"outcome": solved}, r)[0] * (chosen - 0.5)).sum(1)
    return apart(CREDIT, found, ((1 - 2 * flip) + left * 0.5 ** (CHAIN - 1)) / 4, 1e-12)


def updates_to(runs: list[tuple[ReNorm, float, float]], replicas: int, updates: int, seed: int
               ) -> np.ndarray:  # fmt: skip
    """(runs, replicas) updates until a chain of six decisions succeeds in 90 %, at most `updates`.

    runs : rule, chance that the judge is wrong, factor of the step; all on the same draws
    """
    rng, shape = draws(seed, 5), (replicas, 8, CHAIN)
    flip, scale = np.array([x[1:] for x in runs]).T[..., None, None, None]
    # Runs of one rule, which stand together, are one batch.
    first = [i for i, x in enumerate(runs) if i == 0 or x[0] is not runs[i - 1][0]]

    def step(theta: np.ndarray, _: int) -> np.ndarray:
        chance, u, v = sigmoid(theta), rng.random(shape), rng.random(shape)
        act = u < chance
        seen, credit = (act ^ (v < flip)) * 1.0, []
        for start, end in itertools.pairwise((*first, len(runs))):
            outcome = np.asarray(act[start:end].all(-1), dtype=float).reshape(-1, shape[1])
            scores = seen[start:end].reshape(-1, *shape[1:])
            r = steps_of(outcome, scores, np.full(outcome.shape, CHAIN))
            credit.append(runs[start][0].apply({"outcome": outcome}, r)[0])
        a = np.concatenate(credit).reshape(act.shape)
        spend(len(runs) * u.size)
        return theta + 0.5 * scale * (a * (act - chance)).mean(-2, keepdims=True)

    path = follow(step, np.zeros((len(runs), replicas, 1, CHAIN)), updates)
    there = sigmoid(path).prod(-1)[..., 0] >= 0.9
    return np.where(there.any(0), there.argmax(0), updates)


def chain_checks(rule: ReNorm, replicas: int, updates: int, seed: int
                 ) -> Items:  # fmt: skip
    """Credit per step against the outcome alone."""
    outcome = ReNorm("outcome")
    runs = {"outcome only": (outcome, 0.0, 1.0), "outcome x 3.5": (outcome, 0.0, LEFT)} | {
        f"ReNorm, judge wrong {f:.0%}": (rule, f, 1.0) for f in (0.0, 0.1, 0.3, 0.5)
    }
    found = dict(zip(runs, updates_to(list(runs.values()), replicas, updates, seed), strict=True))
    middle = {k: float(np.median(v)) for k, v in found.items()}
    noisy = middle["ReNorm, judge wrong 10%"]
    checks = [
        trained(FASTER, noisy / middle["outcome only"], 0.3, "<"),
        trained(RESCALED, noisy / middle["outcome x 3.5"], 0.8, "<"),
        trained(USELESS, middle["ReNorm, judge wrong 50%"] / middle["outcome x 3.5"], 1.5),
    ]
    share = (np.arange(replicas) + 1) / replicas
    picture = Picture(
        "credit", "Credit for each step", "updates to 90 % success", "share of replicas",
        [Curve(k, np.sort(v).tolist(), share.tolist()) for k, v in found.items()], log_x=True,
        caption="Six binary decisions, success iff all right, G 8, rate 0.5.",
    )  # fmt: skip
    rows = [[k, v, *np.quantile(found[k], (0.1, 0.9)).tolist()] for k, v in middle.items()]
    columns = ("signal", "median", "10 %", "90 %")
    return [*checks, picture, Table("updates to 90 %", columns, rows)]


@experiment(
    "18",
    card="18",
    slug="renorm",
    claim="Paying each step its process score plus the outcome minus 1 never rewards a step of a "
    "failed rollout and resists a fooled process judge; at fixed length it equals the sum without "
    "the constant.",
    source="ReNorm (equation reconstructed from two descriptions); closed forms derived",
    provenance="reconstructed",
    smoke={"replicas": 45, "groups": 500, "points": 2500, "chains": 22, "updates": 500},
    mutants=[
        Mutant("scores standardised first", {"rule": "standardised", "train": ""},
               (SIGNS, RETURN, SIDES, PRICE, CREDIT)),
        Mutant("outcome at the end only", {"rule": "at the end"},
               (LEARNS, SIGNS, SAME, INSIDE, NOT_NESTED, FASTER, RESCALED, USELESS)),
        Mutant("a missing score is 0", {"rule": "missing is 0", "train": ""}, (MISSING,)),
        Mutant("the judge is not fooled", {"judge": 0.3, "train": "bandit"}, (ADDED, BROADCAST)),
        Mutant("the hack may take fewer steps", {"shorter": True, "train": ""}, (NESTED,)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "renorm",
    judge: float = HACK[1],
    shorter: bool = False,
    train: str = "bandit, chain",
    replicas: int = 200,
    chains: int = 200,
    updates: int = 3000,
    groups: int = 5000,
    points: int = 10_000,
    seed: int = 0,
) -> Result:
    """A bandit with a fooled judge, the price of a step, and credit on a chain of decisions.

    replicas : runs of the bandit; chains, updates : runs of the chain, and most updates; groups :
    random groups; points : random bandits
    rule : "renorm", or one of the broken ones in `RULES`; judge : mean score of the hack's steps;
    shorter : n_k < n_h is allowed; all for mutants; train : which of "bandit" and
    "chain" are trained
    """
    e = pick(RULES, rule)
    t2, regions = region_checks(e, shorter, points, seed)
    checks = (*sign_checks(e, groups, seed), return_check(e), *t2,
              *constant_checks(e, groups, seed), credit_check(e))  # fmt: skip
    notes = (
        "A solved rollout still gains its score for every extra step: padding after success "
        "pays, as it costs after failure.",
    )
    t1 = bandit_checks(e, judge, replicas, seed) if "bandit" in train else ()
    t3 = chain_checks(e, chains, updates, seed) if "chain" in train else ()
    return gather((*checks, *t1, regions, *t3), notes)
