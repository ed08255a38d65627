"""Best of k in closed form: its law with ties, its KL, gold under it, estimates from pools."""

from __future__ import annotations

import itertools
from math import comb
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.optimised import gold_against_kl
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, deviation, mean_error, missed
from toyrl.papers import cite
from toyrl.theory.policies import kl, tilt
from toyrl.theory.selection import best_of_k as theory
from toyrl.theory.selection import overoptimisation as goodhart
from toyrl.theory.selection.pass_at_k import pass_at_k, pass_at_k_variance
from toyrl.theory.selection.pools import best_of_pool
from toyrl.theory.selection.softmax_selection import softmax_selection, tilt_rate

P = np.array([0.4, 0.3, 0.2, 0.08, 0.02])
PROXY, GOLD = np.array([1.0, 2, 3, 3, 4]), np.array([0.0, 0.4, 1, 0.6, -1])
SIZES = np.arange(1, 257)
SOFT, PAID, HEAT = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.0, 1, 2, 2.5]), 0.7
HACKS = ((0.01, 0.3, 1.0), (0.001, 0.1, 3.0), (0.05, 0.5, 0.2))  # share, P(right), loss
BENDS = (0.1, 0.2, 0.3)
LAW = "law of the best of 4 against draws, largest deviation"
STEPS = "law for k = 1..256 against one draw more at a time, largest error"
PEAK = "the proxy rises for all k and gold is largest at k = 5: misses"
NATS = "KL by classes against KL of the law, k = 1..256, largest error"
BOUND = "KL over log k - (k-1)/k, largest, k >= 2"
LIMIT = "KL at k = 10^6 against -log P of the best class"
ATOMLESS = "of L = 2..1000 alike levels, KL of the best of 4 against the law's, largest error"
WINS = "win rate over the base against pairs of draws, largest error"
PASS = "mean of the pass@k estimate over all counts against 1-(1-p)^k, largest error"
SPREAD = "variance of the estimate over all counts against its formula, largest error"
POOL = "best of k from a pool against all subsets, largest error"
PICK = "softmax selection against all draws, largest error"
RATE = "k^2 KL(softmax selection of 2560 || tilt) against its limit, relative"
ORDER = "slope of log KL in log k from 160 to 2560 against -2"
NORMAL = "mean and variance of gold, jointly normal, largest deviation"
CURSE = "how far the winner falls short of its proxy, largest deviation"
BEST = "best k with hacks against the largest of k = 1..4000, settings that differ"
HACKED = "gold with hacks against the law of three classes, largest error"
FIT = "1 - R^2 of Gao's form on the bent gold, largest"
TURN = "fitted turning point against the true one, b = 0.2, 0.3, relative, largest"


# -- the law and its KL ------------------------------------------------------------------
def by_id(prob: np.ndarray, reward: np.ndarray, k: Any) -> np.ndarray:
    """The law if ties went to the item that stands last."""
    found = theory.best_of_k(prob, reward, k)
    last = {r: i for i, r in enumerate(reward)}
    out = np.zeros_like(found)
    for i, r in enumerate(reward):
        out[..., last[r]] += found[..., i]
    return out


RULES = {"shared": theory.best_of_k, "by item": by_id,
         "one draw too few": lambda p, u, k: theory.best_of_k(p, u, np.maximum(np.asarray(k) - 1, 1)
                                                              )}  # fmt: skip


def one_more(prob: np.ndarray, reward: np.ndarray, most: int) -> np.ndarray:
    """(most, K) law by drawing one more at a time: a draw replaces the kept one if it is better."""
    beats = (reward[:, None] > reward) * 1.0
    stays = 1 - beats.T @ prob
    return follow(lambda x, _: x * stays + prob * (beats @ x), prob, most - 1)


