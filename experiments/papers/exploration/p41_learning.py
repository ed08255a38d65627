"""Step rewards fitted to returns: their error against N, and what greedy actions make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Table
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import beyond, deviation, mean_error, missed, sampled
from toyrl.models.steps.return_decoder import ReturnDecoder
from toyrl.theory.redistribution.errors import (
    greedy_regret,
    incomplete_crossover,
    incomplete_fit_error,
    optimal_share,
    raw_latent_ratio,
    return_fit_error,
)

ERROR = "T2: squared error of step rewards, {} factors, N {}"
RATIO = "T2: raw error over latent error, N {}, D {}, over the closed form, errors from 1"
FLOOR = "T2: squared error with a factor of weight 0.5 left out, N {}"
CROSS = "T2: incomplete error below raw before the crossing and above behind it, wrong sides"
LATENT = "T4: regret, latent over raw RD"
SOLVED = "T4: raw RD's regret over the uniform redistribution's"
SHARE = "T4: share of optimal actions, latent"
ABOVE = "T4: RUDDER-like less raw RD, regret"
BELOW = "T4: uniform less RUDDER-like, regret"
GREEDY = "T4: regret of greedy actions beside the angle's, standard errors"
PULLED = "T4: plain RRD (K 5) less unbiased, length of the step weights"


# -- T2: error against N ---------------------------------------------------------------------------
def fit_errors(rng: Any, N: int, D: int, kept: int, w: np.ndarray, repeats: int, steps: int,
               sigma: float) -> np.ndarray:  # fmt: skip
    """(repeats,) |w_hat - w|^2 of least squares on the first `kept` sums of factors."""
    sums = rng.standard_normal((repeats, N, D)) * np.sqrt(steps)
    noise = sigma * rng.standard_normal((repeats, N))
    learner, which = ReturnDecoder(scale="sum"), np.arange(N)
    spend(UPDATE * repeats)
    out = []
    for x, e in zip(sums, noise, strict=True):
        own = learner.fit(x[:, :kept], which, x @ w + e).weight
        out.append(((np.append(own, np.zeros(D - kept)) - w) ** 2).sum())
    return np.array(out)


def errors(latent: int, noise: str, repeats: int, forgotten: float, seed: int) -> Items:
    """Monte Carlo against the closed form; latent : factors of three that matter."""
    T, sigma, rng = 20, 2.0, draws(seed, 2)
    real = sigma * (np.sqrt(T) if noise == "each step" else 1)
    for N, D in ((60, 30), (100, 50)):
        w = np.zeros(D)
        w[:3] = 1.0, -0.5, 0.8
        raw = fit_errors(rng, N, D, D, w, repeats, T, real)
        few = fit_errors(rng, N, D, latent, w, repeats, T, real)
        yield sampled(ERROR.format("all", N), raw, return_fit_error(N, D, steps=T, sigma=sigma))
        yield sampled(ERROR.format("3", N), few, return_fit_error(N, 3, steps=T, sigma=sigma))
        ratio = raw.mean() / few.mean() / raw_latent_ratio(N, D, 3)
        parts = [x.std() / x.mean() / np.sqrt(repeats) for x in (raw, few)]
        yield deviation(RATIO.format(N, D), ratio, ratio * np.hypot(*parts), 1.0)
    N, D, w = 60, 12, np.append([1.0, forgotten], np.zeros(10))
    short = fit_errors(rng, N, D, 1, w, repeats, T, real)
    yield sampled(FLOOR.format(N), short, incomplete_fit_error(N, 1, 0.5, steps=T, sigma=sigma))
    cross = incomplete_crossover(50, 2, 0.5, steps=T, sigma=sigma)
    low, high = int(cross), int(cross) + 1
    gaps = [incomplete_fit_error(n, 2, 0.5, steps=T, sigma=sigma)
            - return_fit_error(n, 50, steps=T, sigma=sigma) for n in (low, high)]  # fmt: skip
    yield missed(CROSS, np.sign(gaps), [-1, 1], ("closed form", "both errors"), claim=False)
    yield from drawn_errors(T, sigma, cross)


def drawn_errors(T: int, sigma: float, cross: float) -> Items:
    """The law, drawn."""
    n = np.unique(np.geomspace(5, 2000, 160).astype(int))
    at = {"steps": T, "sigma": sigma}
    curves = {
        "raw, 50 factors": [(k, return_fit_error(k, 50, **at)) for k in n.tolist() if k > 52],
        "latent, the 3 that matter": [(k, return_fit_error(k, 3, **at)) for k in n.tolist()],
        "latent, one of weight 0.5 missing": [
            (k, incomplete_fit_error(k, 2, 0.5, **at)) for k in n.tolist()
        ],
    }
    told = {k: tuple(zip(*v, strict=True)) for k, v in curves.items()}
    yield lines("error", "Few factors need few episodes",
                ("episodes N", "squared error of a step's reward"), told, log_x=True, log_y=True,
                caption="(sigma²/T) D/(N - D - 1), T 20, sigma 2. A missing factor leaves a floor; "
                f"all 50 overtake it from N = {cross:.0f} on.")  # fmt: skip


# -- T4: learning ----------------------------------------------------------------------------------
def cosines(rng: Any, N: int, latent: Sequence[int], swaps: Mapping[str, str], off: int
            ) -> tuple[dict[str, float], dict[str, float], np.ndarray]:  # fmt: skip
    """One draw of 50 factors, the first three of which matter: angles, lengths, a greedy trial."""
    D, T, sigma = 50, 20, 2.0
    w = np.append(rng.standard_normal(3), np.zeros(D - 3))
    w /= np.linalg.norm(w)
    x = rng.standard_normal((N * T, D))
    which = np.repeat(np.arange(N), T)
    R = np.roll(np.bincount(which, x @ w) + sigma * rng.standard_normal(N), off)
    few = [*latent]
    fits = {"latent": ("rd", few), "raw RD": ("rd", slice(None)), "RRD": ("rrd", slice(None)),
            "RRD unbiased": ("rrd_unbiased", slice(None)),
            "RUDDER-like": ("prefix", slice(None))}  # fmt: skip
    angle, size, own = {}, {}, np.zeros(D)
    spend(UPDATE * len(fits))
    for name in fits:
        loss, chosen = fits[swaps.get(name, name)]
        own = np.zeros(D)
        own[chosen] = ReturnDecoder(loss, picked=5).fit(x[:, chosen], which, R).weight
        size[name] = float(np.linalg.norm(own))
        angle[name] = float(own @ w / size[name])
    a = rng.standard_normal((200, 2, D))
    worth = a @ w
    taken = np.take_along_axis(worth, (a @ own).argmax(-1)[:, None], -1)[:, 0]
    angle["last"] = float(own @ w / np.linalg.norm(own))
    return angle, size, worth.max(-1) - taken


def learning(N: int, latent: Sequence[int], swaps: Mapping[str, str], off: int, seeds: int,
             seed: int) -> Items:  # fmt: skip
    """Greedy actions on rewards that were fitted to the returns of random episodes."""
    rng = draws(seed, 4)
    runs = [cosines(rng, N, latent, swaps, off) for _ in range(seeds)]
    names = ("latent", "raw RD", "RUDDER-like", "RRD", "RRD unbiased")
    regret = {k: np.array([greedy_regret(a[k]) for a, _, _ in runs]) for k in names}
    regret["uniform"] = np.full(seeds, greedy_regret(0.0))
    share = {k: np.array([optimal_share(a[k]) for a, _, _ in runs]) for k in names}
    share["uniform"] = np.full(seeds, optimal_share(0.0))
    mean = {k: float(v.mean()) for k, v in regret.items()}
    both = ("closed form", "simulated fits")
    yield Check(LATENT, mean["latent"] / mean["raw RD"], 0.2, routes=both)
    yield Check(SOLVED, mean["raw RD"] / mean["uniform"], 0.3, routes=both)
    yield beyond(SHARE, *mean_error(share["latent"]), 0.95, routes=both)
    yield beyond(ABOVE, *mean_error(regret["RUDDER-like"] - regret["raw RD"]), 0.0, routes=both)
    yield beyond(BELOW, *mean_error(regret["uniform"] - regret["RUDDER-like"]), 0.0, routes=both)
    gaps = [mean_error(trial) for _, _, trial in runs]
    pulled = np.array([s["RRD"] - s["RRD unbiased"] for _, s, _ in runs])
    yield beyond(PULLED, *mean_error(pulled), 0.0, "<", routes=("plain", "unbiased"))
    m, e = np.array(gaps).T
    far = m.mean() - np.mean([greedy_regret(a["last"]) for a, _, _ in runs])
    yield deviation(GREEDY, far, np.sqrt((e**2).mean() / seeds), 0.0, claim=False)
    yield Table("regret", ("step rewards", "regret per step", "share of optimal actions"),
                [[k, mean[k], float(share[k].mean())] for k in (*names, "uniform")])  # fmt: skip
