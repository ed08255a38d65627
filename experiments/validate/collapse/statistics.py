"""Small statistics of the report: intervals and the parameters that explain a split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Z95 = 1.959963984540054
CRITICAL = 13.0
"""About the 1 % point of a maximally selected chi-square with one degree of freedom."""


def wilson(hits: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson score interval for a share; (0, 1) when nothing was counted."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


AT_ONCE = 4_000_000
"""Numbers of a resample held at once: 32 MB, whatever the number of units."""


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    n: int,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of `statistic(weights)` over resampled units.

    `weights` (draws, n) counts how often each unit was drawn; the statistic returns (draws, ...).
    """
    rng = np.random.default_rng(seed)
    most = max(1, AT_ONCE // max(n, 1))
    sizes = [min(most, draws - i) for i in range(0, draws, most)]
    values = np.concatenate(
        [statistic(rng.multinomial(n, np.full(n, 1 / n), size=k).astype(float)) for k in sizes]
    )
    tail = (1 - level) / 2
    return np.nanquantile(values, tail, axis=0), np.nanquantile(values, 1 - tail, axis=0)


@dataclass(frozen=True)
class Split:
    """`name > threshold` (or <=) separates hits from the rest."""

    name: str
    threshold: float
    above: bool  # True: hits lie above the threshold
    share_inside: float
    share_outside: float
    gain: float  # bits of entropy removed

    def sentence(self) -> str:
        """Readable form with both shares."""
        sign = ">" if self.above else "<="
        return (
            f"{self.name} {sign} {self.threshold:.2f}: {self.share_inside:.0%} of worlds, "
            f"against {self.share_outside:.0%} elsewhere"
        )


def explain(features: Mapping[str, np.ndarray], hit: np.ndarray, *, most: int = 2) -> list[Split]:
    """The parameters whose best single threshold removes most entropy of `hit`, best first.

    Each parameter counts once. A split stays only if its G statistic, 2 n ln2 gain, exceeds
    `CRITICAL`; that keeps the best of many thresholds on an unrelated parameter out.
    """
    hit = np.asarray(hit, dtype=bool)
    if hit.size < 8 or hit.all() or not hit.any():
        return []
    splits = [s for name, x in features.items() if (s := _best_split(name, x, hit)) is not None]
    splits = [s for s in splits if 2 * hit.size * np.log(2) * s.gain > CRITICAL]
    return sorted(splits, key=lambda s: -s.gain)[:most]


def _best_split(name: str, x: np.ndarray, hit: np.ndarray) -> Split | None:
    x = np.asarray(x, dtype=float)
    order = np.argsort(x, kind="stable")
    xs, hs = x[order], hit[order].astype(float)
    n, total = len(xs), hs.sum()
    left = np.arange(1, n)
    cut = xs[1:] > xs[:-1]
    if not cut.any():
        return None
    hits_left = np.cumsum(hs)[:-1]
    p_left, p_right = hits_left / left, (total - hits_left) / (n - left)
    after = (left * _entropy(p_left) + (n - left) * _entropy(p_right)) / n
    gain = np.where(cut, _entropy(np.array(total / n)) - after, -1.0)
    i = int(np.argmax(gain))
    above = bool(p_right[i] > p_left[i])
    inside, outside = (p_right[i], p_left[i]) if above else (p_left[i], p_right[i])
    return Split(
        name, float((xs[i] + xs[i + 1]) / 2), above, float(inside), float(outside), float(gain[i])
    )


def _entropy(p: np.ndarray) -> np.ndarray:
    q = np.clip(p, 1e-12, 1 - 1e-12)
    return -(q * np.log2(q) + (1 - q) * np.log2(1 - q))
