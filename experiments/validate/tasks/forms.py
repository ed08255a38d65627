"""In which of its forms a task is judged: the first in which the reward tells right from wrong.

A reward of tool calls may read JSON in the text or the tool calls of messages, and gold answers of
more than one form. Messages come first where its code names their calls, for such a reward may read
text too; it is then looked at in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.experiments.validate.contract.golds import SLOW, few, tried
from toyrl.rewards.user import UserReward
from toyrl.worlds.text.dialects import dialect_of
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import Task

TEXTS = 14  # base texts of a layout


@dataclass(frozen=True)
class Forms:
    """What was found.

    first : the form that is judged; also : (form, layout) of others that the reward reads
    """

    first: Task
    also: tuple[tuple[Task, str], ...] = ()


def find(reward: UserReward, task: Task, **size: Any) -> Forms:
    """The forms of a task that a reward reads; of a slow one only the first is looked at.

    size : of `rows.base_rows`
    """
    others: tuple[Task, ...] = tuple(getattr(task, "forms", ()))
    if not others or not reward.texts:
        return Forms(task)
    named = any(t.signature.calls_hint for t in reward.texts)
    if named:
        ranked = sorted((task, *others), key=lambda form: not in_messages(form))
    else:
        ranked = sorted((task, *others), key=in_messages)
    found: list[tuple[Task, str]] = []
    for form in ranked:
        layout = read_in(reward, form, **size)
        if layout:
            found.append((form, layout))
        slow = any(t.per_row > SLOW for t in reward.texts)
        if slow or (layout and not named):
            break
    return Forms(found[0][0], tuple(found[1:])) if found else Forms(ranked[0])


def in_messages(form: Task) -> bool:
    """Whether a form's completions are chat messages."""
    return any(dialect_of(x).messages for x in form.layouts)


def read_in(reward: UserReward, form: Task, **size: Any) -> str:
    """The first layout in which a term tells right from wrong in this form; "" for none."""
    sample = {d: _sample(form, d, **size) for d in form.layouts}
    for text in reward.texts:
        found = tried(text, sample)
        if found.separates:
            return found.dialect
    return ""


def _sample(form: Task, layout: str, **size: Any) -> tuple[list[Any], list[bool]]:
    made: Sequence[rows.TaskText] = rows.base_rows(form, layout, TEXTS, 0, **size)
    return few([(x.row, x.correct) for x in made if not x.truncated])
