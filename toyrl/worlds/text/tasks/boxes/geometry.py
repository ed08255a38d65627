"""Boxes as text: read, compared by intersection over union, matched one to one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Box = tuple[float, float, float, float]
KEYS = ("bbox_2d", "bbox", "box", "Position", "position")
LABELS = ("label", "category", "class", "name")
FENCE = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)
MOST = 2_000
"""Boxes of one answer that are looked at; a longer list is none."""


class Found(NamedTuple):
    """One box with its label; None where it has none."""

    box: Box
    label: str | None = None


def iou(a: Box, b: Box) -> float:
    """Intersection over union of boxes (x1, y1, x2, y2) with x1 < x2 and y1 < y2, in [0, 1]."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return both / (area(a) + area(b) - both)


def area(box: Box) -> float:
    """Of a box, in the unit of its corners squared."""
    return (box[2] - box[0]) * (box[3] - box[1])


def box_of(value: Any) -> Box | None:
    """Four finite numbers as a box of some area, x1 < x2 and y1 < y2; None for anything else."""
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    if not all(isinstance(x, int | float) and not isinstance(x, bool) for x in value):
        return None
    try:
        x1, y1, x2, y2 = map(float, value)
    except OverflowError:
        return None
    box = (x1, y1, x2, y2)
    good = all(map(math.isfinite, box)) and x1 < x2 and y1 < y2
    return box if good and math.isfinite(area(box)) else None


def read(text: str) -> list[Found] | None:
    """The boxes that a text gives as JSON; None where it isn't that alone, or one is no box.

    One box [x1, y1, x2, y2], a list of them, an object with the box under one of `KEYS` and
    perhaps a label under one of `LABELS`, or a list of those; a fence around it is taken off.
    """
    fenced = FENCE.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None
    return found_in(value)


def found_in(value: Any) -> list[Found] | None:
    """The same of a value that is parsed."""
    if box_of(value) is not None or isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list) or len(value) > MOST:
        return None
    out = [_one(x) for x in value]
    return None if None in out else [x for x in out if x is not None]


def _one(value: Any) -> Found | None:
    label = None
    if isinstance(value, Mapping):
        said = next((value[k] for k in LABELS if k in value), None)
        label = said if said is None or isinstance(said, str) else str(said)
        value = next((value[k] for k in KEYS if k in value), None)
    box = box_of(value)
    return None if box is None else Found(box, label)


def alike(said: Found, gold: Found, least: float) -> bool:
    """Whether boxes overlap by `least` and labels are the same, where the gold one has any."""
    if gold.label is not None and _plain(said.label or "") != _plain(gold.label):
        return False
    return iou(said.box, gold.box) >= least


def _plain(label: str) -> str:
    return " ".join(label.casefold().split())


def matched(said: Sequence[Found], gold: Sequence[Found], least: float) -> int:
    """The most pairs of a box said and a gold one that are alike, each taken once.

    Found by augmenting paths, so that no order of the lists matters.
    """
    fits = [[j for j, g in enumerate(gold) if alike(s, g, least)] for s in said]
    owner: dict[int, int] = {}

    def place(i: int, seen: set[int]) -> bool:
        for j in fits[i]:
            if j not in seen:
                seen.add(j)
                if j not in owner or place(owner[j], seen):
                    owner[j] = i
                    return True
        return False

    return sum(place(i, set()) for i in range(len(said)) if fits[i])
