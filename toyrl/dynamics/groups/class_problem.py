"""One question to the class engine, prepared: which methods apply, and what each answers.

`toyrl.dynamics.groups.class_weights` is the way in; here a `Problem` holds classes, probabilities,
reward and estimator in one checked form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl import stats
from toyrl.dynamics.groups import compositions
from toyrl.dynamics.groups.compositions import Moments
from toyrl.dynamics.groups.siblings import draw_classes, frozen_uniforms, sibling_weights
from toyrl.estimators.base import Estimator, read_by
from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.one_sided import OneSided
from toyrl.estimators.shaped import ShapedReward
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import picked
from toyrl.shapers.base import Parts, Shaper, sum_parts

METHODS = ("auto", "infinite", "compositions", "linear", "quadrature", "sampled")
ROWS = 100_000
SUM = PolicyGradient("sum")


@dataclass(frozen=True)
class Problem:
    """One question to the engine: classes, their probabilities, reward, estimator, group size.

    rollouts : (B, K) float64, weight = share times probability
    prob : (B, K), rows sum to 1; share : (B,), sum 1
    parts : function of rollouts; scope : how far it looks
    fixed : the reward parts of the classes where the scope is rollout, else None
    """

    rollouts: Rollouts
    prob: np.ndarray
    share: np.ndarray
    parts: Callable[[Rollouts], Parts]
    scope: str
    fixed: Parts | None
    estimator: Estimator
    group_size: float

    @classmethod
    def of(cls, rollouts: Rollouts, parts: Any, estimator: Estimator, group_size: float) -> Problem:
        """Check the question and prepare it."""
        _check(rollouts, parts, estimator, group_size)
        r = _float64(rollouts)
        share = r.w.sum(-1)
        prob = r.w / share[:, None]
        share = share / share.sum()
        r = r.with_(weight=prob * share[:, None], group_size=math.inf)
        function, scope = _function(parts)
        fixed = None
        if scope == "rollout":
            fixed = {n: np.asarray(v, dtype=float) for n, v in function(r).items()}
        problem = cls(r, prob, share, function, scope, fixed, estimator, group_size)
        if fixed is not None:
            return replace(problem, estimator=_many_prompts(estimator, fixed, r, group_size))
        return problem

    # -- which method ---------------------------------------------------------------------------
    def choose(self, method: str) -> str:
        """The method to use, or ValueError with the reason why it cannot be used."""
        if method not in METHODS:
            msg = f"method={method!r} is not one of {', '.join(METHODS)}"
            raise ValueError(msg)
        if method == "auto":
            return next(m for m in METHODS[1:] if self._refusal(m) is None)
        reason = self._refusal(method)
        if reason is not None:
            msg = f"method={method!r} cannot be used: {reason}; use method='auto'"
            raise ValueError(msg)
        return method

    def _refusal(self, method: str) -> str | None:
        finite = math.isfinite(self.group_size)
        if finite == (method == "infinite"):
            return f"group_size is {self.group_size:g}"
        if method in ("infinite", "sampled"):
            return None
        if method == "compositions":
            if self.scope == "batch" or self.estimator.scope == "batch":
                return "its statistics over the batch are no numbers; they need whole batches"
            rows = self.rows()
            return f"it needs {rows:,} rows, above {ROWS:,}" if rows > ROWS else None
        if self.fixed is None:
            return f"the reward looks at its {self.scope}"
        inner = self.estimator.inner if isinstance(self.estimator, _ManyPrompts) else None
        if inner is None:
            return f"{type(self.estimator).__name__} is no group-relative baseline"
        if method == "linear":
            return "the estimator divides by the group's std" if inner.scale == "group" else None
        if inner.scale != "group" or inner.baseline not in ("mean", "leave_one_out"):
            return "it needs a group mean as baseline and the group's std as scale"
        if inner.ddof not in (0.0, 1.0):
            return f"ddof={inner.ddof:g} is neither 0 nor 1"
        return None if self.group_size >= 2 else "a group of one has no std"

    def rows(self) -> int:
        """Multisets of the prompt that has most of them."""
        worst = 0
        for b in range(len(self.prob)):
            first, level = self.levels(b)
            p = np.bincount(level, self.prob[b], minlength=len(first))
            possible = int((p > 0).sum())
            count = compositions.row_count(possible, len(p) - possible, int(self.group_size))
            worst = max(worst, count)
        return worst

    def levels(self, b: int) -> tuple[np.ndarray, np.ndarray]:
        """Classes of prompt b that nothing can tell apart: a first index (R,) and levels (K,)."""
        r = self.rollouts
        columns = [] if self.fixed is None else [v[b] for v in self.fixed.values()]
        if self.fixed is None or not isinstance(self.estimator, _ManyPrompts):
            if r.mask is not None or any(v.ndim > 2 for v in r.fields.values()):
                return (np.arange(self.prob.shape[1]),) * 2
            columns += [r.correct[b], r.length[b], r.cut[b], *(v[b] for v in r.fields.values())]
        keys = np.stack(columns, axis=-1).astype(float)
        keys = np.concatenate([np.nan_to_num(keys), np.isnan(keys)], axis=-1) + 0.0
        _, first, level = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        return first, level.reshape(-1)

    # -- the methods ----------------------------------------------------------------------------
    def infinite(self) -> np.ndarray:
        """(B, K) advantages in the population limit."""
        parts = self.fixed
        if parts is None:
            # Group shapers see one prompt's population, batch shapers the mix of all prompts.
            own = self.rollouts if self.scope == "batch" else self.rollouts.with_(weight=self.prob)
            parts = self.parts(own)
        advantage, _ = self.estimator.apply(parts, self.rollouts)
        return np.asarray(advantage, dtype=float)

    def compositions(self) -> Moments:
        """(B, K) moments of the advantage, all multisets enumerated."""
        answers = []
        for b in range(len(self.prob)):
            first, level = self.levels(b)
            p = np.bincount(level, self.prob[b], minlength=len(first))
            found = compositions.moments(p, int(self.group_size), self._on_counts(b, first))
            answers.append(found.take(level))
        return Moments(*(np.stack(x) for x in zip(*map(_astuple, answers), strict=True)))

    def _on_counts(self, b: int, first: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        def advantage(counts: np.ndarray) -> np.ndarray:
            shape = (len(counts), 1, len(first))
            index = np.broadcast_to(first, shape)
            parts, r = self.gather(b, index, counts[:, None].astype(float))
            return np.asarray(self.estimator.apply(parts, r)[0], dtype=float)[:, 0]

        return advantage

    def _family(self) -> tuple[_ManyPrompts, np.ndarray]:
        """Group estimator and reward (B, K), where linear or quadrature apply."""
        if not isinstance(self.estimator, _ManyPrompts) or self.fixed is None:
            msg = "this method needs a group-relative estimator and a reward of the rollout alone"
            raise TypeError(msg)
        return self.estimator, sum_parts(self.fixed, self.rollouts)

    def linear(self) -> np.ndarray:
        """(B, K): without division by a group's std only means enter, and means are linear."""
        e, reward = self._family()
        inner, G = e.inner, int(self.group_size)
        here = ~np.isnan(reward)
        value = np.where(here, reward, 0.0)
        factor = e.factor
        if inner.baseline == "none":
            return np.where(here, (value - e.shift) * factor, 0.0)
        present = (self.prob * here).sum(-1, keepdims=True)
        mean = (self.prob * value).sum(-1, keepdims=True) / np.where(present > 0, present, 1.0)
        chance = _binomial(G - 1, present)  # (B, G): m siblings with a usable reward
        m = np.arange(G)
        kept = m / (m + 1) if inner.baseline == "mean" else (m > 0).astype(float)
        w = (value - mean) * factor * (chance @ kept)[:, None]
        if inner.singleton == "raw":
            w = w + chance[:, :1] * value
        return np.where(here, w, 0.0)

    def quadrature(self) -> np.ndarray:
        """(B, K) for division by the group's std; NaN classes make the group smaller."""
        from toyrl.dynamics.groups.quadrature import group_std_weights

        e, reward = self._family()
        inner, G = e.inner, int(self.group_size)
        out = np.zeros_like(reward)
        for b, row in enumerate(reward):
            here = ~np.isnan(row)
            present = self.prob[b][here].sum()
            if not present > 0:
                continue
            values, level = np.unique(row[here], return_inverse=True)
            p = np.bincount(level, self.prob[b][here]) / present
            values, p, merged = _merge_rounding(values, p, inner.eps)
            chance = _binomial(G - 1, np.array([[present]]))[0]
            w = chance[0] * (values if inner.singleton == "raw" else 0 * values)
            for n in range(2, G + 1):
                if chance[n - 1] == 0 or n <= inner.ddof:
                    continue
                part = group_std_weights(values, p, n, eps=float(inner.eps), ddof=inner.ddof)
                scale = n / (n - 1) if inner.baseline == "leave_one_out" else 1.0
                w = w + chance[n - 1] * scale * part
            out[b, here] = w[merged][level]
        return out

    def sampled(self, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(B, K) weights and standard errors from `samples` groups a prompt."""
        B, K = self.prob.shape
        uniforms = frozen_uniforms(B, samples, int(self.group_size), seed=seed)
        w, error = sibling_weights(
            self.prob[None], self.gather_samples, self.estimator, SUM, uniforms
        )
        index = draw_classes(self.prob[None], uniforms)[0].reshape(B, -1)
        seen = np.stack([np.bincount(row, minlength=K) for row in index]) > 0
        return w[0], np.where(seen, error[0], math.inf)

    def tied(self) -> np.ndarray | None:
        """(B,) P(all usable rewards of a group are equal); None where rewards depend on the group.

        sum_r p_r^G over distinct rewards; with probability q of a NaN reward,
        sum_r [(p_r + q)^G - q^G] + q^G.
        """
        if self.fixed is None:
            return None
        reward = sum_parts(self.fixed, self.rollouts)
        out = np.empty(len(reward))
        for b, row in enumerate(reward):
            here = ~np.isnan(row) & (self.prob[b] > 0)
            _, level = np.unique(row[here], return_inverse=True)
            p = np.bincount(level, self.prob[b][here])
            absent = self.prob[b][np.isnan(row)].sum()
            if len(p) <= 1 or math.isinf(self.group_size):
                out[b] = float(len(p) <= 1)
                continue
            none = absent**self.group_size
            out[b] = ((p + absent) ** self.group_size - none).sum() + none
        return np.minimum(out, 1.0)

    # -- real groups out of classes -------------------------------------------------------------
    def gather(self, b: Any, index: np.ndarray, weight: Any) -> tuple[Parts, Rollouts]:
        """Reward parts and rollouts of class indices (..., B', G) of prompts b."""
        if self.fixed is not None:  # the reward is known, only the estimator reads them
            r = picked(
                read_by(self.estimator, self.rollouts), (b, index), weight=weight, group_size=None
            )
            return {n: np.asarray(v)[b, index] for n, v in self.fixed.items()}, r
        r = picked(self.rollouts, (b, index), weight=weight, group_size=None)
        return self.parts(r), r

    def gather_samples(self, index: np.ndarray) -> tuple[Parts, Rollouts]:
        """Reward parts and rollouts (1, B S, G) of drawn class indices (1, B, S, G)."""
        _, B, S, G = index.shape
        prompt = np.arange(B)[:, None, None] + np.zeros((1, S, G), dtype=np.int64)
        flat = (1, B * S, G)
        parts, r = self.gather(prompt.reshape(flat), index.reshape(flat), None)
        if np.ptp(self.share) > 1e-12:
            # Pooled statistics weigh prompts by share; a group's size stays G.
            weight = np.broadcast_to((self.share * B)[:, None, None], (B, S, G)).reshape(flat)
            r = r.with_(weight=weight.copy(), group_size=float(G))
        return parts, r


@dataclass(frozen=True)
class _ManyPrompts(Estimator):
    """A group estimator whose batch statistics are numbers already: the limit of many prompts."""

    inner: GroupEstimator
    shift: float
    factor: float

    def apply(self, parts: Parts, rollouts: Rollouts, state: Any = None) -> tuple[Any, Any]:
        total = sum_parts(parts, rollouts)
        reward = total - self.shift
        if self.shift:  # a mean of equal numbers may differ from them by rounding
            limit = 8 * np.finfo(float).eps * np.maximum(np.abs(total), abs(self.shift))
            reward = np.where(np.abs(reward) <= limit, 0.0, reward)
        advantage = self.inner.advantages(reward, rollouts)
        if self.factor == 1.0:
            return advantage, dict(state or {})
        factor = self.factor
        if self.inner.baseline != "none":  # a lone rollout's raw reward is not divided
            w = rollouts.w * ~np.isnan(reward)
            size = stats.mass(w) if rollouts.group_size is None else rollouts.group_size
            alone = np.asarray(size) <= 1
            factor = np.where(alone, 1.0, factor)
        return advantage * factor, dict(state or {})


def _many_prompts(e: Estimator, fixed: Parts, r: Rollouts, group_size: float) -> Estimator:
    """The estimator with batch statistics taken from the mix of the prompts' classes."""
    if isinstance(e, ShapedReward):
        if _shapes_groups(e):
            return e
        paid = {"reward": e.reward(fixed, r)}
        return replace(e, inner=_many_prompts(e.inner, paid, r, group_size))
    if isinstance(e, OneSided):
        return replace(e, inner=_many_prompts(e.inner, fixed, r, group_size))
    if not isinstance(e, GroupEstimator):
        return e.in_batch(fixed, r, group_size)
    shift, factor, inner = 0.0, 1.0, e
    reward = sum_parts(fixed, r)
    w = np.where(np.isnan(reward), 0.0, r.w).reshape(1, -1)
    flat = np.nan_to_num(reward, nan=0.0).reshape(1, -1)
    if e.baseline == "batch":
        shift, inner = float(stats.mean(flat, w)[0, 0]), replace(inner, baseline="none")
    if e.scale == "batch":
        spread = float(stats.std(flat, w)[0, 0])
        largest = float(np.max(np.abs(flat), initial=0.0, where=w > 0))
        signal = spread > (8 * np.finfo(float).eps * largest if e.eps == 0 else 0.0)
        factor = 1 / (spread + float(e.eps)) if signal else 0.0
        inner = replace(inner, scale="none")
    return _ManyPrompts(inner, shift, factor)


def _shapes_groups(estimator: Estimator) -> bool:
    """True for an estimator whose own shaper looks at more than the rollout."""
    return isinstance(estimator, ShapedReward) and estimator.shaper.all_scope() != "rollout"


def _check(rollouts: Rollouts, parts: Any, estimator: Estimator, group_size: float) -> None:
    if len(rollouts.shape) != 2:
        msg = f"rollouts has shape {rollouts.shape}; class rollouts are (prompts, classes)"
        raise ValueError(msg)
    w = np.asarray(rollouts.w, dtype=float)
    if not (np.isfinite(w).all() and (w >= 0).all() and (w.sum(-1) > 0).all()):
        msg = "rollouts.weight must hold class probabilities: finite, >= 0, some > 0 per prompt"
        raise ValueError(msg)
    if not (group_size >= 1 and (math.isinf(group_size) or group_size == int(group_size))):
        msg = f"group_size={group_size} is not a whole number >= 1 or inf"
        raise ValueError(msg)
    if estimator.token_level or (isinstance(parts, Shaper) and parts.all_token_level()):
        msg = "class weights need one reward and one advantage per rollout; this is token-level"
        raise ValueError(msg)


def _function(parts: Any) -> tuple[Callable[[Rollouts], Parts], str]:
    if isinstance(parts, Shaper):
        return lambda r: parts.apply(r).parts, parts.all_scope()
    return parts, getattr(parts, "scope", "group")


def _float64(r: Rollouts) -> Rollouts:
    """The rollouts with float64 NumPy arrays."""

    def wide(x: Any) -> Any:
        return None if x is None else np.asarray(x, dtype=float)

    return replace(
        r,
        correct=wide(r.correct),
        length=wide(r.length),
        truncated=None if r.truncated is None else np.asarray(r.truncated),
        weight=wide(r.w),
        mask=wide(r.mask),
        fields={n: wide(v) for n, v in r.fields.items()},
    )


def _binomial(n: int, p: np.ndarray) -> np.ndarray:
    """(B, n+1) probabilities of 0..n successes, p (B, 1)."""
    from scipy.stats import binom

    return binom.pmf(np.arange(n + 1), n, np.clip(p, 0.0, 1.0))


def _merge_rounding(
    values: np.ndarray, p: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge values that differ by rounding alone, which an estimator with eps = 0 calls tied.

    Returns the values kept, their probabilities and the place (R,) of each old value.
    """
    limit = 8 * np.finfo(float).eps * np.abs(values).max() if eps == 0 else 0.0
    merged = np.concatenate([[0], np.cumsum(np.diff(values) > limit)])
    first = np.searchsorted(merged, np.arange(merged[-1] + 1))
    return values[first], np.bincount(merged, p), merged


def _astuple(m: Moments) -> tuple[np.ndarray, ...]:
    return m.first, m.second, m.negative
