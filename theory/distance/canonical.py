"""Canonical forms of a reward: one representative of all rewards that order policies as it does.

Two rewards order the policies of a process alike if one is a positive multiple of the other, plus
potential shaping discount Phi(s') - Phi(s), plus a redistribution over next states that leaves the
expected reward of every pair as it is; no other do, once every state is reachable. A canonical form
takes the last two out; `toyrl.theory.distance.metric` then takes out the scale.

    minimal_weighted   r + M Phi of the least norm under P: the default
    val                advantage of a fixed policy (uniform where none is given)
    minimal            the least norm on the flat tensor
    val_potential      R + discount V(s') - V(s): shaping alone, blind to redistribution
    minimal_potential  the least norm over potentials alone (NPEC's closest potential)
    epic, dard         Gleave et al. 2021, Wulfe et al. 2022: neither sound nor complete
    none               the reward itself

with r(s, a) = sum over s' of P R and M Phi = discount P Phi - Phi. The first three ("by pair") read
the pairs that can be taken in states that some policy reaches (at discount 0, starts in), terminal
states having potential 0. The others read every entry of the tensor, possible or not, terminal
states being absorbing ones that pay 0.

Formulas: docs/theory/distance.md.

Source: STARC (Skalse et al. 2024, paper 27, sections 2 and 3, and its released code); the closed
forms of the minimal ones are derived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.distance._by_transition import ByTransition
from toyrl.theory.distance._setting import (
    BY_PAIR,
    CANONICAL,
    ROUNDING,
    TOLERANCE,
    Canonical,
    Setting,
)
from toyrl.worlds.mdp.forms import PairForm, power_sums
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.projection import Projection, projection

__all__ = [
    "BY_PAIR",
    "CANONICAL",
    "Canonical",
    "Canonicaliser",
    "canonicalise",
    "closest_potential",
]

Array = Any


class _ByPair(Setting):
    """Canonical forms that read what can be paid alone: sound and complete ones."""

    def val(self, parts: Sequence[Any]) -> list[Canonical]:
        """Advantage of the policy."""
        r = self.expected(parts)
        value, error, status = self.values(r)
        flat = Projection(self.mdp, np.zeros(self.rows.shape), "dense")
        left = (r + flat.shaped(value)) * self.rows
        return [self._made(*x, 2 * error, status) for x in zip(parts, value, left, strict=True)]

    def minimal_weighted(self, parts: Sequence[Any]) -> list[Canonical]:
        """What the closest potential leaves, in the norm weighted by P."""
        fit = self._projection.fit(self.expected(parts))
        made = zip(parts, fit.potential, fit.left, strict=True)
        return [self._made(*x, 0.0, fit.status) for x in made]

    def minimal(self, parts: Sequence[Any]) -> list[Canonical]:
        """The same in the flat norm: P u(s, a), u divided by the sum of P^2."""
        found = self.minimal_weighted(parts)
        return [
            replace(c, form=PairForm(self.cover, c.form.values / self._squares, shared=True))
            for c in found
        ]

    @cached_property
    def _projection(self) -> Projection:
        weight = self.cover.pairs * self.mdp.usable
        if self.how == "minimal":
            weight = weight / self._squares
        return projection(self.mdp, weight, tolerance=self.tolerance)

    @cached_property
    def _squares(self) -> np.ndarray:
        """(S, A) sum over next states of P^2, 1 where there are none."""
        squares = power_sums(self.mdp, 2)
        return np.where(squares > 0, squares, 1.0)

    def _made(self, parts: Any, potential: Any, values: Any, error: float, status: str
              ) -> Canonical:  # fmt: skip
        worst = max(ROUNDING, 10 * self.tolerance if status.startswith("krylov") else 0.0)

        def slack(scale: Any) -> Any:
            return worst * (scale + 2 * abs(potential).max()) + error

        return Canonical(
            self.how,
            PairForm(self.cover, values),
            potential,
            status,
            lambda: slack(self.scale(*parts)),
            (lambda: slack(self.scale_bound(*parts))) if isinstance(values, np.ndarray) else None,
        )


@dataclass(frozen=True, eq=False)
class Canonicaliser:
    """Canonical forms of any number of rewards on one process, which is factorised once.

    mdp : the process
    how : one of `CANONICAL`
    policy : (S, A), (A,) probabilities or (S,) actions: VAL's policy, and the law of actions of
        EPIC and DARD; None: uniform
    states : (S,) law of states. Given, norms weigh pairs by states times policy; None: every pair
        alike, and uniform states for EPIC
    tolerance : of iterative solvers, relative

    Derived, as the module says. Raises ValueError for an unknown `how`, laws that are none.
    """

    mdp: MDP
    how: str = "minimal_weighted"
    policy: Any = None
    states: Any = None
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        if self.how not in CANONICAL:
            msg = f"how={self.how!r} is unknown; choose from {', '.join(CANONICAL)}"
            raise ValueError(msg)

    @cached_property
    def setting(self) -> Setting:
        """What counts, and under which laws."""
        kind = _ByPair if self.how in BY_PAIR else ByTransition
        return kind(self.mdp, self.how, self.policy, self.states, self.tolerance)

    def __call__(self, rewards: Sequence[Any]) -> list[Canonical]:
        """Canonical forms of rewards (S,), (S, A), (S, A, S) or sparse; None is the process's own.

        Raises ValueError for another shape and numbers that are not finite, RuntimeError where an
        iterative solver does not get there.
        """
        if not len(rewards):
            return []
        return getattr(self.setting, self.how)(self.setting.parts(rewards))


@entry(
    "canonical_reward",
    kind="theorem",
    cards=("27",),
    section="sections 2 and 3; src/distance/canon",
    provenance="code",
    formula="minimal_weighted: r + M Phi of the least norm; val: r + g P V - V; and six more",
)
def canonicalise(
    mdp: MDP,
    reward: Array = None,
    how: str = "minimal_weighted",
    *,
    policy: Array = None,
    states: Array = None,
    tolerance: float = TOLERANCE,
) -> Canonical:
    """A reward without what can't change the order of policies, by one of `CANONICAL`.

    reward : (S,), (S, A), (S, A, S) or sparse (S*A, S); None for the process's own. A JAX array
        needs dense transitions, and the answer is then differentiable
    policy, states, tolerance : as `Canonicaliser` takes them, (S, A) or (A,), and (S,)

    Raises ValueError for another shape, numbers that are not finite, an unknown `how`;
    RuntimeError where an iterative solver does not get there.
    """
    return Canonicaliser(mdp, how, policy, states, tolerance)([reward])[0]


@entry(
    "closest_potential",
    kind="theorem",
    cards=("27",),
    section="src/distance/canon/minimal_potential",
    provenance="derived",
    formula="argmin over Phi of |R + g Phi(s') - Phi(s)|_2 on the whole tensor",
)
def closest_potential(
    mdp: MDP, reward: Array = None, target: Array = None, *, states: Array = None
) -> Array:
    """(S,) potential that brings a reward closest to a target over all (s, a, s'): NPEC's step.

    reward, target : (S,), (S, A), (S, A, S) or sparse (S*A, S); target None: 0
    states : (S,) law of states and of next states; None: every entry alike

    In closed form from sums over rows and columns: O(S^2 A), where least squares on the design of
    all transitions cost O(S^4 A). Terminal states have potential 0. What potentials can explain on
    transitions that can happen is `toyrl.worlds.mdp.projection.fit_potential`.

    Raises ValueError as `canonicalise` does.
    """
    setting = ByTransition(mdp, "minimal_potential", None, states)
    found = [setting.closest(x) for x in setting.parts([reward])]
    found += [-setting.closest(x) for x in setting.parts([target] if target is not None else [])]
    return sum(found[1:], found[0])
