"""How a behaviour is described: as it is, or by a code learned from what was observed.

A descriptor has three methods: `fit(seen)` learns from observations, `describe(seen)` gives (n, p)
numbers, `surprise(seen)` the mean squared error of the reconstruction, (n,). TAXONS learns them
with an autoencoder of images; here observations are vectors (n, D) and a few hundred weights do.

Source: paper 24, code taxons/core/utils/optimizer.py, STAX/core/searcher.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from toyrl.dynamics.population.signature import signature

Array = np.ndarray


class Descriptor(Protocol):
    """What a search asks of a descriptor; observations are (n, ...) arrays."""

    def fit(self, seen: Array) -> None:
        """Learn from observations."""
        ...

    def describe(self, seen: Array) -> Array:
        """(n, p) descriptors."""
        ...

    def surprise(self, seen: Array) -> Array:
        """(n,) mean squared reconstruction error."""
        ...


@dataclass
class Given:
    """The observation (n, ...), laid flat, is the descriptor, and nothing surprises."""

    def fit(self, seen: Array) -> None:
        """Nothing is learned."""

    def describe(self, seen: Array) -> Array:
        """The observations as (n, p)."""
        return np.asarray(seen, dtype=float).reshape(len(seen), -1)

    def surprise(self, seen: Array) -> Array:
        """(n,) zeros."""
        return np.zeros(len(seen))


@dataclass
class LinearCode:
    """An autoencoder with linear layers, at its optimum: the leading principal components.

    units : length of the code; seed : of the random orthonormal code before the first fit
    learn : False keeps that one, as the paper's untrained variant does

    (D + 1) units weights and D means: 122 at D = 40 and two units.
    """

    units: int = 2
    seed: int = 0
    learn: bool = True
    mean: Array | None = field(default=None, repr=False)
    basis: Array | None = field(default=None, repr=False)

    def fit(self, seen: Array) -> None:
        """Principal components of observations (n, D); n below 2 leaves the code as it is."""
        x = np.asarray(seen, dtype=float)
        if not self.learn or len(x) < 2:
            return
        self.mean = x.mean(0)
        centred = x - self.mean
        _, vectors = np.linalg.eigh(centred.T @ centred)
        self.basis = vectors[:, ::-1][:, : self.units]

    def _ready(self, x: Array) -> tuple[Array, Array]:
        if self.mean is not None and self.basis is not None:
            return self.mean, self.basis
        D = x.shape[-1]
        rng = np.random.default_rng(self.seed)
        begun = np.zeros(D), np.linalg.qr(rng.standard_normal((D, self.units)))[0]
        self.mean, self.basis = begun
        return begun

    def describe(self, seen: Array) -> Array:
        """(n, units) coordinates of observations (n, D) in the plane of the code."""
        x = np.asarray(seen, dtype=float)
        mean, basis = self._ready(x)
        return (x - mean) @ basis

    def surprise(self, seen: Array) -> Array:
        """(n,) squared distance from that plane over D; 0 inside it."""
        x = np.asarray(seen, dtype=float)
        mean, basis = self._ready(x)
        off = x - mean
        return ((off - off @ basis @ basis.T) ** 2).mean(-1)


@dataclass
class TanhCode:
    """An autoencoder D - hidden - units - hidden - D, tanh between, trained by Adam.

    386 weights at D = 40, hidden = 4, units = 2. Inputs are standardised by one mean and one scale.
    epochs : most passes of a fit; it ends after `patience` of them without a better error on every
        fifth observation, which is left out of training (early stopping, as released)
    batch, rate : of Adam (0.9, 0.999), released: 128, 1e-3; most : observations of a fit, the last
    """

    units: int = 2
    hidden: int = 4
    epochs: int = 100
    patience: int = 5
    batch: int = 128
    rate: float = 1e-2
    most: int = 4000
    seed: int = 0
    weights: list[Array] = field(default_factory=list, repr=False)
    centre: tuple[Any, float] = field(default=(0.0, 1.0), repr=False)

    def _begin(self, D: int) -> None:
        rng = np.random.default_rng(self.seed)
        sizes = (D, self.hidden, self.units, self.hidden, D)
        for a, b in pairwise(sizes):
            self.weights += [rng.standard_normal((a, b)) / np.sqrt(a), np.zeros(b)]

    def _layers(self, x: Array) -> list[Array]:
        out = [(x - self.centre[0]) / self.centre[1]]
        for i in range(4):
            h = out[-1] @ self.weights[2 * i] + self.weights[2 * i + 1]
            out.append(np.tanh(h) if i in (0, 2) else h)
        return out

    def _gradient(self, x: Array) -> list[Array]:
        layers = self._layers(x)
        back = 2 * (layers[-1] - layers[0]) / layers[0].size
        out: list[Array] = []
        for i in (3, 2, 1, 0):
            if i in (0, 2):
                back = back * (1 - layers[i + 1] ** 2)
            out = [layers[i].T @ back, back.sum(0), *out]
            back = back @ self.weights[2 * i].T
        return out

    def fit(self, seen: Array) -> None:
        """Train on observations (n, D), from where the last fit ended; n below 10: no training."""
        x = np.asarray(seen, dtype=float)[-self.most :]
        if not self.weights:
            self._begin(x.shape[-1])
        if len(x) < 10:
            return
        self.centre = (x.mean(0), float(x.std()) or 1.0)
        rng = np.random.default_rng([self.seed, len(seen)])
        x = x[rng.permutation(len(x))]
        held, train = x[::5], x[np.arange(len(x)) % 5 > 0]
        m = [(np.zeros_like(w), np.zeros_like(w)) for w in self.weights]
        best, kept, bad, t = np.inf, [w.copy() for w in self.weights], 0, 0
        for _ in range(self.epochs):
            for first in range(0, len(train), self.batch):
                t += 1
                self._adam(self._gradient(train[first : first + self.batch]), m, t)
            error = float(self.surprise(held).mean())
            bad = 0 if error < best else bad + 1
            if error < best:
                best, kept = error, [w.copy() for w in self.weights]
            if bad >= self.patience:
                break
        self.weights = kept

    def _adam(self, gradient: list[Array], moments: list[tuple[Array, Array]], t: int) -> None:
        for w, g, (first, second) in zip(self.weights, gradient, moments, strict=True):
            first += 0.1 * (g - first)
            second += 1e-3 * (g**2 - second)
            w -= self.rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)

    def describe(self, seen: Array) -> Array:
        """(n, units) code of observations (n, D)."""
        x = np.asarray(seen, dtype=float)
        if not self.weights:
            self._begin(x.shape[-1])
        return self._layers(x)[2]

    def surprise(self, seen: Array) -> Array:
        """(n,) mean squared error of the reconstruction, in the units of the observations."""
        x = np.asarray(seen, dtype=float)
        if not self.weights:
            self._begin(x.shape[-1])
        layers = self._layers(x)
        return ((layers[-1] - layers[0]) ** 2).mean(-1) * self.centre[1] ** 2


@dataclass
class Trajectory:
    """A descriptor of whole trajectories (n, L, D), by a code of single observations.

    code : describes an observation; how : "signature" of the path of codes, or "frames", the codes
        side by side as in STAX; the surprise is summed over the frames
    order, time : of the signature

    Raises ValueError for another `how`.
    """

    code: Any = field(default_factory=Given)
    how: str = "signature"
    order: int = 2
    time: bool = False

    def __post_init__(self) -> None:
        if self.how not in ("signature", "frames"):
            msg = f"how={self.how!r} is not one of 'signature', 'frames'"
            raise ValueError(msg)

    def fit(self, seen: Array) -> None:
        """The code learns from all frames."""
        self.code.fit(seen.reshape(-1, seen.shape[-1]))

    def describe(self, seen: Array) -> Array:
        """(n, p + p^2) signatures, or (n, L p) codes."""
        codes = self.code.describe(seen.reshape(-1, seen.shape[-1]))
        path = codes.reshape(*seen.shape[:2], -1)
        if self.how == "frames":
            return path.reshape(len(path), -1)
        return signature(path, self.order, time=self.time)

    def surprise(self, seen: Array) -> Array:
        """(n,) sum over the frames."""
        each = self.code.surprise(seen.reshape(-1, seen.shape[-1]))
        return each.reshape(seen.shape[:2]).sum(1)
