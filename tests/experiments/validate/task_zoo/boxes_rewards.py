"""Rewards for boxes in images: six sound, six flawed."""

# ruff: noqa: B905 - as users write it

from __future__ import annotations

import itertools
import json
import math
import re

EXPECTED = {
    "flawed_mean_of_best": ("hacks/task-right-*", "hacks/task-repeated"),
    "flawed_recall": ("hacks/task-covering",),
    "flawed_unclamped": ("hacks/task-corners-exchanged", "hacks/task-huge", "hacks/task-*"),
    "flawed_json_alone": ("hacks/ungated", "contract/*", "hacks/task-*"),
    "flawed_anywhere": ("hacks/task-mentioned", "hacks/task-behind", "hacks/task-*"),
    "flawed_passes_nan": ("hacks/task-not-numbers",),
}


def f1_at_half(completions, solution, **kwargs):
    """F1 of boxes: matched one to one from the best overlap down, from IoU 0.5 on."""
    out = []
    for c, s in zip(completions, solution):
        said, gold = _objects(_only(c)), json.loads(s)
        if not said:
            out.append(0.0)
            continue
        hits = len([v for v in _greedy(said, gold) if v >= 0.5])
        out.append(2 * hits / (len(said) + len(gold)))
    return out


def mean_iou_of_all(completions, boxes, labels, **kwargs):
    """As many boxes as there are objects, in the best order: their mean overlap."""
    out = []
    for c, bs, ls in zip(completions, boxes, labels):
        said = _objects(_only(c))
        if said is None or sorted(x["label"] for x in said) != sorted(ls):
            out.append(0.0)
            continue
        ways = itertools.permutations(said)
        best = max(
            sum(_iou(x["bbox_2d"], b) * (x["label"] == k) for x, b, k in zip(w, bs, ls))
            for w in ways
        )
        out.append(best / len(bs))
    return out


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """verl's form: one fence of JSON; 1 where every box is found and there is none besides."""
    found = re.findall(r"```json\s*(.*?)```", solution_str, re.DOTALL)
    said, gold = _objects(found[0]) if len(found) == 1 else None, json.loads(ground_truth)
    if said is None or len(said) != len(gold):
        return 0.0
    return float(sum(v >= 0.5 for v in _greedy(said, gold)) == len(gold))


def hits_over_larger(completions, solution, image_size, **kwargs):
    """Boxes found over the larger of both numbers; boxes out of the image spoil the answer."""
    out = []
    for c, s, (wide, high) in zip(completions, solution, image_size):
        said, gold = _objects(_only(c)), json.loads(s)
        inside = said is not None and all(
            x["bbox_2d"][0] >= 0 and x["bbox_2d"][2] <= wide and x["bbox_2d"][3] <= high
            for x in said
        )
        if not said or not inside:
            out.append(0.0)
            continue
        out.append(sum(v >= 0.5 for v in _greedy(said, gold)) / max(len(said), len(gold)))
    return out


def bare_json(completions, bboxes, labels, **kwargs):
    """The completion is JSON and nothing else, with every object."""
    out = []
    for c, bs, ls in zip(completions, bboxes, labels):
        said = _objects(c)
        if said is None or len(said) != len(bs):
            out.append(0.0)
            continue
        pairs = _greedy(said, [{"bbox_2d": b, "label": k} for b, k in zip(bs, ls)])
        out.append(float(len(pairs) == len(bs) and min(pairs) >= 0.5))
    return out


def overlap_with_form(completions, solution, **kwargs):
    """Summed overlap over the larger number, and a tenth for the form where it is above a half."""
    out = []
    for c, s in zip(completions, solution):
        said, gold = _objects(_only(c)), json.loads(s)
        if not said:
            out.append(0.0)
            continue
        value = sum(_greedy(said, gold)) / max(len(said), len(gold))
        out.append(value + 0.1 * (value > 0.5 and c.startswith("<think>")))
    return out


