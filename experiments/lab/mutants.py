"""A rule with one step broken, for the mutants of an experiment.

A mutant is a fault that someone could make about the mechanism: a factor left out, a sign turned,
the wrong rollouts in a mean, a switch ignored. Noise added to a number proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type)
T = TypeVar("T")


def replaced(kind: Kind, **methods: Callable[..., Any]) -> Kind:
    """The class with other methods; each is called as the old one is, `self` first."""
    _known(kind, methods)
    return type(f"Broken{kind.__name__}", (kind,), methods)  # pyright: ignore[reportReturnType]


def after(kind: Kind, **changes: Callable[[Any], Any]) -> Kind:
    """The class whose methods' answers are changed: `after(Trust, trust=np.square)`."""
    _known(kind, changes)

    def changed(old: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
        return lambda self, *a, **k: change(old(self, *a, **k))

    return replaced(kind, **{n: changed(getattr(kind, n), f) for n, f in changes.items()})


def before(kind: Kind, **changes: Callable[..., tuple[Any, ...]]) -> Kind:
    """The class whose methods get other arguments: each change maps them to a tuple."""
    _known(kind, changes)

    def changed(old: Callable[..., Any], change: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, *a: old(self, *change(*a))

    return replaced(kind, **{n: changed(getattr(kind, n), f) for n, f in changes.items()})


def pick(options: Mapping[str, T], name: str) -> T:
    """The rule under test by the name that the experiment's argument gives."""
    if name not in options:
        msg = f"{name!r} is not one of {', '.join(map(repr, options))}"
        raise ValueError(msg)
    return options[name]


def pick_all(options: Mapping[str, T], names: Iterable[str], swaps: Mapping[str, str]) -> list[T]:
    """The rules of these names, or those that a mutant has swapped for them."""
    return [pick(options, swaps.get(name, name)) for name in names]


def _known(kind: type, methods: Mapping[str, Any]) -> None:
    for name in methods:
        if not callable(getattr(kind, name, None)):
            msg = f"{kind.__name__} has no method {name!r}: the mutant would break nothing"
            raise ValueError(msg)
