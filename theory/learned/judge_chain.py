"""A reasoning judge as a chain of two steps, and what its verdicts are worth as rewards.

A judge sees a task of type t, picks a rubric k by pi(k | t) and then states which of two answers is
better, rightly with the chance v[t, k]. Labels are balanced and independent of the place.

Trained on its verdicts (right +1, wrong -1: a spread S = 2) by a group-relative estimator, the
logit d of one rubric against another drifts in closed form, and the time from a cold start is
exponential in its distance. In a round robin over the G rollouts of a prompt, a judge that is right
with the chance a pays a rollout its win rate, of which the slope 2a - 1 in the rank is left.

Formulas: docs/theory/learned.md.

Source: paper 31, sections 2 and 3 for the rewards; the chain is a toy of ours, its forms derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.group.variance import omega
from toyrl.theory.noise.channel import noisy_success
from toyrl.theory.noise.speed import logit_flow_time

Array = Any


@entry(
    "judge_best_accuracy",
    kind="theorem",
    cards=("31",),
    section="chain of rubrics; derived",
    provenance="derived",
    formula="sum_t s_t max_k v_tk with the type, max_k sum_t s_t v_tk without",
)
def best_accuracy(right: Array, share: Array | None = None, *, aware: bool = True) -> float:
    """Largest accuracy of any choice of rubrics, a scalar; tasks are sorted by type or are not.

    right : (types, rubrics) v, chances of a right verdict in [0, 1]
    share : (types,) weights of the types, >= 0, scaled to sum to 1; None: even
    aware : True, a rubric for each type; False, one for all

    The first is never below the second: their difference is the value of categorisation. The
    expected reward of +1 and -1 is twice the accuracy less 1.

    Raises ValueError for a table that is none, chances outside [0, 1] and shares that fit no type.
    """
    v = np.asarray(right, dtype=float)
    if v.ndim != 2 or not v.size or not np.all((v >= 0) & (v <= 1)):
        msg = f"right has the shape {v.shape}; give (types, rubrics) chances in [0, 1]"
        raise ValueError(msg)
    s = np.ones(len(v)) if share is None else np.asarray(share, dtype=float)
    if s.shape != (len(v),) or not (np.all(s >= 0) and 0 < s.sum() < np.inf):
        msg = f"share={s.tolist()} must be {len(v)} numbers, none below 0 and not all 0: one a type"
        raise ValueError(msg)
    s = s / s.sum()
    return float(s @ v.max(-1)) if aware else float((s @ v).max())


@entry(
    "judge_drift",
    kind="theorem",
    cards=("31",),
    section="training by GRPO; derived",
    provenance="derived",
    formula="E[dd/dt] = 2 S (1 - 1/G) pi (1 - pi)(v1 - v2), or 2 omega_G(v) pi (1 - pi)(v1 - v2)",
)
def drift(
    chance: Array,
    first: Array,
    second: Array,
    group_size: float,
    *,
    spread: float = 2.0,
    normalised: bool = False,
) -> np.ndarray:
    """Expected d(logit)/dt of the first of two rubrics, both logits moved by the policy gradient.

    chance : pi in [0, 1] of the first; first, second : v1, v2 in [0, 1]; they broadcast
    group_size : G >= 1, or inf; spread : S, the reward of a right verdict less that of a wrong one
    normalised : True divides the advantages by the group's sample standard deviation (the paper's
        setting without its 1e-6), which takes any spread away; False subtracts the mean alone

    Raises ValueError for a chance outside [0, 1] and a group size below 1 (normalised: below 2).
    """
    if not group_size >= (2 if normalised else 1):
        msg = f"group_size={group_size} must be at least {2 if normalised else 1}"
        raise ValueError(msg)
    pi, v1, v2 = (_share(n, x) for n, x in (("chance", chance), ("first", first),
                                            ("second", second)))  # fmt: skip
    accuracy = pi * v1 + (1 - pi) * v2
    if not normalised:
        return 2 * spread * (1 - 1 / group_size) * pi * (1 - pi) * (v1 - v2)
    moved = pi * (1 - pi) * (v1 - v2)
    # An endless group weighs an accuracy of 0 or 1 by inf; nothing is learned there all the same.
    weight = np.where(moved == 0, 0.0, omega(accuracy, group_size))
    return 2 * weight * moved


@entry(
    "judge_training_time",
    kind="theorem",
    cards=("31",),
    section="distillation before GRPO; derived",
    provenance="derived",
    formula="[2x + 2 sinh x from d0 to d1]/(2 S (1 - 1/G)(v1 - v2))",
)
def training_time(
    start: Array, end: Array, gap: Array, group_size: float, *, spread: float = 2.0
) -> np.ndarray:
    """Time of the centred drift from one logit of the better rubric to another.

    start, end : logits d0 and d1; -inf is a rubric that is never drawn, which no reward finds; from
        36 on a logit counts as inf, since its chance rounds to 1
    gap : v1 - v2 in [-1, 1]; group_size : G >= 1 or inf; spread : S as in `drift`; all broadcast

    About e^(-d0)/(2 S (1 - 1/G) gap) from a cold start d0 << 0: distillation buys this time, not
    another limit. inf at gap 0 and in a group of one; negative where the flow runs the other way.

    Raises ValueError for a gap outside [-1, 1] and a group size below 1.
    """
    from scipy.special import expit

    gap = np.asarray(gap, dtype=float)
    if not (group_size >= 1 and np.all(np.abs(gap) <= 1)):
        msg = f"group_size={group_size} must be at least 1 and gap={gap.tolist()} within -1..1"
        raise ValueError(msg)
    speed = 2 * spread * (1 - 1 / group_size) * gap
    return logit_flow_time(expit(np.asarray(start, float)), expit(np.asarray(end, float)), speed)


@entry(
    "round_robin_rate",
    kind="theorem",
    cards=("31",),
    section="use as a reward; derived",
    provenance="derived",
    formula="E[r] = u/2 + (1 - u)(1 - a + (2a - 1)(G - rank)/(G - 1))",
)
def round_robin_rate(
    rank: Array, group_size: int, accuracy: Array, unread: Array = 0.0
) -> np.ndarray:
    """Expected win rate of a rollout by its true rank, every pair judged once and for itself.

    rank : 1 the best to G; accuracy : a in [0, 1] of a verdict that is read; unread : u in [0, 1],
        the share of verdicts that can't be read and give each side half a win; they broadcast
    group_size : G >= 2

    The slope (1 - u)(2a - 1) is what a policy gradient keeps: none at a = 1/2, turned round below.

    Raises ValueError for a rank that is not in 1..G, a group of one, and shares outside [0, 1].
    """
    better = _beaten(rank, group_size)
    a, u = _share("accuracy", accuracy), _share("unread", unread)
    return u / 2 + (1 - u) * noisy_success(better, 1 - a, 1 - a)


@entry(
    "round_robin_variance",
    kind="theorem",
    cards=("31",),
    section="use as a reward; derived",
    provenance="derived",
    formula="(1 - u)(a (1 - a) + u (a - 1/2)^2)/(G - 1)",
)
def round_robin_variance(group_size: int, accuracy: Array, unread: Array = 0.0) -> np.ndarray:
    """Variance of a rollout's win rate about `round_robin_rate`, the same at every rank.

    Arguments broadcast, with the ranges and errors of that function. Two rollouts share a verdict:
    their covariance is -1/(G - 1) of it.
    """
    _beaten(1, group_size)
    a, u = _share("accuracy", accuracy), _share("unread", unread)
    return (1 - u) * (a * (1 - a) + u * (a - 0.5) ** 2) / (group_size - 1)


def _beaten(rank: Array, group_size: int) -> np.ndarray:
    """Share of the others that are truly worse."""
    rank = np.asarray(rank, dtype=float)
    if not (2 <= group_size < np.inf and group_size % 1 == 0):
        msg = f"group_size={group_size} must be a whole number of 2 or more: a lone one is judged "
        msg += "against none"
        raise ValueError(msg)
    if not np.all((rank >= 1) & (rank <= group_size)):
        msg = f"rank={rank.tolist()} must lie in 1..{group_size}, the best being 1"
        raise ValueError(msg)
    return (group_size - rank) / (group_size - 1)


def _share(name: str, value: Array) -> np.ndarray:
    found = np.asarray(value, dtype=float)
    if not np.all((found >= 0) & (found <= 1)):
        msg = f"{name}={found.tolist()} must lie in [0, 1]: it is a probability"
        raise ValueError(msg)
    return found
