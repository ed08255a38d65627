"""The zoo: small base models that differ in what decides about a reward, built here by recipe.

Four are for development (`dev`); the others (`test`) are for predictions that are made before
anything is trained on them. Each is built once, on the CPU, and kept in the cache folder with
checksums and its card; one that misses the accuracy asked for is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from toyrl.bridge.models import tiny
from toyrl.bridge.tasks import load_task
from toyrl.bridge.zoo import cards
from toyrl.bridge.zoo.cards import Card
from toyrl.bridge.zoo.recipes import DEV, TEST, Base
from toyrl.messages import shortened


class BaseRefused(ValueError):
    """A base was built and isn't what its recipe asks for; one message with both numbers."""


BASES: tuple[Base, ...] = (*DEV, *TEST)


def of_split(split: str) -> tuple[Base, ...]:
    """The bases of `dev` or `test`, in a fixed order; ValueError for another split."""
    found = tuple(base for base in BASES if base.split == split)
    if not found:
        msg = f"split={shortened(split)} is not one of dev, test"
        raise ValueError(msg)
    return found


def named(name: str) -> Base:
    """The base of that name; ValueError with near names for another."""
    for base in BASES:
        if base.name == name:
            return base
    names = [base.name for base in BASES]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    msg = f"base={shortened(name)} is not in the zoo; {hint}"
    raise ValueError(msg)


def folder(
    base: Base, *, cache: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> Path:
    """The folder of the built model, as transformers loads it; built first where it is missing.

    tell : hears one line per stage, and when a damaged copy is replaced
    Raises BaseRefused for a model outside the accuracy asked for; nothing of it is kept.
    """

    def look(network: object, tokenizer: object) -> dict[str, object]:
        task = load_task(base.task, prompts=1, held_out=cards.PROMPTS)
        made = cards.measure(network, tokenizer, task, limit=base.limit)
        low, high = base.accuracy
        if not low <= made.accuracy <= high:
            msg = (
                f"base={base.name!r}: accuracy {made.accuracy:.3f} measured, {low:g} to {high:g} "
                f"asked for ({made.rollouts} rollouts); it is not kept: change its recipe (steps, "
                "hidden, habits), or the range if the base is meant to be so"
            )
            raise BaseRefused(msg)
        return {"card": made.to_dict()}

    return tiny.folder(base.recipe, name=base.name, look=look, cache=cache, tell=tell)


def card(
    base: Base, *, cache: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> Card:
    """The base's card, measured when it was built; built first where it is missing.

    Raises BaseRefused as `folder`.
    """
    return Card.from_dict(tiny.about(folder(base, cache=cache, tell=tell))["card"])