def law(rng: Any, rule: str, distance: str, samples: int) -> Items:
    """The five-armed bandit: its law, gold and KL."""
    of = pick(RULES, rule)
    drawn = rng.choice(5, size=(samples, 4), p=P)
    kept = drawn[np.arange(samples), PROXY[drawn].argmax(1)]
    share = np.bincount(kept, minlength=5) / samples
    exact = of(P, PROXY, 4)
    yield deviation(LAW, share, np.sqrt(exact * (1 - exact) / samples), exact)
    path, found = one_more(P, PROXY, 256), of(P, PROXY, SIZES)
    yield apart(STEPS, found, path, 1e-12, ("closed form", "recursion in k"))
    gold, proxy = found @ GOLD, path @ PROXY
    yield missed(PEAK, [gold.argmax() + 1, (np.diff(proxy) < -1e-12).any(), gold[-1] < 0],
                 [(path @ GOLD).argmax() + 1, False, True],
                 ("closed form", "recursion in k"))  # fmt: skip
    nats = pick({"classes": theory.best_of_k_kl(P, PROXY, SIZES), "bound": theory.kl_bound(SIZES)},
                distance)  # fmt: skip
    routes = ("by classes", "KL of the recursion's law")
    yield apart(NATS, nats, kl(path, P), 1e-12, routes)
    bound = theory.kl_bound(SIZES)
    yield Check(BOUND, float((nats[1:] / bound[1:]).max()), 1.0, "<", routes=routes)
    far = pick({"classes": theory.best_of_k_kl, "bound": lambda _p, _u, k: theory.kl_bound(k)},
               distance)  # fmt: skip
    yield apart(LIMIT, far(P, PROXY, 1e6), -np.log(P[-1]), 1e-9, ("closed form", "limit"))
    levels = [np.full(L, 1 / L) for L in (2, 10, 100, 1000)]
    yield apart(ATOMLESS, [far(p, np.arange(len(p)), 4) for p in levels],
                [kl(one_more(p, np.arange(len(p)), 4)[-1], p) for p in levels], 1e-12,
                ("by classes", "KL of the recursion's law"))  # fmt: skip
    pairs = (1 + np.sign(PROXY[:, None] - PROXY)) / 2
    yield apart(WINS, found @ pairs @ P, theory.win_rate(P, PROXY, SIZES), 1e-12,
                ("closed form", "all pairs"))  # fmt: skip
    yield lines("best-of-k-gold", "Best of k by a proxy that is wrong at the top", ("k", ""),
                {"proxy": found @ PROXY, "gold": gold, "KL (nats)": nats,
                 "log k - (k-1)/k": bound}, x=SIZES.tolist(), dashed=("log k - (k-1)/k",),
                most=256, log_x=True, caption="Gold is largest at k = 5. KL ends at -log 0.02 = "
                "3.9, its bound grows on.")  # fmt: skip
    yield gold_against_kl("best-of-k-tilt", "Gold against KL: tilt and best of k", P,
                          {"tilt": PROXY}, GOLD, k=np.unique(np.geomspace(1, 1e4, 60).round()),
                          caption="Five answers, the best paid one worth -1.")  # fmt: skip


# -- from samples ------------------------------------------------------------------------
def plug_in(n: int, c: np.ndarray, k_max: int) -> np.ndarray:
    """1 - (1 - c/n)^k: biased down."""
    return 1 - (1 - c[..., None] / n) ** np.arange(1, k_max + 1)


