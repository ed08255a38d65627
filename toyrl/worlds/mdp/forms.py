"""Rewards by transition (S, A, S) in the form that their structure allows, and norms of them.

`PairForm`   depends on the state and action alone, or is one number a pair times P(next | pair)
`DenseForm`  an array (S, A, S)
`SparseForm` sparse entries + pairs (S, A) + next states (S,) + state to state: a sum that is never
             laid out as S x A x S

Norms are over the counted rows (pairs) and all next states, each entry alike ("l1", "l2", "linf"),
or each weighted by its probability ("l1_weighted", ...), which leaves impossible transitions out.
A coverage puts weights on pairs and next states in the place of "alike".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.worlds.mdp.model import MDP

__all__ = ["NORMS", "Coverage", "DenseForm", "PairForm", "SparseForm", "power_sums"]

NORMS = ("l1", "l2", "linf", "l1_weighted", "l2_weighted", "linf_weighted")
BLOCK = 4_000_000  # entries of a block of rows that is looked at in one go


@dataclass(frozen=True, eq=False)
class Coverage:
    """What a norm sums over.

    mdp : whose transition probabilities the weighted norms take
    pairs : (S, A) weights of pairs, 0 for those that don't count
    next : (S,) weights of next states
    """

    mdp: MDP
    pairs: np.ndarray
    next: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """(S, A) bool: pairs that count."""
        return self.pairs > 0


@dataclass(frozen=True, eq=False)
class PairForm:
    """C(s, a, s') = values(s, a), or P(s' | s, a) values(s, a) where `shared`.

    values : (S, A), 0 off the counted rows
    """

    cover: Coverage
    values: Any
    shared: bool = False

    def minus(self, other: PairForm, own: Any, its: Any) -> PairForm:
        """own * self - its * other."""
        return replace(self, values=own * self.values - its * other.values)

    def norm(self, kind: str) -> Any:
        """One of `NORMS`."""
        power, weighted = _read(kind)
        weight = self.cover.pairs * self._share(power, weighted)
        if power == 0:
            return abs(self.values * (weight > 0) * self._peak()).max()
        return _root((weight * abs(self.values) ** power).sum(), power)

    def vector(self, kind: str) -> Any:
        """(S*A,) whose 2-norm is the norm "l2" or "l2_weighted"."""
        weight = self.cover.pairs * self._share(*_read(kind))
        return (np.sqrt(weight) * self.values).reshape(-1)

    def tensor(self) -> Any:
        """(S, A, S)."""
        P = self.cover.mdp.dense
        return self.values[..., None] * (P if self.shared else np.ones(P.shape[-1]))

    def _share(self, power: int, weighted: bool) -> Any:
        """(S, A) or a number: sum over next states of weight |P or 1|^power."""
        if not self.shared:
            return 1.0 if weighted else float(self.cover.next.sum())
        if weighted:
            return power_sums(self.cover.mdp, power + 1)
        return power_sums(self.cover.mdp, power, self.cover.next)

    def _peak(self) -> Any:
        """(S, A) or a number: the largest factor of an entry of the pair."""
        if not self.shared:
            return 1.0
        mdp = self.cover.mdp
        top = mdp.transitions.max(axis=1).toarray() if mdp.is_sparse else mdp.transitions.max(-1)
        return top.reshape(self.values.shape)


@dataclass(frozen=True, eq=False)
class DenseForm:
    """C as an array (S, A, S), 0 off the counted rows."""

    cover: Coverage
    values: Any

    def minus(self, other: DenseForm, own: Any, its: Any) -> DenseForm:
        """own * self - its * other."""
        return replace(self, values=own * self.values - its * other.values)

    def norm(self, kind: str) -> Any:
        """One of `NORMS`."""
        power, weighted = _read(kind)
        if power == 0:
            weight = self._weight(weighted) > 0
            return abs(self.values * weight).max()
        if self._even and not weighted and isinstance(self.values, np.ndarray) and power == 2:
            flat = self.values.reshape(-1)
            return np.sqrt(flat @ flat * self._even)
        return _root((self._weight(weighted) * abs(self.values) ** power).sum(), power)

    def vector(self, kind: str) -> Any:
        """(S*A*S,) whose 2-norm is the norm "l2" or "l2_weighted"."""
        weighted = _read(kind)[1]
        if self._even and not weighted:
            flat = self.values.reshape(-1)
            return flat if self._even == 1 else flat * np.sqrt(self._even)
        return (np.sqrt(self._weight(weighted)) * self.values).reshape(-1)

    def tensor(self) -> Any:
        """(S, A, S)."""
        return self.values

    @property
    def _even(self) -> float:
        """The weight of every counted entry where all are alike, else 0."""
        pairs, after = self.cover.pairs, self.cover.next
        top = pairs.max()
        alike = ((pairs == top) | (pairs == 0)).all() and (after == after[0]).all()
        return float(top * after[0]) if alike else 0.0

    def _weight(self, weighted: bool) -> np.ndarray:
        cover = self.cover
        if weighted:
            return cover.pairs[..., None] * cover.mdp.dense
        return cover.pairs[..., None] * cover.next


@dataclass(frozen=True, eq=False)
class SparseForm:
    """C(s, a, s') = entries + pairs(s, a) + next(s') + moves(s, s'), on the counted rows.

    entries : CSR (S*A, S), or None
    pairs : (S, A); next : (S,)
    moves : None, or a function of (low, high) that gives CSR (high - low, S) of those states
    """

    cover: Coverage
    entries: Any
    pairs: np.ndarray
    next: np.ndarray
    moves: Callable[[int, int], Any] | None = None

    def minus(self, other: SparseForm, own: float, its: float) -> SparseForm:
        """own * self - its * other."""
        both = [(c, m) for c, m in ((own, self.moves), (-its, other.moves)) if m is not None]

        def moves(low: int, high: int) -> Any:
            parts = [c * m(low, high) for c, m in both]
            return sum(parts[1:], parts[0])

        return replace(
            self,
            entries=_joined(self.entries, other.entries, own, its),
            pairs=own * self.pairs - its * other.pairs,
            next=own * self.next - its * other.next,
            moves=moves if both else None,
        )

    def norm(self, kind: str) -> float:
        """One of `NORMS`; "l1" and "linf" look at every entry, in blocks of rows."""
        power, weighted = _read(kind)
        if weighted:
            return self._on_support(power)
        if power == 2:
            return self._square() ** 0.5
        found = 0.0
        for low, high in self._blocks(self.cover.mdp.n_states):
            values = abs(self._rows(low, high))
            x = self.cover.pairs[low:high, :, None] * self.cover.next
            if power == 0:
                found = max(found, float((values * (x > 0)).max(initial=0.0)))
            else:
                found += float((values * x).sum())
        return found

    def tensor(self) -> np.ndarray:
        """(S, A, S)."""
        return self._rows(0, self.cover.mdp.n_states)

    # -- parts ----------------------------------------------------------------------------------
    def _blocks(self, width: int) -> Iterator[tuple[int, int]]:
        S, A = self.pairs.shape
        step = max(1, BLOCK // (A * max(1, width)))
        for low in range(0, S, step):
            yield low, min(S, low + step)

    def _extra(self, low: int, high: int) -> Any:
        """CSR (rows, S) of entries and moves of these states, None where there is neither."""
        A = self.pairs.shape[1]
        own = None if self.entries is None else self.entries[low * A : high * A]
        if self.moves is None:
            return own
        block = self.moves(low, high)
        repeated = block[np.repeat(np.arange(high - low), A)]
        return repeated if own is None else (own + repeated).tocsr()

    def _rows(self, low: int, high: int) -> np.ndarray:
        out = self.pairs[low:high, :, None] + self.next
        extra = self._extra(low, high)
        if extra is not None:
            out += extra.toarray().reshape(out.shape)
        return out * self.cover.rows[low:high, :, None]

    def _square(self) -> float:
        x, y = self.cover.pairs, self.cover.next
        # pairs and next states split orthogonally once the latter have mean 0: no cancellation
        shift = float(y @ self.next / y.sum())
        p, f = self.pairs + shift, self.next - shift
        total = float(y.sum() * (x * p * p).sum() + x.sum() * (y @ (f * f)))
        if self.entries is None and self.moves is None:
            return total
        for low, high in self._blocks(1024):
            total += self._own_square(low, high, p, f)
        return max(total, 0.0)

    def _own_square(self, low: int, high: int, p: np.ndarray, f: np.ndarray) -> float:
        """What entries and moves of these states add to the square of pairs p and next states f."""
        y, A = self.cover.next, p.shape[1]
        x, p = self.cover.pairs[low:high], p[low:high]
        K = None if self.moves is None else self.moves(low, high)
        total = 0.0
        if K is not None and K.nnz:  # the same for every action: summed over them beforehand
            rows = np.repeat(np.arange(high - low), np.diff(K.indptr))
            mass, mean = x.sum(-1)[rows], (x * p).sum(-1)[rows]
            total += float((y[K.indices] * K.data)
                           @ (mass * (K.data + 2 * f[K.indices]) + 2 * mean))  # fmt: skip
        if self.entries is not None:
            T = self.entries[low * A : high * A]
            rows = np.repeat(np.arange(T.shape[0]), np.diff(T.indptr))
            base = p.ravel()[rows] + f[T.indices]
            if K is not None:
                base += _picked(K, rows // A, T.indices, self.cover.mdp.n_states)
            weight = x.ravel()[rows] * y[T.indices]
            total += float(weight @ (T.data * (T.data + 2 * base)))
        return total

    def _on_support(self, power: int) -> float:
        mdp, found = self.cover.mdp, 0.0
        A, S = mdp.n_actions, mdp.n_states
        for low, high in self._blocks(64):
            P = mdp.pairs[low * A : high * A]
            rows = np.repeat(np.arange(P.shape[0]), np.diff(P.indptr))
            values = self.pairs[low:high].ravel()[rows] + self.next[P.indices]
            extra = self._extra(low, high)
            if extra is not None:
                values += _picked(extra, rows, P.indices, S)
            weight = self.cover.pairs[low:high].ravel()[rows] * P.data
            if power == 0:
                found = max(found, float(abs(values * (weight > 0)).max(initial=0.0)))
            else:
                found += float(weight @ abs(values) ** power)
        return found ** (1 / max(1, power))


# -- helpers --------------------------------------------------------------------------------------
def _read(kind: str) -> tuple[int, bool]:
    """(power, weighted) of a norm; power 0 is the largest entry.

    Raises ValueError for another name.
    """
    if kind not in NORMS:
        msg = f"norm={kind!r} is unknown; choose from {', '.join(NORMS)}"
        raise ValueError(msg)
    name, _, weighted = kind.partition("_")
    return {"l1": 1, "l2": 2, "linf": 0}[name], bool(weighted)


def _root(total: Any, power: int) -> Any:
    """total ** (1 / power), whose derivative at 0 is 0 and not infinite."""
    if power == 1:
        return total
    if isinstance(total, (float, np.floating)):
        return np.sqrt(total)
    from array_api_compat import array_namespace

    xp = array_namespace(total)
    return xp.where(total > 0, xp.sqrt(xp.where(total > 0, total, 1.0)), 0.0)


def power_sums(mdp: MDP, power: int, weight: np.ndarray | None = None) -> np.ndarray:
    """(S, A) sum over next states of weight P^power, weight (S,) or 1."""
    if not mdp.is_sparse:
        P = mdp.transitions**power
        return P.sum(-1) if weight is None else P @ weight
    P = mdp.transitions.copy()
    P.data = P.data**power if weight is None else P.data**power * weight[P.indices]
    return np.asarray(P.sum(axis=1)).reshape(mdp.n_states, mdp.n_actions)


def _joined(first: Any, second: Any, own: float, its: float) -> Any:
    parts = [c * x for c, x in ((own, first), (-its, second)) if x is not None]
    return sum(parts[1:], parts[0]) if parts else None


def _picked(matrix: Any, rows: np.ndarray, columns: np.ndarray, S: int) -> np.ndarray:
    """Entries of a CSR matrix at these places, 0 where it has none."""
    matrix.sort_indices()
    own = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * S + matrix.indices
    if not own.size:
        return np.zeros(len(rows))
    wanted = rows * S + columns
    at = np.minimum(np.searchsorted(own, wanted), own.size - 1)
    return np.where(own[at] == wanted, matrix.data[at], 0.0)
