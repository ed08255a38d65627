"""A catalogue reward as a trainer calls it: texts and data columns in, one number a row out.

The adapters of `llm_bridge` and the files that `toyrl export` writes stand on this. Everything
runs on the host in float64; rows of one group share a key.

Fields that the shaper reads come from graders, else from data columns of the same name, except
`answered`, which is read off the text. `correct` comes from a column of that name, from a function
given, or from the marked answer and the gold column (`toyrl.graders.answers`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.expressions import parse, parse_estimator, parse_grader
from toyrl.graders.answers import is_correct
from toyrl.graders.base import TextRow
from toyrl.graders.parts import TaskReward
from toyrl.graders.tools.texts import written_calls
from toyrl.messages import shortened
from toyrl.rollouts import Rollouts
from toyrl.rollouts.texts import text_fields, text_rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.task import PREFIX, TaskParts

Value = float | None
Grader = Callable[[Sequence[TextRow]], Sequence[float]]
END_TOKEN = re.compile(r"(<\|[^<>|]+\|>|</s>|<eos>|<end_of_turn>|<pad>)\Z")
LONGEST_TOKEN = 64
"""Characters of the longest end-of-turn token."""


@dataclass(frozen=True)
class Served:
    """What a reward says about some rows, one entry a row; None where it can't be scored.

    values : what the trainer gets, advantages if there is an estimator
    rewards : the sum of the parts; correct : 1 right, 0 wrong
    parts : name -> values
    """

    values: list[Value]
    rewards: list[Value]
    correct: list[Value]
    parts: Mapping[str, list[Value]]


@dataclass(frozen=True)
class ServedReward:
    """A shaper, and perhaps an estimator, over text rows.

    max_completion_length : the run's limit in tokens, > 0
    estimator : None = rewards are returned, else advantages
    correct : row -> 1, 0 or None (unscorable), instead of the marked answer
    tokenizer : a transformers tokenizer's id or folder, for trainers that hand over text only
    graders : field name -> function of rows, one number a row, such as a conciseness model's; they
        come before data columns of the name

    Raises ValueError for a limit that is not above 0.
    """

    shaper: Shaper
    max_completion_length: int
    estimator: Estimator | None = None
    correct: Callable[[TextRow], Value] | None = None
    tokenizer: str | None = None
    graders: Mapping[str, Grader] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.max_completion_length > 0:
            msg = f"max_completion_length={shortened(self.max_completion_length)} must be above 0"
            raise ValueError(msg)

    @classmethod
    def of(
        cls,
        reward: str,
        *,
        max_completion_length: int,
        estimator: str | None = None,
        correct: Callable[[TextRow], Value] | None = None,
        tokenizer: str | None = None,
        graders: Mapping[str, Grader] | None = None,
    ) -> ServedReward:
        """From a catalogue expression and an estimator's name."""
        chosen = None if estimator is None else parse_estimator(estimator)
        own = dict(graders or {})
        return cls(parse(reward), max_completion_length, chosen, correct, tokenizer, own)

    def __call__(
        self, rows: Sequence[TextRow], groups: Sequence[Hashable], step: float = 0
    ) -> Served:
        """Serve rows; `groups` names each row's group, `step` is the update number."""
        if len(rows) != len(groups):
            msg = f"{len(rows)} rows but {len(groups)} group keys; give one key a row"
            raise ValueError(msg)
        rollouts, place = self.rollouts(rows, groups, step)
        with np.errstate(all="ignore"):
            shaped = self.shaper.apply(rollouts)
            total = self.shaper.reward(rollouts)
            values = total
            if self.estimator is not None:
                advantages, _ = self.estimator.apply(shaped.parts, rollouts)
                values = np.where(np.isnan(total), np.nan, advantages)
        return Served(
            values=_listed(values, place),
            rewards=_listed(total, place),
            correct=_listed(rollouts.correct, place),
            parts={n: _listed(_summed(v, total), place) for n, v in shaped.parts.items()},
        )

    def rollouts(
        self, rows: Sequence[TextRow], groups: Sequence[Hashable], step: float = 0
    ) -> tuple[Rollouts, tuple[np.ndarray, np.ndarray]]:
        """Rollouts (groups, largest group), short groups padded with weight 0; rows' places."""
        rows = [self.measured(row) for row in rows] if self.tokenizer else list(rows)
        self._check_lengths(rows)
        rows = self._graded(rows)
        estimator = self.estimator.needs if self.estimator is not None else ()
        return text_rollouts(
            rows,
            groups,
            correct=[self._correct(r) for r in rows],
            max_length=float(self.max_completion_length),
            fields=text_fields(
                rows, (*self.shaper.all_needs(), *estimator), self.shaper.all_wants()
            ),
            step=step,
        )

    def _graded(self, rows: Sequence[TextRow]) -> list[TextRow]:
        """The rows with the graders' numbers as columns."""
        found = {name: list(grade(rows)) for name, grade in self.graders.items()}
        for name, values in found.items():
            if len(values) != len(rows):
                msg = f"the grader of {name} gave {len(values)} numbers for {len(rows)} rows"
                raise ValueError(msg)
        return (
            [
                replace(row, columns={**row.columns, **{n: v[i] for n, v in found.items()}})
                for i, row in enumerate(rows)
            ]
            if found
            else list(rows)
        )

    def correctness(self, row: TextRow) -> float:
        """1 right, 0 wrong, NaN unscorable."""
        if self.correct is None and "correct" not in row.columns:
            return is_correct(row)
        value = row.columns["correct"] if self.correct is None else self.correct(row)
        return math.nan if value is None else float(value)

    def _correct(self, row: TextRow) -> float:
        """What the rollouts hold: a row without correctness counts for nobody."""
        return self.correctness(row)

    def measured(self, row: TextRow) -> TextRow:
        """The row with its tokens counted by the tokenizer, the end token included."""
        ids = tokenizer_named(self.tokenizer)(row.completion, add_special_tokens=False)["input_ids"]
        limit = self.max_completion_length
        tokens = len(ids) + (not row.truncated and bare_text(row.completion) == row.completion)
        return replace(row, tokens=min(max(tokens, 1), limit))

    def _check_lengths(self, rows: Sequence[TextRow]) -> None:
        longest = max((r.tokens for r in rows), default=0)
        if longest > self.max_completion_length:
            msg = (
                f"a completion has {longest} tokens, but max_completion_length="
                f"{self.max_completion_length} was given; give the run's own limit"
            )
            raise ValueError(msg)


