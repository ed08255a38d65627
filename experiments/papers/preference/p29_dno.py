"""Direct Nash Optimization: regression onto win rates against oneself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import binomtest

from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import picked
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.routes import EXACT, alone, apart, same
from toyrl.objectives.pairs import Dno, win_rates
from toyrl.rollouts import Rollouts
from toyrl.theory.policies import kl, softmax
from toyrl.theory.preference import nash

Array = Any
Step = Callable[[Array, Array, Array], np.ndarray]
RPS = nash.cyclic_preference(3, 0.4)
START = np.array([0.5, 0.3, 0.2])
ETA, STEPS = 2.0, 2000
TARGET = "T1: maximiser of the objective against pi exp(r/eta)/Z, largest difference"
LAWS = "T1: the same under two sampling laws, largest difference"
SPIRAL = "T2: rock-paper-scissors: least increase of KL(Nash || last)"
AVERAGE = "T2: exploitability of the average over its bound"
TENFOLD = "T2: exploitability of the last policy over that of the average"
SLOPE = "T2: slope of the average's exploitability in T, log-log"
INDIFFERENT = "T3: Bradley-Terry scores fitted to rock-paper-scissors, largest"
PURE = "T3: exploitability of the fit's choice on unevenly sampled pairs"
TRANSITIVE = "T4: transitive preferences: least increase of P(now > start)"
REACHED = "T4: P(after 30 steps > start)"
MONOTONE = "T5: random preferences: least P(next > now) - 1/2"
NOT_START = "T5: share of runs in which P(now > start) falls again"
IDENTITY = "T6: P(next > now) - 1/2 against eta Jeffreys, largest error"
MARGIN = "T7: pairs with a margin agree more often with the true win rates: p-value"
SAMPLED = "T8: the objective's coefficients on all pairs against the exact gradient, largest error"
iterated = alone("iteration", "the path of an iterated map has no closed form; T1 and T6 give each "
                 "of its steps")  # fmt: skip


def stepper(self_play: bool, ties: float) -> Step:
    """(P (..., K, K), policies (..., K), eta) -> the next policies, pi exp(win rate / eta) / Z."""

    def step(P: Array, pi: Array, eta: Array) -> np.ndarray:
        own = np.eye(pi.shape[-1])
        opponent = pi if self_play else np.full_like(pi, 1 / pi.shape[-1])
        rate = np.einsum("...ij,...j->...i", P + (ties - 0.5) * own, opponent)
        return softmax(np.log(pi) + rate / eta)

    return step


def preferences(rng: Any, k: int, *shape: int) -> np.ndarray:
    """(*shape, k, k) random P with P + P^T = 1."""
    upper = np.triu(rng.random((*shape, k, k)), 1)
    return upper + np.tril(1 - np.swapaxes(upper, -1, -2), -1) + 0.5 * np.eye(k)


# -- T1: one step ----------------------------------------------------------------------------------
def own_loss(theta: Array, P: Array, pi: Array, eta: float, mu: Array) -> float:
    """Mutant: a pair's own preference is the target, not its difference of win rates."""
    h = eta * (np.log(softmax(theta)) - np.log(pi))
    return float(2 * np.sum(np.outer(mu, mu) * P * np.logaddexp(0, h[None] - h[:, None])))


LOSSES = {"win rates": (nash.dno_loss, nash.dno_gradient), "own": (own_loss, None)}


def target_checks(rng: Any, target: str, moving: bool) -> list[Check]:
    """The maximiser under two sampling laws, by descent and in closed form."""
    loss, gradient = pick(LOSSES, target)
    found, want = [], []
    for P in [preferences(rng, 4) for _ in range(5)]:
        pi = rng.dirichlet(np.full(4, 2.0))
        reference = pi if moving else np.full(4, 0.25)
        laws = rng.dirichlet(np.full(4, 3.0), 2)
        ends = [minimize(loss, np.zeros(4), (P, reference, 1.0, mu), "BFGS", jac=gradient,
                         options={"gtol": 1e-11, "maxiter": 2000}).x for mu in laws]  # fmt: skip
        found.append(softmax(np.array(ends)))
        want.append(nash.step(P, pi, 1.0))
    first, second = np.moveaxis(np.array(found), 1, 0)
    return [
        apart(TARGET, first, np.array(want), 1e-6, ("closed form", "descent")),
        apart(LAWS, first, second, 1e-6, ("descent under one law", "under another")),
    ]


