"""One Python function of a reward: called in its own form, graded once per text."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.rewards.cache import Budget, ValueCache
from toyrl.rewards.errors import RewardError
from toyrl.rewards.golds import Golds
from toyrl.rewards.live import LiveBox
from toyrl.rewards.places import Place
from toyrl.rewards.sandbox.host import Sandbox, located
from toyrl.rewards.signatures import Signature

Value = float | None
CHAT_FORMS = ("trl", "verifiers", "verifiers_group", "plain", "plain_batch")
FATAL = (
    *("budget", "missing_column", "timeout", "memory", "exited", "crashed"),
    *("bad_signature", "bad_row", "size"),
)
PROBES = 8  # rows on which dependence on the batch is looked for
LARGEST_CALL = 64  # rows in one call
TOLERANCE = 1e-6  # relative; batched float32 models differ by less


@dataclass
class TextTerm:
    """One Python function of a reward.

    chat : rows go as messages (None: not decided yet)
    batch_dependent : a row's value depends on its neighbours (None: not looked at yet)
    stable : the same call gives the same values
    notes : conversions and choices worth telling
    data : columns of data rows, lent to rows that lack them (the same ones to the same prompt)
    golds : what the gold answer of a written row is handed over as
    twins : further boxes that grade beside `box`, where values depend on neither neighbours nor
        earlier calls
    budget : texts that may still be graded; disk : values of earlier runs, under `disk_name`
    """

    box: Sandbox | LiveBox
    handle: int
    signature: Signature
    import_seconds: float
    label: str
    chat: bool | None = None
    batch_dependent: bool | None = None
    stable: bool | None = None
    notes: dict[str, None] = field(default_factory=dict)
    cache: dict[str, Value] = field(default_factory=dict)
    per_row: float = 0.0  # seconds, of the slowest chunk so far
    data: Sequence[Mapping[str, Any]] = ()
    golds: Golds = field(default_factory=Golds)
    budget: Budget = field(default_factory=Budget)
    disk: ValueCache | None = None
    disk_name: str = ""
    twins: Sequence[Sandbox] = ()

    def raw(
        self,
        rows: Sequence[TextRow],
        chat: bool | None = None,
        *,
        where: Place = "main",
        box: Sandbox | LiveBox | None = None,
    ) -> list[Value]:
        """One call on exactly these rows; an exception is traced to its row.

        where : in the "main" thread, in another "thread", or (of a sandbox) in a "process"
        box : where the function is called, None: in the term's own
        """
        box = box or self.box
        form = self.chat if chat is None else chat
        rows = [self._filled(row) for row in rows]
        self.budget.spend(len(rows))
        try:
            answer = box.call(self.handle, rows, chat=bool(form), where=where)
        except RewardError as error:
            if error.kind != "raised" or error.row is not None or where != "main":
                raise
            if len(rows) == 1:
                raise located(error, 0, rows) from None
            self._isolate(rows, bool(form))
            raise
        if rows:
            self.per_row = max(self.per_row, answer.seconds / len(rows))
            self.budget.graded(answer.seconds)
        self.notes.update(dict.fromkeys(f"{self.label} {note}" for note in answer.notes))
        return answer.values

    def _filled(self, row: TextRow) -> TextRow:
        """The row as it is handed over: gold in its form, and what a data row lends."""
        row = self.golds.handed(row) if row.written else row
        if self.data:
            lent = self.data[zlib.crc32(row.prompt.encode()) % len(self.data)]
            row = replace(row, columns={**lent, **row.columns})
        return row

    def _isolate(self, rows: Sequence[TextRow], chat: bool) -> None:
        for i, row in enumerate(rows):
            try:
                self.box.call(self.handle, [row], chat=chat)
            except RewardError as error:
                raise located(error, i, rows) from None

    # -- chat or plain -------------------------------------------------------------------------
    def settle(self, rows: Sequence[TextRow]) -> bool:
        """Decide, once, whether completions go as messages or as text; True for messages."""
        if self.chat is not None:
            return self.chat
        if self.signature.form not in CHAT_FORMS or not rows:
            self.chat = False
            return False
        first = self.signature.chat_hint or self.signature.form.startswith("verifiers")
        tried = {first: self._attempt(rows, first)}
        values = tried[first].values
        if values is None or _constant(values):
            tried[not first] = self._attempt(rows, not first)
        self.chat = _choose(tried, first)
        if not {"completion_ids", "trainer_state"}.issuperset(self.signature.parameters):
            named = "chat messages" if self.chat else "plain text"
            self.notes[f"{self.label} is called with {named}"] = None
        return self.chat

    def _attempt(self, rows: Sequence[TextRow], chat: bool) -> _Attempt:
        try:
            return _Attempt(self.raw(rows, chat), len(rows))
        except RewardError as error:
            if error.kind in FATAL:
                raise
            good = 0
            for row in rows:
                try:
                    self.raw([row], chat)
                    good += 1
                except RewardError as other:
                    if other.kind in FATAL:
                        raise
            return _Attempt(None, good, error)

    # -- dependence on the batch ---------------------------------------------------------------
    def probe(self, rows: Sequence[TextRow]) -> None:
        """Find out whether values repeat, and whether they depend on the other rows of a call."""
        rows = list(rows[:PROBES])
        group = [replace(r, prompt=rows[0].prompt, columns=rows[0].columns) for r in rows]
        try:
            once, again = self.raw(group), self.raw(group)
            self.stable = same(once, again)
            alone = [self.raw([row])[0] for row in group]
            turned = self.raw(rows[::-1])[::-1]
            mixed = self.raw(rows)
        except RewardError as error:
            if error.kind in FATAL:
                raise
            return  # the same error comes, with its row, when these rows are graded
        if self.stable:
            self.batch_dependent = not (same(once, alone) and same(mixed, turned))

    def score(
        self, rows: Sequence[TextRow], chat: bool | None = None, *, cached: bool = True
    ) -> list[Value]:
        """One value per row; equal rows are graded once where neighbours don't matter.

        cached : False calls the function for every row, whatever was graded before
        """
        rows = list(rows)
        form = self.settle(rows[:: max(1, len(rows) // 16)]) if chat is None else chat
        if self.stable is None and len(rows) > 1:
            self.probe(rows[:: max(1, len(rows) // PROBES)])
        if not cached or self.stable is not True or self.batch_dependent is not False:
            size = 1 if self.batch_dependent else self._chunk()  # 1: a whole group, and no more
            return [v for part in _by_prompt(rows, size) for v in self._rows(part, rows, form)]
        keys = [_key(self._filled(row), form) for row in rows]
        todo = {k: row for k, row in zip(keys, rows, strict=True) if k not in self.cache}
        if self.disk is not None and todo:
            known = self.disk.find(self.disk_name, list(todo))
            if self.disk.spoilt:
                self.notes["values in the cache that are no finite numbers are asked anew"] = None
            self.cache.update(known)
            todo = {k: row for k, row in todo.items() if k not in known}
        left = list(todo.items())
        while left:
            parts = self._parts(left)
            left = left[sum(map(len, parts)) :]
            self._grade(parts, rows, form)
        return [self.cache[k] for k in keys]

    def _parts(self, left: list[tuple[str, TextRow]]) -> list[list[tuple[str, TextRow]]]:
        """What is graded next: a call for each box, as even as they can be."""
        boxes = 1 + len(self.twins)
        share = -(-len(left) // boxes)
        size = self.budget.room(min(self._chunk(), share) if boxes > 1 else self._chunk())
        return [p for i in range(boxes) if (p := left[i * size : (i + 1) * size])]

    def _grade(
        self, parts: list[list[tuple[str, TextRow]]], rows: Sequence[TextRow], chat: bool
    ) -> None:
        """Grade one part in each box, all at once, and keep the values; the first error counts."""
        boxes = (self.box, *self.twins)[: len(parts)]

        def call(part: list[tuple[str, TextRow]], box: Sandbox | LiveBox) -> list[Value]:
            return self._rows([row for _, row in part], rows, chat, box)

        if len(parts) == 1:
            self._keep(parts[0], call(parts[0], self.box))
            return
        with ThreadPoolExecutor(len(parts)) as pool:
            answers = [pool.submit(call, *pair) for pair in zip(parts, boxes, strict=True)]
        failed = [e for a in answers if (e := a.exception()) is not None]
        for part, answer in zip(parts, answers, strict=True):
            if answer.exception() is None:
                self._keep(part, answer.result())
        if failed:
            raise failed[0]

    def _keep(self, part: list[tuple[str, TextRow]], values: list[Value]) -> None:
        graded = {key: v for (key, _), v in zip(part, values, strict=True)}
        self.cache.update(graded)
        if self.disk is not None:
            self.disk.keep(self.disk_name, graded)

    def _rows(
        self,
        part: Sequence[TextRow],
        rows: Sequence[TextRow],
        chat: bool,
        box: Sandbox | LiveBox | None = None,
    ) -> list[Value]:
        """`raw`, with an error's row counted among all rows."""
        try:
            return self.raw(part, chat, box=box)
        except RewardError as error:
            if error.row is None:
                raise
            bad = part[error.row]
            raise error.at_row(
                next(i for i, r in enumerate(rows) if r is bad or r == bad)
            ) from None

    def _chunk(self) -> int:
        """Rows per call, so that a call takes at most a quarter of the time limit."""
        if not self.per_row:
            return PROBES
        return max(1, min(LARGEST_CALL, int(0.25 * self.box.timeout / self.per_row)))

    def fresh(self, *, hash_seed: int | None = None) -> None:
        """Forget the function's state and what was graded.

        hash_seed : of the new interpreter (PYTHONHASHSEED), >= 0; None: as the environment says
        """
        self.cache.clear()
        for box in (self.box, *self.twins):
            box.restart(hash_seed=hash_seed)

    def close(self) -> None:
        """End the child interpreters and everything they started."""
        for box in (self.box, *self.twins):
            box.close()


