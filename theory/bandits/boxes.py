"""Hidden boxes, and the same boxes as doors of a corridor: where credit over repeats is not needed.

One of G boxes holds the prize for a whole block of n episodes; each episode opens one box. Whoever
remembers opens them without replacement and then stays:

    expected total = k (k + 1)/(2G) + max(n - G, 0),   k = min(n, G),

whatever the discount across episodes, because an opened empty box has mean 0: the largest posterior
mean is already a search. Without memory, or with the prize hidden anew each time, it is n/G.

In the corridor the doors stand at cells 1..G, the agent starts an episode at cell 0 and stays, goes
left or right, or opens the door where it stands, which ends the episode; so does the time limit. A
step to the left or right costs c. Credit within the episode is needed (gamma_step > 0), across
episodes it is not. With c = 0 the four actions tie where no door is, and an agent with
gamma_step = 0 leaves the start by ties broken at random; with c > 0 it stays for ever.

Formulas: docs/theory/bandits.md.

Source: E1 of our notes on paper 48, derived.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any
TIE = 1e-12
STAY, LEFT, RIGHT, OPEN = range(4)


@entry(
    "boxes_total",
    kind="theorem",
    cards=("48",),
    section="E1",
    provenance="derived",
    formula="k(k + 1)/(2G) + max(n - G, 0), k = min(n, G)",
)
def boxes_total(boxes: Array, episodes: Array) -> np.ndarray:
    """Expected prizes of n episodes with structure and memory; the broadcast shape of both.

    boxes : (...,) G, whole numbers from 1 on; episodes : (...,) n from 0 on

    Raises ValueError for others.
    """
    G, n = _whole(boxes, episodes)
    k = np.minimum(n, G)
    return k * (k + 1) / (2 * G) + np.maximum(n - G, 0)


@entry(
    "boxes_ablated",
    kind="theorem",
    cards=("48",),
    section="E1",
    provenance="derived",
    formula="n/G",
)
def boxes_ablated(boxes: Array, episodes: Array) -> np.ndarray:
    """The same without memory, or with the prize hidden anew each episode. ValueError as there."""
    G, n = _whole(boxes, episodes)
    return n / G


@entry(
    "corridor_total",
    kind="theorem",
    cards=("48",),
    section="E1",
    provenance="derived",
    formula="total of argmax Q, discounts gamma_step within and gamma_episode across episodes",
)
def corridor_total(
    doors: int,
    episodes: int,
    gamma_step: float = 1.0,
    gamma_episode: float = 1.0,
    cost: float = 0.01,
    memory: bool = True,
    limit: int | None = None,
) -> float:
    """Expected pay, not discounted, of the agent that is greedy for its two discounts; a scalar.

    doors : G from 1 to 8; episodes : n from 0 on; cost : of a step left or right, from 0 on
    memory : False forgets what was found at each end of an episode, which is also what an agent
        learns whose prize is hidden anew each time
    limit : steps of an episode; None: enough to open the last door, doors + 1

    Raises ValueError for arguments out of their ranges.
    """
    H = doors + 1 if limit is None else limit
    if not (1 <= doors <= 8 and episodes >= 0 and H >= 1):
        msg = f"doors={doors} must lie in 1..8, episodes={episodes} be 0 or more, limit={limit}"
        raise ValueError(msg + " 1 or more")
    if not (0 <= gamma_step <= 1 and 0 <= gamma_episode <= 1 and 0 <= cost < np.inf):
        msg = f"gamma_step={gamma_step}, gamma_episode={gamma_episode} must lie in [0, 1], "
        raise ValueError(msg + f"cost={cost} be finite and 0 or more")
    mean, won, lost = _door_beliefs(doors)
    if not memory:
        won, lost = np.zeros_like(won), np.zeros_like(lost)
    planned, total = np.zeros(len(mean)), np.zeros(len(mean))
    step = _episode(mean, cost, gamma_step, H)
    for _ in range(episodes):
        planned, total = step(
            (gamma_episode * planned, gamma_episode * planned[won], gamma_episode * planned[lost]),
            (total, total[won], total[lost]),
        )
    return float(total[0])


@entry(
    "corridor_search_total",
    kind="theorem",
    cards=("48",),
    section="E1",
    provenance="derived",
    formula="mean over d of [n >= d](1 + (n - d)(1 - c d)) - c sum of i <= min(n, d)",
)
def corridor_search_total(doors: int, episodes: int, cost: float = 0.01) -> float:
    """The same for opening doors from the nearest on and staying with the prize; a scalar.

    What `corridor_total` comes to where every closed door is worth its walk,
    c d < 1/(G - d + 1) for d = 1..G.

    Raises ValueError for doors below 1, episodes below 0 or a cost at which a search stops.
    """
    d = np.arange(1, doors + 1)
    if doors < 1 or episodes < 0 or not ((cost >= 0) & (cost * d * (doors - d + 1) < 1)).all():
        msg = f"doors={doors}, episodes={episodes}, cost={cost}: every door must be worth its walk"
        raise ValueError(msg)
    walked = np.minimum(d, episodes)
    found = np.where(episodes >= d, 1 + (episodes - d) * (1 - cost * d), 0.0)
    return float((found - cost * walked * (walked + 1) / 2).mean())


# -- inside ----------------------------------------------------------------------------------------
def _whole(boxes: Array, episodes: Array) -> tuple[np.ndarray, np.ndarray]:
    G, n = np.broadcast_arrays(np.asarray(boxes, dtype=float), np.asarray(episodes, dtype=float))
    if not ((G >= 1) & (n >= 0) & (np.round(G) == G) & (np.round(n) == n)).all():
        msg = f"boxes={boxes} must be whole numbers from 1 on, episodes={episodes} from 0 on"
        raise ValueError(msg)
    return G, n


def _door_beliefs(doors: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Beliefs: sets of empty doors (bit masks, the full one unreachable), then where the prize is.

    (B, doors) means, and the beliefs (B, doors) after a prize and after none there.
    """
    sets = 2**doors
    bit = 1 << np.arange(doors)
    empty = (np.arange(sets)[:, None] & bit) > 0
    closed = np.maximum((~empty).sum(-1, keepdims=True), 1)
    mean = np.concatenate([np.where(empty, 0.0, 1 / closed), np.eye(doors)])
    own = np.arange(sets + doors)[:, None]
    won = np.where(mean > 0, sets + np.arange(doors), own)
    lost = np.concatenate([np.arange(sets)[:, None] | bit, own[sets:] + np.zeros_like(bit)])
    return mean, won, np.where(mean < 1, lost, own)