@dataclass(frozen=True)
class ServedTask(ServedReward):
    """The reward of a task (`toyrl.graders.parts`) over text rows, its parts set apart.

    task : the reward; its columns are the data's. Whether a text is right is not asked: `correct`
        is None a row, unless the data have such a column

    Raises ValueError as `ServedReward`, KeyError for a column that the reward reads and a row
    lacks.
    """

    task: TaskReward = field(default_factory=TaskReward)

    @classmethod
    def of(cls, reward: str, **options: Any) -> ServedTask:
        """From the reward's expression; options as for `ServedReward.of`, without `graders`."""
        task, estimator = parse_grader(reward), options.pop("estimator", None)
        chosen = None if estimator is None else parse_estimator(estimator)
        return cls(task_parts(task), estimator=chosen, task=task, **options)

    def rollouts(
        self, rows: Sequence[TextRow], groups: Sequence[Hashable], step: float = 0
    ) -> tuple[Rollouts, tuple[np.ndarray, np.ndarray]]:
        """As `ServedReward.rollouts`, the parts of each row as fields task/NAME."""
        if self.tokenizer:
            rows = [self.measured(row) for row in rows]
        found = self.task.grade_parts(rows, step)
        paid = [{f"{PREFIX}{n}": v for n, v in f.parts.items()} for f in found]
        rows = [replace(row, columns={**row.columns, **own})
                for row, own in zip(rows, paid, strict=True)]  # fmt: skip
        return super().rollouts(rows, groups, step)

    def __call__(
        self, rows: Sequence[TextRow], groups: Sequence[Hashable], step: float = 0
    ) -> Served:
        """As `ServedReward`; `correct` is None where the data don't say it."""
        told = [self.correctness(row) for row in rows]
        correct = [None if math.isnan(v) else v for v in told]
        return replace(super().__call__(rows, groups, step), correct=correct)

    def correctness(self, row: TextRow) -> float:
        """What the column `correct` says, NaN without one."""
        return super().correctness(row) if "correct" in row.columns else math.nan

    def _correct(self, row: TextRow) -> float:
        """0 where it isn't known: no part of a task's reward asks for it."""
        return 0.0 if math.isnan(known := self.correctness(row)) else known


