"""Two modes of answering under a length penalty: which way they go, from where, and what ends it.

One policy writes long with probability q and short with 1 - q, whatever the prompt. Of a kind of
prompt, of share rho, a long answer is right with p_L and a short one with p_S. Right answers pay 1,
long ones of them 1 - alpha (gated); beside the outcome (additive) wrong long ones pay -alpha too.
The logit of q moves by the mean over groups of A (long - q). All derived; with p_L = p_S = 1 on
easy prompts and p_L = 1, p_S = 0 on hard ones it is the setting of "DRPO: Efficient Reasoning via
Decoupled Reward Policy Optimization", in `toyrl.theory.group.signs`.

Under mean-only advantages the drift is q (1 - q) times a number: one boundary, no basins. Divided
by the group's standard deviation, prompts that are always solved pull with a force that depends on
nothing but the mix of lengths, the others with one that depends on q: where a run ends depends on
where it begins, and alpha is hardly asked.

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@dataclass(frozen=True)
class Kinds:
    """Kinds of prompts: shares that sum to 1, and chances in [0, 1] of a right answer by mode."""

    share: tuple[float, ...] = (0.5, 0.5)
    p_short: tuple[float, ...] = (1.0, 0.1)
    p_long: tuple[float, ...] = (1.0, 0.9)


def _paid(alpha: float, gated: bool) -> np.ndarray:
    """Rewards of right long, wrong long, right short, wrong short."""
    return np.array([1 - alpha, 0.0 if gated else -alpha, 1.0, 0.0])


@entry(
    "mode_boundary",
    kind="theorem",
    cards=("03", "01"),
    section="diagnosis of length-penalised GRPO; derived",
    provenance="derived",
    formula="sum rho (p_L - p_S)/sum rho p_L gated, sum rho (p_L - p_S) additive",
)
def mode_boundary(kinds: Kinds, *, gated: bool = True) -> float:
    """alpha above which mean-only advantages go to the short mode, from every start.

    The means of the modes differ by sum rho (p_L - p_S) less alpha times what long answers pay: the
    right ones (gated) or all of them. 0 or less: short from the first; inf: p_L = 0 and gated.
    """
    rho, short, long = (np.asarray(x) for x in (kinds.share, kinds.p_short, kinds.p_long))
    gain, paying = float(rho @ (long - short)), float(rho @ long) if gated else 1.0
    return gain / paying if paying > 0 else math.inf


@entry(
    "mode_drift",
    kind="theorem",
    cards=("03", "01"),
    section="diagnosis of length-penalised GRPO; derived",
    provenance="derived",
    formula="E (1/G) sum of A_i over long i, over counts of right and wrong long and short ones",
)
def mode_drift(
    kinds: Kinds,
    q: Array,
    alpha: float,
    *,
    scale: str = "group",
    eps: float = 0.0,
    group_size: float = 8,
    gated: bool = True,
) -> np.ndarray:
    """d logit(q)/dt, by enumeration of the groups' counts; group_size = inf: the population.

    Advantages sum to 0, so the update (1/G) sum A_i (long_i - q) is the sum over long ones.

    q : any shape, in [0, 1]; alpha >= 0; scale : "group" divides by the sample's standard deviation
    + eps (0 where all are paid alike), "none" does not. `toyrl.dynamics.flow` finds its rests and
    what separates the basins.

    Raises ValueError for another scale and for a group of one.
    """
    if scale not in ("group", "none") or group_size < 2:
        msg = f"scale={scale!r}, group_size={group_size}: group or none, and two rollouts at least"
        raise ValueError(msg)
    q = np.asarray(q, dtype=float)
    paid, total = _paid(alpha, gated), np.zeros(q.shape)
    for rho, short, long in zip(kinds.share, kinds.p_short, kinds.p_long, strict=True):
        law = np.stack([q * long, q * (1 - long), (1 - q) * short, (1 - q) * (1 - short)], axis=-1)
        if math.isinf(group_size):
            total += rho * _force(law, q, paid, scale, eps, 1.0)
            continue
        counts = _counts(int(group_size))
        share = counts / group_size
        bessel = group_size / (group_size - 1)
        force = _force(share, share[:, :2].sum(-1), paid, scale, eps, bessel)
        total += rho * (_chances(law, counts) @ force)
    return total


def _force(law: Array, long: Array, paid: Array, scale: str, eps: float, bessel: float) -> Array:
    """Sum over long members of A/G, from shares (..., 4) of the four classes."""
    mean = law @ paid
    gap = law[..., :2] @ paid[:2] - long * mean
    if scale == "none":
        return gap
    spread = np.sqrt(bessel * (law * (paid - mean[..., None]) ** 2).sum(-1))
    varied = spread > 8 * np.finfo(float).eps * np.abs(paid).max()  # rounding, no signal
    return np.where(varied, gap / np.where(varied, spread + eps, 1.0), 0.0)


def _counts(size: int) -> np.ndarray:
    from toyrl.dynamics.groups.compositions import multisets

    return multisets(4, size)


def _chances(law: Array, counts: np.ndarray) -> np.ndarray:
    """(..., M) chance of each composition of a group under class shares (..., 4)."""
    size = int(counts[0].sum())
    ways = [
        comb(size, a) * comb(size - a, b) * comb(size - a - b, c) for a, b, c, _ in counts.tolist()
    ]
    return np.array(ways, dtype=float) * (law[..., None, :] ** counts).prod(-1)