Ends = tuple[np.ndarray, np.ndarray, np.ndarray]


def _episode(
    mean: np.ndarray, cost: float, gamma: float, limit: int
) -> Callable[[Ends, Ends], tuple[np.ndarray, np.ndarray]]:
    """One episode, backward: (planned, paid) values behind its end -> those at its start.

    Each is given as (B,) behind the time limit, and (B, doors) behind a prize and behind none.
    """
    B, G = mean.shape
    at = np.arange(G + 1)
    left, right = np.maximum(at - 1, 0), np.minimum(at + 1, G)
    price = np.array([0.0, cost, cost])

    def options(later: np.ndarray, ends: Ends, g: float) -> np.ndarray:
        """(B, G + 1, 4) values of the actions."""
        q = np.full((B, G + 1, 4), -np.inf)
        q[..., :3] = np.stack([g * later, g * later[:, left], g * later[:, right]], -1) - price
        q[:, 1:, OPEN] = mean * (1 + ends[1]) + (1 - mean) * ends[2]
        return q

    def run(planned: Ends, paid: Ends) -> tuple[np.ndarray, np.ndarray]:
        ahead = np.repeat(planned[0][:, None], G + 1, 1)
        total = np.repeat(paid[0][:, None], G + 1, 1)
        for step in range(limit):
            # behind the limit stands the next episode, already discounted
            q = options(ahead, planned, 1.0 if step == 0 else gamma)
            ahead = q.max(-1)
            best = q >= ahead[..., None] - TIE
            share = best / best.sum(-1, keepdims=True)
            worth = options(total, paid, 1.0)
            total = (share * np.where(best, worth, 0.0)).sum(-1)
        return ahead[:, 0], total[:, 0]

    return run
