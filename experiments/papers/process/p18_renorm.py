"""ReNorm: process scores normalised with the outcome, against a process judge that is fooled."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.renorm import ReNorm
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.rollouts import Rollouts

HONEST, HACK = (2, 0.7, 0.8), (4, 1.0, 0.2)  # steps, mean score, success
DESIGNS = ("outcome", "add", "broadcast", "renorm", "mean")
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
LEARNS = "T1: ReNorm: final success rate"
MISSING = "T1: a missing score in a failed rollout is paid"
FASTER = "T3: ReNorm (judge wrong 10 %) over outcome only, updates to 90 %"
RESCALED = "T3: ReNorm (judge wrong 10 %) over the rescaled outcome, updates to 90 %"
CREDIT = "T3: first update per decision against the closed form, largest error"
SAME = "T2: fixed length: advantages of ReNorm and broadcast apart by at most"


# -- broken rules ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Standardised(ReNorm):
    """Mutant: process scores are standardised over the group first."""

    def rewards(self, outcome: Any, r: Rollouts) -> Any:
        s, mask = np.nan_to_num(r.fields["step_scores"], nan=0.5), r.need("mask", by="mutant")
        n = np.maximum(mask.sum((-2, -1), keepdims=True), 1)
        mean = (s * mask).sum((-2, -1), keepdims=True) / n
        spread = np.sqrt((mask * (s - mean) ** 2).sum((-2, -1), keepdims=True) / n)
        z = (s - mean) / np.where(spread > 0, spread, 1.0)
        return super().rewards(outcome, r.with_(step_scores=z + 0.5))


@dataclass(frozen=True)
class AtTheEnd(ReNorm):
    """Mutant: the outcome is added at the last step alone, and this is called ReNorm."""

    design: str = "add"


@dataclass(frozen=True)
class MissingZero(ReNorm):
    """Mutant: a missing score counts as 0."""

    def rewards(self, outcome: Any, r: Rollouts) -> Any:
        return super().rewards(outcome, r.with_(step_scores=np.nan_to_num(r.fields["step_scores"])))


RULES = {"renorm": ReNorm, "standardised": Standardised, "at the end": AtTheEnd,
         "missing is 0": MissingZero}  # fmt: skip


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


def bandit(e: ReNorm, replicas: int, seed: int, updates: int = 400) -> np.ndarray:
    """(updates + 1,) success rate, mean over replicas: two arms, mean baseline, G = 8."""
    rng = np.random.default_rng([seed, 1])
    steps, mean, success = (np.array(x) for x in zip(HONEST, HACK, strict=True))
    logit = np.zeros((replicas, 1))
    out = []
    for _ in range(updates + 1):
        hack = 1 / (1 + np.exp(-logit))
        out.append(float((success[0] + (success[1] - success[0]) * hack).mean()))
        arm = (rng.random((replicas, 8)) < hack) * 1
        outcome = (rng.random(arm.shape) < success[arm]) * 1.0
        scores = (rng.random((*arm.shape, 4)) < mean[arm][..., None]) * 1.0
        r = steps_of(outcome, scores, steps[arm])
        total = e.rewards(outcome, r).sum(-1)
        a = MEAN.advantages(total, r)
        # Two logits, each moved by its own score: their difference moves twice.
        logit = logit + 2 * 0.2 * (a * (arm - hack)).mean(-1, keepdims=True)
    return np.array(out)


def bandit_checks(
    kind: type[ReNorm], replicas: int, seed: int
) -> tuple[list[Check], Picture, Table]:
    """Returns by closed form and enumeration, then what each design teaches."""
    worst, rows, paths = 0.0, [], {}
    for name in DESIGNS:
        e = kind() if name == "renorm" else ReNorm(name)
        want = [RETURNS[name](*arm) for arm in (HONEST, HACK)]
        found = [enumerated_return(e, *arm) for arm in (HONEST, HACK)]
        worst = max(worst, *(abs(x - y) for x, y in zip(want, found, strict=True)))
        paths[name] = bandit(e, replicas, seed)
        rows.append([name, *want, float(paths[name][-1])])
    end = {k: float(v[-1]) for k, v in paths.items()}
    checks = [
        Check("T1: expected returns, largest error", worst, 1e-12,
              routes=("closed form", "enumeration")),
        Check(LEARNS, end["renorm"], 0.7, ">"),
        Check("T1: adding the outcome at the end: final success rate", end["add"], 0.3, "<"),
        Check("T1: broadcast: final success rate", end["broadcast"], 0.3, "<"),
        Check("T1: outcome only: final success rate", end["outcome"], 0.7, ">"),
        Check("T1: mean of the steps: final success rate", end["mean"], 0.7, ">"),
    ]  # fmt: skip
    picture = Picture(
        "bandit", "A process judge that is fooled", "update", "success rate",
        [Curve(k, list(range(len(v))), v.tolist()) for k, v in paths.items()],
        caption=f"Honest: 2 steps, score 0.7, success 0.8; hack: 4 steps, 1.0, 0.2. "
        f"{replicas} replicas.",
    )  # fmt: skip
    columns = ("design", "return honest", "return hack", "final success rate")
    return checks, picture, Table("designs", columns, rows)


def sign_checks(kind: type[ReNorm], groups: int, seed: int) -> list[Check]:
    """Signs of step rewards, and what a missing score is paid."""
    rng = np.random.default_rng([seed, 2])
    outcome = rng.integers(0, 2, (groups, 8)) * 1.0
    scores = np.round(rng.random((groups, 8, CHAIN)), 1)
    r = steps_of(outcome, scores, rng.integers(1, CHAIN + 1, outcome.shape))
    reward = kind().rewards(outcome, r)
    wrong = (reward * np.where(outcome == 1, 1, -1)[..., None] < 0).sum()
    lost = steps_of(np.zeros((1, 1)), np.full((1, 1, 1), np.nan), np.ones((1, 1)))
    return [
        Check(SIGNS, float(wrong), 0, "=="),
        Check(MISSING, float(kind().rewards(lost.correct, lost)[0, 0, 0]), -0.5, "=="),
    ]


# -- T2: where the hack wins, and what the constant does -------------------------------------------
def beats(design: str, hack: tuple[Any, Any, Any], honest: tuple[Any, Any, Any]) -> Any:
    """The hack has the larger expected return."""
    return RETURNS[design](*hack) > RETURNS[design](*honest)


def region_checks(kind: type[ReNorm], points: int, seed: int) -> tuple[list[Check], Picture]:
    """ReNorm's hack region lies inside that of `add`, for whole numbers of steps n_k >= n_h."""
    rng = np.random.default_rng([seed, 3])
    n_h, n_k = rng.integers(1, 9, (2, points))
    m_h, p_h = rng.random((2, points))
    p_k = rng.random(points) * p_h  # the hack succeeds less often, and is judged perfect
    hack, honest = (n_k, 1.0, p_k), (n_h, m_h, p_h)
    more = n_k >= n_h
    outside = beats("renorm", hack, honest) & ~beats("add", hack, honest)
    inside = beats("add", hack, honest) & ~beats("renorm", hack, honest)
    # Signs by enumeration of the estimator's rewards for some of the points.
    wrong = 0
    for i in range(min(points, 100)):
        found = [enumerated_return(kind(), int(n[i]), float(m), float(p[i]))
                 for n, m, p in ((n_k, 1.0, p_k), (n_h, m_h[i], p_h))]  # fmt: skip
        wrong += (found[0] > found[1]) != bool(beats("renorm", (n_k[i], 1.0, p_k[i]),
                                                     (n_h[i], m_h[i], p_h[i])))  # fmt: skip
    p = np.linspace(0.01, 0.8, 80)
    n, m, success = HONEST
    lines = (
        Curve("ReNorm", (n * (m + success - 1) / p).tolist(), p.tolist()),
        Curve("add", (n * m + success - p).tolist(), p.tolist(), style="dashed"),
    )
    checks = [
        Check("T2: points where the hack wins under ReNorm and not under add, n_k >= n_h",
              float((outside & more).sum()), 0, "=="),
        Check("T2: points where it wins under add alone, n_k >= n_h",
              float((inside & more).sum()), 0, ">"),
        Check("T2: with fewer steps than the honest arm the regions are not nested, points",
              float((outside & ~more).sum()), 0, ">"),
        Check("T2: signs by closed form and enumeration that differ", float(wrong), 0, "==",
              routes=("closed form", "enumeration")),
    ]  # fmt: skip
    picture = Picture("regions", "The hack wins to the right of a line", "steps of the hack",
                      "success rate of the hack", lines,
                      caption="Hack judged perfect; honest: 2 steps, score 0.7, "
                      "success 0.8.")  # fmt: skip
    return checks, picture


