"""A judge as it is given: a function of a text or of two, a model's folder, and how it is asked.

It runs in this process, in threads: a judge waits for a service or holds a model, and is the user's
own code. A call is one text or one pair; a function that takes lists is given many at once.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from toyrl.experiments.audit.answers import preference_of, score_of
from toyrl.experiments.errors import UsageError
from toyrl.graders.base import TextRow
from toyrl.messages import PATH, shortened
from toyrl.rewards import calling
from toyrl.rewards.cache import fingerprint
from toyrl.rewards.live import identity, label_of
from toyrl.rewards.sandbox.host import wire
from toyrl.rewards.sandbox.modules import by_location
from toyrl.rewards.signatures import Refusal, Signature, recognise

SCORES, PAIRS = "scores", "pairs"
AT_ONCE = 64
"""Texts in one call of a function that takes lists."""
FIRST = ("first", "a", "left", "response_a", "completion_a", "answer_a", "text_a", "output_a",
         "response1", "response_1", "completion1", "completion_1", "answer_1", "text1", "chosen",
         "first_completion", "first_response")  # fmt: skip
SECOND = ("second", "b", "right", "response_b", "completion_b", "answer_b", "text_b", "output_b",
          "response2", "response_2", "completion2", "completion_2", "answer_2", "text2", "rejected",
          "second_completion", "second_response")  # fmt: skip
ASKED = ("prompt", "question", "query", "problem", "instruction", "input")


@dataclass(frozen=True)
class Call:
    """One question: a text, or two of the same prompt.

    second : None where one text is scored; columns : of its row, with the gold answer
    """

    prompt: str
    first: str
    second: str | None = None
    gold: str = ""
    tokens: int = 0
    truncated: bool = False

    @property
    def key(self) -> str:
        """What its answer hangs on."""
        return json.dumps([self.prompt, self.first, self.second, self.gold], ensure_ascii=False)

    @property
    def row(self) -> TextRow:
        """As reward functions are given it."""
        columns = {"answer": self.gold, "ground_truth": self.gold, "solution": self.gold}
        return TextRow(self.prompt, self.first, columns, self.tokens, self.truncated, written=True)


Ask = Callable[[Sequence[Call]], list[Any]]


@dataclass(frozen=True)
class Judge:
    """A judge: its name, what it is asked (scores or pairs), and how.

    ask : raw answers to calls; batch : calls that go together, 1 where it takes one at a time
    kept : name of its values in a cache
    """

    name: str
    kind: str
    ask: Ask
    batch: int = 1
    kept: str = ""

    def read(self, answer: Any) -> float | None:
        """An answer as a number: a score, or the chance that the first is better."""
        return score_of(answer) if self.kind == SCORES else preference_of(answer)


def judge_of(given: Any, *, pairs: bool | None = None) -> Judge:
    """The judge behind "file.py:function", a model's folder, or a function.

    pairs : it compares two texts; None: as its parameters say

    Raises UsageError for what is neither, MissingExtra for a model without the extra llm.
    """
    if isinstance(given, (str, Path)):
        text = str(given)
        if Path(text).is_dir():
            return _of_folder(text, pairs)
        function, path = _function(text)
        return _of_function(function, text, pairs, partial(fingerprint, text, path))
    if callable(given):
        return _of_function(given, label_of(given), pairs, lambda: identity(given))
    msg = f"judge={shortened(given)} is no judge; give file.py:function, a model's folder, a log "
    raise UsageError(msg + "with scores, or in Python a function")


def _function(text: str) -> tuple[Callable[..., Any], Path]:
    place, suffix, rest = text.partition(".py")
    path, name = Path(f"{place}.py"), rest.removeprefix(":")
    if not suffix or not path.is_file():
        what = "is not there" if suffix else "is neither a Python file, a folder nor a log"
        msg = f"judge={shortened(text, PATH)} {what}; give file.py:function, the folder of a "
        raise UsageError(msg + "sequence-classification model, or a log (JSONL, CSV, parquet)")
    try:
        module = by_location(path.resolve())
    except Exception as error:
        msg = f"judge={shortened(str(path), PATH)} can't be imported: {type(error).__name__}: "
        raise UsageError(msg + str(error)) from error
    own = {
        k: f
        for k, f in vars(module).items()
        if inspect.isroutine(f) and k[0] != "_" and f.__module__ == module.__name__
    }
    if not name and len(own) == 1:
        name = next(iter(own))
    if name not in own:
        msg = (
            f"judge={shortened(text, PATH)}: name one of its functions: {', '.join(own) or 'none'}"
        )
        raise UsageError(msg)
    return own[name], path


def _of_function(
    function: Callable[..., Any], name: str, pairs: bool | None, kept: Callable[[], str]
) -> Judge:
    try:
        names = [p.name for p in inspect.signature(function).parameters.values()
                 if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]  # fmt: skip
    except (TypeError, ValueError) as error:
        msg = f"judge={name}: its signature can't be read ({error}); wrap it in a function"
        raise UsageError(msg) from error
    two = _places(names)
    if pairs or (pairs is None and two is not None):
        if two is None:
            msg = (
                f"judge={name}({', '.join(names)}) names no two texts; call its parameters "
                "(prompt, first, second) or (prompt, a, b), or leave --pairs out"
            )
            raise UsageError(msg)
        return Judge(name, PAIRS, partial(_ask_pairs, function, two), kept=_kept(kept))
    try:
        signature = recognise(function, name)
    except Refusal as refusal:
        msg = f"{refusal.message}; a judge of pairs has the parameters (prompt, first, second)"
        raise UsageError(msg) from None
    batch = AT_ONCE if signature.batch else 1
    ask = partial(_ask_scores, function, signature)
    return Judge(name, SCORES, ask, batch=batch, kept=_kept(kept))


def _kept(name: Callable[[], str]) -> str:
    from toyrl.rewards.errors import RewardError

    try:
        return name()
    except RewardError:  # what it uses can't be told apart later: nothing is kept
        return ""


def _places(names: Sequence[str]) -> tuple[str | None, str, str] | None:
    """(prompt or None, first, second) among parameters; None where two texts aren't named."""
    first = next((n for n in FIRST if n in names), None)
    second = next((n for n in SECOND if n in names and n != first), None)
    if first is None or second is None or FIRST.index(first) != SECOND.index(second):
        pair = next(((a, b) for a, b in zip(FIRST, SECOND, strict=True)
                     if a in names and b in names), None)  # fmt: skip
        if pair is None:
            return None
        first, second = pair
    return next((n for n in ASKED if n in names), None), first, second


