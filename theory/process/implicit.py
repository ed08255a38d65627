"""What an implicit process reward is: values, bounds and what outcome labels teach.

Responses are the leaves of a complete tree of V tokens a place and T places, in lexicographic
order, so that the leaves below a prefix of t tokens are the rows of x.reshape(V^t, V^(T-t)). With
r(y) = beta log pi_theta(y)/pi_ref(y) and q^t = beta log pi_theta(y_<=t)/pi_ref(y_<=t):

    q^t = beta log E_ref[e^(r/beta) | y_<=t]                        normalisation and support alone
    E_ref[r | y_<=t] <= q^t <= E_theta[r | y_<=t] <= max r          the gaps are beta KL
    labels 0 and 1: r^t = beta log V(y_<=t)/V(y_<t), V = P_ref(right | prefix)

Formulas: docs/theory/process.md.

Source: paper 54 (Free Process Rewards), Propositions 3.1 and 3.2; bounds by KL, caps and the value
ratio derived.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from toyrl.ranges import FINITE, POSITIVE, SHARE, checked
from toyrl.registry import entry

Array = Any


@entry(
    "prefix_mean",
    kind="theorem",
    cards=("54",),
    provenance="text",
    section="Proposition 3.2, left side",
    formula="E[x | prefix]",
)
def prefix_mean(x: Array, chance: Array, prefixes: int) -> np.ndarray:
    """(prefixes,) mean of leaf values x (N,) under each prefix; 0 where a prefix has no chance.

    chance : (N,) of the leaves, in lexicographic order; prefixes : V^t, a divisor of N

    Raises ValueError where the leaves do not divide among the prefixes.
    """
    values, law = _below(x, prefixes), _below(chance, prefixes)
    mass = law.sum(-1)
    total = np.where(law > 0, law * np.where(law > 0, values, 0.0), 0.0).sum(-1)
    return total / np.where(mass > 0, mass, 1.0)


@entry(
    "soft_prefix_value",
    kind="theorem",
    cards=("54",),
    provenance="text",
    section="Proposition 3.1",
    formula="q^t = beta log E_ref[e^(r/beta) | y_<=t]",
)
@checked
def soft_prefix_value(
    reward: Any, chance: Any, prefixes: int, *, beta: Annotated[float, POSITIVE]
) -> np.ndarray:
    """(prefixes,) soft value of each prefix: near the maximum for small beta, the mean for large.

    reward, chance : (N,) of the leaves, the chances those of the reference

    Raises ValueError where the leaves do not divide among the prefixes, for a beta out of range.
    """
    values, law = _below(reward, prefixes), _below(chance, prefixes)
    seen = law > 0
    top = np.where(seen, values, -np.inf).max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    scaled = np.where(seen, law * np.exp(np.where(seen, values - top, 0.0) / beta), 0.0).sum(-1)
    mass = law.sum(-1)
    share = scaled / np.where(mass > 0, mass, 1.0)
    return np.where(mass > 0, top[:, 0] + beta * np.log(np.where(share > 0, share, 1.0)), 0.0)


@entry(
    "value_ratio_reward",
    kind="theorem",
    cards=("54",),
    provenance="derived",
    section="labels 0 and 1",
    formula="r^t = beta log V_t/V_(t-1)",
)
@checked
def value_ratio_reward(value: Any, *, beta: Annotated[float, POSITIVE]) -> np.ndarray:
    """(..., T) the ideal process reward of success chances (..., T + 1) along a response.

    -inf where hope ends, and 0 from there on; a right response collects -beta log V_0 in all,
    whichever it is.

    Raises ValueError for a beta out of its range.
    """
    V = np.asarray(value, dtype=float)
    before, now = V[..., :-1], V[..., 1:]
    some = (before > 0) & (now > 0)
    log = np.log(np.where(some, now, 1.0)) - np.log(np.where(some, before, 1.0))
    return beta * np.where((before > 0) & ~(now > 0), -np.inf, log)


@entry(
    "implicit_reward_cap",
    kind="theorem",
    cards=("54",),
    provenance="derived",
    section="what cross-entropy learns",
    formula="r <= -beta log m",
)
@checked
def implicit_reward_cap(
    mass: Annotated[Any, SHARE], *, beta: Annotated[float, POSITIVE]
) -> np.ndarray:
    """The largest reward of responses of a mass under the reference.

    mass : (n,) or a number, in [0, 1]; the answer has its shape, inf at 0

    E_ref e^(r/beta) = 1 holds for every normalised model. All-right data (m = 1) is capped at 0.

    Raises ValueError for numbers out of their ranges.
    """
    m = np.asarray(mass, dtype=float)
    return np.where(m > 0, -beta * np.log(np.where(m > 0, m, 1.0)), np.inf)


@entry(
    "learned_class_rewards",
    kind="theorem",
    cards=("54",),
    provenance="derived",
    section="what cross-entropy learns",
    formula="sigmoid(r) + (lambda/beta) e^(r/beta) = eta, sum m e^(r/beta) = 1",
)
@checked
def learned_class_rewards(
    mass: Annotated[Any, SHARE],
    eta: Annotated[Any, SHARE],
    *,
    beta: Annotated[float, POSITIVE],
) -> np.ndarray:
    """(K,) rewards that cross-entropy reaches for classes of responses, tabular and exact.

    mass : (K,) of the reference, all above 0, summing to 1; eta : (K,) chance of a right label

    The multiplier of the constraint may have either sign: rewards lie below the labels' logits
    where those would need more mass than there is, above them where less.

    Raises ValueError for masses that are none, and for labels without doubt (0 or 1): their rewards
    are infinite or the cap.
    """
    m, label = np.asarray(mass, dtype=float), np.asarray(eta, dtype=float)
    if m.shape != label.shape or m.ndim != 1 or not (m > 0).all() or abs(m.sum() - 1) > 1e-9:
        msg = f"mass={m.tolist()} must be chances above 0, one a class of eta, that sum to 1"
        raise ValueError(msg)
    if not ((label > 0) & (label < 1)).all():
        msg = f"eta={label.tolist()} holds a label without doubt; use implicit_reward_cap there"
        raise ValueError(msg)
    from scipy.optimize import minimize

    # Convex in x = r/beta on the surface sum m e^x = 1; x = log p/m with p a softmax of K numbers.
    def loss(z: np.ndarray) -> tuple[float, np.ndarray]:
        p = np.exp(z - z.max())
        p /= p.sum()
        r = beta * (np.log(np.maximum(p, 1e-300)) - np.log(m))
        value = m @ (label * np.logaddexp(0, -r) + (1 - label) * np.logaddexp(0, r))
        slope = beta * m * (1 / (1 + np.exp(-r)) - label)
        return float(value), slope - p * slope.sum()

    start = np.log(m)
    scale = 1 / (beta * m.min())
    found = minimize(lambda z: tuple(scale * x for x in loss(z)), start, jac=True, method="BFGS",
                     options={"gtol": 1e-10, "maxiter": 10_000})  # fmt: skip
    log_p = found.x - np.logaddexp.reduce(found.x)
    return beta * (log_p - np.log(m))


@entry(
    "pooled_vote",
    kind="theorem",
    cards=("54",),
    provenance="text",
    section="section 4 (voting with the reward model)",
    formula="argmax over answers of sum sigmoid(score)",
)
def pooled_vote(answer: Array, score: Array, *, scale: Annotated[float, FINITE] = 1.0) -> int:
    """The answer whose responses have the largest sum of sigmoid(scale score).

    answer : (N,) whole numbers; score : (N,); ties go to the smallest number. Unlike a ranking the
    vote depends on beta (`scale` times it).
    """
    names, place = np.unique(np.asarray(answer), return_inverse=True)
    x = np.clip(scale * np.asarray(score, dtype=float), -700, 700)
    total = np.bincount(place, weights=1 / (1 + np.exp(-x)))
    return int(names[int(np.argmax(total))])


def _below(x: Array, prefixes: int) -> np.ndarray:
    """(prefixes, leaves below each)."""
    flat = np.asarray(x, dtype=float).ravel()
    if prefixes < 1 or flat.size % prefixes:
        msg = f"prefixes={prefixes} does not divide the {flat.size} leaves; it is V^t"
        raise ValueError(msg)
    return flat.reshape(prefixes, -1)
