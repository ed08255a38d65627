"""Behaviours as families of one parameter: how each is drawn, scored and paid in KL.

All rollouts of a policy share one number theta a behaviour; at theta = 0 it is the base's. Each
family has the statistic f whose covariance with the advantage is the policy gradient,
d E[R]/d theta = E[A (f - E f)], and its KL from the base in closed form:

    Normal  a log factor spread (theta + z)             f = z
    Coin    yes with probability sigmoid(base + theta)  f = yes
    Rounds  n coins of that probability                 f = their sum
    Strings units until one stops, mean e^(base+theta)  f = units over 1 + mean

`Strings` is the run of coins "one more", so that what is rare is found slowly: its score is the sum
of the coins' scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, xlogy

Array = np.ndarray
ROUNDS = 8
"""Re-checks that a completion may hold."""


def coin_kl(p: Array, q: Array) -> Array:
    """KL of a coin of probability p from one of q, in nats; p, q broadcast."""
    return xlogy(p, p / q) + xlogy(1 - p, (1 - p) / (1 - q))


@dataclass(frozen=True)
class Normal:
    """A normal log factor; spread (W, 1, 1) > 0."""

    spread: Array

    def drawn(self, theta: Array, z: Array) -> tuple[Array, Array]:
        """Values and scores (W, B, G) of standard normal draws of the same shape."""
        return self.spread * (theta + z), z

    def kl(self, theta: Array) -> Array:
        """Nats a rollout; same shape as theta."""
        return theta**2 / 2

    def pull(self, theta: Array) -> Array:
        """Derivative of `kl`; same shape as theta."""
        return theta


@dataclass(frozen=True)
class Coin:
    """Yes or no; base : (W, 1, 1) log odds."""

    base: Array

    def drawn(self, theta: Array, u: Array) -> tuple[Array, Array]:
        """Yes (1.0) or no, and scores, (W, B, G), of uniform draws of the same shape."""
        p = expit(self.base + theta)
        yes = (u < p) * 1.0
        return yes, yes - p

    def kl(self, theta: Array) -> Array:
        """Nats a toss; same shape as theta."""
        return coin_kl(expit(self.base + theta), expit(self.base))

    def pull(self, theta: Array) -> Array:
        """Derivative of `kl`; same shape as theta."""
        p = expit(self.base + theta)
        return p * (1 - p) * theta


@dataclass(frozen=True)
class Rounds:
    """How many of `ROUNDS` coins are yes; base : (W, 1, 1) log odds of one."""

    base: Array

    def drawn(self, theta: Array, u: Array) -> tuple[Array, Array]:
        """Counts and scores (W, B, G) of uniform draws of the same shape."""
        p = expit(self.base + theta)
        n, law, below, count = ROUNDS, (1 - p) ** ROUNDS, 0.0, np.zeros_like(u)
        for k in range(n):
            below = below + law
            count += u > below
            law = law * (n - k) / (k + 1) * p / (1 - p)
        return count, count - n * p

    def kl(self, theta: Array) -> Array:
        """Nats a rollout; same shape as theta."""
        return ROUNDS * coin_kl(expit(self.base + theta), expit(self.base))

    def pull(self, theta: Array) -> Array:
        """Derivative of `kl`; same shape as theta."""
        p = expit(self.base + theta)
        return ROUNDS * p * (1 - p) * theta


@dataclass(frozen=True)
class Strings:
    """Units until one is the last; base : (W, 1, 1) log of their mean number."""

    base: Array

    def drawn(self, theta: Array, u: Array) -> tuple[Array, Array]:
        """Numbers of units and scores (W, B, G) of uniform draws of the same shape."""
        more = expit(self.base + theta)
        units = np.floor(np.log(u) / np.log(more))
        return units, units * (1 - more) - more

    def kl(self, theta: Array) -> Array:
        """Nats a rollout; same shape as theta."""
        more = expit(self.base + theta)
        return coin_kl(more, expit(self.base)) / (1 - more)

    def pull(self, theta: Array) -> Array:
        """Derivative of `kl`; same shape as theta."""
        q, q0 = expit(self.base + theta), expit(self.base)
        # d/d theta of coin_kl/(1-q), with dq/d theta = q (1 - q)
        return q * (1 - q) * theta / (1 - q) + q * coin_kl(q, q0) / (1 - q)
