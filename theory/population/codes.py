"""A linear code of behaviours: its surprise, and when an untrained one will do.

Observations x = s A b + tau noise, A orthonormal (D, p). A linear autoencoder with p units is
principal component analysis: it finds the plane of A, so that distances between codes are s times
those of behaviours, and the reconstruction misses the noise outside the plane alone:

    E surprise = tau^2 (D - p)/D,   + |v|^2/D for an observation displaced by v off the plane.

It is the same for every behaviour: selection by surprise is then selection at random. A random
orthonormal code P of p units is one-to-one on the plane with probability 1; it shrinks the mean
squared distance by p/D and hides behaviours nearer than the noise.

Formulas: docs/theory/population.md. Source: derived, for paper 24.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "plane_surprise",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="tau^2 (D - p)/D + |v|^2/D",
)
def plane_surprise(noise: Array, dimension: int, units: int, off_plane: Array = 0.0) -> np.ndarray:
    """Mean squared reconstruction error of an observation by a linear code of its plane.

    noise tau >= 0; dimension D >= units p >= 0; off_plane |v| >= 0: distance by which it was
    moved orthogonally to the plane. Any shape of tau and |v|. The code is taken to be exact.

    Raises ValueError for units above the dimension, no dimension and negative lengths.
    """
    tau, v = np.asarray(noise, dtype=float), np.asarray(off_plane, dtype=float)
    if not 0 <= units <= dimension or dimension < 1 or not ((tau >= 0).all() and (v >= 0).all()):
        msg = f"units={units} must lie in 0 to dimension={dimension}, noise and off_plane be >= 0"
        raise ValueError(msg)
    return tau**2 * (dimension - units) / dimension + v**2 / dimension


@entry(
    "untrained_scale",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="sqrt(E |P x|^2 / |x|^2) = sqrt(p/D)",
)
def untrained_scale(dimension: int, units: int) -> float:
    """Root mean square by which a random orthonormal projection of R^D to R^p shrinks lengths.

    Raises ValueError for units outside 1 to the dimension.
    """
    if not 1 <= units <= dimension:
        msg = f"units={units} must lie in 1 to dimension={dimension}"
        raise ValueError(msg)
    return float(np.sqrt(units / dimension))