def _ask_pairs(
    function: Callable[..., Any], places: tuple[str | None, str, str], calls: Sequence[Call]
) -> list[Any]:
    prompt, first, second = places
    out = []
    for call in calls:
        given = {first: call.first, second: call.second}
        out.append(function(**given, **({} if prompt is None else {prompt: call.prompt})))
    return [_awaited(x) for x in out]


def _ask_scores(
    function: Callable[..., Any], signature: Signature, calls: Sequence[Call]
) -> list[Any]:
    rows = [wire(call.row) for call in calls]
    if signature.batch:
        positional, keywords = calling.arguments(signature, rows, chat=False)
        found = _awaited(function(*positional, **keywords))
        values = list(found)
        if len(values) != len(rows):
            msg = f"it answered {len(values)} times to {len(rows)} texts"
            raise ValueError(msg)
        return values
    out = []
    for row in rows:
        positional, keywords = calling.arguments(signature, [row], chat=False)
        out.append(_awaited(function(*positional, **keywords)))
    return out


def _awaited(value: Any) -> Any:
    if not hasattr(value, "__await__"):
        return value
    import asyncio

    async def one() -> Any:
        return await value

    return asyncio.run(one())


def _of_folder(folder: str, pairs: bool | None) -> Judge:
    if pairs:
        msg = f"judge={shortened(folder, PATH)} is a folder, whose model scores one text; leave "
        raise UsageError(msg + "--pairs out")
    model = _Model(folder)
    model.loaded  # noqa: B018 - found out before anything is asked
    return Judge(folder, SCORES, model, batch=8, kept=fingerprint(folder, _weights(folder)))


def _weights(folder: str) -> Path | None:
    names = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")
    return next((Path(folder) / n for n in names if (Path(folder) / n).is_file()), None)


@dataclass(frozen=True)
class _Model:
    folder: str

    @cached_property
    def loaded(self) -> Any:
        from toyrl.graders.learned.reward_models import SequenceClassifier

        try:
            return SequenceClassifier(self.folder)
        except ValueError as error:
            raise UsageError(str(error)) from error

    def __call__(self, calls: Sequence[Call]) -> list[Any]:
        return self.loaded([(c.prompt, c.first) for c in calls])
