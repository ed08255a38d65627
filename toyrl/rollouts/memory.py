"""Per-prompt memory of shapers: kept on the host, merged by declared operations.

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


class Store:
    """Memory rows keyed by prompt.

    `capacity` bounds the number of prompts kept; the least recently merged go first.

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

    @classmethod
    def of(cls, shaper: Shaper, *, capacity: int | None = None) -> Store:
        """The store that a shaper (with its children) needs."""
        return cls(shaper.all_memory(), capacity=capacity)

    def gather(self, prompts: Sequence[Hashable], *, like: Any = None) -> dict[str, Any]:
        """name -> (B, 1) array of current values, in `like`'s namespace and dtype."""
        out = {}
        for name, slot in self.slots.items():
            column = [[self.rows.get(str(p), {}).get(name, slot.initial)] for p in prompts]
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
            merge = MERGE[self.slots[name].op]
            for prompt, value in zip(map(str, prompts), values.tolist(), strict=True):
                row = self.rows.pop(prompt, {})
                row[name] = merge(row[name], value) if name in row else value
                self.rows[prompt] = row
        while self.capacity is not None and len(self.rows) > self.capacity:
            self.rows.pop(next(iter(self.rows)))

    def to_json(self) -> str:
        """The whole store as JSON text; `from_json` restores it exactly."""
        slots = [[s.name, s.op, s.initial] for s in self.slots.values()]
        return json.dumps({"slots": slots, "capacity": self.capacity, "rows": self.rows})

    @classmethod
    def from_json(cls, text: str) -> Store:
        """Inverse of `to_json`."""
        data = json.loads(text)
        store = cls([MemoryField(*s) for s in data["slots"]], capacity=data["capacity"])
        store.rows = data["rows"]
        return store

    def save(self, path: str | Path) -> None:
        """Write atomically: a crash leaves the old file whole. WriteError where it can't be."""
        write_file(Path(path), self.to_json())
