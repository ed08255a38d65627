"""Which parameters of the world decide whether a reward collapses.

First-order Sobol indices, Var(E[Y | X_i]) / Var(Y), of Y = collapsed over the learnable worlds of
the prior: the share of the spread that knowing parameter i alone would remove. They are estimated
from the worlds that the verdict used, by equal-count bins with the bias of binning taken off
(epsilon squared, a little low on Sobol points, whose bins scatter less); an index below the 95 %
level of shuffled outcomes is noise. With `thorough`, total indices (with interactions) come from a
Saltelli design of new worlds (`scipy.stats`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.validate.findings import Finding

if TYPE_CHECKING:
    from toyrl.dynamics.chain.prior import Worlds
    from toyrl.experiments.validate.collapse.train_worlds import Runner

BINS = 8
SHUFFLES = 400
FEWEST = 3  # outcomes of either kind, below which nothing is said


@dataclass(frozen=True)
class Index:
    """One parameter: its index, the noise level of an index of an irrelevant parameter."""

    name: str
    first: float
    noise: float

    @property
    def matters(self) -> bool:
        """Above what chance gives."""
        return self.first > self.noise


def first_order(x: np.ndarray, y: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Index of each column of y (W, N) by x (W,), clipped to [0, 1]; 0 where y is constant."""
    y = np.asarray(y, dtype=float)
    n = len(y)
    _, rank = np.unique(x, return_inverse=True)
    distinct = rank.max() + 1
    k = min(bins, distinct)
    # Equal counts for continuous parameters, whole values for the discrete ones.
    place = rank if distinct <= bins else np.argsort(np.argsort(x, kind="stable")) * k // n
    mean = y.mean(0)
    total = ((y - mean) ** 2).sum(0)
    between = np.zeros(y.shape[1:])
    for b in range(k):
        here = y[place == b]
        between += len(here) * (here.mean(0) - mean) ** 2
    spread = (total - between) / max(n - k, 1)
    found = (between - (k - 1) * spread) / np.where(total > 0, total, 1.0)
    return np.where(total > 0, np.clip(found, 0.0, 1.0), 0.0)


def indices(parameters: Mapping[str, np.ndarray], hit: np.ndarray, *, seed: int = 0) -> list[Index]:
    """All parameters, the most decisive first; [] if too few worlds differ from the rest."""
    hit = np.asarray(hit, dtype=float)
    if min(hit.sum(), len(hit) - hit.sum()) < FEWEST:
        return []
    rng = np.random.default_rng(seed)
    shuffled = np.stack([rng.permutation(hit) for _ in range(SHUFFLES)], axis=1)
    out = []
    for name, x in parameters.items():
        if np.ptp(x) == 0:
            continue
        noise = float(np.quantile(first_order(x, shuffled), 0.95))
        out.append(Index(name, float(first_order(x, hit[:, None])[0]), noise))
    return sorted(out, key=lambda i: -i.first)


def total_order(
    outcome: Callable[[np.ndarray], np.ndarray], d: int, *, n: int = 64, seed: int = 0
) -> np.ndarray:
    """(d,) total indices of outcome(u (N, d)) -> (N,) over the unit cube; n a power of 2."""
    from scipy.stats import sobol_indices, uniform

    def func(x: np.ndarray) -> np.ndarray:
        return outcome(x.T)[None]

    found: Any = sobol_indices(func=func, n=n, dists=[uniform()] * d, rng=seed)
    return np.clip(np.asarray(found.total_order).reshape(d), 0.0, 1.0)


def picture(found: list[Index]) -> Picture | None:
    """Indices as bars with the level of noise on each."""
    if not found:
        return None
    rows = list(range(len(found)))
    return Picture(
        "collapse-sensitivity",
        "What decides the outcome",
        "share of the outcome's variance",
        "",
        curves=(
            Curve("first-order Sobol index", [i.first for i in found], rows),
            Curve("level of chance", [i.noise for i in found], rows),
        ),
        labels=tuple(i.name for i in found),
        caption="A parameter matters where its bar passes the mark.",
    )


def describe(found: list[Index]) -> tuple[Finding, Table | None]:
    """The sentence and the table."""
    if not found:
        text = "Nearly all worlds end alike: no parameter of the world decides the verdict."
        return Finding(4, "collapse/sensitivity", "info", text), None
    leading = [i for i in found if i.matters][:3]
    if leading:
        named = ", ".join(f"{i.name} ({i.first:.0%})" for i in leading)
        text = f"What decides the outcome, alone: {named}; the rest is interaction and chance."
    else:
        text = "No single parameter decides the outcome; it comes from their interaction."
    table = Table(
        "sensitivity",
        ("parameter", "first-order index", "noise level"),
        [[i.name, round(i.first, 3), round(i.noise, 3)] for i in found],
        "Share of the outcome's variance over the prior of worlds.",
    )
    finding = Finding(4, "collapse/sensitivity", "info", text, value=found[0].first)
    return finding, table


def totals(
    runner: Runner, worlds_at: Callable[[np.ndarray], Worlds], auxiliary: bool, seed: int
) -> Table:
    """Total indices of collapse at T over new worlds, as a table."""
    from toyrl.dynamics.chain.prior import DIMENSIONS, PARAMETERS
    from toyrl.experiments.validate.collapse import section as collapse
    from toyrl.experiments.validate.collapse.run import mix_gap

    gap = mix_gap(runner, auxiliary)

    def collapsed(u: np.ndarray) -> np.ndarray:
        worlds = worlds_at(u)
        own, _ = runner.population(worlds, runner.correct, short_only=True)
        short, _ = runner.at_weight(worlds, np.ones(len(u)), gap)
        return np.any(own - short > collapse.DROP, axis=-1) * 1.0

    return totals_table(PARAMETERS, total_order(collapsed, DIMENSIONS, seed=seed))


def totals_table(names: Sequence[str], found: np.ndarray) -> Table:
    """Total indices, the largest first."""
    order = np.argsort(-found)
    return Table(
        "sensitivity-total",
        ("parameter", "total index"),
        [[names[i], round(float(found[i]), 3)] for i in order],
        "With interactions: the variance left if all other parameters were known.",
    )
