"""HAPO's reward at a fixed history: its best length, its dead zone, and the law of the history.

All derived; the setting is that of "HAPO: History-Aware Policy Optimization". A right answer of
length l is paid 1 + max(clip, f), a wrong one min(0, f), with f = cos(pi/2 l/h) below 2 h, then -1.

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "hapo_value",
    kind="theorem",
    cards=("11",),
    section="reward; derived",
    provenance="derived",
    formula="V = p (1 + max(clip, f)) + (1 - p) min(0, f)",
)
def hapo_value(success: Array, share: Array, clip: float = -0.7, alpha: float = 1.0) -> np.ndarray:
    """Expected reward of a length that is right with probability p, at a share l/h of the history.

    Up to the history no term is negative: a policy that stays there earns E[p (1 + f)], so wrong
    short answers cost nothing but their chance of being right.

    success, share : they broadcast; share >= 0; clip in [-1, 0]; alpha >= 0 the weight
    """
    p, share = np.asarray(success, dtype=float), np.asarray(share, dtype=float)
    f = np.cos(0.5 * math.pi * np.minimum(share, 2.0))
    return p * (1 + alpha * np.maximum(clip, f)) + (1 - p) * alpha * np.minimum(f, 0.0)


@entry(
    "hapo_dead_zone",
    kind="theorem",
    cards=("11",),
    section="clip; derived",
    provenance="derived",
    formula="2/pi arccos(clip)",
)
def hapo_dead_zone(clip: Array = -0.7) -> np.ndarray:
    """Share l/h of the history from which all right answers are paid alike: 1.4936 at clip -0.7.

    A history below the typical length over this number puts every right answer there: nothing
    presses on length any more, and the shortest length is no longer sought. 2 at clip -1.

    clip : any shape, in [-1, 0]. Raises ValueError outside.
    """
    clip = np.asarray(clip, dtype=float)
    if np.any(np.abs(clip + 0.5) > 0.5):
        msg = f"clip={clip} must lie in [-1, 0]: what a right answer loses at most"
        raise ValueError(msg)
    return 2 / math.pi * np.arccos(clip)


@entry(
    "hapo_linear_dead_zone",
    kind="theorem",
    cards=("11",),
    section="linear variant; derived",
    provenance="derived",
    formula="1 + tolerance - clip",
)
def hapo_linear_dead_zone(tolerance: Array = 0.1, clip: Array = -0.7) -> np.ndarray:
    """The same share for the linear variant: 1.8 at its defaults, later than the cosine's.

    Between h and (1 + tolerance) h it has a flat of its own, where nothing is gained or lost.

    tolerance : any shape, >= 0; clip : in [-1, 0]; they broadcast. Raises ValueError outside.
    """
    tolerance, clip = np.asarray(tolerance, dtype=float), np.asarray(clip, dtype=float)
    if np.any(np.abs(clip + 0.5) > 0.5) or np.any(tolerance < 0):
        msg = f"tolerance={tolerance}, clip={clip}: they must lie in [0, inf) and [-1, 0]"
        raise ValueError(msg)
    return 1 + tolerance - clip


@entry(
    "hapo_dominant_weight",
    kind="theorem",
    cards=("11",),
    section="clip; derived",
    provenance="derived",
    formula="-1/clip",
)
def hapo_dominant_weight(clip: Array = -0.7) -> np.ndarray:
    """Weight below which every right answer is paid more than every wrong one; inf at clip 0.

    clip : any shape, <= 0.
    """
    with np.errstate(divide="ignore"):
        return np.abs(-1 / np.asarray(clip, dtype=float))


@entry(
    "shortest_of_k",
    kind="theorem",
    cards=("11",),
    section="history; derived",
    provenance="derived",
    formula="P(h > x) = (1 - F(x))^k",
)
def shortest_of_k(below: Array, k: Array) -> np.ndarray:
    """P(h > x) after k right answers, with F(x) the chance that one is at most x.

    The history is a minimum: it falls as long as there are answers, whatever is typical. With
    uniform lengths on [0, 1] its mean is 1/(k + 1).

    below : F(x) in [0, 1]; k >= 0; they broadcast.
    """
    return (1 - np.asarray(below, dtype=float)) ** np.asarray(k, dtype=float)
