"""Direct Nash Optimization: regression onto win rates against oneself."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import binomtest

from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.objectives.pairs import Dno, win_rates
from toyrl.rollouts import Rollouts
from toyrl.theory.policies import kl, softmax
from toyrl.theory.preference import nash

RPS = 0.5 + 0.4 * np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]])
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


@experiment(
    "29",
    card="29",
    slug="dno",
    claim="Fitting log-ratio differences to win-rate differences is multiplicative weights: each "
    "policy beats the one before; the average approaches Nash, the last may spiral away.",
    source="sections 2 to 4; identities derived in theory/preference/nash.py",
    smoke={"runs": 200, "prompts": 600},
    mutants=(
        Mutant("the reference stays the first policy", {"moving": False}, (REACHED, TARGET)),
        Mutant("ties count as losses", {"ties": 0.0}, (IDENTITY,)),
        Mutant("win rates against a uniform opponent", {"self_play": False}, (AVERAGE, IDENTITY)),
    ),
)
def dno(
    *,
    runs: int = 2000,
    prompts: int = 2000,
    moving: bool = True,
    ties: float = 0.5,
    self_play: bool = True,
    seed: int = 0,
) -> Result:
    """runs : of T5; prompts : of T7; the others are mechanisms that mutants break."""
    rng = np.random.default_rng(seed)
    step = _stepper(self_play, ties)
    spiral, picture = _spiral(step)
    random, table = _random(rng, step, runs)
    checks = (
        *_target(rng, moving),
        *spiral,
        *_pointwise(rng),
        *_transitive(step, moving),
        *random,
        *_margin(rng, prompts),
        _coefficients(rng),
    )
    return Result(checks, (picture,), (table,))


def _stepper(self_play: bool, ties: float) -> Any:
    def step(P: np.ndarray, pi: np.ndarray, eta: float) -> np.ndarray:
        judged = P.copy()
        np.fill_diagonal(judged, ties)
        opponent = pi if self_play else np.full(len(pi), 1 / len(pi))
        return softmax(np.log(pi) + judged @ opponent / eta)

    return step


def _random_preferences(rng: Any, k: int) -> np.ndarray:
    P = np.triu(rng.random((k, k)), 1)
    return P + np.tril(1 - P.T, -1) + 0.5 * np.eye(k)


# -- T1 --------------------------------------------------------------------------------------------
def _maximiser(P: np.ndarray, pi: np.ndarray, eta: float, mu: np.ndarray) -> np.ndarray:
    found = minimize(
        lambda t: (nash.dno_loss(t, P, pi, eta, mu), nash.dno_gradient(t, P, pi, eta, mu)),
        np.zeros(len(pi)),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-11, "maxiter": 2000},
    )
    return softmax(found.x)


def _target(rng: Any, moving: bool) -> list[Check]:
    worst, laws = 0.0, 0.0
    for _ in range(5):
        P, pi = _random_preferences(rng, 4), rng.dirichlet(np.full(4, 2.0))
        reference = pi if moving else np.full(4, 0.25)
        found = [_maximiser(P, reference, 1.0, rng.dirichlet(np.full(4, 3.0))) for _ in range(2)]
        worst = max(worst, float(np.abs(found[0] - nash.step(P, pi, 1.0)).max()))
        laws = max(laws, float(np.abs(found[0] - found[1]).max()))
    return [
        Check(TARGET, worst, 1e-6, "<", routes=("closed form", "descent")),
        Check(LAWS, laws, 1e-6, "<", routes=("descent",)),
    ]


# -- T2 --------------------------------------------------------------------------------------------
def _spiral(step: Any) -> tuple[list[Check], Picture]:
    path = [START]
    for _ in range(STEPS):
        path.append(step(RPS, path[-1], ETA))
    pis = np.array(path)
    away = kl(np.full(3, 1 / 3), np.maximum(pis, 1e-300))
    mean = np.cumsum(pis[:-1], axis=0) / np.arange(1, STEPS + 1)[:, None]
    last, average = nash.exploitability(RPS, pis[1:]), nash.exploitability(RPS, mean)
    bound = nash.average_bound(START, ETA, STEPS)
    # The orbit's phase at T makes single horizons jump by a factor of ten; many are needed.
    horizons = np.unique(np.round(np.geomspace(30, 30_000, 25)).astype(int))
    best = [_tuned(step, int(t)) for t in horizons]
    slope = float(np.polyfit(np.log(horizons), np.log(best), 1)[0])
    t = np.arange(1, STEPS + 1)
    picture = Picture(
        "dno-spiral",
        "Rock, paper, scissors by self-play",
        "iteration",
        "exploitability",
        curves=(
            Curve("last policy", t.tolist(), last.tolist()),
            Curve("average of all", t.tolist(), average.tolist()),
        ),
        log_x=True,
        log_y=True,
        caption="Temperature 2, from (0.5, 0.3, 0.2).",
    )
    return [
        Check(SPIRAL, float(np.diff(away).min()), 0.0, ">", routes=("closed form",)),
        Check(AVERAGE, float(average[-1]) / bound, 1.0, "<", routes=("closed form", "bound")),
        Check(TENFOLD, float(last[-1] / average[-1]), 10.0, ">"),
        Check(SLOPE, slope, -0.4, "<", routes=("bound -1/2", "closed form")),
    ], picture


def _tuned(step: Any, steps: int) -> float:
    """Exploitability of the average after `steps` at the best eta of the bound."""
    eta = float(np.sqrt(steps / (8 * np.log(3))))
    pi, total = START, np.zeros(3)
    for _ in range(steps):
        total += pi
        pi = step(RPS, pi, eta)
    return float(nash.exploitability(RPS, total / steps))


# -- T3 --------------------------------------------------------------------------------------------
def _bradley_terry(P: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Scores fitted to preferences, pairs weighted."""

    def loss(s: np.ndarray) -> float:
        gap = s[:, None] - s[None]
        return float(np.sum(weight * P * np.logaddexp(0, -gap)) + 1e-9 * s @ s)

    return minimize(loss, np.zeros(len(P)), method="BFGS").x