# -- T2: rock, paper, scissors ---------------------------------------------------------------------
def spiral(step: Step, horizon: int) -> tuple[list[Check], Picture, np.ndarray]:
    """Self-play at temperature 2, and at the bound's best temperature for many numbers of steps.

    The orbit's phase at T makes single T jump by a factor of ten: a slope needs many.
    """
    times = np.unique(np.round(np.geomspace(30, horizon, 25)).astype(int))
    eta = np.concatenate([[ETA], np.sqrt(times / (8 * np.log(3)))])[:, None]
    path = follow(lambda pi, _: step(RPS, pi, eta), np.tile(START, (len(eta), 1)),
                  max(STEPS, horizon))  # fmt: skip
    mean = np.cumsum(path[:-1], axis=0) / np.arange(1, len(path))[:, None, None]
    pis = path[: STEPS + 1, 0]
    away = kl(np.full(3, 1 / 3), np.maximum(pis, 1e-300))
    pushed = np.log((pis * np.exp((pis @ RPS.T - 0.5) / ETA)).sum(-1))[:-1]
    last, average = nash.exploitability(RPS, pis[1:]), nash.exploitability(RPS, mean[:STEPS, 0])
    tuned = nash.exploitability(RPS, mean[times - 1, np.arange(1, len(eta))])
    slope = float(np.polyfit(np.log(times), np.log(tuned), 1)[0])
    picture = lines("dno-spiral", "Rock, paper, scissors by self-play",
                    ("iteration", "exploitability"),
                    {"last policy": last, "average of all": average},
                    x=np.arange(1, STEPS + 1).tolist(), most=STEPS, log_x=True, log_y=True,
                    caption="Temperature 2, from (0.5, 0.3, 0.2).")  # fmt: skip
    bound = nash.average_bound(START, ETA, STEPS)
    return [
        Check(SPIRAL, float(min(np.diff(away).min(), pushed.min())), 0.0, ">",
              routes=("iteration", "log sum pi exp((r - 1/2)/eta)")),
        Check(AVERAGE, float(average[-1]) / bound, 1.0, "<", routes=("iteration", "bound")),
        iterated(TENFOLD, float(last[-1] / average[-1]), 10.0, ">"),
        Check(SLOPE, slope, -0.4, "<", routes=("iteration", "bound, -1/2")),
    ], picture, mean[STEPS - 1, 0]  # fmt: skip


