"""Solving (I - discount P_policy) x = b and its transpose, by whatever the structure allows.

sweep   the graph is ordered (self-loops aside): one backward or forward pass, exact
dense   LU of a small matrix
lu      sparse LU of a forest or a narrow band
krylov  BiCGSTAB, its residual recomputed; where it fails GMRES, and then sparse LU

Never sparse LU on a random graph unless asked for by name: it fills up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from toyrl.worlds.mdp.model import MDP, policy_matrix

__all__ = ["METHODS", "PolicySystem", "policy_system"]

METHODS = ("auto", "sweep", "dense", "lu", "krylov")
TINY = 32  # states below which a sparse process is no cheaper than a dense one
SMALL = 1000  # states of a dense tensor below which LU costs less than looking at its graph
TOLERANCE = 1e-10  # residual of Krylov methods, relative to the right-hand side (2-norm)


@dataclass(frozen=True, eq=False)
class PolicySystem:
    """The linear system of one policy, factorised when first solved and then reused.

    mdp : the process
    policy : (S, A) probabilities, rows of terminal states 0
    method : one of `METHODS` but "auto"
    tolerance : residual of Krylov methods, relative to the right-hand side (2-norm)
    """

    mdp: MDP
    policy: np.ndarray
    method: str
    tolerance: float = TOLERANCE
    told: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def matrix(self) -> Any:
        """(S, S) P_policy: an array for "dense", else CSR (entries of one state may repeat)."""
        mdp, S = self.mdp, self.mdp.n_states
        if self.method == "dense" and not mdp.is_sparse:
            return (self.policy[:, None, :] @ mdp.transitions)[:, 0, :]
        from scipy.sparse import csr_array

        P = mdp.pairs
        data = P.data * np.repeat(self.policy.ravel(), np.diff(P.indptr))
        # the pairs of a state are neighbours, so their entries together are its row
        starts = np.ascontiguousarray(P.indptr[:: mdp.n_actions])
        out = csr_array((data, P.indices, starts), shape=(S, S))
        return out.toarray() if self.method == "dense" else out

    def solve(self, right: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """(S, B) solution x of (I - discount P) x = right, or of the transposed system.

        `told` then holds method, residual (largest absolute one) and iterations.

        Raises RuntimeError where no method reaches the tolerance.
        """
        if right.shape[-1] == 0 or self.mdp.discount == 0:
            self.told.update(method=self.method, residual=0.0, iterations=0)
            return right.copy()
        return getattr(self, f"_{self.method}")(right, transpose)

    def residual(self, x: np.ndarray, right: np.ndarray, transpose: bool) -> float:
        """Largest |right - (I - discount P) x|."""
        P = self.matrix.T if transpose else self.matrix
        return float(abs(right - x + self.mdp.discount * (P @ x)).max(initial=0.0))

    def _done(self, x: np.ndarray, right: np.ndarray, transpose: bool, steps: int) -> np.ndarray:
        self.told.update(
            method=self.told.get("fallback", self.method),
            residual=self.residual(x, right, transpose),
            iterations=steps,
        )
        return x

    def _sweep(self, right: np.ndarray, transpose: bool) -> np.ndarray:
        from toyrl.worlds.mdp import kernels
        from toyrl.worlds.mdp.structure import structure

        order = structure(self.mdp).order
        if order is None:
            msg = "method='sweep' needs a graph without cycles (self-loops aside); use 'auto'"
            raise ValueError(msg)
        P = self.matrix
        run = kernels.forward_visits if transpose else kernels.backward_values
        right = np.ascontiguousarray(right)
        x = run(order, P.indptr, P.indices, P.data, self.mdp.discount, right)
        return self._done(x, right, transpose, 1)

    @cached_property
    def _dense_factors(self) -> Any:
        from scipy.linalg import lu_factor

        system = -self.mdp.discount * self.matrix
        system[np.diag_indices_from(system)] += 1.0
        return lu_factor(system, overwrite_a=True, check_finite=False)

    def _dense(self, right: np.ndarray, transpose: bool) -> np.ndarray:
        from scipy.linalg import lu_solve

        x = lu_solve(self._dense_factors, right, trans=int(transpose), check_finite=False)
        return self._done(x, right, transpose, 1)

    @cached_property
    def _sparse_factors(self) -> Any:
        from scipy.sparse import eye_array
        from scipy.sparse.linalg import splu

        S = self.mdp.n_states
        system = (eye_array(S, format="csr") - self.mdp.discount * self.matrix).tocsc()
        # diagonally dominant by rows: diagonal pivots are stable and keep the pattern symmetric
        options = {"SymmetricMode": True}
        return splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)

    def _lu(self, right: np.ndarray, transpose: bool) -> np.ndarray:
        factors = self._sparse_factors
        x = factors.solve(np.asfortranarray(right), trans="T" if transpose else "N")
        return self._done(x, right, transpose, 1)

    def _krylov(self, right: np.ndarray, transpose: bool) -> np.ndarray:
        from scipy.sparse.linalg import LinearOperator, bicgstab, gmres

        S, discount = self.mdp.n_states, self.mdp.discount
        P = self.matrix.T.tocsr() if transpose else self.matrix
        steps = 0

        def product(x: np.ndarray) -> np.ndarray:
            nonlocal steps
            steps += 1
            return x - discount * (P @ x)

        system: Any = LinearOperator((S, S), matvec=product, dtype=np.float64)  # pyright: ignore[reportCallIssue]
        out = np.empty_like(right)
        self.told.pop("fallback", None)
        for b in range(right.shape[1]):
            one = np.ascontiguousarray(right[:, b])
            goal = self.tolerance * float(np.linalg.norm(one))
            x, _ = bicgstab(system, one, rtol=self.tolerance, atol=0.0, maxiter=1000)
            # its running residual drifts from the true one: only the true one counts
            if not np.linalg.norm(one - product(x)) <= 2 * goal:
                start = x if np.isfinite(x).all() else None
                inner = min(50, S)
                options = {"rtol": self.tolerance, "atol": 0.0, "restart": inner, "maxiter": 40}
                x, _ = gmres(system, one, x0=start, **options)
                self.told["fallback"] = "krylov (gmres)"
            if not np.linalg.norm(one - product(x)) <= 2 * goal:
                x = self._sparse_factors.solve(one, trans="T" if transpose else "N")
                self.told["fallback"] = "krylov (lu)"
            error = np.linalg.norm(one - product(x))
            if not error <= max(2 * goal, 1e-8 * np.linalg.norm(one)):
                msg = (
                    f"no solver reaches the tolerance: residual {error:.3g} for {goal:.3g} after "
                    f"{steps} products; take a larger tolerance or a smaller discount"
                )
                raise RuntimeError(msg)
            out[:, b] = x
        return self._done(out, right, transpose, steps)


def policy_system(
    mdp: MDP, policy: Any = None, *, method: str = "auto", tolerance: float = TOLERANCE
) -> PolicySystem:
    """The system of a policy, with a method that fits the structure of the process.

    policy : (S, A) probabilities, (S,) actions, or None for uniform
    method : one of `METHODS`
    tolerance : of Krylov methods: residual relative to the right-hand side, in the 2-norm

    Raises ValueError for an unknown method, a policy that is none, or, at discount 1, one that does
    not end.
    """
    if method not in METHODS:
        msg = f"method={method!r} is unknown; choose from {', '.join(METHODS)}"
        raise ValueError(msg)
    if not 0 < tolerance < 1 or math.isnan(tolerance):
        msg = f"tolerance={tolerance} must lie in (0, 1)"
        raise ValueError(msg)
    pi = policy_matrix(mdp, policy)
    chosen = _chosen(mdp) if method == "auto" else method
    system = PolicySystem(mdp, pi, chosen, tolerance)
    if mdp.discount == 1 and mdp.improper:
        from toyrl.worlds.mdp.structure import ends_surely

        stuck = np.flatnonzero(~ends_surely(system.matrix, mdp.is_terminal))
        if stuck.size:
            msg = (
                f"at discount 1 this policy never ends from state {stuck[0]}; it has no value there"
            )
            raise ValueError(msg)
    return system


def is_swept(mdp: MDP, method: str) -> bool:
    """Whether a policy is evaluated by a pass along the graph, and none can fail to end."""
    if method not in ("auto", "sweep") or not 0 < mdp.discount <= 1 or mdp.improper:
        return False
    from toyrl.worlds.mdp.structure import structure

    if method == "sweep":
        return structure(mdp).order is not None
    return _chosen(mdp) == "sweep"


def _chosen(mdp: MDP) -> str:
    if mdp.n_states <= (TINY if mdp.is_sparse else SMALL):
        return "dense"
    from toyrl.worlds.mdp.structure import structure

    known = structure(mdp)
    if known.order is not None:
        return "sweep"
    return "lu" if known.banded else "krylov"
