"""BMAS: how alike two texts are, by the best cosine of each token on the other side.

    precision P = mean over the answer's tokens of max_j S_ij        S_ij = cos(u_i, v_j)
    recall    Q = mean over the target's tokens of max_i S_ij        BMAS = (P + Q)/2

Each direction alone is hacked completely, P by one token of the target, Q by the whole vocabulary.
The order of words is invisible. Vectors are rows of an embedding matrix, without context.

Source: paper 50, reconstructed from its name and abstract; closed forms in docs/theory/routed.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from toyrl.messages import shortened

Array = Any
BLOCK = 2**22
"""Cosines held at a time."""
SMALL, LARGE = 1e-100, 1e100
"""Lengths of vectors whose squares neither vanish nor overflow."""
SINGLE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
TOKEN = re.compile(rf"\d|[{SINGLE}]|[^\W\d{SINGLE}]+|[^\w\s]")


class Sides(NamedTuple):
    """Both directions of a comparison, each in [-1, 1]."""

    precision: float
    recall: float

    @property
    def mean(self) -> float:
        """BMAS."""
        return (self.precision + self.recall) / 2

    @property
    def harmonic(self) -> float:
        """2PQ/(P + Q) of the positive parts, 0 where one is 0: an addition."""
        p, q = max(self.precision, 0.0), max(self.recall, 0.0)
        return 2 * p * q / (p + q) if p and q else 0.0


def tokens(text: str) -> list[str]:
    """Words in lower case, single digits, single marks; single signs of scripts without spaces."""
    return TOKEN.findall(text.lower())


def bmas(answer: Array, target: Array) -> Sides:
    """Compare token vectors (M, d) with (n, d).

    A row of zeros has cosine 0 with everything. Two empty sides are alike, one empty side is 0.

    Raises ValueError for arrays of other shapes and vectors that aren't finite.
    """
    u, v = (_unit(name, x) for name, x in (("answer", answer), ("target", target)))
    if not (len(u) and len(v)):
        return Sides(*(2 * (float(len(u) == len(v)),)))
    if u.shape[1] != v.shape[1]:
        msg = f"answer has vectors of {u.shape[1]} numbers and target of {v.shape[1]}"
        raise ValueError(msg)
    if len(u) * len(v) <= BLOCK:
        s = u @ v.T
        return _sides(s.max(1).sum() / len(u), s.max(0).sum() / len(v))
    (u, often_u), (v, often_v) = (_distinct(x) for x in (u, v))
    p, q = np.empty(len(u)), np.full(len(v), -np.inf)
    step = max(BLOCK // len(v), 1)
    for i in range(0, len(u), step):
        s = u[i : i + step] @ v.T
        p[i : i + step] = s.max(1)
        np.maximum(q, s.max(0), out=q)
    return _sides(p @ often_u / often_u.sum(), q @ often_v / often_v.sum())


def one_hot_bmas(answer: Sequence[str], target: Sequence[str]) -> Sides:
    """The same where distinct tokens are orthogonal: the shares of tokens that the other has."""
    if not (answer and target):
        return Sides(*(2 * (float(len(answer) == len(target)),)))
    a, b = set(answer), set(target)
    return Sides(sum(t in b for t in answer) / len(answer),
                 sum(t in a for t in target) / len(target))  # fmt: skip


@dataclass(frozen=True, eq=False)
class TokenRows:
    """Texts -> a list of (M, d) arrays, the rows of each text's tokens.

    matrix : (V, d), such as `model.get_input_embeddings().weight` of the frozen start: a matrix
        that moves would move the reward
    ids : text -> its tokens' row numbers, special tokens left out

    Calling it raises ValueError for a token beyond the matrix.
    """

    matrix: Array
    ids: Callable[[str], Sequence[int]]

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """One (M, d) array a text."""
        matrix, out = np.asarray(self.matrix), []
        for text in texts:
            found = np.asarray(self.ids(text), dtype=int)
            try:
                if found.size and found.min() < 0:
                    raise IndexError
                out.append(matrix[found])
            except IndexError:
                msg = f"{shortened(text)} has a token without a row in a matrix of {len(matrix)}"
                raise ValueError(msg) from None
        return out


def row_texts(
    embed: Callable[[Sequence[str]], Sequence[Any]], texts: Sequence[str]
) -> Mapping[str, np.ndarray]:
    """Each distinct text's token vectors (M, d), from one call of `embed`.

    Raises ValueError where it answers for another number of texts.
    """
    distinct = list(dict.fromkeys(texts))
    found = list(embed(distinct)) if distinct else []
    if len(found) != len(distinct):
        msg = f"embed gave {len(found)} arrays for {len(distinct)} texts; give one (M, d) each"
        raise ValueError(msg)
    return dict(zip(distinct, map(np.asarray, found), strict=True))


def _sides(p: Any, q: Any) -> Sides:
    """Both numbers without what rounding adds beyond 1."""
    return Sides(min(max(float(p), -1.0), 1.0), min(max(float(q), -1.0), 1.0))


def _unit(name: str, rows: Array) -> np.ndarray:
    """Rows of length 1, or of zeros."""
    rows = np.asarray(rows, dtype=float)
    if rows.ndim == 2:
        with np.errstate(over="ignore", under="ignore"):
            size = np.sqrt(np.einsum("md,md->m", rows, rows))[:, None]
        if size.size and size.min() > SMALL and size.max() < LARGE:  # NaN is neither
            return rows / size
    if rows.ndim != 2 or not np.isfinite(rows).all():
        msg = f"{name} has shape {rows.shape}; give (M, d) finite token vectors, (0, d) for none"
        raise ValueError(msg)
    rows = rows / np.where((top := np.abs(rows).max(-1, keepdims=True, initial=0)) > 0, top, 1)
    return rows / np.where((size := np.linalg.norm(rows, axis=-1, keepdims=True)) > 0, size, 1)


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows without repetitions, and how often each occurs: long texts repeat few words."""
    place: dict[bytes, int] = {}
    first, count = [], []
    for i, row in enumerate(rows):
        at = place.setdefault(row.tobytes(), len(first))
        if at == len(first):
            first.append(i)
            count.append(0)
        count[at] += 1
    return rows[first], np.array(count, dtype=float)
