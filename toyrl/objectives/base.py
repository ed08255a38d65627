"""The objective protocol: what the trainer's loss makes of an advantage.

An objective gives dJ/dlogp per token as an array of coefficients, recomputed at each inner
step, so that the trainer's loss is `-sum(stop(coefficients) * logp)` on any backend. Its `loss` is
-J itself, the number to print; autograd of it gives minus the coefficients, as what is held
without gradient (sg in formulas) is held there too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from array_api_compat import is_jax_array, is_torch_array

from toyrl import stats
from toyrl.ranges import check_fields
from toyrl.rollouts import Rollouts
from toyrl.rollouts.entrance import entered, entered_steps, left
from toyrl.shapers.base import written

Array = Any


class Objective:
    """Base of all objectives; subclasses are frozen dataclasses.

    `coefficients` and `loss`, of a user's own objective too, never see what stands in absent rows
    and off the mask. Halves are computed in float32: coefficients are a half again where all that
    was given is of one half dtype, losses stay float32, as in trainers.

    Fields say their ranges (`toyrl.ranges`), which are checked when an object is built: a
    `__post_init__` of its own calls that of its base.

    Raises ValueError for a field out of its range.
    """

    needs: ClassVar[tuple[str, ...]] = ("mask",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = written  # @dataclass keeps a repr that stands in the class
        for name in ("coefficients", "loss"):
            if name in cls.__dict__:
                setattr(cls, name, _entered(cls.__dict__[name]))
        if "sequence_weight" in cls.__dict__:
            cls.sequence_weight = _weighing(cls.__dict__["sequence_weight"])

    def __post_init__(self) -> None:
        check_fields(self)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        """dJ/dlogp (..., B, G, T), J to be maximised; 0 outside the mask and for absent rows."""
        msg = f"{type(self).__name__} defines no coefficients(...)"
        raise TypeError(msg)

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """-J (...,), to be minimised, from the arguments of `coefficients`; one a batch.

        Raises TypeError for an objective that states its gradient alone.
        """
        msg = f"{type(self).__name__} has no loss value, only coefficients(...)"
        raise TypeError(msg)

    def __call__(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        """`loss`: the number that a trainer prints."""
        return self.loss(advantages, rollouts, logp, old_logp)

    def sequence_weight(self, rollouts: Rollouts) -> Array:
        """On-policy, with one advantage per rollout: the factor c (..., B, G) such that the
        update is sum w c A grad log pi(o) / sum w, the sum running over the whole batch."""
        msg = f"{type(self).__name__} is no per-rollout objective; use the edge table"
        raise TypeError(msg)


def present_prompts(r: Rollouts) -> Array:
    """(..., 1, 1) how many prompts have a rollout, at least 1: what a mean over prompts divides by.

    r : rollouts (..., B, G).
    """
    xp = r.xp
    n = xp.sum(xp.astype(stats.mass(r.w) > 0, r.w.dtype), axis=(-2, -1), keepdims=True)
    return xp.where(n > 0, n, xp.ones_like(n))


def stopped(x: Array) -> Array:
    """`x` without gradient, where its library has any; the same shape."""
    if is_torch_array(x):
        return x.detach()
    if is_jax_array(x):
        import jax

        return jax.lax.stop_gradient(x)
    return x


def _entered(method: Callable[..., Array]) -> Callable[..., Array]:
    """The method behind the one way in and out (`toyrl.rollouts.entrance`)."""
    whole = method.__name__ == "loss"

    @wraps(method)
    def run(
        self: Objective, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        advantages, rollouts, logp, old_logp, narrow = entered_steps(
            advantages, rollouts, logp, old_logp, by=self
        )
        out = method(self, advantages, rollouts, logp, old_logp)
        return out if whole else left(out, rollouts, narrow)

    return run


def _weighing(method: Callable[..., Array]) -> Callable[..., Array]:
    """`sequence_weight` behind the same way in."""

    @wraps(method)
    def run(self: Objective, rollouts: Rollouts) -> Array:
        return method(self, entered(rollouts, by=self))

    return run
