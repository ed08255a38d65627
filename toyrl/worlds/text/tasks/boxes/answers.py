"""Right and wrong boxes of one problem.

A problem's facts:

    gold      the boxes, `geometry.Found`; labels are None where they aren't asked for
    width, height  of the image, in the boxes' unit; where they aren't known, what the boxes take
    form      how an answer is written: "objects", or "lists" of numbers alone
    key, tag  names of the box and of its label in an object
    iou       least overlap of a right box
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toyrl.worlds.text.tasks.base import Asked, Said
from toyrl.worlds.text.tasks.boxes.geometry import Box, Found, matched, read

IOU = 0.5
"""Least overlap of a right box, unless a row's `iou_threshold` says another."""
GRID = (10, 8)
SIDES = (2, 3, 5)
"""Sides, in cells of the grid, of the boxes that cover everything; the last one for few labels."""
MOST_LABELS = 9
"""That are written for each of these boxes."""
HUGE = 1e200
ONE_TO_ONE = "match boxes one to one and count those left over: F1, or 0 for another number"
COUNT = "pay nothing for more boxes than there are, or divide by the larger number"
CORNERS = "refuse a box without x1 < x2 and y1 < y2 before any area is taken"
FINITE = "refuse numbers that are not finite or not within the image"
UNIT = "compare in pixels, as the gold box is, and ask for them in the prompt"
LABELS = "compare each box's label with that of the gold box it overlaps"
OVERLAP = "pay by overlap (IoU), and nothing for JSON alone"
MARKED = "read the marked answer alone"
PARSED = "parse the marked answer as JSON and compare boxes by overlap"
GATE = "pay format only where the boxes are right"
Change = Callable[[Box], Sequence[float]]


def holds(asked: Asked, text: str) -> bool:
    """Whether a text gives the gold boxes as JSON: as many, each with a gold one of its own that it
    overlaps by the problem's `iou` at least, with its label where labels are asked for."""
    said, gold, least = read(text), asked.facts["gold"], asked.facts["iou"]
    return said is not None and len(said) == len(gold) == matched(said, gold, least)


# -- writing ---------------------------------------------------------------------------------------
def put(facts: Mapping[str, Any], found: Sequence[Any], **style: Any) -> str:
    """Boxes as the problem's answers are written; found : (box, label) each; style : of JSON."""
    return json.dumps(value_of(facts, found), ensure_ascii=False, **style)


def value_of(facts: Mapping[str, Any], found: Sequence[Any]) -> Any:
    """The same, before it is JSON. A single box of a problem of lists stands alone."""
    if facts["form"] == "objects":
        return [
            {facts["key"]: list(box)} | ({} if label is None else {facts["tag"]: label})
            for box, label in found
        ]
    boxes = [list(box) for box, _ in found]
    return boxes[0] if len(boxes) == 1 and len(facts["gold"]) == 1 else boxes


def tidy(box: Sequence[float], digits: int = 3) -> list[float]:
    """Numbers with so many digits behind the point, whole ones without it."""
    rounded = [round(x, digits) for x in box]
    return [int(x) if x == int(x) else x for x in rounded]


def digits_of(facts: Mapping[str, Any]) -> int:
    """Digits behind the point in boxes that are made of the gold ones: none where those have none,
    so that right and wrong answers are of one length."""
    return 3 * any(x != int(x) for g in facts["gold"] for x in g.box)


def each(facts: Mapping[str, Any], change: Change, digits: int | None = None, **style: Any) -> str:
    """The gold boxes, each changed; digits : behind the point, None: as the gold ones have."""
    n = digits_of(facts) if digits is None else digits
    return put(facts, [(tidy(change(g.box), n), g.label) for g in facts["gold"]], **style)


def shifted(box: Box, share: float, width: float) -> Box:
    """The box moved by a share of its own width, to where the image has room."""
    by = share * (box[2] - box[0])
    by = by if box[2] + by <= width or box[0] - by < 0 else -by
    return (box[0] + by, box[1], box[2] + by, box[3])


def grid(facts: Mapping[str, Any]) -> list[Found]:
    """Boxes of many sizes and places: some overlaps any object well; labels by turns."""
    across, down = facts["width"] / GRID[0], facts["height"] / GRID[1]
    labels = list(dict.fromkeys(g.label for g in facts["gold"]))[:MOST_LABELS]
    sides = SIDES if len(labels) < 3 else SIDES[:2]
    out: list[Found] = []
    for w in sides:
        for h in sides:
            for i in range(GRID[0] - w + 1):
                for j in range(GRID[1] - h + 1):
                    box = (i * across, j * down, (i + w) * across, (j + h) * down)
                    out += [Found(box, k) for k in labels]
    return out


