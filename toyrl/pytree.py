"""Frozen dataclasses as JAX pytrees, registered only once JAX is in use.

Importing `toyrl` must not import JAX (0.2 s budget), so classes are collected here and
registered when JAX is already imported, else by `activate`, which every JAX entry point calls.
All dataclass fields are leaves or sub-trees; nothing is static, so no value change recompiles.
"""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any

_pending: list[type] = []
_done: set[type] = set()


def register(cls: type) -> type:
    """Register a frozen dataclass as a pytree, now if JAX is loaded, else at `activate`."""
    if cls not in _done and cls not in _pending:
        _pending.append(cls)
    if "jax" in sys.modules:
        activate()
    return cls


def activate() -> None:
    """Import JAX and register every class collected so far."""
    import jax

    while _pending:
        cls = _pending.pop()
        if cls in _done:
            continue
        _done.add(cls)
        names = tuple(f.name for f in fields(cls))
        jax.tree_util.register_pytree_with_keys(
            cls, _flatten(names), _unflatten(cls, names), _flatten_plain(names)
        )


def _flatten(names: tuple[str, ...]):
    import jax

    def flatten(node: Any):
        keyed = [(jax.tree_util.GetAttrKey(n), getattr(node, n)) for n in names]
        return keyed, None

    return flatten


def _flatten_plain(names: tuple[str, ...]):
    return lambda node: ([getattr(node, n) for n in names], None)


def _unflatten(cls: type, names: tuple[str, ...]):
    def unflatten(_: None, children: Any) -> Any:
        node = object.__new__(cls)  # no __init__: leaves may be tracers or placeholders
        for name, child in zip(names, children, strict=True):
            object.__setattr__(node, name, child)
        return node

    return unflatten
