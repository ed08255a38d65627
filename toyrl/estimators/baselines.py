"""Group baselines and scales beyond mean and standard deviation.

    opo        r_i - sum(L r)/sum(L)             length-weighted baseline
    remax      r_i - reward of the greedy rollout
    gpg        (r_i - mean) N / #(r != 0)        rescaled by the share of rewarded rollouts
    max_rl     (r_i - mean) / mean               ascends log p truncated at order G-1
    loo_std    (r_i - mean of others) / (std of others + eps)
    grpo_nemo  the same where the others' std is > 0, else undivided

A standard deviation of the OTHERS is no harmless variant: of the rewards 1, 0, 0, 0 the others of
the first are all equal, and `loo_std` divides by eps alone: an advantage of 1,000,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.estimators.participants import (
    alone,
    group_size,
    token_weight,
    unlimited,
    usable,
)
from toyrl.ranges import DDOF, NOT_NEGATIVE, POSITIVE, one_of
from toyrl.registry import add, entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts

Array = Any
SINGLETON = ("zero", "raw")


@dataclass(frozen=True)
class _Centred(Estimator):
    """Advantages from usable rewards; tied groups 0, groups of one 0 or their own reward.

    singleton : what a group of one gets: "zero", or "raw" (its own reward, as verl does)
    """

    singleton: Annotated[str, one_of(*SINGLETON)] = "zero"

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        xp = rollouts.xp
        x, w = usable(parts, rollouts)
        zero = xp.zeros_like(x)
        out = self.scaled(x, w, rollouts)
        lone = alone(x, group_size(rollouts, w))
        out = xp.where(stats.tied(x, w) & ~lone, zero, out)
        out = xp.where(lone, self.lone(x, w, rollouts), out)
        return xp.where(w > 0, out, zero), dict(state or {})

    def scaled(self, x: Array, w: Array, r: Rollouts) -> Array:
        """Advantages (..., B, G) of groups of two or more."""
        msg = f"{type(self).__name__} defines no scaled(...)"
        raise TypeError(msg)

    def lone(self, x: Array, w: Array, r: Rollouts) -> Array:
        """Advantages of groups of one."""
        del w, r
        return x if self.singleton == "raw" else 0 * x


@entry(
    "opo",
    kind="estimator",
    formula="A_i = r_i - sum_j L_j r_j / sum_j L_j",
    cards=("00",),
    works=("opo",),
    section="verl compute_opo_outcome_advantage",
    provenance="code",
)
@dataclass(frozen=True)
class Opo(_Centred):
    """Reward minus the length-weighted mean reward of the group.

    The baseline that minimises the gradient's variance if |grad log pi(o)|^2 grows with length.
    It includes the own rollout, hence a bias of order 1/G. A group without any token falls back
    on the plain mean (verl: NaN).
    """

    def scaled(self, x: Array, w: Array, r: Rollouts) -> Array:
        long = token_weight(r, w)
        some = stats.mass(long) > 0
        return x - r.xp.where(some, stats.mean(x, long), stats.mean(x, w))


@entry(
    "max_rl",
    kind="estimator",
    formula="A_i = (r_i - mean)/mean",
    cards=("00",),
    works=("max-rl",),
    section="prime-rl max_rl_advantage_fn",
    provenance="code",
)
@dataclass(frozen=True)
class MaxRl(_Centred):
    """Reward minus its group's mean, divided by that mean; 0 where the mean is not positive.

    For rewards 0 and 1 the expected gradient is exactly that of -sum_{k<G} (1-p)^k/k, which tends
    to log p: hard prompts weigh 1/p. (Order G-1, not G as prime-rl's docstring has it: the mean is
    not subtracted in groups without success.) Advantages reach G-1.
    """

    def scaled(self, x: Array, w: Array, r: Rollouts) -> Array:
        xp, mean = r.xp, stats.mean(x, w)
        positive = mean > 0
        return xp.where(positive, (x - mean) / xp.where(positive, mean, 1 + 0 * mean), 0 * x)


@entry(
    "gpg",
    kind="estimator",
    formula="A_i = (r_i - mean) rollouts/(rollouts with r != 0)/f_norm",
    cards=("00",),
    works=("gpg",),
    section="verl compute_gpg_outcome_advantage",
    provenance="code",
)
@dataclass(frozen=True)
class Gpg(_Centred):
    """Reward minus its group's mean, times rollouts of the batch over those with reward != 0.

    f_norm : > 0, a divisor; factor : a number instead of the batch's ratio

    A reward of exactly 0 counts as no signal whatever its group: a constant added to all rewards
    changes the step size.
    """

    f_norm: Annotated[float, POSITIVE] = 1.0
    factor: Annotated[float | None, NOT_NEGATIVE.or_none] = None

    @property
    def scope(self) -> str:
        """ "batch", unless the batch's ratio is given as a number."""
        return "batch" if self.factor is None else "group"

    @property
    def scale(self) -> str:
        """ "batch": the factor is the batch's."""
        return "batch"

    def scaled(self, x: Array, w: Array, r: Rollouts) -> Array:
        return (x - stats.mean(x, w)) * self._factor(x, w, r)

    def lone(self, x: Array, w: Array, r: Rollouts) -> Array:
        return x * self._factor(x, w, r) if self.singleton == "raw" else 0 * x

    def _factor(self, x: Array, w: Array, r: Rollouts) -> Any:
        if self.factor is not None:
            return self.factor / self.f_norm
        xp = r.xp
        paid = xp.where(x != 0, w, 0 * w)
        n = xp.sum(paid, axis=(-2, -1), keepdims=True)
        rows = xp.sum(w, axis=(-2, -1), keepdims=True)
        return xp.where(n > 0, rows / xp.where(n > 0, n, 1 + 0 * n), 0 * n) / self.f_norm

    def in_batch(self, parts: Parts, rollouts: Rollouts, group_size: float) -> Estimator:
        """With the batch's ratio as a number."""
        del group_size
        x, w = usable(parts, rollouts)
        one = replace(self, f_norm=1.0)
        return replace(self, factor=float(one._factor(x, w, rollouts)[..., 0, 0]))


