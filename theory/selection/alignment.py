"""The tilted path pi_beta = pi0 exp(r / beta) / Z: the best reward at each KL from the base.

Among all policies with the same reward, the tilted one is nearest to the base in KL(pi || pi0);
walking the path from beta = inf to 0 shows what optimising a reward does first. All formulas
are exact on finite classes. One beta is shared by all prompts; KL and accuracy are averaged
over prompts by their shares.

Formulas: docs/theory/selection.md.

Source: the exponential tilt as the maximiser of expected reward under a KL penalty; the price of a
hack is derived. Arrays: prob, reward, truth (B, K), shares (B,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyrl.registry import entry
from toyrl.theory.policies import tilt_curve


@dataclass(frozen=True)
class Price:
    """Where along the tilted path the truth falls.

    kl : nats at which accuracy has fallen by `drop`; inf if it never does
    inverse_beta : 1/beta there
    path_kl, path_accuracy, path_reward : (N,) the path
    """

    kl: float
    inverse_beta: float
    drop: float
    start: float
    path_kl: np.ndarray
    path_accuracy: np.ndarray
    path_reward: np.ndarray


AT_ONCE = 4_000_000
"""Probabilities held at once: 32 MB for each array of them, whatever the size of a log."""


@entry(
    "tilt_price",
    kind="theorem",
    cards=("35",),
    provenance="derived",
    formula="KL(tilted || p) at which E_tilted truth falls by `drop`",
)
def tilt_price(
    prob: np.ndarray,
    reward: np.ndarray,
    truth: np.ndarray,
    shares: np.ndarray | None = None,
    *,
    drop: float | None = None,
    steps: int = 400,
) -> Price:
    """KL at which tilting towards `reward` lowers the expected truth by `drop`.

    prob, reward, truth : (B, K); shares (B,) sum to 1 (default equal)
    drop : default min(0.1, half of the start)

    The path is scanned on a grid of 1/beta and the first crossing refined by bisection, since
    accuracy need not be monotone along it.
    """
    B = len(prob)
    shares = np.full(B, 1 / B) if shares is None else np.asarray(shares, dtype=float)
    start = float((prob * truth).sum(-1) @ shares)
    drop = min(0.1, start / 2) if drop is None else drop
    spread = float(np.ptp(reward[prob > 0])) or 1.0
    grid = np.concatenate([[0.0], np.geomspace(1e-3, 1e5, steps)]) / spread

    def look(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        most = max(1, AT_ONCE // prob.size)
        if len(t) > most:
            parts = [look(t[i : i + most]) for i in range(0, len(t), most)]
            one, two, three = map(np.concatenate, zip(*parts, strict=True))
            return one, two, three
        gold, proxy, nats = tilt_curve(prob, reward, truth, t, shares)
        return nats, gold, proxy

    path_kl, accuracy, gained = look(grid)
    fallen = accuracy <= start - drop
    if start == 0 or not fallen.any():
        return Price(np.inf, np.inf, drop, start, path_kl, accuracy, gained)
    i = int(np.argmax(fallen))
    low, high = grid[i - 1], grid[i]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (low, middle) if look(np.array([middle]))[1][0] <= start - drop else (middle, high)
        )
    found = float(look(np.array([high]))[0][0])
    return Price(found, high, drop, start, path_kl, accuracy, gained)
