"""What a canonical form of a reward sums over, and the form itself.

Derived from STARC (Skalse et al. 2024), EPIC (Gleave et al. 2021) and DARD (Wulfe et al. 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from toyrl.worlds.mdp.forms import Coverage, PairForm
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.rewards import split
from toyrl.worlds.mdp.solve import evaluate

Array = Any
CANONICAL = (
    "minimal_weighted",
    "val",
    "minimal",
    "val_potential",
    "minimal_potential",
    "epic",
    "dard",
    "none",
)
BY_PAIR = ("minimal_weighted", "val", "minimal")
TOLERANCE = 1e-11  # of iterative solvers, relative
ROUNDING = 1e-12  # of the reward's scale: what is below counts as 0


@dataclass(frozen=True, eq=False)
class Canonical:
    """A canonical form.

    how : one of `CANONICAL`
    form : its numbers, as `toyrl.worlds.mdp.forms` keeps them
    potential : (S,) that was added as shaping, or None for "none" and "dard", which add none
    status : how it was solved, in a sentence
    rounding : gives the slack when called; `bound` gives more than it, and is cheaper
    """

    how: str
    form: Any
    potential: Any
    status: str
    rounding: Callable[[], Any]
    bound: Callable[[], float] | None = None

    @cached_property
    def slack(self) -> Any:
        """Scalar: entries up to this size may be rounding, or what a solver left."""
        return self.rounding()

    def tensor(self) -> Array:
        """(S, A, S)."""
        return self.form.tensor()

    def pairs(self) -> Array:
        """(S, A) expected canonical reward of each pair, 0 where no action can be taken."""
        mdp, form = self.form.cover.mdp, self.form
        if isinstance(form, PairForm):
            if not form.shared:
                return form.values
            P = mdp.dense
            return form.values * (P * P).sum(-1)
        return (self.tensor() * mdp.dense).sum(-1) * mdp.usable

    def norm(self, kind: str = "l2") -> Array:
        """Scalar norm, one of `toyrl.worlds.mdp.forms.NORMS`; 0 where it may be rounding alone."""
        found = self.form.norm(kind)
        cover = self.form.cover
        ones = PairForm(cover, cover.rows.astype(float)).norm(kind)
        if self.bound is not None and found > self.bound() * ones:
            return found
        return found * (found > self.slack * ones)


@dataclass(frozen=True, eq=False)
class Setting:
    """A process, the canonical form wanted, and the laws under which it is taken.

    Fields as those of `Canonicaliser`. Derived. Raises ValueError for laws that are none.
    """

    mdp: MDP
    how: str
    policy: Any
    states: Any
    tolerance: float = TOLERANCE

    # -- what counts ----------------------------------------------------------------------------
    @cached_property
    def rows(self) -> np.ndarray:
        """(S, A) bool: pairs that count."""
        mdp = self.mdp
        if self.how not in BY_PAIR:
            return mdp.usable | mdp.is_terminal[:, None]
        first = (mdp.start > 0) | mdp.is_terminal
        if mdp.discount == 0:  # what comes after the first step is worth nothing
            return mdp.usable & first[:, None]
        if first.all():
            return mdp.usable
        return mdp.usable & mdp.reachable[:, None]

    @cached_property
    def law(self) -> np.ndarray:
        """(S, A) the policy, uniform over the pairs that count where none is given."""
        S, A = self.mdp.n_states, self.mdp.n_actions
        allowed = (self.mdp.usable | self.rows).astype(float)
        if self.policy is None:
            given = allowed
        else:
            given = np.asarray(self.policy)
            if given.shape == (S,) and given.dtype.kind in "iu" and (given < A).all():
                given = np.eye(A)[given]
            if given.shape not in ((A,), (S, A)) or not (given >= 0).all():
                msg = f"policy has shape {given.shape}; give probabilities (S, A) or (A,), or (S,)"
                raise ValueError(msg)
            given = given * allowed
        mass = given.sum(-1, keepdims=True)
        if not (mass[allowed.any(-1)] > 0).all() or not np.isfinite(mass).all():
            msg = "policy gives no action that can be taken a probability in some state"
            raise ValueError(msg)
        return given / np.where(mass > 0, mass, 1.0)

    @cached_property
    def state_law(self) -> np.ndarray:
        """(S,) law of states, uniform where none is given."""
        S = self.mdp.n_states
        if self.states is None:
            return np.full(S, 1 / S)
        given = np.asarray(self.states, dtype=float)
        if given.shape != (S,) or not (given >= 0).all() or not abs(given.sum() - 1) <= 1e-9:
            msg = f"states must be ({S},) non-negative numbers that sum to 1"
            raise ValueError(msg)
        return given

    @cached_property
    def cover(self) -> Coverage:
        """What norms sum over; uniform laws give every entry weight 1."""
        S, A = self.mdp.n_states, self.mdp.n_actions
        if self.states is None and (self.policy is None or self.how in BY_PAIR):
            return Coverage(self.mdp, self.rows.astype(float), np.ones(S))
        weight = self.state_law[:, None] * self.law * self.rows * (S * A)
        return Coverage(self.mdp, weight, S * self.state_law)

    # -- rewards --------------------------------------------------------------------------------
    def parts(self, rewards: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Each reward as (by transition, by pair (S, A)), one of them None."""
        return [split(self.mdp, x) for x in rewards]

    def expected(self, parts: Sequence[tuple[Any, Any]]) -> Any:
        """(B, S, A) expected rewards, 0 off the counted pairs."""
        return _library(parts).stack([self._mean(*x) for x in parts])

    def _mean(self, tensor: Any, pairs: Any) -> Any:
        usable = self.mdp.usable & self.rows
        if tensor is None:
            return pairs * usable
        if not self.mdp.is_sparse:
            return _library([(tensor, None)]).vecdot(tensor, self.mdp.dense) * usable
        paid = np.asarray(tensor.multiply(self.mdp.transitions).sum(axis=1))
        return paid.reshape(usable.shape) * usable

    def scale_bound(self, tensor: Any, pairs: Any) -> float:
        """Scalar, no less than `scale`: the largest |R| of an array of NumPy, possible or not."""
        given = pairs if tensor is None else tensor
        data = given.data if hasattr(given, "tocsr") else given
        return float(max(data.max(initial=0.0), -data.min(initial=0.0)))

    def scale(self, tensor: Any, pairs: Any) -> Any:
        """Scalar size of the rewards that can be paid: the largest sum of P |R| over pairs."""
        return self._mean(None if tensor is None else abs(tensor),
                          None if pairs is None else abs(pairs)).max()  # fmt: skip

    def values(self, r: Any) -> tuple[Any, float, str]:
        """(B, S) values of the policy for (B, S, A), the error they may have, how they were found.

        Raises RuntimeError where no solver gets there.
        """
        mdp = self.mdp
        law = self.law * mdp.usable
        if isinstance(r, np.ndarray):
            found = evaluate(mdp, law, rewards=r, tolerance=self.tolerance)
            error = found.residual / (1 - mdp.discount) if mdp.discount < 1 else found.residual
            told = f"{found.method}: residual {found.residual:.1e}, {found.iterations} steps"
            return found.value, error, told
        xp = _library([(r, None)])
        moves = (law[..., None] * mdp.dense).sum(1)
        system = np.eye(mdp.n_states) - mdp.discount * moves
        return xp.linalg.solve(xp.asarray(system), (r * law).sum(-1).T).T, 0.0, "dense"


def _library(parts: Sequence[tuple[Any, Any]]) -> Any:
    """The array library of rewards: NumPy, or that of the first which is of another."""
    for pair in parts:
        for x in pair:
            if x is not None and not hasattr(x, "tocsr") and not isinstance(x, np.ndarray):
                from array_api_compat import array_namespace

                return array_namespace(x)
    return np