@entry(
    "remax",
    kind="estimator",
    formula="A_i = r_i - r(greedy)",
    cards=("00",),
    works=("remax",),
    section="verl compute_remax_outcome_advantage",
    provenance="code",
)
@dataclass(frozen=True)
class Remax(Estimator):
    """Reward minus the reward of the prompt's greedy rollout: unbiased, one more rollout a prompt.

    Reads the field `greedy_reward` (..., B, G), the same number along a group.
    """

    needs: ClassVar[tuple[str, ...]] = ("greedy_reward",)
    reach: ClassVar[str] = "rollout"

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        x, w = usable(parts, rollouts)
        out = x - rollouts.need("greedy_reward", by="Remax")
        unknown = rollouts.xp.isnan(out) | ~(w > 0)
        return rollouts.xp.where(unknown, 0 * x, out), dict(state or {})


@dataclass(frozen=True)
class LeaveOneOutStd(_Centred):
    """(r_i - mean of the others) / (standard deviation of the others + eps).

    zero_std : where the others are all equal: "divide" by eps alone, "keep" the difference
        undivided, or "zero"
    ddof, eps : of the others' standard deviation; computed from deviations, not from
        E[r^2] - E[r]^2, which in float32 takes rounding for signal

    Shape (..., B, G, G) inside: for groups of up to a few hundred.

    Raises ValueError for eps = 0 where it is divided by.
    """

    eps: Annotated[float, NOT_NEGATIVE] = 1e-6
    ddof: Annotated[float, DDOF] = 1.0
    zero_std: Annotated[str, one_of("divide", "keep", "zero")] = "keep"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.zero_std == "divide" and self.eps == 0:
            msg = "eps=0 with zero_std='divide' divides by 0; give eps > 0, or keep or zero"
            raise ValueError(msg)

    def scaled(self, x: Array, w: Array, r: Rollouts) -> Array:
        xp, n = r.xp, group_size(r, w)
        mean = stats.mean(x, w)
        centred = (x - mean) * stats.bessel(n, 1.0)
        spread = self._others_std(x, w, n)
        some = spread > 0
        if self.zero_std == "divide":
            return centred / (spread + self.eps)
        divided = centred / xp.where(some, spread + self.eps, xp.ones_like(spread))
        return divided if self.zero_std == "keep" else xp.where(some, divided, 0 * divided)

    def _others_std(self, x: Array, w: Array, n: Any) -> Array:
        """(..., B, G) standard deviation of the others."""
        xp = stats.array_namespace(x, w)
        if unlimited(n):
            return xp.zeros_like(x) + stats.std(x, w, ddof=self.ddof, size=n)
        total = stats.mass(w)
        own = total / xp.where(total > 0, n + 0 * total, xp.ones_like(total))  # one rollout
        eye = xp.eye(x.shape[-1], dtype=x.dtype)
        others = w[..., None, :] - eye * own[..., None]
        others = xp.where(others > 0.5 * own[..., None], others, xp.zeros_like(others))
        wide = x[..., None, :] + xp.zeros_like(others)
        size = n - 1 if isinstance(n, (int, float)) else (n - 1)[..., None]
        return stats.std(wide, others, ddof=self.ddof, size=size)[..., 0]


for _name, _rule, _summary in (
    ("loo_std", "divide", "explodes to 1/eps where the others agree"),
    ("grpo_nemo", "keep", "undivided where the others agree"),
):
    add(
        _name,
        LeaveOneOutStd(zero_std=_rule),
        kind="estimator",
        formula="A_i = (r_i - mean of others)/(std of others + eps)",
        cards=("00",),
        section="NeMo-RL, calculate_baseline_and_std_per_prompt, "
        + ("before and after issue 1518" if _rule == "divide" else "GRPOAdvantageEstimator"),
        provenance="code",
        summary=f"Mean and standard deviation of the other rollouts; {_summary}",
    )
