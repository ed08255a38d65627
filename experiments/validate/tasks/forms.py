"""In which form a task's own problems hold the gold answer, where its data sets have several.

A module of a task may have `FORMS`, the same task with its gold answers written in one way or
another, under a few words that say which. Without data rows the first form is taken, unless a
function tells no right text from a wrong one with it and does so with another.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toyrl.experiments.validate.contract.golds import attempt, few
from toyrl.experiments.validate.tasks.found import Found
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.find import forms_of

if TYPE_CHECKING:
    from toyrl.experiments.validate.settings import Settings
    from toyrl.rewards.user import UserReward
    from toyrl.worlds.text.tasks.base import Made

PROBLEMS, TEXTS = 8, 24
"""Of a form that is tried."""


def settled(found: Found, reward: UserReward, settings: Settings) -> Found:
    """The task with gold answers in the first form that a function of the reward can use."""
    forms = forms_of(found.name) if settings.data is None else {}
    if not forms or found.task not in forms.values():
        return found
    usable = (said for said, task in forms.items() if _usable(task, reward, settings))
    said = next(usable, next(iter(forms)))
    if forms[said] is found.task:
        return found
    source = (
        f"Gold answers are {said}: with the usual ones it tells no right text from a wrong one."
    )
    return replace(found, task=forms[said], source=source)


def _usable(task: Made, reward: UserReward, settings: Settings) -> bool:
    """Whether some function tells right texts from wrong ones in a layout of the task."""
    some = replace(task, asked=task.asked[:PROBLEMS])
    size = {"typical_tokens": settings.typical, "max_tokens": 4.0 * settings.typical}
    sample = {
        d: few([(x.row, x.correct) for x in rows.base_rows(some, d, TEXTS, 0, **size)])
        for d in task.layouts
    }
    return any(attempt(t, sample).separates for t in reward.texts if t.signature.named)
