"""The child interpreter as a process: started, fed, listened to, watched, ended."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("child.py")
MARK = "TOYRL_SANDBOX"
"""Variable by which everything that a child started is known, whoever its parent is by now."""
NEEDED = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "TZ", "LANG", "LANGUAGE"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OMP_NUM_THREADS"),
)
"""Variables that are passed on whatever else is: what Python needs to start and to find modules."""
PREFIXES = ("LC_", "PYTHON")
OUTPUT_KEPT = 16_384  # last bytes of stdout and stderr that are kept
POLL = 0.05  # seconds between looks at memory
FAMILY_EVERY = 10  # ... of these, how often the child's own children are counted


@dataclass
class Child:
    """A running child interpreter and the pipes to it; file descriptors are numbers."""

    process: subprocess.Popen[bytes]
    requests: int
    replies: int
    control: int
    selector: selectors.BaseSelector
    mark: str = ""
    kills: int = 0  # of the system for lack of memory, before the child was started
    worker: int = 0
    buffer: bytearray = field(default_factory=bytearray)
    output: bytearray = field(default_factory=bytearray)
    printed: int = 0


def passed(names: Sequence[str] | None) -> dict[str, str]:
    """The environment that a child gets: all of it, or what is needed and what is named."""
    if names is None:
        return dict(os.environ)
    wanted = {*NEEDED, *names}
    return {k: v for k, v in os.environ.items() if k in wanted or k.startswith(PREFIXES)}


def spawn(
    environment: Mapping[str, str], *, isolate: bool = False, forks: int | None = None
) -> Child:
    """Start a child interpreter with its three pipes and these variables.

    isolate : without network, and with file systems that are read-only (`isolation`)
    forks : a socket by which it is told to fork programs (`forks`), which stays the caller's
    """
    mark = secrets.token_hex(8)
    request_read, request_write = os.pipe()
    reply_read, reply_write = os.pipe()
    control_read, control_write = os.pipe()
    theirs = (request_read, reply_write, control_read)
    more = () if forks is None else (forks,)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", str(CHILD), *map(str, (*theirs, int(isolate), *more))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(*theirs, *more),
            start_new_session=True,
            env={**environment, "PYTHONIOENCODING": "utf-8:backslashreplace", MARK: mark},
        )
    finally:
        for fd in theirs:
            os.close(fd)
    assert process.stdout is not None
    selector = selectors.DefaultSelector()
    for fd, name in ((reply_read, "replies"), (process.stdout.fileno(), "output")):
        os.set_blocking(fd, False)
        selector.register(fd, selectors.EVENT_READ, name)
    os.set_blocking(request_write, False)
    pipes = (request_write, reply_read, control_write)
    return Child(process, *pipes, selector, mark=mark, kills=memory_kills())


def stop(child: Child) -> None:
    """Ask the supervisor to kill and reap everything; kill it too if it doesn't answer."""
    with contextlib.suppress(OSError):
        os.close(child.control)  # the supervisor's word to clean up
    try:
        child.process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        for group in (child.worker, child.process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if group:
                    os.killpg(group, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(timeout=5.0)
    if child.process.returncode != 0:  # it could not clean up
        end_marked(child.mark)
    drain(child)
    child.selector.close()
    for fd in (child.requests, child.replies):
        with contextlib.suppress(OSError):
            os.close(fd)
    if child.process.stdout is not None:
        child.process.stdout.close()


def end_marked(mark: str, *, patience: float = 3.0) -> None:
    """Kill all processes that carry a child's mark, until none is found."""
    import psutil

    end = time.monotonic() + patience
    while (marked := _marked(mark)) and time.monotonic() < end:
        for process in marked:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.01)  # not waited for: that would take the status of a child of the library


def _marked(mark: str) -> list[Any]:
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def memory_kills() -> int:
    """Processes that the system has ended for lack of memory since it started; 0 if unknown."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        counts = Path("/proc/vmstat").read_text().split("oom_kill ", 1)[1]
        return int(counts.split(maxsplit=1)[0])
    return 0


def ready(child: Child, wait: float, writing: bool) -> list[str]:
    """Names of pipes with something to do; captured output is taken in here."""
    selector = child.selector
    if writing:
        selector.register(child.requests, selectors.EVENT_WRITE, "requests")
    try:
        names = [key.data for key, _ in selector.select(wait)]
    finally:
        if writing:
            selector.unregister(child.requests)
    if "output" in names:
        drain(child)
    return names


def write(fd: int, data: memoryview) -> int:
    """Bytes written without waiting; 0 if the pipe is full or its reader is gone."""
    try:
        return os.write(fd, data[:65_536])
    except (BlockingIOError, BrokenPipeError):
        return 0


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65_536)
    except (BlockingIOError, OSError):
        return b""


def drain(child: Child) -> None:
    """Take what was printed, keep its end; bounded so that endless printing can't hold us here."""
    if child.process.stdout is None or child.process.stdout.closed:
        return
    for _ in range(64):
        data = _read(child.process.stdout.fileno())
        if not data:
            if child.process.poll() is not None:
                with contextlib.suppress(KeyError, ValueError):
                    child.selector.unregister(child.process.stdout)
            return
        child.printed += len(data)
        child.output += data
        del child.output[:-OUTPUT_KEPT]


def replies(child: Child) -> list[dict[str, Any]]:
    """Whole messages that have arrived; lines that are none are dropped."""
    while data := _read(child.replies):
        child.buffer += data
        if len(data) < 65_536:
            break
    *lines, rest = child.buffer.split(b"\n")
    child.buffer = bytearray(rest)
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict):
                child.worker = message.get("pid", child.worker)
                found.append(message)
    return found


class Watch:
    """Resident memory of the worker, and less often of its children too."""

    def __init__(self, child: Child, limit: int) -> None:
        self.child, self.limit = child, limit
        self.next, self.looks, self.family, self.peak, self.first = 0.0, 0, 0, 0, 0

    def too_much(self) -> bool:
        """True once more than the limit was seen."""
        now = time.monotonic()
        if now < self.next or not self.child.worker:
            return False
        self.next = now + POLL
        import psutil

        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.child.worker)
            if self.looks % FAMILY_EVERY == FAMILY_EVERY - 1:
                self.family = sum(_resident(p) for p in process.children(recursive=True))
            self.looks += 1
            self.peak = max(self.peak, process.memory_info().rss + self.family)
            self.first = self.first or self.peak
        return self.peak > self.limit


def _resident(process: Any) -> int:
    import psutil

    with contextlib.suppress(psutil.Error):
        return process.memory_info().rss
    return 0
