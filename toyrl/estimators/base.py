"""The estimator protocol: reward parts in, advantages out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, written

Array = Any


class Estimator:
    """Base of all estimators; subclasses are frozen dataclasses.

    `apply(parts, rollouts, state) -> (advantages, state)` with advantages (..., B, G) or, where
    `token_level`, (..., B, G, T). Absent rollouts (weight 0 or NaN reward) get advantage 0.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    token_level: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = written  # @dataclass keeps a repr that stands in the class

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        """Advantages and the estimator's next state."""
        msg = f"{type(self).__name__} defines no apply(parts, rollouts, state)"
        raise TypeError(msg)

    def in_batch(self, parts: Parts, rollouts: Rollouts, group_size: float) -> Estimator:
        """This estimator in a batch of very many prompts: batch statistics become numbers.

        parts : (B, K) of the classes of each prompt; rollouts : (B, K), weight = prompt share
        times probability; group_size : rollouts per prompt, or inf. Itself where an estimator
        looks at one group alone.
        """
        del parts, rollouts, group_size
        return self
