"""Worlds whose base policies do what rollouts show: success rates and mean lengths.

What a user cannot see of a run (noises, the share of easy prompts, difficulties unless a column
holds them) is drawn from the prior; the base policy of each world is then fitted to the rollouts by
`toyrl.worlds.chain.base_policy`. Worlds in which no policy comes near what was seen are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.exact import Batch
from toyrl.dynamics.chain.prior import DIMENSIONS, PriorRanges, Worlds, numbers_at, worlds_of
from toyrl.rollouts import Rollouts
from toyrl.worlds.chain.base_policy import fit_many
from toyrl.worlds.chain.model import Chain

SPREAD = {"success": 0.05, "length": 0.1}
"""What counts as one unit of distance: absolute for success, in the logarithm for lengths."""
TOLERANCE = 1.0
"""Units of distance (root mean square over the statistics) within which a world is like a log."""
FEWEST = 16
"""Worlds that are kept in any case, the nearest ones."""
ROUND = 256
"""Worlds fitted at a time."""
TYPES = ("easy", "hard")
RIGHT, WRONG = "length of right", "length of wrong"


@dataclass(frozen=True)
class Observed:
    """What rollouts show of the policy that wrote them.

    pair : the two difficulties where every prompt is known to have one of two, else ()
    shares : of the two in the prompts, else ()
    values : statistic -> value, lengths (tokens) as logarithms: "success easy", "success hard",
        "length easy", "length hard" with a pair, else "success all", "length all"; "length of
        right", "length of wrong" where there are such answers
    """

    pair: tuple[int, ...]
    shares: tuple[float, ...]
    values: dict[str, float]

    def told(self, *, success: float | None = None, longer: float = 1.0) -> Observed:
        """The same with another success rate over all prompts, or lengths times `longer`."""
        values = {
            k: v + float(np.log(longer)) if k.startswith("length") else v
            for k, v in self.values.items()
        }
        if success is None:
            return replace(self, values=values)
        kept = {k: v for k, v in values.items() if k in (RIGHT, WRONG, "length all")}
        return Observed((), (), {**kept, "success all": success})

    def targets(self, chain: Chain) -> dict[str, Any]:
        """Arguments of `fit_many` for this chain.

        Rates of 0 and 1 become 0.01 and 0.99, lengths that the chain hasn't its nearest ones.
        """
        out: dict[str, Any] = {}
        if self.pair:
            out["success"] = np.array([_inside(self.values[f"success {t}"]) for t in TYPES])
        else:
            out["mean_success"] = _inside(self.values["success all"])
        for name, key in ((RIGHT, "mean_length_right"), (WRONG, "mean_length_wrong")):
            if name in self.values:
                mean = np.exp(self.values[name])
                out[key] = float(np.clip(mean, chain.tokens_per_action, chain.max_length))
        return out


def observe(r: Rollouts, difficulty: np.ndarray, *, depth: int) -> Observed:
    """What rollouts (B, G), weights 0 for padding, show.

    difficulty : (B,) of each prompt, NaN where unknown; it counts if it takes two whole values in
        1..depth, else success is read over all prompts
    """
    w = np.asarray(r.w, dtype=float)
    pair, shares = two_types(difficulty, w.sum(-1), depth=depth)
    right = np.where(r.correct > 0.5, w, 0.0)
    found = {
        RIGHT: _log_mean(r.length, right),
        WRONG: _log_mean(r.length, w - right),
    }
    if pair:
        for name, d in zip(TYPES, pair, strict=True):
            rows = difficulty == d
            found[f"success {name}"] = float(np.average(r.correct[rows], weights=w[rows]))
            found[f"length {name}"] = _log_mean(r.length[rows], w[rows])
    else:
        found["success all"] = float(np.average(r.correct, weights=w))
        found["length all"] = _log_mean(r.length, w)
    return Observed(pair, shares, {k: v for k, v in found.items() if np.isfinite(v)})


def two_types(
    difficulty: np.ndarray, weight: np.ndarray, *, depth: int
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """(pair, shares) of prompts (B,) with two known difficulties in 1..depth, else ((), ())."""
    levels = np.unique(difficulty)
    if len(levels) != 2 or any(d not in range(1, depth + 1) for d in levels):
        return (), ()
    share = float(weight[difficulty == levels[0]].sum() / weight.sum())
    return (int(levels[0]), int(levels[1])), (share, 1 - share)


@dataclass(frozen=True)
class Fitted:
    """Worlds that look like a log.

    distance (W,) of each in units, `within` whether all are within tolerance
    drawn, near : worlds tried, and how many of them were within tolerance
    seen, fitted : statistic -> its value in the log, its mean over the worlds
    """

    worlds: Worlds
    distance: np.ndarray
    drawn: int
    near: int
    seen: dict[str, float]
    fitted: dict[str, float]

    @property
    def within(self) -> bool:
        """Whether every world that was kept is within tolerance."""
        return bool((self.distance <= TOLERANCE).all())

    @property
    def missed(self) -> tuple[str, ...]:
        """Statistics whose mean over the worlds is more than a unit from the log's value."""
        return tuple(
            name for name in self.seen if abs(self.fitted[name] - self.seen[name]) > _unit(name)
        )

    def describe(self) -> str:
        """How near the worlds come, with both numbers of what they miss."""
        text = (
            f"{self.near} of {self.drawn} worlds drawn can do what the rollouts show within "
            f"tolerance; distance of the {len(self.distance)} kept {self.distance.mean():.2f} "
            f"({TOLERANCE:g} is the tolerance)"
        )
        rows = [
            f"{shown(name)} {plain(name, self.seen[name])} in the rollouts, "
            f"{plain(name, self.fitted[name])} in the worlds"
            for name in self.missed
        ]
        return f"{text}; not reached: {'; '.join(rows)}" if rows else text


