"""Texts of behaviours on a task's problems, as `texts.arithmetic` writes them on arithmetic.

All behaviours have a counterpart but one: the working of a wrong answer holds no error, for a task
says no more of its reasoning than sentences that don't give the answer away. Where a layout has no
room for reasoning (`{none}{}`) a text that can be read is the answer alone: its length is declared,
and what is added for nothing isn't in it.
"""

from __future__ import annotations

import random
from functools import partial

from toyrl.graders.base import TextRow
from toyrl.worlds.behaviour.own_texts import Reading
from toyrl.worlds.behaviour.texts import SENTENCE, Author, Shown
from toyrl.worlds.text.dialects import compose, dialect_of, mark
from toyrl.worlds.text.prose import FILLERS, PHRASES, count_tokens
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import Asked, Said, Task

FORMS = {"FILL": "{0}", "CHECK": "Checking this again: {1}", "REPEAT": "Again: {1}",
         "STEP": "Step {2}: {1}"}  # fmt: skip
"""Sentences for nothing: of a filler, a sentence of the working, and their number."""
UNREAD = "I get {}."


def reading(task: Task, first: str) -> Reading:
    """How answers are read in a policy's texts: in the task's layouts, `first` before the others.

    first : a layout; one without a mark takes the whole text for the answer, and is read alone
    """
    layouts = tuple(dict.fromkeys((first, *task.layouts)))
    if first and not rows.signed(first):
        layouts = (first,)
    else:
        layouts = tuple(x for x in layouts if x and rows.signed(x))
    return Reading(
        lambda text: next(iter(rows.readings(layouts, text)), None), partial(rows.start_of, layouts)
    )


def author(task: Task, layout: str) -> Author:
    """Texts on the task's problems in a layout.

    Of other wrong answers there are as many as the task has ordinary mistakes; in a group those
    that give the same one are told as such.
    """
    made = rows.answers(task)

    def write(number: int, shown: Shown, seed: int) -> tuple[TextRow, int]:
        asked, right, wrong = made[random.Random(number).randrange(len(made))]
        rng = random.Random(seed)
        who = 0 if shown.right else _whose(shown.who, sum(not x.name for x in wrong), rng)
        said = right[0] if shown.right else [x for x in wrong if not x.name][who - 1]
        text, tokens = _text(layout, asked, said, shown, rng)
        messages = dialect_of(layout).messages
        row = TextRow(asked.prompt, text, dict(asked.columns), tokens, shown.cut, messages=messages)
        return row, who if shown.formed else -1

    return write


def _whose(who: int | None, n: int, rng: random.Random) -> int:
    """Which of n ordinary mistakes, from 1: the first is the common one."""
    if who is None:
        return 1 + rng.randrange(n)
    return 1 if who == 1 or n == 1 else 2 + (who - 2) % (n - 1)


def _text(
    layout: str, asked: Asked, said: Said, shown: Shown, rng: random.Random
) -> tuple[str, int]:
    """The completion, and its length in tokens as declared."""
    d = dialect_of(layout)
    unread = "" if shown.formed or shown.cut else UNREAD.format(said.text)
    answer = mark(layout, said.text) if shown.formed and not shown.cut else unread
    lines = rows.sentences(asked, round(shown.tokens) - count_tokens(answer), rng)
    whole = shown.tokens
    if shown.kind:
        whole = max(whole, (len(lines) + 1 + shown.count) * SENTENCE)
        _add(lines, asked, shown, rng)
    room = max(rows.MARK_TOKENS, round(whole) - count_tokens(answer))
    lines = rows.padded(lines, room, rng)
    if shown.cut:  # the end of the last sentence is lost
        lines[-1] = lines[-1][: max(1, 2 * len(lines[-1]) // 3)].rstrip()
    if d.messages and unread:  # a message that says its answer calls nothing
        lines, answer = [*lines, unread], ""
    tags = shown.formed or shown.cut or d.messages
    text = compose(layout, "\n".join(lines), answer, tags=tags)
    if shown.cut and d.closing and not d.messages:
        text = text[: -len(d.closing)]
    return text, max(int(whole), 1)


def _add(lines: list[str], asked: Asked, shown: Shown, rng: random.Random) -> None:
    """Add to the working what is asked for, as often."""
    if shown.kind == "phrases":
        for k in range(shown.count):
            lines[k % len(lines)] += f" {PHRASES[k % len(PHRASES)]}"
        return
    known = asked.work or FILLERS
    start = len(lines)
    for k in range(shown.count):
        filler, again = rng.choice(FILLERS), known[k % len(known)]
        lines.append(FORMS[shown.kind].format(filler, again, start + k + 1))