def constant_checks(kind: type[ReNorm], groups: int, seed: int) -> list[Check]:
    """At fixed length the "- 1" is invisible; with free length it is a price per step."""
    rng = np.random.default_rng([seed, 4])
    outcome = rng.integers(0, 2, (groups, 8)) * 1.0
    r = steps_of(outcome, rng.random((groups, 8, CHAIN)), np.full(outcome.shape, CHAIN))
    parts = {"outcome": outcome}
    mine, other = kind().apply(parts, r)[0], ReNorm("broadcast").apply(parts, r)[0]
    # A policy that picks 1 to 6 steps of score 0.7, uniformly: how E[steps] moves at first.
    n = np.arange(1, CHAIN + 1)
    mean_score = np.full((1, 2 * CHAIN, CHAIN), 0.7)
    count, solved = np.tile(n, 2)[None], np.repeat([1.0, 0.0], CHAIN)[None]
    drifts = []
    for p in (0.1, 0.25, 0.35, 0.8):
        weight = np.repeat([p, 1 - p], CHAIN)[None] / CHAIN
        own = steps_of(solved, mean_score, count, weight=weight, group_size=np.inf)
        a = kind(baseline="none").apply({"outcome": solved}, own)[0][0, :, 0]
        by_count = (weight[0] * a).reshape(2, CHAIN).sum(0)
        drifts.append(float(np.sign((by_count * (n - n.mean())).sum())))
    return [
        Check(SAME, float(np.abs(mine - other).max()), 1e-12),
        Check("T2: E[steps] falls for success 0.1, 0.25 and rises for 0.35, 0.8 (of 4 signs)",
              float((np.array(drifts) == [-1, -1, 1, 1]).sum()), 4, "=="),
    ]  # fmt: skip


