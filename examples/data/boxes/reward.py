"""Rewards for grounding, as RefCOCO is trained on: `solution` is the box [x1, y1, x2, y2]."""

import json
import re

BOX = re.compile(r"\[\s*([\d.]+),\s*([\d.]+),\s*([\d.]+),\s*([\d.]+)\s*\]")


def sound(completions, solution, width, height, **kwargs):
    """1 where the answer is one box that overlaps the right one by half."""
    out = []
    for c, gold, w, h in zip(completions, solution, width, height, strict=True):
        found = re.findall(r"<answer>(.*?)</answer>", c, re.S)
        box = parsed(found[0]) if len(found) == 1 else None
        good = box is not None and 0 <= box[0] < box[2] <= w and 0 <= box[1] < box[3] <= h
        out.append(float(good and iou(box, gold) >= 0.5))
    return out


def flawed(completions, solution, width, **kwargs):
    """1 where some box of the completion does, however many there are."""
    out = []
    for c, gold in zip(completions, solution, strict=True):
        boxes = [[float(x) for x in b] for b in BOX.findall(c)]
        out.append(float(any(iou(b, gold) >= 0.5 for b in boxes)))
    return out


def parsed(text):
    """Four numbers as JSON, None for anything else."""
    try:
        box = json.loads(text)
    except ValueError:
        return None
    numbers = isinstance(box, list) and len(box) == 4
    return box if numbers and all(isinstance(x, int | float) for x in box) else None


def iou(a, b):
    """Intersection over union."""
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return wide * high / max(sum(areas) - wide * high, 1e-9)
