"""Who labels captions while the policy trains: a thread with a queue, the newest served first.

    with Annotator(judge) as annotator:
        annotator.offer(captions)             unseen ones, and training goes on
        labels = annotator.collect()          whatever has arrived, at once
        table = table.labelled(labels)

The learner never waits. An annotator that dies takes no more captions and says so once, by a
warning with the reason; labels that it gave before are still there, and training goes on.

Source: paper 06, section 2 (appo/llm_annotator.py).
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from toyrl.messages import shortened

T = TypeVar("T")
Judge = Callable[[Sequence[Any]], Sequence[Any]]
"""Captions, or pairs of them, to one label each; anything that is no number is unreadable."""
BATCH, BACKLOG = 100, 10_000
"""Captions that a judge is asked at once, and the newest that are kept waiting: the paper's."""


def take_newest(queue: Sequence[T], batch_size: int) -> tuple[list[T], list[T]]:
    """(picked, left): the newest `batch_size` of a queue, oldest first in both.

    An empty queue gives two empty lists. Source: paper 06, section 2.

    Raises ValueError for a batch below 1.
    """
    if batch_size < 1:
        msg = f"batch_size={batch_size} must be 1 or more"
        raise ValueError(msg)
    return list(queue[-batch_size:]), list(queue[:-batch_size])


class AnnotatorDied(UserWarning):
    """The annotator's thread has ended by an error; training goes on with the labels there are."""


class Annotator:
    """A thread that asks `judge` for labels of what is offered, newest first.

    judge : a list of captions (or pairs) -> as many labels; called by the thread alone
    batch_size : asked at once; most : captions kept waiting, the newest, older ones are dropped and
        offered again at their next visit
    unreadable : the label of an answer that is no number: 0 for captions, 2 (a tie) for pairs

    Raises ValueError for a batch or a queue below 1.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        batch_size: int = BATCH,
        most: int = BACKLOG,
        unreadable: float = 0.0,
    ) -> None:
        if min(batch_size, most) < 1:
            msg = f"batch_size={batch_size} and most={most} must be 1 or more"
            raise ValueError(msg)
        self.judge, self.batch_size, self.most = judge, batch_size, most
        self.unreadable, self.error = unreadable, None
        self.dropped = 0
        self._queue: dict[Any, None] = {}  # in order of arrival, each once
        self._done: dict[Any, float] = {}
        self._turn = threading.Condition()
        self._busy, self._open, self._told = False, True, False
        self._thread = threading.Thread(target=self._work, name="annotator", daemon=True)
        self._thread.start()

    # -- the learner's side ------------------------------------------------------------------
    def offer(self, captions: Iterable[Any]) -> int:
        """Put captions at the queue's end, and say how many are waiting; never waits itself.

        A caption that is waiting already becomes the newest. After death or `close` nothing is
        taken.
        """
        with self._turn:
            if self.alive:
                for c in captions:
                    self._queue.pop(c, None)
                    self._queue[c] = None
                over = len(self._queue) - self.most
                for c in list(self._queue)[: max(over, 0)]:
                    del self._queue[c]
                self.dropped += max(over, 0)
                self._turn.notify_all()
            waiting = len(self._queue)
        self._say()
        return waiting

    def collect(self) -> dict[Any, float]:
        """The labels that have arrived since the last call, in order of arrival; never waits."""
        with self._turn:
            found, self._done = self._done, {}
        self._say()
        return found

    def settled(self, timeout: float = 60.0) -> bool:
        """Wait until nothing is waiting or being judged (for tests and the end of a run).

        Whether that came about within `timeout` seconds; a dead annotator is settled.
        """
        with self._turn:
            return self._turn.wait_for(
                lambda: not self.alive or not (self._queue or self._busy), timeout
            )

    @property
    def alive(self) -> bool:
        """Whether captions are still labelled."""
        return self._open and self.error is None

    def close(self) -> None:
        """End the thread after the batch that it is at; twice is once."""
        with self._turn:
            self._open = False
            self._turn.notify_all()
        self._thread.join(timeout=5.0)

    def __enter__(self) -> Annotator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self) -> None:
        if self.error is not None and not self._told:
            self._told = True
            why = f"{type(self.error).__name__}: {shortened(str(self.error))}"
            msg = (
                f"the annotator has died ({why}); training goes on with the labels there are, and "
            )
            warnings.warn(msg + "captions without one stay at the default", AnnotatorDied, 3)

    # -- the thread's side -------------------------------------------------------------------
    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._queue or not self._open)
                if not self._open:
                    return
                picked, left = take_newest(list(self._queue), self.batch_size)
                self._queue, self._busy = dict.fromkeys(left), True
            try:
                given = self.judge(picked)
                labels = [self._read(x) for x in given]
                if len(labels) != len(picked):
                    msg = f"the judge gave {len(labels)} labels for {len(picked)} captions"
                    raise ValueError(msg)
            except Exception as error:
                with self._turn:
                    self.error, self._busy = error, False
                    self._turn.notify_all()
                return
            with self._turn:
                self._done.update(zip(picked, labels, strict=True))
                self._busy = False
                self._turn.notify_all()

    def _read(self, answer: Any) -> float:
        try:
            value = float(answer)
        except (TypeError, ValueError):
            return self.unreadable
        return value if value == value else self.unreadable  # NaN is no answer
