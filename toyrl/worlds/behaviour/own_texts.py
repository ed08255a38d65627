"""A design for a text reward out of a base's own rollouts: as they are, and edited.

What a user's model writes, in the user's own format, says more of a reward than rendered texts do.
Plain cells are logged rollouts; beside them stand texts cut after some of their lines with the last
one, where the answer stands, kept (shorter), texts without their last line (no answer), texts that
run into the limit, and texts with more and more lines before the last one: of their own, of the
lines that are most frequent in the log, and a spare sentence.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.graders.answers import marked_answer
from toyrl.graders.base import TextRow
from toyrl.rewards.chats import messages_of
from toyrl.worlds.behaviour.knobs import Array
from toyrl.worlds.behaviour.texts import COUNTS, Cell

PLAIN, EDITED = 192, 6
"""Rollouts that are looked at as they are, and that are edited, of right and of wrong ones each."""
KEPT = (0.0, 0.35, 0.7)
"""Shares of the lines before the last that shorter texts keep."""
FREQUENT = 4
"""Lines of the log that are tried as padding."""
SPARE = "Let me think about this once more."
LONGEST = 60
"""Characters of a line that may be a filler."""


@dataclass(frozen=True)
class Reading:
    """How answers are read in a log's texts.

    answer : of a text, as it is marked; None where no answer is marked
    start : character at which the marked answer begins; None: with the last line that says
        something
    """

    answer: Callable[[str], str | None] = marked_answer
    start: Callable[[str], int | None] = lambda _: None


USUAL = Reading()


def readable(rows: Sequence[TextRow], right: Array, reading: Reading = USUAL) -> Array:
    """(N,) whether an answer can be read: it is marked, or was found right."""
    marked = [reading.answer(row.completion) is not None for row in rows]
    return np.array(marked) | (np.asarray(right) > 0.5)


def design(
    rows: Sequence[TextRow],
    right: Array,
    formed: Array,
    limit: float,
    *,
    plain: int = PLAIN,
    edited: int = EDITED,
    reading: Reading = USUAL,
) -> list[Cell]:
    """The cells of a log.

    rows : rollouts, group by group; right, formed : (N,) whether each is right, can be read
    limit : completion limit in tokens
    """
    at = np.unique(np.linspace(0, len(rows) - 1, min(plain, len(rows))).astype(int))
    cells = [as_it_is(rows[i], bool(right[i]), bool(formed[i])) for i in at.tolist()]
    ended = [i for i in range(len(rows)) if not rows[i].truncated and rows[i].completion.strip()]
    lines = frequent([rows[i] for i in ended], reading)
    for good in (True, False):
        mine = [i for i in ended if bool(right[i]) == good and formed[i]]
        for i in _spread(mine, edited):
            cells += edits(rows[i], good, limit, lines, reading)
    return cells


def as_it_is(row: TextRow, right: bool, formed: bool) -> Cell:
    """A logged rollout; formed : an answer can be read."""
    read = formed and not row.truncated
    return Cell(right and formed, read, row.truncated, row.tokens, "", 0, row)


def _spread(places: Sequence[int], n: int) -> list[int]:
    at = np.unique(np.linspace(0, len(places) - 1, min(n, len(places))).astype(int))
    return [places[i] for i in at]


def frequent(rows: Sequence[TextRow], reading: Reading = USUAL) -> list[str]:
    """The lines that stand in most texts, answers left out."""
    bodies = [_split(row, reading).body for row in rows]
    seen = Counter(line for body in bodies for line in {x.strip() for x in body} if line)
    return [line for line, _ in seen.most_common() if len(line) <= LONGEST][:FREQUENT]


@dataclass(frozen=True)
class _Parts:
    """A text, taken apart: lines before the answer, and what a text of other lines is.

    body : lines; last : the answer with what follows; of chat messages `body` is what the first
        message with tool calls says, and `whole` writes the messages out with other contents
    """

    body: list[str]
    last: str
    messages: tuple[dict[str, Any], ...] = ()

    def whole(self, text: str, *, answered: bool = True) -> str:
        """The completion with this text before its answer, or that alone."""
        if not self.messages:
            return text + self.last if answered else text
        first, *rest = self.messages
        said = {"role": first["role"], "content": text.removesuffix("\n")}
        whole = [{**first, **said}, *rest] if answered else [said]
        return json.dumps(whole, ensure_ascii=False)


def _split(row: TextRow, reading: Reading) -> _Parts:
    """A rollout's parts; messages without a call before the one that calls are left out."""
    if row.messages:
        found = messages_of(row.completion)
        at = next((i for i, m in enumerate(found) if m.get("tool_calls")), len(found) - 1)
        said = found[at].get("content")
        lines = said.splitlines(keepends=True) if isinstance(said, str) else []
        return _Parts(lines, "", tuple(found[at:]))
    return _Parts(*_around(row.completion, reading))


def _around(text: str, reading: Reading) -> tuple[list[str], str]:
    """The lines before the answer, and that with what follows."""
    begins = reading.start(text)
    if begins is not None:
        begins = text.rfind("\n", 0, begins) + 1
        return text[:begins].splitlines(keepends=True), text[begins:]
    lines = text.splitlines(keepends=True)
    at = max((i for i, line in enumerate(lines) if line.strip()), default=0)
    return lines[:at], "".join(lines[at:])


def edits(
    row: TextRow, good: bool, limit: float, lines: Sequence[str], reading: Reading = USUAL
) -> Iterator[Cell]:
    """Edits of one text; lines : of the log that are tried as padding."""
    parts = _split(row, reading)
    text = "".join(parts.body)
    each = max(row.tokens, 1) / max(len(row.completion), 1)

    def cell(said: str, *, answered: bool, cut: bool = False, kind: str = "", n: int = 0) -> Cell:
        whole = parts.whole(said, answered=answered)
        tokens = limit if cut else float(np.clip(round(each * len(whole)), 1, limit))
        made = replace(row, completion=whole, tokens=int(tokens), truncated=cut)
        return Cell(good and answered, answered, cut, tokens, kind, n, made)

    for share in KEPT if parts.body else ():
        yield cell("".join(parts.body[: int(share * len(parts.body))]), answered=True)
    if text:
        yield cell(text, answered=False)
        times = int(np.ceil(limit / max(each * len(text), 1.0)))
        yield cell((text * times)[: max(int(limit / each), 1)], answered=False, cut=True)
    own = next((line.strip() for line in parts.body if line.strip()), "")
    joint = "" if not text or text.endswith("\n") else "\n"
    for kind, line in {"own": own, **dict.fromkeys(lines), "spare": SPARE}.items():
        filler = (kind if line is None else line) + "\n"
        for n in COUNTS if filler.strip() else ():
            padded = text + joint + filler * n
            yield cell(padded, answered=True, kind=kind, n=n)
            yield cell(padded, answered=False, cut=True, kind=kind, n=n)
