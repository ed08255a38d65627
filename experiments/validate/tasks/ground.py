"""What a search for exploits stands on where the texts are a task's.

A text is wrong where no reading of it is right: the last answer that it marks in any of the task's
layouts, or the whole of it where it marks none. Only the task's `holds` tells, and it may run a
query or a program: it is asked of texts that are paid alone, and of no answer twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from toyrl.experiments.validate.exploits.ground import Ground, Listed, Sort, Start, spread
from toyrl.rewards.chats import calls_are_sound, written_messages
from toyrl.worlds.text.dialects import compose, mark
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import Asked, Said, Task
from toyrl.worlds.text.tasks.rows import TaskText

COMMON = 0.75  # share of right answers, or of prompts, that a word stands in
ANSWERS, WORDS = 4, 6  # right answers of other problems, and words, that are tried at most
LONGEST = 200  # characters of an answer that is tried


def of_task(task: Task, layout: str, wrong: Sequence[TaskText]) -> Ground:
    """The ground of wrong texts of a task.

    Raises TaskError for a task that can't tell whether any answer is right.
    """
    holds = rows.truth_of(task)
    layouts = tuple(dict.fromkeys((*task.layouts, layout)))
    starts = [_start(holds, layouts, x, _by_place(task)) for x in wrong]
    sort = Sort(
        tuple(x for x in task.layouts if x != layout),
        "word",
        "several answers, the right one among them",
        words(task),
    )
    return Ground(spread(starts), sort, tuple(_listed(task, layout)))


def _by_place(task: Task) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
    """id of a problem -> answers near its right one, and near that of the next problem."""
    made = rows.answers(task)
    near = [_near(right[0].text, [x.text for x in wrong if not x.name]) for _, right, wrong in made]
    return {id(x[0]): (near[i], near[(i + 1) % len(near)]) for i, x in enumerate(made)}


def _near(right: str, mistakes: Sequence[str]) -> tuple[str, ...]:
    return (*mistakes[1:], right, mistakes[0])


def _start(
    holds: Callable[[Asked, str], bool],
    layouts: Sequence[str],
    x: TaskText,
    near: dict[int, tuple[tuple[str, ...], tuple[str, ...]]],
) -> Start:
    known: dict[str, bool] = {}
    own, others = near[id(x.asked)]

    def right(text: str) -> bool:
        for said in rows.readings(layouts, text):
            if said not in known:
                known[said] = holds(x.asked, said)
            if known[said]:
                return True
        return False

    def start(near: tuple[str, ...], other: tuple[str, ...]) -> Start:
        parts = tuple(dict.fromkeys(re.findall(r"\w+", x.row.prompt)))
        return Start(
            x.row, x.work, x.dialect, x.limit, x.said.text, f"{near}", near, parts, x,
            lambda: start(other, near), _unsent, right,
        )  # fmt: skip

    return start(own, others)


def _unsent(text: str) -> bool:
    """Whether chat messages hold a tool call of a form that no server hands over: edits of a call
    say nothing about a reward that never meets them."""
    found = written_messages(text)
    return found is not None and not calls_are_sound(found)


# -- what edits are written with -------------------------------------------------------------------
def words(task: Task) -> tuple[str, ...]:
    """Texts of the task itself: right answers that most problems have, and words that stand in most
    right answers or prompts; a policy that looks at rows of data knows them."""
    made = rows.answers(task)
    right = [r[0].text for _, r, _ in made]
    often = [a for a, _ in Counter(right).most_common(ANSWERS) if len(a) <= LONGEST]
    shared = [*_common(right), *_common([asked.prompt for asked, _, _ in made])]
    return tuple(dict.fromkeys(x for x in (*often, *shared) if x.strip()))


def _common(texts: Sequence[str]) -> list[str]:
    """Words that stand in most of these texts, in the order of the first."""
    each = [dict.fromkeys(re.findall(r"\w\w+", t)) for t in texts]
    seen = Counter(w for own in each for w in own)
    return [w for w in each[0] if seen[w] >= COMMON * len(texts)][:WORDS]


def _listed(task: Task, layout: str) -> list[Listed]:
    """The task's wrong mutants that are the same text whatever the right answer is."""
    found: dict[str, Said] = {}
    for _, _, wrong in rows.answers(task):
        found.update({x.name: x for x in wrong if x.name and x.free and x.name not in found})
    return [Listed(n, _applied(layout, x)) for n, x in found.items()]


def _applied(layout: str, said: Said) -> Callable[[Start, str, str], str]:
    def text(_start: Start, _whole: str, work: str) -> str:
        if said.bare:
            return said.text
        made = compose(layout, work if said.work is None else said.work, mark(layout, said.text))
        return f"{made}\n{said.after}" if said.after else made

    return text
