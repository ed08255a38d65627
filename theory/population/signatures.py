"""Signatures of paths to level 2, put together from pieces by Chen's identity.

The signature of a straight piece d is (d, d (x) d/2); of two pieces one after the other

    (a, A) * (b, B) = (a + b, A + a (x) b + B).

Hence S2 + S2^T = S (x) S, and what is new in level 2 is its antisymmetric part, the areas that the
path sweeps. A path reversed has the inverse signature: its areas change their sign.

Formulas: docs/theory/population.md. Source: paper 24 (thesis, the part on whole-trajectory
descriptors); identities: Chen 1957.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "path_signature",
    kind="theorem",
    cards=("24",),
    section="whole-trajectory descriptors",
    provenance="code",
    formula="product over pieces of (d, d (x) d/2)",
)
def path_signature(path: Array) -> np.ndarray:
    """(p + p^2,) signature of a path (L + 1, p): level 1, then level 2 row by row.

    Piece by piece; `toyrl.dynamics.population.signature.signature` takes batches. 0 for one point.

    Raises ValueError for a path that isn't (points, coordinates).
    """
    x = np.asarray(path, dtype=float)
    if x.ndim != 2 or not x.size:
        msg = f"path has shape {x.shape}; it is (points, coordinates), with one of each or more"
        raise ValueError(msg)
    out = np.zeros(x.shape[1] * (1 + x.shape[1]))
    for d in np.diff(x, axis=0):
        out = chen_product(out, np.concatenate([d, np.outer(d, d).ravel() / 2]))
    return out


@entry(
    "chen_product",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="(a + b, A + a (x) b + B)",
)
def chen_product(first: Array, second: Array) -> np.ndarray:
    """Signature (n,) of two paths one after the other, from theirs, (n,) each, n = p + p^2.

    Raises ValueError for two lengths that differ or aren't p + p^2.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    p = _dimension(a, "first")
    if a.shape != b.shape:
        msg = f"first has shape {a.shape}, second {b.shape}: signatures of paths in one space"
        raise ValueError(msg)
    return np.concatenate([a[:p] + b[:p], a[p:] + b[p:] + np.outer(a[:p], b[:p]).ravel()])


@entry(
    "signed_area",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="(S2 - S2^T)/2",
)
def signed_area(signature: Array) -> np.ndarray:
    """(p, p) areas between path and chord in each plane of coordinates, from (n,), n = p + p^2.

    Antisymmetric; positive where the path turns from the first coordinate to the second.

    Raises ValueError for a length that isn't p + p^2.
    """
    s = np.asarray(signature, dtype=float)
    p = _dimension(s, "signature")
    second = s[p:].reshape(p, p)
    return (second - second.T) / 2


def _dimension(signature: np.ndarray, name: str) -> int:
    p = int(np.sqrt(signature.size + 0.25) - 0.5 + 1e-9)
    if signature.ndim != 1 or p < 1 or p * (p + 1) != signature.size:
        msg = f"{name} has shape {signature.shape}; it is (p + p^2,), level 1 and level 2"
        raise ValueError(msg)
    return p
