"""A reward that is a Python object here: called in this process, with the sandbox's own answers.

A function of a notebook cell, a lambda or an instance can't in general be carried into the child
that runs a file's function (`toyrl.rewards.sandbox`), so it runs here. What differs:

- A call over its time limit is interrupted by a signal: only in the main thread, not on Windows,
  and not while compiled code runs that lets no signal in.
- Memory is not bounded, and os._exit or a crash ends this process; sys.exit is caught.
- It can't be started anew: a value that changes between equal calls is told as random, never as
  memory of earlier calls.

What it prints is kept apart (`LiveBox.output`) as there.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import pickle
import signal
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.rewards import calling
from toyrl.rewards.errors import RewardError
from toyrl.rewards.places import Place, in_thread
from toyrl.rewards.sandbox.child import fault
from toyrl.rewards.sandbox.host import Answer, failure, timeout_text, wire, with_input
from toyrl.rewards.signatures import Refusal, Signature, recognise
from toyrl.rewards.source import codes, plain_function

OUTPUT_KEPT = 16_384  # characters


class _OutOfTime(BaseException):
    """The time of a call is over; no Exception, so that a user's `except Exception` lets it by."""


class LiveBox:
    """Calls live functions as `Sandbox` calls those of files.

    timeout : seconds for one call of the user's function, > 0 (per completion where it takes one
        at a time)
    """

    def __init__(self, *, timeout: float = 10.0) -> None:
        self.timeout = timeout
        self.output = ""
        self.printed = self.calls = 0  # characters and answered calls
        self._functions: list[tuple[Callable[..., Any], Signature]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def load(
        self, function: Callable[..., Any], label: str, text: str = ""
    ) -> tuple[int, Signature, float]:
        """Read its signature: (handle, signature, 0 seconds of importing).

        text : the parameter that takes the completion, "" to guess it
        """
        try:
            signature = recognise(function, label, text)
        except Refusal as refusal:
            raise RewardError(refusal.kind, refusal.message, detail=refusal.detail) from None
        self._functions.append((function, signature))
        return len(self._functions) - 1, signature, 0.0

    def call(
        self, handle: int, rows: Sequence[TextRow], *, chat: bool = False, where: Place = "main"
    ) -> Answer:
        """One value per row from the function behind `handle`; RewardError as `Sandbox.call`.

        where : "main" or in a "thread", which goes on where its time is over; this process is never
            forked
        """
        function, signature = self._functions[handle]
        if not rows:
            return Answer([], [])
        start = time.perf_counter()
        at: list[int | None] = [None]
        try:
            with _limited(self.timeout) as again, self._captured():

                def tick(row: int) -> None:
                    at[0] = row if row >= 0 else None
                    again()

                wired = [wire(row) for row in rows]

                def work() -> tuple[list[float | None], list[str]]:
                    return calling.call(
                        function, signature, wired, chat, tick=tick, wait=self._wait
                    )

                values, notes = in_thread(work) if where == "thread" else work()
        except _OutOfTime:
            raise self._late(signature.name, at[0], rows) from None
        except (Exception, SystemExit) as error:
            cause = error.__cause__
            if isinstance(error, calling.UserRaised) and isinstance(cause, _OutOfTime):
                raise self._late(signature.name, at[0], rows) from None
            if isinstance(cause, KeyboardInterrupt):
                raise cause from None  # the person at the keyboard, not the reward
            found = fault(error, Refusal, calling.UserRaised)
            raise failure(found, signature.name, rows) from (cause or error)
        self.calls += 1
        return Answer(values, notes, time.perf_counter() - start)

    def restart(self, *, hash_seed: int | None = None) -> None:
        """Nothing: an object of this process can't be started anew."""

    def close(self) -> None:
        """Close the event loop, if there is one; safe to call twice."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _late(self, label: str, row: int | None, rows: Sequence[TextRow]) -> RewardError:
        text = timeout_text(label, self.timeout, len(rows), row, importing=False)
        return RewardError("timeout", text, row, with_input({"output": self.output}, row, rows))

    @contextlib.contextmanager
    def _captured(self) -> Iterator[None]:
        kept = io.StringIO()
        try:
            with contextlib.redirect_stdout(kept), contextlib.redirect_stderr(kept):
                yield
        finally:
            self.output = (self.output + kept.getvalue())[-OUTPUT_KEPT:]
            self.printed += len(kept.getvalue())

    def _wait(self, results: list[Any]) -> list[Any]:
        """Run awaitables together; in a thread where this one runs a loop, as a notebook does."""

        async def one(result: Any) -> Any:
            return await result if hasattr(result, "__await__") else result

        async def gather() -> list[Any]:
            return list(await asyncio.gather(*map(one, results)))

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        loop, out = self._loop, []
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return loop.run_until_complete(gather())

        def work() -> None:
            try:
                out.append((loop.run_until_complete(gather()), None))
            except BaseException as error:
                out.append((None, error))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join()
        values, error = out[0]
        if error is not None:
            raise error
        return values


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[Callable[[], None]]:
    """Raise _OutOfTime after so many seconds; the function given begins them again.

    Does nothing outside of the main thread and where there is no timer. A timer that runs already
    goes on afterwards with what is left of it.
    """
    main = threading.current_thread() is threading.main_thread()
    if not (main and hasattr(signal, "setitimer")):
        yield lambda: None
        return
    import time

    def late(_signal: int, _frame: Any) -> None:
        raise _OutOfTime

    start = time.monotonic()
    old = signal.signal(signal.SIGALRM, late)
    left, every = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield lambda: _begin(seconds)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        if left:
            rest = max(left - (time.monotonic() - start), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, rest, every)


def _begin(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


# -- names -------------------------------------------------------------------------------------
def label_of(function: Any) -> str:
    """A short name: of the function, of an instance's class, of what a partial or method wraps."""
    bound = getattr(function, "__self__", None)
    name = getattr(function, "__name__", "")
    if name == "<lambda>":
        return "lambda"
    if bound is not None and name and not isinstance(bound, types.ModuleType):
        owner = bound if isinstance(bound, type) else type(bound)
        return f"{owner.__name__}.{name}"
    if name:
        return name
    if hasattr(function, "func"):  # functools.partial
        inner = label_of(function.func)
        given = getattr(function, "keywords", None) or {}
        shown = ", ".join(
            [*map(_short, function.args), *(f"{k}={_short(v)}" for k, v in given.items())]
        )
        return f"{inner}({shown})"
    return type(function).__name__


def _short(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        return shortened(value, 30)
    return type(value).__name__


def identity(function: Any) -> str:
    """A hash of what its values depend on, so that they can be kept between runs.

    The code of the function and of the helpers of its module that it names, its defaults, what it
    closes over, plain global values that it names, and the attributes of its instance. Raises
    RewardError(bad_spec) where one of these can't be pickled, for then edited code or another
    setting could not be told from this one.
    """
    digest = hashlib.sha256()
    target = plain_function(function)
    found = list(codes(function))
    scope = getattr(target, "__globals__", {})
    for code in found:
        digest.update(repr((code.co_name, code.co_names, _constants(code))).encode())
        digest.update(code.co_code)
    named = sorted({n for code in found for n in code.co_names if n in scope})
    plain = {n: scope[n] for n in named if isinstance(scope[n], _PLAIN)}
    cells = [c.cell_contents for c in getattr(target, "__closure__", None) or ()]
    parts = [
        plain,
        cells,
        getattr(target, "__defaults__", None),
        getattr(target, "__kwdefaults__", None),
        *_given(function),
    ]
    for part in parts:
        try:
            digest.update(pickle.dumps(part, protocol=4))
        except Exception as error:
            msg = (
                f"{label_of(function)} can't be kept in a cache: what it uses can't be pickled "
                f"({error}), so another version of it could not be told from this one; leave "
                "cache out, or put the function in a file and name it file.py:NAME"
            )
            raise RewardError(kind="bad_spec", message=msg) from error
    return digest.hexdigest()


_PLAIN = (bool, int, float, str, bytes, tuple, frozenset, type(None))


def _constants(code: types.CodeType) -> list[str]:
    return [repr(c) for c in code.co_consts if not isinstance(c, types.CodeType)]


def _given(function: Any) -> Iterator[Any]:
    """Arguments of partials and attributes of instances, from the outside in."""
    for _ in range(20):
        if hasattr(function, "func") and not isinstance(function, types.FunctionType):
            yield (function.args, sorted((function.keywords or {}).items()))
            function = function.func
        elif isinstance(function, types.MethodType):
            function = function.__self__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    if not isinstance(function, types.FunctionType | types.BuiltinFunctionType | type):
        yield getattr(function, "__dict__", None)
