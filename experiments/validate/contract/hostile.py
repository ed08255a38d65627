"""Completions that hang or blow up a grader: towers of powers, runs that make patterns backtrack,
deep nesting, a megabyte, numbers that aren't.

A policy writes such texts sooner or later, and one of them is enough to block a reward worker. Each
is graded in a call of its own, given twice the time limit: a reward that answers after the limit
has one of its own, and is slow, not stuck. After a hang or a crash the next text meets a fresh
interpreter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from toyrl.experiments.validate.findings import NOT_TESTED, Finding
from toyrl.experiments.validate.formats.search import RECOVERABLE
from toyrl.graders.base import TextRow
from toyrl.messages import both_ends
from toyrl.rewards.chats import written_messages
from toyrl.rewards.errors import RewardError
from toyrl.rewards.sandbox.host import Sandbox
from toyrl.rewards.user import UserReward
from toyrl.worlds.text.dialects import compose, mark
from toyrl.worlds.text.prose import count_tokens

DEEP = 3000  # brackets
RUN = 60  # signs alike, enough for patterns that try every way of parting them
DIGITS = 5000  # more than int() takes
MANY = 400  # opening tags that are never closed
MEGABYTE = 1_000_000  # characters
WORD = f"{'notwithstanding' * 8} "  # few tokens, for toyrl itself counts them
SLOW = 0.2  # seconds a row from which these are not tried
TRIES = 2  # calls of which the faster one counts: the first may start an interpreter
FATAL = 2  # hangs, crashes and slow answers after which no more is tried
PATIENCE = 2  # time limits that one of these texts is given
DEAD = {
    "timeout": "hangs on",
    "memory": "runs out of memory on",
    "crashed": "crashes the interpreter on",
    "exited": "ends the process on",
}
FIX_DEAD = (
    "never evaluate what a completion says; bound its length, its numbers and its patterns, and "
    "give each grading a process with a time limit of its own"
)
FIX_SLOW = "bound the length and the nesting of what is read, before it is parsed"
FIX_RAISED = "catch what a completion makes your reader raise, and return a number for it"


def answers() -> dict[str, str]:
    """name -> what stands where the answer should."""
    return {
        "power tower": "9**9**9",
        "LaTeX power tower": "9^{9^{9^{9}}}",
        "parentheses": f"{'(' * DEEP}9{')' * DEEP}",
        "braces": f"{'{' * DEEP}9{'}' * DEEP}",
        "run of digits": f"{'1' * RUN}x",
        "run of letters": f"{'a' * RUN}!",
        "run of spaces": f"{' ' * DEEP}x",
        "huge number": "9" * DIGITS,
        "huge exponent": "1e9999999",
        "division by zero": "1/0",
        "nan": "nan",
        "superscript": "9²",
        "null byte": "9\x00",
        "code": "__import__('time').sleep(3600)",
    }


def completions(base: TextRow, dialect: str) -> dict[str, TextRow]:
    """name -> a row in this dialect with a hostile text, on the prompt of `base`."""

    def row(text: str) -> TextRow:
        return replace(base, completion=text, tokens=max(1, count_tokens(text)), truncated=False)

    def written(work: str, answer: str) -> TextRow:
        if base.messages:
            return row(_called(base.completion, work, answer))
        return row(compose(dialect, work, mark(dialect, answer)))

    marked = {name: written("So it goes.", answer) for name, answer in answers().items()}
    return {
        **marked,
        "unclosed tags": row("<think><answer>" * MANY),
        "megabyte": written(WORD * (MEGABYTE // len(WORD)), "9"),
    }


def _called(completion: str, content: str, answer: str) -> str:
    """Chat messages with this content and this answer as every argument of their tool calls."""
    messages = written_messages(completion) or [{"role": "assistant"}]
    for message in messages:
        message["content"] = content
        for call in message.get("tool_calls", ()):
            inside = call["function"]
            inside["arguments"] = dict.fromkeys(inside["arguments"], answer)
    return json.dumps(messages)


def findings(reward: UserReward, base: TextRow, dialect: str) -> list[Finding]:
    """A failure for each completion that it hangs or dies on, a warning for each that it answers
    after the time limit, and one failure for all that it raises on; else that it answers them all.

    base : a row whose prompt and gold columns the completions get
    """
    left_out = _left_out(reward, base)
    if left_out:
        text = f"Hostile completions were not tried: {left_out}."
        return [Finding(1, "contract/hostile", NOT_TESTED, text)]
    texts = completions(base, dialect)
    dead: list[Finding] = []
    raised: dict[str, RewardError] = {}
    waiting = [*texts]
    limit = max(t.box.timeout for t in reward.texts)
    while waiting and len(dead) < FATAL:
        name = waiting.pop(0)
        start = time.perf_counter()
        try:
            with _patience(reward):
                reward.grade([texts[name]])
        except RewardError as error:
            if error.kind in ("missing_column", "budget"):
                raise
            if error.kind in DEAD:
                dead.append(_dead(name, texts[name], error, PATIENCE * limit))
            else:
                raised[name] = error
        else:
            seconds = time.perf_counter() - start
            if seconds > limit:
                dead.append(_slow(name, texts[name], seconds, limit))
    found = [*dead, *_raised(texts, raised)]
    if waiting:
        text = f"The other hostile completions were not tried: {', '.join(waiting)}."
        return [*found, Finding(1, "contract/hostile", NOT_TESTED, text)]
    if found:
        return found
    text = (
        f"It answers {len(texts)} hostile completions, each within its time limit: "
        f"{', '.join(texts)}."
    )
    return [Finding(1, "contract/hostile", "pass", text)]


def _left_out(reward: UserReward, base: TextRow) -> str:
    """Why nothing is tried, or ""."""
    if not all(isinstance(t.box, Sandbox) for t in reward.texts):
        return (
            "the reward is a Python object of this process, which one of them could block for "
            "good; name it as file.py:NAME"
        )
    if min(_seconds(reward, base) for _ in range(TRIES)) > SLOW:
        return f"it takes more than {SLOW:g} s a text"
    return ""


def _seconds(reward: UserReward, row: TextRow) -> float:
    """Of one call on one ordinary row."""
    start = time.perf_counter()
    try:
        reward.grade([row])
    except RewardError as error:
        if error.kind not in RECOVERABLE:
            raise
    return time.perf_counter() - start


@contextmanager
def _patience(reward: UserReward) -> Iterator[None]:
    """Calls inside are given `PATIENCE` time limits, and say nothing of how long others take."""
    before = [(t, t.box.timeout, t.per_row) for t in reward.texts]
    for term, timeout, _ in before:
        term.box.timeout = PATIENCE * timeout
    try:
        yield
    finally:
        for term, timeout, pace in before:
            term.box.timeout, term.per_row = timeout, pace


def _dead(name: str, row: TextRow, error: RewardError, given: float) -> Finding:
    """What ended its process: the completion shortened, and the time that it was given."""
    late = error.kind == "timeout"
    why = f" (more than {given:g} s, {PATIENCE} time limits)" if late else f": {error.message}"
    return Finding(
        1,
        _name(name),
        "fail",
        f"It {DEAD[error.kind]} a completion ({name}) such as {both_ends(row.completion)}{why}.",
        value=given if late else None,
        counterexample=_input(row),
        fix=FIX_DEAD,
    )


def _slow(name: str, row: TextRow, seconds: float, limit: float) -> Finding:
    """An answer after the limit: the text blocks a worker so long, and no longer."""
    return Finding(
        1,
        _name(name),
        "warn",
        f"It takes {seconds:.1f} s for a completion ({name}) such as {both_ends(row.completion)}, "
        "and answers then: it has a limit of its own, but a batch waits for it.",
        value=seconds,
        bound=limit,
        counterexample=_input(row),
        fix=FIX_SLOW,
    )


def _name(name: str) -> str:
    return f"contract/hostile-{name.replace(' ', '-').lower()}"


def _raised(texts: Mapping[str, TextRow], raised: Mapping[str, RewardError]) -> list[Finding]:
    """The completions that it answers with an exception or no number, and the first of these."""
    if not raised:
        return []
    first, error = next(iter(raised.items()))
    row = texts[first]
    text = (
        f"It fails on {len(raised)} of {len(texts)} hostile completions ({', '.join(raised)}), "
        f"such as {both_ends(row.completion)}: {error.message}."
    )
    return [
        Finding(
            1,
            "contract/hostile-raised",
            "fail",
            text,
            value=float(len(raised)),
            bound=0.0,
            counterexample=_input(row),
            fix=FIX_RAISED,
        )
    ]


def _input(row: TextRow) -> dict[str, Any]:
    return {"prompt": row.prompt, "completion": row.completion[:2000], "columns": dict(row.columns)}
