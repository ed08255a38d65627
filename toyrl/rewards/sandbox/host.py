"""Running a user's code in a child interpreter: bounded in time, memory and output.

The child (`child`) talks JSON lines over pipes of its own. Nothing is pickled, nothing
the user prints reaches us except as captured text, and at the end the child and everything it
started is killed and reaped. This protects against accidents, not against a hostile author.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.places import Place
from toyrl.rewards.sandbox.process import (
    CHILD,
    POLL,
    Child,
    Watch,
    drain,
    memory_kills,
    passed,
    ready,
    replies,
    spawn,
    stop,
    write,
)
from toyrl.rewards.signatures import Signature

GIB = 2**30
GROWN = GIB // 4  # bytes of growth in one call that are worth a word


@dataclass(frozen=True)
class Target:
    """What to load: a file or module, a name in it, and a factory's literals (source).

    places, arguments : the factory's literals by place and by name; arguments None: no call
    text : the parameter that takes the completion, "" to guess it
    """

    label: str
    path: str = ""
    module: str = ""
    name: str = ""
    arguments: Mapping[str, str] | None = None
    places: tuple[str, ...] = ()
    text: str = ""

    def request(self, handle: int) -> dict[str, Any]:
        """The message that loads it."""
        return {"do": "load", "handle": handle, **vars(self)}


@dataclass(frozen=True)
class Answer:
    """A call's values (None: unscorable), notes about conversions, seconds (no start)."""

    values: list[float | None]
    notes: list[str]
    seconds: float = 0.0


