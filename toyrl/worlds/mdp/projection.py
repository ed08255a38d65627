"""The potential that takes most of a reward away: weighted least squares on the incidence matrix.

Shaping by a potential changes the expected reward of a pair by M Phi = discount P Phi - Phi, so M
(pairs by states) is the incidence matrix of the process. The fit minimises

    sum over pairs of weight (r + M Phi)^2,     Phi = 0 in terminal states,

and what is left, r + M Phi, is what no potential can explain: 0 for pure shaping. It is the
projection of r along all potential shaping, the same for any two rewards that differ by one.

dense    Cholesky of the normal matrix and a step of refinement
lu       sparse LU of it, where the graph is a forest or a narrow band
krylov   conjugate gradients on the least-squares problem, the gradient recomputed at the end
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from toyrl.worlds.mdp.linear import SMALL, TINY
from toyrl.worlds.mdp.model import MDP

__all__ = ["PROJECTIONS", "PotentialFit", "Projection", "fit_potential"]

PROJECTIONS = ("auto", "dense", "lu", "krylov")
TOLERANCE = 1e-11  # gradient of the fit, relative to that of Phi = 0
STEPS = 20_000  # of conjugate gradients, before it is said that they did not get there
FILL = 40  # entries of the normal matrix, per entry of the transitions, that LU may have


@dataclass(frozen=True, eq=False)
class PotentialFit:
    """The closest potential of a reward and what it leaves.

    potential : (..., S), 0 in terminal states and in states without a counted pair
    left : (..., S, A) r + discount P Phi - Phi, 0 at pairs that don't count
    method : one of `PROJECTIONS` but "auto"
    residual : largest entry of the gradient left, relative to the largest of Phi = 0
    iterations : steps of conjugate gradients, else 1
    """

    potential: Any
    left: Any
    method: str
    residual: float
    iterations: int

    @property
    def status(self) -> str:
        """How it was solved, in a sentence."""
        return f"{self.method}: gradient {self.residual:.1e} of its start, {self.iterations} steps"


@dataclass(frozen=True, eq=False)
class Projection:
    """The least-squares problem of one process and weight, factorised when first used.

    mdp : the process
    weight : (S, A) non-negative, 0 for pairs that don't count
    method : one of `PROJECTIONS` but "auto"
    tolerance : gradient at which conjugate gradients stop, relative to their start
    """

    mdp: MDP
    weight: np.ndarray
    method: str
    tolerance: float = TOLERANCE
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def free(self) -> np.ndarray:
        """(S,) bool: states whose potential is chosen: not terminal, with a pair that counts."""
        return ~self.mdp.is_terminal & (self.weight > 0).any(-1)

    # -- products -------------------------------------------------------------------------------
    def shaped(self, potential: Any) -> Any:
        """(..., S, A) M Phi of potentials (..., S)."""
        mdp = self.mdp
        S, A = mdp.n_states, mdp.n_actions
        if mdp.is_sparse:
            flat = np.ascontiguousarray(potential.reshape(-1, S).T)
            after = np.asarray(mdp.transitions @ flat).T.reshape(*potential.shape[:-1], S, A)
        else:
            after = (potential @ mdp.dense.reshape(S * A, S).T).reshape(*potential.shape[:-1], S, A)
        return mdp.discount * after - potential[..., None]

    def gathered(self, pairs: Any) -> Any:
        """(..., S) M^T of pairs (..., S, A), 0 where the potential is not free."""
        mdp = self.mdp
        S, A = mdp.n_states, mdp.n_actions
        flat = pairs.reshape(*pairs.shape[:-2], S * A)
        if mdp.is_sparse:
            columns = np.ascontiguousarray(flat.reshape(-1, S * A).T)
            back = np.asarray(self._transposed @ columns).T.reshape(*pairs.shape[:-2], S)
        else:
            back = flat @ mdp.dense.reshape(S * A, S)
        return (mdp.discount * back - pairs.sum(-1)) * self.free

    @cached_property
    def _transposed(self) -> Any:
        return self.mdp.transitions.T

    # -- solving --------------------------------------------------------------------------------
    def fit(self, paid: Any) -> PotentialFit:
        """The closest potentials of expected rewards (..., S, A) of one array library.

        Raises RuntimeError where conjugate gradients don't get there, with what to do.
        """
        counted = paid * (self.weight > 0)
        right = -self.gathered(self.weight * counted)
        solve = getattr(self, f"_{self.method}")
        if not isinstance(paid, np.ndarray):
            phi = _namespace(paid).linalg.solve(self._normal, right[..., None])[..., 0]
            left = (counted + self.shaped(phi)) * (self.weight > 0)
            return PotentialFit(phi, left, "dense", float("nan"), 1)
        phi, steps = solve(right, counted)
        left = np.where(self.weight > 0, counted + self.shaped(phi), 0.0)
        start = float(abs(right).max(initial=0.0))
        gradient = float(abs(self.gathered(self.weight * left)).max(initial=0.0))
        return PotentialFit(phi, left, self.method, gradient / start if start else 0.0, steps)

    @cached_property
    def _normal(self) -> np.ndarray:
        """(S, S) M^T W M, the identity where the potential is not free."""
        mdp, S, g = self.mdp, self.mdp.n_states, self.mdp.discount
        P = mdp.dense.reshape(-1, S)
        weight = self.weight.ravel()
        both = P.T @ (weight[:, None] * P)
        toward = (self.weight[..., None] * mdp.dense).sum(1)
        out = g * g * both - g * (toward + toward.T)
        out[np.diag_indices(S)] += self.weight.sum(-1)
        free = self.free
        out[~free] = 0.0
        out[:, ~free] = 0.0
        out[~free, ~free] = 1.0
        return out

    @cached_property
    def _cholesky(self) -> Any:
        from scipy.linalg import cho_factor

        return cho_factor(self._normal, lower=True, check_finite=False)

    def _dense(self, right: np.ndarray, paid: np.ndarray) -> tuple[np.ndarray, int]:
        from scipy.linalg import cho_solve

        def solve(b: np.ndarray) -> np.ndarray:
            flat = b.reshape(-1, b.shape[-1]).T
            return cho_solve(self._cholesky, flat, check_finite=False).T.reshape(b.shape)

        return self._refined(solve, right, paid)

    def _lu(self, right: np.ndarray, paid: np.ndarray) -> tuple[np.ndarray, int]:
        def solve(b: np.ndarray) -> np.ndarray:
            flat = np.asfortranarray(b.reshape(-1, b.shape[-1]).T)
            return self._factors.solve(flat).T.reshape(b.shape)

        return self._refined(solve, right, paid)

    def _refined(self, solve: Any, right: np.ndarray, paid: np.ndarray) -> tuple[np.ndarray, int]:
        """A solve and a correction by the gradient that it leaves: squaring M costs digits."""
        phi = solve(right)
        phi = phi - solve(self.gathered(self.weight * (paid + self.shaped(phi))))
        return phi, 1

    @cached_property
    def _factors(self) -> Any:
        from scipy.sparse import diags_array, eye_array, kron
        from scipy.sparse.linalg import splu

        mdp, S = self.mdp, self.mdp.n_states
        stay = kron(eye_array(S), np.ones((mdp.n_actions, 1)), format="csr")
        M = (mdp.discount * mdp.pairs - stay) @ diags_array(self.free.astype(float))
        normal = M.T @ diags_array(self.weight.ravel()) @ M
        normal = (normal + diags_array((~self.free).astype(float))).tocsc()
        options = {"SymmetricMode": True}
        return splu(normal, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)

    def _krylov(self, right: np.ndarray, paid: np.ndarray) -> tuple[np.ndarray, int]:
        flat, pay = right.reshape(-1, right.shape[-1]), paid.reshape(-1, *paid.shape[-2:])
        found = [self._gradients(b, x) for b, x in zip(flat, pay, strict=True)]
        phi = np.array([x for x, _ in found]).reshape(right.shape)
        return phi, max((n for _, n in found), default=0)

    @cached_property
    def _scale(self) -> np.ndarray:
        """(S,) the inverse diagonal of the normal matrix, 0 where the potential is not free."""
        mdp, g, weight = self.mdp, self.mdp.discount, self.weight.ravel()
        P = mdp.pairs.copy()
        rows = np.repeat(np.arange(P.shape[0]), np.diff(P.indptr))
        own = P.indices == rows // mdp.n_actions
        # (g p - 1{own})^2 summed by column: g^2 p^2, less 2 g p on own entries, plus the weight
        P.data = weight[rows] * P.data * (g * g * P.data - 2 * g * own)
        diagonal = np.asarray(P.sum(axis=0)).ravel() + self.weight.sum(-1)
        return np.where(self.free, 1 / np.where(self.free, diagonal, 1.0), 0.0)

    def _gradients(self, right: np.ndarray, paid: np.ndarray) -> tuple[np.ndarray, int]:
        """Conjugate gradients on the least-squares problem (CGLS), scaled by the diagonal."""
        weight, scale = self.weight, self._scale
        phi, left = np.zeros_like(right), paid * (weight > 0)
        gradient = right.copy()  # -M^T W left
        start = size = float(gradient @ (scale * gradient))
        way = scale * gradient
        goal = self.tolerance**2 * start
        for step in range(1, STEPS):
            if size <= goal:
                return phi, step - 1
            moved = self.shaped(way)
            length = size / float((weight * moved * moved).sum())
            phi += length * way
            left += length * moved
            gradient = -self.gathered(weight * left)
            before, size = size, float(gradient @ (scale * gradient))
            way = scale * gradient + (size / before) * way
        msg = (
            f"the closest potential is not found in {STEPS} steps: gradient "
            f"{(size / start) ** 0.5:.1e} of its start, allowed {self.tolerance:.0e}; take a "
            "smaller discount, a larger tolerance, or method='lu' if the graph is nearly a tree or "
            "a band"
        )
        raise RuntimeError(msg)


def fit_potential(
    mdp: MDP,
    paid: Any,
    *,
    weight: Any = None,
    method: str = "auto",
    tolerance: float = TOLERANCE,
) -> PotentialFit:
    """The potential whose shaping brings expected rewards closest to 0, and what it leaves.

    paid : (..., S, A) expected rewards of pairs, as `expected_reward` gives them; leading axes are
        a batch, which costs one factorisation
    weight : (S, A) non-negative, 0 for pairs that don't count; None: 1 for what can be taken
    method : one of `PROJECTIONS`
    tolerance : of conjugate gradients, relative

    Raises ValueError for another shape, a negative or infinite weight, an unknown method;
    RuntimeError where conjugate gradients don't get there.
    """
    return projection(mdp, weight, method=method, tolerance=tolerance).fit(_shaped_like(mdp, paid))


def projection(
    mdp: MDP, weight: Any = None, *, method: str = "auto", tolerance: float = TOLERANCE
) -> Projection:
    """The problem itself, to fit many rewards with one factorisation; as `fit_potential`.

    weight : (S, A)

    Raises ValueError for an unknown method, a weight of another shape, negative or infinite.
    """
    if method not in PROJECTIONS:
        msg = f"method={method!r} is unknown; choose from {', '.join(PROJECTIONS)}"
        raise ValueError(msg)
    counted = mdp.usable.astype(float)
    if weight is not None:
        given = np.asarray(weight, dtype=float)
        if given.shape != counted.shape or not (np.isfinite(given) & (given >= 0)).all():
            msg = f"weight must be (S, A) = {counted.shape} of finite non-negative numbers"
            raise ValueError(msg)
        counted = np.where(mdp.usable, given, 0.0)
    chosen = _chosen(mdp) if method == "auto" else method
    return Projection(mdp, counted, chosen, tolerance)


def _chosen(mdp: MDP) -> str:
    if mdp.n_states <= (TINY if mdp.is_sparse else SMALL):
        return "dense"
    from toyrl.worlds.mdp.structure import structure

    # a pair with k successors couples all of them
    successors = np.diff(mdp.pairs.indptr).astype(float)
    light = float((successors**2).sum()) <= FILL * mdp.pairs.nnz
    return "lu" if light and _narrow(mdp, structure(mdp)) else "krylov"


def _narrow(mdp: MDP, known: Any) -> bool:
    if known.order is None:
        return known.banded
    from toyrl.worlds.mdp.structure import is_banded

    return is_banded(mdp)


def _shaped_like(mdp: MDP, paid: Any) -> Any:
    given = paid if hasattr(paid, "dtype") else np.asarray(paid, dtype=float)
    S, A = mdp.n_states, mdp.n_actions
    if given.shape[-2:] != (S, A):
        msg = f"paid has shape {given.shape}; it must be (..., {S}, {A}), expected rewards of pairs"
        raise ValueError(msg)
    return given


def _namespace(array: Any) -> Any:
    from array_api_compat import array_namespace

    return array_namespace(array)