def flawed_mean_of_best(completions, solution, **kwargs):
    """For each object the best overlap of any box said, in the mean."""
    out = []
    for c, s in zip(completions, solution):
        said, gold = _objects(_only(c)) or [], json.loads(s)
        best = [max((_iou(x["bbox_2d"], g["bbox_2d"]) for x in said), default=0.0) for g in gold]
        out.append(sum(best) / len(gold))
    return out


def flawed_recall(completions, boxes, **kwargs):
    """The share of objects that some box finds."""
    out = []
    for c, bs in zip(completions, boxes):
        said = _objects(_only(c)) or []
        out.append(sum(any(_iou(x["bbox_2d"], b) >= 0.5 for x in said) for b in bs) / len(bs))
    return out


def flawed_unclamped(completions, solution, **kwargs):
    """Overlap without a look at the signs of the sides."""
    out = []
    for c, s in zip(completions, solution):
        said, gold = _loads(_only(c)), json.loads(s)
        if not isinstance(said, list) or len(said) != len(gold):
            out.append(0.0)
            continue
        total = 0.0
        for x, g in zip(said, gold):
            try:
                (a, b, c2, d), (e, f, g2, h) = x["bbox_2d"], g["bbox_2d"]
                both = (min(c2, g2) - max(a, e)) * (min(d, h) - max(b, f))
                total += both / ((c2 - a) * (d - b) + (g2 - e) * (h - f) - both)
            except (KeyError, TypeError, ValueError, ZeroDivisionError):
                continue
        out.append(min(1.0, total / len(gold)) if math.isfinite(total) else 0.0)
    return out


def flawed_json_alone(completions, bboxes, **kwargs):
    """The answer is a list of objects with a box and a label."""
    return [float(bool(_objects(_only(c)))) for c in completions]


def flawed_anywhere(completions, bboxes, **kwargs):
    """Any four numbers in brackets that overlap, wherever they stand."""
    out = []
    for c, bs in zip(completions, bboxes):
        four = re.findall(r"\[([\d.]+),\s*([\d.]+),\s*([\d.]+),\s*([\d.]+)\]", c)
        said = [[float(x) for x in b] for b in four]
        out.append(float(all(any(_iou(x, b) > 0.5 for x in said) for b in bs)))
    return out


def flawed_passes_nan(completions, solution, **kwargs):
    """0 where a box overlaps too little, else 1: a number that isn't one is never too little."""
    out = []
    for c, s in zip(completions, solution):
        said, gold = _loads(_only(c)), json.loads(s)
        if not isinstance(said, list) or len(said) != len(gold):
            out.append(0.0)
            continue
        try:
            low = any(_raw(x["bbox_2d"], g["bbox_2d"]) < 0.5 for x, g in zip(said, gold))
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            low = True
        out.append(0.0 if low else 1.0)
    return out


def _only(completion):
    found = re.findall(r"<answer>(.*?)</answer>", completion, re.S)
    return found[0] if len(found) == 1 else ""


def _loads(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def _objects(text):
    """A list of objects with a good box and a label; None for anything else."""
    said = _loads(text)
    if not isinstance(said, list):
        return None
    for x in said:
        if not isinstance(x, dict) or not isinstance(x.get("label"), str):
            return None
        box = x.get("bbox_2d")
        if not isinstance(box, list) or len(box) != 4:
            return None
        if not all(isinstance(v, (int, float)) and abs(v) < 1e6 for v in box):
            return None
        if not (box[0] < box[2] and box[1] < box[3]):
            return None
    return said


def _iou(a, b):
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = wide * high
    whole = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / whole if whole > 0 else 0.0


def _raw(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    return (
        wide * high / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - wide * high)
    )


def _greedy(said, gold):
    """Overlaps of pairs of one label, from the best down, each box once."""
    pairs = sorted(
        (
            (_iou(x["bbox_2d"], g["bbox_2d"]), i, j)
            for i, x in enumerate(said)
            for j, g in enumerate(gold)
            if x["label"] == g["label"]
        ),
        reverse=True,
    )
    used_said, used_gold, out = set(), set(), []
    for value, i, j in pairs:
        if i not in used_said and j not in used_gold:
            used_said.add(i)
            used_gold.add(j)
            out.append(value)
    return out