# -- T3: scores instead of preferences -------------------------------------------------------------
def bradley_terry(P: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Scores fitted to preferences, pairs weighted."""

    def loss(s: np.ndarray) -> float:
        return float(np.sum(weight * P * np.logaddexp(0, s[None] - s[:, None])) + 1e-9 * s @ s)

    return minimize(loss, np.zeros(len(P)), method="BFGS").x


def score_checks(sampled: str, average: np.ndarray | None) -> list[Check]:
    """A fit to all pairs evenly is indifferent; to some more often, it picks one answer."""
    uneven = np.array([[0, 3, 1], [3, 0, 1], [1, 1, 0]], dtype=float)
    scores = bradley_terry(RPS, pick({"even": np.ones((3, 3)), "uneven": uneven}, sampled))
    fit = np.eye(3)[np.argmax(bradley_terry(RPS, uneven))]
    choice = fit if average is None else average
    return [
        Check(INDIFFERENT, float(np.abs(scores - scores.mean()).max()), 1e-4,
              routes=("descent", "symmetry")),
        same(PURE, nash.exploitability(RPS, choice), 0.4, 1e-12, ("descent", "best reply")),
    ]  # fmt: skip


# -- T4, T5, T6: improvement -----------------------------------------------------------------------
def improvement(rng: Any, step: Step, moving: bool, runs: int) -> tuple[list[Check], Table]:
    """Against the policy before and the first one; transitive and random preferences."""
    s = np.array([2.0, 1.0, 0.0, -1.0])
    P = 1 / (1 + np.exp(s[None] - s[:, None]))
    even = np.full(4, 0.25)
    path = follow(lambda pi, _: step(P, pi if moving else even, 1.0), even, 30)
    wins = path @ P @ even
    tables = preferences(rng, 5, runs)
    paths = follow(lambda pi, _: step(tables, pi, 0.5), np.full((runs, 5), 0.2), 20)

    def beats(pi: Array, other: Array) -> np.ndarray:
        return np.einsum("...i,...ij,...j->...", pi, tables, other)

    now, new = paths[:-1], paths[1:]
    gain, jeffreys = beats(new, now) - 0.5, kl(new, now) + kl(now, new)
    falls = np.diff(beats(paths, np.full_like(paths, 0.2)), axis=0).min(0) < -1e-12
    share, least = float(falls.mean()), float(gain.min())
    table = Table(
        "monotone",
        ("against", "share of runs that never fall"),
        [["the policy before", float(least >= 0)], ["the first policy", 1 - share]],
        f"{runs} random preference tables of five answers, 20 steps.",
    )
    return [
        iterated(TRANSITIVE, float(np.diff(wins).min()), 0.0, ">"),
        iterated(REACHED, float(wins[-1]), 0.7659, "~", 5e-5),
        Check(MONOTONE, least, -1e-12, ">=", routes=("iteration", "identity with Jeffreys")),
        iterated(NOT_START, share, 0.1, ">"),
        apart(IDENTITY, gain, 0.5 * jeffreys, 1e-10, EXACT),
    ], table


# -- T7, T8: samples -------------------------------------------------------------------------------
def margin_check(rng: Any, prompts: int, margin: int, k: int = 5) -> Check:
    """Agreement of sampled win rates with the true ones: the widest pair with a margin, any pair.

    margin : votes of k that the kept pairs are apart; 0 keeps any pair instead
    """
    P, pi = preferences(rng, 8, prompts), rng.dirichlet(np.ones(8), prompts)
    row = np.arange(prompts)[:, None]
    drawn = picked(pi, rng.random((prompts, k + 1)))
    won = rng.random((prompts, k + 1, k + 1)) < P[row[..., None], drawn[..., None], drawn[:, None]]
    won = np.triu(won, 1) + np.tril(~np.swapaxes(won, -1, -2), -1)
    votes, truth = won.sum(-1), np.einsum("nij,nj->ni", P, pi)[row, drawn]

    def agreement(pair: np.ndarray, least: int) -> np.ndarray:
        gap, true = (np.subtract(*x[row, pair].T) for x in (votes, truth))
        kept = (true != 0) & (np.abs(gap) >= max(least, 1))
        return ((gap > 0) == (true > 0))[kept]

    any_pair = np.tile([0, 1], (prompts, 1))  # the draws are exchangeable
    widest = np.stack([votes.argmax(-1), votes.argmin(-1)], -1) if margin else any_pair
    with_margin, without = agreement(widest, margin), agreement(any_pair, 0)
    p = binomtest(int(with_margin.sum()), len(with_margin), float(without.mean()), "greater").pvalue
    return Check(MARGIN, float(p), 1e-3, "<", routes=("simulation",),
                 why_one_route="a test on a judge's drawn votes")  # fmt: skip


def coefficient_check(rng: Any, moving: bool) -> Check:
    """All answers once in a group, weighted by mu: the coefficients are the exact gradient's."""
    P, old, theta = preferences(rng, 4), rng.dirichlet(np.ones(4)), rng.standard_normal(4)
    mu, now = rng.dirichlet(np.ones(4)), softmax(theta)
    reference = old if moving else np.full(4, 0.25)
    r = Rollouts(np.zeros((1, 4)), np.ones((1, 4)), 1.0, mask=np.ones((1, 4, 1)),
                 weight=mu[None], group_size=np.inf)  # fmt: skip
    c = Dno(eta=0.7).coefficients(nash.win_rate(P, old)[None], r, np.log(now)[None, :, None],
                                  np.log(reference)[None, :, None])[0, :, 0]  # fmt: skip
    exact = -nash.dno_gradient(theta, P, old, 0.7, mu)
    score = np.array([[2.0, 1.0, 1.0, 0.0]])
    rates = win_rates(score, Rollouts(score, np.ones((1, 4)), 1.0))[0]
    found = np.concatenate([c - now * c.sum(), rates])
    want = np.concatenate([exact, [1.0, 0.5, 0.5, 0.0]])
    return apart(SAMPLED, found, want, 1e-12, ("closed form", "the objective"))


@experiment(
    "29",
    card="29",
    slug="dno",
    claim="Fitting log-ratio differences to win-rate differences is multiplicative weights: each "
    "policy beats the one before; the average approaches Nash, the last may spiral away.",
    source="sections 2 to 4; identities derived in theory/preference/nash.py",
    smoke={"runs": 200, "prompts": 600, "horizon": 3000},
    mutants=(
        Mutant("the reference stays the first policy", {"moving": False},
               (TARGET, TRANSITIVE, REACHED, SAMPLED)),
        Mutant("ties count as losses", {"ties": 0.0}, (SPIRAL, MONOTONE, IDENTITY)),
        Mutant("win rates against a uniform opponent", {"self_play": False},
               (AVERAGE, TENFOLD, SLOPE, NOT_START, IDENTITY)),
        Mutant("a pair's own preference is the target", {"target": "own"}, (TARGET, LAWS)),
        Mutant("the fit sees some pairs more often", {"sampled": "uneven"}, (INDIFFERENT,)),
        Mutant("the average of self-play in the place of the fit", {"fitted": False}, (PURE,)),
        Mutant("any pair is kept", {"margin": 0}, (MARGIN,)),
    ),
)  # fmt: skip
def dno(
    *,
    runs: int = 2000,
    prompts: int = 2000,
    horizon: int = 30_000,
    moving: bool = True,
    ties: float = 0.5,
    self_play: bool = True,
    target: str = "win rates",
    sampled: str = "even",
    fitted: bool = True,
    margin: int = 2,
    seed: int = 0,
) -> Result:
    """runs : of T5; prompts : of T7; horizon : most steps of T2; the others are for mutants."""
    rng, step = draws(seed), stepper(self_play, ties)
    t2, picture, average = spiral(step, horizon)
    better, table = improvement(rng, step, moving, runs)
    checks = (
        *target_checks(rng, target, moving),
        *t2,
        *score_checks(sampled, None if fitted else average),
        *better,
        margin_check(rng, prompts, margin),
        coefficient_check(rng, moving),
    )
    return Result(checks, (picture,), (table,))
