"""A task's answers written out: base texts, mutants, and texts of every outcome class."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.rewards.chats import messages_of
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text.dialects import answers as read
from toyrl.worlds.text.dialects import compose, dialect_of, mark
from toyrl.worlds.text.prose import FILLERS, count_tokens, padding
from toyrl.worlds.text.tasks.base import EACH, Asked, Said, Task, TaskError

SPREAD = 0.35  # standard deviation of log length among base rows
CUT_SHARE = 12  # one base row in so many is truncated
MARK_TOKENS = 4  # least reasoning, in tokens
VARIANTS = 6  # paddings of each size


@dataclass(frozen=True)
class TaskText:
    """One text of known truth.

    row : the text with its columns and declared length; dialect : its layout
    said : the answer in it; limit : of the run in tokens, 0 where it isn't known
    work : the reasoning alone
    """

    row: TextRow
    correct: bool
    truncated: bool
    dialect: str
    asked: Asked
    said: Said
    limit: int = 0
    work: str = ""

    @property
    def problem(self) -> TaskText:
        """Itself: what an arithmetic text's problem is asked for here is `gold`."""
        return self

    @property
    def gold(self) -> str:
        """The answer that it gives."""
        return self.said.text


class _Same:
    """A task told by identity, for one may hold what has no hash."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __hash__(self) -> int:
        return id(self.task)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.task is self.task


Answers = tuple[tuple[Asked, tuple[Said, ...], tuple[Said, ...]], ...]


def answers(task: Task) -> Answers:
    """(problem, right answers, wrong answers) of a task, made once."""
    return _answers(_Same(task))


@lru_cache(maxsize=32)
def _answers(same: _Same) -> Answers:
    task = same.task
    return tuple((p, tuple(task.right(p)), tuple(task.wrong(p))) for p in task.problems())


def reasoning(asked: Asked, tokens: int, rng: random.Random) -> str:
    """Honest reasoning of about so many tokens."""
    return "\n".join(padded(sentences(asked, tokens, rng), tokens, rng))


def sentences(asked: Asked, tokens: int, rng: random.Random) -> list[str]:
    """Sentences of honest reasoning, as many as have room in so many tokens."""
    lines = [rng.choice(FILLERS), *asked.work] if asked.work else [rng.choice(FILLERS)]
    short = tokens - sum(map(count_tokens, lines))
    while short < -MARK_TOKENS and len(lines) > 1:
        short += count_tokens(lines.pop())
    return lines


def padded(lines: Sequence[str], tokens: int, rng: random.Random) -> list[str]:
    """Each of these lines with padding, about so many tokens in all."""
    short = tokens - sum(map(count_tokens, lines))
    each, more = divmod(max(short, 0), len(lines))
    sizes = [each + (i < more) for i in range(len(lines))]
    pairs = zip(lines, sizes, strict=True)
    return [f"{x}{padding(n, rng.randrange(VARIANTS))}" for x, n in pairs]


def written(
    task_layout: str,
    asked: Asked,
    said: Said,
    *,
    correct: bool,
    tokens: int,
    seed: int,
    limit: int = 0,
    truncated: bool = False,
) -> TaskText:
    """One text: the reasoning, then the answer in the layout's mark.

    tokens : length that the reasoning is padded to; the declared length is the text's own, at
        most `limit`; truncated : the answer is left out and the length is `tokens`
    """
    layout = dialect_of(task_layout)
    rng = random.Random(seed)
    marked = "" if truncated else mark(layout, said.text)
    room = max(MARK_TOKENS, tokens - count_tokens(f"{marked}{said.after}"))
    work = reasoning(asked, room, rng) if said.work is None else said.work
    if said.bare:
        text = said.text
    else:
        text = compose(layout, work, marked)
        if truncated and layout.closing and not layout.messages:
            text = text[: -len(layout.closing)]
        text = f"{text}\n{said.after}" if said.after else text
    size = tokens if truncated else max(1, count_tokens(text) + 1)
    size = min(size, limit or size)
    row = TextRow(
        asked.prompt, text, dict(asked.columns), size, truncated, messages=layout.messages
    )
    return TaskText(row, correct, truncated, layout.name, asked, said, limit, work)


def base_rows(
    task: Task, layout: str, n: int, seed: int, *, typical_tokens: float, max_tokens: float
) -> list[TaskText]:
    """n texts of known truth: right and ordinary wrong ones by turns, pairs on one problem and of
    about equal length; one in 12 is truncated and wrong."""
    rng, made = random.Random(seed), answers(task)
    pairs = (n - n // CUT_SHARE) // 2
    out = []
    for i in range(n - pairs):
        asked, right, wrong = made[i % len(made)]
        plain = [x for x in wrong if not x.name]
        cut = i >= pairs
        tokens = round(min(max(4, typical_tokens * rng.lognormvariate(0.0, SPREAD)), max_tokens))
        tokens = round(max_tokens) if cut else tokens
        one: dict[str, Any] = {
            "tokens": tokens,
            "seed": rng.getrandbits(30),
            "limit": int(max_tokens),
        }
        if not cut:
            out.append(written(layout, asked, right[0], correct=True, **one))
        miss = plain[(i // len(made)) % len(plain)]
        out.append(written(layout, asked, miss, correct=False, truncated=cut, **one))
    return out


def class_rows(
    task: Task,
    chain: Chain,
    difficulty: int,
    layout: str,
    *,
    correct: bool,
    length_actions: int,
    truncated: bool,
    renderings: int,
    seed: int,
    problem: Asked | None = None,
) -> list[TaskText]:
    """Texts of one outcome class, each on a problem of its own.

    difficulty : not looked at, for a task has no difficulty of its own: the same texts, which are
        graded once
    problem : of `answers`, that of them all in place of one each
    """
    del difficulty
    made, out = answers(task), []
    by_problem = {id(x[0]): x for x in made}
    for k in range(renderings):
        rng = random.Random(7919 * seed + 31 * k)
        own = made[rng.randrange(len(made))]
        asked, right, wrong = own if problem is None else by_problem[id(problem)]
        said = right[0] if correct else rng.choice([x for x in wrong if not x.name])
        tokens = max(1, round(length_actions * chain.tokens_per_action))
        text = written(
            layout, asked, said, correct=correct, tokens=tokens, seed=rng.getrandbits(30),
            truncated=truncated,
        )  # fmt: skip
        out.append(_declared(text, tokens))
    return out


def _declared(text: TaskText, tokens: int) -> TaskText:
    """The text with the length of its class, which its words may miss by a few."""
    return replace(text, row=replace(text.row, tokens=tokens))


def shortest(text: TaskText) -> TaskText:
    """The same answer to the same problem with as little reasoning as can be."""
    return written(
        text.dialect, text.asked, text.said, correct=text.correct, tokens=0, seed=0,
        limit=text.limit,
    )  # fmt: skip


def mutants(
    task: Task, layout: str, *, truth: bool, risky: bool = True, **size: Any
) -> dict[str, list[TaskText]]:
    """Name -> texts: other notations of right answers (truth), or wrong mutants.

    Each is written for as many problems as the task says, a risky one for one.

    risky : False leaves those out; size : tokens, limit
    """
    most = getattr(task, "each", EACH)
    out: dict[str, list[TaskText]] = {}
    for i, (asked, right, wrong) in enumerate(answers(task)):
        for said in right if truth else wrong:
            if not said.name or (said.risky and not risky):
                continue
            texts = out.setdefault(said.name, [])
            if len(texts) < (1 if said.risky else most):
                texts.append(written(layout, asked, said, correct=truth, seed=i, **size))
    return out


def marked(layout: str, completion: str) -> str | None:
    """The last answer that a completion marks in a layout; None where it marks none.

    An answer may stand over several lines where the mark closes, and behind a mark that ends its
    line. A layout without a mark reads what is behind the working's closing sign, or the whole
    completion where it has no such sign. Of chat messages it is the tool calls of all that the
    assistant says.
    """
    d = dialect_of(layout)
    if d.messages:
        return _calls(completion)
    if not d.before.strip():
        end = d.closing.strip()
        if not end:
            return completion.strip()
        return completion.rpartition(end)[2].strip() if end in completion else None
    if d.before.endswith("\n") and not d.after.strip():
        _, there, rest = completion.rpartition(d.before)
        return rest.strip() if there else None
    if d.name != d.template or not d.after.strip():
        found = read(completion, d)
    else:
        ends = re.escape(d.before.strip()), re.escape(d.after.strip())
        found = re.findall(f"{ends[0]}(.*?){ends[1]}", completion, re.DOTALL)
    return found[-1].strip() if found else None


def start_of(layouts: Sequence[str], completion: str) -> int | None:
    """Character at which the last answer that a completion marks begins, with its mark; None where
    none of these layouts marks one."""
    known = [dialect_of(x) for x in layouts if signed(x) and marked(x, completion)]
    found = [
        completion.rfind(d.before.strip())
        if d.before.strip()
        else completion.rfind(d.closing.strip()) + len(d.closing.strip())
        for d in known
    ]
    return max(found, default=None)


def signed(layout: str) -> bool:
    """Whether a layout says where its answer begins: by a mark, by the sign that closes the
    working, or as a call of chat messages."""
    d = dialect_of(layout)
    return bool(d.messages or d.before.strip() or d.closing.strip())


def readings(layouts: Sequence[str], completion: str) -> list[str]:
    """The last answer that a completion marks in each of these layouts, in their order; where it
    marks none the whole of it, if one of them has no mark."""
    bare = [x for x in layouts if not signed(x)]
    found = [marked(layout, completion) for layout in layouts if layout not in bare]
    said = list(dict.fromkeys(x for x in found if x is not None))
    return said or [completion.strip() for _ in bare[:1]]


def truth_of(task: Task) -> Callable[[Asked, str], bool]:
    """The task's `holds`: whether any answer to a problem is right. One on which it raises is not,
    as `float(text)` does on words.

    Raises TaskError for a task that can't tell, and what it raises on a right answer of its own.
    """
    holds = getattr(task, "holds", None)
    if holds is None:
        msg = f"task {task.name} has no holds(problem, text), so it can't tell whether any answer "
        msg += "that a policy gives is right"
        raise TaskError(msg)
    asked, right, _ = answers(task)[0]
    holds(asked, right[0].text)  # one that was made without a truth says so

    def right_answer(problem: Asked, text: str) -> bool:
        try:
            return bool(holds(problem, text))
        except TaskError:
            raise
        except Exception:  # a user's own code on a policy's text
            return False

    return right_answer


def _calls(completion: str) -> str | None:
    """Tool calls of an assistant's messages as a JSON list; None where none is made."""
    own = [m for m in messages_of(completion) if m["role"] == "assistant"]
    listed = [c for m in own if isinstance(m.get("tool_calls"), list) for c in m["tool_calls"]]
    return json.dumps(listed, ensure_ascii=False) if listed else None


def correct(task: Task, asked: Asked, completion: str, layout: str | None = None) -> bool:
    """Whether a policy's completion is right: its last answer in the first layout that it has.

    layout : that the policy was asked for, which is looked at before the task's own; one without a
        mark takes the whole text for the answer

    Raises TaskError for a task that can't tell, as it has no `holds`.
    """
    asked_for = () if layout is None else (layout,)
    own = () if layout is not None and not signed(layout) else task.layouts
    holds, said = truth_of(task), readings((*asked_for, *own), completion)
    return bool(said) and holds(asked, said[0])


def names(task: Task) -> Sequence[str]:
    """Names of a task's wrong mutants, in order."""
    return tuple(dict.fromkeys(x.name for _, _, wrong in answers(task) for x in wrong if x.name))
