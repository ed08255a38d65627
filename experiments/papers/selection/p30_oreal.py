"""OREAL: best-of-n cloning is a KL optimum; what wrong rollouts and token weights add."""

from __future__ import annotations

import itertools
from math import comb
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.estimators.paired import Paired
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.objectives.outcome_cloning import Oreal
from toyrl.rollouts import Rollouts
from toyrl.theory.policies import kl, softmax, tilt
from toyrl.theory.selection import bon_cloning as theory
from toyrl.theory.selection.best_of_k import success_of_best

SIZES = (1, 2, 3, 5, 8)
BETAS = (0.05, 0.3, 1.0)
TOKENS, DECISIVE = 8, 4  # the fifth of eight binary tokens decides
LAW = "T2: law of the pick against enumeration of all draws, largest error"
RIGHT = "T1: right picks' law against pi0 given right, largest error"
OPTIMUM = "T3: law of the pick against the KL optimum at beta_n, largest error"
LIMIT = "T7: KL at n = 64 against -log p"
BOUND = "T7: KL over log n - (n-1)/n, largest, n >= 2"
ANCHOR = "T4: P(right) after descent against its equation, largest error"
INSIDE = "T4: ratios within the classes moved by at most"
CONSISTENT = "T5: both sides carry n (1-p)^(n-1), largest error by finite differences"
DIRECTION = "T6: angle of any weighted pair's update to grad p, degrees"
WEIGHTS = "T6: prompt weights against enumeration, largest error"
TABLE = "d: trained logit at the decisive token over the largest elsewhere"
TOKEN = "d: token weights on right rollouts: decisive over the largest elsewhere"
RUNNING = "d: running weights: least from the decisive token on over the largest before"
HARD = "e: hardest prompts after 5 steps: least gap in {REINFORCE, RLOO} < (1, 1-p) < code"
EASY = "e: easiest prompts after 5 steps: lead of the worse of REINFORCE, RLOO over both pairs"
SAME = "e: expected update of RLOO against REINFORCE, largest error"


@experiment(
    "30",
    card="30",
    slug="oreal",
    claim="Cloning the best of n is the KL-regularised optimum at a temperature beta_n(p), and "
    "right picks are pi0 given right for every n; weights of right and wrong rollouts choose only "
    "how prompts are weighed.",
    source="sections 2 and 3; repository InternLM/OREAL; derivations in "
    "theory/selection/bon_cloning.py. The factor 1-p on wrong rollouts does not "
    "follow as printed: see T5",
    provenance="code",
    smoke={"batches": 400, "seeds": 12},
    mutants=(
        Mutant("the pick is any draw where one is right", {"careless": True}, (LAW, RIGHT)),
        Mutant("the printed coefficient (1-p)^n", {"printed": True}, (CONSISTENT,)),
        Mutant("sigma(w) in place of 2 sigma(w) - 1", {"rescaled": False}, (TOKEN,)),
    ),
)
def oreal(
    *,
    batches: int = 500,
    seeds: int = 60,
    careless: bool = False,
    printed: bool = False,
    rescaled: bool = True,
    seed: int = 0,
) -> Result:
    """batches : of the token reward model; seeds : of (e); the others are broken by mutants."""
    rng = np.random.default_rng(seed)
    cloning, picture = _cloning(rng, careless)
    across, table = _hard_prompts(rng, seeds)
    checks = (
        *cloning,
        *_anchored(rng),
        _consistency(rng, printed),
        *_directions(rng),
        *_tokens(rng, batches, rescaled),
        *across,
    )
    return Result(
        checks,
        (picture, _weights_picture()),
        (table,),
        notes=(
            "REINFORCE and RLOO have the same W(p) = 1: which of them is ahead on hard prompts is "
            "noise and step normalisation, not an effect of the weights.",
            "W(p) of the two pairs differs by less than a factor of two over most of the range: "
            "with success rates spaced evenly, not geometrically, their order on the hardest "
            "prompts turns round.",
        ),
    )


