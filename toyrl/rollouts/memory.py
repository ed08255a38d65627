"""Memory of shapers, per prompt or shared by all: kept on the host, merged by declared operations.

A shaper answers with *this visit's contribution* (`Shaped.memory`), one row per prompt; the
store gathers rows for a batch and merges contributions back. Because every operation is
commutative (or "replace", where the higher step wins), duplicates of a prompt within a batch,
several ranks and a resumed run need no further rules.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.files import write_file
from toyrl.shapers.base import MemoryField, Shaped, Shaper

MERGE = {"min": min, "max": max, "sum": lambda a, b: a + b, "replace": lambda _, b: b}
ON_ARRAYS = {"min": np.minimum, "max": np.maximum, "sum": np.add, "replace": lambda _, b: b}


def merged(slot: MemoryField, old: Any, new: Any) -> np.ndarray:
    """What is kept after a visit, on arrays (..., B, 1): the same as `Store.merge` of a batch.

    A shared slot first takes in all prompts of `new`, so every prompt holds the same number again.
    """
    new = np.asarray(new)
    if slot.shared:
        over = {"min": np.min, "max": np.max, "sum": np.sum}
        take = over.get(slot.op)
        whole = new[..., -1:, :] if take is None else take(new, axis=-2, keepdims=True)
        new = np.broadcast_to(whole, new.shape)
    return ON_ARRAYS[slot.op](old, new)


class Store:
    """Memory rows keyed by prompt.

    `capacity` bounds the number of prompts kept; the least recently merged go first. Shared slots
    have one number for all prompts and never go.

    Raises ValueError for a slot whose `op` is not one of min, max, sum and replace.
    """

    def __init__(self, slots: Sequence[MemoryField], *, capacity: int | None = None) -> None:
        for slot in slots:
            if slot.op not in MERGE:
                msg = f"memory {slot.name!r}: op={slot.op!r} is not one of {', '.join(MERGE)}"
                raise ValueError(msg)
        self.slots = {s.name: s for s in slots}
        self.capacity = capacity
        self.rows: dict[str, dict[str, float]] = {}
        self.shared: dict[str, float] = {}

    @classmethod
    def of(cls, shaper: Shaper, *, capacity: int | None = None) -> Store:
        """The store that a shaper (with its children) needs."""
        return cls(shaper.all_memory(), capacity=capacity)

    def gather(self, prompts: Sequence[Hashable], *, like: Any = None) -> dict[str, Any]:
        """name -> (B, 1) array of current values, in `like`'s namespace and dtype."""
        out = {}
        for name, slot in self.slots.items():
            kept = [self.shared if slot.shared else self.rows.get(str(p), {}) for p in prompts]
            column = [[row.get(name, slot.initial)] for row in kept]
            value = np.asarray(column, dtype=np.float64)
            if like is not None:
                from array_api_compat import array_namespace

                value = array_namespace(like).asarray(value, dtype=like.dtype)
            out[name] = value
        return out

    def merge(self, prompts: Sequence[Hashable], shaped: Shaped) -> None:
        """Merge one batch's contributions, in row order."""
        for name, column in shaped.memory.items():
            if name not in self.slots:
                msg = f"no memory slot {name!r}; declared are {', '.join(self.slots) or 'none'}"
                raise KeyError(msg)
            values = np.asarray(column, dtype=np.float64).reshape(len(prompts))
            merge, shared = MERGE[self.slots[name].op], self.slots[name].shared
            for prompt, value in zip(map(str, prompts), values.tolist(), strict=True):
                if shared:
                    own = self.shared
                    own[name] = merge(own[name], value) if name in own else value
                    continue
                row = self.rows.pop(prompt, {})
                row[name] = merge(row[name], value) if name in row else value
                self.rows[prompt] = row
        while self.capacity is not None and len(self.rows) > self.capacity:
            self.rows.pop(next(iter(self.rows)))

    def to_json(self) -> str:
        """The whole store as JSON text; `from_json` restores it exactly."""
        slots = [[s.name, s.op, s.initial, *[True] * s.shared] for s in self.slots.values()]
        data = {"slots": slots, "capacity": self.capacity, "rows": self.rows}
        return json.dumps(data | ({"shared": self.shared} if self.shared else {}))

    @classmethod
    def from_json(cls, text: str) -> Store:
        """Inverse of `to_json`."""
        data = json.loads(text)
        store = cls([MemoryField(*s) for s in data["slots"]], capacity=data["capacity"])
        store.rows, store.shared = data["rows"], data.get("shared", {})
        return store

    def save(self, path: str | Path) -> None:
        """Write atomically: a crash leaves the old file whole. WriteError where it can't be."""
        write_file(Path(path), self.to_json())
