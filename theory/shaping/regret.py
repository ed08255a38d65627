"""How much a shaping term can cost: the worst-case regret, and a reward and policies that show it.

W = max over policies of J_f - min over policies of J_f, f the expected term, J from the start. If
pi' is optimal for R + f and pi* for R, then J_R(pi*) - J_R(pi') <= W for every R, and the bound is
sharp: R = -c rho, rho the residual of f, 0 < c < 1, loses exactly c W. W = 0 for differences of
potentials, and for those alone where every state is reached.

Formulas: docs/theory/shaping.md.

Source: derived. Arrays are by pair (S, A) and by state (S,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.shaping.potential import PotentialTest, potential_test
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.solve import policy_return


@dataclass(frozen=True, eq=False)
class WorstRegret:
    """The worst-case regret of a term.

    value : W, in units of the return
    error : bound on the error of W; a W below it is 0 to rounding
    most, least : (S, A) policies of the largest and the smallest J_f
    test : the term's potential and residual, by pairs
    """

    value: float
    error: float
    most: np.ndarray
    least: np.ndarray
    test: PotentialTest


@dataclass(frozen=True, eq=False)
class Witness:
    """A reward that the term makes a learner fail at.

    reward : (S, A) base reward R = -share rho
    truth, shaped : (S, A) policies that are optimal for R and for R + f
    regret : J_R(truth) - J_R(shaped), in units of the return
    bound : W
    """

    reward: np.ndarray
    truth: np.ndarray
    shaped: np.ndarray
    regret: float
    bound: float


@entry(
    "worst_regret",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    section="T7",
    formula="W(f) = max over pi of J_f(pi) - min over pi of J_f(pi)",
)
def worst_regret(mdp: MDP, term: Any) -> WorstRegret:
    """W of a term from the start of the process, by two optimal controls of the residual.

    term : a reward in any of its forms: (S,), (S, A), (S, A, S), sparse (S*A, S)

    States that no start reaches count for nothing: give a start of full support to see all of
    them. Raises ValueError for another shape, numbers that are not finite, and at discount 1
    where some policy never ends.
    """
    test = potential_test(mdp, term)
    high, low = optimal(mdp, test.residual), optimal(mdp, -test.residual)
    gain = float(mdp.start @ high.value + mdp.start @ low.value)
    # the fit's rounding, paid at every step of either policy
    steps = 1 / (1 - mdp.discount) if mdp.discount < 1 else float(mdp.n_states)
    rounding = 64 * np.finfo(float).eps * float(np.abs(test.potential).max(initial=0.0))
    error = high.error + low.error + 2 * rounding * steps
    return WorstRegret(max(gain, 0.0), error, high.policy, low.policy, test)


@entry(
    "shaping_witness",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    section="T7",
    formula="R = -c rho loses c W",
)
def witness(mdp: MDP, term: Any, *, share: float = 0.99) -> Witness:
    """A base reward for which optimising R + f loses share * W; nothing is lost where W is 0.

    term : as for `worst_regret`; share : c in (0, 1); rewards are by pair, (S, A)

    Raises ValueError for a share outside (0, 1), and as `worst_regret` does.
    """
    if not 0 < share < 1:
        msg = f"share={share} must lie in (0, 1): at 1 every policy is optimal for R + f"
        raise ValueError(msg)
    found = worst_regret(mdp, term)
    reward = -share * found.test.residual
    best, reached = (float(policy_return(mdp, p, reward)) for p in (found.least, found.most))
    return Witness(reward, found.least, found.most, best - reached, found.value)
