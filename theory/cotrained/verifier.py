"""What a verifier's errors do to the pairs of a reward model, and to the labels it starts from.

Rejecting right answers makes positives rarer and none of them wrong. Accepting hacks turns pairs
round: at w_c = w_h = w the model leans to the hack as soon as hacks are more than
(h + (1-h) sigma(-w))/(h + 2(1-h) sigma(-w)) >= 1/2 of the positives.

Formulas: docs/theory/cotrained.md. Source: derived, for paper 28.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "tolerated_false_share",
    kind="theorem",
    cards=("28",),
    provenance="derived",
    formula="(h + (1-h) sigma(-w))/(h + 2(1-h) sigma(-w))",
)
def tolerated_false_share(level: Array, share: Array) -> np.ndarray:
    """The share of positives that may be hacks before the model comes to like the hack more.

    Of the positives that a verifier lets through a share are hacks. At w_c = w_h = level (in
    logits) the model moves towards right answers below the share that is returned, towards the hack
    above it. At least 1/2 whatever the level, 1 where all negatives look like the hack (h = 1).

    level, share : (...), broadcast; share in [0, 1]; the answer has their shape

    Raises ValueError for a share outside.
    """
    from scipy.special import expit

    h = np.asarray(share, dtype=float)
    if not np.all((h >= 0) & (h <= 1)):
        msg = f"share={h.tolist()} must lie in [0, 1]: it is a share of the negatives"
        raise ValueError(msg)
    plain = (1 - h) * expit(-np.asarray(level, dtype=float))
    total = h + 2 * plain  # 0 where plain negatives teach nothing any more, and there are no others
    return np.where(total > 0, (h + plain) / np.where(total > 0, total, 1.0), 0.5)[()]


@entry(
    "agreed_labels",
    kind="theorem",
    cards=("28",),
    section="hybrid annotation",
    provenance="derived",
    formula="kept = p (s1 s2 + e1 e2) + ..., wrong labels among them",
)
def agreed_labels(
    p: Array, rule: tuple[float, float], judge: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(share of texts kept, share of wrong labels among those) where two verdicts must agree.

    p : in [0, 1], broadcast: share of right texts; rule, judge : chances (false negative, false
    positive) of each, in [0, 1], their errors independent given the text. NaN wrong of none kept.

    Raises ValueError for chances outside [0, 1].
    """
    p = np.asarray(p, dtype=float)
    numbers = np.array([*rule, *judge], dtype=float)
    if not (np.all((p >= 0) & (p <= 1)) and np.all((numbers >= 0) & (numbers <= 1))):
        msg = f"p={p.tolist()}, rule={rule}, judge={judge}: chances in [0, 1]"
        raise ValueError(msg)
    (up, down), (up2, down2) = rule, judge
    good = p * (1 - up) * (1 - up2) + (1 - p) * (1 - down) * (1 - down2)
    bad = p * up * up2 + (1 - p) * down * down2
    kept = good + bad
    return kept[()], np.where(kept > 0, bad / np.where(kept > 0, kept, 1.0), np.nan)[()]
