"""What a task is: problems, right answers in all their notations, and wrong answers with a reason.

A task is any object with a name, layouts and three methods; nothing is to be derived from:

    name        what it is called in reports
    layouts     how completions mark an answer, as `toyrl.worlds.text.dialects` reads them
    problems()  what is asked: prompt, data columns, sentences of honest reasoning
    right(p)    right answers: the usual one first, then other notations, each with a name
    wrong(p)    wrong answers: ordinary mistakes first, without a name, then mutants, each with a
                name and the reason why it is wrong

`rows.base_rows` writes them out as texts of known truth. `docs/tasks.md` has a task of 40 lines.

A task may have `each`, the number of problems that every mutant is written for (else 8), and one
more method, which the search for exploits, `--model`, `toyrl transfer` and `rows.correct` ask for:

    holds(p, text)  whether an answer that a policy gave, what stands in the mark, is right;
                    one on which it raises isn't

The module of a task of ours has, beside the task itself:

    of_rows(rows)   the same task with a user's data rows as its problems; TaskError where they
                    lack something that it needs
    check_row(row)  TaskError for a row that no reward of this task could be graded on
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from toyrl.messages import shortened
from toyrl.worlds.text.dialects import dialect_of

GOLD = ("answer", "solution", "ground_truth", "target", "label")
STATUSES = ("fail", "warn")
EACH = 8
"""Problems that a mutant is written for, unless a task says otherwise (`each`)."""


@dataclass(frozen=True)
class Asked:
    """One problem of a task.

    prompt : what the policy is asked; columns : the data row that goes with it, gold answer
    included, under every name that a reward may ask for
    work : sentences of honest reasoning that don't give the answer away
    facts : what the task itself knows of the problem, however its columns are called; no reward
        sees it
    """

    prompt: str
    columns: Mapping[str, Any]
    work: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """One answer.

    text : what stands in the layout's mark
    name : of a notation or a mutant; "" for the usual answer and for ordinary mistakes
    why : of a mutant: why it is wrong, as the end of "a wrong completion: ..."
    work : what stands in place of the reasoning; None: the problem's own
    after : what follows the marked answer
    bare : the text is the whole completion, without reasoning and marks
    free : it takes no knowledge of the right answer: the same text whatever that is
    status : of the finding where it is paid: "fail", or "warn" for what usual graders pay and a
        policy can't reach without solving the task
    fix : what keeps a reward from paying it
    risky : a reward that runs what it is given may hang or end on it, so it is graded alone, once,
        and last
    """

    text: str
    name: str = ""
    why: str = ""
    work: str | None = None
    after: str = ""
    bare: bool = False
    free: bool = False
    status: str = "fail"
    fix: str = ""
    risky: bool = False


@runtime_checkable
class Task(Protocol):
    """Problems with right and wrong answers; see the module."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def layouts(self) -> Sequence[str]:
        """How completions mark an answer, the most usual first."""
        ...

    def problems(self) -> Sequence[Asked]:
        """What is asked, the same at every call."""
        ...

    def right(self, asked: Asked) -> Sequence[Said]:
        """Right answers, the usual one first."""
        ...

    def wrong(self, asked: Asked) -> Sequence[Said]:
        """Wrong answers, ordinary mistakes first."""
        ...