@dataclass(frozen=True)
class _Attempt:
    values: list[Value] | None
    good: int  # rows that could be graded
    error: RewardError | None = None


def _choose(tried: dict[bool, _Attempt], first: bool) -> bool:
    """The first form unless it fails on every row, or is constant where the other varies."""
    other = tried.get(not first)
    one = tried[first]
    if other is None:
        return first
    if one.values is not None and other.values is not None:
        return first if _constant(other.values) else not first
    if one.good == 0 and other.good == 0:
        assert one.error is not None
        raise one.error
    return first if one.good else not first


def _constant(values: Sequence[Value]) -> bool:
    return len(set(values)) <= 1


def same(a: Sequence[Value], b: Sequence[Value]) -> bool:
    """Equal up to rounding, None matching None only.

    Rounding is a part of the larger of two values, or of 1 where one of the values is that large,
    else of the largest value: those of a reward of 1e-9 are not all equal.
    """
    least = min(1.0, max((abs(v) for v in (*a, *b) if v is not None), default=0.0))
    return len(a) == len(b) and all(
        x is y
        or (
            x is not None and y is not None and abs(x - y) <= TOLERANCE * max(least, abs(x), abs(y))
        )
        for x, y in zip(a, b, strict=True)
    )


def _key(row: TextRow, chat: bool) -> str:
    parts = (row.prompt, row.completion, dict(row.columns), row.tokens, row.truncated, chat)
    parts += (True,) * row.messages  # keys of texts stay what caches on disk know
    return json.dumps(parts, sort_keys=True, default=str)


def _by_prompt(rows: Sequence[TextRow], size: int) -> Iterator[list[TextRow]]:
    """Calls of about `size` rows that don't split neighbours of one prompt."""
    part: list[TextRow] = []
    for row in rows:
        if len(part) >= size and row.prompt != part[-1].prompt:
            yield part
            part = []
        part.append(row)
    if part:
        yield part
