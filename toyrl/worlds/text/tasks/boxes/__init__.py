"""Grounding as text: objects of an image as boxes [x1, y1, x2, y2] in JSON, with their labels.

No image is needed: a problem of our own is a made-up scene of 640 x 480 pixels whose objects don't
overlap. An answer is right if it gives as many boxes as there are objects asked for, each
overlapping one of its own by half at least (intersection over union), under its label.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from random import Random

from toyrl.worlds.text.tasks.base import Asked, Made, gold
from toyrl.worlds.text.tasks.boxes.answers import IOU, holds, right, wrong
from toyrl.worlds.text.tasks.boxes.data import LAYOUTS, WORK, check_row, of_rows
from toyrl.worlds.text.tasks.boxes.geometry import Found

__all__ = [
    "BOXES",
    "FORMS",
    "LAYOUTS",
    "check_row",
    "holds",
    "of_rows",
    "problems",
    "right",
    "wrong",
]

N = 24
WIDTH, HEIGHT = 640, 480
ACROSS, DOWN = 3, 2
"""Cells of a scene, one for each object at most."""
COLOURS = ("red", "blue", "green", "white")
THINGS = ("cup", "lamp", "dog", "chair", "book", "ball", "bicycle", "clock")


@lru_cache(maxsize=16)
def problems(n: int = N, seed: int = 0, form: str = "objects") -> tuple[Asked, ...]:
    """n scenes in which one, two or three objects are asked for, by turns.

    form : "objects" as JSON, "objects in tags", "objects in a list"; or one object a scene, its
    "box" as four numbers, "box in tags", "box as JSON"

    columns : the gold answer in this form under every usual name; `boxes` and `bboxes`, lists of
    corners; `labels`; `objects`, corners, widths and heights as COCO has them; `width`, `height`,
    `image_size`; `problem`; of one object `bbox` too, its corners
    """
    one = form.startswith("box")
    return tuple(_scene(Random(f"{seed}/{i}"), 1 if one else 1 + i % 3, form) for i in range(n))


def _drawn(rng: Random, asked: int) -> tuple[list[list[int]], list[str]]:
    """Boxes in cells of their own, and their labels."""
    wide, high = WIDTH // ACROSS, HEIGHT // DOWN
    places = rng.sample(range(ACROSS * DOWN), asked)
    labels = [f"{rng.choice(COLOURS)} {t}" for t in rng.sample(THINGS, asked)]
    boxes = []
    for at in places:
        w, h = rng.randrange(wide // 2, wide - 20), rng.randrange(high // 2, high - 20)
        x = at % ACROSS * wide + rng.randrange(wide - w)
        y = at // ACROSS * high + rng.randrange(high - h)
        boxes.append([x, y, x + w, y + h])
    return boxes, labels


def _scene(rng: Random, asked: int, form: str) -> Asked:
    """One scene."""
    boxes, labels = _drawn(rng, asked)
    one = form.startswith("box")
    objects = [{"bbox_2d": b, "label": k} for b, k in zip(boxes, labels, strict=True)]
    said = boxes[0] if one else objects
    if form not in ("box", "objects in a list"):
        said = json.dumps(said)
    if form.endswith("in tags"):
        said = f"<answer>{said}</answer>"
    problem = f"Find in the image: {', '.join(labels)}."
    columns = {
        **gold(said), "boxes": boxes, "bboxes": boxes, "labels": labels,
        "objects": {"bbox": [[a, b, c - a, d - b] for a, b, c, d in boxes], "category": labels},
        "width": WIDTH, "height": HEIGHT, "image_size": [WIDTH, HEIGHT], "problem": problem,
        **({"bbox": boxes[0]} if one else {}),
    }  # fmt: skip
    facts = {
        "gold": tuple(
            Found((float(a), float(b), float(c), float(d)), None if one else k)
            for (a, b, c, d), k in zip(boxes, labels, strict=True)
        ),
        "width": WIDTH, "height": HEIGHT, "form": "lists" if one else "objects", "key": "bbox_2d",
        "tag": "label", "iou": IOU,
    }  # fmt: skip
    wanted = "[x1, y1, x2, y2]" if one else '[{"bbox_2d": [x1, y1, x2, y2], "label": "..."}]'
    prompt = (
        f"The image has {WIDTH} x {HEIGHT} pixels. {problem}\nAnswer with JSON, corners in pixels: "
        f"{wanted}"
    )
    return Asked(prompt, columns, WORK, facts)


FORMS = {
    "objects as JSON": "objects",
    "one box, four numbers": "box",
    "objects as JSON in <answer> tags": "objects in tags",
    "one box as JSON in <answer> tags": "box in tags",
    "objects in a list": "objects in a list",
    "one box as JSON": "box as JSON",
}
"""How the data sets of its rewards hold the gold answer; the first is the usual one."""


def _made() -> Made:
    """The task, with gold answers in its other forms beside."""
    usual, *others = (
        Made("boxes", LAYOUTS, problems(form=form), right, wrong, holds, form=f"gold as {said}")
        for said, form in FORMS.items()
    )
    return replace(usual, form="", forms=tuple(others))


BOXES = _made()
