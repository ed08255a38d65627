"""What a learned conciseness score's error costs, paid through the outcome (CRF) or beside it.

A model says c + e in the place of c. Names as in `toyrl.theory.length.conciseness`; the score's
moments with its error in it go into every theorem there. Derived, for paper 01.

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "score_error_noise",
    kind="theorem",
    cards=("01",),
    section="derived",
    provenance="derived",
    formula="kappa^2 (p w1 + (1-p) w0) additive, kappa^2 p w1 for CRF",
)
def score_error_noise(p: Array, kappa: Array, w1: Array, w0: Array) -> tuple[Array, Array]:
    """What the error adds to E[Var(R | o)] of R_add and R_crf: of wrong answers CRF pays none.

    w1, w0 : Var(e | o) + 2 Cov(c, e | o) for right and wrong answers, any shape; an error that
        shrinks scores towards their mean makes it negative. p, kappa broadcast with them.
    """
    k2 = np.asarray(kappa, dtype=float) ** 2
    crf = k2 * p * np.asarray(w1, dtype=float)
    return crf + k2 * (1 - np.asarray(p, dtype=float)) * np.asarray(w0, dtype=float), crf


@entry(
    "score_error_margin",
    kind="theorem",
    cards=("01",),
    section="derived",
    provenance="derived",
    formula="kappa delta/(1 + kappa c)",
)
def score_error_margin(kappa: Array, delta: Array, score: Array = 1.0) -> np.ndarray:
    """Relative gain of accuracy below which CRF skips work that the model underrates by delta.

    The short way, scored c, is right with p_S, the work with p_L = p_S (1 + gain) and is scored
    c - delta where it deserves c: CRF prefers the short way iff 1 - p_S/p_L is below this margin.

    kappa >= 0, delta in [0, c], score c in [0, 1]: any shape, they broadcast.
    """
    k = np.asarray(kappa, dtype=float)
    return k * np.asarray(delta, dtype=float) / (1 + k * np.asarray(score, dtype=float))