@dataclass(frozen=True, eq=False)
class Made:
    """A task put together of functions, for those who would rather write no class.

    form : what this way to write its answers is called, "" for the usual one
    forms : the same problems in other forms; the first in which a reward tells right from wrong is
        the one that is judged
    each : problems that every mutant is written for; fewer where grading an answer takes long
    note : what is to be said of its problems, such as which rows were left out
    """

    name: str
    layouts: tuple[str, ...]
    asked: tuple[Asked, ...]
    rights: Callable[[Asked], Sequence[Said]] = field(repr=False)
    wrongs: Callable[[Asked], Sequence[Said]] = field(repr=False)
    truth: Callable[[Asked, str], bool] | None = field(default=None, repr=False)
    form: str = ""
    forms: tuple[Made, ...] = field(default=(), repr=False)
    each: int = EACH
    note: str = ""

    def problems(self) -> tuple[Asked, ...]:
        """What is asked."""
        return self.asked

    def right(self, asked: Asked) -> Sequence[Said]:
        """Right answers."""
        return self.rights(asked)

    def wrong(self, asked: Asked) -> Sequence[Said]:
        """Wrong answers."""
        return self.wrongs(asked)

    def holds(self, asked: Asked, text: str) -> bool:
        """Whether an answer is right.

        Raises TaskError where the task was made without a truth of any answer.
        """
        if self.truth is None:
            msg = f"task {self.name} can't tell whether an answer of a policy's own is right"
            raise TaskError(msg)
        return self.truth(asked, text)


class TaskError(ValueError):
    """What is wrong with a task, in one sentence."""


def gold(value: Any) -> dict[str, Any]:
    """The gold answer under every name that rewards ask for."""
    return dict.fromkeys(GOLD, value)


def check(task: Any) -> Task:
    """The task, if it can be used.

    Raises TaskError that names what is missing, with the problem where it is missing.
    """
    absent = [n for n in ("name", "layouts", "problems", "right", "wrong") if not hasattr(task, n)]
    if absent:
        msg = (
            f"{shortened(task)} is no task: it has no {', no '.join(absent)}; a task has a name, "
            "layouts, problems(), right(problem) and wrong(problem) (docs/tasks.md)"
        )
        raise TaskError(msg)
    _check_layouts(task)
    try:
        problems = list(task.problems())
        answers = [(p, list(task.right(p)), list(task.wrong(p))) for p in problems]
    except TaskError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        msg = f"task {task.name}: it fails where its texts are made: {said}"
        raise TaskError(msg) from error
    if len(problems) < 2:
        msg = (
            f"task {task.name}: problems() gives {len(problems)}; at least two are needed, so that "
            "gold answers can be exchanged"
        )
        raise TaskError(msg)
    for i, (asked, right, wrong) in enumerate(answers):
        _check_problem(f"task {task.name}, problem {i}", asked, right, wrong)
    return task


def _check_layouts(task: Any) -> None:
    layouts = task.layouts
    if isinstance(layouts, str) or not layouts:
        msg = f"task {task.name}: layouts={shortened(layouts)} must be a list of at least one"
        raise TaskError(msg)
    for layout in layouts:
        try:
            dialect_of(layout)
        except (ValueError, TypeError) as error:
            said = str(error).replace("dialect=", "layout ", 1)
            msg = f"task {task.name}: {said}"
            raise TaskError(msg) from error


def _check_problem(where: str, asked: Any, right: Sequence[Any], wrong: Sequence[Any]) -> None:
    if not isinstance(asked, Asked):
        msg = f"{where} is a {type(asked).__name__}; give toyrl.worlds.text.tasks.base.Asked"
        raise TaskError(msg)
    for said in (*right, *wrong):
        if not isinstance(said, Said):
            msg = f"{where}: {shortened(said)} is no answer; give Said(text, name, why)"
            raise TaskError(msg)
        if said.status not in STATUSES:
            msg = f"{where}: status={said.status!r} of {said.name!r} is not fail or warn"
            raise TaskError(msg)
    if not right or right[0].name:
        msg = f"{where}: right() must begin with the usual answer, which has no name"
        raise TaskError(msg)
    if not any(not x.name for x in wrong):
        msg = f"{where}: wrong() has no ordinary mistake (an answer without a name)"
        raise TaskError(msg)
    if unsaid := [x.name for x in wrong if x.name and not x.why]:
        msg = f"{where}: the wrong answer {unsaid[0]!r} doesn't say why it is wrong"
        raise TaskError(msg)
    known = {(x.text, x.work, x.after, x.bare) for x in right}
    if both := [x for x in wrong if (x.text, x.work, x.after, x.bare) in known]:
        msg = f"{where}: {shortened(both[0].text)} is given as right and as wrong"
        raise TaskError(msg)