# -- T3: credit for each decision ------------------------------------------------------------------
def first_update(e: ReNorm, flip: float) -> np.ndarray:
    """(6,) E[advantage x score] of each decision at probability 1/2, infinite group."""
    act = np.array(list(itertools.product((0, 1), repeat=CHAIN)))
    seen = act[None] ^ act[:, None]  # every judge's view of every chain
    chance = flip ** act.sum(-1) * (1 - flip) ** (CHAIN - act.sum(-1))
    scores = seen.reshape(1, -1, CHAIN) * 1.0
    chosen = np.tile(act, (len(act), 1))[None]
    weight = np.repeat(chance / len(act), len(act))[None]
    solved = np.asarray(chosen.all(-1), dtype=float)
    r = steps_of(solved, scores, np.full(weight.shape, CHAIN), weight=weight, group_size=np.inf)
    a, _ = e.apply({"outcome": r.correct}, r)
    return (weight[..., None] * a * (chosen - 0.5)).sum((0, 1))


def updates_to(e: ReNorm, flip: float, scale: float, replicas: int, seed: int) -> np.ndarray:
    """(replicas,) updates until a chain of six decisions succeeds in 90 %."""
    rng = np.random.default_rng([seed, 5])
    theta = np.zeros((replicas, 1, CHAIN))
    done = np.zeros(replicas)
    count = np.full((replicas, 8), CHAIN)
    for update in range(3000):
        p = 1 / (1 + np.exp(-theta))
        active = p.prod(-1)[:, 0] < 0.9
        done[active] = update + 1
        if not active.any():
            break
        act = rng.random((replicas, 8, CHAIN)) < p
        scores = (act ^ (rng.random(act.shape) < flip)) * 1.0
        outcome = np.asarray(act.all(axis=-1), dtype=float)
        a, _ = e.apply({"outcome": outcome}, steps_of(outcome, scores, count))
        theta = theta + 0.5 * scale * (a * (act - p)).mean(-2, keepdims=True)
    return done


