"""A user's reward: loaded from a specification, called in a sandbox, graded once per text."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.rewards.cache import Budget, ValueCache, fingerprint
from toyrl.rewards.errors import RewardError
from toyrl.rewards.golds import lent_columns, of_data
from toyrl.rewards.live import LiveBox, identity
from toyrl.rewards.returned import LARGEST, TOO_LARGE
from toyrl.rewards.sandbox.host import GIB, Sandbox
from toyrl.rewards.signatures import Signature
from toyrl.rewards.specs import Reward, Term, parse_spec, read
from toyrl.rewards.terms import TextTerm, Value, same

ALONE = "workers go with functions of files"

__all__ = ["Term", "TextTerm", "UserReward", "load", "parse_spec", "read", "same"]


class UserReward:
    """A weighted sum of Python functions and catalogue shapers; a context manager.

    name : as written; kind : "text" (functions only), "shaper" (catalogue only) or "mixed"
    terms : `Term`s, catalogue ones with `.shaper`; texts : one `TextTerm` per function
    signature : of the first function, or None; reads_gold : a function's code reads gold columns
    """

    def __init__(
        self,
        terms: Sequence[Term],
        texts: Sequence[TextTerm],
        disk: ValueCache | None = None,
    ):
        self.terms, self.texts, self._disk = list(terms), list(texts), disk
        self.name = " + ".join(t.name for t in self.terms)

    @property
    def unit(self) -> float:
        """What all values are multiplied by before they are judged; 1 unless it was set."""
        return self.terms[0].unit if self.terms else 1.0

    @unit.setter
    def unit(self, unit: float) -> None:
        self.terms = [replace(t, unit=unit) for t in self.terms]

    @contextlib.contextmanager
    def as_given(self) -> Iterator[None]:
        """Values as the functions give them, not multiplied by the unit."""
        unit, self.unit = self.unit, 1.0
        try:
            yield
        finally:
            self.unit = unit

    @property
    def kind(self) -> str:
        """text | shaper | mixed"""
        if not self.texts:
            return "shaper"
        return "text" if len(self.texts) == len(self.terms) else "mixed"

    @property
    def signature(self) -> Signature | None:
        """Signature of the first function."""
        return self.texts[0].signature if self.texts else None

    @property
    def reads_gold(self) -> bool:
        """True if the code of a function reads a gold column (found without running it)."""
        return any(t.signature.reads_gold for t in self.texts)

    @property
    def batch_dependent(self) -> bool:
        """True if a function was found to look at its neighbours."""
        return any(t.batch_dependent for t in self.texts)

    @property
    def notes(self) -> list[str]:
        """Conversions and choices made so far."""
        return [note for t in self.texts for note in t.notes]

    def settle(self, rows: Sequence[TextRow]) -> bool | None:
        """Choose chat or plain form for every function on these rows; the first one's choice."""
        chosen = [t.settle(rows) for t in self.texts]
        return chosen[0] if chosen else None

    def score(
        self, rows: Sequence[TextRow], *, chat: bool | None = None, cached: bool = True
    ) -> list[Value]:
        """The functions' weighted sum per row; None counts as 0 unless all are None (as in TRL).

        Catalogue shapers act on `Rollouts`, not on texts, and are left out; a reward of kind
        "shaper" is refused.

        cached : False calls the functions for every row, whatever was graded before
        """
        self._need_texts()
        return self._sum([t.score(rows, chat, cached=cached) for t in self.texts])

    def score_text(self, rows: Sequence[TextRow]) -> list[Value]:
        """`score` in the form that was settled on."""
        return self.score(rows)

    def grade(self, rows: Sequence[TextRow], *, chat: bool | None = None) -> list[Value]:
        """`score` by one call on exactly these rows, nothing cached."""
        self._need_texts()
        self.settle(rows)
        return self._sum([t.raw(rows, chat) for t in self.texts])

    def _need_texts(self) -> None:
        if not self.texts:
            msg = f"{self.name} is a catalogue shaper; apply it to Rollouts, not to texts"
            raise TypeError(msg)

    def _sum(self, columns: list[list[Value]]) -> list[Value]:
        factors = [t.factor for t in self.terms if t.shaper is None]
        total: list[Value] = [
            None
            if all(v is None for v in row)
            else sum(w * v for w, v in zip(factors, row, strict=True) if v is not None)
            for row in zip(*columns, strict=True)
        ]
        if any(v is not None and not abs(v) <= LARGEST * self.unit for v in total):
            msg = f"{self.name}: the sum of its terms {TOO_LARGE}"
            raise RewardError(kind="size", message=msg)
        return total

    def fresh(self) -> None:
        """Start the functions anew in a new interpreter: no memory of earlier calls."""
        for text in self.texts:
            text.fresh()

    def close(self) -> None:
        """End the child interpreters and everything they started."""
        for text in self.texts:
            text.close()
        if self._disk is not None:
            self._disk.close()

    def __enter__(self) -> UserReward:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(
    rewards: Reward,
    *,
    timeout: float = 10.0,
    import_timeout: float = 120.0,
    memory: int = 4 * GIB,
    data: Sequence[Mapping[str, Any]] = (),
    cache: Path | str | None = None,
    max_calls: int | None = None,
    text_parameter: str | None = None,
    env: Sequence[str] | None = None,
    isolate: bool = False,
    workers: int = 1,
    heard: Callable[[Budget], Any] | None = None,
) -> UserReward:
    """Load a reward; every failure is a `RewardError`, of the cache a `CacheError`.

    rewards : see `toyrl.rewards.specs`; several are summed
    timeout : seconds per call; import_timeout : seconds for importing; memory : bytes (the last
        two hold for functions of files and modules, which run in a sandbox)
    data : columns of data rows, lent to graded rows that lack them; a text that toyrl wrote has a
        gold answer of its own, which is handed over in the form of theirs
    cache : folder where values are kept by text for later runs; max_calls : texts that may be
        graded, over all functions
    text_parameter : the functions' parameter that takes the completion, None to guess it
    env : variables that functions of files and modules get beside those that Python needs; None:
        all; isolate : they get no network and read-only file systems
    workers : processes that grade texts side by side, for functions of files and modules whose
        values depend on neither neighbours nor earlier calls; each imports the file
    heard : hears the budget after every call
    """
    terms = read(rewards)
    golds, told = of_data(data), text_parameter or ""
    lent = [lent_columns(row, golds) for row in data]
    boxes: dict[str, Sandbox] = {}
    twins: dict[str, list[Sandbox]] = {}
    disk = None if cache is None else ValueCache(cache)
    shared = {"data": lent, "golds": golds, "budget": Budget(max_calls, heard=heard), "disk": disk}

    def text(term: Term) -> TextTerm:
        if term.function is not None:
            _refuse_apart(term.spec, env, isolate)
            kept = "" if disk is None else fingerprint(term.spec + identity(term.function), None)
            live, name = LiveBox(timeout=timeout), term.spec
            loaded = live.load(term.function, name, told)
            made = TextTerm(live, *loaded, name, disk_name=kept, **shared)
            if workers > 1:
                made.notes[f"{name} runs in this process, one call at a time: {ALONE}"] = None
            return made
        assert term.target is not None
        target = replace(term.target, text=told)
        where = target.path or target.module
        if where not in boxes:
            boxes[where] = Sandbox(
                timeout=timeout,
                import_timeout=import_timeout,
                memory=memory,
                env=env,
                isolate=isolate,
            )
            twins[where] = [boxes[where].twin() for _ in range(workers - 1)]
        kept = fingerprint(term.spec, target.path or term.source)
        box, name = boxes[where], target.label
        loaded = box.load(target)
        return TextTerm(box, *loaded, name, disk_name=kept, twins=twins[where], **shared)

    try:
        texts = [text(term) for term in terms if term.shaper is None]
        _need_parameter(texts, told)
    except BaseException:
        for box in boxes.values():
            box.close()
        if disk is not None:
            disk.close()
        raise
    return UserReward(terms, texts, disk)


def _refuse_apart(name: str, env: Sequence[str] | None, isolate: bool) -> None:
    """Refuse what holds in a process of its own alone, for an object of this process."""
    asked = [n for n, given in (("env", env is not None), ("isolate", isolate)) if given]
    if asked:
        msg = (
            f"{name} is an object of this process and runs here, with its environment and rights; "
            f"{' and '.join(asked)} can't hold: put it in a file and name that, file.py:NAME"
        )
        raise RewardError(kind="bad_spec", message=msg)


def _need_parameter(texts: Sequence[TextTerm], told: str) -> None:
    """Refuse a named parameter that no function has."""
    if told and not any(t.signature.text for t in texts):
        have = "; ".join(f"{t.label} has {', '.join(t.signature.parameters)}" for t in texts)
        there = have or "no function of texts is named"
        msg = f"no function has the parameter {shortened(told)} ({there})"
        raise RewardError(kind="bad_signature", message=msg)
