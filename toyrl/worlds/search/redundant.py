"""A redundant policy space: sixteen genes, two numbers of behaviour, two small rewarded discs.

    b = (mean of the first half of the genes, mean of the second half)/5  in [-1, 1]^2

A uniform genome's b gathers around 0, as policies do whose behaviours mostly look alike. Rewards
are 1 - distance/radius inside a disc, 0 elsewhere. Chances: `toyrl.theory.population.coverage`.

Source: derived for paper 24 (its tasks are a redundant arm, mazes and ball collecting).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from toyrl.ranges import Range, check_fields, one_of

Array = np.ndarray
DISCS = ((0.7, 0.7), (-0.7, 0.4))
PIXELS = 8


@dataclass(frozen=True)
class Redundant:
    """genes : an even number; limit : of each gene's absolute value.

    observed : what a search sees: "behaviour" b (2,); "lifted" s A b + tau noise (D,); "picture",
        a bright spot of width `spot` at b on 8 by 8 pixels over the square, + tau noise (64,); or
        "path" (genes/2 + 1, 2), the running sums of both halves, which start at 0 and end at b
    dimension D, scale s, noise tau : of the lifted observation; A (D, 2) is orthonormal, by `seed`
    centres, radius : of the rewarded discs

    Raises ValueError for fields out of their ranges and an odd number of genes.
    """

    observed: Annotated[str, one_of("behaviour", "lifted", "picture", "path")] = "behaviour"
    genes: Annotated[int, Range("[2, inf)", whole=True)] = 16
    limit: Annotated[float, Range("(0, inf)")] = 5.0
    dimension: Annotated[int, Range("[2, inf)", whole=True)] = 40
    scale: Annotated[float, Range("(0, inf)")] = 3.0**0.5
    noise: Annotated[float, Range("[0, inf)")] = 0.05
    spot: Annotated[float, Range("(0, inf)")] = 0.3
    centres: tuple[tuple[float, float], ...] = DISCS
    radius: Annotated[float, Range("(0, inf)")] = 0.1
    seed: int = 0
    lift: Array = field(default_factory=lambda: np.zeros((0, 2)), repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.genes % 2:
            msg = f"genes={self.genes} must be even: each half gives one number of behaviour"
            raise ValueError(msg)
        rng = np.random.default_rng(self.seed)
        axes = np.linalg.qr(rng.standard_normal((self.dimension, 2)))[0]
        object.__setattr__(self, "lift", axes)

    def behaviour(self, genomes: Array) -> Array:
        """(n, 2) behaviours of genomes (n, genes)."""
        g = np.asarray(genomes, dtype=float)
        return g.reshape(len(g), 2, -1).mean(-1) / self.limit

    def rewards(self, behaviour: Array) -> Array:
        """(n, discs) reward in each disc of behaviours (n, 2), in [0, 1]."""
        away = np.linalg.norm(behaviour[:, None] - np.array(self.centres), axis=-1)
        return np.maximum(1 - away / self.radius, 0.0)

    def observe(self, behaviour: Array, rng: Any) -> Array:
        """(n, D) lifted observations of behaviours (n, 2), or their pictures (n, 64)."""
        if self.observed == "picture":
            pixel = np.linspace(-1, 1, PIXELS)
            bright = np.exp(-((behaviour[:, :, None] - pixel) ** 2) / (2 * self.spot**2))
            clean = (bright[:, 0, :, None] * bright[:, 1, None]).reshape(len(behaviour), -1)
        else:
            clean = self.scale * behaviour @ self.lift.T
        return clean + self.noise * rng.standard_normal(clean.shape)

    def path(self, genomes: Array) -> Array:
        """(n, genes/2 + 1, 2) running sums of the halves, from 0 to the behaviour."""
        g = np.asarray(genomes, dtype=float)
        steps = g.reshape(len(g), 2, -1).cumsum(-1) / (self.limit * self.genes / 2)
        return np.concatenate([np.zeros((len(g), 1, 2)), np.swapaxes(steps, 1, 2)], axis=1)

    def evaluate(self, genomes: Array, rng: Any) -> tuple[Array, Array, Array]:
        """(behaviour (n, 2), observation, reward (n,)) of genomes (n, genes)."""
        b = self.behaviour(genomes)
        reward = self.rewards(b).max(-1, initial=0.0)
        if self.observed == "behaviour":
            return b, b, reward
        seen = self.path(genomes) if self.observed == "path" else self.observe(b, rng)
        return b, seen, reward
