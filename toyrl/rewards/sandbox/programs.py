"""Programs that a policy wrote, run within limits and held against tests they can't see.

    with Programs() as programs:
        programs.test("def f(x): return x + 1", ["assert f(1) == 2"])   # Outcome((True,))
        programs.printed("print(int(input()) + 1)", "1")                # Printed("2\\n")

A program runs in a process of its own, its tests in another; what crosses is plain data (`roles`).
So none of these reaches a test: leaving early, printing that all went well, an object that calls
itself equal to everything, a changed assert, a look at files or frames for what is expected.
Calls may come from many threads at once. Linux, macOS or WSL: it needs fork.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from toyrl.rewards.errors import RewardError
from toyrl.rewards.sandbox.process import Child, passed, ready, replies, spawn, stop
from toyrl.rewards.sandbox.roles import LARGEST_FRAME

SECONDS = 4.0
MEMORY = 2**30
START = 30.0  # seconds for the interpreter that forks
LONGEST = 100_000
"""Characters of a program that are still run."""
ISOLATE = ("allowed", "must", "no")


class Outcome(NamedTuple):
    """What tests say of a program.

    passed : of each test whether it holds; problem : what went wrong first, "" where all hold
    fault : the tests themselves can't be run so, whatever the program is
    loaded : the program ran to its end, so that there was something to test; late : time ran out
    """

    passed: tuple[bool, ...]
    problem: str = ""
    fault: bool = False
    loaded: bool = True
    late: bool = False


class Printed(NamedTuple):
    """What a program printed, None where it was ended; problem : why, or what it raised;
    seconds : that it took."""

    text: str | None
    problem: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Limits:
    """What a program may use: seconds for all its tests, > 0, and bytes of memory of a process."""

    seconds: float = SECONDS
    memory: int = MEMORY


class _Ended(Exception):
    """The process at the other end is gone."""


class _Late(Exception):
    """The time is up."""


class Programs:
    """One clean interpreter that forks a process for each program; starts when it is first used.

    isolate : "allowed": no network and read-only files by namespaces where the system allows it,
        else by what Python itself refuses alone; "must": a RewardError (isolation) where it
        doesn't; "no": never

    Raises ValueError for another word, RuntimeError on systems without fork.
    """

    def __init__(self, *, isolate: str = "allowed") -> None:
        if isolate not in ISOLATE:
            msg = f"isolate={isolate!r} is not one of {', '.join(ISOLATE)}"
            raise ValueError(msg)
        if not hasattr(os, "fork"):
            msg = "running programs needs fork: use Linux, macOS or WSL"
            raise RuntimeError(msg)
        self.isolate = isolate
        self._child: Child | None = None
        self._line: socket.socket | None = None
        self._lock, self._numbers = threading.Lock(), itertools.count()

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the interpreter and all that it forked; safe to call twice."""
        with self._lock:
            self._drop()

    # -- what is asked -----------------------------------------------------------------------------
    def test(
        self,
        code: str,
        tests: Sequence[str],
        *,
        setup: str = "",
        entry: str = "",
        prelude: str = "",
        limits: Limits | None = None,
    ) -> Outcome:
        """Which tests hold of the code's functions.

        tests : statements, each run after `setup`, all in one process; names that they don't bind
            are the code's
        entry : the function's name, `candidate` for tests too; prelude : runs before the code
        """
        limits = limits or Limits()
        if len(code) > LONGEST:
            problem = f"a program of {len(code):,} characters is not run"
            return Outcome((False,) * len(tests), problem)
        run = _Tested(len(tests), time.monotonic() + limits.seconds, limits)
        with self._program(limits) as theirs:
            if not run.loads(theirs, {"role": "solution", "code": code, "prelude": prelude}):
                return run.outcome()
            with self._program(limits) as ours:
                told = {"role": "tests", "setup": setup, "tests": list(tests), "entry": entry}
                run.between(theirs, ours, told)
                return run.outcome()

    def printed(self, code: str, stdin: str = "", *, limits: Limits | None = None) -> Printed:
        """What the code prints as a whole program that reads `stdin`."""
        limits = limits or Limits()
        if len(code) > LONGEST:
            return Printed(None, f"a program of {len(code):,} characters is not run")
        start = time.monotonic()
        with self._program(limits) as one:
            text, problem = None, ""
            try:
                one.send(role="script", code=code, stdin=stdin)
                found = one.receive(start + limits.seconds)
                text, problem = str(found["printed"]), ": ".join(found["raised"] or ())
            except _Late:
                problem = f"it took more than {limits.seconds:g} s"
            except (_Ended, KeyError, TypeError):
                problem = "it ended its process"
            return Printed(text, problem, time.monotonic() - start)

    # -- processes ---------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _program(self, limits: Limits) -> Any:
        """A forked process, which is killed at the end."""
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        try:
            self._tell(b"new %d" % number, theirs)
            theirs.close()
            yield _Line(ours, limits)
        finally:
            ours.close()
            theirs.close()
            self._tell(b"end %d" % number)

    def _tell(self, word: bytes, given: socket.socket | None = None) -> None:
        with self._lock:
            if given is None and self._line is None:
                return  # all was ended meanwhile
            line = self._started()
            fds = [] if given is None else [given.fileno()]
            try:
                socket.send_fds(line, [word], fds)
            except OSError:  # its interpreter was ended by someone: a new one, once
                if given is not None:
                    self._drop()
                    socket.send_fds(self._started(), [word], fds)

    def _drop(self) -> None:
        child, self._child = self._child, None
        line, self._line = self._line, None
        if child is not None:
            stop(child)
        if line is not None:
            line.close()

    def _started(self) -> socket.socket:
        if self._child is not None and self._child.process.poll() is not None:
            self._drop()
        if self._child is None or self._line is None:
            self._child, self._line = self._start(self.isolate != "no")
        return self._line

    def _start(self, isolate: bool) -> tuple[Child, socket.socket]:
        """An interpreter that says that it is ready; without namespaces where they are refused."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with theirs:
            child = spawn(passed(()), isolate=isolate, forks=theirs.fileno())
        refused, deadline = "", time.monotonic() + START
        while time.monotonic() < deadline and not refused:
            ended = child.process.poll() is not None
            ready(child, 0.2, False)
            for reply in replies(child):
                if "pid" in reply:
                    return child, ours
                refused = str(reply.get("refused", refused))
            if ended:
                break
        output = child.output.decode("utf-8", "replace")[-300:].strip()
        stop(child)
        ours.close()
        if refused and self.isolate == "allowed":
            return self._start(isolate=False)
        why = refused or f"the interpreter that runs programs didn't start{output and ': '}{output}"
        raise RewardError("isolation" if refused else "crashed", why)


class _Line:
    """Frames to and from one process."""

    def __init__(self, own: socket.socket, limits: Limits) -> None:
        self.own, self.limits = own, limits

    def send(self, **message: Any) -> None:
        """The first frame."""
        about = {"seconds": self.limits.seconds, "memory": self.limits.memory}
        self.pass_on({**message, **about}, time.monotonic() + self.limits.seconds)

    def pass_on(self, message: dict[str, Any], deadline: float) -> None:
        """One frame. Raises _Late, _Ended."""
        data = json.dumps(message).encode()
        try:
            self.own.settimeout(max(1e-3, deadline - time.monotonic()))
            self.own.sendall(struct.pack(">I", len(data)) + data)
        except TimeoutError:
            raise _Late from None
        except OSError:
            raise _Ended from None

    def receive(self, deadline: float) -> dict[str, Any]:
        """The next frame. Raises _Late, and _Ended for what is none too."""
        size = struct.unpack(">I", self._exactly(4, deadline))[0]
        if size > LARGEST_FRAME:
            raise _Ended
        try:
            found = json.loads(self._exactly(size, deadline))
        except (ValueError, RecursionError):
            raise _Ended from None
        if not isinstance(found, dict):
            raise _Ended
        return found

    def _exactly(self, size: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Late
            try:
                self.own.settimeout(left)
                data = self.own.recv(min(size - len(found), 2**20))
            except TimeoutError:
                raise _Late from None
            except OSError:
                raise _Ended from None
            if not data:
                raise _Ended
            found += data
        return bytes(found)


class _Tested:
    """One program between its two processes."""

    def __init__(self, n: int, deadline: float, limits: Limits) -> None:
        self.passed, self.deadline, self.limits = [False] * n, deadline, limits
        self.problem, self.fault, self.used, self.loaded = "", False, 0.0, False
        self.late = False

    def loads(self, theirs: _Line, code: dict[str, Any]) -> bool:
        """Whether the program runs to its end."""
        try:
            theirs.send(**code)
            first = theirs.receive(self.deadline)
        except (_Late, _Ended) as error:
            self._say(f"the program {self._why(error)}")
            return False
        self.loaded = "ready" in first
        if not self.loaded:
            self._say(f"the program raised {_text(first.get('raised'))}")
        return self.loaded

    def between(self, theirs: _Line, ours: _Line, tests: dict[str, Any]) -> None:
        """Pass frames on until the tests end, or either process does."""
        waits = ours
        try:
            ours.send(**tests)
            while True:
                waits = ours
                asked = ours.receive(self.deadline)
                if "test" in asked:
                    self._note(asked)
                elif "end" in asked:
                    return
                else:
                    waits, start = theirs, time.monotonic()
                    theirs.pass_on(asked, self.deadline)
                    answer = theirs.receive(self.deadline)
                    self.used += time.monotonic() - start
                    waits = ours
                    ours.pass_on(answer, self.deadline)
        except (_Late, _Ended) as error:
            self._say(f"{'a test' if waits is ours else 'the program'} {self._why(error)}")
            own = self.used < self.limits.seconds / 2  # else the program used up the tests' time
            self.fault = self.fault or (waits is ours and own)

    def outcome(self) -> Outcome:
        """What was found so far."""
        return Outcome(tuple(self.passed), self.problem, self.fault, self.loaded, self.late)

    def _why(self, error: Exception) -> str:
        self.late = isinstance(error, _Late)
        return f"took more than {self.limits.seconds:g} s" if self.late else "ended its process"

    def _note(self, said: dict[str, Any]) -> None:
        self.passed[said["test"]] = bool(said["ok"])
        self.fault = self.fault or bool(said["fault"])
        if not said["ok"]:
            self._say(f"test {said['test']}: {said['said'] or 'it does not hold'}")

    def _say(self, problem: str) -> None:
        self.problem = self.problem or problem


def _text(raised: Any) -> str:
    return ": ".join(map(str, raised)) if isinstance(raised, list) else "an exception"


# -- those of this process -------------------------------------------------------------------------
_OWN: dict[tuple[int, str], Programs] = {}
_PARENTS: list[Programs] = []
"""Those that a forked process was left; kept, for what is collected is closed."""
_OPENING = threading.Lock()


def own(isolate: str = "allowed") -> Programs:
    """The one that this process keeps, ended with it; a forked process gets another."""
    key = (os.getpid(), isolate)
    with _OPENING:
        if key not in _OWN:
            for other in [k for k in _OWN if k[0] != key[0]]:
                _PARENTS.append(_OWN.pop(other))  # it is the parent's, who ends it
            _OWN[key] = Programs(isolate=isolate)
            atexit.register(_end, key)
        return _OWN[key]


def _end(key: tuple[int, str]) -> None:
    if key[0] == os.getpid() and key in _OWN:
        _OWN.pop(key).close()
