"""Alignment asymptotics: the KL optimum, its large deviations, and the best of N beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, same
from toyrl.theory.policies import kl, tilt, tilt_curve, tilt_to_kl
from toyrl.theory.selection import memoryless as theory
from toyrl.theory.selection.best_of_k import best_of_k, curves
from toyrl.theory.selection.softmax_selection import softmax_selection

P0, DELTA = 0.3, 0.1
LENGTHS = np.array([100, 200, 500, 1000, 2000])
LAW = np.array([0.5, 0.3, 0.2])
OTHER = np.array([0.2, 0.3, 0.5])
RHO, BUDGET, T = np.log(OTHER), 0.08, 0.7
OPTIMUM = "reward within a KL ball over the optimum's, largest of random laws"
SLOPE = "slope of the trade-off curve against 1/alpha, largest error"
START = "gain over sqrt(2 Delta Var r) near the base"
IDENTITY = "KL from the optimum against the identity, 100 random laws and best of N"
NEAR = "KL from the optimum over e1 + alpha e2, largest"
PRODUCT = "tilt of a product against the product of tilts, largest error"
TAIL = "rate of the reward's tail, exact over I(x) + log m/(2m): error at m = 4000"
RATE = "KL(T_b || T) against sup_t of t x - Lam(t), largest error"
RENYI = "scaled cumulant against the Renyi cross entropy, largest error"
CUMULANT = "scaled cumulant against the exact law of 60 symbols, largest error"
EXACT_LAW = "best of N over all strings of 8 tokens against the binomial law, largest error"
BEHIND = "best of N's reward less the optimum's, a symbol, largest over m"
GAP = "how far best of N is behind a symbol, times m/log m, least"
GAP_MOST = "how far best of N is behind a symbol, times m/log m, largest"
END = "best of N's reward less the optimum's, a symbol, at m = 2000"
SPENT = "bound less KL from the base, a symbol, largest"
FALLS = "bound less KL a symbol, and KL(best of N || optimum)/m, fall in m: steps that rise"
FAR = "KL(best of N || optimum)/m at m = 2000"
GROWS = "KL(best of N || optimum) over log m, least: it diverges"
GROWS_MOST = "KL(best of N || optimum) over log m, largest"
BELOW = "best of N and softmax selection over the optimum at their KL, largest"


# -- the optimum -----------------------------------------------------------------------------------
def mixed(ref: np.ndarray, reward: np.ndarray, t: Any) -> np.ndarray:
    """The base with a share t/(1 + t) of its best answers: what a linear trade-off would be."""
    share = np.asarray(t, dtype=float)[..., None] / (1 + np.asarray(t, dtype=float)[..., None])
    return (1 - share) * ref + share * tilt(ref, reward, np.inf)


RULES = {"tilt": tilt, "mixture": mixed, "beta for alpha": lambda p, r, t: tilt(p, r, 1 / t)}


def optimum(rng: Any, rule: str) -> Items:
    """The tilt is the best law of its KL ball, and what is nearly as good is near it."""
    of = pick(RULES, rule)
    p = np.array([0.4, 0.3, 0.2, 0.08, 0.02])
    r = np.array([0.0, 0.4, 1.0, 0.6, -1.0])
    others = rng.dirichlet(np.full(5, 0.7), 4000)
    over = []
    for alpha in (0.5, 2.0, 8.0):
        best = of(p, r, alpha)
        inside = others[kl(others, p) <= kl(best, p)]
        # On the sphere itself as well: the outside, mixed with the base until it is inside.
        share = np.linspace(0, 1, 40)[:, None, None]
        onto = (1 - share) * p + share * others[:100]
        every = np.concatenate([inside, onto[kl(onto, p) <= kl(best, p)]])
        over.append((every @ r).max() - best @ r)
    yield Check(OPTIMUM, float(max(over)), 0.0, "<", routes=("closed form", "random laws"))
    budgets, step = np.array([0.02, 0.1, 0.5]), 1e-5
    alphas = np.array([tilt_to_kl(p, r, x) for x in budgets])
    turned = rule == "beta for alpha"
    used = 1 / alphas if turned else alphas
    slopes = [(theory.reward_bound(p, r, x + step) - theory.reward_bound(p, r, x - step))
              / (2 * step) for x in budgets]  # fmt: skip
    yield apart(SLOPE, slopes, 1 / used, 1e-6, ("finite differences", "closed form"))
    near = of(p, r, 1e-3)
    spread = p @ r**2 - (p @ r) ** 2
    start = (near @ r - p @ r) / np.sqrt(2 * kl(near, p) * spread)
    yield same(START, start, 1, 2e-3, ("closed form", "expansion"))
    at = 1.7
    laws = [*rng.dirichlet(np.ones(5), 100), best_of_k(p, r, 7.0), best_of_k(p, r, 50.0)]
    best = tilt(p, r, at)
    weight = 1 / at if turned else at
    direct = [kl(x, best if turned else of(p, r, at)) for x in laws]
    gaps = [theory.pythagorean_gap(x, p, r, weight) for x in laws]
    yield apart(IDENTITY, gaps, direct, 1e-12, ("by reward and KL", "KL itself"))
    e1 = np.array([max(0.0, float(kl(x, p) - kl(best, p))) for x in laws])
    e2 = np.array([max(0.0, float(best @ r - x @ r)) for x in laws])
    far = np.array([kl(x, best) for x in laws])
    bound = e1 + (weight if rule != "mixture" else 0.0) * e2
    yield Check(NEAR, float((far - bound).max()), 1e-12, "<=", routes=("KL itself", "bound"))
    pairs = np.multiply.outer(LAW, LAW).ravel()
    paid = np.add.outer(RHO, RHO).ravel()
    alone = of(LAW, RHO, 1.3)
    yield apart(PRODUCT, of(pairs, paid, 1.3), np.multiply.outer(alone, alone).ravel(), 1e-12)


# -- large deviations ------------------------------------------------------------------------------
def ones(m: int, p: float) -> np.ndarray:
    """(m+1,) log of the binomial law."""
    from scipy.stats import binom

    return binom.logpmf(np.arange(m + 1), m, p)


def deviations(about: str, order: str) -> Items:
    """The reward of the optimum: its rate, its cumulants."""
    law, alpha = theory.symbol_tilt(LAW, RHO, BUDGET)
    law = pick({"optimum": law, "base": LAW}, about)
    optimal = theory.symbol_tilt(LAW, RHO, BUDGET)[0]
    levels = np.array([-1.3, -1.1, float(tilt(LAW, RHO, alpha + 0.9) @ RHO), -0.8])
    grid = np.linspace(-60, 60, 240_001)
    lam = theory.scaled_cumulant(optimal, RHO, grid)
    sup = [(grid * x - lam).max() for x in levels]
    yield apart(RATE, theory.reward_rate(law, RHO, levels), sup, 1e-6,
                ("KL of tilts", "Legendre transform"))  # fmt: skip
    t = np.array([-1.5, -0.3, T, 2.0])
    shift = pick({"1 + t": 1.0, "t": 0.0}, order)
    renyi = -t * theory.renyi_cross_entropy(law, OTHER, shift + t)
    yield apart(RENYI, theory.scaled_cumulant(optimal, RHO, t), renyi, 1e-12,
                ("log Z", "cross entropy"))  # fmt: skip
    (_, a), _ = theory.symbol_tilt([1 - P0, P0], [0.0, 1.0], DELTA)
    a = a if about == "optimum" else P0
    m = 60
    exact = [np.logaddexp.reduce(ones(m, a) + x * np.arange(m + 1)) / m for x in t]
    true, _ = theory.symbol_tilt([1 - P0, P0], [0.0, 1.0], DELTA)
    yield apart(CUMULANT, exact, theory.scaled_cumulant(true, [0.0, 1.0], t), 1e-12,
                ("binomial law", "closed form"))  # fmt: skip
    m, x = 4000, 0.6
    tail = np.logaddexp.reduce(ones(m, a)[int(x * m) :])
    rate = float(theory.reward_rate(true, [0.0, 1.0], np.array(x)))
    # Bahadur and Rao: P = c/sqrt(m) exp(-m I), so that log m/(2m) is known and log c/m is left.
    yield same(TAIL, -tail / m, rate + np.log(m) / (2 * m), 1e-3, ("binomial tail", "rate"))
    grid = np.linspace(0.02, 0.98, 97)
    drawn = {"I(x)": theory.reward_rate(true, np.array([0.0, 1.0]), grid)}
    for size in (20, 100, 500):
        cut = np.ceil(grid * size - 1e-9).astype(int)
        up = np.array([np.logaddexp.reduce(ones(size, true[1])[c:]) for c in cut])
        down = np.array([np.logaddexp.reduce(ones(size, true[1])[: c + 1]) for c in cut])
        drawn[f"exact, m = {size}"] = -np.where(grid > true[1], up, down) / size
    yield lines("rate", "Large deviations of the optimum's reward", ("reward a symbol, x", "rate"),
                drawn, x=grid.tolist(), dashed=("I(x)",),
                caption="-log P(beyond x)/m, for p = 0.3 at 0.1 nats a symbol.")  # fmt: skip


# -- best of N -------------------------------------------------------------------------------------
def samplers(draws_of: float, distance: str, scale: str) -> Items:
    """Best of N = e^(m delta) beside the optimum.

    draws_of : factor on log N
    scale : "right", or which of the KL a symbol and in all is taken for both
    """
    found = theory.best_of_n_per_symbol(P0, DELTA * draws_of, LENGTHS)
    best, alpha = theory.symbol_tilt([1 - P0, P0], [0.0, 1.0], DELTA)
    gap, log_m = found.reward - best[1], np.log(LENGTHS)
    total = LENGTHS * (found.kl_base - DELTA) - alpha * gap * LENGTHS
    single = total if scale == "in all" else total / LENGTHS
    far = single if scale == "a symbol" else total
    bound = found.bound + (np.ones(5) / LENGTHS if distance == "bound" else 0)
    m, n = 8, float(np.exp(8 * DELTA))
    strings = (np.arange(2**m)[:, None] >> np.arange(m)) & 1
    p = P0 ** strings.sum(1) * (1 - P0) ** (m - strings.sum(1))
    picked = best_of_k(p, strings.sum(1).astype(float), n)
    short = theory.best_of_n_per_symbol(P0, DELTA * draws_of, [m])
    spent = pick({"exact": short.kl_base, "bound": short.bound + 1 / m}, distance)
    yield apart(EXACT_LAW, [picked @ strings.sum(1) / m, kl(picked, p) / m],
                [short.reward[0], spent[0]], 1e-12, ("all strings", "binomial law"))  # fmt: skip
    routes = ("binomial law", "optimum")
    yield Check(BEHIND, float(gap.max()), 0.0, "<", routes=routes)
    ratio = -gap * LENGTHS / log_m
    yield Check(GAP, float(ratio.min()), 0.42, ">", routes=routes)
    yield Check(GAP_MOST, float(ratio.max()), 0.56, "<", routes=routes)
    yield Check(END, float(gap[-1]), -0.0025, ">", routes=routes)
    left = bound - found.kl_base
    yield Check(SPENT, float(left.max()), 6e-4, "<", routes=("binomial law", "log N - (N-1)/N"))
    steps = np.concatenate([np.diff(left), np.diff(single)])
    yield Check(FALLS, float((steps >= 0).sum()), 0, "==", routes=("binomial law", "bound"))
    yield Check(FAR, float(single[-1]), 0.0013, "<", routes=routes)
    yield Check(GROWS, float((far / log_m).min()), 0.19, ">", routes=routes)
    yield Check(GROWS_MOST, float((far / log_m).max()), 0.32, "<", routes=routes)
    rows = [
        [int(x), *(f"{v:.5f}" for v in row)]
        for x, *row in zip(
            LENGTHS, found.reward, gap, found.kl_base, found.bound, single, far, strict=True
        )
    ]
    yield Table("best of N", ("m", "reward a symbol", "less the optimum", "KL from the base a "
                "symbol", "bound", "KL from the optimum a symbol", "in all"), rows,
                f"p = 0.3, 0.1 nats a symbol; the optimum has {best[1]:.5f}.")  # fmt: skip
    yield lines("per-symbol", "Best of N meets the optimum symbol by symbol, not in all",
                ("tokens m", ""),
                {"gap of the reward a symbol": -gap,
                 "log m/(2 alpha m)": log_m / 2 / alpha / LENGTHS,
                 "KL from the optimum a symbol": single, "KL from the optimum": far},
                x=LENGTHS.tolist(), dashed=("log m/(2 alpha m)",), log_x=True, log_y=True
                )  # fmt: skip


def trade_off(rule: str) -> Items:
    """Reward a symbol against KL a symbol for m = 4 and 100."""
    over, drawn, dashed = [], {}, []
    for m in (4, 100):
        r = np.arange(m + 1.0)
        p = np.exp(ones(m, P0))
        p /= p.sum()
        n = np.exp(np.linspace(0, 0.8 * m, 60))
        gold, _, nats = curves(p[None], r[None], r[None], n)
        soft = softmax_selection(p, r, n, 1.0)
        nats = pick({"exact": nats, "half": nats / 2}, rule)
        pairs = [(nats, gold), (kl(soft, p), soft @ r)]
        over += [x - theory.reward_bound(p, r, float(d)) for d, y in pairs
                 for d, x in zip(d, y, strict=True)]  # fmt: skip
        reach = np.linspace(0, 8 if m == 4 else 3, 100)
        paid, _, spent = tilt_curve(p[None], r[None], r[None], reach)
        drawn |= {f"optimum, m = {m}": (spent / m, paid / m),
                  f"best of N, m = {m}": (nats / m, gold / m),
                  f"softmax of N, m = {m}": (kl(soft, p) / m, soft @ r / m)}  # fmt: skip
        dashed += [f"best of N, m = {m}", f"softmax of N, m = {m}"]
    # The bound at a KL found by rounding: an error of 1e-13 in KL is one of 1e-13/alpha in reward.
    yield Check(BELOW, float(max(over)), 1e-9, "<=", routes=("closed forms", "optimum at that KL"))
    yield lines("trade-off", "Reward against KL", ("KL a symbol (nats)", "reward a symbol"), drawn,
                dashed=dashed, caption="Ones among m tokens, each 1 with probability 0.3; N up to "
                "e^(0.8 m). Softmax selection of temperature 1 ends at the tilt of alpha = 1."
                )  # fmt: skip


PARTS = ("optimum", "deviations", "samplers", "trade-off")


@experiment(
    "35",
    card="35",
    slug="alignment-asymptotics",
    claim="The reward of largest mean in a KL ball is reached by the exponential tilt, and what "
    "trades nearly as well is near it; its reward obeys large deviations, its cumulants are Renyi "
    "cross entropies; the best of N = e^(m delta) meets it symbol by symbol.",
    source="abstract and theorem list of the paper; statements re-derived in "
    "theory/selection/memoryless.py. Close in KL means a symbol: in all it grows as log m / 2",
    provenance="derived",
    smoke={},
    mutants=(
        Mutant("a mixture with the best answers", {"rule": "mixture", "parts": ["optimum"]},
               (OPTIMUM, START, IDENTITY, NEAR, PRODUCT)),
        Mutant("beta in the place of alpha", {"rule": "beta for alpha", "parts": ["optimum"]},
               (SLOPE, START, IDENTITY, NEAR)),
        Mutant("deviations about the base", {"about": "base", "parts": ["deviations"]},
               (RATE, RENYI, CUMULANT, TAIL)),
        Mutant("cross entropy of order t", {"order": "t", "parts": ["deviations"]}, (RENYI,)),
        Mutant("N = e^(0.8 m delta)", {"draws_of": 0.8, "parts": ["samplers"]},
               (EXACT_LAW, GAP_MOST, END, FAR, GROWS_MOST)),
        Mutant("N = e^(1.2 m delta)", {"draws_of": 1.2, "parts": ["samplers"]},
               (EXACT_LAW, BEHIND, GAP)),
        Mutant("log N is taken for the KL", {"distance": "bound", "parts": ["samplers"]},
               (EXACT_LAW, SPENT)),
        Mutant("the KL in all is taken for that a symbol",
               {"scale": "in all", "parts": ["samplers"]}, (FALLS, FAR)),
        Mutant("the KL a symbol is taken for that in all",
               {"scale": "a symbol", "parts": ["samplers"]}, (GROWS,)),
        Mutant("half of the KL is counted", {"counted": "half", "parts": ["trade-off"]}, (BELOW,)),
    ),
)  # fmt: skip
def alignment(
    *,
    rule: str = "tilt",
    about: str = "optimum",
    order: str = "1 + t",
    draws_of: float = 1.0,
    distance: str = "exact",
    scale: str = "right",
    counted: str = "exact",
    parts: tuple[str, ...] = PARTS,
    seed: int = 0,
) -> Result:
    """All arguments are broken by mutants."""
    return run_parts(
        {
            "optimum": lambda: optimum(draws(seed), rule),
            "deviations": lambda: deviations(about, order),
            "samplers": lambda: samplers(draws_of, distance, scale),
            "trade-off": lambda: trade_off(counted),
        },
        parts,
    )
