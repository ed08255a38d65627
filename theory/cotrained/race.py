"""How many pairs a reward model is taught before the policy that exploits it gives no more.

A pair needs a right answer in the group: 1 - (1 - p)^G, p the policy's share of right answers.
While the model still likes the hack, GRPO lowers p, and with it the pairs. Against one hack alone,
with standard deviations of infinite groups, x = logit p moves by x' = -lr/cosh(x/2): sinh(x/2)
falls in a straight line, p as 1/t^2, and pairs are finite in number (`pairs_left`).

In groups of G both events, a pair and a push away from the right answer, need a right one among
G: at small p they come in a fixed ratio, x' = -2 lr p (G - 1)/sqrt(G) against G p pairs an update.
So there are G^(3/2)/(2 lr (G - 1)) pairs for every factor e by which p falls (`pairs_per_efold`),
p falls as 1/t only, and pairs come for ever, if ever more slowly: the failure is slow, not
absorbing.

Formulas: docs/theory/cotrained.md. Source: derived, for paper 28.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "pairs_left",
    kind="theorem",
    cards=("28",),
    provenance="derived",
    formula="(1/2lr) int_0^p (1-(1-y)^G) (y(1-y))^(-3/2) dy",
)
def pairs_left(p: Array, group_size: int, rate: float) -> np.ndarray:
    """Pairs that come before right answers are gone, against one hack, in infinite groups' flow.

    p : in [0, 1), broadcast: share of right answers, the hack's is the rest; group_size : >= 1, of
    whom one must be right for a pair; rate lr > 0 of the policy. A sum of incomplete beta
    functions, 2 sqrt(p/(1-p)) + sum_(k=1)^(G-1) B(p; 1/2, k - 1/2), over 2 lr.

    Raises ValueError for arguments out of their ranges.
    """
    from scipy.special import beta, betainc

    p = np.asarray(p, dtype=float)
    _race(group_size, rate)
    if not np.all((p >= 0) & (p < 1)):
        msg = f"p={p.tolist()} must lie in [0, 1): at 1 there is no hack to run from"
        raise ValueError(msg)
    k = np.arange(1, int(group_size))
    total = (betainc(0.5, k - 0.5, p[..., None]) * beta(0.5, k - 0.5)).sum(-1)
    return ((2 * np.sqrt(p / (1 - p)) + total) / (2 * rate))[()]


@entry(
    "pairs_per_efold",
    kind="theorem",
    cards=("28",),
    provenance="derived",
    formula="G^(3/2)/((1 + m) lr (G-1))",
)
def pairs_per_efold(group_size: int, rate: float, *, losers: int = 1) -> float:
    """Pairs for each factor e by which rare right answers get rarer, under GRPO in groups of G.

    group_size G >= 2; rate lr > 0; losers m >= 1 : kinds of answers equally rare that the hack
    wins over, right ones included: each pushes the hack up when it turns up

    Raises ValueError for arguments out of their ranges.
    """
    _race(group_size, rate, least=2)
    if losers < 1:
        msg = f"losers={losers} counts right answers too; give 1 or more"
        raise ValueError(msg)
    return float(group_size**1.5 / ((1 + losers) * rate * (group_size - 1)))


def _race(group_size: int, rate: float, *, least: int = 1) -> None:
    if not (group_size >= least and group_size % 1 == 0):
        msg = f"group_size={group_size} must be a whole number, {least} or above"
        raise ValueError(msg)
    if not (rate > 0 and np.isfinite(rate)):
        msg = f"rate={rate} must be finite and above 0: it is a learning rate"
        raise ValueError(msg)
