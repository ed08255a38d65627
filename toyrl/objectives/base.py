"""The objective protocol: what the trainer's loss makes of an advantage.

An objective gives dJ/dlogp per token as an array of coefficients, recomputed at each inner
step, so that the trainer's loss is `-sum(stop(coefficients) * logp)` on any backend.
"""

from __future__ import annotations

from typing import Any, ClassVar

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import written

Array = Any


class Objective:
    """Base of all objectives; subclasses are frozen dataclasses."""

    needs: ClassVar[tuple[str, ...]] = ("mask",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = written  # @dataclass keeps a repr that stands in the class

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        """dJ/dlogp (..., B, G, T), J to be maximised; 0 outside the mask and for absent rows."""
        msg = f"{type(self).__name__} defines no coefficients(...)"
        raise TypeError(msg)

    def sequence_weight(self, rollouts: Rollouts) -> Array:
        """On-policy, with one advantage per rollout: the factor c (..., B, G) such that the
        update is sum w c A grad log pi(o) / sum w, the sum running over the whole batch."""
        msg = f"{type(self).__name__} is no per-rollout objective; use the edge table"
        raise TypeError(msg)
