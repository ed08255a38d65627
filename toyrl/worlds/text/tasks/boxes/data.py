"""A user's rows with boxes as problems.

Read are the shapes of data for grounding (RefCOCO as R1-V and VLM-R1 train on it) and detection
(COCO in Hugging Face's form):

    solution: [x1, y1, x2, y2]                         a gold column with the box, or several
    solution: "<answer>[{"bbox_2d": ..}]</answer>"     the same as text
    bbox_xyxy, bbox_xywh, bbox with bbox_format        the box, or several
    objects: {"bbox": [[x, y, w, h]], "category": []}  corner, width and height, as COCO has them

What four numbers mean is told by the column's name, by `bbox_format`, or by the numbers, where one
meaning gives boxes that no image has. Else the rows are refused: it isn't guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import GOLD, Asked, Made, TaskError
from toyrl.worlds.text.tasks.boxes.answers import IOU, holds, right, wrong
from toyrl.worlds.text.tasks.boxes.geometry import KEYS, LABELS, Box, Found, box_of

LAYOUTS = (
    "tag",
    "<think></think><answer>\n```json\n{}\n```\n</answer>",
    "```json\n{}\n```",
    "<think>\n{work}\n</think>\n{}",
    "{none}{}",
)
WORK = ("We look at the whole image first.", "Then we measure where the object begins and ends.")
CORNERS = ("bbox_2d", "bbox_xyxy", "boxes_xyxy", "bboxes_xyxy", "xyxy")
SIZES = ("bbox_xywh", "boxes_xywh", "bboxes_xywh", "xywh")
EITHER = ("bbox", "bboxes", "box", "boxes", "gt_bbox", "gt_bboxes", "gt_boxes")
FORMATS = {"xyxy": True, "pascal_voc": True, "corners": True, "xywh": False, "coco": False}
"""Words of the column `bbox_format` -> whether numbers are corners."""
FORMAT = ("bbox_format", "box_format")
NAMES = ("categories", "category", "labels", "label_names", "class_names")
QUESTIONS = ("problem", "question", "query", "expression", "caption", "normal_caption")
TAGS = re.compile(r"\s*<answer>\s*(.*?)\s*</answer>\s*", re.DOTALL)
FENCED = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)
ROOM = 1.25
"""Of an image whose size isn't known: so much wider and higher than its boxes reach."""
SLACK = 1.02
"""Share of an image's size that a box may reach, for annotators draw over the edge."""


@dataclass(frozen=True)
class Read:
    """Boxes of a row before it is known what their numbers mean.

    numbers : four each; labels : as many, or none; corners : x1, y1, x2, y2; None: not told
    column : where they stand; form, key, tag : as in `answers`
    size : (width, height), or None
    """

    numbers: tuple[tuple[float, ...], ...]
    labels: tuple[str, ...]
    corners: bool | None
    column: str
    form: str
    size: tuple[float, float] | None
    key: str = KEYS[0]
    tag: str = LABELS[0]


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Made:
    """Boxes of a user's images, which are not opened; each row is handed to the reward as it is.

    Raises TaskError with the row where its boxes can't be read, or where nothing says whether
    four numbers are two corners or a corner, width and height.
    """
    read = []
    for i, row in enumerate(rows):
        try:
            read.append(_read(row))
        except TaskError as error:
            msg = f"data row {i}: {error}"
            raise TaskError(msg) from error
    if not read:
        msg = "there are no data rows"
        raise TaskError(msg)
    meant = {c: _meaning(c, [r for r in read if r.column == c]) for c in {r.column for r in read}}
    asked = []
    for i, (row, r) in enumerate(zip(rows, read, strict=True)):
        try:
            corners = meant[r.column] if r.corners is None else r.corners
            asked.append(_asked(row, r, corners=corners))
        except TaskError as error:
            msg = f"data row {i}: {error}"
            raise TaskError(msg) from error
    return Made("boxes", LAYOUTS, tuple(asked), right, wrong, holds)


def check_row(row: Mapping[str, Any]) -> None:
    """TaskError for boxes, an image's size or a threshold that can't be read, where there are
    any."""
    _size(row)
    _threshold(row)
    if any(row.get(k) is not None for k in (*CORNERS, *SIZES, "objects")):
        _read(row)