def _bandit(rng: Any, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    right = np.zeros(k)
    right[: rng.integers(1, k)] = 1.0
    return rng.dirichlet(np.full(k, 1.5)), right


# -- T1, T2, T3, T7 --------------------------------------------------------------------------------
def _enumerated(pi0: np.ndarray, right: np.ndarray, n: int, careless: bool) -> np.ndarray:
    """Law of the pick over all K^n draws."""
    out = np.zeros(len(pi0))
    for draw in itertools.product(range(len(pi0)), repeat=n):
        good = [k for k in draw if right[k]]
        pool = list(draw) if careless or not good else good
        for k in pool:
            out[k] += pi0[list(draw)].prod() / len(pool)
    return out


def _cloning(rng: Any, careless: bool) -> tuple[list[Check], Picture]:
    law = picks = best = 0.0
    for _ in range(3):
        pi0, right = _bandit(rng, 4)
        p = float(pi0 @ right)
        for n in (1, 2, 3, 5):
            found = _enumerated(pi0, right, n, careless)
            closed = theory.best_of_n(pi0, right, n)
            law = max(law, float(np.abs(found - closed).max()))
            tilted = tilt(pi0, right, theory.inverse_temperature(p, n))
            best = max(best, float(np.abs(closed - tilted).max()))
            if n > 1:  # law of the right picks, given that one was right
                none = (1 - p) ** n
                given = (found * right) / (1 - none)
                picks = max(picks, float(np.abs(given - pi0 * right / p).max()))
    sizes = np.arange(2, 65)
    over = max(theory.best_kl(0.2, int(n)) / (np.log(n) - (n - 1) / n) for n in sizes)
    n = np.arange(1, 65)
    curves = (
        Curve("success", n.tolist(), success_of_best(0.2, n).tolist()),
        Curve("KL (nats)", n.tolist(), [theory.best_kl(0.2, int(i)) for i in n]),
        Curve("log n - (n-1)/n", n.tolist(), (np.log(n) - (n - 1) / n).tolist(), style="dashed"),
        Curve("-log p", [1, 64], [-np.log(0.2)] * 2, style="dashed"),
    )
    picture = Picture(
        "oreal-best-of-n",
        "Best of n, right or wrong, p = 0.2",
        "n",
        "",
        curves,
        log_x=True,
        caption="For continuous rewards KL grows without end.",
    )
    routes = ("closed form", "enumeration")
    return [
        Check(LAW, law, 1e-12, routes=routes),
        Check(RIGHT, picks, 1e-12, routes=routes),
        Check(OPTIMUM, best, 1e-12, routes=routes),
        Check(LIMIT, abs(theory.best_kl(0.2, 64) + np.log(0.2)), 1e-3),
        Check(BOUND, over, 1.0, "<"),
    ], picture


# -- T4 --------------------------------------------------------------------------------------------
def _anchored(rng: Any) -> list[Check]:
    from scipy.optimize import minimize

    worst = inside = 0.0
    for beta in BETAS:
        pi0, right = _bandit(rng)
        p = float(pi0 @ right)

        def loss(t: np.ndarray, pi0: Any = pi0, right: Any = right, beta: Any = beta) -> Any:
            pi, p = softmax(t), float(pi0 @ right)
            cloned = pi0 * right / p
            value = -cloned @ np.log(pi) + beta * kl(pi, pi0)
            gap = np.log(pi) - np.log(pi0)
            return value, pi - cloned + beta * pi * (gap - pi @ gap)

        found = minimize(
            loss, np.log(pi0), jac=True, method="BFGS", options={"gtol": 1e-12, "maxiter": 5000}
        )
        pi = softmax(found.x)
        worst = max(worst, abs(float(pi @ right) - theory.anchored_mass(p, beta)))
        for side in (right > 0, right == 0):
            if pi[side].sum() < 1e-6:  # descent can't tell such probabilities apart
                continue
            ratio = pi[side] / pi0[side]
            inside = max(inside, float(np.ptp(ratio) / ratio.mean()))
    return [
        Check(ANCHOR, worst, 1e-6, routes=("root of its equation", "descent")),
        Check(INSIDE, inside, 1e-5, routes=("descent",)),
    ]


# -- T5, T6 ----------------------------------------------------------------------------------------
def _score(pi: np.ndarray) -> np.ndarray:
    """(K, K) grad log pi_k by logits."""
    return np.eye(len(pi)) - pi


def _consistency(rng: Any, printed: bool) -> Check:
    worst = 0.0
    for n in SIZES:
        theta, right = rng.standard_normal(5), np.array([1.0, 1, 0, 0, 0])

        def q(t: np.ndarray, n: int = n, right: Any = right) -> float:
            return float(success_of_best(softmax(t) @ right, n))

        eps = 1e-5
        slope = np.array([(q(theta + eps * e) - q(theta - eps * e)) / (2 * eps) for e in np.eye(5)])
        pi = softmax(theta)
        p = float(pi @ right)
        factor = n * (1 - p) ** (n - 1)
        lower = n * (1 - p) ** n if printed else factor
        up = factor * (pi * right) @ _score(pi)
        down = -lower * (pi * (1 - right)) @ _score(pi)
        worst = max(worst, float(np.abs(up - slope).max()), float(np.abs(down - slope).max()))
    return Check(CONSISTENT, worst, 1e-6, routes=("closed form", "finite differences"))


def _directions(rng: Any) -> list[Check]:
    angle = error = 0.0
    for _ in range(10):
        pi0, right = _bandit(rng)
        p = float(pi0 @ right)
        grad = (pi0 * right) @ _score(pi0)
        a, b = rng.random(2)
        move = a * grad / p + b * grad / (1 - p)
        sides = [(pi0 * s) @ _score(pi0) / (pi0 @ s) for s in (right, 1 - right)]
        made = a * sides[0] - b * sides[1]
        cosine = made @ grad / np.linalg.norm(made) / np.linalg.norm(grad)
        angle = max(angle, float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))))
        error = max(error, float(np.abs(move - made).max()))
        for scheme, (up, down) in {
            "pair_1_p": (1.0, 1 - p),
            "pair_rloo": (2 * (1 - p), p),
            "rloo": (p * (1 - p),) * 2,
        }.items():
            w = up * sides[0] - down * sides[1]
            error = max(error, float(np.abs(w - theory.prompt_weight(p, scheme) * grad).max()))
    return [
        Check(DIRECTION, angle, 1e-5, routes=("closed form", "enumeration")),
        Check(WEIGHTS, error, 1e-10, routes=("closed form", "enumeration")),
    ]