def task_parts(task: TaskReward) -> TaskParts:
    """The shaper that sums a task's parts; of columns that do as well, the first stands for all."""
    reads = (*task.reads, *task.any_of[:1])
    return TaskParts(task.parts, reads, task.by_step, task.of_text, task.asks)


def run_groups(keys: Sequence[Hashable], group_size: int | None) -> list[int]:
    """Group numbers of rows whose groups stand one after another, as TRL lays them out.

    keys : one prompt's key a row; neighbouring groups may share a prompt. Without `group_size`
    it is the greatest common divisor of the runs of equal keys.

    Raises ValueError where the runs of equal keys are not whole groups.
    """
    runs: list[int] = []
    for i, key in enumerate(keys):
        if i and key == keys[i - 1]:
            runs[-1] += 1
        else:
            runs.append(1)
    size = group_size or math.gcd(*runs) or 1
    if any(n % size for n in runs):
        msg = (
            f"group_size={size}, but prompts come in runs of {sorted(set(runs))} rows: give the "
            "run's num_generations, and let every process hold whole groups"
        )
        raise ValueError(msg)
    return [i // size for i in range(len(keys))]


def text_of(message: Any) -> str:
    """Plain text of a completion or prompt: a string, or the contents of chat messages.

    Of content in pieces the texts count. A message's tool calls follow its content as a block of
    text (`toyrl.graders.tools.texts`).

    Raises TypeError for anything else, such as a number.
    """
    if isinstance(message, str):
        return message
    if message is None:
        return ""
    if isinstance(message, (int, float)):
        msg = f"{message!r} is neither a text nor chat messages"
        raise TypeError(msg)
    many = [message] if isinstance(message, Mapping) else message
    return "\n".join(part for m in many for part in _written(m))


def text_rows(
    prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]
) -> list[TextRow]:
    """Rows of texts of a call in TRL's form: prompts, completions (N,), texts or chat messages.

    columns : the data's; lists, tuples and arrays (N, ...) have a value a row, all else is no
        column
    """
    listed = {k: v for k, v in columns.items() if isinstance(v, list | tuple | np.ndarray)}
    own = {k: v for k, v in listed.items() if getattr(v, "ndim", 1) and len(v) == len(prompts)}
    return [
        TextRow(text_of(prompt), text_of(text), {k: v[i] for k, v in own.items()})
        for i, (prompt, text) in enumerate(zip(prompts, completions, strict=True))
    ]


def bare_text(text: str) -> str:
    """Text without end-of-turn tokens and padding at its end."""
    end = len(text)
    while True:
        while end and text[end - 1].isspace():
            end -= 1
        token = END_TOKEN.search(text, max(end - LONGEST_TOKEN, 0), end)
        if token is None:
            return text[:end]
        end = token.start()


def _written(message: Any) -> list[str]:
    """A message's content and its tool calls, where it has them."""
    content, calls = (_field(message, name) for name in ("content", "tool_calls"))
    if isinstance(content, list | tuple):
        said = [str(_field(piece, "text")) for piece in content if _field(piece, "text")]
    else:
        said = [] if content is None else [str(content)]
    return [*said, written_calls(calls)] if calls else said


def _field(message: Any, name: str) -> Any:
    get = getattr(message, "get", None)
    return get(name) if get else getattr(message, name, None)


def _summed(value: np.ndarray, like: np.ndarray) -> np.ndarray:
    return value.sum(axis=-1) if value.ndim > like.ndim else value


def _listed(table: np.ndarray, place: tuple[np.ndarray, np.ndarray]) -> list[Value]:
    return [None if math.isnan(v) else v for v in np.asarray(table)[place].tolist()]


_tokenizers: dict[str, Any] = {}


def tokenizer_named(name: str | None) -> Any:
    """A transformers tokenizer by its id or folder, loaded once."""
    if name not in _tokenizers:
        from transformers import AutoTokenizer

        _tokenizers[str(name)] = AutoTokenizer.from_pretrained(name)
    return _tokenizers[str(name)]