class Sandbox:
    """A child interpreter that is reused for many calls and started anew after a death.

    timeout : seconds for one call of the user's function, > 0 (per completion where the function
        takes one at a time); import_timeout : seconds for importing its module
    memory : bytes of resident memory, the child's own children included
    env : names of variables that the child gets beside those that Python needs
        (`toyrl.rewards.sandbox.process.NEEDED`), () for none; None: the whole environment
    isolate : no network, and file systems that are read-only; a call ends in a RewardError
        (isolation) where the system doesn't allow it

    Not for Windows (it needs fork). Use as a context manager, or call `close`.

    Raises RuntimeError on systems without fork.
    """

    def __init__(
        self,
        *,
        timeout: float = 10.0,
        import_timeout: float = 120.0,
        memory: int = 4 * GIB,
        env: Sequence[str] | None = None,
        isolate: bool = False,
    ) -> None:
        if not hasattr(os, "fork"):
            msg = "running a reward function in a sandbox needs fork: use Linux, macOS or WSL"
            raise RuntimeError(msg)
        self.timeout, self.import_timeout, self.memory = timeout, import_timeout, memory
        self.env, self.isolate = env, isolate
        self.printed = self.calls = 0  # bytes and answered calls
        self._targets: list[Target] = []
        self._child: Child | None = None
        self._loaded: set[int] = set()
        self._serial = 0
        self.starts = 0
        self._hash_seed: int | None = None
        self._finalizer: weakref.finalize | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def twin(self) -> Sandbox:
        """Another child interpreter for the same functions, by the same handles."""
        own: Any = {n: getattr(self, n) for n in ("timeout", "import_timeout", "memory", "env")}
        made = Sandbox(isolate=self.isolate, **own)
        made._targets = self._targets
        return made

    # -- what users of this class call ---------------------------------------------------------
    def load(self, target: Target) -> tuple[int, Signature, float]:
        """Import the target's module: (handle, its signature, seconds of importing)."""
        self._targets.append(target)
        handle = len(self._targets) - 1
        answer = self._load(handle)
        return handle, Signature.from_dict(answer["signature"]), float(answer["seconds"])

    def call(
        self, handle: int, rows: Sequence[TextRow], *, chat: bool = False, where: Place = "main"
    ) -> Answer:
        """One value per row from the function behind `handle`.

        where : "main", in a "thread" or in a "process" of the child's
        """
        if not rows:
            return Answer([], [])
        self._start()
        if handle not in self._loaded:
            self._load(handle)
        wired = [wire(row) for row in rows]
        target = self._targets[handle]
        message = {"do": "call", "handle": handle, "rows": wired, "chat": chat}
        message["where"] = where
        child = self._start()
        before, start = child.printed, time.perf_counter()
        answer = self._exchange(message, self.timeout, target.label, rows)
        seconds = time.perf_counter() - start
        drain(child)
        self.printed, self.calls = self.printed + child.printed - before, self.calls + 1
        return Answer(answer["values"], answer["notes"], seconds)

    def restart(self, *, hash_seed: int | None = None) -> None:
        """Forget all state of the user's code; the next call starts a fresh interpreter.

        hash_seed : its PYTHONHASHSEED, >= 0; None: what the environment says, else a random one
        """
        self.close()
        self._hash_seed = hash_seed

    @property
    def output(self) -> str:
        """What the code printed last (the last 16 KiB)."""
        return self._child.output.decode("utf-8", "replace") if self._child else ""

    @property
    def pid(self) -> int | None:
        """Process id of the running worker, if any."""
        return self._child.worker or None if self._child else None

    def close(self) -> None:
        """Kill the child and everything it started; safe to call twice."""
        if self._child is not None:
            self._child = None
            self._loaded.clear()
        if self._finalizer is not None:
            self._finalizer()
            self._finalizer = None

    # -- starting and stopping -----------------------------------------------------------------
    def _start(self) -> Child:
        if self._child is not None and self._child.process.poll() is not None:
            self.close()  # it died between two calls
        if self._child is None:
            fixed = {} if self._hash_seed is None else {"PYTHONHASHSEED": str(self._hash_seed)}
            self._child = spawn({**passed(self.env), **fixed}, isolate=self.isolate)
            self._loaded.clear()
            self.starts += 1
            self._finalizer = weakref.finalize(self, stop, self._child)
        return self._child

    def _load(self, handle: int) -> dict[str, Any]:
        self._start()
        target = self._targets[handle]
        limit = self.import_timeout
        answer = self._exchange(target.request(handle), limit, target.label, (), importing=True)
        self._loaded.add(handle)
        return answer

    # -- one request and its answer ------------------------------------------------------------
    def _exchange(
        self,
        message: dict[str, Any],
        limit: float,
        label: str,
        rows: Sequence[TextRow],
        *,
        importing: bool = False,
    ) -> dict[str, Any]:
        child = self._start()
        self._serial += 1
        out = memoryview(
            json.dumps({**message, "id": self._serial}, default=_plain).encode() + b"\n"
        )
        watch = Watch(child, self.memory)
        deadline, row = time.monotonic() + limit, None
        while True:
            wait = max(0.0, min(POLL, deadline - time.monotonic()))
            writing = bool(out)
            ended = child.process.poll() is not None  # looked at before the last replies are read
            for key in ready(child, wait, writing):
                if key == "requests":
                    out = out[write(child.requests, out) :]
            for reply in replies(child):
                if "refused" in reply:
                    raise self._fatal(_refused_text(reply["refused"]), "isolation", None, ())
                if "killed" in reply:
                    raise self._unsupervised(reply["killed"], label, row, rows)
                if "died" in reply:
                    raise self._died(reply["died"], label, row, rows, watch.peak)
                if reply.get("id") != self._serial:
                    continue
                if "tick" in reply:
                    row = reply["tick"] if reply["tick"] >= 0 else None
                    deadline = time.monotonic() + limit
                elif "error" in reply:
                    raise self._failed(reply["error"], label, rows)
                else:
                    return reply["ok"]
            if watch.too_much():
                text = _memory_text(label, watch.peak, self.memory)
                raise self._fatal(text, "memory", row, rows)
            if time.monotonic() >= deadline:
                text = timeout_text(label, limit, len(rows), row, importing)
                text += _grown_text(watch.first, watch.peak)
                raise self._fatal(text, "timeout", row, rows)
            if ended and (child.process.returncode or 0) < 0:
                raise self._unsupervised(-child.process.returncode, label, row, rows)
            if ended:
                raise self._died(None, label, row, rows, watch.peak)

    def _failed(self, error: dict[str, Any], label: str, rows: Sequence[TextRow]) -> RewardError:
        """The child is alive, the user's code said no."""
        made = failure(error, label, rows)
        if made.kind == "exited":
            self._kill_keep_output(made.detail)
        return made

    def _fatal(
        self, text: str, kind: str, row: int | None, rows: Sequence[TextRow], **more: Any
    ) -> RewardError:
        """The child has to go, or has gone."""
        detail: dict[str, Any] = dict(more)
        self._kill_keep_output(detail)
        return RewardError(kind, text, row, with_input(detail, row, rows))

    def _unsupervised(
        self, number: int, label: str, row: int | None, rows: Sequence[TextRow]
    ) -> RewardError:
        """A process above the worker was ended, which only the user's code could mean to do."""
        doing, name = "" if rows else " while it was imported", _signal(number)
        text = f"{label}{doing}: the sandbox's supervisor was killed ({name})"
        return self._fatal(with_row(text, row, rows), "crashed", row, rows, signal=name)

    def _died(
        self, code: int | None, label: str, row: int | None, rows: Sequence[TextRow], peak: int
    ) -> RewardError:
        kills = self._child.kills if self._child else 0
        doing = "" if rows else " while it was imported"
        if code is not None and code >= 0:
            text = f"{label} ended the process with exit code {code}{doing} (os._exit?)"
            return self._fatal(with_row(text, row, rows), "exited", row, rows, code=code)
        name = "an unknown signal" if code is None else _signal(-code)
        if name == "SIGKILL" and memory_kills() > kills:
            text = f"{label} was ended by the system for lack of memory{doing}{_held(peak)}"
            return self._fatal(with_row(text, row, rows), "memory", row, rows, signal=name)
        text = f"{label} crashed the interpreter{doing} ({name})"
        if name == "SIGKILL":
            text += "; the system may have run out of memory"
        return self._fatal(with_row(text, row, rows), "crashed", row, rows, signal=name)

    def _kill_keep_output(self, detail: dict[str, Any]) -> None:
        child = self._child
        self.close()
        if child is not None and child.output:
            lines = child.output.decode("utf-8", "replace").splitlines()
            # a crash prints all frames; ours would only distract
            kept = [line for line in lines if str(CHILD.parents[1]) not in line]
            detail["output"] = "\n".join(kept)[-2000:]


