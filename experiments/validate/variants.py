"""The nearest safe variant of a reward, each candidate itself validated on the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.core import Table
from experiments.validate.findings import Finding, Section
from experiments.validate.verdict import SAFE_SHARE, Collapse


@dataclass(frozen=True)
class Variant:
    """A change of the reward, nearest first.

    describe : the variant in words a user can act on
    judge : () -> its collapse counts on the prior
    """

    name: str
    describe: str
    judge: Callable[[], Collapse]


def nearest_safe(variants: Sequence[Variant]) -> tuple[str, Section]:
    """Judge the variants in order; the first safe one is the answer ("" if none is)."""
    rows, best = [], ""
    for v in variants:
        count = v.judge()
        safe = count.worlds > 0 and count.share <= SAFE_SHARE
        rows.append([v.describe, f"{count.collapsed} of {count.worlds}", "yes" if safe else "no"])
        if safe and not best:
            best = f"{v.describe} (collapses in {count.collapsed} of {count.worlds} worlds)"
    table = Table(
        "variants",
        ("variant", "worlds collapsed", "safe"),
        rows,
        caption="Each variant was trained on the same prior of worlds.",
    )
    message = (
        f"Nearest safe variant: {best}."
        if best
        else ("None of the variants tried is safe on the prior; use the outcome reward alone.")
    )
    finding = Finding(7, "verdict/variant", "info", message)
    return best, Section(7, message, (finding,), (), (table,))


def safe_weight(critical: np.ndarray, limit: float) -> float:
    """A round weight below the largest safe one, at most half of the user's own."""
    safe = min(limit, float(np.min(critical, initial=np.inf)), 1.0)
    target = 0.9 * safe if np.isfinite(safe) else 0.5
    digits = -int(np.floor(np.log10(target)))
    return float(np.floor(target * 10**digits) / 10**digits)
