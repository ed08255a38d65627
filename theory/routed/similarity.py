"""What BMAS pays texts that aren't right: floors, dumps of words, and signal where none was.

BMAS = (P + Q)/2, P the mean over the answer's tokens of the best cosine in the target and Q the
reverse. Where distinct tokens are orthogonal, P is the share of the answer's tokens that the target
has, Q the share of the target's that the answer has.

Formulas: docs/theory/routed.md.

Source: derived, for paper 50, whose formula is reconstructed.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from toyrl.ranges import SHARE, Range, checked
from toyrl.registry import entry

Array = Any
COSINE = Range("[0, 1)")


@entry(
    "floored_similarity",
    kind="theorem",
    cards=("50",),
    provenance="derived",
    formula="c + (1 - c) (P_0 + Q_0)/2",
)
@checked
def floored_similarity(
    precision: Annotated[Array, SHARE], recall: Annotated[Array, SHARE],
    cosine: Annotated[Array, SHARE],
) -> np.ndarray:  # fmt: skip
    """BMAS where all distinct tokens have the same cosine: a floor, and less room above it.

    An affine map of the orthogonal value, so that normalisation within a group takes it away.

    precision, recall : orthogonal values in [0, 1]; cosine : in [0, 1]; all broadcast

    Raises ValueError for an argument outside [0, 1].
    """
    precision, recall, cosine = (np.asarray(x, dtype=float) for x in (precision, recall, cosine))
    return cosine + (1 - cosine) * (precision + recall) / 2


@entry(
    "hidden_share",
    kind="theorem",
    cards=("50",),
    provenance="derived",
    formula="BMAS of a dump: (1 + n/V)/2 of all V words, (1 + 1/n)/2 of one word of n",
)
@checked
def hidden_share(share: Annotated[Array, SHARE]) -> np.ndarray:
    """BMAS of an answer that is perfect in one direction and has `share` in the other.

    The whole vocabulary of V words against n: share n/V. One word of the target: share 1/n. Both
    hacks, complete in one direction alone, end near 1/2, not near 0. Broadcasts.

    Raises ValueError for a share outside [0, 1].
    """
    return (1 + np.asarray(share, dtype=float)) / 2


@entry(
    "dump_accuracy",
    kind="theorem",
    cards=("50",),
    provenance="derived",
    formula="p* = ((1 + 1/k)/2 - c)/(1 - c), at least 0",
)
@checked
def dump_accuracy(
    options: Annotated[Array, Range("[1, inf)")], cosine: Annotated[Array, COSINE] = 0.0
) -> np.ndarray:
    """The accuracy in [0, 1] up to which listing all k options beats guessing under BMAS.

    A guess that is right with probability p is paid p + (1 - p) c, the list hidden_share(1/k) where
    options are orthogonal to each other and c is the floor of a wrong guess.

    options : k >= 1; cosine : c in [0, 1); they broadcast

    Raises ValueError for fewer options than one, and for a cosine outside [0, 1).
    """
    options, cosine = (np.asarray(x, dtype=float) for x in (options, cosine))
    return np.maximum((hidden_share(1 / options) - cosine) / (1 - cosine), 0.0)


@entry(
    "slot_law",
    kind="theorem",
    cards=("50",),
    provenance="derived",
    formula="P(j of m right) = C(m, j) p^j (1 - p)^(m - j)",
)
def slot_law(p: Array, slots: int) -> np.ndarray:
    """(..., m + 1) law of how many of m slots are right; BMAS pays j/m, exact match the last alone.

    With `toyrl.theory.group.spread.group_spread` it says how often a group has any signal.

    p : (...,) chance of each slot, in [0, 1]; slots : m >= 1, whole

    Raises ValueError for other numbers.
    """
    from toyrl.theory.group.variance import count_law

    if not (isinstance(slots, int) and slots >= 1):
        msg = f"slots={slots} must be a whole number from 1 on"
        raise ValueError(msg)
    p = np.asarray(p, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        msg = f"p={p.tolist()} must lie in [0, 1]"
        raise ValueError(msg)
    return count_law(p, slots)
