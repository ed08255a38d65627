"""Queries of a batch side by side, where they are slow enough to gain by it.

    runs = ahead([partial(ask, row) for row in rows], workers=4)
    [run() for run in runs]        # the same answers in the same order, or the same errors

SQLite lets go of Python's lock while it searches, so that threads use several processors. Handing a
query to a thread costs about as long as a lookup, and rows become Python's under the lock: a batch
is run by threads only where its first queries show that the rest takes longer than `WORTH`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

WORTH = 0.02
"""Seconds that what is left of a batch must be expected to take; measured in
`benchmarks/graders_sql.py`: below it threads gain nothing."""
TRIED = 4
"""Queries that are run first, one by one; the first of them may open a database."""
Answer = TypeVar("Answer")


def ahead(
    runs: Sequence[Callable[[], Answer]], workers: int, worth: float = WORTH
) -> list[Callable[[], Answer]]:
    """Functions that give what `runs` give, in order, errors included.

    workers : threads, at most one a processor; with one, or a batch that is small or quick, the
    functions are run one by one, when they are asked. Each must be safe in any thread.
    """
    workers = min(workers, processors())
    if workers < 2 or len(runs) <= TRIED:
        return list(runs)
    spent, done = 0.0, []
    for run in runs[:TRIED]:
        start = time.perf_counter()
        done.append(_outcome(run))
        spent = time.perf_counter() - start
        if done[-1].exception() is not None:
            return [*(f.result for f in done), *runs[len(done) :]]
    left = runs[TRIED:]
    if spent * len(left) < worth:
        return [*(f.result for f in done), *left]
    futures = [_threads(os.getpid(), workers).submit(run) for run in left]
    return [f.result for f in (*done, *futures)]


def processors() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # where a system doesn't tell
        return os.cpu_count() or 1


def _outcome(run: Callable[[], Answer]) -> Future[Answer]:
    future: Future[Answer] = Future()
    try:
        future.set_result(run())
    except Exception as error:  # told where the answer is asked for, as by a thread
        future.set_exception(error)
    return future


@lru_cache(maxsize=4)
def _threads(pid: int, workers: int) -> ThreadPoolExecutor:
    """Threads of this process that stay, with their open databases; a fork makes its own."""
    del pid
    return ThreadPoolExecutor(workers, thread_name_prefix="toyrl-sql")
