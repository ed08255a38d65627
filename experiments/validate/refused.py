"""Which estimators `validate` can't judge, why, and what to ask instead.

Its verdicts stand on outcome classes: one reward and one advantage a rollout, and of its rollouts
whether they are right, how long, cut off and answered. docs/estimators.md has the same as a table.
"""

from __future__ import annotations

from toyrl.estimators.base import Estimator
from toyrl.estimators.baselines import Remax
from toyrl.estimators.halves import Canon
from toyrl.estimators.near import KeepNear
from toyrl.estimators.prime import Prime
from toyrl.estimators.shaped import ShapedReward
from toyrl.estimators.tokens import ReturnsToGo

HELD = ("correct", "length", "truncated", "answered")
"""What every class has without an assumption."""
OTHERWISE = "name another (all compares those that can), or put what it reads into the reward"
BY_TOKEN = (
    "its updates on the chain, exact over all groups, are in toyrl reproduce token-estimators"
)


def refusal(estimator: Estimator) -> str:
    """Why an estimator can't be run on outcome classes, or ""."""
    if estimator.token_level:
        return "it gives advantages by token, and outcome classes hold no tokens"
    missing = [n for n in estimator.needs if n not in HELD]
    if not missing:
        return ""
    return f"it reads {', '.join(missing)}, which outcome classes don't hold"


def instead(estimator: Estimator) -> str:
    """What to ask in the place of a refused estimator; it holds for a reward that is correctness
    where the answer names a reward."""
    if isinstance(estimator, ReturnsToGo) and estimator.gamma == 1 and estimator.whitened:
        same = "with gamma=1 and one reward a rollout it is reinforce_plus_plus: name that"
        return f"{same}; {BY_TOKEN}"
    if isinstance(estimator, Prime):
        return (
            "a trainer of one number a rollout pays outcome() + implicit_process() as a total: "
            "judge that under rloo; by token it is in toyrl reproduce 53"
        )
    if estimator.token_level:
        return f"name one that gives a number a rollout; {BY_TOKEN}"
    if isinstance(estimator, ShapedReward) and not refusal(estimator.inner):
        shaper, inner = estimator.shaper, estimator.inner
        return (
            f'put its shaper into the reward: correctness under it is toyrl validate "{shaper!r}" '
            f'--estimator "{inner!r}"'
        )
    if isinstance(estimator, Remax):
        return (
            "its baseline is one number a prompt, which moves no expected update where tokens are "
            "summed or averaged alike: name reinforce, and take its batches for less noisy"
        )
    if isinstance(estimator, KeepNear) and not refusal(estimator.inner):
        return (
            "a class has no representation in a reward model; where every rollout is near it is "
            f"{estimator.inner!r}: name that, and see toyrl reproduce 32 for those that are not"
        )
    if isinstance(estimator, Canon):
        return (
            f"a toy's rollouts have no {estimator.metric} that training moves, so that halves by "
            "it would be drawn by lot: name canon, with halves by length"
        )
    return OTHERWISE
