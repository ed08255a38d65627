"""Curves over k from a log's scores: what each way of selecting gains, with bands over prompts.

Best of k and pass@k are exact means over all subsets of a prompt's samples; votes and softmax
selection are means over random orders of them, which have no bias. Bands are over prompts, and hold
for all k at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from toyrl.experiments.begin import Begin, nothing
from toyrl.experiments.scaling.scores import Scores
from toyrl.theory.selection.best_of_k import best_of_k_kl, kl_bound
from toyrl.theory.selection.majority import vote_of_pool
from toyrl.theory.selection.pass_at_k import simultaneous_band
from toyrl.theory.selection.pools import best_of_pool
from toyrl.theory.selection.softmax_selection import softmax_of_pool

CLASSES = 30  # distinct scores up to which KL is taken by classes, and at most half of the rows
EVERY = 64  # sizes up to which each k is kept; beyond, as many again, geometrically
WORK = 16_000  # random orders over all prompts
MULTIPLIERS = 1000


@dataclass(frozen=True)
class Curve:
    """One way of selecting.

    selector : "best of k", "softmax", "weighted majority" (by a proxy), "majority", "pass@k"
        ("oracle" where gold is no right or wrong)
    gold, low, high : (K,) mean gold of the selected and its band, NaN for a single prompt
    proxy_mean : (K,) mean proxy of the selected, None where it isn't known
    kl : (K,) nats from the base; kl_kind : "by classes" or "bound" (log k - (k-1)/k), "" without
    best : index of the best k; alike : first and last index whose loss the band can't tell from 0
    hurts : index from which gold is lower than at the best k, beyond the band; None: nowhere
    loss : gold at the best k less that at the last
    """

    selector: str
    proxy: str | None
    gold: np.ndarray
    low: np.ndarray
    high: np.ndarray
    best: int
    alike: tuple[int, int]
    hurts: int | None
    loss: float
    proxy_mean: np.ndarray | None = None
    kl: np.ndarray | None = None
    kl_kind: str = ""
    temperature: float | None = None

    @property
    def name(self) -> str:
        """For a legend: "best of k by reward"."""
        return self.selector if self.proxy is None else f"{self.selector} by {self.proxy}"


def sizes(most: int) -> np.ndarray:
    """(K,) k = 1..most, thinned geometrically beyond `EVERY`."""
    if most <= 2 * EVERY:
        return np.arange(1, most + 1)
    rest = np.geomspace(EVERY, most, EVERY).round().astype(int)
    return np.union1d(np.arange(1, EVERY + 1), rest)


def all_curves(
    scores: Scores,
    *,
    temperature: float | None = None,
    level: float = 0.95,
    seed: int = 0,
    begin: Begin = nothing,
) -> list[Curve]:
    """Every curve that the log has the columns for.

    temperature : of softmax selection, None: the proxy's standard deviation within prompts
    level : of the bands, in (0, 1)
    begin : called with (done, total, name) before each curve
    """
    build = _Builder(scores, sizes(scores.samples), level, seed)
    votes = scores.answer is not None
    work: list[tuple[str, Callable[[], Curve]]] = [("oracle", build.oracle)]
    if votes:
        work.append(("majority", partial(build.votes, None)))
    for column in scores.proxies:
        heat = temperature if temperature is not None else _spread(scores, column)
        work.append((f"best of k by {column}", partial(build.best, column)))
        work.append((f"softmax by {column}", partial(build.softmax, column, heat)))
        if votes:
            work.append((f"votes weighted by {column}", partial(build.votes, column)))
    out = []
    for done, (name, made) in enumerate(work):
        begin(done, len(work), name)
        out.append(made())
    return out


def _spread(scores: Scores, column: str) -> float:
    """The pooled standard deviation within prompts; 1 where there is none."""
    total = size = 0.0
    used = np.concatenate([rows.ravel() for _, rows in scores.pools])
    unit = float(np.abs(scores.proxies[column][used]).max()) or 1.0  # 1e308 can't be squared
    for _, rows in scores.pools:
        x = scores.proxies[column][rows] / unit
        total += float(((x - x.mean(-1, keepdims=True)) ** 2).sum())
        size += x.size - len(x)
    return unit * (total / size) ** 0.5 if size and total > 0 else 1.0


class _Builder:
    def __init__(self, scores: Scores, k: np.ndarray, level: float, seed: int) -> None:
        self.scores, self.k, self.level, self.seed = scores, k, level, seed
        self.orders = int(np.clip(WORK // max(1, scores.prompts), 4, 64))

    def table(self, of: Callable[..., np.ndarray], *columns: np.ndarray | None) -> np.ndarray:
        """(prompts, K) of `of(columns..., k_max=)` by pools."""
        out = np.empty((self.scores.prompts, self.k.size))
        for place, rows in self.scores.pools:
            given = [None if c is None else c[rows] for c in columns]
            out[place] = of(*given, k_max=self.scores.samples)[:, self.k - 1]
        return out

    def curve(self, selector: str, proxy: str | None, table: np.ndarray, **facts: Any) -> Curve:
        """The mean of a (prompts, K) table of gold, its band, and where it is best and falls."""
        options = {"level": self.level, "multipliers": MULTIPLIERS, "seed": self.seed}
        band = simultaneous_band(table, **options)
        noise = 64 * self.k.size * np.finfo(float).eps * np.abs(table).max()  # sums of K terms
        best = int(np.argmax(band.mean >= band.mean.max() - noise))
        lost = simultaneous_band(table[:, [best]] - table, **options)
        worse = lost.low > noise  # False where NaN: one prompt tells nothing
        after = np.flatnonzero(worse[best:])
        before = np.flatnonzero(worse[:best])
        first = int(before[-1]) + 1 if before.size else 0
        last = best + int(after[0]) - 1 if after.size else self.k.size - 1
        return Curve(
            selector,
            proxy,
            band.mean,
            band.low,
            band.high,
            best,
            (first, last),
            best + int(after[0]) if after.size else None,
            float(band.mean[best] - band.mean[-1]),
            **facts,
        )

    def oracle(self) -> Curve:
        """pass@k, or the best of k by the truth itself."""
        gold = self.scores.gold
        name = "pass@k" if self.scores.binary else "oracle"
        nats, kind = self.kl(gold)
        table = self.table(lambda g, k_max: best_of_pool(g, None, k_max), gold)
        return self.curve(name, None, table, kl=nats, kl_kind=kind)

    def best(self, column: str) -> Curve:
        """The highest score of k is kept."""
        proxy, gold = self.scores.proxies[column], self.scores.gold
        nats, kind = self.kl(proxy)
        table = self.table(lambda u, g, k_max: best_of_pool(u, g, k_max), proxy, gold)
        paid = self.table(lambda u, k_max: best_of_pool(u, None, k_max), proxy)
        paid = (paid / len(paid)).sum(0)  # of 1e308 no sum
        return self.curve("best of k", column, table, proxy_mean=paid, kl=nats, kl_kind=kind)

    def softmax(self, column: str, heat: float) -> Curve:
        """One of k is picked with odds exp(score/temperature)."""
        table = self.table(
            lambda u, g, k_max: softmax_of_pool(
                u, g, heat, k_max=k_max, orders=self.orders, seed=self.seed
            ),
            self.scores.proxies[column],
            self.scores.gold,
        )
        return self.curve("softmax", column, table, temperature=heat)

    def votes(self, column: str | None) -> Curve:
        """The answer with the most votes, or with the largest sum of scores."""
        weight = None if column is None else vote_weight(self.scores, column)
        table = self.table(
            lambda a, g, w, k_max: vote_of_pool(
                a, g, w, k_max=k_max, orders=self.orders, seed=self.seed
            ),
            self.scores.answer,
            self.scores.gold,
            weight,
        )
        return self.curve("majority" if column is None else "weighted majority", column, table)

    def kl(self, column: np.ndarray) -> tuple[np.ndarray, str]:
        """KL of the best of k by a column, mean over prompts, and which kind of number it is."""
        used = np.concatenate([rows.ravel() for _, rows in self.scores.pools])
        values, level = np.unique(column[used], return_inverse=True)
        if len(values) > min(CLASSES, used.size / 2):
            return kl_bound(self.k), "bound"
        mass = np.zeros((self.scores.prompts, len(values)))
        start = 0
        for place, rows in self.scores.pools:
            mine = level[start : start + rows.size].reshape(rows.shape)
            start += rows.size
            np.add.at(mass, (place[:, None], mine), 1 / rows.shape[1])
        return best_of_k_kl(mass, np.arange(len(values)), self.k).mean(-1), "by classes"


def vote_weight(scores: Scores, column: str) -> np.ndarray:
    """(R,) weight of each vote: the score where none is negative, else exp(score/its spread)."""
    u = scores.proxies[column]
    used = np.concatenate([rows.ravel() for _, rows in scores.pools])
    if u[used].min() >= 0:
        return np.where(np.isfinite(u), u, 0.0)
    heat = _spread(scores, column)
    scaled = np.where(np.isfinite(u), u, u[used].min()) / heat
    return np.exp(np.minimum(scaled - u[used].max() / heat, 0.0))