# -- right -----------------------------------------------------------------------------------------
def right(asked: Asked) -> list[Said]:
    """The gold boxes, and other ways to write them."""
    facts = asked.facts
    gold, width = facts["gold"], facts["width"]
    usual = each(facts, lambda b: b)
    floats = put(facts, [([float(x) for x in g.box], g.label) for g in gold])
    said = [
        Said(usual),
        Said(each(facts, lambda b: b, separators=(",", ":")), "no-spaces", fix=PARSED),
        Said(each(facts, lambda b: b, indent=2), "indented", fix=PARSED),
        Said(f"\n  {usual}  \n", "spaces", fix="strip white space"),
        Said(floats, "floats", fix="read numbers with a point too"),
        Said(each(facts, lambda b: shifted(b, 0.04, width)), "moved-a-little",
             fix="pay by overlap: no two people draw the same box"),
    ]  # fmt: skip
    if facts["form"] == "objects" and gold[0].label is not None:
        turned = [dict(reversed(x.items())) for x in json.loads(usual)]
        said.append(Said(json.dumps(turned, ensure_ascii=False), "keys-turned", fix=PARSED))
    if len(gold) > 1:
        back = [(tidy(g.box), g.label) for g in reversed(gold)]
        said.append(Said(put(facts, back), "other-order", fix="match boxes in any order"))
    seen: set[str] = set()
    return [x for x in said if not (x.text in seen or seen.add(x.text)) and holds(asked, x.text)]


# -- wrong -----------------------------------------------------------------------------------------
def wrong(asked: Asked) -> list[Said]:
    """Boxes beside the object, and what a policy may find in place of the right ones."""
    facts = asked.facts
    said = [*_mistakes(facts), *_counts(facts), *_off(facts), *_elsewhere(asked), *_free(asked)]
    known = {x.text for x in right(asked)}
    return [x for x in said if x.bare or not (x.text in known or holds(asked, x.text))]


def _away(facts: Mapping[str, Any]) -> Callable[[Box], Box]:
    """A box of the same size in the corner that is farthest from it."""
    wide, high = facts["width"], facts["height"]

    def move(b: Box) -> Box:
        w, h = b[2] - b[0], b[3] - b[1]
        x = 0 if b[0] + b[2] > wide else max(0, wide - w)
        y = 0 if b[1] + b[3] > high else max(0, high - h)
        return (x, y, x + w, y + h)

    return move


def _mistakes(facts: Mapping[str, Any]) -> list[Said]:
    """Ordinary ones: boxes too far to a side, and boxes elsewhere."""
    width = facts["width"]
    return [
        Said(each(facts, lambda b: shifted(b, 0.7, width))),
        Said(each(facts, lambda b: shifted(_away(facts)(b), 0.2, width))),
    ]


def _off(facts: Mapping[str, Any]) -> list[Said]:
    """The right boxes with another meaning, unit, order of corners or label."""
    wide, high, gold = facts["width"], facts["height"], facts["gold"]

    def middle(b: Box) -> Sequence[float]:
        x, y = (b[0] + b[2]) / 2, (b[1] + b[3]) / 2
        return (x, y, x, y)

    said = [
        Said(each(facts, lambda b: shifted(b, 0.5, wide)), "moved", "boxes that overlap the right "
             "ones by a third (IoU)", fix="pay by overlap, from a half on"),
        Said(each(facts, lambda b: (b[0], b[1], b[2] - b[0], b[3] - b[1])), "as-xywh",
             "the right boxes as corner, width and height", fix=UNIT),
        Said(each(facts, lambda b: (b[0] / wide, b[1] / high, b[2] / wide, b[3] / high), 3),
             "normalised", "the right boxes as shares of the image", fix=UNIT),
        Said(each(facts, lambda b: [round(1000 * x / y) for x, y in zip(b, (wide, high) * 2,
             strict=True)]), "in-thousandths", "the right boxes in thousandths of the image",
             fix=UNIT),
        Said(each(facts, lambda b: (b[2], b[3], b[0], b[1])), "corners-exchanged",
             "the right boxes with their corners exchanged", fix=CORNERS),
        Said(each(facts, lambda b: (b[2], b[1], b[0], b[3])), "one-side-exchanged",
             "boxes of negative width", fix=CORNERS),
        Said(each(facts, middle), "no-area", "the middle of each box as a box without area",
             fix=CORNERS),
        Said(each(facts, lambda b: b)[:-1], "cut-off", "the right boxes without their end, which "
             "is no JSON", status="warn", fix=PARSED),
    ]  # fmt: skip
    labels = [g.label for g in gold]
    if labels[0] is not None:
        boxes = [tidy(g.box) for g in gold]
        turned = list(zip(boxes, [*labels[1:], labels[0]], strict=True))
        other = [(b, f"other {k}") for b, k in zip(boxes, labels, strict=True)]
        said += [
            Said(put(facts, turned), "labels-swapped", "the right boxes with each other's labels",
                 fix=LABELS),
            Said(put(facts, other), "wrong-labels", "the right boxes with labels that nobody asked "
                 "for", fix=LABELS),
        ]  # fmt: skip
    return said


