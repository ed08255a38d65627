"""Several rewards, each normalised in its group before they are added.

Adding rewards and normalising once lets the component with the largest spread decide; adding
advantages gives each component the same say whatever its scale. With population standard
deviations and correlations rho_jk of the components inside the group,

    corr(A, r_k) = (1 + sum_{j != k} rho_jk) / sqrt(K + 2 sum_{i < j} rho_ij).

    preset              inner normalisation      weights   afterwards   as in
    averaged            ddof 0, eps 1e-8         1/K       -            LongWriter-Zero, A_final
    normalize_then_sum  ddof 1, eps 1e-4         1         batch std    TRL, GDPO

verl's "gdpo" is `normalize_then_sum(inner=grpo_verl(), over='tokens', eps=1e-8,
eps_in='variance')`, NeMo-RL's `normalize_then_sum(inner=grpo_nemo(), eps=0)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from toyrl import stats
from toyrl.estimators.base import Around, Estimator, widest
from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.participants import PLACES, divisor, token_weight
from toyrl.ranges import FINITE, NOT_NEGATIVE, one_of
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, sum_parts

Array = Any
SCALES = ("none", "batch")
MISSING = ("absent", "skip")
INNER = GroupEstimator(ddof=0.0, eps=1e-8)


@dataclass(frozen=True)
class Averaged(Around):
    """A = sum_k weight_k A_k, A_k the group advantage of reward part k alone.

    inner : how each part is normalised in its group
    weights : by part name (None: 1/K each; the number K of parts counts parts that are constant
        in a group too, so the others are not scaled up)
    total : weight of every part instead of 1/K, where `weights` is None (TRL: 1)
    scale : "batch" centres the sum and divides it by its standard deviation (ddof 1) over the
        whole batch, as TRL does
    over : of that mean and standard deviation, "rollouts" or "tokens" (rollouts weigh by their
        length, as in verl)
    eps, eps_in : a number and where it stands: std + eps ("std"), sqrt(var + eps) ("variance") or
        sqrt(max(var, eps)) ("floor")
    centre, spread : numbers instead of the batch's mean and standard deviation
    missing : a NaN in one part makes the rollout "absent" from all, or is "skip"ped: the rollout
        gets no advantage from that part and keeps the others (TRL)

    Raises ValueError for a choice that does not exist.
    """

    inner: Estimator = INNER
    weights: Mapping[str, float] | None = None
    total: Annotated[float | None, FINITE.or_none] = None
    scale: Annotated[str, one_of(*SCALES)] = "none"
    eps: Annotated[float, NOT_NEGATIVE] = 1e-4
    missing: Annotated[str, one_of(*MISSING)] = "absent"
    over: Annotated[str, one_of("rollouts", "tokens")] = "rollouts"
    eps_in: Annotated[str, one_of(*PLACES)] = "std"
    centre: Annotated[float | None, FINITE.or_none] = None
    spread: Annotated[float | None, NOT_NEGATIVE.or_none] = None

    @property
    def scope(self) -> str:
        """ "batch" where the sum is normalised by the batch's own numbers, else that of `inner`."""
        known = self.centre is not None and self.spread is not None
        return widest("batch" if self.scale == "batch" and not known else "rollout", self.inner)

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        r, xp = rollouts, rollouts.xp
        rewards = {name: sum_parts({name: value}, r) for name, value in parts.items()}
        w = r.w
        if self.missing == "absent":
            for value in rewards.values():
                w = xp.where(xp.isnan(value), xp.zeros_like(w), w)
        else:
            gone = xp.ones_like(w) > 0
            for value in rewards.values():
                gone = gone & xp.isnan(value)
            w = xp.where(gone, xp.zeros_like(w), w)
        here = r.with_(weight=w)
        out = xp.zeros_like(r.correct)
        for name, weight in self._weights(tuple(rewards)).items():
            out = out + weight * self.inner.apply({name: rewards[name]}, here)[0]
        if self.scale == "batch":
            out = self._by_batch(out, token_weight(r, w) if self.over == "tokens" else w)
        return xp.where(w > 0, out, xp.zeros_like(out)), dict(state or {})

    def in_batch(self, parts: Parts, rollouts: Rollouts, group_size: float) -> Estimator:
        """With the batch's mean and standard deviation as numbers, prompts by share.

        Exact where every multiset of classes can be counted, else from sampled groups.
        """
        if self.scale == "none":
            return self
        from toyrl.dynamics.groups.class_weights import batch_moments

        plain = replace(self, scale="none")
        centre, variance = batch_moments(
            rollouts, _Fixed(parts), plain, group_size, by_length=self.over == "tokens"
        )
        return replace(self, centre=centre, spread=variance**0.5)

    def _weights(self, names: tuple[str, ...]) -> Mapping[str, float]:
        if self.weights is None:
            return dict.fromkeys(names, 1 / len(names) if self.total is None else self.total)
        unknown = set(names) ^ set(self.weights)
        if unknown:
            msg = (
                f"weights name {', '.join(self.weights)} but the reward has parts "
                f"{', '.join(names)}; every part needs one weight"
            )
            raise ValueError(msg)
        return self.weights

    def _by_batch(self, a: Array, w: Array) -> Array:
        xp = stats.array_namespace(a, w)
        if self.centre is None or self.spread is None:
            flat = (*a.shape[:-2], 1, a.shape[-2] * a.shape[-1])
            x, weight = xp.reshape(a, flat), xp.reshape(w, flat)
            centre, spread = stats.mean(x, weight), stats.std(x, weight, ddof=1.0)
        else:
            centre, spread = 0 * a + self.centre, 0 * a + self.spread
        signal = spread > 0
        scale = divisor(spread, self.eps, self.eps_in)
        return xp.where(signal, (a - centre) / xp.where(signal, scale, 1.0 + 0 * spread), 0 * a)


@dataclass(frozen=True)
class _Fixed:
    """Reward parts as given, gathered by nobody: rows are classes."""

    parts: Parts
    scope = "rollout"

    def __call__(self, r: Rollouts) -> Parts:
        del r
        return self.parts


PRESETS = {
    "averaged": Averaged(),
    "normalize_then_sum": Averaged(
        inner=GroupEstimator(ddof=1.0, eps=1e-4), total=1.0, scale="batch"
    ),
}

add(
    "averaged",
    PRESETS["averaged"],
    kind="estimator",
    formula="A = (1/K) sum_k A_k, A_k the group advantage of part k",
    cards=("10",),
    section="advantage-level averaging, A_final; ddof and eps reconstructed",
    provenance="second-hand",
    summary="Each reward part normalised in its group, then averaged",
)
add(
    "normalize_then_sum",
    PRESETS["normalize_then_sum"],
    kind="estimator",
    formula="A = sum_k A_k, then (A - mean)/(std + eps) over the batch",
    cards=("10",),
    section='TRL GRPOTrainer, multi_objective_aggregation="normalize_then_sum"',
    provenance="code",
    summary="Each reward part normalised in its group, summed, then normalised over the batch",
)