# -- what a row holds ------------------------------------------------------------------------------
def _read(row: Mapping[str, Any]) -> Read:
    """A row's boxes. Raises TaskError where there are none, or they can't be read."""
    size = _size(row)
    objects = row.get("objects")
    if isinstance(objects, list) and all(isinstance(x, Mapping) for x in objects):
        objects = {
            k: [x.get(k) for x in objects] for k in dict.fromkeys(k for x in objects for k in x)
        }
    if isinstance(objects, Mapping) and "bbox" in objects:
        told = _told(row)
        names = next((objects[k] for k in (*NAMES, *LABELS) if objects.get(k) is not None), ())
        numbers, labels = _numbers("objects", objects["bbox"]), _labels("objects", names)
        form = "objects" if labels else "lists"
        return _checked(Read(numbers, labels, bool(told), "objects", form, size))
    for names, corners in ((CORNERS, True), (SIZES, False), (EITHER, _told(row))):
        name = next((k for k in names if row.get(k) is not None), None)
        if name is not None:
            given = next((row[k] for k in NAMES if isinstance(row.get(k), list)), ())
            numbers, labels = _numbers(name, _parsed(row[name])), _labels(name, given)
            form = "objects" if labels else "lists"
            return _checked(Read(numbers, labels, corners, name, form, size))
    return _of_gold(row, size)


def _of_gold(row: Mapping[str, Any], size: tuple[float, float] | None) -> Read:
    """Boxes of a usual gold column: numbers, or objects with a box each."""
    corners = _told(row) is not False
    for name in GOLD:
        value = _parsed(row.get(name))
        if isinstance(value, Mapping):
            value = [value]
        if not isinstance(value, list) or not value:
            continue
        if not all(isinstance(x, Mapping) for x in value):
            return _checked(Read(_numbers(name, value), (), corners, name, "lists", size))
        key = next((k for k in KEYS if all(k in x for x in value)), None)
        if key is None:
            continue
        tag = next((k for k in LABELS if all(isinstance(x.get(k), str) for x in value)), None)
        labels = tuple(x[tag] for x in value) if tag else ()
        numbers = _numbers(name, [x[key] for x in value])
        more = {"key": key, "tag": tag or LABELS[0]}
        return _checked(Read(numbers, labels, corners, name, "objects", size, **more))
    msg = (
        "no column holds a box; give solution: [x1, y1, x2, y2] or a list of "
        '{"bbox_2d": [..], "label": ".."}, bbox_xyxy, bbox_xywh, or objects: {"bbox": ..}'
    )
    raise TaskError(msg)


def _parsed(value: Any) -> Any:
    """A cell, out of its tags and fence and parsed where it is JSON."""
    if not isinstance(value, str):
        return value
    for pattern in (TAGS, FENCED):
        found = pattern.fullmatch(value)
        value = found[1] if found else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _numbers(name: str, value: Any) -> tuple[tuple[float, ...], ...]:
    """One or several boxes as four numbers each. Raises TaskError for anything else."""
    value = value.tolist() if hasattr(value, "tolist") else value
    given = value if isinstance(value, list | tuple) else []
    if given and not isinstance(given[0], list | tuple):
        given = [given]
    good = [
        len(b) == 4
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in b)
        and all(abs(x) < 1e9 for x in b)
        for b in given
        if isinstance(b, list | tuple)
    ]
    if not given or len(good) != len(given) or not all(good):
        msg = (
            f"{name}={shortened(value)} is no box: give four finite numbers, or a list of such; "
            "leave out rows of images without objects"
        )
        raise TaskError(msg)
    return tuple(tuple(b) for b in given)


