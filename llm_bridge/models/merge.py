"""Update-selective merging: the base's weights plus the largest changes of a trained model, shrunk.

theta = base + scale top(trained - base), where `top` keeps the share of entries that changed most
and zeroes the rest. DLER merges so to win back accuracy that the shortest models lost.

Source: DLER, section 4 and Appendix C (share 0.25, scale 0.7; whether over all weights at once or
tensor by tensor is not stated).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from toyrl.ranges import FINITE, FLAG, SHARE, checked

Array = Any
Weights = Mapping[str, Array]


def largest(size: Array, count: int) -> np.ndarray:
    """Which `count` entries of (N,) are largest, as bool; of equal ones the first."""
    size = np.asarray(size)
    if count <= 0:
        return np.zeros(size.shape, dtype=bool)
    if count >= size.size:
        return np.ones(size.shape, dtype=bool)
    edge = np.partition(size, size.size - count)[size.size - count]
    kept = size > edge
    ties = np.flatnonzero(size == edge)
    kept[ties[: count - int(kept.sum())]] = True
    return kept


@checked
def merged(
    base: Weights,
    trained: Weights,
    *,
    share: Annotated[float, SHARE] = 0.25,
    scale: Annotated[float, FINITE] = 0.7,
    by_tensor: Annotated[bool, FLAG] = False,
) -> dict[str, Array]:
    """base + scale times the `share` of entries of (trained - base) that are largest in size.

    base, trained : name -> (...) weights, the same shapes in both, on NumPy or torch, as the
        answer is
    share : round(share N) entries are kept, of equal ones the first in the order of names
    by_tensor : so many of each tensor, instead of all weights at once

    share 1, scale 1 is `trained`; share 0 is `base`.

    Raises ValueError for names or shapes that differ and for weights that are no finite numbers.
    """
    change = {name: _change(name, base, trained) for name in base}
    for name in trained:
        if name not in base:
            msg = f"the trained model has {name!r}, which the base lacks; merge models of one kind"
            raise ValueError(msg)
    if by_tensor:
        kept = {n: largest(np.abs(d.ravel()), _count(share, d.size)) for n, d in change.items()}
    else:
        size = np.concatenate([np.abs(d.ravel()) for d in change.values()] or [np.zeros(0)])
        whole = largest(size, _count(share, size.size))
        ends = np.cumsum([d.size for d in change.values()])[:-1]
        kept = dict(zip(change, np.split(whole, ends), strict=True))
    return {
        name: _added(base[name], np.where(kept[name].reshape(d.shape), scale * d, 0.0))
        for name, d in change.items()
    }


def merge_models(base: str, trained: str, out: str | Path, **options: Any) -> Path:
    """Merge two models (ids or folders) of one architecture and save model and tokenizer in `out`.

    options : of `merged`. Raises ModelError for a model that can't be loaded, ValueError for two
    that don't fit.
    """
    from toyrl.bridge.models.load import load

    first, tokenizer = load(base)
    second, _ = load(trained)
    own = dict(first.named_parameters())  # tied weights once
    for name, weights in merged(own, dict(second.named_parameters()), **options).items():
        own[name].data = weights
    first.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return Path(out)


def _count(share: float, size: int) -> int:
    return math.floor(share * size + 0.5)


def _numbers(x: Array) -> np.ndarray:
    """On the host, in double precision where it is a float."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().double().numpy()
    return np.asarray(x, dtype=float)


def _change(name: str, base: Weights, trained: Weights) -> np.ndarray:
    if name not in trained:
        msg = f"the base has {name!r}, which the trained model lacks; merge models of one kind"
        raise ValueError(msg)
    old, new = _numbers(base[name]), _numbers(trained[name])
    if old.shape != new.shape:
        msg = f"{name!r} has shape {old.shape} in the base and {new.shape} in the trained model"
        raise ValueError(msg)
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        msg = f"{name!r} holds weights that are no finite numbers; a broken model can't be merged"
        raise ValueError(msg)
    return new - old


def _added(old: Array, change: np.ndarray) -> Array:
    if hasattr(old, "detach"):
        import torch

        moved = torch.as_tensor(_numbers(old) + change)
        return moved.to(dtype=old.dtype, device=old.device)
    return (np.asarray(old, dtype=float) + change).astype(np.asarray(old).dtype)
