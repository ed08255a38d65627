"""Canonical forms that read every entry of a reward by transition, possible or not.

Source: EPIC (Gleave et al. 2021), DARD (Wulfe et al. 2022), the released code of STARC (Skalse et
al. 2024); the closed form of the closest potential is derived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from toyrl.theory.distance._setting import ROUNDING, Canonical, Setting, _library
from toyrl.worlds.mdp.forms import DenseForm, SparseForm

Parts = Sequence[tuple[Any, Any]]


class ByTransition(Setting):
    """Canonical forms by transition; each method takes rewards as `Setting.parts` gives them.

    Derived, as the module says. Raises ValueError for laws that are none.
    """

    def _built(self, parts: Any, potential: Any, pairs: Any, after: Any, moves: Any = None,
               status: str = "closed form") -> Canonical:  # fmt: skip
        """R + pairs(s) + after(s') [+ moves(s, s')] on the counted rows."""
        tensor, own = parts
        if self.mdp.is_sparse:
            paid = pairs[:, None] + (np.zeros(self.rows.shape) if own is None else own)
            form: Any = SparseForm(self.cover, tensor, paid, after, moves)
        else:
            paid = tensor if own is None else own[..., None]
            added = pairs[:, None] + after if moves is None else pairs[:, None] + after + moves
            whole = paid + added[:, None, :]
            form = DenseForm(self.cover, whole if self.rows.all() else whole * self.rows[..., None])

        def slack() -> Any:
            """What is added is as large as the reward where the two cancel."""
            size = abs(pairs).max() + abs(after).max()
            if moves is None:
                return ROUNDING * size
            sparse = self.mdp.is_sparse
            return ROUNDING * (size + (_largest(tensor.data) if sparse else abs(moves).max()))

        return Canonical(self.how, form, potential, status, slack)

    def parts(self, rewards: Sequence[Any]) -> list[tuple[Any, Any]]:
        """As `Setting.parts`; pairs that can't be taken, terminal states' among them, pay 0."""
        found, usable = super().parts(rewards), self.mdp.usable
        return found if usable.all() else [(_masked(x, usable), _masked(y, usable))
                                           for x, y in found]  # fmt: skip

    def none(self, parts: Parts) -> list[Canonical]:
        """The reward itself."""
        zero = np.zeros(self.mdp.n_states)
        return [self._built(x, None, zero, zero) for x in parts]

    def val_potential(self, parts: Parts) -> list[Canonical]:
        """R + discount V(s') - V(s)."""
        value, _, status = self.values(self.expected(parts))
        g = self.mdp.discount
        return [self._built(x, v, -v, g * v, status=status)
                for x, v in zip(parts, value, strict=True)]  # fmt: skip

    def _means(self, parts: Any, after: np.ndarray) -> Any:
        """(S, A) mean over next states of this law, whatever the pair."""
        tensor, pairs = parts
        if tensor is None:
            return pairs * self.rows
        found = tensor @ after
        return found.reshape(self.rows.shape) * self.rows

    def epic(self, parts: Parts) -> list[Canonical]:
        """R + g m(s') - m(s) - g E m, m(s) the mean reward under the laws of actions and states."""
        g, out = self.mdp.discount, []
        for x in parts:
            mean = (self._means(x, self.state_law) * self.law).sum(-1)
            base = mean @ self.state_law
            out.append(self._built(x, mean, -mean - g * base, g * mean))
        return out

    def minimal_potential(self, parts: Parts) -> list[Canonical]:
        """What the closest potential leaves of the whole tensor."""
        out = []
        for x in parts:
            phi = self.closest(x)
            out.append(self._built(x, phi, -phi, self.mdp.discount * phi))
        return out

    def closest(self, parts: Any) -> Any:
        """(S,) potential of the least squares over the whole tensor, by sums over rows and columns.

        The normal matrix is diagonal but for two dyads, so that Woodbury's formula inverts it.
        """
        tensor, pairs = parts
        x, y, g = self.cover.pairs, self.cover.next, self.mdp.discount
        leave, arrive = x.sum(-1), y
        if tensor is None:
            out_sum = (x * pairs).sum(-1) * y.sum()
            in_sum = (x * pairs).sum() * y
        else:
            flat = tensor if self.mdp.is_sparse else tensor.reshape(-1, len(y))
            out_sum = (x * (flat @ y).reshape(x.shape)).sum(-1)
            in_sum = (x.reshape(-1) @ flat) * y
        diagonal = g * g * x.sum() * y + y.sum() * leave
        free = ~self.mdp.is_terminal & (diagonal > 0)
        diagonal = np.where(free, diagonal, 1.0)
        right = (out_sum - g * in_sum) * free
        sides = np.stack([leave, arrive]) * free
        scaled = sides / diagonal
        phi = right / diagonal
        if g:
            core = np.array([[0, 1 / g], [1 / g, 0]]) - scaled @ sides.T
            phi = phi + np.linalg.inv(core) @ (scaled @ right) @ scaled
        return phi

    # -- DARD -----------------------------------------------------------------------------------
    @cached_property
    def _stay(self) -> Any:
        """Transitions in which pairs that can't be taken stay where they are."""
        mdp = self.mdp
        lost = np.flatnonzero(~mdp.usable.ravel())
        if not lost.size:
            return mdp.transitions
        if not mdp.is_sparse:
            P = mdp.transitions.copy()
            s, a = np.divmod(lost, mdp.n_actions)
            P[s, a] = 0.0
            P[s, a, s] = 1.0
            return P
        from scipy.sparse import coo_array, diags_array

        keep = diags_array(mdp.usable.ravel().astype(float))
        own = (np.ones(lost.size), (lost, lost // mdp.n_actions))
        return (keep @ mdp.transitions + coo_array(own, shape=mdp.transitions.shape)).tocsr()

    @cached_property
    def _action_law(self) -> np.ndarray:
        if self.policy is None:
            return np.full(self.mdp.n_actions, 1 / self.mdp.n_actions)
        given = np.asarray(self.policy, dtype=float)
        first = given if given.ndim == 1 else given[0]
        if first.shape != (self.mdp.n_actions,) or (given != first).any():
            msg = "dard takes one law of actions, (A,), the same in every state"
            raise ValueError(msg)
        return first / first.sum()

    def dard(self, parts: Parts) -> list[Canonical]:
        """R + E[g R(s', A, S'') - R(s, A, S') - g R(S', A, S'')], S' and S'' drawn from P."""
        return [self._dard_of(x) for x in parts]

    def _dard_of(self, parts: Any) -> Canonical:
        mdp, g, law, P = self.mdp, self.mdp.discount, self._action_law, self._stay
        S, A = self.rows.shape
        tensor, pairs = parts
        moves = None
        if tensor is None:
            r = pairs * self.rows
            flat = P if mdp.is_sparse else P.reshape(S * A, S)
            third = sum(law[a] * (flat[a::A] @ r[:, a]) for a in range(A))
        elif mdp.is_sparse:
            r = np.asarray(tensor.multiply(P).sum(axis=1)).reshape(S, A)
            third, moves = 0.0, _Third(P, tensor, -g * law)
        else:
            r = _library([parts]).vecdot(tensor, P) * self.rows
            third = 0.0
            xp = _library([parts])
            # R_a P_a^T side by side, then one product for all actions: no S^3 temporary
            inner = xp.stack([-g * law[a] * (tensor[:, a] @ P[:, a].T) for a in range(A)])
            moves = P.reshape(S, A * S) @ inner.reshape(A * S, S)
        mean = r @ law
        found = self._built(parts, mean, -mean - g * third, g * mean, moves)
        return replace(found, potential=None)


@dataclass(frozen=True, eq=False)
class _Third:
    """DARD's last term by blocks of states: sum over a of law(a) P_a R_a P_a^T, sparse."""

    P: Any
    reward: Any
    law: np.ndarray

    @cached_property
    def _factors(self) -> tuple[Any, Any, Any]:
        """Matrices over (action, state) whose product is the term: one product for all actions."""
        from scipy.sparse import block_diag, hstack, vstack

        A = len(self.law)
        own = [self.P[a::A] for a in range(A)]
        first = hstack([w * x for w, x in zip(self.law, own, strict=True)], format="csr")
        paid = block_diag([self.reward[a::A] for a in range(A)], format="csr")
        return first, paid, vstack([x.T for x in own], format="csr")

    def __call__(self, low: int, high: int) -> Any:
        first, paid, last = self._factors
        return first[low:high] @ paid @ last


# -- helpers --------------------------------------------------------------------------------------
def _largest(x: np.ndarray) -> float:
    return float(abs(x).max(initial=0.0))


def _masked(x: Any, usable: np.ndarray) -> Any:
    """(S, A), (S, A, S) or CSR (S*A, S) with 0 where a pair can't be taken."""
    if x is None:
        return None
    if hasattr(x, "tocsr"):
        from scipy.sparse import diags_array

        return (diags_array(usable.ravel().astype(float)) @ x).tocsr()
    return x * (usable if x.ndim == 2 else usable[..., None])
