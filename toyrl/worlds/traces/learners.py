"""Learners that are tables: a key, and the output seen with it in training; an unseen key fails.

    table = TableLearner("tail").fit(a, b, lengths)
    table.success(a_long, b_long)          (N,) whether each addition comes out right

    variant    key of a state                        keys at length n
    tail       (a_i, b_i, carry)                     2 base^2
    position   (i, a_i, b_i, carry)                  2 base^2 n         no memory fetcher
    block      `block` digits of each, and carry     2 base^(2 block)   no atomic state
    input      all digits of both                    base^(2 n)         no linear transition

Nothing but the key differs. Coverage and success in closed form: `toyrl.theory.traces`.

Source: paper 26, ablations; the tables are derived for this project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.messages import shortened
from toyrl.worlds.traces.addition import carries

VARIANTS = ("tail", "position", "block", "input")
UNSEEN = -1


@dataclass(frozen=True, eq=False)
class Table:
    """What a learner knows: by key the output 2 * digit + carry, or -1.

    known : (K,) of the keys of one state, or (positions, K); for "input" a mapping of inputs
    """

    learner: TableLearner
    known: Any

    @property
    def n_known(self) -> int:
        """Keys that were seen."""
        if isinstance(self.known, dict):
            return len(self.known)
        return int((self.known != UNSEEN).sum())

    @property
    def coverage(self) -> float:
        """Share of the keys of one state that were seen; of "position" at the trained places."""
        if isinstance(self.known, dict):
            msg = "the keys of variant='input' are whole inputs, of each length base^(2 length)"
            raise ValueError(msg)
        return float((self.known != UNSEEN).mean()) if self.known.size else 0.0

    def predict(self, a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
        """((N, L + 1) results, (N,) whether every key was known); -1 from an unseen key on.

        a, b : (N, L) digits, least significant first
        """
        a, b = np.asarray(a), np.asarray(b)
        own = self.learner
        if isinstance(self.known, dict):
            found = [self.known.get(_whole(x, y)) for x, y in zip(a, b, strict=True)]
            none = np.full(a.shape[1] + 1, UNSEEN)
            known = np.array([f is not None for f in found], dtype=bool)
            return np.array([none if f is None else f for f in found]).reshape(-1, len(none)), known
        digits, known = _run(self.known, own.blocked(a), own.blocked(b), own.wide)
        return own.unblocked(digits, a.shape[1]), known

    def success(self, a: Any, b: Any) -> np.ndarray:
        """(N,) bool: the whole result is right; a, b : (N, L) digits."""
        result, known = self.predict(a, b)
        a, b = np.asarray(a), np.asarray(b)
        c = carries(a, b, self.learner.base)
        want = np.concatenate([(a + b + c[:, :-1]) % self.learner.base, c[:, -1:]], axis=1)
        return known & (result == want).all(axis=1)


@dataclass(frozen=True)
class TableLearner:
    """variant : one of `VARIANTS`; base : of the digits, from 2 on; block : digits of a block's
    state

    Raises ValueError for another variant, base or block.
    """

    variant: str = "tail"
    base: int = 10
    block: int = 2

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            msg = f"variant={shortened(self.variant)} is not one of {', '.join(VARIANTS)}"
            raise ValueError(msg)
        if self.base < 2 or self.block < 1:
            msg = f"base={self.base} must be at least 2, block={self.block} at least 1"
            raise ValueError(msg)

    @property
    def wide(self) -> int:
        """The base of one state's digits: base^block for "block"."""
        return self.base**self.block if self.variant == "block" else self.base

    @property
    def n_keys(self) -> int:
        """Keys of one state, wherever it stands."""
        return 2 * self.wide**2

    def fit(self, a: Any, b: Any, lengths: Any = None) -> Table:
        """The table of error-free traces.

        a, b : (N, L) digits; lengths : (N,) digits of each example, None: all L

        The order of the examples doesn't matter.
        """
        a, b = np.asarray(a), np.asarray(b)
        size = np.full(len(a), a.shape[1]) if lengths is None else np.asarray(lengths)
        if self.variant == "input":
            return Table(self, _inputs(a, b, size, self.base))
        x, y = self.blocked(a), self.blocked(b)
        n = -(-size // self.block) if self.variant == "block" else size
        c = carries(x, y, self.wide)
        keys = (x * self.wide + y) * 2 + c[:, :-1]
        out = 2 * ((x + y + c[:, :-1]) % self.wide) + c[:, 1:]
        at = np.broadcast_to(np.arange(x.shape[1]), x.shape)
        here = at < n[:, None]
        return self.learn(keys[here], out[here], at[here])

    def learn(self, keys: Any, out: Any, at: Any) -> Table:
        """The table of single states; of a key's outputs the most frequent, then the least.

        keys, out, at : (M,) key without place, output 2 * digit + carry, place from 0
        """
        keys, out, at = (np.asarray(v, dtype=np.int64) for v in (keys, out, at))
        places = int(at.max(initial=-1)) + 1 if self.variant == "position" else 1
        full = keys + (at * self.n_keys if self.variant == "position" else 0)
        known = np.full(places * self.n_keys, UNSEEN, dtype=np.int64)
        code, count = np.unique(full * (2 * self.wide) + out, return_counts=True)
        key, value = np.divmod(code, 2 * self.wide)
        order = np.lexsort((-value, count))  # the last one written stays
        known[key[order]] = value[order]
        placed = known.reshape(places, self.n_keys)
        return Table(self, placed if self.variant == "position" else known)

    def blocked(self, digits: Any) -> np.ndarray:
        """(N, ceil(L/block)) digits of a state; (N, L) as they are but for "block"."""
        digits = np.asarray(digits, dtype=np.int64)
        if self.variant != "block":
            return digits
        short = -digits.shape[1] % self.block
        wide = np.pad(digits, ((0, 0), (0, short))).reshape(len(digits), -1, self.block)
        return wide @ self.base ** np.arange(self.block)

    def unblocked(self, digits: np.ndarray, length: int) -> np.ndarray:
        """(N, length + 1) digits of the base of (N, M + 1) digits of states, the carry last."""
        if self.variant != "block":
            return digits
        power = self.base ** np.arange(self.block)
        body, carry = digits[:, :-1], digits[:, -1:]
        fine = (body[..., None] // power % self.base).reshape(len(digits), -1)
        fine = np.where(np.repeat(body == UNSEEN, self.block, axis=1), UNSEEN, fine)
        # With places to spare the carry of the last digit stands in the padding.
        return np.concatenate([fine, carry], axis=1)[:, : length + 1]


def _run(known: np.ndarray, x: np.ndarray, y: np.ndarray, base: int
         ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """((N, M + 1) digits and the last carry, (N,) all known), the learner's own carries."""
    n, M = x.shape
    live, carry = np.ones(n, dtype=bool), np.zeros(n, dtype=np.int64)
    digits = np.full((n, M + 1), UNSEEN, dtype=np.int64)
    for i in range(M):
        table = known if known.ndim == 1 else known[i] if i < len(known) else None
        out = np.full(n, UNSEEN) if table is None else table[(x[:, i] * base + y[:, i]) * 2 + carry]
        live = live & (out != UNSEEN)
        digits[:, i] = np.where(live, out // 2, UNSEEN)
        carry = np.where(live, out % 2, 0)
    digits[:, M] = np.where(live, carry, UNSEEN)
    return digits, live


def _whole(x: np.ndarray, y: np.ndarray) -> bytes:
    return np.stack([x, y]).astype(np.int64).tobytes()


def _inputs(a: np.ndarray, b: np.ndarray, size: np.ndarray, base: int) -> dict[bytes, np.ndarray]:
    c = carries(a, b, base)
    digits = (a + b + c[:, :-1]) % base
    return {
        _whole(a[i, :n], b[i, :n]): np.append(digits[i, :n], c[i, n])
        for i, n in enumerate(size.tolist())
    }


def examples(rng: Any, n: int, longest: int, base: int = 10) -> tuple[np.ndarray, ...]:
    """(a, b, lengths) of n additions of 1 to `longest` digits, lengths and digits uniform.

    a, b : (n, longest), 0 behind each example's end; lengths : (n,)
    """
    lengths = rng.integers(1, longest + 1, size=n)
    here = np.arange(longest) < lengths[:, None]
    a, b = (rng.integers(base, size=(n, longest)) * here for _ in range(2))
    return a, b, lengths