def shown(name: str) -> str:
    """A statistic's name with its unit."""
    return f"{name} (tokens)" if name.startswith("length") else name


def plain(name: str, value: float) -> str:
    """A statistic as people read it: lengths in tokens."""
    return f"{np.exp(value):.1f}" if name.startswith("length") else f"{value:.3f}"


def worlds_like(
    seen: Observed,
    chain: Chain,
    wanted: int,
    *,
    most: int,
    ranges: PriorRanges | None = None,
    seed: int = 0,
) -> Fitted:
    """The first `wanted` worlds of the prior (Sobol points) that look like what was seen.

    most : worlds that are tried at most. Where fewer than 16 of them (or than wanted) are within
    tolerance, the nearest 16 are returned, and `Fitted` says so.
    """
    from scipy.stats import qmc

    cube = qmc.Sobol(DIMENSIONS, rng=seed)
    parts: list[Worlds] = []
    gaps: list[np.ndarray] = []
    near = drawn = 0
    while drawn < most and near < wanted:
        n = min(ROUND, most - drawn)
        points = cube.random(1 << (n - 1).bit_length())[:n]  # Sobol points come in powers of 2
        parts.append(worlds_at(seen, chain, points, ranges=ranges))
        gaps.append(distances(seen, parts[-1]))
        drawn += n
        near += int((gaps[-1] <= TOLERANCE).sum())
    distance = np.concatenate(gaps)
    rows = np.flatnonzero(distance <= TOLERANCE)[:wanted]
    fewest = min(FEWEST, wanted)
    if len(rows) < fewest:
        rows = np.argsort(distance, kind="stable")[:fewest]
    worlds = _joined(parts).take(rows)
    table = statistics(worlds, pair=bool(seen.pair))
    fitted = {name: float(np.nanmean(table[name])) for name in seen.values}
    return Fitted(worlds, distance[rows], drawn, near, seen.values, fitted)


def worlds_at(
    seen: Observed, chain: Chain, u: np.ndarray, *, ranges: PriorRanges | None = None
) -> Worlds:
    """Worlds at points u (n, DIMENSIONS) of the unit cube, near what was seen or not."""
    batch, updates = numbers_at(chain, u, ranges or PriorRanges())
    if seen.pair:
        batch = replace(
            batch,
            difficulties=np.tile(seen.pair, (len(u), 1)),
            shares=np.tile(seen.shares, (len(u), 1)),
        )
    own = {n: getattr(batch, n) for n in ("difficulties", "shares", *_NOISES)}
    if batch.chain.flags == 1:
        del own["flag_noise"]
    theta, _ = fit_many(batch.chain, **own, **seen.targets(batch.chain))
    return worlds_of(batch, theta, updates)


_NOISES = ("progress", "slip", "repair", "guess", "flag_noise")


def statistics(worlds: Worlds, *, pair: bool) -> dict[str, np.ndarray]:
    """The statistics of `Observed` in each world, (W,); NaN where a kind of answer never comes."""
    chain: Chain = worlds.batch.chain
    prob = exact.class_probabilities(worlds.batch, worlds.theta)
    mix = (prob * worlds.batch.shares[..., None]).sum(1)
    right, length = chain.class_correct(), chain.class_length()
    with np.errstate(divide="ignore", invalid="ignore"):
        out = {
            RIGHT: np.log(mix @ (right * length) / (mix @ right)),
            WRONG: np.log(mix @ ((1 - right) * length) / (mix @ (1 - right))),
        }
    if pair:
        for i, name in enumerate(TYPES):
            out[f"success {name}"] = prob[:, i] @ right
            out[f"length {name}"] = np.log(prob[:, i] @ length)
    else:
        out["success all"] = mix @ right
        out["length all"] = np.log(mix @ length)
    return out


def distances(seen: Observed, worlds: Worlds) -> np.ndarray:
    """(W,) root mean square of the gaps to what was seen, each in its unit."""
    table = statistics(worlds, pair=bool(seen.pair))
    gaps = [(table[name] - value) / _unit(name) for name, value in seen.values.items()]
    return np.sqrt(np.nanmean(np.square(gaps), axis=0))


def _unit(name: str) -> float:
    return SPREAD[name.split()[0]]


def _joined(parts: list[Worlds]) -> Worlds:
    def column(owners: list[Any], name: str) -> np.ndarray:
        return np.concatenate([getattr(x, name) for x in owners])

    batches = [x.batch for x in parts]
    names = [n for n in Batch.__dataclass_fields__ if n != "chain"]
    batch = replace(batches[0], **{n: column(batches, n) for n in names})
    own = [n for n in Worlds.__dataclass_fields__ if n != "batch"]
    return Worlds(batch, *(column(parts, n) for n in own))


def _log_mean(x: np.ndarray, w: np.ndarray) -> float:
    return float(np.log(np.average(x, weights=w))) if np.sum(w) > 0 else float("nan")


def _inside(p: float) -> float:
    return float(np.clip(p, 0.01, 0.99))
