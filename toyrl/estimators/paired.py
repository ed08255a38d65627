"""One right and one wrong rollout per prompt: OREAL's sampler as an estimator.

A prompt whose rollouts are all right or all wrong is dropped; of any other one random right and one
random wrong rollout are kept. With k right ones among G,

    scheme     right               wrong                  as in
    rloo       2 (G-k)/(G-1)       -eta 2 k/(G-1)         code, eta 1/2: RLOO of rewards +-1
    reshaped   1                   -eta (1 - k/G)         paper, Eq. 6, eta 1
    grpo       sqrt((G-k)/k)       -eta sqrt(k/(G-k))     code's option, population std, eps 0

The pick is uniform, so its expectation, the same advantage spread over the k right (G - k wrong)
ones, is the same estimator with less variance; it is what is computed here. Whatever the weights
a, b of the two sides, the expected update is (a/p + b/(1-p)) grad p: the scheme weighs prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.estimators.participants import group_size, usable
from toyrl.ranges import FINITE, NOT_NEGATIVE, one_of
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts

Array = Any
SCHEMES = ("rloo", "reshaped", "grpo")


@dataclass(frozen=True)
class Paired(Estimator):
    """Advantages of the expected pair, G/k (or G/(G-k)) times the pair's per member.

    scheme, eta : see the module's table; eta weighs the wrong side
    threshold : a rollout is right if its total reward is above it

    With a mean over the group's G rollouts the update is that of one right plus one wrong.
    """

    scheme: Annotated[str, one_of(*SCHEMES)] = "rloo"
    eta: Annotated[float, NOT_NEGATIVE] = 0.5
    threshold: Annotated[float, FINITE] = 0.5

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        xp = rollouts.xp
        reward, w = usable(parts, rollouts)
        zero = xp.zeros_like(w)
        above = reward > self.threshold
        right, wrong = stats.mass(xp.where(above, w, zero)), stats.mass(xp.where(above, zero, w))
        total = stats.mass(w)
        mixed = (right > 0) & (wrong > 0)
        one = xp.ones_like(total)
        k, n, m = (xp.where(mixed, x, one) for x in (right, total, wrong))
        up, down = self._pair(k / n, m / n, group_size(rollouts, w))
        a = xp.where(above, up * n / k + zero, zero - self.eta * down * n / m)
        return xp.where(mixed & (w > 0), a, zero), dict(state or {})

    def _pair(self, p: Array, q: Array, size: Any) -> tuple[Array, Array]:
        """Weights of the right and of the wrong rollout, both >= 0; p, q > 0 their shares."""
        xp = stats.array_namespace(p)
        if self.scheme == "reshaped":
            return xp.ones_like(p), q
        if self.scheme == "grpo":
            return xp.sqrt(q / p), xp.sqrt(p / q)
        others = stats.bessel(size, 1.0)
        return 2 * q * others, 2 * p * others


for _name, _scheme, _eta, _summary, _provenance in (
    ("oreal_pair", "rloo", 0.5, "leave-one-out weights, wrong ones halved (released)", "code"),
    ("oreal_reshaped", "reshaped", 1.0, "weights 1 and 1 - p (paper)", "text"),
):
    add(
        _name,
        Paired(_scheme, _eta),
        kind="estimator",
        formula="A = a/k on the k right, -eta b/(G-k) on the wrong, 0 in uniform groups",
        cards=("30",),
        section="Eqs. 6, 10 to 12; repository oreal/datasets/trajectory.py",
        provenance=_provenance,
        summary=f"One right and one wrong rollout per prompt, {_summary}",
    )