def with_replacement(proxy: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Best of k of draws from the pool that may come twice."""
    n = len(proxy)
    return theory.best_of_k(np.full(n, 1 / n), proxy, np.arange(1, n + 1)) @ gold


def samples_part(rng: Any, estimate: str) -> Items:
    """pass@k over all counts, and best of k over all subsets of pools with ties."""
    of = pick({"unbiased": pass_at_k, "plug-in": plug_in}, estimate)
    pool = pick({"unbiased": best_of_pool, "plug-in": with_replacement}, estimate)
    n, k = 8, np.arange(1, 9)
    c = np.arange(n + 1)
    mean, want, spread, formula = [], [], [], []
    for p in (1e-6, 0.1, 0.5, 0.93):
        chance = np.array([comb(n, int(i)) * p**i * (1 - p) ** (n - i) for i in c])
        table = of(n, c, n)
        mean.append(chance @ table)
        want.append(theory.success_of_best(p, k))
        spread.append(chance @ (table - mean[-1]) ** 2)
        formula.append(pass_at_k_variance(p, n, k))
    yield apart(PASS, mean, want, 1e-12)
    yield apart(SPREAD, spread, formula, 1e-12)
    found, listed = [], []
    pools = zip(rng.integers(0, 4, (3, 7)).astype(float), rng.standard_normal((3, 7)), strict=True)
    for u, g in pools:
        found.append(pool(u, g))
        means = []
        for size in range(1, 8):
            sets = [list(s) for s in itertools.combinations(range(7), size)]
            means.append(np.mean([g[s][u[s] == u[s].max()].mean() for s in sets]))
        listed.append(means)
    yield apart(POOL, found, listed, 1e-12)
    big, size = np.arange(1, 65), np.arange(1, 65)
    yield lines("pass-at-k", "pass@k of 8 right ones among 64", ("k", "pass@k"),
                {"unbiased": pass_at_k(64, np.array(8), 64),
                 "plug-in, biased down": plug_in(64, np.array(8), 64),
                 "all k right": [comb(8, int(i)) / comb(64, int(i)) for i in size]},
                x=big.tolist(), dashed=("plug-in, biased down",), log_x=True)  # fmt: skip


# -- softmax selection ------------------------------------------------------------------------
def soft_part(rule: str) -> Items:
    """The law against all draws, and how fast it becomes the tilt."""
    of = pick({"softmax": softmax_selection, "argmax": lambda p, u, k, _: theory.best_of_k(p, u, k),
               "odds of half the temperature": lambda p, u, k, T: softmax_selection(p, u, k, T / 2)
               }, rule)  # fmt: skip
    want = np.zeros((4, 4))
    for k in range(1, 5):
        for draw in itertools.product(range(4), repeat=k):
            odds = np.exp(PAID[list(draw)] / HEAT)
            np.add.at(want[k - 1], list(draw), SOFT[list(draw)].prod() * odds / odds.sum())
    yield apart(PICK, of(SOFT, PAID, [1, 2, 3, 4], HEAT), want, 1e-12)
    k = np.array([160, 640, 2560])
    goal = tilt(SOFT, PAID, 1 / HEAT)
    far = kl(of(SOFT, PAID, k, HEAT), goal)
    routes = ("quadrature of the law", "expansion in 1/k")
    yield apart(RATE, k[-1] ** 2 * far[-1] / tilt_rate(SOFT, PAID, HEAT), 1, 0.005, routes)
    yield apart(ORDER, np.log(far[-1] / far[0]) / np.log(16), -2, 0.01, routes)
    grid = np.unique(np.geomspace(1, 1e4, 50).round())
    nats = kl(softmax_selection(SOFT, PAID, grid, HEAT), goal)
    yield lines("soft-best-of-k", "Softmax selection becomes the tilt", ("k", "KL to it (nats)"),
                {"KL": nats, "limit / k^2": tilt_rate(SOFT, PAID, HEAT) / grid**2},
                x=grid.tolist(), dashed=("limit / k^2",), log_x=True, log_y=True,
                caption="Four answers, temperature 0.7; published: at most of order 1/k."
                )  # fmt: skip


# -- Goodhart ----------------------------------------------------------------------------
def goodhart_part(rng: Any, samples: int, slope: str, forgiven: bool) -> Items:
    """Normal proxy and gold by simulation; hacks against the law of three classes."""
    rho, noise = 0.6, 0.75
    used = pick({"correlation": rho, "its square": rho**2}, slope)
    mean, error, want, short, short_error, short_want = [], [], [], [], [], []
    for k in (2, 8, 32):
        z = rng.standard_normal((samples, k))
        top = z.max(1)
        gold = rho * top + (1 - rho**2) ** 0.5 * rng.standard_normal(samples)
        center, spread = goodhart.gaussian_gold(k, used)
        for x, y in ((gold, center), ((gold - center) ** 2, spread)):
            mean.append(mean_error(x)[0])
            error.append(mean_error(x)[1])
            want.append(y)
        # The winner of a proxy = gold + noise whose gold has deviation 1: the same normals, scaled.
        proxy = np.hypot(1, noise) * top
        b = 1 / np.hypot(1, noise) if used == rho else 1 / (1 + noise**2)
        winner = b * top + noise * b * rng.standard_normal(samples)
        short.append(mean_error(proxy - winner)[0])
        short_error.append(mean_error(proxy - winner)[1])
        short_want.append(goodhart.winners_curse(k, noise))
    yield deviation(NORMAL, mean, error, want)
    yield deviation(CURSE, short, short_error, short_want)
    sizes = np.arange(1, 4001)
    gold, closed, brute, best = [], [], [], []
    for eps, p, loss in HACKS:
        three = np.array([[(1 - eps) * (1 - p), (1 - eps) * p, eps]])
        law_gold, *_ = theory.curves(three, [[0.0, 1, 2]], [[0.0, 1, -loss]], sizes)
        found = goodhart.hacked_gold(sizes, eps, p, 0.0 if forgiven else loss)
        gold.append(found)
        closed.append(law_gold)
        star = goodhart.hacked_best_k(eps, p, 0.0 if forgiven else loss)
        near = np.array([np.floor(star), np.ceil(star)]).astype(int)
        best.append(near[goodhart.hacked_gold(near, eps, p, loss).argmax()])
        brute.append(law_gold.argmax() + 1)
    routes = ("closed form", "law of three classes")
    yield apart(HACKED, gold, closed, 1e-12, routes)
    yield missed(BEST, best, brute, routes)
    grid = np.unique(np.geomspace(1, 4000, 80).round())
    yield lines("goodhart", "Gold of the best of k under each kind", ("k", "gold"),
                {"regressional, rho 0.6": goodhart.gaussian_gold(grid, rho)[0],
                 "extremal, bent, b 0.2": goodhart.bent_gold(grid, 1, 0.2),
                 "extremal, 1 % hacks": goodhart.hacked_gold(grid, 0.01, 0.3, 1),
                 "causal, w 1.5, h 0.8": goodhart.causal_gold(grid, 1.5, 0.8)},
                x=grid.tolist(), log_x=True, caption="Regression alone never turns round."
                )  # fmt: skip


# -- the forms that are fitted ----------------------------------------------------------------
def fits(axis: str, form: str) -> Items:
    """Gao's best-of-n form on the bent gold, whose turning point is known."""
    k = np.unique(np.geomspace(2, 1024, 200).round())
    nats = theory.kl_bound(k)
    d = pick({"root": np.sqrt(nats), "KL": nats}, axis)
    fine = np.geomspace(1.01, 1024, 2000)
    rows, left, off, drawn = [], [], [], {}
    for b in BENDS:
        gold = goodhart.bent_gold(k, 1, b)
        fit = goodhart.fit_scaling_law(d, gold, form)
        true = np.sqrt(theory.kl_bound(fine[goodhart.bent_gold(fine, 1, b).argmax()]))
        left.append(1 - fit.r2)
        if b > 0.1:  # with 0.1 gold turns beyond the fitted k
            off.append(fit.best / true - 1)
        low, high = fit.best_interval
        rows.append([b, *(f"{x:.4f}" for x in (fit.alpha, fit.beta, fit.r2, fit.best)),
                     f"{low:.3f} to {high:.3f}", f"{true:.3f}" if b > 0.1 else "beyond"]
                    )  # fmt: skip
        drawn |= {f"gold, b = {b}": (d[::8], gold[::8]), f"fit, b = {b}": (d, fit.at(d))}
    routes = ("fit", "closed form")
    yield Check(FIT, float(max(left)), 1e-3, "<", routes=routes)
    yield apart(TURN, off, [0.0] * len(off), 0.03, routes)
    yield lines("gao-fit", "Bent gold and Gao's form", ("d = sqrt(KL)", "gold"), drawn,
                points=[x for x in drawn if x.startswith("gold")])  # fmt: skip
    yield Table("gao-fit", ("b", "alpha", "beta", "R^2", "fitted d*", "its interval", "true d*"),
                rows, "gold = u - b (u^2 - 1), k = 2..1024; the interval is Fieller's, and leaves "
                "out that the form is not exact.")  # fmt: skip


PARTS = ("law", "samples", "soft", "goodhart", "fits")


@experiment(
    "57",
    card="57",
    slug="best-of-k",
    claim="Best of k has a closed law with ties and a KL that log k - (k-1)/k only bounds; pass@k "
    "is estimated without bias; the proxy rises while gold rises and falls; softmax selection "
    "becomes the tilt, for finitely many rewards as 1/k^2 in KL.",
    source=f"order statistics; Chen et al. 2021; {cite('best-of-n')}; Verdun et al. 2025; "
    f"{cite('overoptimisation')}; the rest derived in theory/selection",
    provenance="derived",
    smoke={"samples": 40_000},
    mutants=(
        Mutant("ties go to an item", {"ties": "by item", "parts": ["law"]}, (LAW, STEPS)),
        Mutant("one draw too few", {"ties": "one draw too few", "parts": ["law"]},
               (LAW, STEPS, PEAK, WINS)),
        Mutant("the bound is taken for the KL", {"distance": "bound", "parts": ["law"]},
               (NATS, BOUND, LIMIT, ATOMLESS)),
        Mutant("plug-in estimates", {"estimate": "plug-in", "parts": ["samples"]},
               (PASS, SPREAD, POOL)),
        Mutant("the best is picked instead", {"pick_by": "argmax", "parts": ["soft"]},
               (PICK, RATE, ORDER)),
        Mutant("odds of half the temperature",
               {"pick_by": "odds of half the temperature", "parts": ["soft"]}, (PICK, RATE, ORDER)),
        Mutant("gold shrinks by the squared correlation",
               {"slope": "its square", "parts": ["goodhart"]}, (NORMAL, CURSE)),
        Mutant("a hack costs nothing", {"forgiven": True, "parts": ["goodhart"]}, (HACKED, BEST)),
        Mutant("fitted against KL, not its root", {"axis": "KL", "parts": ["fits"]}, (FIT, TURN)),
        Mutant("the form of RL", {"form": "rl", "parts": ["fits"]}, (FIT, TURN)),
    ),
)  # fmt: skip
def best_of_k(
    *,
    samples: int = 400_000,
    ties: str = "shared",
    distance: str = "classes",
    estimate: str = "unbiased",
    pick_by: str = "softmax",
    slope: str = "correlation",
    forgiven: bool = False,
    axis: str = "root",
    form: str = "best_of_n",
    parts: tuple[str, ...] = PARTS,
    seed: int = 0,
) -> Result:
    """samples : draws of each simulation; the others are broken by mutants."""
    return run_parts(
        {
            "law": lambda: law(draws(seed), ties, distance, samples),
            "samples": lambda: samples_part(draws(seed, 1), estimate),
            "soft": lambda: soft_part(pick_by),
            "goodhart": lambda: goodhart_part(draws(seed, 2), samples // 4, slope, forgiven),
            "fits": lambda: fits(axis, form),
        },
        parts,
    )
