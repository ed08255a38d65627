"""K Bernoulli arms with Beta priors, n pulls of one hidden task: exact values of best and other
rules.

The state of the Bayes-adaptive process is the belief: successes and failures of each arm. With
m_k the posterior mean of arm k and t pulls behind,

    Q_t(c, k) = m_k (1 + g V_(t+1)(c + success of k)) + (1 - m_k) g V_(t+1)(c + failure of k),

V_t = max over k of Q_t, V_n = 0, g the discount from one pull (an episode of length one) to the
next. Acting greedily on Q is Bayes-optimal: exploration that pays, without any bonus.

Rules beside it, all evaluated by the same sweep: the largest posterior mean (g = 0, ties at
random), Thompson sampling (an arm by the chance that it is best), and any arm alike (no memory).

Formulas: docs/theory/bandits.md.

Source: Bellman equation of the Bayes-adaptive process (Martin 1967; Duff 2002), for paper 48.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from toyrl.dynamics.memory import ranked_beliefs as ranked
from toyrl.registry import entry

Array = Any
RULES = ("greedy", "thompson", "memoryless")
MOST = 1_000_000_000
"""Beliefs that a sweep takes on unless told otherwise: some ten seconds."""


@entry(
    "belief_states",
    kind="theorem",
    cards=("48",),
    provenance="derived",
    formula="C(n + 2K, 2K)",
)
def belief_states(arms: int, horizon: int) -> int:
    """Beliefs of K arms within n pulls, those after the last one included: a whole number.

    Raises ValueError for fewer than one arm or a horizon below 0.
    """
    if not (int(arms) == arms >= 1 and int(horizon) == horizon >= 0):
        msg = f"arms={arms} must be a whole number from 1 on, horizon={horizon} from 0 on"
        raise ValueError(msg)
    return comb(int(horizon) + 2 * int(arms), 2 * int(arms))


@entry(
    "bayes_adaptive_value",
    kind="theorem",
    cards=("48",),
    section="Eq. 1",
    provenance="derived",
    formula="max_k m_k (1 + g V(c + success)) + (1 - m_k) g V(c + failure)",
)
def bayes_adaptive_value(
    arms: int,
    horizon: int,
    discount: float = 1.0,
    a0: Array = 1.0,
    b0: Array = 1.0,
    most: int = MOST,
) -> float:
    """Largest expected discounted number of successes in n pulls of K arms, exactly.

    discount : g in [0, 1], from one pull to the next
    a0, b0 : Beta prior of the arms, scalars or (K,), above 0
    most : beliefs beyond which it refuses

    Raises ValueError for arguments out of their ranges, and, with the number of beliefs and the
    memory, for more of them than `most`.
    """
    a, b, n = _prior(arms, horizon, a0, b0)
    _fits(arms, n, most, stored=False)
    return float(_swept(a, b, n, discount, np.zeros(0, np.uint8)).max()) if n else 0.0


@entry(
    "bandit_rule_total",
    kind="theorem",
    cards=("48",),
    section="E3",
    provenance="derived",
    formula="V(c) = sum_k w_k(c) (m_k (1 + V(c + success)) + (1 - m_k) V(c + failure))",
)
def bandit_rule_total(
    rule: str, arms: int, horizon: int, a0: Array = 1.0, b0: Array = 1.0, most: int = MOST // 10
) -> float:
    """Expected number of successes in n pulls of a rule that doesn't look ahead, exactly.

    rule : one of `RULES`: "greedy" is the largest posterior mean, ties at random; "thompson" takes
        whole numbers a0, b0, for which Gauss-Legendre nodes integrate exactly; "memoryless" takes
        any arm alike
    a0, b0 : scalars or (K,); other arguments as for `bayes_adaptive_value`

    Raises ValueError for an unknown rule, and as `bayes_adaptive_value` does.
    """
    if rule not in RULES:
        msg = f"rule={rule!r} is unknown; choose from {', '.join(RULES)}"
        raise ValueError(msg)
    a, b, n = _prior(arms, horizon, a0, b0)
    _fits(arms, n, most, stored=False)
    if n == 0:
        return 0.0
    pdf, cdf = _nodes(a, b, n) if rule == "thompson" else (np.zeros((0, 0, 0, 0)),) * 2
    table, starts = ranked.binomials(len(a), n), ranked.sizes(len(a), n)
    return float(ranked.total(a, b, n, table, starts, RULES.index(rule), pdf, cdf))


@entry(
    "best_arm_mean",
    kind="theorem",
    cards=("48",),
    section="6.2",
    provenance="derived",
    formula="K / (K + 1) for uniform priors",
)
def best_arm_mean(arms: int) -> float:
    """E of the best of K uniform chances: what an oracle is paid a pull, scalar.

    Raises ValueError for fewer than one arm.
    """
    if not arms >= 1:
        msg = f"arms={arms} must be at least 1"
        raise ValueError(msg)
    return arms / (arms + 1)


@dataclass(frozen=True, eq=False)
class BayesPolicy:
    """The best arms of every belief.

    arms, horizon : K, n
    prior : (K, 2) a, b of each arm
    first : (K,) values of the first pull
    ties : (beliefs,) uint8, a bit for each best arm, layer after layer
    """

    arms: int
    horizon: int
    prior: np.ndarray
    first: np.ndarray
    ties: np.ndarray

    def play(self, rng: np.random.Generator, blocks: int) -> np.ndarray:
        """(blocks,) successes within n pulls of tasks drawn from the prior; ties at random."""
        theta = rng.beta(self.prior[:, 0], self.prior[:, 1], size=(blocks, self.arms))
        table = ranked.binomials(self.arms, self.horizon)
        starts = ranked.sizes(self.arms, self.horizon)
        return ranked.played(theta, self.horizon, table, starts, self.ties, rng)


@entry(
    "bayes_policy",
    kind="theorem",
    cards=("48",),
    section="Eq. 2",
    provenance="derived",
    formula="argmax_k m_k (1 + g V(c + success)) + (1 - m_k) g V(c + failure)",
)
def bayes_policy(
    arms: int,
    horizon: int,
    discount: float = 1.0,
    a0: Array = 1.0,
    b0: Array = 1.0,
    most: int = MOST // 5,
) -> BayesPolicy:
    """The Bayes-optimal policy as a table, a byte for each belief.

    a0, b0 : scalars or (K,); other arguments as for `bayes_adaptive_value`

    Raises ValueError as it does, and for more than eight arms or no pull.
    """
    a, b, n = _prior(arms, horizon, a0, b0)
    if arms > 8 or n < 1:
        msg = f"arms={arms}, horizon={horizon}: a table of best arms takes 8 arms, from 1 pull on"
        raise ValueError(msg)
    _fits(arms, n, most, stored=True)
    ties = np.zeros(comb(n - 1 + 2 * arms, 2 * arms), np.uint8)
    return BayesPolicy(arms, n, np.stack([a, b], -1), _swept(a, b, n, discount, ties), ties)


# -- inside ----------------------------------------------------------------------------------------
def _swept(a: np.ndarray, b: np.ndarray, n: int, discount: float, ties: np.ndarray) -> np.ndarray:
    if not 0 <= discount <= 1:
        msg = f"discount={discount} must lie in [0, 1]"
        raise ValueError(msg)
    table, starts = ranked.binomials(len(a), n), ranked.sizes(len(a), n)
    return ranked.optimum(a, b, n, float(discount), table, starts, ties)


def _prior(arms: int, horizon: int, a0: Array, b0: Array) -> tuple[np.ndarray, np.ndarray, int]:
    belief_states(arms, horizon)
    if not {np.shape(a0), np.shape(b0)} <= {(), (arms,)}:
        msg = f"a0={a0}, b0={b0} must be numbers, or one for each of {arms} arms"
        raise ValueError(msg)
    a, b = (np.broadcast_to(np.asarray(x, dtype=float), (arms,)).copy() for x in (a0, b0))
    if not (np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)).all():
        msg = f"a0={a0}, b0={b0} must be finite and above 0: they are a Beta prior"
        raise ValueError(msg)
    return a, b, int(horizon)


def _fits(arms: int, n: int, most: int, *, stored: bool) -> None:
    states, layer = belief_states(arms, n), comb(max(n - 1, 0) + 2 * arms - 1, 2 * arms - 1)
    if states > most:
        held = 8 * layer + (states if stored else 0)
        msg = (
            f"arms={arms}, horizon={n}: {states:.2g} beliefs, C(n + 2K, 2K), and {held / 2**30:.2g}"
            f" GiB for the largest layer{' and the table' if stored else ''}; the limit is "
            f"most={most:.2g} beliefs. Take fewer arms or pulls, or raise `most`"
        )
        raise ValueError(msg)


def _nodes(a: np.ndarray, b: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(K, n, n, nodes) weighted densities and (K, n, n, nodes) distribution functions."""
    from scipy.stats import beta

    if (a != np.round(a)).any() or (b != np.round(b)).any():
        msg = f"a0={a}, b0={b}: thompson takes whole numbers, whose densities are polynomials"
        raise ValueError(msg)
    degree = n + int((a + b).sum()) - len(a)
    x, w = np.polynomial.legendre.leggauss(degree // 2 + 1)
    x, w = (x + 1) / 2, w / 2
    s, f = np.arange(n)[:, None, None], np.arange(n)[None, :, None]
    laws = [(p + s, q + f) for p, q in zip(a, b, strict=True)]
    density = np.array([beta.pdf(x, *law) * w for law in laws])
    return density, np.array([beta.cdf(x, *law) for law in laws])
