"""Boxes: overlap by counting pixels, matching by trying all ways, rows of every shape."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import permutations
from random import Random

import numpy as np
import pytest

from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import TaskError, check
from toyrl.worlds.text.tasks.boxes import BOXES, FORMS, check_row
from toyrl.worlds.text.tasks.boxes.geometry import Box, Found, box_of, iou, matched, read
from toyrl.worlds.text.tasks.find import of_rows

SIDE = 12


# -- truth by a second route -----------------------------------------------------------------------
def pixels(box) -> np.ndarray:
    """(SIDE, SIDE) bool, the pixels of a box of whole numbers."""
    out = np.zeros((SIDE, SIDE), dtype=bool)
    x1, y1, x2, y2 = map(int, box)
    out[y1:y2, x1:x2] = True
    return out


def drawn(rng: Random) -> Box:
    (a, c), (b, d) = (sorted(rng.sample(range(SIDE + 1), 2)) for _ in range(2))
    return (float(a), float(b), float(c), float(d))


def test_overlap_is_the_share_of_common_pixels():
    rng = Random(0)
    for _ in range(200):
        a, b = drawn(rng), drawn(rng)
        one, two = pixels(a), pixels(b)
        assert iou(a, b) == pytest.approx((one & two).sum() / (one | two).sum(), rel=1e-12)
        assert iou(a, a) == 1.0


def test_matching_finds_as_many_pairs_as_the_best_of_all_ways():
    rng = Random(1)
    for _ in range(150):
        gold = [Found(drawn(rng), rng.choice("ab")) for _ in range(3)]
        said = [Found(drawn(rng), rng.choice("ab")) for _ in range(3)]
        best = max(
            sum(s.label == g.label and iou(s.box, g.box) >= 0.2 for s, g in zip(w, gold))  # noqa: B905
            for w in permutations(said)
        )
        assert matched(said, gold, 0.2) == best


def test_greedy_matching_would_lose_a_pair():
    # the first box said fits both gold ones, the second the first alone
    gold = [Found((0, 0, 10, 10)), Found((0, 0, 10, 14))]
    said = [Found((0, 0, 10, 11)), Found((0, 0, 10, 6))]
    assert [[iou(s.box, g.box) >= 0.5 for g in gold] for s in said] == [[True, True], [True, False]]
    assert matched(said, gold, 0.5) == 2


def test_wrong_answers_miss_an_object_have_one_more_or_are_none():
    assert {"moved", "as-xywh", "whole-image", "in-thousandths"} <= set(rows.names(BOXES))
    for asked, right, wrong in rows.answers(BOXES):
        gold = json.loads(asked.columns["answer"])
        for said in right:
            boxes = json.loads(said.text)
            assert sorted(b["label"] for b in boxes) == sorted(b["label"] for b in gold)
        by = {x.name: x for x in wrong}
        for name in ("moved", "as-xywh", "whole-image", "in-thousandths"):
            told = json.loads(by[name].text) if name in by else []  # left out where it is right
            over = [iou(tuple(t["bbox_2d"]), tuple(g["bbox_2d"])) for t, g in zip(told, gold)]  # noqa: B905
            assert min(over, default=0.0) < 0.5, name
        assert len(json.loads(by["right-first"].text)) == 3 * len(gold)
        least = min(
            max(
                iou(tuple(b["bbox_2d"]), tuple(g["bbox_2d"]))
                for b in json.loads(by["covering"].text)
            )
            for g in gold
        )
        assert least >= 0.5


def test_what_is_called_free_is_the_same_wherever_the_objects_are():
    for asked in BOXES.problems()[:6]:
        moved = [Found((1.0, 2.0, 150.0, 160.0), g.label) for g in asked.facts["gold"]]
        other = replace(asked, facts={**asked.facts, "gold": tuple(moved)})
        one, two = ({x.name: x.text for x in BOXES.wrong(a) if x.free} for a in (asked, other))
        assert one == two
        assert {"covering", "whole-image", "not-numbers", "empty-list"} <= set(one)


@pytest.mark.parametrize("task", [BOXES, *BOXES.forms], ids=list(FORMS))
def test_gold_answers_in_every_form_say_the_same(task):
    check(task)
    for asked in task.problems()[:6]:
        value = asked.columns["solution"]
        text = value if isinstance(value, str) else json.dumps(value)
        said = read(re.sub("</?answer>", "", text))
        assert said is not None
        assert [x.box for x in said] == [g.box for g in asked.facts["gold"]]
        assert task.holds(asked, task.right(asked)[0].text)
        assert ("bbox" in asked.columns) is ("one box" in task.form)


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("[1, 2, 3, 4]", 1),
        ("[[1, 2, 3, 4], [1, 2, 3.5, 4]]", 2),
        ('{"bbox_2d": [1, 2, 3, 4]}', 1),
        ('```json\n[{"Position": [1, 2, 3, 4], "Confidence": 0.9}]\n```', 1),
        ("[]", 0),
        ("The box is [1, 2, 3, 4]", None),
        ("[3, 4, 1, 2]", None),
        ("[1, 2, 1, 4]", None),
        ("[1, 2, NaN, 4]", None),
        ("[-Infinity, 2, Infinity, 4]", None),
        (f"[0, 0, 1e308, {10**400}]", None),
        ("[-1e200, -1e200, 1e200, 1e200]", None),
        ("[true, 2, 3, 4]", None),
        ('["1", 2, 3, 4]', None),
        ('[{"label": "cup"}]', None),
        ("[" * 5000, None),
        (json.dumps([[1, 2, 3, 4]] * 2001), None),
    ],
)
def test_boxes_are_read_or_not(text, boxes):
    found = read(text)
    assert (found if found is None else len(found)) == boxes


# -- data rows -------------------------------------------------------------------------------------
A, B = [10, 20, 110, 80], [200, 90, 290, 190]
XYWH = [[10, 20, 100, 60], [200, 90, 90, 100]]
SIZE = {"width": 300, "height": 200}
SHAPES = {
    "r1-v": lambda b, _: {"problem": "Where?", "solution": b, **SIZE},
    "tags": lambda b, _: {"problem": "?", "solution": f"<answer>{json.dumps(b)}</answer>"},
    "vlm-r1": lambda b, _: {"answer": json.dumps([{"bbox_2d": b, "label": "cup"}])},
    "fence": lambda b, _: {"answer": f"```json\n{json.dumps([{'bbox': b, 'label': 'cup'}])}\n```"},
    "visual-rft": lambda b, _: {"solution": [{"Position": b, "Confidence": 1}]},
    "named corners": lambda b, _: {"bbox_xyxy": b, "image_size": [300, 200]},
    "named sizes": lambda _, s: {"bbox_xywh": s, "question": "Where is it?"},
    "format told": lambda _, s: {"bbox": s, "bbox_format": "coco"},
    "told by the numbers": lambda b, _: {"bbox": b, **SIZE},
    "coco": lambda _, s: {"image": "a.jpg", "objects": {"bbox": [s], "category": ["cup"]}, **SIZE},
    "coco rows": lambda _, s: {"objects": [{"bbox": s, "category": 3}], **SIZE},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_public_shapes_are_read(shape):
    given = [SHAPES[shape](b, s) for b, s in zip((A, B), XYWH, strict=True)]
    task = of_rows("boxes", given)
    check(task)
    assert [p.columns for p in task.problems()] == given
    for (asked, right, wrong), box in zip(rows.answers(task), (A, B), strict=True):
        (gold,) = asked.facts["gold"]
        assert list(gold.box) == box
        assert [f.box for f in read(right[0].text) or ()] == [gold.box]
        assert sum(bool(x.name) for x in right) >= 5
        assert all(task.holds(asked, x.text) for x in right)
        inside = [x for x in wrong if not x.bare and x.work is None and not x.after]
        assert not any(task.holds(asked, x.text) for x in inside)
        assert sum(not x.name for x in wrong) == 2
    objects = shape in ("vlm-r1", "fence", "visual-rft", "coco", "coco rows")
    assert task.problems()[0].facts["form"] == ("objects" if objects else "lists")


def test_answers_are_written_as_the_row_writes_them():
    row = {"solution": [{"Position": A, "category": "cup"}]}
    task = of_rows("boxes", [row, {"solution": [A, B]}])
    one, two = (task.right(p)[0].text for p in task.problems())
    assert json.loads(one) == [{"Position": A, "category": "cup"}]
    assert json.loads(two) == [A, B]
    assert "other-order" in {x.name for x in task.right(task.problems()[1])}


def test_shares_of_the_image_stay_shares_and_a_threshold_is_heeded():
    shares = of_rows("boxes", [{"solution": [0.1, 0.2, 0.5, 0.6], **SIZE}] * 2)
    asked = shares.problems()[0]
    assert shares.holds(asked, "[0.1, 0.2, 0.51, 0.6]")
    assert "normalised" not in rows.names(shares)
    strict = of_rows("boxes", [{"solution": A, "iou_threshold": t} for t in (0.3, 0.9)])
    loose, tight = strict.problems()
    moved = json.dumps([A[0] + 20, A[1], A[2] + 20, A[3]])  # IoU 2/3
    assert strict.holds(loose, moved)
    assert not strict.holds(tight, moved)


BAD = [
    ({"problem": "?"}, "no column holds a box"),
    ({"solution": "the cup"}, "no column holds a box"),
    ({"solution": [1, 2, 3]}, "solution=[1, 2, 3] is no box"),
    ({"solution": [5, 2, 1, 4]}, "is no box as corners"),
    ({"bbox_xyxy": [1, 2, 3, float("nan")]}, "is no box: give four finite numbers"),
    ({"bbox_xyxy": [1, 2, 350, 4], **SIZE}, "in an image of 300 x 200"),
    ({"bbox_xywh": [1, 2, 0, 4]}, "is no box as x, y, width, height"),
    ({"objects": {"bbox": [], "category": []}}, "leave out rows of images without objects"),
    ({"objects": {"bbox": [A], "category": ["a", "b"]}}, "1 boxes and 2 labels"),
    ({"objects": {"bbox": [[200, 90, 290, 190]]}, **SIZE}, "is no box as x, y, width, height"),
    ({"bbox": A, "bbox_format": "yolo"}, "bbox_format='yolo' is none of xyxy"),
    ({"bbox": A, "bbox_format": ["xyxy"]}, "is none of xyxy"),
    ({"solution": A, "width": 0, "height": 3}, "is no width and height"),
    ({"solution": A, "image_size": "300x200"}, "is no width and height"),
    ({"solution": A, "iou_threshold": 1.5}, "iou_threshold=1.5 is not in (0, 0.9]"),
]


@pytest.mark.parametrize(("row", "said"), BAD)
def test_rows_that_cannot_be_read_are_named(row, said):
    with pytest.raises(TaskError, match=f"data row 1: .*{re.escape(said)}"):
        of_rows("boxes", [{"solution": A}, row])


def test_what_four_numbers_mean_is_not_guessed():
    with pytest.raises(TaskError, match="may be two corners or a corner, width and height"):
        of_rows("boxes", [{"bbox": A}, {"bbox": B}])
    with pytest.raises(TaskError, match="no data rows"):
        of_rows("boxes", [])
    for corners, given in ((True, [A, B]), (False, XYWH)):
        # one row tells it of all: 200 + 290 is out of the image, and 90 is left of 200
        task = of_rows("boxes", [{"bbox": b, **SIZE} for b in given])
        assert [list(p.facts["gold"][0].box) for p in task.problems()] == [A, B], corners


def test_each_row_may_say_what_its_numbers_mean():
    given = [
        {"bbox": [10, 20, 110, 80], "bbox_format": "xyxy"},
        {"bbox": [10, 20, 100, 60], "bbox_format": "xywh", "iou_threshold": None},
        {"answer": [10, 20, 100, 60], "bbox_format": "coco"},
        {"answer": [10, 20, 110, 80]},
    ]
    task = of_rows("boxes", given)
    assert [task.right(p)[0].text for p in task.problems()] == ["[10, 20, 110, 80]"] * 4


def test_rows_that_no_reward_could_be_graded_on_are_refused():
    check_row({"prompt": "x", "objects": None, "solution": "text"})
    for row in ({"bbox_2d": [1, 2]}, {"objects": {"bbox": [[1]]}}, {"width": -1, "height": 3}):
        with pytest.raises(TaskError):
            check_row(row)


def test_a_box_has_four_finite_numbers_and_an_area():
    assert box_of([1, 2, 3, 4.5]) == (1.0, 2.0, 3.0, 4.5)
    for bad in ([1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, True], [1, 2, 3, None], None, "1234"):
        assert box_of(bad) is None
