"""Does a text's value depend on the other texts of a call, or on its place among them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from toyrl.experiments.validate.formats.search import RECOVERABLE
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.terms import PROBES, TextTerm, Value
from toyrl.rewards.user import UserReward, same

COMPARED = 32  # rows of a dialect that are graded in two orders


def probe_again(reward: UserReward, rows: Sequence[TextRow]) -> None:
    """Look for neighbours in the dialect that it reads: in the first one all values may be equal.

    Values graded so far are dropped where they depended on their neighbours.
    """
    for text in reward.texts:
        if text.batch_dependent is False:
            text.probe(rows)
            if text.batch_dependent or not text.stable:
                text.cache.clear()


def order_matters(reward: UserReward, rows: Sequence[TextRow], seed: int) -> bool:
    """True if a row's value changes with its place or neighbours, on all rows of the dialect."""
    rows = list(rows[:COMPARED])
    turn = np.random.default_rng(seed).permutation(len(rows))
    try:
        straight = reward.grade(rows)
        turned = reward.grade([rows[i] for i in turn])
    except RewardError as error:
        if error.kind not in RECOVERABLE:
            raise
        return False
    return not same([straight[i] for i in turn], turned)


def place(reward: UserReward, rows: Sequence[TextRow]) -> str:
    """How a text's value depends on its place in a call, as a sentence; "" if it doesn't.

    One group of one prompt is graded in three orders: a reward that compares siblings pays every
    text alike in all of them.
    """
    distinct = list({row.completion: row for row in rows}.values())[:PROBES]
    group = [replace(r, prompt=rows[0].prompt, columns=rows[0].columns) for r in distinct]
    for text in reward.texts:
        if text.batch_dependent:
            try:
                said = _by_place(text, group)
            except RewardError as error:
                if error.kind not in RECOVERABLE:
                    raise
                continue
            if said:
                return said
    return ""


def strangers(reward: UserReward, probes: Sequence[tuple[TextRow, bool]]) -> str:
    """How a text's value depends on texts of other prompts, as a sentence; "" if it doesn't.

    Reading the siblings of one's own prompt may be meant. Other prompts are in the call by chance:
    a group is graded alone, and with a group of another prompt behind it, all right and short,
    then all wrong and long.

    probes : (row, whether it is right)
    """
    own = list({row.completion: row for row, _ in probes}.values())[:PROBES]
    group = [replace(r, prompt=own[0].prompt, columns=own[0].columns) for r in own]
    foreign = [(row, good) for row, good in probes if row.prompt != own[0].prompt]
    right = min((r for r, good in foreign if good), key=_size, default=None)
    wrong = max((r for r, good in foreign if not good), key=_size, default=None)
    others = [[row] * len(group) for row in (right, wrong) if row is not None]
    for text in reward.texts:
        if not text.batch_dependent:
            continue
        try:
            alone = text.raw(group)
            among = [text.raw([*group, *other])[: len(group)] for other in others]
        except RewardError as error:
            if error.kind not in RECOVERABLE:
                raise
            continue
        for values in among:
            if not same(alone, values):
                i = next(i for i, (a, b) in enumerate(zip(alone, values, strict=True)) if a != b)
                return (
                    f"A text's value depends on completions of other prompts: in a group of "
                    f"{len(group)} {text.label} pays one {_said(alone[i])} when the group is "
                    f"called alone and {_said(values[i])} with {len(group)} completions of "
                    f"another prompt in the call."
                )
    return ""


def _size(row: TextRow) -> int:
    return len(row.completion)


def _by_place(text: TextTerm, group: Sequence[TextRow]) -> str:
    n = len(group)
    straight = text.raw(group)
    for order in ([*range(n)][::-1], [*range(1, n), 0]):
        values: list[Value] = [None] * n
        for i, value in zip(order, text.raw([group[i] for i in order]), strict=True):
            values[i] = value
        if not same(straight, values):
            i = next(i for i in range(n) if straight[i] != values[i])
            return (
                f"A text's value depends on its place in the call: among the same {n} texts "
                f"{text.label} pays one {_said(straight[i])} at place {i + 1} and "
                f"{_said(values[i])} at place {order.index(i) + 1}."
            )
    return ""


def _said(value: Value) -> str:
    return "nothing" if value is None else f"{value:.3g}"
