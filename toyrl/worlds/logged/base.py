"""A log as a base policy: of each prompt its own rollouts, each as likely as its weight.

The policies that it supports are

    pi(y | x) proportional to pi_0(y | x) exp(z(x, y)),   z = theta . f(x, y) + tilt_x right(x, y)

with features f that training can move everywhere at once, and theta shared by all prompts. Of most
features a log can't say whether they make an answer right: short siblings are right more often
because trouble makes both long and wrong. Such a feature is moved *alike*, among rollouts of a
prompt that are right or wrong alike, and leaves their odds as they are; what is needed to be right,
a readable answer, moves freely. Arrays
are (R, B, n): R batches that train side by side (one, or resamples of the prompts), B prompts, n
rollouts. Nothing that the log doesn't hold can be reached: n rollouts carry at most log n nats.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from toyrl.rollouts import Rollouts

Array = np.ndarray
SPREAD = 1e-9
"""A feature that varies less than this within prompts, in its own unit, can't be moved."""


@dataclass(frozen=True)
class Base:
    """R batches of B prompts with n rollouts each.

    rollouts : (R, B, n), weight 0 where a prompt has fewer
    share : (R, B, n) the base's probability of each rollout; sums to 1 over n
    names, features : K names and (R, B, n, K), centred within prompts, in standard deviations
    alike : (K,) bool, features that are moved among right and among wrong rollouts only
    units : name -> the standard deviation within prompts, in the feature's own unit
    flat : names of features that no prompt varies
    """

    rollouts: Rollouts
    share: Array
    names: tuple[str, ...]
    features: Array
    alike: Array
    units: Mapping[str, float]
    flat: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int, int]:
        """(R, B, n)."""
        batches, prompts, rollouts = self.share.shape
        return batches, prompts, rollouts

    @property
    def counts(self) -> Array:
        """(R, B, 1) rollouts of each prompt."""
        return (self.rollouts.w > 0).sum(-1, keepdims=True)

    def take(self, prompts: Array) -> Base:
        """Batches of prompts: (R, b) places in the first batch."""
        r = self.rollouts
        fields = {name: x[0][prompts] for name, x in r.fields.items()}
        some = replace(
            r,
            correct=r.correct[0][prompts],
            length=r.length[0][prompts],
            truncated=r.cut[0][prompts],
            weight=r.w[0][prompts],
            mask=None if r.mask is None else r.mask[0][prompts],
            fields=fields,
        )
        return replace(
            self, rollouts=some, share=self.share[0][prompts], features=self.features[0][prompts]
        )


def base_of(
    rollouts: Rollouts, features: Mapping[str, Array], *, alike: Collection[str] = ()
) -> Base:
    """The log (B, n) as one batch.

    features : name -> (B, n) in any unit, NaN where a rollout has none (it then counts as its
        prompt's mean); one that varies within no prompt is left out, and named in `flat`
    alike : names of those that are moved among right and among wrong rollouts only

    Raises ValueError for rollouts that aren't (B, n), for features of another shape, and where no
    prompt has a rollout.
    """
    if len(rollouts.shape) != 2 or not np.any(rollouts.w > 0):
        msg = f"rollouts have the shape {rollouts.shape}; a log is (prompts, rollouts), not empty"
        raise ValueError(msg)
    w = np.asarray(rollouts.w, dtype=float)
    some = w.sum(-1) > 0
    w = w[some]
    share = w / w.sum(-1, keepdims=True)
    kept, units, flat = {}, {}, []
    for name, value in features.items():
        if np.shape(value) != rollouts.shape:
            msg = f"feature {name!r} has the shape {np.shape(value)}, the rollouts {rollouts.shape}"
            raise ValueError(msg)
        centred, unit = _centred(np.asarray(value, dtype=float)[some], share)
        if unit <= SPREAD:
            flat.append(name)
            continue
        kept[name], units[name] = centred / unit, unit
    columns = np.stack([*kept.values()], axis=-1) if kept else np.zeros((*share.shape, 0))

    def one(x: Array | None) -> Array | None:
        return None if x is None else np.asarray(x)[some][None]

    batch = replace(
        rollouts,
        correct=one(rollouts.correct),
        length=one(rollouts.length),
        truncated=one(rollouts.cut),
        weight=w[None],
        mask=one(rollouts.mask),
        fields={name: one(x) for name, x in rollouts.fields.items()},
    )
    apart = np.array([name in alike for name in kept], dtype=bool)
    return Base(batch, share[None], tuple(kept), columns[None], apart, units, tuple(flat))


def _centred(x: Array, share: Array) -> tuple[Array, float]:
    """Values less their prompt's mean, 0 where there are none, and their spread within prompts."""
    known = np.isfinite(x) & (share > 0)
    p = np.where(known, share, 0.0)
    mass = p.sum(-1, keepdims=True)
    mean = np.where(known, x, 0.0) * p
    mean = mean.sum(-1, keepdims=True) / np.where(mass > 0, mass, 1.0)
    out = np.where(known, np.where(known, x, 0.0) - mean, 0.0)
    return out, float(np.sqrt((p * out**2).sum(-1).mean()))


def moved(share: Array, z: Array) -> tuple[Array, Array]:
    """Probabilities of pi_0 exp(z) and their log ratio to the base's; (..., n) each.

    share : the base's, 0 for a rollout that isn't there
    """
    top = np.where(share > 0, z, -np.inf).max(-1, keepdims=True)
    weight = share * np.exp(np.where(share > 0, z - top, 0.0))
    total = weight.sum(-1, keepdims=True)
    return weight / total, np.where(share > 0, z - top - np.log(total), 0.0)


def nats(prob: Array, ratio: Array) -> Array:
    """(...,) KL from the base, a rollout: mean over prompts of prob (..., B, n)."""
    return (prob * ratio).sum(-1).mean(-1)


def support(prob: Array, share: Array) -> Array:
    """(...,) effective sample size over that of the base: mean over prompts with two or more.

    Of a prompt 1/sum p^2 over 1/sum p_0^2 (Kong 1992); 1 where no prompt has two.
    """
    several = (share > 0).sum(-1) > 1
    own = (share**2).sum(-1) / (prob**2).sum(-1)
    n = several.sum(-1)
    return np.where(n > 0, (own * several).sum(-1) / np.maximum(n, 1), 1.0)


def form(r: Rollouts) -> Array:
    """Whether the answer can be read: the field `format`, else `answered`, else not truncated."""
    for name in ("format", "answered"):
        if r.has(name):
            return np.nan_to_num(np.asarray(r.fields[name], dtype=float))
    return 1.0 - r.cut
