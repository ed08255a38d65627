"""Work done in another thread or process, as trainers call rewards: equal answers are expected.

`signal.alarm`, and all that is built on it, works in the main thread only. Read inside the
sandboxed child: standard library only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, Literal

Place = Literal["main", "thread", "process"]


def in_thread(work: Callable[[], Any]) -> Any:
    """What `work()` returns or raises in a thread of its own."""
    done: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            done.append((work(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    value, error = done[0]
    if error is not None:
        raise error
    return value


def in_process(work: Callable[[], Any]) -> Any:
    """The JSON value that `work()` returns in a forked process, as worker pools fork theirs.

    Raises RuntimeError where the process ends without an answer.
    """
    import multiprocessing

    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run() -> None:
        theirs.send_bytes(json.dumps(work()).encode())

    process = context.Process(target=run, daemon=True)
    process.start()
    theirs.close()
    try:
        return json.loads(ours.recv_bytes())
    except EOFError:
        process.join()
        msg = f"the worker process ended without an answer (exit code {process.exitcode})"
        raise RuntimeError(msg) from None
    finally:
        ours.close()
        process.join()
