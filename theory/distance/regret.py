"""What may be lost by trusting one reward where another is meant, exactly.

Worst-case regret: how much of the range of J under the first reward can be lost by going from one
policy to another that the second reward calls no worse,

    W(R1, R2) = max J1(x) - J1(y)  over x, y with  J2(y) >= J2(x),  divided by max J1 - min J1.

Returns are linear in occupancies, which form a polytope, so that it is a linear programme; by
duality it is also the least range of J under r1 - lambda r2 over lambda >= 0, a convex function of
one number whose every value costs two optimal policies. A distance of STARC bounds it from both
sides; the constants are explicit, and on large processes vacuous.

Formulas: docs/theory/distance.md.

Source: STARC (Skalse et al. 2024, paper 27, soundness and completeness); the programme, its dual
and the constants are derived.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.distance.canonical import Canonicaliser
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.solve import occupancy

__all__ = [
    "WorstCase",
    "optimisation_regret",
    "range_bound",
    "regret_bounds",
    "return_range",
    "worst_case_regret",
]

Array = Any
SMALL = 4000  # pairs up to which the linear programme is solved; beyond, its dual
STEPS = 200  # of the dual, each of which cuts off one side


@dataclass(frozen=True, eq=False)
class WorstCase:
    """The worst case of trusting the second reward, with a pair of policies that attains it.

    regret : W in [0, 1]; 0 where the first reward orders nothing
    lost : the same in units of J1
    scale : max J1 - min J1
    better, worse : (S, A) policies; the second reward calls `worse` no worse than `better`, and
        under the first it is worse by `lost`
    method : "lp" or "dual"
    steps : optimal policies found, or iterations of the linear programme
    """

    regret: float
    lost: float
    scale: float
    better: np.ndarray = field(repr=False)
    worse: np.ndarray = field(repr=False)
    method: str
    steps: int


@entry(
    "return_range",
    kind="theorem",
    cards=("27",),
    provenance="derived",
    formula="max J - min J over policies",
)
def return_range(mdp: MDP, reward: Array = None) -> float:
    """max J - min J over all policies, in reward units; 0 for a reward that orders nothing.

    reward : (S,), (S, A), (S, A, S) or sparse; None for the process's own

    Raises ValueError as `optimal` does.
    """
    (c,) = _advantages(mdp, reward)
    return 0.0 if c is None else _range(mdp, c)[0]


@entry(
    "optimisation_regret",
    kind="theorem",
    cards=("27",),
    section="section 5, the experiment",
    provenance="code",
    formula="(max J1 - J1(a policy optimal for R2)) / (max J1 - min J1)",
)
def optimisation_regret(mdp: MDP, first: Array, second: Array = None) -> float:
    """Share of the range of J1 lost by the optimal policy of the second reward, in [0, 1].

    first, second : (S,), (S, A), (S, A, S) or sparse; None for the process's own. 0 where the first
    orders nothing. The policy is the one that takes the first of the best actions.

    Raises ValueError as `optimal` does.
    """
    one, two = _advantages(mdp, first, second)
    if one is None:
        return 0.0
    scale, high, _ = _range(mdp, one)
    taken = occupancy(mdp, _optimum(mdp, np.zeros_like(one) if two is None else two).policy)
    return float(np.clip(((high - taken) * one).sum() / scale, 0.0, 1.0))


@entry(
    "worst_case_regret",
    kind="theorem",
    cards=("27",),
    section="definition of soundness",
    provenance="derived",
    formula="max J1(x) - J1(y) over J2(y) >= J2(x), over max J1 - min J1",
)
def worst_case_regret(
    mdp: MDP, first: Array, second: Array = None, *, method: str = "auto"
) -> WorstCase:
    """The most that can be lost under the first reward while the second one calls it no loss.

    first, second : (S,), (S, A), (S, A, S) or sparse; None for the process's own
    method : "lp" (HiGHS, 2 S A variables), "dual" (optimal policies along a line) or "auto"

    Raises ValueError for an unknown method and as `optimal` does; RuntimeError where the programme
    is not solved.
    """
    if method not in ("auto", "lp", "dual"):
        msg = f"method={method!r} is unknown; choose from auto, lp, dual"
        raise ValueError(msg)
    one, two = _advantages(mdp, first, second)
    if one is None:
        any_policy = occupancy(mdp)
        return _told(mdp, any_policy, any_policy, np.zeros_like(any_policy), 0.0, "dual", 0)
    scale, high, low = _range(mdp, one)
    if two is None:
        return _told(mdp, high, low, one, scale, "dual", 2)
    if method == "lp" or (method == "auto" and mdp.usable.sum() <= SMALL):
        x, y, steps = _programme(mdp, one, two)
        return _told(mdp, x, y, one, scale, "lp", steps)
    x, y, steps = _dual(mdp, one, two, (scale, high, low))
    return _told(mdp, x, y, one, scale, "dual", steps)


@entry(
    "regret_bounds",
    kind="theorem",
    cards=("27",),
    section="soundness and completeness, with constants",
    provenance="derived",
    formula="rho0 d / D0 <= W <= D0 d / (2 rho0), D0 = sqrt 2 times the largest mass",
)
def regret_bounds(mdp: MDP, distance: Array) -> tuple[np.ndarray, np.ndarray]:
    """What a distance of preset `starc` says of the worst-case regret: (at least, at most).

    distance : any shape, in [0, 2]; bounds of the same shape. W is in [0, 1] besides: an upper
        bound above 1 says nothing

    rho0 is the least occupancy that the uniform policy gives a pair that counts; the largest mass
    is 1/(1 - g) without terminal states, else the longest expected discounted time to the end.
    Both sides use that the occupancies hold a ball of radius rho0 and have diameter D0 at most.

    Raises ValueError as `optimal` does.
    """
    rho, width = _constants(mdp)
    d = np.asarray(distance, dtype=float)
    most = width / (2 * rho) if rho > 0 else np.inf  # underflow
    return rho / width * d, np.where(d > 0, most, 0.0) * d


@entry(
    "range_bound",
    kind="theorem",
    cards=("27",),
    section="soundness, VAL scaled by the range of J",
    provenance="derived",
    formula="W <= 2 mass |c1 / range1 - c2 / range2|_inf, c the advantages",
)
def range_bound(mdp: MDP, first: Array, second: Array = None) -> float:
    """An upper bound on the worst-case regret without a least occupancy: VAL over the range of J.

    first, second : (S,), (S, A), (S, A, S) or sparse; None for the process's own. Where the first
    orders nothing it is 0.

    Raises ValueError as `optimal` does.
    """
    one, two = _advantages(mdp, first, second)
    if one is None:
        return 0.0
    apart = one / _range(mdp, one)[0]
    if two is not None:
        apart = apart - two / _range(mdp, two)[0]
    return float(2 * _mass(mdp) * abs(apart).max())


# -- parts ----------------------------------------------------------------------------------------
def _advantages(mdp: MDP, *rewards: Any) -> list[np.ndarray | None]:
    """(S, A) advantages under the uniform policy; None for a reward that orders nothing.

    Differences of returns are those of the rewards: shaping has gone, and with it lost digits.
    """
    forms = Canonicaliser(mdp, "val")(rewards)
    out: list[np.ndarray | None] = []
    for c in forms:
        out.append(np.asarray(c.form.values) if float(c.norm("linf")) > 0 else None)
    return out


def _range(mdp: MDP, c: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """max J - min J and occupancies (S, A) that attain both."""
    high, low = (occupancy(mdp, _optimum(mdp, sign * c).policy) for sign in (1.0, -1.0))
    return float(((high - low) * c).sum()), high, low


def _optimum(mdp: MDP, reward: np.ndarray) -> Any:
    from toyrl.worlds.mdp.control import optimal  # it compiles its loops

    return optimal(mdp, reward)


def _mass(mdp: MDP) -> float:
    """The largest total of an occupancy."""
    if mdp.terminal is None or not mdp.terminal.any():
        return 1 / (1 - mdp.discount)
    every = mdp.usable.astype(float)
    return float(mdp.start @ _optimum(mdp, every).value)


def _constants(mdp: MDP) -> tuple[float, float]:
    counted = Canonicaliser(mdp, "val").setting.rows
    return float(occupancy(mdp)[counted].min()), float(np.sqrt(2) * _mass(mdp))


def _told(
    mdp: MDP, x: np.ndarray, y: np.ndarray, c: np.ndarray, scale: float, method: str, steps: int
) -> WorstCase:
    lost = float(((x - y) * c).sum())
    share = float(np.clip(lost / scale, 0.0, 1.0)) if scale > 0 else 0.0
    better, worse = _policy(mdp, x), _policy(mdp, y)
    return WorstCase(share, max(lost, 0.0), scale, better, worse, method, steps)


def _policy(mdp: MDP, taken: np.ndarray) -> np.ndarray:
    """(S, A) the policy of an occupancy, uniform where it never comes."""
    taken = np.maximum(taken, 0.0)
    mass = taken.sum(-1, keepdims=True)
    usable = mdp.usable / np.maximum(1, mdp.usable.sum(-1, keepdims=True))
    return np.where(mass > 0, taken / np.where(mass > 0, mass, 1.0), usable)


def _programme(mdp: MDP, one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Occupancies x, y (S, A) of the linear programme, by HiGHS."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    rows, flows, start = _flows(mdp)
    a, b = one.ravel()[rows] / abs(one).max(), two.ravel()[rows] / abs(two).max()
    found = linprog(
        np.concatenate([-a, a]),
        A_ub=csr_array(np.concatenate([b, -b])[None]),
        b_ub=[0.0],
        A_eq=flows,
        b_eq=start,
        method="highs",
    )
    if found.status != 0:
        msg = f"the linear programme is not solved: {found.message}; try method='dual'"
        raise RuntimeError(msg)
    out = np.zeros((2, rows.size))
    out[:, rows] = found.x.reshape(2, -1)
    x, y = out.reshape(2, *one.shape)
    return x, y, int(found.nit)


@lru_cache(maxsize=4)
def _flows(mdp: MDP) -> tuple[np.ndarray, Any, np.ndarray]:
    """Pairs (S A,) that count, and for both occupancies at once the flows into each state and what
    starts there: the same for all rewards on a process."""
    from scipy.sparse import block_array, eye_array, kron

    rows = Canonicaliser(mdp, "val").setting.rows.ravel()
    states = rows.reshape(mdp.n_states, -1).any(-1)
    stay = kron(eye_array(mdp.n_states), np.ones((mdp.n_actions, 1)), format="csr")
    flow = (stay - mdp.discount * mdp.pairs)[rows][:, states].T.tocsr()
    start = mdp.start[states]
    return rows, block_array([[flow, None], [None, flow]], format="csr"), np.tile(start, 2)


def _dual(
    mdp: MDP, one: np.ndarray, two: np.ndarray, start: tuple[float, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Occupancies x, y (S, A) at the least range of J under one - lambda two.

    The range is the largest of lines in lambda, one for each pair of policies: two lines that fall
    and rise meet where the next pair is looked for, until no pair is above their meeting point.
    """
    scale, x, y = start
    asked = 6  # optimal policies: of the first reward, of the second, and of the far end
    fall = _line(x - y, one, two)  # value at 0, slope downwards; its policies
    if fall[1] <= 0:  # going with the first reward is no loss under the second: nothing stops it
        return x, y, asked
    top = 2 * scale / _range(mdp, two)[0]
    _, u, v = _range(mdp, one - top * two)
    rise = _line(u - v, one, two)
    before = -1.0
    for _ in range(STEPS):
        at = (fall[0] - rise[0]) / (fall[1] - rise[1])
        value, u2, v2 = _range(mdp, one - at * two)
        asked += 2
        new = _line(u2 - v2, one, two)
        meet = fall[0] - at * fall[1]
        # the same place again: what is left is the error of the optimal policies
        if value <= meet + 1e-12 * scale or new[1] == 0 or abs(at - before) <= 1e-12 * at:
            break
        before = at
        if new[1] > 0:
            fall, x, y = new, u2, v2
        else:
            rise, u, v = new, u2, v2
    else:
        msg = f"the dual does not end in {STEPS} steps; use method='lp'"
        raise RuntimeError(msg)
    if new[1] == 0:
        return u2, v2, asked
    share = -rise[1] / (fall[1] - rise[1])  # the mixture that the second reward calls equal
    return share * x + (1 - share) * u, share * y + (1 - share) * v, asked


def _line(apart: np.ndarray, one: np.ndarray, two: np.ndarray) -> tuple[float, float]:
    return float((apart * one).sum()), float((apart * two).sum())