def _weights_picture() -> Picture:
    p = np.linspace(0.02, 0.95, 60)
    names = {
        "reinforce": "REINFORCE",
        "pair_1_p": "pair, (1, 1-p)",
        "pair_rloo": "pair, code",
        "pair_grpo": "pair, GRPO",
    }
    curves = tuple(
        Curve(n, p.tolist(), theory.prompt_weight(p, s).tolist()) for s, n in names.items()
    )
    return Picture(
        "oreal-weights",
        "How prompts are weighed",
        "success rate p",
        "W(p)",
        curves,
        log_y=True,
        caption="The expected update is W(p) times the gradient of p.",
    )


# -- d: token weights ------------------------------------------------------------------------------
def _tokens(rng: Any, batches: int, rescaled: bool) -> list[Check]:
    """A table of logits by position and token, trained by cross-entropy on its mean."""
    w = np.zeros((TOKENS, 2))
    place = np.arange(TOKENS)
    for _ in range(batches):
        x = rng.integers(0, 2, (64, TOKENS))
        y = x[:, DECISIVE]
        error = 1 / (1 + np.exp(-w[place, x].mean(-1))) - y
        g = np.zeros_like(w)
        np.add.at(g, (place[None].repeat(64, 0), x), (error / TOKENS / 64)[:, None])
        w -= 5 * TOKENS * g
    x = rng.integers(0, 2, (1, 256, TOKENS))
    x[..., DECISIVE] = 1
    r = Rollouts(
        np.ones((1, 256)),
        np.full((1, 256), float(TOKENS)),
        float(TOKENS),
        mask=np.ones(x.shape),
        fields={"credit_logit": w[place, x]},
    )
    own, _ = Oreal(weights="token").token_weights(r, w[place, x])
    if not rescaled:
        own = 1 / (1 + np.exp(-w[place, x]))
    running, _ = Oreal(weights="running").token_weights(r, w[place, x])
    size = np.abs(w).max(-1)
    other = np.delete(size, DECISIVE)
    mean, later = own.mean((0, 1)), running.mean((0, 1))
    return [
        Check(TABLE, float(size[DECISIVE] / other.max()), 5.0, ">", routes=("training",)),
        Check(TOKEN, float(mean[DECISIVE] / np.delete(mean, DECISIVE).max()), 5.0, ">"),
        Check(RUNNING, float(later[DECISIVE:].min() / max(later[:DECISIVE].max(), 1e-9)), 5.0, ">"),
    ]


