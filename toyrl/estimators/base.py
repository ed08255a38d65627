"""The estimator protocol: reward parts in, advantages out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar

from array_api_compat import array_namespace

from toyrl.ranges import check_fields
from toyrl.rollouts import Rollouts
from toyrl.rollouts.entrance import entered_rewards, left
from toyrl.shapers.base import SCOPES, Parts, Shaper, written

Array = Any


class Estimator:
    """Base of all estimators; subclasses are frozen dataclasses.

    `apply(parts, rollouts, state) -> (advantages, state)` with advantages (..., B, G) or, where
    `token_level`, (..., B, G, T). Absent rollouts (weight 0 or NaN reward) get advantage 0. Every
    `apply`, a user's own too, refuses parts, masks and fields of other shapes than the rollouts',
    and never sees what stands in absent rows and tokens. Halves are computed in float32; the
    answer is a half again where rewards and `correct` are of one half dtype.

    Fields say their ranges (`toyrl.ranges`), which are checked when an object is built: a
    `__post_init__` of its own calls that of its base.

    Raises ValueError for a field out of its range.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    token_level: ClassVar[bool] = False
    reach: ClassVar[str] = "group"  # of the class by itself: rollout | group | batch

    @property
    def scope(self) -> str:
        """How far one advantage looks: its rollout, its group or the whole batch.

        The widest of the class's own `reach` and of the estimators and shapers among its fields.
        """
        own = (getattr(self, name) for name in getattr(self, "__dataclass_fields__", ()))
        return widest(self.reach, *(v for v in own if isinstance(v, (Estimator, Shaper))))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = written  # @dataclass keeps a repr that stands in the class
        for name, entered in (("apply", _entered), ("in_batch", _in_batch)):
            if name in cls.__dict__:
                setattr(cls, name, entered(cls.__dict__[name]))

    def __post_init__(self) -> None:
        check_fields(self)

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        """Advantages and the estimator's next state.

        Raises ValueError for rollouts without a prompt and a group axis, and for a part, mask or
        field of another shape; TypeError for a part that isn't an array of the rollouts' library.
        """
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


def advantages(
    estimator: str | Estimator, rewards: Array, rollouts: Rollouts | None = None
) -> Array:
    """Advantages of rewards (..., B, G) under an estimator: (..., B, G), or (..., B, G, T).

    estimator : as `--estimator` takes it ("grpo", "grpo(eps=1e-6, ddof=0)", "rloo"), or an instance
    rewards : a NumPy, JAX or torch array with a prompt axis and a group axis; NaN is unscorable and
        gets 0
    rollouts : what they were paid for; may be left out where the estimator reads rewards alone

    Raises ExpressionError for an unknown estimator, ValueError for one that reads more than rewards
    where no rollouts are given, and for rewards without the two axes.
    """
    from toyrl.expressions import parse_estimator

    used = parse_estimator(estimator) if isinstance(estimator, str) else estimator
    if rollouts is None:
        reads = [*used.needs, *(["correct"] if _shapes(used) else [])]
        if reads:
            msg = (
                f"estimator={used!r} reads {', '.join(reads)} of the rollouts; give them: "
                "advantages(estimator, rewards, Rollouts(correct, length, max_length=...))"
            )
            raise ValueError(msg)
        ones = array_namespace(rewards).ones_like(rewards)
        rollouts = Rollouts(ones, ones, 1.0)
    return used.apply({"reward": rewards}, rollouts)[0]


def _shapes(used: Estimator) -> bool:
    """Whether a shaper stands inside, which reads rollouts."""
    own = [getattr(used, name) for name in getattr(used, "__dataclass_fields__", ())]
    return any(isinstance(x, Shaper) or (isinstance(x, Estimator) and _shapes(x)) for x in own)


def read_by(used: Estimator, r: Rollouts) -> Rollouts:
    """The rollouts without what this estimator doesn't read: fields, and tokens in them, which may
    be many times as large as all else. As they are where a shaper stands inside it."""
    if _shapes(used) or used.token_level:
        return r
    own = {name: x for name, x in r.fields.items() if name in used.needs}
    return (
        r if len(own) == len(r.fields) else replace(r, fields=own, mask=None if not own else r.mask)
    )


def widest(*terms: str | Estimator | Shaper) -> str:
    """The widest of scopes, and of the scopes of estimators and shapers."""
    found = (
        t.all_scope() if isinstance(t, Shaper) else t.scope if isinstance(t, Estimator) else t
        for t in terms
    )
    return max(found, key=SCOPES.index)


def _entered(apply: Callable[..., Any]) -> Any:
    """`apply` behind the one way in and out (`toyrl.rollouts.entrance`)."""

    @wraps(apply)
    def run(
        self: Estimator, parts: Parts, rollouts: Rollouts, *state: Any, **named: Any
    ) -> tuple[Array, Mapping[str, Array]]:
        parts, rollouts, narrow = entered_rewards(parts, rollouts, by=self)
        advantages, after = apply(self, parts, rollouts, *state, **named)
        return left(advantages, rollouts, narrow), after

    return run


def _in_batch(method: Callable[..., Any]) -> Any:
    """`in_batch` behind the same way in."""

    @wraps(method)
    def run(self: Estimator, parts: Parts, rollouts: Rollouts, *more: Any, **named: Any) -> Any:
        parts, rollouts, _ = entered_rewards(parts, rollouts, by=self)
        return method(self, parts, rollouts, *more, **named)

    return run


class Around(Estimator):
    """Base of estimators around another one, their field `inner`: they read what it reads."""

    inner: Estimator

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the inner estimator reads."""
        return self.inner.needs

    @property
    def token_level(self) -> bool:  # type: ignore[override]
        """As the inner estimator."""
        return self.inner.token_level
