"""Grounding as text: objects of an image as boxes [x1, y1, x2, y2] in JSON, with their labels.

No image is needed: a problem of our own is a made-up scene of 640 x 480 pixels whose objects don't
overlap. An answer is right if it gives as many boxes as there are objects asked for, each
overlapping one of its own by half at least (intersection over union), under its label.
"""

from __future__ import annotations

import json
from functools import lru_cache
from random import Random

from toyrl.worlds.text.tasks.base import Asked, Made, gold
from toyrl.worlds.text.tasks.boxes.answers import IOU, holds, right, wrong
from toyrl.worlds.text.tasks.boxes.data import LAYOUTS, WORK, check_row, of_rows
from toyrl.worlds.text.tasks.boxes.geometry import Found

__all__ = ["BOXES", "LAYOUTS", "check_row", "holds", "of_rows", "problems", "right", "wrong"]

N = 24
WIDTH, HEIGHT = 640, 480
ACROSS, DOWN = 3, 2
"""Cells of a scene, one for each object at most."""
COLOURS = ("red", "blue", "green", "white")
THINGS = ("cup", "lamp", "dog", "chair", "book", "ball", "bicycle", "clock")


@lru_cache(maxsize=4)
def problems(n: int = N, seed: int = 0) -> tuple[Asked, ...]:
    """n scenes in which one, two or three objects are asked for, by turns.

    columns : the objects as JSON, a list of {"bbox_2d", "label"}, under every usual name; `boxes`
    and `bboxes`, lists of corners; `labels`; `objects`, corners, widths and heights as COCO has
    them; `width`, `height`, `image_size`; `problem`
    """
    return tuple(_scene(Random(f"{seed}/{i}"), 1 + i % 3) for i in range(n))


def _scene(rng: Random, asked: int) -> Asked:
    """One scene."""
    wide, high = WIDTH // ACROSS, HEIGHT // DOWN
    places = rng.sample(range(ACROSS * DOWN), asked)
    labels = [f"{rng.choice(COLOURS)} {t}" for t in rng.sample(THINGS, asked)]
    boxes = []
    for at in places:
        w, h = rng.randrange(wide // 2, wide - 20), rng.randrange(high // 2, high - 20)
        x = at % ACROSS * wide + rng.randrange(wide - w)
        y = at // ACROSS * high + rng.randrange(high - h)
        boxes.append([x, y, x + w, y + h])
    said = [{"bbox_2d": b, "label": k} for b, k in zip(boxes, labels, strict=True)]
    problem = f"Find in the image: {', '.join(labels)}."
    columns = {
        **gold(json.dumps(said)), "boxes": boxes, "bboxes": boxes, "labels": labels,
        "objects": {"bbox": [[a, b, c - a, d - b] for a, b, c, d in boxes], "category": labels},
        "width": WIDTH, "height": HEIGHT, "image_size": [WIDTH, HEIGHT], "problem": problem,
    }  # fmt: skip
    facts = {
        "gold": tuple(
            Found((float(a), float(b), float(c), float(d)), k)
            for (a, b, c, d), k in zip(boxes, labels, strict=True)
        ),
        "width": WIDTH, "height": HEIGHT, "form": "objects", "key": "bbox_2d", "tag": "label",
        "iou": IOU,
    }  # fmt: skip
    prompt = (
        f"The image has {WIDTH} x {HEIGHT} pixels. {problem}\nAnswer with JSON, corners in pixels: "
        '[{"bbox_2d": [x1, y1, x2, y2], "label": "..."}]'
    )
    return Asked(prompt, columns, WORK, facts)


BOXES = Made("boxes", LAYOUTS, problems(), right, wrong, holds)
