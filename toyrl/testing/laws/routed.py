"""Laws of rewards for many tasks: similarity of texts, boxes, charts, checklists.

    from toyrl.testing.laws import routed as laws

    @given(laws.boxes(), laws.boxes())
    def test_my_iou(a, b):
        assert laws.broken(laws.BOX_LAWS, my_iou, a, b) == []

A law is a function of a rule and its arguments; it returns nothing where it holds and one sentence
where it doesn't. Source: papers 50 and 55, properties of their rewards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from toyrl.graders.base import TextRow

Law = Callable[..., "str | None"]
Box = Sequence[float]
TOLERANCE = 1e-9


def broken(laws: Mapping[str, Law], rule: Any, *given: Any) -> list[str]:
    """What each law that fails says."""
    return [said for law in laws.values() if (said := law(rule, *given)) is not None]


def vectors(most: int = 5, size: int = 3) -> st.SearchStrategy[np.ndarray]:
    """(M, d) arrays of small whole numbers, rows of zeros left out, 1 <= M <= most."""
    row = st.lists(st.integers(-3, 3), min_size=size, max_size=size).filter(any)
    return st.lists(row, min_size=1, max_size=most).map(lambda x: np.array(x, dtype=float))


def boxes() -> st.SearchStrategy[tuple[float, float, float, float]]:
    """Boxes (x1, y1, x2, y2) of whole numbers, in the right order."""
    place, side = st.integers(-20, 20), st.integers(1, 20)
    return st.tuples(place, place, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


def verdicts(most: int = 6) -> st.SearchStrategy[list[float]]:
    """Lists of 1, 0.5 and 0, one at least."""
    return st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=most)


# -- similarity: a rule (U (M, d), V (N, d)) -> number, 1 for alike --------------------------------
def both_ways_alike(rule: Any, u: np.ndarray, v: np.ndarray) -> str | None:
    """Exchanging answer (M, d) and target (N, d) changes nothing; a text is like itself."""
    if _same(rule(u, v), rule(v, u)) and _same(rule(u, u), 1.0):
        return None
    return "answer and target can't be exchanged, or a text isn't like itself"


def directions_alone_count(rule: Any, u: np.ndarray, v: np.ndarray) -> str | None:
    """Neither the order of tokens (M, d), nor their vectors' lengths, nor a turn of all count."""
    turn = np.linalg.qr(np.arange(1.0, 1 + u.shape[1] ** 2).reshape(-1, u.shape[1]) % 7 - 3)[0]
    scale = 1.0 + np.arange(len(u))[:, None]
    values = [rule(x, y) for x, y in ((u[::-1], v), (u * scale, v), (u @ turn, v @ turn))]
    if all(_same(x, rule(u, v)) for x in values):
        return None
    return "the order of tokens, the length of vectors or a turn changes what is paid"


def copies_never_pay(rule: Any, u: np.ndarray, v: np.ndarray) -> str | None:
    """An answer (M, d) written twice is paid as once; nothing lies outside [-1, 1]."""
    once = rule(u, v)
    if _same(once, rule(np.vstack([u, u]), v)) and abs(once) <= 1 + TOLERANCE:
        return None
    return "a repeated answer is paid differently, or something lies outside [-1, 1]"


SIMILARITY_LAWS: Mapping[str, Law] = {
    "both ways alike": both_ways_alike,
    "directions alone count": directions_alone_count,
    "copies never pay": copies_never_pay,
}


# -- boxes: a rule (a, b) -> number ----------------------------------------------------------------
def boxes_alike(rule: Any, a: Box, b: Box) -> str | None:
    """Symmetric, in [0, 1], and 1 exactly for equal boxes."""
    value = rule(a, b)
    equal = tuple(a) == tuple(b)
    if _same(value, rule(b, a)) and 0 <= value <= 1 and (value > 1 - TOLERANCE) == equal:
        return None
    return "not symmetric, outside [0, 1], or 1 for boxes that differ"


