"""Laws of meta-bandits: of a prior, of its beliefs, of what exploring is worth.

    from toyrl.testing.laws.beliefs import mean_is_a_martingale

Each takes a prior of `toyrl.worlds.search.hidden_tasks`, or one of your own, and returns nothing
where the law holds and one sentence where it doesn't.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from toyrl.worlds.search.beliefs import bayes_q, beliefs, greedy, total
from toyrl.worlds.search.hidden_tasks import Prior

TOLERANCE = 1e-10


def mean_is_a_martingale(prior: Prior, pulls: int) -> str | None:
    """What a pull will say leaves every mean where it is, on average: E[mean after it] = mean."""
    layers = beliefs(prior, pulls).layers
    for t, (layer, later) in enumerate(pairwise(layers)):
        chance = np.stack([layer.mean, 1 - layer.mean], -1)[..., None]
        expected = (chance * later.mean[layer.after]).sum(-2)
        gap = np.abs(expected - layer.mean[:, None, :]).max((1, 2))
        if not gap.max() <= TOLERANCE:  # NaN is no law kept
            counts = layer.counts[gap.argmax()].tolist()
            return f"after {t} pulls, at counts {counts}, a pull moves a mean by {gap.max():.3g}"
    return None


def value_grows(prior: Prior, pulls: int, discounts: Sequence[float] = (0.0, 0.5, 1.0)
                ) -> str | None:  # fmt: skip
    """The Bayes value falls neither with pulls nor with the discount; pays are 0 or more."""
    values = np.array([[bayes_q(beliefs(prior, n), g)[0].max() for g in sorted(discounts)]
                       for n in range(1, pulls + 1)])  # fmt: skip
    for axis, name in enumerate(("pulls", "discount")):
        falls = -np.diff(values, axis=axis)
        if falls.size and not falls.max() <= TOLERANCE:
            return f"the value falls by {falls.max():.3g} with {name}"
    return None


def no_policy_is_better(prior: Prior, pulls: int, policy: Sequence[np.ndarray] | None = None
                        ) -> str | None:  # fmt: skip
    """The Bayes total is at least that of a policy: (M_t, K) chances a layer; None: the myopic one.

    It is also at least that of the best single arm, and what acting on it is paid.
    """
    process = beliefs(prior, pulls)
    q = bayes_q(process)
    best, acted = float(q[0].max()), total(process, greedy(q))
    other = total(process, greedy(bayes_q(process, 0.0)) if policy is None else policy)
    single = pulls * float((process.layers[0].mean * prior.pay).max())
    if not abs(best - acted) <= TOLERANCE * pulls:
        return f"acting on the values is paid {acted:.6g}, not their {best:.6g}"
    if not max(other, single) <= best + TOLERANCE * pulls:
        return f"a policy is paid {max(other, single):.6g}, more than the Bayes value {best:.6g}"
    return None


def arms_are_alike(prior: Prior, pulls: int) -> str | None:
    """Relabelling arms changes nothing: the first pull is worth the same for all (equal arms)."""
    first = bayes_q(beliefs(prior, pulls))[0][0]
    spread = float(np.ptp(first))
    return None if spread <= TOLERANCE * pulls else f"first pulls differ by {spread:.3g}"


def one_pull_ignores_credit(prior: Prior) -> str | None:
    """Met once, the first pull doesn't depend on the discount: exploring can't pay."""
    process = beliefs(prior, 1)
    gap = float(np.abs(bayes_q(process, 0.0)[0] - bayes_q(process, 1.0)[0]).max())
    return (
        None if gap <= TOLERANCE else f"a single pull's values move by {gap:.3g} with the discount"
    )
