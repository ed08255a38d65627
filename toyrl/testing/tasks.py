"""Texts of a task (choice, tools, sql, open, ...) drawn by Hypothesis, and one law about them.

::

    from toyrl.testing import assert_task_reward

    def test_no_wrong_text_is_paid():
        assert_task_reward(my_reward, "choice")
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import UserReward, load
from toyrl.worlds.text.dialects import dialect_of
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import Task, check
from toyrl.worlds.text.tasks.find import ARITHMETIC, task_of

HONEST = 24  # texts of each layout that say what right and wrong ones are paid
LENGTHS = (8, 160)  # tokens of reasoning
EPS = 1e-9
SHOWN = 2000  # characters of a text in a failure
RAISED = ("raised", "bad_value", "wrong_count")  # what a reward may do on texts that it can't read


@dataclass(frozen=True)
class TaskCase:
    """One text of a task.

    completion, prompt : the text and what was asked
    columns : the data row that goes with it, gold answer included
    correct : its truth; mutant : its name, "" for the usual answer and for ordinary mistakes
    why : of a wrong mutant: why it is wrong; fix : what keeps a reward from paying it
    layout : how it marks its answer; row : all of it as graders take it
    """

    completion: str
    prompt: str
    columns: Mapping[str, Any] = field(repr=False)
    correct: bool
    mutant: str
    why: str
    fix: str = field(repr=False)
    layout: str
    row: TextRow = field(repr=False)


class TaskRewardError(AssertionError):
    """A wrong text of a task is paid like right ones, or no right one is paid more; `case` is it.

    case : None where right and wrong texts are told apart in no layout
    """

    def __init__(self, message: str, case: TaskCase | None = None) -> None:
        self.case = case
        super().__init__(message)


def task_texts(
    task: str | Task,
    *,
    truth: bool | None = None,
    layout: str | None = None,
    mutants: Sequence[str] | None = None,
    warnings: bool = True,
) -> st.SearchStrategy[TaskCase]:
    """Texts of known truth: a kind of answer first, then its problem, layout and length.

    task : a name (`choice`, ...), `file.py:NAME`, or a task as docs/tasks.md has it
    truth : right ones (True), wrong ones (False), or both
    layout : of all texts; None: any of the task's
    mutants : names of notations and wrong mutants to draw from, "" for ordinary answers; None: all
    warnings : False leaves out wrong mutants that usual graders pay

    Answers that end or hang a reward that runs them in its own process (of code: `os._exit(0)`,
    `while True`) are drawn where `mutants` names them alone.

    A failing example shrinks to ordinary answers, the first problem, and no reasoning.

    Raises ValueError for arithmetic, for a name that no answer has, and where nothing is left;
    TaskError for what is no task.
    """
    known = _task(task)
    layouts = tuple(known.layouts) if layout is None else (dialect_of(layout).name,)
    return _drawn(_kinds(known, truth, mutants, warnings), layouts)


Kinds = dict[tuple[bool, str], list[tuple[Any, Any]]]


def _drawn(kinds: Kinds, layouts: Sequence[str]) -> st.SearchStrategy[TaskCase]:
    @st.composite
    def texts(draw: Any) -> TaskCase:
        correct, name = draw(st.sampled_from(list(kinds)))
        asked, said = draw(st.sampled_from(kinds[correct, name]))
        mark = draw(st.sampled_from(layouts))
        tokens, seed = draw(st.integers(*LENGTHS)), draw(st.integers(0, 3))
        text = rows.written(mark, asked, said, correct=correct, tokens=tokens, seed=seed)
        return _case(text)

    return texts()


def _task(task: str | Task) -> Task:
    found = task_of(task)
    if found is None:
        msg = f"task={ARITHMETIC!r} has texts of its own (toyrl.testing.completions); name another"
        raise ValueError(msg)
    return check(found)


def _kinds(task: Task, truth: bool | None, mutants: Sequence[str] | None, warnings: bool) -> Kinds:
    """(truth, name) -> problems with the answer of that name."""
    out: Kinds = {}
    for asked, right, wrong in rows.answers(task):
        for correct, some in ((True, right), (False, wrong)):
            for said in some if truth in (None, correct) else ():
                if warnings or said.status == "fail":
                    out.setdefault((correct, said.name), []).append((asked, said))
    names = sorted({name for _, name in out})
    if mutants is not None:
        if strange := sorted(set(mutants) - set(names)):
            msg = f"mutants={strange} are no answers of {task.name}; there are {names}"
            raise ValueError(msg)
        out = {k: v for k, v in out.items() if k[1] in mutants}
    else:
        out = {k: v for k, v in out.items() if not v[0][1].risky}
    if not out:
        msg = f"mutants={mutants} leaves no text of {task.name}; give at least one name"
        raise ValueError(msg)
    return out


def _case(text: rows.TaskText) -> TaskCase:
    row, said = text.row, text.said
    return TaskCase(
        row.completion, row.prompt, row.columns, text.correct, said.name, said.why, said.fix,
        text.dialect, row,
    )  # fmt: skip


def assert_task_reward(
    reward: Any,
    task: str | Task,
    *,
    layout: str | None = None,
    warnings: bool = False,
    max_examples: int = 12,
    seed: int = 0,
) -> str:
    """Fail with the first wrong text that is paid like right ones, as short as it was found.

    reward : a function as trainers call it (TRL, verl, ...) or its spec, as for `toyrl.validate`
    task : as for `task_texts`
    layout : that the reward reads; None: the one of the task's in which right texts are paid most
    warnings : True holds wrong mutants against it that usual graders pay
    max_examples, seed : texts drawn of each kind of wrong answer; the search is deterministic in
        the seed

    Kinds that take no knowledge of the answer are tried first. Returns the layout. "Like right
    ones" is the median of usual right texts in it. A task may hold gold answers in more than one
    form, or chat messages: the first is taken in which right and wrong are told apart. A text on
    which the reward raises is not paid. What may end or hang the reward is not tried;
    `toyrl.validate` does that in a process of its own.

    Raises TaskRewardError (an AssertionError) with the text, also where right texts are paid above
    ordinary mistakes in no layout; ValueError and TaskError as `task_texts`; RewardError for a
    reward that can't be called.
    """
    __tracebackhide__ = True
    known = _task(task)
    with load(reward) as held:
        form, best, least = _read(held, known, layout, seed)
        kinds = _kinds(form, truth=False, mutants=None, warnings=warnings)
        how = settings(
            max_examples=max_examples, deadline=None, database=None, print_blob=False,
            phases=(Phase.generate, Phase.shrink),
        )  # fmt: skip
        for kind in sorted(kinds, key=lambda k: not all(s.free for _, s in kinds[k])):
            drawn = _drawn({kind: kinds[kind]}, (best,))
            by = random.Random(seed)
            try:
                case = find(drawn, lambda c: _paid(held, c, least), settings=how, random=by)
            except NoSuchExample:
                continue
            paid = held.score([case.row])[0]
            raise TaskRewardError(_told(held.name, case, paid, least), case)
    return best


def _paid(reward: UserReward, case: TaskCase, least: float) -> bool:
    try:
        value = reward.score([case.row])[0]
    except RewardError as error:
        _recoverable(error)
        return False
    return value is not None and value >= least - EPS


def _read(reward: UserReward, task: Task, layout: str | None, seed: int) -> tuple[Task, str, float]:
    """The first form in which right texts are paid above mistakes, its layout in which right ones
    are paid most, and their median there.

    Raises what the reward raised where it graded nothing.
    """
    told = [] if layout is None else [dialect_of(layout).name]
    graded, errors = False, []
    for form in (task, *getattr(task, "forms", ())):
        found: dict[str, float] = {}
        for d, values in _graded(reward, form, told or form.layouts, seed, errors).items():
            graded = True
            good, bad = ([v for v, right in values if v is not None and right is k]
                         for k in (True, False))  # fmt: skip
            if good and bad and median(good) > median(bad) + EPS:
                found[d] = median(good)
        if found:
            best = max(found, key=lambda d: found[d])
            return form, best, found[best]
    if not graded:
        raise errors[0]
    named = ", ".join(x.replace("\n", "\\n") for x in told or task.layouts)
    msg = (
        f"{reward.name} pays right texts of {task.name} above ordinary mistakes in none of "
        f"these layouts: {named}; name the one that it reads (layout='...{{}}...')"
    )
    raise TaskRewardError(msg)


def _graded(
    reward: UserReward, form: Task, layouts: Sequence[str], seed: int, errors: list[RewardError]
) -> dict[str, list[tuple[float | None, bool]]]:
    """Layout -> (value, truth) of usual texts; where the reward raises there is none, but for what
    it raised in `errors`."""
    for text in reward.texts:
        text.chat = None  # chosen anew, for a form may be chat messages
    base = {d: _honest(form, d, seed) for d in layouts}
    out = {}
    try:
        reward.settle([x.row for some in base.values() for x in some[:4]])
    except RewardError as error:
        errors.append(_recoverable(error))
        return out
    for d, some in base.items():
        try:
            values = reward.score([x.row for x in some])
        except RewardError as error:
            errors.append(_recoverable(error))
            continue
        out[d] = [(v, x.correct) for v, x in zip(values, some, strict=True)]
    return out


def _recoverable(error: RewardError) -> RewardError:
    """The error; raises it where no other text would be graded either."""
    if error.kind not in RAISED:
        raise error
    return error


def _honest(form: Task, layout: str, seed: int) -> list[rows.TaskText]:
    made = rows.base_rows(form, layout, HONEST, seed, typical_tokens=60, max_tokens=400)
    return [x for x in made if not x.truncated]


def _told(name: str, case: TaskCase, paid: float | None, least: float) -> str:
    why = case.why or "an ordinary mistake"
    fix = f"\nto do: {case.fix}" if case.fix else ""
    return (
        f"{name} pays {paid:g} for a wrong text ({why}); right ones get {least:g} in the median."
        f"\nmutant: {case.mutant or 'none'}\nprompt: {shortened(case.prompt, SHOWN)}"
        f"\ntext:\n{case.completion[:SHOWN]}{fix}"
    )