def _labels(name: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        msg = f"{name}: labels={shortened(given)} are no list"
        raise TaskError(msg)
    return tuple(str(x) for x in given)


def _checked(read: Read) -> Read:
    if read.labels and len(read.labels) != len(read.numbers):
        msg = f"{read.column} holds {len(read.numbers)} boxes and {len(read.labels)} labels"
        raise TaskError(msg)
    return read


def _size(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """Width and height of the image; None where no column holds them."""
    pair: Any = row.get("image_size")
    if pair is None:
        pair = [row.get(k) for k in ("width", "height")]
        if pair == [None, None]:
            pair = [row.get(k) for k in ("image_width", "image_height")]
        if pair == [None, None]:
            return None
    elif isinstance(pair, Mapping):
        pair = [pair.get("width"), pair.get("height")]
    sides: list[Any] = list(pair) if isinstance(pair, list | tuple) else []
    if len(sides) != 2 or not all(isinstance(x, int | float) and 0 < x < 1e9 for x in sides):
        msg = f"image_size={shortened(pair)} is no width and height; give two numbers above 0"
        raise TaskError(msg)
    return float(sides[0]), float(sides[1])


def _told(row: Mapping[str, Any]) -> bool | None:
    """Whether numbers are corners, as `bbox_format` says it. Raises TaskError for another word."""
    name = next((k for k in FORMAT if row.get(k) is not None), None)
    if name is None:
        return None
    if not isinstance(row[name], str) or row[name] not in FORMATS:
        msg = f"{name}={shortened(row[name])} is none of {', '.join(FORMATS)}"
        raise TaskError(msg)
    return FORMATS[row[name]]


def _threshold(row: Mapping[str, Any]) -> float:
    value = IOU if row.get("iou_threshold") is None else row["iou_threshold"]
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 0.9:
        msg = f"iou_threshold={shortened(value)} is not in (0, 0.9]"
        raise TaskError(msg)
    return float(value)


# -- what the numbers mean -------------------------------------------------------------------------
def _meaning(column: str, read: Sequence[Read]) -> bool:
    """Whether a column's numbers are corners, of rows that don't say it. Raises TaskError where
    nothing tells it."""
    told = {r.corners for r in read}
    if len(told - {None}) == 1 or None not in told:
        return bool((told - {None}).pop())
    read = [r for r in read if r.corners is None]
    fits = {c: all(_fits(r, corners=c) for r in read) for c in (True, False)}
    if fits[True] != fits[False]:
        return fits[True]
    shown = shortened(list(read[0].numbers[0]))
    msg = (
        f"{column}={shown} may be two corners or a corner, width and height: call the column "
        'bbox_xyxy or bbox_xywh, or say it in a column bbox_format ("xyxy", "xywh")'
    )
    raise TaskError(msg)


def _fits(read: Read, *, corners: bool) -> bool:
    """Whether all boxes have an area and lie in the image, where its size is known."""
    wide, high = (SLACK * x for x in read.size) if read.size else (float("inf"),) * 2
    for numbers in read.numbers:
        box = _box(numbers, corners=corners)
        if box is None or box[2] > wide or box[3] > high:
            return False
    return True


def _box(numbers: Sequence[float], *, corners: bool) -> Box | None:
    a, b, c, d = numbers
    return box_of([a, b, c, d] if corners else [a, b, a + c, b + d])


def _asked(row: Mapping[str, Any], read: Read, *, corners: bool) -> Asked:
    """A row as a problem. Raises TaskError for a box without area or out of its image."""
    boxes = []
    for numbers in read.numbers:
        box = _box(numbers, corners=corners)
        if box is None or (read.size and not _fits(read, corners=corners)):
            what = "corners x1, y1, x2, y2" if corners else "x, y, width, height"
            size = f" in an image of {read.size[0]:g} x {read.size[1]:g}" if read.size else ""
            msg = f"{read.column}={shortened(list(numbers))} is no box as {what}{size}"
            raise TaskError(msg)
        boxes.append(box)
    labels = read.labels or (None,) * len(boxes)
    gold = tuple(Found(b, k) for b, k in zip(boxes, labels, strict=True))
    most = [ROOM * max(b[i] for b in boxes) for i in (2, 3)]
    unit = max(most) <= ROOM
    width, height = (1.0, 1.0) if unit else read.size or (round(most[0]), round(most[1]))
    facts = {
        "gold": gold, "width": width, "height": height, "form": read.form, "key": read.key,
        "tag": read.tag, "iou": _threshold(row),
    }  # fmt: skip
    prompt = row.get("prompt")
    about = next((row[k] for k in QUESTIONS if isinstance(row.get(k), str)), "Find the objects.")
    known = prompt if isinstance(prompt, str) else f"{about}\nAnswer with boxes as JSON."
    return Asked(known, dict(row), WORK, facts)