# -- e: across prompts -----------------------------------------------------------------------------
SCHEMES = {
    "REINFORCE": PRESETS["reinforce"],
    "RLOO": PRESETS["rloo"],
    "pair, (1, 1-p)": Paired("reshaped", 1.0),
    "pair, code": Paired("rloo", 0.5),
}


def _update(logits: np.ndarray, e: Any, rng: Any) -> np.ndarray:
    """(20, 4) gradient from 16 sampled rollouts of each prompt; arm 0 is right."""
    pi = softmax(logits)
    arm = np.minimum((rng.random((20, 16, 1)) > np.cumsum(pi, -1)[:, None]).sum(-1), 3)
    right = (arm == 0) * 1.0
    a, _ = e.apply({"outcome": right}, Rollouts(right, np.ones_like(right), 1.0))
    return (a[..., None] * (np.eye(4)[arm] - pi[:, None])).mean(-2)


def _hard_prompts(rng: Any, seeds: int) -> tuple[list[Check], Table]:
    """Twenty four-armed prompts, success 0.02 to 0.8; steps of length 2 over all of them."""
    p0 = np.geomspace(0.02, 0.8, 20)
    start = np.tile([0.0, 0.0, 0.0, 0.0], (20, 1))
    start[:, 0] = np.log(3 * p0 / (1 - p0))
    rows, ends = [], {}
    for name, e in SCHEMES.items():
        runs = []
        for _ in range(seeds):
            logits, path = start, []
            for _ in range(10):
                g = _update(logits, e, rng)
                logits = logits + 2 * g / max(float(np.linalg.norm(g)), 1e-12)
                path.append(softmax(logits)[:, 0])
            runs.append((path[4][:5].mean(), path[4][-5:].mean(), path[9].mean()))
        ends[name] = np.mean(runs, axis=0)
        rows.append([name, *map(float, ends[name])])
    hard, easy = ([float(x[k]) for x in ends.values()] for k in (0, 1))
    table = Table(
        "across prompts",
        ("scheme", "five hardest, 5 steps", "five easiest, 5 steps", "all, 10 steps"),
        rows,
        f"Success rate after normalised steps, {seeds} seeds, 16 rollouts a prompt.",
    )
    gap = min(hard[2] - max(hard[:2]), hard[3] - hard[2])
    return [
        Check(HARD, gap, 0.0, ">", routes=("simulation",)),
        Check(EASY, min(easy[:2]) - max(easy[2:]), 0.0, ">", routes=("simulation",)),
        Check(SAME, _same_expectation(p0), 1e-12, routes=("enumeration",)),
    ], table


def _same_expectation(p: np.ndarray) -> float:
    """Both baselines by counts of right ones among 16: W(p) is 1 for REINFORCE and RLOO."""
    k = np.arange(17)
    right = (np.arange(16) < k[:, None]) * 1.0
    chance = (
        np.array([[comb(16, int(i)) for i in k]]) * p[:, None] ** k * (1 - p[:, None]) ** (16 - k)
    )
    r = Rollouts(right, np.ones_like(right), 1.0)
    means = []
    for name in ("REINFORCE", "RLOO"):
        a = SCHEMES[name].apply({"outcome": right}, r)[0]
        g = (a * (right - p[:, None, None])).mean(-1)
        means.append((chance * g).sum(-1))
    return float(np.abs(means[0] - means[1]).max())
