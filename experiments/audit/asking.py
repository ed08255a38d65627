"""Asking a judge: in threads, each call with its time, failures counted, answers kept.

A call over its time is given up and its thread left behind; what failed is counted and asked again
by the next run, what was answered is in the cache a second later.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from toyrl.experiments.audit.judges import Call, Judge
from toyrl.rewards.cache import ValueCache

FAILURE = 200
"""Characters of a failure that are told."""
KEEP, HAND = 256, 1.0
"""Answers that are written together, at the latest after so many seconds."""
Progress = Callable[[int, int], None]


@dataclass
class Answers:
    """What came of calls: values (n,) with NaN where there is none.

    asked : calls made; again : of them a second time, after a call of many had failed
    known : answers of earlier runs; unread : answers that could not be read
    failed, late : calls that raised, that took too long; first : the first failure, in words
    """

    values: np.ndarray
    asked: int = 0
    again: int = 0
    known: int = 0
    unread: int = 0
    failed: int = 0
    late: int = 0
    first: str = ""
    unread_text: str = ""

    @property
    def answered(self) -> int:
        """Calls with a value."""
        return int(np.isfinite(self.values).sum())


def ask(
    judge: Judge,
    calls: Sequence[Call],
    *,
    timeout: float = 60.0,
    workers: int = 1,
    cache: ValueCache | None = None,
    progress: Progress | None = None,
    spare: int | None = None,
) -> Answers:
    """Ask everything once; equal calls share an answer.

    spare : questions of calls that failed together which may be asked again one by one; None: all
    """
    places: dict[str, list[int]] = {}
    for i, call in enumerate(calls):
        places.setdefault(call.key, []).append(i)
    keys, found = list(places), Answers(np.full(len(calls), np.nan))
    known = {} if cache is None or not judge.kept else cache.find(judge.kept, keys)
    for key, value in known.items():
        found.known += 1
        found.unread += value is None
        found.values[places[key]] = np.nan if value is None else value
    todo = [k for k in keys if k not in known]
    at = {k: calls[places[k][0]] for k in todo}
    run = _Run(judge, at, timeout, max(1, min(workers, len(todo) or 1)), spare)

    def told(done: dict[str, float | None]) -> None:
        for key, value in done.items():
            found.values[places[key]] = np.nan if value is None else value
        if cache is not None and judge.kept and done:
            cache.keep(judge.kept, done)
        if progress is not None:
            progress(run.finished, len(todo))

    run.go(todo, told)
    found.asked, found.failed, found.late = len(todo), run.failed, run.late
    found.again = run.again
    found.unread += run.unread
    found.first, found.unread_text = run.first, run.unread_text
    return found


@dataclass
class _Run:
    """Threads that take units of calls from one queue."""

    judge: Judge
    calls: dict[str, Call]
    timeout: float
    workers: int
    spare: int | None = None
    again: int = 0
    failed: int = 0
    late: int = 0
    unread: int = 0
    finished: int = 0
    first: str = ""
    unread_text: str = ""
    queue: deque[list[str]] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ready: threading.Event = field(default_factory=threading.Event)
    done: dict[str, float | None] = field(default_factory=dict)

    def go(self, keys: Sequence[str], told: Callable[[dict[str, float | None]], None]) -> None:
        """Ask all; told(answers) is called now and then in this thread."""
        size = self.judge.batch
        self.queue.extend([list(keys[i : i + size]) for i in range(0, len(keys), size)])
        threads = [_Worker(self) for _ in range(self.workers)] if keys else []
        try:
            while any(t.alive for t in threads) or self.queue:
                if not any(t.alive for t in threads):  # a late call left its unit behind
                    threads.append(_Worker(self))
                self.ready.wait(self._wait(threads))
                self.ready.clear()
                threads += [_Worker(self) for t in threads if self._overdue(t)]
                threads = [t for t in threads if t.alive]
                self._hand(told)
        finally:
            with self.lock:
                self.queue.clear()
            self._hand(told)

    def _hand(self, told: Callable[[dict[str, float | None]], None]) -> None:
        with self.lock:
            now, self.done = self.done, {}
        told(now)

    def _wait(self, threads: Sequence[_Worker]) -> float:
        """Seconds until the first call is late, or until answers are handed on."""
        began = [t.began for t in threads if t.alive]
        late = max(0.0, min(began, default=0.0) + self.timeout - time.monotonic()) + 1e-3
        return min(late, HAND)

    def _overdue(self, thread: _Worker) -> bool:
        """Whether a thread's call is late: it is given up, and what it held is dealt with."""
        with self.lock:
            if not thread.alive or time.monotonic() - thread.began <= self.timeout:
                return False
            thread.alive = False
            if thread.unit and not self._one_by_one(thread.unit):
                self.late += len(thread.unit)
                self.finished += len(thread.unit)
                self.first = self.first or f"no answer within {self.timeout:g} s"
        return True

    def _one_by_one(self, unit: Sequence[str]) -> bool:
        """Under the lock: ask a call's questions again by themselves, if there are several and the
        budget has them."""
        if len(unit) == 1 or (self.spare is not None and self.again + len(unit) > self.spare):
            return False
        self.again += len(unit)
        self.queue.extend([k] for k in unit)
        return True

    def answered(self, unit: Sequence[str], answers: Sequence[object]) -> None:
        """Under the lock: what a unit's call gave."""
        for key, answer in zip(unit, answers, strict=True):
            value = self.judge.read(answer)
            if value is None:
                self.unread += 1
                self.unread_text = self.unread_text or repr(answer)[:FAILURE]
            self.done[key] = value
        self.finished += len(unit)

    def raised(self, unit: Sequence[str], error: BaseException) -> None:
        """Under the lock: a unit's call raised."""
        if self._one_by_one(unit):
            return
        self.failed += len(unit)
        self.finished += len(unit)
        self.first = self.first or f"{type(error).__name__}: {error}"[:FAILURE]


class _Worker(threading.Thread):
    """Asks unit after unit until the queue is empty, or its call is given up."""

    def __init__(self, run: _Run) -> None:
        super().__init__(daemon=True)
        self.run_of, self.unit, self.alive = run, [], True
        self.began = time.monotonic()
        self.start()

    def run(self) -> None:
        """One unit after another."""
        run = self.run_of
        while True:
            with run.lock:
                if not self.alive or not run.queue:
                    self.alive = False
                    break
                self.unit, self.began = run.queue.popleft(), time.monotonic()
            calls = [run.calls[k] for k in self.unit]
            try:
                answers, error = run.judge.ask(calls), None
            except BaseException as raised:  # SystemExit of a judge too: it is a failed call
                answers, error = [], raised
            with run.lock:
                if not self.alive:  # given up meanwhile: its call was counted as late
                    return
                if error is None:
                    run.answered(self.unit, answers)
                else:
                    run.raised(self.unit, error)
                tell = len(run.done) >= KEEP
            if tell:
                run.ready.set()
        run.ready.set()
