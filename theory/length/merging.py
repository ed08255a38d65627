"""What update-selective merging keeps of dense noise, and limits by difficulty. Both derived.

A trained model is its base plus a sparse large change on a share s of the weights and small
Gaussian noise on all of them. Merging keeps the share t >= s that changed most, times `scale`: all
of the large part, and of the rest the (t - s)/(1 - s) largest. The setting is that of "DLER: Doing
Length pEnalty Right".

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "merge_noise_kept",
    kind="theorem",
    cards=("08",),
    section="update-selective merge; derived",
    provenance="derived",
    formula="scale^2 (a + 2 z phi(z)), P(|x| > z) = a = (t - s)/(1 - s)",
)
def merge_noise_kept(support: Array, share: Array = 0.25, scale: float = 0.7) -> np.ndarray:
    """Energy of the noise beside the large part that a merge keeps, over all of it there.

    0 where the large part fills the kept share, scale^2 at a kept share of 1, as under plain
    interpolation. The energy sits in the tails: keeping a hundredth of the entries keeps eight
    hundredths of it.

    support : s in [0, 1); share : t in [0, 1], below s counts as s; they broadcast.
    Raises ValueError for a support outside [0, 1) and a share outside [0, 1].
    """
    from scipy.special import ndtri

    s, t = np.asarray(support, dtype=float), np.asarray(share, dtype=float)
    for name, x, inside in (("support", s, (s >= 0) & (s < 1)), ("share", t, (t >= 0) & (t <= 1))):
        if not np.all(inside):
            msg = f"{name}={x} must lie in [0, 1{')' if name == 'support' else ']'}"
            raise ValueError(msg)
    a = np.maximum(t - s, 0.0) / (1 - s)
    z = np.where(a > 0, -ndtri(np.where(a > 0, a, 1.0) / 2), 0.0)
    tail = 2 * z * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return scale**2 * np.where(a > 0, a + tail, 0.0)


@entry(
    "limits_by_difficulty",
    kind="theorem",
    cards=("08",),
    section="DA-DLER; derived",
    provenance="derived",
    formula="easy if p(easy) >= d, else min(hard, p^-1(d))",
)
def limits_by_difficulty(
    tau: Array, easy: float, hard: float, threshold: float = 0.5
) -> np.ndarray:
    """Best length of a prompt solved with chance 1 - exp(-n/tau), paid up to a limit by solve rate.

    A prompt that the easy limit solves often enough stops there. A harder one goes on, up to the
    hard limit at most, but never past the length at which its solve rate reaches the threshold:
    beyond it the prompt counts as easy, and its long answers are paid nothing.

    tau : any shape, tokens > 0; 0 < easy <= hard in tokens; threshold in (0, 1). For real lengths.
    """
    tau = np.asarray(tau, dtype=float)
    turns = -tau * np.log1p(-threshold)
    return np.where(turns <= easy, easy, np.minimum(hard, turns))
