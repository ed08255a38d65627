"""Is a shaping term a difference of potentials? The test, the potential and what is left over.

F(s, a, s') = discount Phi(s') - Phi(s), Phi = 0 in terminal states, changes every policy's value by
-Phi(s) and so no order of policies: the only such family for all dynamics. Two levels:

    transitions   every possible step has that form: harmless whatever the chances of the steps
    pairs         the expected term of each state and action has it: harmless on this process

The first implies the second. What cannot be written so is the residual of a least-squares fit on
the incidence matrix of the graph (rows steps or pairs, columns states that are not terminal).

Formulas: docs/theory/shaping.md.

Source: Ng, Harada and Russell 1999, Theorem 1; the tests derived. Arrays are by state (S,), by pair
(S, A), or by transition, as `toyrl.worlds.mdp` takes rewards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.worlds.mdp.model import MDP, policy_matrix
from toyrl.worlds.mdp.projection import fit_potential
from toyrl.worlds.mdp.rewards import as_pairs, expected_reward, tabulated

LEVELS = ("transitions", "pairs")
MOST_ENDS = 200  # terminal states whose potentials are fitted
FIT = 1e-13  # of the gradient, relative, where the fit is iterative
ROUNDING = 1e-9  # of the residual, in units of the largest term, or of 1 if that is smaller


@entry(
    "potential_term",
    kind="theorem",
    cards=("56",),
    provenance="text",
    section="Theorem 1",
    formula="F(s, a, s') = discount Phi(s') - Phi(s)",
)
def potential_term(mdp: MDP, phi: Any) -> Any:
    """Sparse (S*A, S) discount phi(s') - phi(s) on the possible transitions, row s*A + a.

    phi : (S,) in reward units; read as 0 in terminal states

    Raises ValueError for a phi of another shape or not finite.
    """
    from scipy.sparse import csr_array

    value, P = _potential(mdp, phi), mdp.pairs
    here = np.repeat(np.arange(mdp.n_states * mdp.n_actions), np.diff(P.indptr))
    data = mdp.discount * value[P.indices] - value[here // mdp.n_actions]
    return csr_array((data, P.indices.copy(), P.indptr.copy()), shape=P.shape)


@entry(
    "expected_potential_term",
    kind="theorem",
    cards=("56",),
    provenance="text",
    section="Theorem 1",
    formula="f(s, a) = discount sum over s' of P Phi(s') - Phi(s)",
)
def expected_potential_term(mdp: MDP, phi: Any) -> np.ndarray:
    """(S, A) expectation of `potential_term` over the next state; 0 where no action can be taken.

    phi : (S,). Raises ValueError for a phi of another shape or not finite.
    """
    return expected_reward(mdp, potential_term(mdp, phi))


@entry(
    "look_ahead_term",
    kind="theorem",
    cards=("56",),
    provenance="text",
    section="Wiewiora, Cottrell and Elkan 2003",
    formula="f(s, a) = discount E Phi(s', a') - Phi(s, a), a' drawn by the policy",
)
def look_ahead_term(mdp: MDP, phi: Any, policy: Any = None) -> np.ndarray:
    """(S, A) expected look-ahead advice of a potential of actions, under a policy.

    Q changes by -phi(s, a) under that policy, so the greedy action is argmax of Q' + phi: taking
    the argmax of Q' alone is biased.

    phi : (S, A), read as 0 in terminal states; policy : (S, A) or (S,) actions, None: uniform

    Raises ValueError for a phi of another shape or not finite, and for a policy that is none.
    """
    given = np.asarray(phi, dtype=float)
    if given.shape != (mdp.n_states, mdp.n_actions) or not np.isfinite(given[mdp.usable]).all():
        msg = (
            f"phi has shape {given.shape}; a potential of actions is "
            f"({mdp.n_states}, {mdp.n_actions}), finite"
        )
        raise ValueError(msg)
    given = np.where(mdp.usable, given, 0.0)
    ahead = (policy_matrix(mdp, policy) * given).sum(-1)
    after = np.asarray(mdp.pairs @ ahead).reshape(given.shape)
    return np.where(mdp.usable, mdp.discount * after - given, 0.0)


@dataclass(frozen=True, eq=False)
class PotentialTest:
    """What a test found.

    potential : (S,) the closest one, 0 in terminal states and where nothing was tested
    residual : (E,) or (S, A) the term less that of the potential, in reward units
    places : (E, 3) state, action and next state of each entry of (E,); None by pairs
    level : "transitions" or "pairs"
    tolerance : the largest residual that is rounding
    method : how the fit was found, in a sentence
    """

    potential: np.ndarray
    residual: np.ndarray
    places: np.ndarray | None
    level: str
    tolerance: float
    method: str

    @property
    def size(self) -> float:
        """Largest absolute residual, in reward units."""
        return float(np.abs(self.residual).max(initial=0.0))

    @property
    def holds(self) -> bool:
        """Whether the term is a difference of potentials at this level."""
        return self.size <= self.tolerance

    @property
    def worst(self) -> tuple[int, ...]:
        """State and action (and next state, by transitions) of the largest residual."""
        if self.places is None:
            s, a = np.unravel_index(np.abs(self.residual).argmax(), self.residual.shape)
            return int(s), int(a)
        return tuple(int(i) for i in self.places[np.abs(self.residual).argmax()])


@entry(
    "potential_test",
    kind="theorem",
    cards=("56", "27"),
    provenance="derived",
    formula="residual = F - B Phi of the least-squares Phi",
)
def potential_test(
    mdp: MDP, term: Any, *, level: str = "pairs", reachable: bool = False
) -> PotentialTest:
    """The closest difference of potentials to a term, and the residual.

    term : a reward in any of its forms: (S,), (S, A), (S, A, S), sparse (S*A, S), or a function
        of state, action and next state
    level : "pairs": the expected term on this process; "transitions": every possible step
    reachable : look only at states that some policy reaches from the start

    Cost: a factorisation of a small or narrow graph, O(E) a step of conjugate gradients of a large
    one (E possible transitions). Raises ValueError for another level, another shape, or a term that
    is not finite where it is paid; RuntimeError where conjugate gradients don't get there.
    """
    if level not in LEVELS:
        msg = f"level={level!r} is unknown; choose from {', '.join(LEVELS)}"
        raise ValueError(msg)
    seen = mdp.reachable if reachable else np.ones(mdp.n_states, dtype=bool)
    if level == "pairs":
        graph, paid, places = mdp, expected_reward(mdp, term), None
    else:
        places, listed = on_transitions(mdp, term)
        graph, slot = _by_transition(mdp, places)
        paid = np.zeros((mdp.n_states, graph.n_actions))
        paid[places[:, 0], slot] = listed
    paid = np.where(seen[:, None], paid, 0.0)
    fit = fit_potential(graph, paid, weight=graph.usable * seen[:, None], tolerance=FIT)
    left = fit.left
    if places is not None:
        kept = seen[places[:, 0]]
        places, left = places[kept], left[places[kept, 0], slot[kept]]
    # what rounding leaves of a fit: a term cancels values of the potential, which may be larger
    size = max(1.0, float(np.abs(paid).max(initial=0.0)))
    floor = 64 * np.finfo(float).eps * float(np.abs(fit.potential).max(initial=0.0))
    return PotentialTest(-fit.potential, left, places, level, ROUNDING * size + floor, fit.status)


@dataclass(frozen=True, eq=False)
class Explained:
    """What potentials and some other terms explain of one.

    shares : (k,) of each other term, by least squares; 0 for one that potentials explain already
    ends : (S,) potential of each terminal state, where these may have one; else 0
    residual : (S, A) what is left, in reward units
    tolerance : the largest residual that is rounding
    """

    shares: np.ndarray
    ends: np.ndarray
    residual: np.ndarray
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether nothing is left."""
        return float(np.abs(self.residual).max(initial=0.0)) <= self.tolerance


@entry(
    "free_choice_process",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    section="Theorem 1, necessity",
    formula="one action for each possible (s, a, s'), which pays F(s, a, s')",
)
def free_choice(mdp: MDP, term: Any) -> tuple[MDP, np.ndarray]:
    """The process in which the learner also chooses the next state, and a term on it by pair.

    Every law of the next state on the same possible transitions is a mixture of these choices, so
    `worst_regret` there is what the term can cost at most under any law: 0 for differences of
    potentials alone, where every state is reached. Its K actions are the transitions of a state.

    term : a reward in any of its forms, (S,), (S, A), ...; answers (process, (S, K))

    Raises ValueError for another shape, or a term that is not finite where it is paid.
    """
    places, listed = on_transitions(mdp, term)
    graph, slot = _by_transition(mdp, places)
    paid = np.zeros((mdp.n_states, graph.n_actions))
    paid[places[:, 0], slot] = listed
    return graph, paid


@entry(
    "potential_and_others",
    kind="theorem",
    cards=("56", "27"),
    provenance="derived",
    section="T3",
    formula="residual of f on differences of potentials, end potentials and other terms",
)
def explained(
    mdp: MDP, term: Any, others: Any = (), *, ends: bool = False, reachable: bool = False
) -> Explained:
    """Is a term a potential plus multiples of others, with or without a reward of the end?

    term, others : a reward in any of its forms, and k of them: (S,), (S, A), ...
    ends : terminal states may have a potential, which is a reward for how an episode ends
    reachable : look only at states that some policy reaches from the start

    With the truth among `others` and a share above 0, a term of which nothing is left orders all
    policies as the truth does (without `ends`). Raises ValueError for another shape, numbers that
    are not finite, and more than `MOST_ENDS` terminal states with `ends`.
    """
    places = np.flatnonzero(mdp.is_terminal) if ends else np.zeros(0, dtype=int)
    if len(places) > MOST_ENDS:
        msg = f"{len(places)} terminal states; ends=True looks at {MOST_ENDS} at most"
        raise ValueError(msg)
    S, A = mdp.n_states, mdp.n_actions
    into = mdp.discount * mdp.pairs[:, places].toarray().T.reshape(len(places), S, A)
    told = [expected_reward(mdp, x) for x in others]
    seen = mdp.usable & (mdp.reachable[:, None] if reachable else True)
    paid = np.where(seen, np.stack([expected_reward(mdp, term), *told, *into]), 0.0)
    sizes = np.maximum(np.abs(paid).max((1, 2)), 1e-300)
    fit = fit_potential(mdp, paid / sizes[:, None, None], weight=seen, tolerance=FIT)
    left = fit.left.reshape(len(paid), -1)
    target, told, into = left[0], left[1 : 1 + len(told)], left[1 + len(told) :]
    # a term that the ends explain has no share of its own: the ends come first
    alone, beside = _less(target, into), np.array([_less(x, into) for x in told])
    shares = _fitted(beside, alone)
    rest = target - shares @ told if len(told) else target
    held = np.zeros(S)
    held[places] = _fitted(into, rest) * sizes[0] / sizes[1 + len(told) :]
    residual = _less(rest, into).reshape(S, A) * sizes[0]
    shares = shares * sizes[0] / sizes[1 : 1 + len(told)]
    return Explained(shares, held, residual, ROUNDING * max(1.0, float(sizes[0])))


def _fitted(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(k,) coefficients of columns (k, E); 0 for one that is 0 to rounding."""
    if not len(columns):
        return np.zeros(0)
    own = np.abs(columns).max(1) > ROUNDING
    return np.linalg.lstsq((columns * own[:, None]).T, target, rcond=1e-10)[0]


def _less(target: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What columns (k, E) leave of a target (E,)."""
    return target - _fitted(columns, target) @ columns if len(columns) else target


@entry(
    "term_on_transitions",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    formula="F(s, a, s') for P(s' | s, a) > 0",
)
def on_transitions(mdp: MDP, term: Any) -> tuple[np.ndarray, np.ndarray]:
    """(E, 3) state, action, next state of each possible transition, and (E,) what a term pays.

    term : a reward in any of its forms

    Raises ValueError for another shape, or a term that is not finite where it is paid.
    """
    S, A, P = mdp.n_states, mdp.n_actions, mdp.pairs
    row = np.repeat(np.arange(S * A), np.diff(P.indptr))
    live = mdp.usable.ravel()[row] & (P.data > 0)
    row, after = row[live], P.indices[live]
    given = as_pairs(tabulated(mdp, term) if callable(term) else term)
    if not isinstance(given, np.ndarray) and given.shape == (S * A, S):
        paid = np.asarray(given[row, after], dtype=float).ravel()
    elif isinstance(given, np.ndarray) and given.shape in ((S,), (S, A), (S, A, S)):
        paid = given[(row // A, row % A, after)[: given.ndim]]
    else:
        msg = (
            f"term has shape {given.shape}; give ({S},), ({S}, {A}), ({S}, {A}, {S}) or sparse "
            f"({S * A}, {S})"
        )
        raise ValueError(msg)
    if not np.isfinite(paid).all():
        i = int(np.flatnonzero(~np.isfinite(paid))[0])
        msg = f"the term of state {row[i] // A}, action {row[i] % A} is not finite; give numbers"
        raise ValueError(msg)
    return np.stack([row // A, row % A, after.astype(np.int64)], axis=1), paid


def _by_transition(mdp: MDP, places: np.ndarray) -> tuple[MDP, np.ndarray]:
    """A process with an action for each possible transition, and (E,) the action of each."""
    from scipy.sparse import csr_array

    S, n = mdp.n_states, np.bincount(places[:, 0], minlength=mdp.n_states)
    K = max(1, int(n.max(initial=1)))
    slot = np.arange(len(places)) - np.repeat(np.cumsum(n) - n, n)  # places come state by state
    taken = np.zeros((S, K), dtype=bool)
    taken[places[:, 0], slot] = True
    ends = np.concatenate([[0], np.cumsum(taken.ravel())])
    moves = csr_array((np.ones(len(places)), places[:, 2], ends), shape=(S * K, S))
    fields = (moves, np.zeros((S, K)), mdp.discount, mdp.start, taken, mdp.terminal)
    # whoever chooses the next state may choose never to end
    return MDP.trusted(*fields, improper=mdp.improper or mdp.discount == 1), slot


def _potential(mdp: MDP, phi: Any) -> np.ndarray:
    given = np.asarray(phi, dtype=float)
    if given.shape != (mdp.n_states,):
        msg = f"phi has shape {given.shape}; a potential is ({mdp.n_states},), a number a state"
        raise ValueError(msg)
    value = np.where(mdp.is_terminal, 0.0, given)
    if not np.isfinite(value).all():
        msg = f"phi[{int(np.flatnonzero(~np.isfinite(value))[0])}] is not finite; give numbers"
        raise ValueError(msg)
    return value
