"""Frozen dataclasses as JAX pytrees, registered only once JAX is in use.

Importing `toyrl` must not import JAX (0.2 s budget), so classes are collected here and
registered when JAX is already imported, else by `activate`, which every JAX entry point calls.
All dataclass fields are leaves or sub-trees; nothing is static, so no value change recompiles.
"""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

T = TypeVar("T")
_pending: dict[type, None] = {}
_done: set[type] = set()


def register(cls: type[T]) -> type[T]:
    """Register a frozen dataclass as a pytree, now if JAX is loaded, else at `activate`."""
    defer(cls)
    if "jax" in sys.modules:
        activate()
    return cls


def defer(cls: type) -> None:
    """Register a class at the next `activate`: for classes not yet turned into dataclasses."""
    if cls not in _done:
        _pending[cls] = None


def built(cls: type) -> None:
    """An instance of `cls` is being built: register it if JAX is already in use."""
    if cls in _pending and "jax" in sys.modules:
        activate()


def activate() -> None:
    """Import JAX and register every dataclass collected so far."""
    import jax

    ready = [cls for cls in _pending if is_dataclass(cls)]  # the others are abstract bases
    for cls in ready:
        del _pending[cls]
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
