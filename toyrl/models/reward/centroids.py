"""How far a text lies from what a reward model was probed on: the distance says whom to trust.

    near = CentroidProbe().fit(h, labels)       h (N, D) representations, labels (N, P), NaN: none
    near.distances(x)                           (N, P) to the nearest centroid of each dimension
    near.nearest(x)                             (N,) the dimension that a score relies on
    kept = keep_near(near.novelty(x), most)     drop what lies farther than `most`

Centroids come from labelled texts, never from the policy that is trained: they would drift with it.

Source: paper 32 (inference-time probing), method, second-hand: no code is released. How many
centroids a label has is not said; one, the class mean, is ours.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from toyrl import stats
from toyrl.models.base import model
from toyrl.models.linear import same_rows, table_of
from toyrl.ranges import COUNT, check_fields

Array = Any
DIMENSIONS = ("harmlessness", "helpfulness", "correctness", "coherence", "complexity", "verbosity")
"""The paper's six, in the order in which ties of distance are broken."""
PAPER_MOST = 140.0
"""The paper's threshold, in units of its 8B model's representations; `most_of` is portable."""


@model("centroids")
@dataclass(frozen=True, eq=False)
class Centroids:
    """Centroids of labelled representations; arrays centre (C, D), dimension (C,).

    dimension : to which dimension a centroid belongs, 0, 1, ... in the order of the labels; one
        without a label has no centroid and is passed over
    """

    centre: np.ndarray
    dimension: np.ndarray

    def distances(self, x: Array) -> np.ndarray:
        """(N, P) Euclidean distance d_p to the nearest centroid of each dimension.

        x : (N, D). NaN for a row that is not all finite; inf for a dimension without centroid.

        Raises ValueError for another number of features.
        """
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[1] != self.centre.shape[1]:
            msg = f"representations have the shape {x.shape}; the centroids want (N, "
            msg += f"{self.centre.shape[1]})"
            raise ValueError(msg)
        good = np.isfinite(x).all(-1)
        seen = np.where(good[:, None], x, 0.0)
        out = np.full((len(x), int(self.dimension.max()) + 1), np.inf)
        for centre, p in zip(self.centre, self.dimension.astype(int), strict=True):
            out[:, p] = np.minimum(out[:, p], np.linalg.norm(seen - centre, axis=-1))
        return np.where(good[:, None], out, np.nan)

    def novelty(self, x: Array) -> np.ndarray:
        """(N,) d_min >= 0, the distance to the nearest centroid of all; NaN as `distances`."""
        return self.distances(x).min(-1)

    def nearest(self, x: Array) -> np.ndarray:
        """(N,) whole numbers: the dimension of the smallest distance, the first of equals.

        -1 for a row that is not all finite.
        """
        found = self.distances(x)
        lost = np.isnan(found[:, 0])
        return np.where(lost, -1, np.where(lost[:, None], 0.0, found).argmin(-1))

    def score(self, x: Array) -> np.ndarray:
        """(N,) -d_min: the higher, the nearer to what was probed. NaN as `distances`."""
        return -self.novelty(x)