def place_and_scale_do_not_count(rule: Any, a: Box, b: Box) -> str | None:
    """Both boxes moved alike and scaled alike are paid the same."""
    move = np.array([7.0, -3.0, 7.0, -3.0])
    moved, scaled = ([k * (np.array(x) + d) for x in (a, b)] for k, d in ((1, move), (2.5, 0)))
    if _same(rule(*moved), rule(a, b)) and _same(rule(*scaled), rule(a, b)):
        return None
    return "moving or scaling both boxes changes what is paid"


def wrong_order_pays_nothing(rule: Any, a: Box, b: Box) -> str | None:
    """Exchanged corners, and a box without width, are paid 0."""
    turned, flat = (a[2], a[3], a[0], a[1]), (a[0], a[1], a[0], a[3])
    if rule(turned, b) == rule(flat, b) == 0:
        return None
    return "a box with exchanged corners, or without width, is paid"


BOX_LAWS: Mapping[str, Law] = {
    "boxes alike": boxes_alike,
    "place and scale do not count": place_and_scale_do_not_count,
    "wrong order pays nothing": wrong_order_pays_nothing,
}


# -- checklists: a rule (verdicts, words, target) -> number in [0, 1] ------------------------------
def order_and_size_do_not_count(
    rule: Any, said: list[float], words: int, target: int
) -> str | None:
    """Permuted constraints, and the whole checklist twice, are paid the same."""
    value = rule(said, words, target)
    if _same(value, rule(said[::-1], words, target)) and _same(
        value, rule(said * 2, words, target)
    ):
        return None
    return "the order of constraints, or their number, changes what is paid"


def one_level_is_worth_alike(rule: Any, said: list[float], words: int, target: int) -> str | None:
    """One verdict raised by one level is worth 1/(4N), whichever it is."""
    gain = 1 / (4 * len(said))
    for i, s in enumerate(said):
        more = [*said[:i], s + 0.5, *said[i + 1 :]]
        if s < 1 and not _same(rule(more, words, target) - rule(said, words, target), gain):
            return f"raising verdict {i} isn't worth {gain:g}"
    return None


def length_counts_on_both_sides(
    rule: Any, said: list[float], words: int, target: int
) -> str | None:
    """As far below the target as above it is paid the same, and farther away never more."""
    off = abs(words - target) if words <= 2 * target else target
    near = rule(said, target, target)
    sides = [rule(said, target + d, target) for d in (off, -off)]
    closer = rule(said, target + off // 2, target)
    if _same(*sides) and sides[0] <= closer + TOLERANCE <= near + 2 * TOLERANCE:
        return None
    return "the length's two sides are paid differently, or farther away is paid more"


def all_is_best(rule: Any, said: list[float], words: int, target: int) -> str | None:
    """In [0, 1], and 1 exactly if all is met and the length is within a tenth of the target."""
    value = rule(said, words, target)
    met = min(said) == 1 and 10 * abs(words - target) <= target
    if -TOLERANCE <= value <= 1 + TOLERANCE and (value > 1 - TOLERANCE) == met:
        return None
    return "outside [0, 1], or 1 for a text that lacks something"


CHECKLIST_LAWS: Mapping[str, Law] = {
    "order and size do not count": order_and_size_do_not_count,
    "one level is worth alike": one_level_is_worth_alike,
    "length counts on both sides": length_counts_on_both_sides,
    "all is best": all_is_best,
}


# -- a router: a reward's grade_parts --------------------------------------------------------------
def one_rule_a_row(reward: Any, others: Mapping[str, Sequence[Any]], row: TextRow) -> str | None:
    """Another rule's parameters never change what a row is paid.

    others : kind of task -> the reward with parameters of that kind's rule changed
    """
    own, paid = row.columns["task_type"], reward.grade([row])
    for kind, changed in others.items():
        if kind != own and any(not _same(x.grade([row])[0], paid[0]) for x in changed):
            return f"a parameter of {kind} changes what a row of {own} is paid"
    return None


def _same(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=0, atol=TOLERANCE, equal_nan=True))