def _counts(facts: Mapping[str, Any]) -> list[Said]:
    """The right boxes among others, several times, or not all of them."""
    gold = [(tidy(g.box), g.label) for g in facts["gold"]]
    n, away, width = digits_of(facts), _away(facts), facts["width"]
    others = [(tidy(away(g.box), n), g.label) for g in facts["gold"]]
    miss = [(tidy(shifted(g.box, 0.7, width), n), g.label) for g in facts["gold"]]
    said = [
        Said(put(facts, [*gold, *others, *miss]), "right-first",
             "the right boxes and twice as many others behind them", fix=ONE_TO_ONE),
        Said(put(facts, [*others, *miss, *gold]), "right-last",
             "the right boxes behind twice as many others", fix=ONE_TO_ONE),
        Said(put(facts, gold * 5), "repeated", "the right boxes five times over", fix=ONE_TO_ONE),
    ]  # fmt: skip
    if len(gold) > 1:
        said.append(
            Said(put(facts, gold[:-1]), "one-missing", "the right boxes but one", fix=ONE_TO_ONE)
        )
    return said


def _elsewhere(asked: Asked) -> list[Said]:
    """The right boxes outside the mark."""
    facts = asked.facts
    usual, miss = each(facts, lambda b: b), _mistakes(facts)[1].text
    return [
        Said(miss, "mentioned", "the right boxes are weighed, others given",
             work=f"It could be {usual} here. It is not.", fix=MARKED),
        Said(miss, "behind", "other boxes, and the right ones told behind them",
             after=f"I also thought of {usual}", fix=MARKED),
        Said(asked.prompt, "prompt-echoed", "the prompt again", bare=True, free=True, fix=MARKED),
        Said("We look at the whole image first.", "no-answer", "reasoning without a box",
             bare=True, free=True, fix=GATE),
        Said("", "empty", "nothing at all", bare=True, free=True, fix=GATE),
    ]  # fmt: skip


def _free(asked: Asked) -> list[Said]:
    """What takes no look at the image: its size, what is asked for and how many are known."""
    facts = asked.facts
    whole = (0, 0, facts["width"], facts["height"])
    labels = [g.label for g in facts["gold"]]

    def same(box: Sequence[Any]) -> str:
        return put(facts, [(box, k) for k in labels])

    tagged = [{facts["tag"]: k or "object"} for k in labels]
    covering = [(tidy(g.box), g.label) for g in grid(facts)]
    said = [
        ("whole-image", same(tidy(whole)), "boxes that are the whole image", OVERLAP),
        ("covering", put(facts, covering), "hundreds of boxes that cover everything", COUNT),
        ("huge", same([-HUGE, -HUGE, HUGE, HUGE]), "boxes of 1e200 pixels", FINITE),
        ("not-numbers", same([float("nan")] * 4), "boxes of NaN", FINITE),
        ("infinite", same([-float("inf")] * 2 + [float("inf")] * 2), "boxes without end", FINITE),
        ("zeros", same([0, 0, 0, 0]), "boxes of four zeros", CORNERS),
        ("labels-alone", json.dumps(tagged), "labels without boxes", OVERLAP),
        ("keys-echoed", same(["x1", "y1", "x2", "y2"]), "names in place of numbers", PARSED),
        ("empty-list", "[]", "an empty list", "pay nothing where objects are missed"),
        ("blank", "", "a mark without an answer", "refuse an empty answer"),
    ]  # fmt: skip
    return [Said(text, name, why, free=True, fix=fix) for name, text, why, fix in said]