@dataclass(frozen=True)
class CentroidProbe:
    """K-means inside each label of each dimension, on labelled representations.

    clusters : centroids a label, 1 for its mean; a label with fewer different rows has
        each of them
    seed : of the starts of K-means

    Raises ValueError for numbers out of their ranges.
    """

    clusters: Annotated[int, COUNT] = 1
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> Centroids:
        """x (N, D), target (N,) or (N, P) labels of P dimensions, NaN for a row without one.

        weight : (N,) of rows; for one centroid a label. A label that no row has is passed over, a
        dimension without any label too.

        Raises ValueError for rows that don't match, for numbers that aren't finite, where no row
        has a label, and for weights with several centroids.
        """
        x, y = table_of(x), np.asarray(target, dtype=float)
        y = y[:, None] if y.ndim == 1 else y
        if y.ndim != 2 or len(y) != len(x):
            msg = f"labels have the shape {y.shape}; give ({len(x)}, P), a row for each text"
            raise ValueError(msg)
        w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)
        same_rows(x, weight=w)
        if weight is not None and self.clusters > 1:
            msg = "weights of rows go with clusters=1; repeat the rows instead"
            raise ValueError(msg)
        found = [(c, p) for p in range(y.shape[1]) for value in np.unique(y[:, p])
                 for c in self._means(x, w, y[:, p] == value)]  # fmt: skip
        if not found:
            msg = (
                "no row has a label and weight, so that there is no centroid; label some texts of "
            )
            msg += "at least one dimension"
            raise ValueError(msg)
        return Centroids(np.array([c for c, _ in found]), np.array([float(p) for _, p in found]))

    def _means(self, x: np.ndarray, w: np.ndarray, own: np.ndarray) -> np.ndarray:
        """(at most K, D) centroids of the rows of a label; none where no row is (NaN is no one)."""
        own = own & (w > 0)
        rows = x[own]
        if not len(rows):
            return rows
        if self.clusters == 1:
            return (w[own] @ rows / w[own].sum())[None]
        # In the order of the rows, so that turning them all changes no start.
        first = np.sort(np.unique(rows, axis=0, return_index=True)[1])
        if len(first) <= self.clusters:
            return rows[first]
        from scipy.cluster.vq import kmeans2

        start = np.random.default_rng(self.seed).choice(first, self.clusters, replace=False)
        with warnings.catch_warnings():
            # A cluster that loses all its rows stays where it was: still near labelled texts.
            warnings.simplefilter("ignore", UserWarning)
            return kmeans2(rows, rows[start], iter=100, minit="matrix", missing="warn")[0]


# -- which texts may teach -------------------------------------------------------------------------
def keep_near(distance: Array, most: Any = PAPER_MOST) -> Array:
    """True where d_min <= most; False beyond it and for NaN. The shape of `distance`.

    most : >= 0, a number or an array; inf keeps all but NaN. O(1) each; NumPy, JAX, torch.
    """
    return distance <= most


def keep_at_random(shape: int | tuple[int, ...], share: float, rng: np.random.Generator
                   ) -> np.ndarray:  # fmt: skip
    """The filter's control: each text is dropped with chance `share`, whatever it is. (shape) bool.

    Raises ValueError for a share outside [0, 1].
    """
    _share("share", share)
    return rng.random(shape) >= share


def screened(reward: Array, kept: Array) -> Array:
    """Rewards with NaN where a text was dropped: out of every mean and std, advantage 0.

    reward, kept : (..., B, G). A reward function of TRL returns None in the place of NaN, in every
    function if there are several. A reward of 0 would be a signal of its own.
    """
    xp = stats.array_namespace(reward)
    return xp.where(kept, reward, xp.full_like(reward, float("nan")))


def most_of(distance: Array, share: float = 0.95) -> float:
    """Threshold that keeps this share of labelled texts: the quantile of their d_min (N,).

    Raises ValueError for a share outside [0, 1] and where no distance is finite.
    """
    _share("share", share)
    seen = np.asarray(distance, dtype=float)
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        msg = "no distance is finite, so that none can be a threshold; measure some labelled texts"
        raise ValueError(msg)
    return float(np.quantile(seen, share))


def screen_report(near: Centroids, x: Array, most: float = PAPER_MOST,
                  names: Sequence[str] = DIMENSIONS) -> dict[str, float]:  # fmt: skip
    """What to log at a step: shares and means over the texts (N, D).

    `kept`: share that may teach; `unreadable`: number of rows with NaN; `distance`: mean d_min of
    the others; `nearest/NAME`: their share nearest to each dimension. NaN without texts.
    """
    d, place = near.novelty(x), near.nearest(x)
    seen = place >= 0
    names = [names[p] if p < len(names) else str(p) for p in range(int(near.dimension.max()) + 1)]

    def mean(values: np.ndarray) -> float:
        return float(values.mean()) if values.size else float("nan")

    out = {"kept": mean(keep_near(d, most)), "unreadable": float((~seen).sum()),
           "distance": mean(d[seen])}  # fmt: skip
    return out | {f"nearest/{n}": mean(place[seen] == p) for p, n in enumerate(names)}


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        msg = f"{name}={value!r} must lie in [0, 1]"
        raise ValueError(msg)