def credit_checks(
    kind: type[ReNorm], replicas: int, seed: int
) -> tuple[list[Check], Picture, Table]:
    """Credit per step against the outcome alone."""
    worst = 0.0
    left = CHAIN - np.arange(CHAIN)
    for flip in (0.0, 0.1, 0.5):
        want = ((1 - 2 * flip) + left * 0.5 ** (CHAIN - 1)) / 4
        worst = max(worst, float(np.abs(first_update(kind(), flip) - want).max()))
    runs = {
        "outcome only": updates_to(ReNorm("outcome"), 0.0, 1.0, replicas, seed),
        "outcome x 3.5": updates_to(ReNorm("outcome"), 0.0, LEFT, replicas, seed),
        **{f"ReNorm, judge wrong {f:.0%}": updates_to(kind(), f, 1.0, replicas, seed)
           for f in (0.0, 0.1, 0.3, 0.5)},
    }  # fmt: skip
    middle = {k: float(np.median(v)) for k, v in runs.items()}
    noisy = middle["ReNorm, judge wrong 10%"]
    checks = [
        Check(CREDIT, worst, 1e-12, routes=("closed form", "enumeration")),
        Check(FASTER, noisy / middle["outcome only"], 0.3, "<"),
        Check(RESCALED, noisy / middle["outcome x 3.5"], 0.8, "<"),
        Check("T3: ReNorm with a useless judge over the rescaled outcome, updates to 90 %",
              middle["ReNorm, judge wrong 50%"] / middle["outcome x 3.5"], 1.5),
    ]  # fmt: skip
    share = (np.arange(replicas) + 1) / replicas
    picture = Picture(
        "credit", "Credit for each step", "updates to 90 % success", "share of replicas",
        [Curve(k, np.sort(v).tolist(), share.tolist()) for k, v in runs.items()], log_x=True,
        caption="Six binary decisions, success iff all right, G 8, rate 0.5.",
    )  # fmt: skip
    rows = [[k, v, *np.quantile(runs[k], (0.1, 0.9)).tolist()] for k, v in middle.items()]
    return checks, picture, Table("updates to 90 %", ("signal", "median", "10 %", "90 %"), rows)


@experiment(
    "18",
    card="18",
    slug="renorm",
    claim="Paying each step its process score plus the outcome minus 1 never rewards a step of a "
    "failed rollout and resists a fooled process judge; at fixed length it equals the sum without "
    "the constant.",
    source="ReNorm (equation reconstructed from two descriptions); closed forms derived",
    provenance="reconstructed",
    smoke={"replicas": 60, "groups": 500, "points": 4000},
    mutants=[
        Mutant("scores standardised first", {"rule": "standardised"}, (SIGNS,)),
        Mutant("outcome at the end only", {"rule": "at the end"}, (LEARNS, SIGNS, SAME)),
        Mutant("a missing score is 0", {"rule": "missing is 0"}, (MISSING,)),
    ],
)
def run(
    *,
    rule: str = "renorm",
    replicas: int = 200,
    groups: int = 5000,
    points: int = 10_000,
    seed: int = 0,
) -> Result:
    """A bandit with a fooled judge, the price of a step, and credit on a chain of decisions.

    rule : "renorm", or one of the broken ones in `RULES`
    replicas : runs of the bandit and the chain; groups : random groups; points : random bandits
    """
    kind = RULES[rule]
    t1, bandit_picture, designs = bandit_checks(kind, replicas, seed)
    t2, regions = region_checks(kind, points, seed)
    t3, credit, updates = credit_checks(kind, replicas, seed)
    return Result(
        (*sign_checks(kind, groups, seed), *t1, *t2, *constant_checks(kind, groups, seed), *t3),
        (bandit_picture, regions, credit),
        (designs, updates),
        notes=(
            "A solved rollout still gains its score for every extra step: padding after success "
            "pays, as it costs after failure.",
        ),
    )
