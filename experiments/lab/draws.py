"""Random numbers whose drawing is counted as work."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.experiments.core.work import spend


class Draws(np.random.Generator):
    """`numpy.random.default_rng(seed)`, the same numbers; each number drawn is a unit of work."""

    def __getattribute__(self, name: str) -> Any:
        found: Any = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found

        def drawn(*args: Any, **options: Any) -> Any:
            out: Any = found(*args, **options)
            spend(np.size(out))
            return out

        return drawn


def draws(seed: int, *place: int) -> Draws:
    """The stream of a seed and the places under it: `draws(seed, 2)`."""
    return Draws(np.random.default_rng([seed, *place] if place else seed).bit_generator)
