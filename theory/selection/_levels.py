"""What the laws of selection read: the distinct rewards of a law in logarithms, checks, orders.

Source: definition of the field; derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


class Given:
    """What is given, checked, and what is drawn for it."""

    @staticmethod
    def laws(prob: Array, *values: Array) -> tuple[np.ndarray, ...]:
        """(prob, values...) as floats of one shape (..., K).

        Raises ValueError for probabilities that are negative or don't sum to 1, and for a NaN value
        where the probability isn't 0.
        """
        prob, *rest = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (prob, *values)))
        total = prob.sum(-1)
        if not ((prob >= 0).all() and (np.abs(total - 1) < 1e-6).all()):
            msg = f"prob must be at least 0 and sum to 1 along its last axis; it sums to {total}"
            raise ValueError(msg)
        for value in rest:
            if np.isnan(value[prob > 0]).any():
                msg = "reward or truth is NaN where prob is above 0; leave such answers out"
                raise ValueError(msg)
        return (prob, *rest)

    @staticmethod
    def draws(k: Array) -> np.ndarray:
        """k as floats, of any shape. Raises ValueError for a k below 1 or NaN."""
        found = np.asarray(k, dtype=float)
        if not (found >= 1).all():
            msg = f"k={k} must be at least 1: one rollout is kept of k drawn"
            raise ValueError(msg)
        return found

    @staticmethod
    def orders(B: int, n: int, orders: int, seed: int) -> np.ndarray:
        """(n, B, orders) random orders of 0..n-1: every prefix of one is a random subset."""
        keys = np.random.default_rng(seed).random((B, orders, n), dtype=np.float32)
        return np.ascontiguousarray(np.argsort(keys, axis=-1).transpose(2, 0, 1))


@dataclass(frozen=True)
class Levels:
    """The distinct rewards of each row, rising, behind them levels without mass.

    mass, log_upto : (..., K) probability of each level, and log of that of a reward at most it
    log_step : (..., K) log of F below the level over F up to it
    place : (..., K) the level of each answer
    """

    mass: np.ndarray
    log_upto: np.ndarray
    log_step: np.ndarray
    place: np.ndarray

    def part(self, where: slice) -> Levels:
        """Some of the levels of one row; places stay."""
        rows = (self.mass[where], self.log_upto[where], self.log_step[where])
        return Levels(*rows, self.place)

    def kept(self, k: np.ndarray) -> np.ndarray:
        """(N..., ..., K) probability that the kept one is of each level."""
        k = k.reshape(k.shape + (1,) * self.mass.ndim)
        with np.errstate(invalid="ignore"):  # inf times 0: a level of no mass, or the top
            upto = np.where(self.log_upto == 0, 0.0, k * self.log_upto)
            step = np.where(self.log_step == 0, 0.0, k * self.log_step)
        return np.exp(upto) * -np.expm1(step)

    def log_gain(self, k: np.ndarray) -> np.ndarray:
        """(N..., ..., K) log of that probability over the level's mass; 0 without mass."""
        k = k.reshape(k.shape + (1,) * self.mass.ndim)
        some = self.mass > 0
        share = np.where(some, -np.expm1(self.log_step), 1.0)  # P/F
        with np.errstate(invalid="ignore", divide="ignore"):
            upto = np.where(self.log_upto == 0, 0.0, (k - 1) * self.log_upto)
            step = np.where(some, k * self.log_step, -np.inf)
            found = upto + np.log(-np.expm1(step)) - np.log(share)
        return np.where(some, found, 0.0)

    def mean(self, prob: np.ndarray, value: np.ndarray) -> np.ndarray:
        """(..., K) mean of a value in each level, 0 in a level without mass."""
        weight = np.where(prob > 0, prob, 0.0) * np.where(prob > 0, value, 0.0)
        total = _summed(weight, self.place)
        # A level's mass of 1e-300 divides before it multiplies: prob/mass is an ordinary number.
        tiny = (self.mass > 0) & (self.mass < 1e-280)
        if tiny.any():
            share = prob / np.where(self.mass > 0, self.mass, 1.0)[_rows(self.place), self.place]
            total = np.where(tiny, _summed(share * value, self.place) * self.mass, total)
        return np.where(self.mass > 0, total / np.where(self.mass > 0, self.mass, 1.0), 0.0)

    @classmethod
    def of(cls, prob: Array, reward: Array) -> Levels:
        """The levels of each row of (..., K) probabilities and rewards, broadcast.

        Answers of probability 0 are never drawn and make no level.

        Raises ValueError for what is no probability and for a NaN reward that can be drawn.
        """
        prob, reward = Given.laws(prob, reward)
        shape, K = prob.shape, prob.shape[-1]
        p, r = prob.reshape(-1, K), np.where(prob > 0, reward, -np.inf).reshape(-1, K)
        order = np.argsort(r, axis=-1, kind="stable")
        ranked = np.take_along_axis(r, order, -1)
        new = np.concatenate([np.zeros((len(p), 1), bool), ranked[:, 1:] != ranked[:, :-1]], -1)
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.cumsum(new, -1), -1)
        mass = _summed(p, place)
        mass /= mass.sum(-1, keepdims=True)
        below = np.cumsum(mass, -1)
        above = np.zeros_like(mass)
        above[:, :-1] = np.cumsum(mass[:, :0:-1], -1)[:, ::-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            log_upto = np.where(above < 0.5, np.log1p(-np.minimum(above, 0.5)), np.log(below))
            before = np.concatenate([np.full((len(p), 1), -np.inf), log_upto[:, :-1]], -1)
            share = mass / np.exp(log_upto)
            log_step = np.where(share < 0.5, np.log1p(-np.minimum(share, 0.5)), before - log_upto)
        log_step = np.where(mass > 0, log_step, 0.0)
        log_upto = np.where(mass > 0, log_upto, 0.0)
        return cls(*(x.reshape(shape) for x in (mass, log_upto, log_step, place)))


def _rows(place: np.ndarray) -> Any:
    return tuple(np.ogrid[tuple(slice(n) for n in place.shape)][:-1])


def _summed(weight: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Sums of `weight` by level, (..., K)."""
    K = place.shape[-1]
    flat = place.reshape(-1, K) + K * np.arange(place.size // K)[:, None]
    return np.bincount(flat.ravel(), weight.ravel(), place.size).reshape(place.shape)
