"""Above the worker: processes that wait for its end and leave nothing alive behind.

On Linux there are three. The first, which the library started, adopts orphans (a "child
subreaper"), so it can kill and reap everything that the worker started, sessions of its own
included; it does so when the worker ends, when the library asks, and when the library's process is
gone. The second stands between it and the worker, for a worker that signals its parent: the first
then tells which signal that was, and cleans up. The death of either takes the worker along.
Elsewhere the worker is the first one's child, and its process group is killed.

Loaded by the child interpreter: standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ADOPTS = sys.platform.startswith("linux")


def split(requests: int, replies: int, control: int) -> None:
    """Fork into supervisors and worker; returns in the worker alone."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    for fd in (wake_read, wake_write):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    below = os.fork()
    if below:
        os.close(requests)
        _supervise(below, replies, control, wake_read)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for fd in (control, wake_read, wake_write):
        os.close(fd)
    if ADOPTS:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        worker = os.fork()
        if worker:
            os.close(requests)
            _stand_between(worker, replies)
    os.setpgid(0, 0)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if not ADOPTS:
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _stand_between(worker: int, replies: int) -> NoReturn:
    """Wait for the worker and say how it ended."""
    _, status = os.waitpid(worker, 0)
    _say(replies, died=os.waitstatus_to_exitcode(status))
    os._exit(0)


def _say(replies: int, **message: int) -> None:
    os.write(replies, b"\n" + json.dumps(message).encode() + b"\n")


def _supervise(below: int, replies: int, control: int, wake: int) -> NoReturn:
    """Wait for the end of the process below or the library's word; then clean up."""
    running = True
    while running:
        ready, _, _ = select.select([control, wake], [], [])
        if wake in ready:
            os.read(wake, 512)
            status = _reap(below)
            if status is not None:
                _tell(os.waitstatus_to_exitcode(status), replies)
                running = False
        if control in ready:
            running = False
    sweep(below)
    os._exit(0)


def _tell(code: int, replies: int) -> None:
    """Tell the library of the end below; the one that stands between has told the worker's."""
    if not ADOPTS:
        _say(replies, died=code)
    elif code < 0:
        _say(replies, killed=-code)


def _reap(below: int) -> int | None:
    """Collect ended children; the status of one if it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == below:
                found = status
    return found


def sweep(below: int, *, patience: float = 3.0) -> None:
    """Kill its group and, as orphans come to us, all its descendants; reap them."""
    end = time.monotonic() + patience
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(below, signal.SIGKILL)
    while time.monotonic() < end:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _children() -> list[int]:
    """Direct children, from /proc; empty where there is none (the group was killed already)."""
    me, found = os.getpid(), []
    with contextlib.suppress(OSError):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError, ValueError):
                    fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                    if int(fields[1]) == me:
                        found.append(int(entry.name))
    return found
