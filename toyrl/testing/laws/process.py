"""Laws of dense process rewards under an estimator: what equal models, scale and totals may do.

Each is a function of an estimator (or token rewards) and rollouts (B, G) with a mask; it returns
nothing where the law holds and one sentence where it does not. Token rewards are (B, G, T).

    from toyrl.testing.laws.process import scale_is_nothing
    assert scale_is_nothing(parse_estimator("prime_verl()"), tokens, r) is None
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.prime import batch_normed
from toyrl.testing import arrays

Array = Any


def _advantages(e: Estimator, tokens: Array, r: Rollouts) -> np.ndarray:
    return np.asarray(e.apply({"outcome": r.correct, "process": tokens}, r)[0], dtype=float)


def silent_models_are_leave_one_out(e: Estimator, r: Rollouts) -> str | None:
    """Process rewards of 0 leave the outcome less its siblings', to the bit, on every token.

    For estimators that keep all prompts and don't whiten.
    """
    mask = np.asarray(r.need("mask", by="the law"), dtype=float)
    here = r.with_(weight=r.w)  # without weights the group's sums run in another order
    want = np.asarray(PRESETS["rloo"].apply({"outcome": r.correct}, here)[0])[..., None] * mask
    found = _advantages(e, 0 * mask, r)
    if (found == want).all():
        return None
    return f"without process rewards an advantage is {np.abs(found - want).max():.3g} off"


def outcome_shift_is_nothing(e: Estimator, tokens: Array, r: Rollouts, shift: float) -> str | None:
    """A constant added to the outcome of all siblings changes no advantage."""
    here = e.apply({"outcome": r.correct, "process": tokens}, r)[0]
    there = e.apply({"outcome": r.correct + shift, "process": tokens}, r)[0]
    far = arrays.difference(np.asarray(here), np.asarray(there))
    return None if far <= 1 else f"a constant of {shift:.3g} moves an advantage"


def scale_is_nothing(e: Estimator, tokens: Array, r: Rollouts, scale: float = 3.0) -> str | None:
    """Process rewards times a positive number, as by another beta, change next to nothing.

    For estimators with `batch_norm`, whose 1e-6 is what is left of the scale: tokens of a size of
    about 1.
    """
    here, there = _advantages(e, tokens, r), _advantages(e, scale * np.asarray(tokens), r)
    far = float(np.abs(here - there).max(initial=0.0))
    return None if far <= 1e-4 else f"{scale:g} times the process rewards moves {far:.3g}"


def returns_are_bounded(tokens: Array, r: Rollouts) -> str | None:
    """After the batch's norm the largest |return-to-go| is 1, but for 1e-6, or all are 0."""
    mask = np.asarray(r.need("mask", by="the law"), dtype=float)
    normed = np.asarray(batch_normed(np.asarray(tokens, dtype=float), mask, r.w))
    most = float(np.abs(np.flip(np.flip(normed, -1).cumsum(-1), -1)).max(initial=0.0))
    largest = float(np.abs(np.flip(np.flip(tokens * mask, -1).cumsum(-1), -1)).max(initial=0.0))
    want = largest / (largest + 1e-6)
    absent = not (np.asarray(r.w) > 0).all()
    if absent or abs(most - want) <= 1e-9:
        return None
    return f"the largest return is {most:.6g} in place of {want:.6g}"


def totals_agree(one: Estimator, other: Estimator, tokens: Array, r: Rollouts) -> str | None:
    """Two estimators give the first token of each response the same advantage.

    So do PRIME's two baselines, which differ from the second token on.
    """
    first, second = (_advantages(e, tokens, r)[..., 0] for e in (one, other))
    far = arrays.difference(first, second)
    return None if far <= 1 else f"first tokens differ by {np.abs(first - second).max():.3g}"