def _pointwise(rng: Any) -> list[Check]:
    del rng
    even = _bradley_terry(RPS, np.ones((3, 3)))
    uneven = np.array([[0, 3, 1], [3, 0, 1], [1, 1, 0]], dtype=float)
    choice = np.eye(3)[np.argmax(_bradley_terry(RPS, uneven))]
    return [
        Check(INDIFFERENT, float(np.abs(even - even.mean()).max()), 1e-4),
        Check(PURE, float(nash.exploitability(RPS, choice)), 0.4, "~", tolerance=1e-12),
    ]


# -- T4, T5, T6 ------------------------------------------------------------------------------------
def _transitive(step: Any, moving: bool) -> list[Check]:
    s = np.array([2.0, 1.0, 0.0, -1.0])
    P = 1 / (1 + np.exp(s[None] - s[:, None]))
    first = pi = np.full(4, 0.25)
    wins = []
    for _ in range(30):
        pi = step(P, pi if moving else first, 1.0)
        wins.append(nash.beats(P, pi, first))
    return [
        Check(TRANSITIVE, float(np.diff([0.5, *wins]).min()), 0.0, ">=" if not moving else ">"),
        Check(REACHED, wins[-1], 0.7659, "~", tolerance=5e-5, routes=("closed form",)),
    ]


def _random(rng: Any, step: Any, runs: int) -> tuple[list[Check], Table]:
    least, error, falls = np.inf, 0.0, 0
    for _ in range(runs):
        P = _random_preferences(rng, 5)
        first = pi = np.full(5, 0.2)
        against = [0.5]
        for _ in range(20):
            new = step(P, pi, 0.5)
            gain = nash.beats(P, new, pi) - 0.5
            least = min(least, gain)
            error = max(error, abs(gain - 0.5 * nash.jeffreys(new, pi)))
            pi = new
            against.append(nash.beats(P, pi, first))
        falls += bool(np.diff(against).min() < -1e-12)
    share = falls / runs
    table = Table(
        "monotone",
        ("against", "share of runs that never fall"),
        [["the policy before", float(least >= 0)], ["the first policy", 1 - share]],
        f"{runs} random preference tables of five answers, 20 steps.",
    )
    return [
        Check(MONOTONE, least, -1e-12, ">=", routes=("closed form",)),
        Check(NOT_START, share, 0.1, ">", routes=("enumeration",)),
        Check(IDENTITY, error, 1e-10, routes=("closed form", "identity")),
    ], table


# -- T7, T8 ----------------------------------------------------------------------------------------
def _margin(rng: Any, prompts: int) -> list[Check]:
    """Agreement of sampled win-rate gaps with the true ones, by margin (K = 5 samples)."""
    k, kept = 5, {0: [0, 0], 2: [0, 0]}
    for _ in range(prompts):
        P = _random_preferences(rng, 8)
        pi = rng.dirichlet(np.ones(8))
        truth = nash.win_rate(P, pi)
        drawn = rng.choice(8, size=k + 1, p=pi)
        won = rng.random((k + 1, k + 1)) < P[drawn[:, None], drawn]
        won = np.triu(won, 1) + np.tril(~won.T, -1)
        rate = won.sum(1) / k
        high, low = int(np.argmax(rate)), int(np.argmin(rate))
        if truth[drawn[high]] == truth[drawn[low]]:
            continue
        for margin, count in kept.items():
            pair = (high, low) if margin else tuple(rng.choice(k + 1, 2, replace=False))
            gap = rate[pair[0]] - rate[pair[1]]
            if gap == 0 or abs(gap) * k < margin:
                continue
            right = (gap > 0) == (truth[drawn[pair[0]]] > truth[drawn[pair[1]]])
            count[0] += bool(right)
            count[1] += 1
    (a, n), (b, m) = kept[2], kept[0]
    p = binomtest(a, n, b / m, alternative="greater").pvalue
    return [Check(MARGIN, float(p), 1e-3, "<", routes=("simulation",))]


def _coefficients(rng: Any) -> Check:
    """All answers once in a group, weighted by mu: the coefficients are the exact gradient's."""
    P, old, theta = _random_preferences(rng, 4), rng.dirichlet(np.ones(4)), rng.standard_normal(4)
    mu, now = rng.dirichlet(np.ones(4)), softmax(theta)
    r = Rollouts(
        np.zeros((1, 4)),
        np.ones((1, 4)),
        1.0,
        mask=np.ones((1, 4, 1)),
        weight=mu[None],
        group_size=np.inf,
    )
    c = Dno(eta=0.7).coefficients(
        nash.win_rate(P, old)[None], r, np.log(now)[None, :, None], np.log(old)[None, :, None]
    )[0, :, 0]
    exact = -nash.dno_gradient(theta, P, old, 0.7, mu)
    score = np.array([[2.0, 1.0, 1.0, 0.0]])
    rates = win_rates(score, Rollouts(score, np.ones((1, 4)), 1.0))
    wrong = np.abs(rates - [[1.0, 0.5, 0.5, 0.0]]).max()
    far = float(np.abs(c - now * c.sum() - exact).max())
    return Check(SAMPLED, max(far, float(wrong)), 1e-12, routes=("closed form", "the objective"))
