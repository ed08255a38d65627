"""What returns can't tell: factors without variation, twins, and sets that lie in one plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PLAIN = 1e-7
"""Share of a column's size below which what is left of it is rounding."""


@dataclass(frozen=True)
class Unidentified:
    """One reason why weights aren't identified.

    kind : "constant", "same", "collinear" or "few"; factors : whose weights; says : a sentence
    """

    kind: str
    factors: tuple[str, ...]
    says: str


def unidentified(
    z: np.ndarray, names: Sequence[str], free: float, where: str
) -> list[Unidentified]:
    """Why weights of factors can't be told from returns.

    z (M, D) sums of factors less their level, all rollouts that tell; free : their degrees of
    freedom; where : within what they vary, "prompts" or "rollouts"
    """
    out: list[Unidentified] = []
    size = np.sqrt((z**2).sum(0))
    flat = size <= PLAIN * max(size.max(initial=0.0), 1e-300)
    for k in np.flatnonzero(flat).tolist():
        said = f"{names[k]}: its sum doesn't differ within {where}; it has no weight and pays 0"
        out.append(Unidentified("constant", (names[k],), said))
    left = [int(k) for k in np.flatnonzero(~flat)]
    unit = z[:, left] / size[left] if left else z[:, :0]
    gram = unit.T @ unit
    kept: list[int] = []
    for i, k in enumerate(left):
        twin = next((left[j] for j in kept if abs(gram[i, j]) > 1 - PLAIN), None)
        if twin is None:
            kept.append(i)
        else:
            how = "the same" if abs(size[k] / size[twin] - 1) < PLAIN else "in proportion"
            said = f"{names[twin]} and {names[k]} are {how}: they share one weight"
            out.append(Unidentified("same", (names[twin], names[k]), said))
    if kept:
        out += _planes(gram[np.ix_(kept, kept)], [names[left[i]] for i in kept])
    rank = int(np.linalg.matrix_rank(gram, tol=PLAIN)) if left else 0
    if free <= rank + 1:
        said = (
            f"{free:.0f} differences of returns for {rank} factors: their weights have no mean "
            f"error below {rank + 2}; give fewer factors or more rollouts"
        )
        out.append(Unidentified("few", tuple(names), said))
    return out


def _planes(gram: np.ndarray, names: Sequence[str]) -> list[Unidentified]:
    """Sets of three and more factors of which one is a sum of the others."""
    value, vector = np.linalg.eigh(gram)
    null = vector[:, value < PLAIN]
    out = []
    while null.shape[1]:
        # The direction of the fewest factors: eliminate, one column at a time.
        pivot = int(np.abs(null).max(1).argmax())
        lead = int(np.abs(null[pivot]).argmax())
        own = null[:, lead] / null[pivot, lead]
        null = np.delete(null - np.outer(own, null[pivot]), lead, axis=1)
        of = tuple(names[k] for k in np.flatnonzero(np.abs(own) > 1e-4).tolist())
        said = f"{', '.join(of)} lie in one plane: their weights can be traded for one another"
        out.append(Unidentified("collinear", of, said))
    return out