# -- words -------------------------------------------------------------------------------------
def _signal(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return "an unknown signal"


def _refused_text(reason: str) -> str:
    return (
        f"isolate: {reason}; leave it out, or run toyrl in a container without network whose files "
        "are read-only"
    )


def failure(error: dict[str, Any], label: str, rows: Sequence[TextRow]) -> RewardError:
    """What `child.fault` found, as the error for the reward's author."""
    kind, row, detail = error["kind"], error["row"], dict(error["detail"])
    text = error["message"]
    if kind in ("raised", "wrong_count", "bad_value", "size", "memory", "exited"):
        text = f"{label} {text}"
    where = str(detail.get("traceback", "")).strip().splitlines()
    spot = next((w.strip() for w in reversed(where) if w.strip().startswith("File ")), "")
    if kind == "raised" and spot:
        text += f" ({spot})"
    return RewardError(kind, with_row(text, row, rows), row, with_input(detail, row, rows))


def wire(row: TextRow) -> dict[str, Any]:
    """A row as `calling` takes it."""
    return {
        "prompt": row.prompt,
        "completion": row.completion,
        "columns": dict(row.columns),
        "tokens": int(row.tokens),
        "truncated": bool(row.truncated),
        **{"written": row.written, "messages": row.messages},
    }


def _plain(value: Any) -> Any:
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    return str(value)


def _excerpt(text: str, limit: int = 60) -> str:
    shown = text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
    return repr(shown)


def located(error: RewardError, row: int, rows: Sequence[TextRow]) -> RewardError:
    """The error of a call on one row, told as the error of that row among many."""
    text = with_row(error.message, row, rows)
    return RewardError(error.kind, text, row, with_input(dict(error.detail), row, rows))


def with_row(text: str, row: int | None, rows: Sequence[TextRow]) -> str:
    """The message, with an excerpt of the completion that it is about."""
    if row is None or not 0 <= row < len(rows):
        return text
    return f"{text} on the completion {_excerpt(rows[row].completion)}"


def with_input(detail: dict[str, Any], row: int | None, rows: Sequence[TextRow]) -> dict[str, Any]:
    """The details of an error, with the row it is about; at most 2000 characters of its text."""
    if row is not None and 0 <= row < len(rows):
        one = wire(rows[row])
        detail["input"] = {**one, "completion": one["completion"][:2000]}
    return detail


def timeout_text(label: str, limit: float, n: int, row: int | None, importing: bool) -> str:
    """What a call over its limit is told as."""
    if importing:
        return f"{label}: importing its module took more than {limit:g} s"
    what = "one completion" if row is not None or n == 1 else f"one call with {n} completions"
    return f"{label} took more than {limit:g} s for {what}; raise --timeout if that is expected"


def _held(peak: int) -> str:
    return f" (it held {peak / GIB:.2f} GiB when last looked at)" if peak else ""


def _grown_text(first: int, peak: int) -> str:
    """What a call that ran out of time did to memory, where that may be why."""
    if peak - first < GROWN:
        return ""
    return f"; its memory grew from {first / GIB:.2f} to {peak / GIB:.2f} GiB meanwhile"


def _memory_text(label: str, peak: int, limit: int) -> str:
    return (
        f"{label} used {peak / GIB:.2f} GiB of memory, more than the {limit / GIB:.2f} GiB allowed"
    )
